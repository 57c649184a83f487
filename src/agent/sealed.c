/* Sealed commands: opened, judged, done as a controller's plain ones are, and the answer sealed to who asked.
 * What is wrong with one before it is known who sent it is answered in the clear; everything after that is
 * sealed. */
#include "model/sealed.h"
#include "agent/internal.h"
#include "base/text.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* A command on its way. What it asks points into `plain`. */
struct sealed_asked {
    const struct exchange *exchange; /* NULL: answered */
    struct sealed_head head;
    struct party_keys *keys; /* while it is being judged */
    struct buf plain;
    struct sealed_command command;
    unsigned char digest[SEALED_KEY_SIZE];
    int64_t counter; /* told with the answer */
};

static bool open_command(struct agent *agent, struct sealed_asked *asked, const struct request *request,
                         struct error *err);
static bool judge(struct agent *agent, const struct sealed_asked *asked, struct error *err);
static bool check_time(struct agent *agent, const struct sealed_asked *asked, struct error *err);
static void serve(struct agent *agent, struct sealed_asked *asked, struct exchange *exchange);
static void serve_keys(struct agent *agent, struct sealed_asked *asked, struct exchange *exchange);
static void serve_others(struct agent *agent, const struct sealed_asked *asked, struct exchange *exchange,
                         const struct request *request);
static bool seal_answer(struct agent *agent, const struct sealed_asked *asked,
                        const struct sealed_answer *answer, struct buf *ret_data, struct error *err);
static struct sealed_asked *find(const struct agent *agent, const struct exchange *exchange);
static void asked_free(struct sealed_asked *asked);
static bool is_take(const struct sealed_command *command);

void sealed_serve(struct agent *agent, struct exchange *exchange, const struct request *request)
{
    struct sealed_asked *asked = mem_alloc(sizeof(*asked));
    struct error err;

    if (!open_command(agent, asked, request, &err) || !judge(agent, asked, &err)) {
        asked_free(asked);
        agent_answer_error(agent, exchange, &err);
        return;
    }
    asked->exchange = exchange;
    *(struct sealed_asked **)vec_push(&agent->sealed) = asked;
    serve(agent, asked, exchange);
}

bool sealed_answer(struct agent *agent, struct exchange *exchange, int status, const struct header *headers,
                   size_t headers_length, const void *body, size_t body_size)
{
    const struct net_port *net = agent->options.net;
    const struct sealed_asked *asked = find(agent, exchange);
    struct sealed_answer answer = {
        .status = status, .type = "", .offset = "", .body = body, .body_size = body_size};
    CLEANUP_BUF struct buf data = {0};
    const struct header type = {"Content-Type", "application/octet-stream"};
    struct error err;

    if (!asked) return false;
    for (size_t i = 0; i < headers_length; i++) {
        if (text_equal(headers[i].name, "Content-Type")) answer.type = headers[i].value;
        if (text_equal(headers[i].name, "Croft-Offset")) answer.offset = headers[i].value;
    }
    answer.counter = asked->counter;
    memcpy(answer.command, asked->digest, sizeof(answer.command));
    bool good = seal_answer(agent, asked, &answer, &data, &err);
    sealed_forget(agent, exchange);
    if (good)
        net->answer(net->self, exchange, 200, &type, 1, data.data, data.size);
    else
        agent_answer_error(agent, exchange, &err);
    return true;
}

void sealed_forget(struct agent *agent, const struct exchange *exchange)
{
    for (size_t i = agent->sealed.length; i-- > 0;) {
        struct sealed_asked *asked = *(struct sealed_asked **)vec_at(&agent->sealed, i);
        if (exchange && asked->exchange != exchange) continue;
        vec_remove(&agent->sealed, i);
        asked_free(asked);
    }
}

/* By whom, to whom, with which pair, whole and signed. */
static bool open_command(struct agent *agent, struct sealed_asked *asked, const struct request *request,
                         struct error *err)
{
    const struct vault_port *vault = agent->options.vault;
    const char *host = agent->options.host->name, *box = NULL, *part = NULL;
    const unsigned char *signature = NULL;
    CLEANUP_BUF struct buf text = {0};
    size_t box_size = 0, part_size = 0;

    if (!text_equal(request->method, "POST"))
        return error_set(err, ERROR_USAGE, "a sealed command is POSTed");
    if (!sealed_head_read(request->body, request->body_size, &asked->head, &box, &box_size, err))
        return false;
    if (!text_equal(asked->head.host, host))
        return error_set(err, ERROR_REFUSED, "a sealed command for %s, not for %s", asked->head.host, host);
    asked->keys = keys_of(agent, asked->head.party);
    if (!asked->keys)
        return error_set(err, ERROR_REFUSED, "%s has nothing on %s, and no keys there", asked->head.party,
                         host);
    const char *slot = keys_slot(agent, asked->keys, asked->head.pair);
    if (!slot)
        return error_set(
            err, ERROR_REFUSED,
            "sealed to a pair that %s does not have on %s (any more): croft key show tells when it "
            "was changed",
            asked->head.party, host);
    if (!vault->open(vault->self, slot, box, box_size, &asked->plain, err)) return false;
    if (!sealed_split(asked->plain.data, asked->plain.size, &signature, &part, &part_size, err) ||
        !sealed_command_read(part, part_size, &asked->command, err))
        return false;
    sealed_command_text(&asked->head, part, part_size, &text);
    bool signed_well = vault->verify(vault->self, asked->command.console, text.data, text.size, signature);
    explicit_bzero(text.data, text.size);
    if (!signed_well)
        return error_set(err, ERROR_DENIED, "a forged command: its signature is not its console's");
    vault->digest(vault->self, request->body, request->body_size, asked->digest);
    return true;
}

static bool judge(struct agent *agent, const struct sealed_asked *asked, struct error *err)
{
    const char *host = agent->options.host->name, *party = asked->head.party;

    if (keys_taken(asked->keys) && !keys_know(asked->keys, asked->command.console))
        return error_set(err, ERROR_DENIED,
                         "that console is none of %s's on %s: another took its keys, or dismissed it", party,
                         host);
    if (!keys_taken(asked->keys) && !is_take(&asked->command))
        return error_set(err, ERROR_REFUSED, "%s has not taken its keys on %s yet: croft key take does it",
                         party, host);
    return check_time(agent, asked, err);
}

static bool check_time(struct agent *agent, const struct sealed_asked *asked, struct error *err)
{
    const struct clock_port *clock = agent->options.clock;
    int64_t now_ms = clock->wall_ms(clock->self);
    char time[32];

    if (asked->command.expires_ms <= now_ms)
        return error_set(err, ERROR_REFUSED, "a command that has expired: on %s it is %s",
                         agent->options.host->name, text_format_time(time, now_ms));
    if (asked->command.expires_ms - now_ms > SEALED_AHEAD_MAX_MS)
        return error_set(
            err, ERROR_REFUSED,
            "a command that would be good for more than %d minutes: on %s it is %s; set the clocks",
            SEALED_AHEAD_MAX_MS / 60000, agent->options.host->name, text_format_time(time, now_ms));
    return true;
}

/* From here on its console gets sealed answers. */
static void serve(struct agent *agent, struct sealed_asked *asked, struct exchange *exchange)
{
    const struct sealed_command *command = &asked->command;
    const char *slot = keys_slot(agent, asked->keys, asked->head.pair);
    const struct request request = {.method = command->method,
                                    .path = command->path,
                                    .body = command->body,
                                    .body_size = command->body_size};
    struct error err;

    if (!keys_count(agent, asked->keys, command->console, command->counter, &asked->counter, &err)) {
        if (asked->counter > 0)
            sealed_answer(agent, exchange, SEALED_AGAIN, NULL, 0, NULL, 0);
        else
            agent_answer_error(agent, exchange, &err);
        return;
    }
    if (!text_equal(slot, asked->head.party) && !keys_change_over(agent, asked->keys, &err)) {
        agent_answer_error(agent, exchange, &err);
        return;
    }
    if (text_starts(command->path, "/agent/keys"))
        serve_keys(agent, asked, exchange);
    else
        serve_others(agent, asked, exchange, &request);
}

static void serve_keys(struct agent *agent, struct sealed_asked *asked, struct exchange *exchange)
{
    const struct sealed_command *command = &asked->command;
    CLEANUP_ARENA struct arena *arena = arena_new();
    const char *party = agent_query(arena, command->path, "party");
    const char *console = agent_query(arena, command->path, "console");
    bool post = text_equal(command->method, "POST"), good = false;
    CLEANUP_BUF struct buf json = {0};
    struct error err;

    if (text_equal(command->path, "/agent/keys") && !post) {
        keys_tell(asked->keys, &json);
        good = true;
    } else if (is_take(command)) {
        good = keys_take(agent, asked->keys, command->console, command->counter, &json, &err);
    } else if (post && text_equal(command->path, "/agent/keys/release")) {
        good = disk_keys_release(agent, asked->head.party, command->body, command->body_size, &json, &err);
    } else if (post && text_equal(command->path, "/agent/keys/rotate")) {
        good = keys_rotate(agent, asked->keys, &json, &err);
    } else if (post && text_starts(command->path, "/agent/keys/admit?")) {
        good = keys_admit(agent, asked->keys, console, &json, &err);
    } else if (post && text_starts(command->path, "/agent/keys/dismiss?")) {
        good = keys_dismiss(agent, asked->keys, command->console, console, &json, &err);
    } else if (post && text_starts(command->path, "/agent/keys/rotate?") && party) {
        good = text_equal(asked->head.party, "landlord")
                   ? keys_shut_out(agent, party, &json, &err)
                   : error_set(&err, ERROR_DENIED, "only the landlord rotates the keys of others");
    } else {
        error_set(&err, ERROR_NOT_FOUND, "no %s %s here", command->method, command->path);
    }
    if (good)
        agent_answer_json(agent, exchange, buf_text(&json));
    else
        agent_answer_error(agent, exchange, &err);
}

/* Only with what is the party's own. */
static void serve_others(struct agent *agent, const struct sealed_asked *asked, struct exchange *exchange,
                         const struct request *request)
{
    CLEANUP_ARENA struct arena *arena = arena_new();
    const char *instance = agent_query(arena, request->path, "instance"), *party = asked->head.party;
    bool exec = text_starts(request->path, "/agent/exec"), log = text_starts(request->path, "/agent/log?");
    struct error err;

    if (!exec && !log) {
        error_set(&err, ERROR_NOT_FOUND, "no %s %s here", request->method, request->path);
        agent_answer_error(agent, exchange, &err);
    } else if (!instance || !text_starts(instance, party) || instance[strlen(party)] != '/') {
        error_set(&err, ERROR_DENIED, "%s is not of %s", instance ? instance : "no instance", party);
        agent_answer_error(agent, exchange, &err);
    } else if (!keys_let(agent, asked->keys, instance, asked->command.console, &err)) {
        agent_answer_error(agent, exchange, &err);
    } else if (exec) {
        exec_serve(agent, exchange, request);
    } else {
        serve_log(agent, exchange, request);
    }
}

/* Signed by the pair that the command was sealed to. */
static bool seal_answer(struct agent *agent, const struct sealed_asked *asked,
                        const struct sealed_answer *answer, struct buf *ret_data, struct error *err)
{
    const struct vault_port *vault = agent->options.vault;
    const struct party_keys *keys = keys_of(agent, asked->head.party);
    const char *slot = keys ? keys_slot(agent, keys, asked->head.pair) : NULL;
    CLEANUP_BUF struct buf part = {0}, text = {0}, plain = {0};
    unsigned char signature[SEALED_SIGNATURE_SIZE];

    if (!slot)
        return error_set(err, ERROR_REFUSED, "the keys of %s on %s were changed meanwhile: ask again",
                         asked->head.party, agent->options.host->name);
    sealed_answer_write(answer, &part);
    sealed_answer_text(part.data, part.size, &text);
    if (!vault->sign(vault->self, slot, text.data, text.size, signature, err)) return false;
    buf_add(&plain, signature, sizeof(signature));
    buf_add(&plain, part.data, part.size);
    sealed_answer_head(ret_data);
    bool good = vault->seal(vault->self, asked->command.answer_to, plain.data, plain.size, ret_data, err);
    struct buf *const secrets[] = {&part, &text, &plain};
    for (size_t i = 0; i < LENGTH(secrets); i++)
        explicit_bzero(secrets[i]->data, secrets[i]->size);
    return good;
}

static struct sealed_asked *find(const struct agent *agent, const struct exchange *exchange)
{
    for (size_t i = 0; i < agent->sealed.length; i++) {
        struct sealed_asked *asked = *(struct sealed_asked **)vec_at(&agent->sealed, i);
        if (asked->exchange == exchange) return asked;
    }
    return NULL;
}

static void asked_free(struct sealed_asked *asked)
{
    if (asked->plain.size > 0) explicit_bzero(asked->plain.data, asked->plain.size);
    buf_free(&asked->plain);
    mem_free(asked);
}

static bool is_take(const struct sealed_command *command)
{
    return text_equal(command->method, "POST") && text_equal(command->path, "/agent/keys/take");
}
