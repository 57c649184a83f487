/* Commands run inside instances for people. Each is a session: started, its output asked for in pieces by a
 * long poll, input given, killed, or forgotten when nobody asks any more. All of it messages, so that a
 * controller can pass it on and a simulation can lose it.
 *
 *   POST   /agent/exec?instance=NAME        {command[], env[], tty, rows, columns} -> {"session":ID}
 *   GET    /agent/exec/ID?instance=NAME&after=OFFSET
 *                                            -> {"output":[{stream,data}],"next":OFFSET,"exit":null|status}
 *   POST   /agent/exec/ID/input?instance=NAME   raw bytes; none closes the input. Answered when what came
 *                                            before has been read: 409 when it has not for long, or another
 *                                            piece waits; then this one was not taken, and may be sent again
 *   DELETE /agent/exec/ID?instance=NAME         kills
 */
#include "agent/internal.h"
#include "base/text.h"

#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    POLL_US = 20 * 1000 * 1000,
    ABANDONED_US = 60 * 1000 * 1000, /* nobody asked for so long: the session's person is gone */
    OUTPUT_MAX = 4 * 1024 * 1024,    /* unread output; a command that says more is killed */
    PIECE_MAX = 64 * 1024,
    SESSIONS_MAX = 64,
    /* So that nobody can use up the host's. */
    SESSIONS_OF_PARTY_MAX = 32,
    SESSIONS_OF_INSTANCE_MAX = 8,
    REST_MAX = 64 * 1024,
    REFUSAL_MAX = 1024, /* what the driver says of a command that cannot be run is shorter */
};

/* A piece of output as it came: the bytes stand in exec_session.output. */
struct piece {
    int stream;
    size_t size;
};

struct exec_session {
    struct agent *agent;
    char id[33];
    char *instance; /* its own: no other name opens the session */
    char *program;
    bool tty;
    struct process *process; /* NULL: it has ended */
    bool ended;
    bool told; /* that it ended */
    int status;
    struct vec pieces; /* struct piece, not yet read */
    struct buf output;
    struct buf rest; /* with tty: what the driver's program itself says, up to REST_MAX */
    int64_t offset;  /* of the first byte in output */
    struct exchange *waiting;
    struct timer *timer; /* end of the poll, or of patience */
    bool input_queued;   /* the process has not read all of it yet: the next piece has to wait */
    struct exchange *input_waiting;
    struct request input; /* of input_waiting */
    struct timer *input_timer;
};

static void start(struct agent *agent, struct exchange *exchange, const struct request *request);
static bool make_room(struct agent *agent, const char *instance, struct error *err);
static bool make_room_among(struct agent *agent, const char *instance, size_t size, size_t max,
                            const char *where, struct error *err);
static bool spawn(struct exec_session *session, const struct node *body, struct error *err);
static const char *const *texts(struct arena *arena, const struct node *list, size_t *ret_length);
static unsigned terminal_size(const struct node *body, const char *key);
static struct exec_session *find(struct agent *agent, const char *path, char *ret_rest, size_t rest_size);
static void read_output(struct exec_session *session, struct exchange *exchange, int64_t after);
static void take_input(struct exec_session *session, struct exchange *exchange,
                       const struct request *request);
static void feed(struct exec_session *session, struct exchange *exchange, const struct request *request);
static void input_taken(void *ctx);
static void input_over(void *ctx);
static void input_gone(void *ctx);
static void got_output(void *ctx, int stream, const char *data, size_t size);
static void exited(void *ctx, struct process_exit exit);
static int refused(const struct exec_session *session, const char **ret_why);
static bool tell_refusal(struct exec_session *session);
static void add_rest(struct exec_session *session);
static void answer_output(struct exec_session *session);
static void acknowledge(struct exec_session *session, int64_t after);
static void poll_over(void *ctx);
static void poll_gone(void *ctx);
static void abandoned(void *ctx);
static void be_patient(struct exec_session *session);
static void add_base64(struct buf *ret_text, const char *data, size_t size);

void exec_serve(struct agent *agent, struct exchange *exchange, const struct request *request)
{
    CLEANUP_ARENA struct arena *arena = arena_new();
    const char *after = agent_query(arena, request->path, "after");
    const char *instance = agent_query(arena, request->path, "instance");
    struct exec_session *session = NULL;
    struct error err;
    char rest[32];

    if (text_starts(request->path, "/agent/exec?") && text_equal(request->method, "POST")) {
        start(agent, exchange, request);
        return;
    }
    session = find(agent, request->path, rest, sizeof(rest));
    if (!session || !text_equal(session->instance, instance)) {
        error_set(&err, ERROR_NOT_FOUND,
                  "no such session: it ended, or nobody asked for its output for a minute");
        agent_answer_error(agent, exchange, &err);
    } else if (text_equal(request->method, "GET")) {
        read_output(session, exchange, after ? strtoll(after, NULL, 10) : 0);
    } else if (text_equal(request->method, "DELETE")) {
        map_remove(agent->execs, session->id);
        exec_free(session);
        agent_answer_json(agent, exchange, "{}");
    } else if (text_equal(rest, "/input")) {
        take_input(session, exchange, request);
    } else {
        error_set(&err, ERROR_NOT_FOUND, "no %s %s here", request->method, request->path);
        agent_answer_error(agent, exchange, &err);
    }
}

void exec_free(struct exec_session *session)
{
    const struct process_port *process = session->agent->options.process;
    const struct clock_port *clock = session->agent->options.clock;

    if (session->process) {
        process->kill(process->self, session->process, SIGKILL);
        process->detach(process->self, session->process);
    }
    if (session->waiting) agent_answer(session->agent, session->waiting, 410, NULL, 0, NULL, 0);
    if (session->input_waiting) agent_answer(session->agent, session->input_waiting, 410, NULL, 0, NULL, 0);
    clock->cancel(clock->self, session->timer);
    clock->cancel(clock->self, session->input_timer);
    vec_free(&session->pieces);
    buf_free(&session->output);
    buf_free(&session->rest);
    mem_free(session->instance);
    mem_free(session->program);
    mem_free(session);
}

void exec_end_party(struct agent *agent, const char *party)
{
    size_t cursor = 0, size = strlen(party);
    void *value = NULL;

    while (map_next(agent->execs, &cursor, NULL, &value)) {
        struct exec_session *session = value;
        if (!text_starts(session->instance, party) || session->instance[size] != '/') continue;
        map_remove(agent->execs, session->id);
        exec_free(session);
    }
}

static void start(struct agent *agent, struct exchange *exchange, const struct request *request)
{
    const struct random_port *random = agent->options.random;
    CLEANUP_ARENA struct arena *arena = arena_new();
    const char *instance = agent_query(arena, request->path, "instance");
    struct exec_session *session = NULL;
    struct node body;
    struct error err;
    unsigned char id[16];

    if (!make_room(agent, instance ? instance : "", &err)) {
        agent_answer_error(agent, exchange, &err);
        return;
    }
    if (!node_from_json(arena, request->body ? request->body : "", request->body_size, &body, &err)) {
        agent_answer_error(agent, exchange, &err);
        return;
    }
    session = mem_alloc(sizeof(*session));
    session->agent = agent;
    session->instance = mem_strdup(instance ? instance : "");
    session->pieces = VEC_OF(struct piece);
    random->fill(random->self, id, sizeof(id));
    for (size_t i = 0; i < sizeof(id); i++)
        snprintf(session->id + 2 * i, 3, "%02x", id[i]);
    if (!spawn(session, &body, &err)) {
        exec_free(session);
        agent_answer_error(agent, exchange, &err);
        return;
    }
    map_put(agent->execs, session->id, session);
    be_patient(session);
    agent_answer_json(agent, exchange, arena_printf(arena, "{\"session\":\"%s\"}", session->id));
}

static bool make_room(struct agent *agent, const char *instance, struct error *err)
{
    size_t party_size = strcspn(instance, "/") + 1;

    return make_room_among(agent, instance, strlen(instance) + 1, SESSIONS_OF_INSTANCE_MAX,
                           "in this instance", err) &&
           make_room_among(agent, instance, party_size, SESSIONS_OF_PARTY_MAX, "of its party on this host",
                           err) &&
           make_room_among(agent, instance, 0, SESSIONS_MAX, "on this host", err);
}

/* Among the sessions of instances whose names begin with so many bytes of this one's. What has ended, and
 * whose person has heard so, goes first. */
static bool make_room_among(struct agent *agent, const char *instance, size_t size, size_t max,
                            const char *where, struct error *err)
{
    struct exec_session *over = NULL;
    size_t count = 0, cursor = 0;
    void *value = NULL;

    while (map_next(agent->execs, &cursor, NULL, &value)) {
        struct exec_session *other = value;
        if (strncmp(other->instance, instance, size) != 0) continue;
        count++;
        if (other->told && !over) over = other;
    }
    if (count < max) return true;
    if (!over) return error_set(err, ERROR_REFUSED, "%zu sessions run %s already: end one first", max, where);
    map_remove(agent->execs, over->id);
    exec_free(over);
    return true;
}

static bool spawn(struct exec_session *session, const struct node *body, struct error *err)
{
    const struct compute_driver *compute = session->agent->options.compute;
    const struct process_port *process = session->agent->options.process;
    CLEANUP_ARENA struct arena *arena = arena_new();
    struct compute_command command = {.tty = node_bool(body, "tty", false)};
    struct vec argv = VEC_OF(char *);
    bool good = false;

    command.argv = texts(arena, node_get(body, "command"), &command.length);
    command.env = texts(arena, node_get(body, "env"), &command.env_length);
    if (command.length == 0) return error_set(err, ERROR_INVALID, "no command was given");
    session->program = mem_strdup(command.argv[0]);
    session->tty = command.tty;
    for (size_t i = 0; i < command.env_length; i++)
        if (command.env[i][0] == '=' || !strchr(command.env[i], '='))
            return error_set(err, ERROR_INVALID, "env takes NAME=value, not \"%s\"", command.env[i]);
    if (!compute->exec_argv(compute->self, session->instance, &command, &argv, err)) return false;
    const struct process_options options = {.argv = argv.items,
                                            .in = PROCESS_CAPTURE,
                                            .out = PROCESS_CAPTURE,
                                            .err = PROCESS_CAPTURE,
                                            .tty = command.tty,
                                            /* The driver makes the command's own terminal, in which an end of
                                             * input means what it should. One that waits in another terminal
                                             * until the driver has set that up is lost. */
                                            .tty_raw = command.tty,
                                            .tty_err = command.tty,
                                            .tty_rows = terminal_size(body, "rows"),
                                            .tty_columns = terminal_size(body, "columns"),
                                            .net_ns_fd = -1,
                                            .die_with_parent = true,
                                            .new_session = true};
    good = process->spawn(process->self, &options, got_output, exited, session, &session->process, err);
    for (size_t i = 0; i < argv.length; i++)
        mem_free(*(char **)vec_at(&argv, i));
    vec_free(&argv);
    return good;
}

static const char *const *texts(struct arena *arena, const struct node *list, size_t *ret_length)
{
    size_t length = list ? list->length : 0;
    const char **items = arena_alloc_array(arena, length + 1, sizeof(*items));

    for (size_t i = 0; i < length; i++)
        items[i] = list->items[i].text ? list->items[i].text : "";
    *ret_length = length;
    return items;
}

static unsigned terminal_size(const struct node *body, const char *key)
{
    int64_t size = node_int(body, key, 0);
    return size > 0 && size <= UINT16_MAX ? (unsigned)size : 0;
}

/* The session of "/agent/exec/ID…"; what stands behind the id, without the query, in ret_rest. */
static struct exec_session *find(struct agent *agent, const char *path, char *ret_rest, size_t rest_size)
{
    static const char prefix[] = "/agent/exec/";
    char id[33];

    if (!text_starts(path, prefix) || strlen(path) < strlen(prefix) + 32) return NULL;
    memcpy(id, path + strlen(prefix), 32);
    id[32] = 0;
    const char *rest = path + strlen(prefix) + 32;
    snprintf(ret_rest, rest_size, "%.*s", (int)strcspn(rest, "?"), rest);
    return map_get(agent->execs, id);
}

static void read_output(struct exec_session *session, struct exchange *exchange, int64_t after)
{
    const struct clock_port *clock = session->agent->options.clock;
    const struct net_port *net = session->agent->options.net;

    if (session->waiting) {
        net->answer(net->self, session->waiting, 409, NULL, 0, NULL, 0);
        session->waiting = NULL;
    }
    acknowledge(session, after);
    session->waiting = exchange;
    if (session->output.size > 0 || session->ended) {
        answer_output(session);
        return;
    }
    clock->cancel(clock->self, session->timer);
    session->timer = clock->after(clock->self, POLL_US, poll_over, session);
    net->on_gone(net->self, exchange, poll_gone, session);
}

/* A command that does not read slows down what feeds it, and takes no memory: one piece is queued for it, one
 * waits as the request that it came with. */
static void take_input(struct exec_session *session, struct exchange *exchange, const struct request *request)
{
    const struct clock_port *clock = session->agent->options.clock;
    const struct net_port *net = session->agent->options.net;
    struct error err;

    if (request->body_size > EXEC_INPUT_SIZE_MAX) {
        error_set(&err, ERROR_TOO_LARGE, "a piece of input has at most %d bytes", EXEC_INPUT_SIZE_MAX);
        agent_answer_error(session->agent, exchange, &err);
    } else if (session->input_waiting) {
        error_set(&err, ERROR_REFUSED, "another piece of input waits already: send one after the other");
        agent_answer_error(session->agent, exchange, &err);
    } else if (session->input_queued && session->process) {
        session->input_waiting = exchange;
        session->input = *request;
        session->input_timer = clock->after(clock->self, POLL_US, input_over, session);
        net->on_gone(net->self, exchange, input_gone, session);
    } else {
        feed(session, exchange, request);
    }
}

/* To a command that has ended it is of no use any more, and no failure. */
static void feed(struct exec_session *session, struct exchange *exchange, const struct request *request)
{
    const struct process_port *process = session->agent->options.process;

    if (session->process) {
        session->input_queued = true;
        process->write(process->self, session->process, request->body, request->body_size, input_taken);
    }
    agent_answer_json(session->agent, exchange, "{}");
}

/* All that was queued is read, or nothing will be any more: what waits is next. */
static void input_taken(void *ctx)
{
    struct exec_session *session = ctx;
    const struct clock_port *clock = session->agent->options.clock;
    struct exchange *exchange = session->input_waiting;

    session->input_queued = false;
    if (!exchange) return;
    clock->cancel(clock->self, session->input_timer);
    session->input_timer = NULL;
    session->input_waiting = NULL;
    feed(session, exchange, &session->input);
}

static void input_over(void *ctx)
{
    struct exec_session *session = ctx;
    struct exchange *exchange = session->input_waiting;
    struct error err;

    session->input_timer = NULL;
    session->input_waiting = NULL;
    error_set(&err, ERROR_REFUSED, "the command has not read its earlier input yet: send this piece again");
    agent_answer_error(session->agent, exchange, &err);
}

static void input_gone(void *ctx)
{
    struct exec_session *session = ctx;
    const struct clock_port *clock = session->agent->options.clock;

    clock->cancel(clock->self, session->input_timer);
    session->input_timer = NULL;
    sealed_forget(session->agent, session->input_waiting);
    session->input_waiting = NULL;
}

static void got_output(void *ctx, int stream, const char *data, size_t size)
{
    struct exec_session *session = ctx;
    const struct process_port *process = session->agent->options.process;

    if (session->tty && stream == 2) {
        size_t room = REST_MAX - session->rest.size;
        buf_add(&session->rest, data, size < room ? size : room);
        return;
    }
    *(struct piece *)vec_push(&session->pieces) = (struct piece){stream, size};
    buf_add(&session->output, data, size);
    if (session->output.size > OUTPUT_MAX) process->kill(process->self, session->process, SIGKILL);
    /* What may be said in better words is kept until it is known. */
    const char *why = NULL;
    if (session->waiting && !refused(session, &why)) answer_output(session);
}

static void exited(void *ctx, struct process_exit exit)
{
    struct exec_session *session = ctx;
    session->process = NULL;
    session->ended = true;
    session->status = exit.status;
    input_taken(session);
    if (exit.status == 0 || !tell_refusal(session)) add_rest(session);
    if (session->waiting) answer_output(session);
}

/* crun passes on what a command said at its very end as if it were an error of its own, and a line's end
 * behind it. */
static void add_rest(struct exec_session *session)
{
    struct buf *rest = &session->rest;
    size_t size = rest->size > 0 && rest->data[rest->size - 1] == '\n' ? rest->size - 1 : rest->size;

    if (size == 0) return;
    *(struct piece *)vec_push(&session->pieces) = (struct piece){1, size};
    buf_add(&session->output, rest->data, size);
    buf_clear(rest);
}

/* As the driver's exec_refused(). 0: the command ran, or it is not known yet. */
static int refused(const struct exec_session *session, const char **ret_why)
{
    const struct compute_driver *compute = session->agent->options.compute;
    const struct buf *said = session->tty ? &session->rest : &session->output;
    bool all = session->offset == 0 && said->size > 0 && said->size <= REFUSAL_MAX;
    if (session->tty) all &= session->output.size == 0;
    return all ? compute->exec_refused(compute->self, buf_text(said), ret_why) : 0;
}

/* A command that could not be run ends as in a shell: with 127 or 126, and one line that says why. False: it
 * ran, as far as is known. */
static bool tell_refusal(struct exec_session *session)
{
    const char *why = NULL;
    int status = refused(session, &why);

    if (status == 0) return false;
    CLEANUP_MEM char *line = mem_printf("%s: %.*s%s", session->program, (int)strcspn(why, "\r\n\033"), why,
                                        session->tty ? "\r\n" : "\n");
    buf_clear(&session->output);
    buf_add_text(&session->output, line);
    vec_clear(&session->pieces);
    *(struct piece *)vec_push(&session->pieces) = (struct piece){session->tty ? 1 : 2, strlen(line)};
    session->status = status;
    return true;
}

/* What is there, up to a piece's size; told as ended only with the last of it. */
static void answer_output(struct exec_session *session)
{
    CLEANUP_BUF struct buf json = {0};
    size_t at = 0, i = 0;

    buf_add_text(&json, "{\"output\":[");
    for (; i < session->pieces.length && at < PIECE_MAX; i++) {
        const struct piece *piece = vec_at(&session->pieces, i);
        buf_printf(&json, "%s{\"stream\":%d,\"data\":\"", i ? "," : "", piece->stream);
        add_base64(&json, session->output.data + at, piece->size);
        buf_add_text(&json, "\"}");
        at += piece->size;
    }
    buf_printf(&json, "],\"next\":%" PRId64 ",\"exit\":", session->offset + (int64_t)at);
    session->told = session->ended && i == session->pieces.length;
    if (session->told)
        buf_printf(&json, "%d}", session->status);
    else
        buf_add_text(&json, "null}");
    struct exchange *exchange = session->waiting;
    session->waiting = NULL;
    agent_answer_json(session->agent, exchange, buf_text(&json));
    be_patient(session);
}

/* Output is kept until it is asked what comes after it: an answer that was lost can be asked for again. */
static void acknowledge(struct exec_session *session, int64_t after)
{
    while (session->pieces.length > 0 && session->offset < after) {
        const struct piece *piece = vec_at(&session->pieces, 0);
        session->offset += (int64_t)piece->size;
        buf_consume(&session->output, piece->size);
        vec_remove(&session->pieces, 0);
    }
}

static void poll_over(void *ctx)
{
    struct exec_session *session = ctx;
    session->timer = NULL;
    if (session->waiting) answer_output(session);
}

static void poll_gone(void *ctx)
{
    struct exec_session *session = ctx;
    sealed_forget(session->agent, session->waiting);
    session->waiting = NULL;
    be_patient(session);
}

static void abandoned(void *ctx)
{
    struct exec_session *session = ctx;
    session->timer = NULL;
    map_remove(session->agent->execs, session->id);
    exec_free(session);
}

static void be_patient(struct exec_session *session)
{
    const struct clock_port *clock = session->agent->options.clock;
    clock->cancel(clock->self, session->timer);
    session->timer = clock->after(clock->self, ABANDONED_US, abandoned, session);
}

/* RFC 4648, section 4. */
static void add_base64(struct buf *ret_text, const char *data, size_t size)
{
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

    for (size_t i = 0; i < size; i += 3) {
        uint32_t three = (uint32_t)(unsigned char)data[i] << 16;
        if (i + 1 < size) three |= (uint32_t)(unsigned char)data[i + 1] << 8;
        if (i + 2 < size) three |= (unsigned char)data[i + 2];
        buf_add_char(ret_text, digits[three >> 18]);
        buf_add_char(ret_text, digits[three >> 12 & 63]);
        buf_add_char(ret_text, i + 1 < size ? digits[three >> 6 & 63] : '=');
        buf_add_char(ret_text, i + 2 < size ? digits[three & 63] : '=');
    }
}
