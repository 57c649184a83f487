/* What is stored for a party follows it to another host, and so does its key: from agent to agent, over the
 * channel on which both have shown their certificates, sealed to the asking host's own pair for the party.
 * The host that has it gives it only to one where its own document has a member of a farm of the party. */
#include "agent/keys_inside.h"

#include "base/text.h"

#include <stdio.h>
#include <string.h>

enum { ASK_MS = 10 * 1000 };

/* Begins what is in the box; the party, the item, who gives and who gets it follow, each with its zero byte,
 * and then the key. */
static const char box_begins[] = "croft item handover 1";

struct handover {
    struct agent *agent;
    char *host, *party, *item;
    struct call *call;
    struct timer *soon; /* to say why it was not asked */
    struct error err;
    void (*done)(void *ctx, const struct error *err);
    void *ctx;
};

static bool ask(struct handover *handover, struct error *err);
static const struct host_peer *peer_named(const struct agent *agent, const char *host);
static void answered(void *ctx, const struct answer *answer);
static bool take(struct handover *handover, const struct answer *answer, struct error *err);
static void not_asked(void *ctx);
static void finish(struct handover *handover, const struct error *err);
static void handover_free(struct handover *handover);
static bool give(struct agent *agent, const struct request *request, const char *host, struct buf *ret_box,
                 struct error *err);
static bool has_place(const struct agent *agent, const char *host, const char *party, struct error *err);
static bool seal(struct agent *agent, const struct item_asked *asked, const char *host,
                 const unsigned char *key, struct buf *ret_box, struct error *err);
static void box_head(const char *party, const char *item, const char *from, const char *to,
                     struct buf *ret_head);
static bool is_own(const char *item);

void handover_ask(struct agent *agent, const char *host, const char *party, const char *item,
                  void (*done)(void *ctx, const struct error *err), void *ctx)
{
    const struct clock_port *clock = agent->options.clock;
    struct handover *handover = mem_alloc(sizeof(*handover));

    *handover = (struct handover){.agent = agent,
                                  .host = mem_strdup(host),
                                  .party = mem_strdup(party),
                                  .item = mem_strdup(item),
                                  .done = done,
                                  .ctx = ctx};
    *(struct handover **)vec_push(&agent->handovers) = handover;
    if (!ask(handover, &handover->err)) handover->soon = clock->after(clock->self, 0, not_asked, handover);
}

void handover_serve(struct agent *agent, struct exchange *exchange, const struct request *request,
                    const char *host)
{
    const struct header type = {"Content-Type", "application/octet-stream"};
    CLEANUP_BUF struct buf box = {0};
    struct error err;

    if (give(agent, request, host, &box, &err))
        agent_answer(agent, exchange, 200, &type, 1, box.data, box.size);
    else
        agent_answer_error(agent, exchange, &err);
}

void handover_stop(struct agent *agent)
{
    while (agent->handovers.length > 0)
        handover_free(*(struct handover **)vec_at(&agent->handovers, 0));
    vec_free(&agent->handovers);
}

static bool ask(struct handover *handover, struct error *err)
{
    struct agent *agent = handover->agent;
    const struct net_port *net = agent->options.net;
    const struct vault_port *vault = agent->options.vault;
    const struct host_peer *other = peer_named(agent, handover->host);
    struct peer peer = {.role = ROLE_HOST, .name = handover->host, .tls = true, .only_address = -1};
    char seal_key[2 * VAULT_KEY_SIZE + 1];
    CLEANUP_BUF struct buf json = {0};
    struct vault_pair pair;

    for (size_t i = 0; other && i < LENGTH(other->addresses); i++)
        if (other->addresses[i][0]) peer.addresses[peer.addresses_length++] = other->addresses[i];
    if (peer.addresses_length == 0)
        return error_set(err, ERROR_NOT_FOUND, "no document says where host %s is", handover->host);
    if (!vault->find(vault->self, handover->party, &pair))
        return error_set(err, ERROR_NOT_FOUND, "%s has no keys on %s", handover->party,
                         agent->options.host->name);
    for (size_t i = 0; i < VAULT_KEY_SIZE; i++)
        snprintf(seal_key + 2 * i, 3, "%02x", pair.seal[i]);
    const struct item_asked asked = {handover->party, handover->item, seal_key};
    schema_write(&schema_item_asked, NULL, &asked, &json);
    const struct request request = {
        .method = "POST", .path = "/agent/item", .body = json.data, .body_size = json.size};
    handover->call = net->call(net->self, &peer, &request, ASK_MS, NULL, answered, handover);
    return true;
}

static const struct host_peer *peer_named(const struct agent *agent, const char *host)
{
    const struct host_document *document = agent->good ? &agent->good->document : NULL;

    for (size_t i = 0; document && i < document->peers_length; i++)
        if (text_equal(document->peers[i].name, host)) return &document->peers[i];
    return NULL;
}

static void answered(void *ctx, const struct answer *answer)
{
    struct handover *handover = ctx;
    struct error err;

    handover->call = NULL;
    finish(handover, take(handover, answer, &err) ? NULL : &err);
}

static bool take(struct handover *handover, const struct answer *answer, struct error *err)
{
    struct agent *agent = handover->agent;
    const struct vault_port *vault = agent->options.vault;
    CLEANUP_BUF struct buf head = {0}, plain = {0};

    if (answer->status == 0) {
        *err = *answer->error;
        return error_wrap(err, "%s", handover->host);
    }
    if (answer->status != 200)
        return error_set(err, error_from_http_status(answer->status), "%s does not give it: %.*s",
                         handover->host, (int)(answer->body_size < 400 ? answer->body_size : 400),
                         answer->body);
    if (!vault->open(vault->self, handover->party, answer->body, answer->body_size, &plain, err))
        return error_wrap(err, "%s", handover->host);
    box_head(handover->party, handover->item, handover->host, agent->options.host->name, &head);
    bool good = (plain.size == head.size + DISK_KEY_SIZE && memcmp(plain.data, head.data, head.size) == 0) ||
                error_set(err, ERROR_DENIED, "what %s gave is not what it was asked for", handover->host);
    good = good && disk_item_put(agent, handover->party, handover->item,
                                 (const unsigned char *)plain.data + head.size, err);
    if (plain.size > 0) explicit_bzero(plain.data, plain.size);
    return good;
}

static void not_asked(void *ctx)
{
    struct handover *handover = ctx;
    const struct error err = handover->err;

    handover->soon = NULL;
    finish(handover, &err);
}

static void finish(struct handover *handover, const struct error *err)
{
    void (*done)(void *ctx, const struct error *err) = handover->done;
    void *ctx = handover->ctx;

    handover_free(handover);
    done(ctx, err);
}

static void handover_free(struct handover *handover)
{
    const struct net_port *net = handover->agent->options.net;
    const struct clock_port *clock = handover->agent->options.clock;
    struct vec *all = &handover->agent->handovers;

    net->cancel(net->self, handover->call);
    clock->cancel(clock->self, handover->soon);
    for (size_t i = 0; i < all->length; i++) {
        if (*(struct handover **)vec_at(all, i) != handover) continue;
        vec_remove(all, i);
        break;
    }
    mem_free(handover->host);
    mem_free(handover->party);
    mem_free(handover->item);
    mem_free(handover);
}

static bool give(struct agent *agent, const struct request *request, const char *host, struct buf *ret_box,
                 struct error *err)
{
    const struct vault_port *vault = agent->options.vault;
    CLEANUP_ARENA struct arena *arena = arena_new();
    struct item_asked asked;
    void *key = NULL;

    if (!text_equal(request->method, "POST"))
        return error_set(err, ERROR_USAGE, "what is asked for is POSTed");
    if (!model_read_json(&schema_item_asked, arena, request->body ? request->body : "", request->body_size,
                         &asked, err) ||
        !has_place(agent, host, asked.party, err))
        return false;
    if (is_own(asked.item))
        return error_set(err, ERROR_REFUSED, "the %s of a party is a host's own", asked.item);
    if (!vault->memory(vault->self, DISK_KEY_SIZE, &key, err)) return false;
    bool good = disk_item_find(agent, asked.party, asked.item, key, err) &&
                seal(agent, &asked, host, key, ret_box, err);
    vault->memory_free(vault->self, key);
    return good;
}

/* By this host's own document, whatever the other one says of itself. */
static bool has_place(const struct agent *agent, const char *host, const char *party, struct error *err)
{
    const struct host_peer *peer = peer_named(agent, host);

    return (peer && !peer->given_up && keys_has_members(&agent->good->document, party, peer->underlay)) ||
           error_set(err, ERROR_DENIED, "%s has no place of %s, as far as %s knows", host, party,
                     agent->options.host->name);
}

static bool seal(struct agent *agent, const struct item_asked *asked, const char *host,
                 const unsigned char *key, struct buf *ret_box, struct error *err)
{
    const struct vault_port *vault = agent->options.vault;
    unsigned char to[VAULT_KEY_SIZE];
    CLEANUP_BUF struct buf head = {0};
    void *memory = NULL;

    bool good = strlen(asked->seal) == 2 * sizeof(to);
    for (size_t i = 0; good && i < sizeof(to); i++) {
        int high = text_hex_digit(asked->seal[2 * i]), low = text_hex_digit(asked->seal[2 * i + 1]);
        good = high >= 0 && low >= 0;
        if (good) to[i] = (unsigned char)(high << 4 | low);
    }
    if (!good) return error_set(err, ERROR_INVALID, "the key to seal to is none");
    box_head(asked->party, asked->item, agent->options.host->name, host, &head);
    if (!vault->memory(vault->self, head.size + DISK_KEY_SIZE, &memory, err)) return false;
    memcpy(memory, head.data, head.size);
    memcpy((char *)memory + head.size, key, DISK_KEY_SIZE);
    good = vault->seal(vault->self, to, memory, head.size + DISK_KEY_SIZE, ret_box, err);
    vault->memory_free(vault->self, memory);
    return good;
}

static void box_head(const char *party, const char *item, const char *from, const char *to,
                     struct buf *ret_head)
{
    const char *const parts[] = {box_begins, party, item, from, to};
    for (size_t i = 0; i < LENGTH(parts); i++)
        buf_add(ret_head, parts[i], strlen(parts[i]) + 1);
}

/* Of these each host has one for itself. */
static bool is_own(const char *item)
{
    return text_equal(item, "directory");
}
