/* Whole commands against a server of canned answers: what is printed, and the exit code. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/mem.h"
#include "base/text.h"
#include "cli/cli.h"
#include "os/http.h"

#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

struct world {
    pid_t server;
    char url[64];
};

static void listener_gone(void *ctx)
{
}

/* The first watch of farms breaks off; the next one tells that a/late is ready, and goes on. */
static bool serve_stream(const struct net_port *net, struct exchange *exchange, const struct request *request)
{
    static int farm_watches; /* of the server's process */
    static const char slow[] = "event: put\nid: 8\ndata: {\"status\":{\"name\":\"a/slow\",\"state\":"
                               "\"changing\",\"reason\":\"no host\"}}\n\n",
                      late[] = "event: put\nid: 9\ndata: {\"status\":{\"name\":\"a/late\",\"state\":"
                               "\"ready\"}}\n\n",
                      gone[] = "event: delete\nid: 9\ndata: {\"name\":\"a/gone/web-1\"}\n\n";
    bool farms = text_equal(request->path, "/v1/farms?watch=0");

    if (!farms && !text_equal(request->path, "/v1/instances?watch=7")) return false;
    net->start(net->self, exchange, 200, NULL, 0, listener_gone, NULL);
    if (!farms) {
        net->chunk(net->self, exchange, gone, strlen(gone));
    } else if (farm_watches++ == 0) {
        net->chunk(net->self, exchange, slow, strlen(slow));
        net->end(net->self, exchange);
    } else {
        net->chunk(net->self, exchange, slow, strlen(slow));
        net->chunk(net->self, exchange, late, strlen(late));
    }
    return true;
}

static void serve(void *ctx, struct exchange *exchange, const struct request *request,
                  const struct sender *sender)
{
    static const struct {
        const char *method, *path;
        int status;
        const char *body;
    } canned[] = {
        {"GET", "/v1/hosts", 200,
         "[{\"kind\":\"Host\",\"status\":{\"name\":\"h1\",\"state\":\"up\"}},"
         "{\"kind\":\"Host\",\"status\":{\"name\":\"h2\",\"state\":\"off\"}}]"},
        {"GET", "/v1/hosts/h1", 200, "{\"kind\":\"Host\",\"status\":{\"name\":\"h1\",\"state\":\"up\"}}"},
        {"GET", "/v1/farms/a/slow", 200,
         "{\"status\":{\"name\":\"a/slow\",\"state\":\"changing\",\"reason\":\"no room\"}}"},
        {"GET", "/v1/farms/a/late", 200,
         "{\"status\":{\"name\":\"a/late\",\"state\":\"changing\",\"reason\":\"not yet\"}}"},
        {"GET", "/v1/images", 200, "[]"},
        {"GET", "/v1/version", 200, "{\"version\":\"0\",\"revision\":7}"},
        {"GET", "/v1/instances", 200,
         "[{\"name\":\"a/gone/web-1\",\"farm\":\"a/gone\",\"state\":\"wiping\",\"reason\":\"\"},"
         "{\"name\":\"a/stuck/web-1\",\"farm\":\"a/stuck\",\"state\":\"wiping\",\"reason\":\"busy\"},"
         "{\"name\":\"a/stuck/web-2\",\"farm\":\"a/stuck\",\"state\":\"wiping\",\"reason\":\"busy\"}]"},
        {"DELETE", "/v1/farms/a/gone", 200, "{}"},
        {"DELETE", "/v1/farms/a/stuck", 200, "{}"},
        {"POST", "/v1/apply", 200,
         "{\"results\":[{\"kind\":\"farm\",\"name\":\"a/slow\",\"result\":\"created\"}]}"},
        {"POST", "/v1/hosts/h9/drain", 412, "{\"detail\":\"changed\",\"code\":\"conflict\"}"},
        {"DELETE", "/v1/hosts/h8", 401, "{\"detail\":\"who asks?\",\"code\":\"denied\"}"},
        {"DELETE", "/v1/hosts/evil", 409,
         "{\"detail\":\"a\\u001b]0;x\\u0007\\u009b2J\",\"code\":\"refused\"}"},
        {"GET", "/v1/parties/evil", 200,
         "{\"kind\":\"Party\",\"note\":\"\\u001b[2J\",\"status\":{\"name\":\"evil\",\"reason\":"
         "\"\\u009b1m\\n\"}}"},
        {"GET", "/v1/events?name=evil&last=20", 200,
         "[{\"time\":\"t\",\"kind\":\"party\",\"name\":\"evil\",\"what\":\"w\",\"reason\":\"\\u001bc\","
         "\"who\":\"\\u0007\"}]"},
        {"GET", "/v1/events?since=0&name=evil", 200,
         "[{\"time\":\"t\",\"kind\":\"party\",\"name\":\"evil\",\"what\":\"w\",\"reason\":\"\\u001bc\","
         "\"who\":\"\\u0007\"}]"},
        {"GET", "/v1/explain/evil", 200,
         "{\"name\":\"evil\",\"kind\":\"party\",\"state\":\"\",\"reason\":\"\\u001bc\",\"events\":[]}"},
        {"GET", "/v1/instances/a/b/web-1/log?after=-1", 200, "last words\n"},
        {"POST", "/v1/diff", 422,
         "{\"detail\":\"expected a name\",\"code\":\"invalid\",\"file\":\"x\",\"field\":\"tiers[0].name\","
         "\"line\":3,\"column\":2}"},
    };
    static const char missing[] = "{\"detail\":\"there is none\",\"code\":\"not found\"}";
    static const char made_late[] =
        "{\"results\":[{\"kind\":\"farm\",\"name\":\"a/late\",\"result\":\"created\"}]}";
    const struct net_port *net = http_port(*(struct http **)ctx);

    if (serve_stream(net, exchange, request)) return;
    if (text_equal(request->path, "/v1/apply") && strstr(request->body, "late")) {
        net->answer(net->self, exchange, 200, NULL, 0, made_late, strlen(made_late));
        return;
    }
    for (size_t i = 0; i < LENGTH(canned); i++) {
        if (!text_equal(canned[i].method, request->method) || !text_equal(canned[i].path, request->path))
            continue;
        net->answer(net->self, exchange, canned[i].status, NULL, 0, canned[i].body, strlen(canned[i].body));
        return;
    }
    net->answer(net->self, exchange, 404, NULL, 0, missing, strlen(missing));
}

static void be_server(int port_fd)
{
    struct loop *loop = NULL;
    struct http_listener *listener = NULL;
    struct error err;

    if (prctl(PR_SET_PDEATHSIG, SIGKILL) != 0 || !loop_new(&loop, &err)) _exit(1);
    struct http *http = http_new(loop, NULL);
    const struct http_listen_options options = {.address = "127.0.0.1:0", .handler = serve, .ctx = &http};
    if (!http_listen(http, &options, &listener, &err)) _exit(1);
    unsigned port = http_listener_port(listener);
    if (write(port_fd, &port, sizeof(port)) != sizeof(port)) _exit(1);
    loop_run(loop);
    _exit(0);
}

static int start(void **state)
{
    struct world *world = mem_alloc(sizeof(*world));
    unsigned port = 0;
    int fds[2];

    if (pipe(fds) != 0) return -1;
    world->server = fork();
    if (world->server == 0) be_server(fds[1]);
    close(fds[1]);
    if (read(fds[0], &port, sizeof(port)) != sizeof(port)) return -1;
    close(fds[0]);
    snprintf(world->url, sizeof(world->url), "http://127.0.0.1:%u", port);
    *state = world;
    return 0;
}

static int stop(void **state)
{
    struct world *world = *state;
    kill(world->server, SIGKILL);
    waitpid(world->server, NULL, 0);
    mem_free(world);
    return 0;
}

/* Words are separated by spaces; expected is what went to stdout and to stderr, with '|' between. */
static void check(const char *url, const char *line, int code, const char *expected)
{
    char *out = NULL, *err = NULL, *rest = NULL, *argv[16];
    size_t out_size = 0, err_size = 0;
    FILE *out_file = open_memstream(&out, &out_size), *err_file = open_memstream(&err, &err_size);
    CLEANUP_MEM char *words = mem_printf("croft --server %s %s", url, line);
    int argc = 0;

    for (char *word = strtok_r(words, " ", &rest); word; word = strtok_r(NULL, " ", &rest))
        argv[argc++] = word;
    int result = cli_main(argc, argv, out_file, err_file);
    fclose(out_file);
    fclose(err_file);
    CLEANUP_MEM char *both = mem_printf("%s|%s", out, err);
    assert_string_equal(both, expected);
    assert_int_equal(result, code);
    free(out);
    free(err);
}

static void lists_are_flat(void **state)
{
    const struct world *world = *state;
    check(world->url, "get hosts -o json", 0,
          "[{\"name\":\"h1\",\"state\":\"up\"},\n{\"name\":\"h2\",\"state\":\"off\"}]\n|");
    check(world->url, "get host h1 -o json", 0, "[{\"name\":\"h1\",\"state\":\"up\"}]\n|");
    check(world->url, "get hosts -o name", 0, "h1\nh2\n|");
    check(world->url, "get images -o json", 0, "[]\n|");
    check(world->url, "get host h7", 3, "|croft: there is none\n");
    check(world->url, "get hosst", 2, "|croft: there is no kind \"hosst\": did you mean \"hosts\"?\n");
}

static void exit_codes_tell_what_failed(void **state)
{
    const struct world *world = *state;
    char path[] = "/tmp/croft-test-cli-XXXXXX";
    int fd = mkstemp(path);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, "kind: Farm\n", 11), 11);
    close(fd);
    check(world->url, "drain h9", 4, "|croft: changed\n");
    check(
        "http://127.0.0.1:1", "drain h9", 5,
        "|croft: cannot reach the server at 127.0.0.1:1: Connection refused: is it running there? `croft up` "
        "starts a grid, --server chooses another\n");
    check(world->url, "drain h9 -o json", 4,
          "|{\"type\":\"about:blank\",\"title\":\"conflict\",\"status\":412,\"detail\":\"changed\",\"code\":"
          "\"conflict\",\"file\":\"\",\"field\":\"\",\"line\":0,\"column\":0}\n");
    check(world->url, "delete host h8 -o json", 1,
          "|{\"type\":\"about:blank\",\"title\":\"denied\",\"status\":401,\"detail\":\"who asks?\",\"code\":"
          "\"denied\",\"file\":\"\",\"field\":\"\",\"line\":0,\"column\":0}\n");
    CLEANUP_MEM char *wait = mem_printf("apply %s --wait=150ms", path);
    check(world->url, wait, 6,
          "farm a/slow created\n|croft: waited 150ms: farm a/slow is changing: no room\n");
    check(world->url, "delete farm a/stuck --wait=150ms", 6,
          "|croft: waited 150ms: a/stuck/web-1 is wiping: busy (and 1 more)\n");
    /* Line 3 of both joined is line 1 of the second: before it are the first and the line that joins. */
    CLEANUP_MEM char *diff = mem_printf("diff -f %s %s", path, path);
    CLEANUP_MEM char *expected = mem_printf("|%s:1:2: tiers[0].name: expected a name\n", path);
    check(world->url, diff, 1, expected);
    unlink(path);
}

/* What a tenant wrote must not be obeyed by the landlord's terminal, whichever command shows it. */
static void nothing_shown_is_obeyed(void **state)
{
    const struct world *world = *state;
    check(world->url, "delete host evil", 1, "|croft: a ]0;x \\x9b2J\n");
    check(world->url, "events evil", 0, "t  party evil w: \\x1bc (\\x07)\n|");
    check(world->url, "explain evil", 0,
          "party evil: \\x1bc.\nNothing is remembered of how it came to this.\n|");
    check(world->url, "describe party evil", 0,
          "party evil\n  name:          evil\n  reason:        \\x9b1m\\n\n\nAs it was asked for\n"
          "  kind:          Party\n  note:          \\x1b[2J\n\nRecent events\n"
          "TIME  KIND   NAME  WHAT  REASON  WHO\nt     party  evil  w     \\x1bc   \\x07\n|");
}

static void consoles_end_without_a_terminal(void **state)
{
    const struct world *world = *state;
    check(world->url, "console a/b/web-1", 0, "last words\n|");
    check(world->url, "console a/b/web-1 --no-follow", 0, "last words\n|");
    check(world->url, "console a/b/none-1 -f", 3, "|croft: there is none\n");
    check(world->url, "console a/b/web-1 -f --no-follow", 2,
          "|croft: console: --follow or --no-follow, not both\n");
}

static void write_file(const char *directory, const char *name, const char *text)
{
    CLEANUP_MEM char *path = mem_printf("%s/%s", directory, name);
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    fputs(text, file);
    fclose(file);
}

/* All documents in it, by name: a fault on line 3 of all is told where it stands. */
static void directories_are_read(void **state)
{
    const struct world *world = *state;
    static const char *const names[] = {"b.json", "a.yaml", ".c.yaml", "notes.txt", "d.yml"};
    char directory[] = "/tmp/croft-test-cli-XXXXXX";
    assert_non_null(mkdtemp(directory));
    CLEANUP_MEM char *line = mem_printf("diff -f %s/", directory);
    CLEANUP_MEM char *none =
        mem_printf("|croft: the directory %s/ has no file named *.yaml, *.yml or *.json\n", directory);
    check(world->url, line, 3, none);
    for (size_t i = 0; i < LENGTH(names); i++)
        write_file(directory, names[i], "kind: Farm\n");
    CLEANUP_MEM char *here = mem_printf("|%s/b.json:1:2: tiers[0].name: expected a name\n", directory);
    check(world->url, line, 1, here);
    for (size_t i = 0; i < LENGTH(names); i++) {
        CLEANUP_MEM char *path = mem_printf("%s/%s", directory, names[i]);
        unlink(path);
    }
    assert_int_equal(rmdir(directory), 0);
}

/* What the server says when it is asked never changes: only its watches tell that the waiting is over. */
static void waiting_follows_a_watch(void **state)
{
    const struct world *world = *state;
    char path[] = "/tmp/croft-test-cli-XXXXXX";
    int fd = mkstemp(path);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, "kind: Farm\nname: late\n", 22), 22);
    close(fd);
    CLEANUP_MEM char *wait = mem_printf("apply %s --wait=1m", path);
    check(world->url, wait, 0, "farm a/late created\n|");
    check(world->url, "delete farm a/gone --wait=1m", 0, "farm a/gone deleted\n|");
    unlink(path);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(lists_are_flat),
                                       cmocka_unit_test(nothing_shown_is_obeyed),
                                       cmocka_unit_test(consoles_end_without_a_terminal),
                                       cmocka_unit_test(directories_are_read),
                                       cmocka_unit_test(waiting_follows_a_watch),
                                       cmocka_unit_test(exit_codes_tell_what_failed)};
    setenv("XDG_CONFIG_HOME", "/nonexistent", 1);
    unsetenv("CROFT_TOKEN");
    return cmocka_run_group_tests(tests, start, stop);
}
