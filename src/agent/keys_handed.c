/* A party that comes to a host is obeyed there by the consoles that its other hosts obey, from its first
 * instance on: the new host asks those that its document names as having members of the party's farms.
 * README.md says whom it believes. */
#include "agent/keys_inside.h"
#include "base/text.h"

#include <stdio.h>
#include <string.h>

enum {
    PEERS_MAX = 8,        /* so many are asked: the first that the document names */
    ASK_TIMEOUT_MS = 300, /* as looks: a living host answers in well under one */
    /* The others' documents name this host at about the time when its own does: asked again after 50 ms, and
     * twice as long each time, for 3 s in all. */
    FIRST_REST_US = 50 * 1000,
    ROUNDS = 7,
    AGAIN_US = 5 * 1000 * 1000, /* after a failure of the disk */
};

enum verdict {
    VERDICT_NONE, /* no answer, or its document does not name this host (yet) */
    VERDICT_NEW,  /* the party is as new there */
    VERDICT_OPEN, /* nobody has taken its keys there */
    VERDICT_TAKEN,
};

struct handed_call {
    struct handed *handed;
    struct call *call; /* NULL: answered */
    enum verdict verdict;
};

struct handed {
    struct agent *agent;
    struct party_keys *keys;
    struct timer *next;
    struct handed_call calls[PEERS_MAX];
    size_t length, open;
    int rounds;
    bool common_known;
    struct vec common; /* char[KEYS_TEXT_SIZE]: what all of this round obey that have taken them */
};

static void ask_all(void *ctx);
static void ask_one(struct handed *handed, const struct host_peer *other);
static void answered(void *ctx, const struct answer *answer);
static enum verdict read_answer(struct handed *handed, const struct answer *answer);
static void keep_common(struct handed *handed, const struct node *consoles);
static void judge(struct handed *handed);
static bool adopt(struct handed *handed, struct error *err);
static void rest(struct handed *handed, int64_t us);
static void drop_calls(struct handed *handed);

void keys_ask_others(struct agent *agent, struct party_keys *keys)
{
    struct handed *handed = mem_alloc(sizeof(*handed));

    *handed = (struct handed){.agent = agent, .keys = keys, .common = VEC_OF(char[KEYS_TEXT_SIZE])};
    keys->handed = handed;
    rest(handed, 0);
}

void keys_forget_others(struct party_keys *keys)
{
    struct handed *handed = keys->handed;

    if (!handed) return;
    const struct clock_port *clock = handed->agent->options.clock;
    keys->handed = NULL;
    clock->cancel(clock->self, handed->next);
    drop_calls(handed);
    vec_free(&handed->common);
    mem_free(handed);
}

/* Only to a host where this one's document has a member of the party, and nothing but public keys. */
void keys_serve_others(struct agent *agent, struct exchange *exchange, const char *host, const char *party)
{
    const struct host_document *document = agent->good ? &agent->good->document : NULL;
    const struct party_keys *keys = party ? keys_of(agent, party) : NULL;
    CLEANUP_BUF struct buf json = {0};
    bool named = false;

    for (size_t i = 0; document && party && i < document->peers_length; i++)
        named |= text_equal(document->peers[i].name, host) &&
                 keys_has_members(document, party, document->peers[i].underlay);
    if (!named) {
        agent_answer_json(agent, exchange, "{\"answer\":\"unknown\"}");
    } else if (!keys || keys->handed) {
        agent_answer_json(agent, exchange, "{\"answer\":\"new\"}");
    } else if (!keys->taken_ms) {
        agent_answer_json(agent, exchange, "{\"answer\":\"open\"}");
    } else {
        buf_add_text(&json, "{\"answer\":\"taken\",\"consoles\":[");
        for (size_t i = 0; i < keys->consoles.length; i++)
            buf_printf(&json, "%s\"%s\"", i > 0 ? "," : "",
                       ((const struct console *)vec_at(&keys->consoles, i))->key);
        buf_add_text(&json, "]}");
        agent_answer_json(agent, exchange, buf_text(&json));
    }
}

static void ask_all(void *ctx)
{
    struct handed *handed = ctx;
    const struct agent *agent = handed->agent;
    const struct host_document *document = agent->good ? &agent->good->document : NULL;

    handed->next = NULL;
    handed->length = 0;
    handed->rounds++;
    handed->common_known = false;
    vec_clear(&handed->common);
    handed->open = 1; /* held until all are asked */
    for (size_t i = 0; document && i < document->peers_length && handed->length < PEERS_MAX; i++) {
        const struct host_peer *other = &document->peers[i];
        if (!other->given_up && keys_has_members(document, handed->keys->party, other->underlay))
            ask_one(handed, other);
    }
    handed->open--;
    if (handed->open == 0) judge(handed);
}

static void ask_one(struct handed *handed, const struct host_peer *other)
{
    const struct net_port *net = handed->agent->options.net;
    struct handed_call *call = &handed->calls[handed->length++];
    struct peer peer = {.role = ROLE_HOST, .name = other->name, .tls = true, .only_address = -1};
    char path[128];

    snprintf(path, sizeof(path), "/agent/consoles?party=%s", handed->keys->party);
    const struct request request = {.method = "GET", .path = path};
    for (size_t i = 0; i < LENGTH(other->addresses); i++)
        if (other->addresses[i][0]) peer.addresses[peer.addresses_length++] = other->addresses[i];
    *call = (struct handed_call){.handed = handed};
    if (peer.addresses_length == 0) return;
    handed->open++;
    call->call = net->call(net->self, &peer, &request, ASK_TIMEOUT_MS, NULL, answered, call);
}

static void answered(void *ctx, const struct answer *answer)
{
    struct handed_call *call = ctx;
    struct handed *handed = call->handed;

    call->call = NULL;
    handed->open--;
    call->verdict = read_answer(handed, answer);
    /* One is enough to know that it is not so everywhere. */
    if (call->verdict == VERDICT_OPEN)
        keys_forget_others(handed->keys);
    else if (handed->open == 0)
        judge(handed);
}

static enum verdict read_answer(struct handed *handed, const struct answer *answer)
{
    CLEANUP_ARENA struct arena *arena = arena_new();
    struct node node;
    struct error err;

    if (answer->status != 200 || !node_from_json(arena, answer->body, answer->body_size, &node, &err))
        return VERDICT_NONE;
    const char *word = node_text(&node, "answer", "");
    if (text_equal(word, "new")) return VERDICT_NEW;
    if (text_equal(word, "open")) return VERDICT_OPEN;
    if (!text_equal(word, "taken")) return VERDICT_NONE;
    keep_common(handed, node_get(&node, "consoles"));
    return VERDICT_TAKEN;
}

static void keep_common(struct handed *handed, const struct node *consoles)
{
    size_t length = consoles ? consoles->length : 0;

    for (size_t i = 0; !handed->common_known && i < length; i++) {
        const char *key = consoles->items[i].text;
        if (key && keys_is_key(key)) snprintf(vec_push(&handed->common), KEYS_TEXT_SIZE, "%s", key);
    }
    for (size_t i = handed->common.length; handed->common_known && i-- > 0;) {
        bool there = false;
        for (size_t k = 0; k < length; k++)
            there |=
                consoles->items[k].text && text_equal(consoles->items[k].text, vec_at(&handed->common, i));
        if (!there) vec_remove(&handed->common, i);
    }
    handed->common_known = true;
}

/* All of them have said what they know, or there was time enough. */
static void judge(struct handed *handed)
{
    struct agent *agent = handed->agent;
    size_t silent = 0, taken = 0;
    struct error err;

    for (size_t i = 0; i < handed->length; i++) {
        silent += handed->calls[i].verdict == VERDICT_NONE;
        taken += handed->calls[i].verdict == VERDICT_TAKEN;
    }
    if (silent > 0 && handed->rounds < ROUNDS) {
        rest(handed, (int64_t)FIRST_REST_US << (handed->rounds - 1));
    } else if (taken > 0 && handed->common.length > 0 && !adopt(handed, &err)) {
        agent_log(agent, "consoles of other hosts", &err);
        rest(handed, AGAIN_US);
    } else {
        keys_forget_others(handed->keys);
    }
}

/* As after the loss of a pair: it is told, and only these consoles can take it. */
static bool adopt(struct handed *handed, struct error *err)
{
    struct agent *agent = handed->agent;
    struct party_keys *keys = handed->keys;
    const struct clock_port *clock = agent->options.clock;

    for (size_t i = 0; i < handed->common.length && i < KEYS_CONSOLES_MAX; i++)
        keys_add_console(keys, vec_at(&handed->common, i), 0);
    keys->taken_ms = clock->wall_ms(clock->self);
    if (!keys_save(agent, keys, err)) {
        vec_clear(&keys->consoles);
        keys->taken_ms = 0;
        return false;
    }
    exec_end_party(agent, keys->party);
    report_soon(agent);
    return true;
}

static void rest(struct handed *handed, int64_t us)
{
    const struct clock_port *clock = handed->agent->options.clock;
    drop_calls(handed);
    handed->next = clock->after(clock->self, us, ask_all, handed);
}

static void drop_calls(struct handed *handed)
{
    const struct net_port *net = handed->agent->options.net;

    for (size_t i = 0; i < handed->length; i++)
        net->cancel(net->self, handed->calls[i].call);
    handed->length = 0;
}

bool keys_has_members(const struct host_document *document, const char *party, uint32_t underlay)
{
    size_t size = strlen(party);

    for (size_t i = 0; underlay && i < document->farms_length; i++) {
        const struct host_farm *farm = &document->farms[i];
        if (!text_starts(farm->name, party) || farm->name[size] != '/') continue;
        for (size_t k = 0; k < farm->members_length; k++)
            if (farm->members[k].underlay == underlay) return true;
    }
    return false;
}
