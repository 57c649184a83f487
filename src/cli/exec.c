/* `croft exec`: a command in an instance. Its output is asked for in long polls while its input is sent, one
 * piece after the other, so that a slow command slows down what feeds it. */
#include "base/text.h"
#include "cli/base64.h"
#include "cli/way.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <termios.h>
#include <unistd.h>

enum { POLL_TIMEOUT_MS = 60000, INPUT_PIECE = 32 * 1024, NOT_YET = 409 };

struct exec {
    struct cli *cli;
    struct way *way;
    const char *session; /* "exec/ID" */
    int64_t next;
    struct way_call *poll, *input;
    struct loop_watch *watch; /* of standard input; NULL: it cannot be waited for, or is at its end */
    struct loop_later *later; /* reads what cannot be waited for */
    bool waits;               /* standard input can be waited for */
    char piece[INPUT_PIECE];  /* of it, on its way */
    size_t piece_size;
    bool failed;
    struct error err;
    int status;
    struct termios terminal; /* as it was */
    bool is_raw;
};

static bool start(struct exec *exec, struct error *err);
static bool add_environment(struct cli *cli, struct buf *ret_body, struct error *err);
static void ask_output(struct exec *exec);
static void fail(struct exec *exec);
static void got_output(void *ctx, const struct answer *answer);
static bool show_output(struct exec *exec, const struct answer *answer, bool *ret_over, struct error *err);
static void watch_input(struct exec *exec);
static void input_ready(void *ctx, unsigned ready);
static void input_later(void *ctx);
static void read_input(struct exec *exec);
static void send_input(struct exec *exec);
static void input_sent(void *ctx, const struct answer *answer);
static void interrupted(void *ctx, int signal_number);
static void make_raw(struct exec *exec);
static void stop(struct exec *exec);
static bool can_wait_for(int fd);

int exec_run(struct cli *cli)
{
    struct exec exec = {.cli = cli};
    struct error err;

    bool good = start(&exec, &err) && loop_on_signal(client_loop(cli->client), interrupted, &exec, &err);
    if (good) {
        if (arguments_has(cli->arguments, "tty")) make_raw(&exec);
        watch_input(&exec);
        ask_output(&exec);
        if (!exec.failed) loop_run(client_loop(cli->client));
        stop(&exec);
    }
    way_free(exec.way);
    if (!good) return cli_fail(cli, &err);
    return exec.failed ? cli_fail(cli, &exec.err) : exec.status;
}

static bool start(struct exec *exec, struct error *err)
{
    struct cli *cli = exec->cli;
    CLEANUP_BUF struct buf body = {0};
    const char *word = NULL;
    struct client_reply reply;
    struct node answer;

    if (!way_find(cli, arguments_positional(cli->arguments, 0), &exec->way, err)) return false;
    buf_add_text(&body, "{\"command\":[");
    for (size_t i = 1; (word = arguments_positional(cli->arguments, i)); i++) {
        if (i > 1) buf_add_char(&body, ',');
        buf_add_json_string(&body, word);
    }
    struct winsize size = {0};
    bool tty = arguments_has(cli->arguments, "tty");
    if (tty && ioctl(STDIN_FILENO, TIOCGWINSZ, &size) != 0) size = (struct winsize){0};
    buf_printf(&body, "],\"tty\":%s,\"rows\":%u,\"columns\":%u,\"env\":[", tty ? "true" : "false",
               size.ws_row, size.ws_col);
    if (!add_environment(cli, &body, err)) return false;
    buf_add_text(&body, "]}");
    const struct client_request request = {.method = "POST",
                                           .path = way_path(exec->way, cli->arena, "exec", NULL),
                                           .body = body.data,
                                           .body_size = body.size};
    if (!way_ask(exec->way, cli->arena, &request, &reply, err) ||
        !node_from_json(cli->arena, reply.body, reply.body_size, &answer, err))
        return false;
    const char *session = node_text(&answer, "session", "");
    if (!session[0]) return error_set(err, ERROR_FAILED, "the server opened no session");
    exec->session = arena_printf(cli->arena, "exec/%s", cli_escape(cli, session));
    return true;
}

static bool add_environment(struct cli *cli, struct buf *ret_body, struct error *err)
{
    const char *pair = NULL, *terminal = getenv("TERM");
    size_t i = 0;

    for (; (pair = arguments_nth(cli->arguments, "env", i)); i++) {
        if (pair[0] == '=' || !strchr(pair, '='))
            return error_set(err, ERROR_USAGE, "exec: --env takes NAME=VALUE, not \"%s\"", pair);
        if (i > 0) buf_add_char(ret_body, ',');
        buf_add_json_string(ret_body, pair);
    }
    if (!arguments_has(cli->arguments, "tty") || !terminal) return true;
    CLEANUP_MEM char *text = mem_printf("TERM=%s", terminal);
    if (i > 0) buf_add_char(ret_body, ',');
    buf_add_json_string(ret_body, text);
    return true;
}

static void ask_output(struct exec *exec)
{
    CLEANUP_ARENA struct arena *arena = arena_new();
    const char *after = arena_printf(arena, "after=%" PRId64, exec->next);
    const struct client_request request = {.method = "GET",
                                           .path = way_path(exec->way, arena, exec->session, after),
                                           .timeout_ms = POLL_TIMEOUT_MS};
    if (!way_start(exec->way, &request, got_output, exec, &exec->poll, &exec->err)) fail(exec);
}

static void fail(struct exec *exec)
{
    exec->failed = true;
    loop_stop(client_loop(exec->cli->client));
}

static void got_output(void *ctx, const struct answer *answer)
{
    struct exec *exec = ctx;
    bool over = false;

    exec->poll = NULL;
    exec->failed = !show_output(exec, answer, &over, &exec->err);
    if (over || exec->failed)
        loop_stop(client_loop(exec->cli->client));
    else
        ask_output(exec);
}

static bool show_output(struct exec *exec, const struct answer *answer, bool *ret_over, struct error *err)
{
    CLEANUP_ARENA struct arena *arena = arena_new();
    struct cli *cli = exec->cli;
    struct node node;

    if (answer->status == 0 || answer->status >= 400) return client_error(cli->client, answer, err);
    if (!node_from_json(arena, answer->body, answer->body_size, &node, err)) return false;
    const struct node *output = node_get(&node, "output");
    for (size_t i = 0; output && i < output->length; i++) {
        CLEANUP_BUF struct buf bytes = {0};
        FILE *stream = node_int(&output->items[i], "stream", 1) == 2 ? cli->err : cli->out;
        if (!base64_decode(node_text(&output->items[i], "data", ""), &bytes))
            return error_set(err, ERROR_FAILED, "the server sent output that is no base64");
        fwrite(buf_text(&bytes), 1, bytes.size, stream);
        if (fflush(stream) != 0) return error_errno(err, errno, "cannot write the command's output");
    }
    exec->next = node_int(&node, "next", exec->next);
    const struct node *exit = node_get(&node, "exit");
    *ret_over = exit && exit->kind == NODE_NUMBER;
    exec->status = (int)node_int(&node, "exit", 0);
    return true;
}

static void watch_input(struct exec *exec)
{
    struct loop *loop = client_loop(exec->cli->client);

    exec->waits = can_wait_for(STDIN_FILENO);
    if (exec->waits)
        exec->watch = loop_watch_fd(loop, STDIN_FILENO, LOOP_READ, input_ready, exec);
    else
        exec->later = loop_later(loop, input_later, exec);
}

static void input_ready(void *ctx, unsigned ready)
{
    read_input(ctx);
}

static void input_later(void *ctx)
{
    struct exec *exec = ctx;
    exec->later = NULL;
    read_input(exec);
}

/* One piece is on its way at a time: the next is read when it has arrived. */
static void read_input(struct exec *exec)
{
    ssize_t size = read(STDIN_FILENO, exec->piece, sizeof(exec->piece));

    if (size < 0 && (errno == EAGAIN || errno == EINTR)) return;
    if (exec->watch) loop_watch_change(exec->watch, 0);
    if (size <= 0) { /* an error ends it like its end: there is no more to come */
        loop_watch_end(exec->watch);
        exec->watch = NULL;
        exec->waits = true; /* nothing is read again */
        size = 0;
    }
    exec->piece_size = (size_t)size;
    send_input(exec);
}

static void send_input(struct exec *exec)
{
    CLEANUP_ARENA struct arena *arena = arena_new();
    const char *input = arena_printf(arena, "%s/input", exec->session);
    const struct client_request request = {.method = "POST",
                                           .path = way_path(exec->way, arena, input, NULL),
                                           .body = exec->piece_size ? exec->piece : NULL,
                                           .body_size = exec->piece_size,
                                           .timeout_ms = POLL_TIMEOUT_MS};
    if (!way_start(exec->way, &request, input_sent, exec, &exec->input, &exec->err)) fail(exec);
}

/* A command that has ended wants no input: that it was not taken is no failure, the poll tells of those. One
 * that reads slowly has not taken this piece yet: again, which waits there. */
static void input_sent(void *ctx, const struct answer *answer)
{
    struct exec *exec = ctx;

    exec->input = NULL;
    if (answer->status == NOT_YET) {
        send_input(exec);
        return;
    }
    if (answer->status == 0 || answer->status >= 400) return;
    if (exec->watch)
        loop_watch_change(exec->watch, LOOP_READ);
    else if (!exec->waits)
        exec->later = loop_later(client_loop(exec->cli->client), input_later, exec);
}

/* The command ends with us, and its status is what a shell would tell. */
static void interrupted(void *ctx, int signal_number)
{
    struct exec *exec = ctx;
    exec->status = 128 + signal_number;
    loop_stop(client_loop(exec->cli->client));
}

static void make_raw(struct exec *exec)
{
    struct termios raw;

    if (!isatty(STDIN_FILENO) || tcgetattr(STDIN_FILENO, &exec->terminal) != 0) return;
    raw = exec->terminal;
    cfmakeraw(&raw);
    exec->is_raw = tcsetattr(STDIN_FILENO, TCSANOW, &raw) == 0;
}

static void stop(struct exec *exec)
{
    struct client *client = exec->cli->client;
    const struct client_request request = {
        .method = "DELETE", .path = way_path(exec->way, exec->cli->arena, exec->session, NULL)};
    struct client_reply reply;
    struct error ignored;

    if (exec->is_raw) tcsetattr(STDIN_FILENO, TCSANOW, &exec->terminal);
    loop_watch_end(exec->watch);
    loop_later_cancel(client_loop(client), exec->later);
    way_drop(exec->way, exec->poll);
    way_drop(exec->way, exec->input);
    /* The session is forgotten there after a minute, should this not arrive. */
    if (!exec->failed && !way_ask(exec->way, exec->cli->arena, &request, &reply, &ignored)) return;
}

/* Files and /dev/null are always ready, and epoll refuses them. */
static bool can_wait_for(int fd)
{
    struct epoll_event event = {.events = EPOLLIN};
    int poll_fd = epoll_create1(EPOLL_CLOEXEC);
    if (poll_fd < 0) return false;
    bool can = epoll_ctl(poll_fd, EPOLL_CTL_ADD, fd, &event) == 0;
    close(poll_fd);
    return can;
}
