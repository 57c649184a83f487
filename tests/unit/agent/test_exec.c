/* Commands that people run inside instances: an agent's sessions. */
#include "desk.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *const one[] = {"web-1", NULL};

struct talk {
    int status;
    char body[512 * 1024];
};

static void talked(void *ctx, const struct answer *answer)
{
    struct talk *talk = ctx;
    talk->status = answer->status ? answer->status : -1;
    snprintf(talk->body, sizeof(talk->body), "%s", answer->body);
}

static void start_asking(struct desk *desk, struct talk *talk, const char *method, const char *path,
                         const char *body)
{
    const struct net_port *net = sim_machine_port(desk->world->controller_machine);
    const struct peer peer = {.role = ROLE_HOST,
                              .name = "h1",
                              .addresses = {desk->box->addresses[0]},
                              .addresses_length = 1,
                              .tls = true,
                              .only_address = -1};
    const struct request request = {
        .method = method, .path = path, .body = body, .body_size = body ? strlen(body) : 0};
    talk->status = 0;
    net->call(net->self, &peer, &request, 25000, NULL, talked, talk);
}

static void ask_agent(struct desk *desk, struct talk *talk, const char *method, const char *path,
                      const char *body)
{
    start_asking(desk, talk, method, path, body);
    for (int i = 0; i < 26000 && !talk->status; i++)
        world_run_ms(desk->world, 1);
}

static void open_session(struct desk *desk, struct talk *talk, const char *command, char *ret_path)
{
    char session[40];
    ask_agent(desk, talk, "POST", "/agent/exec?instance=acme/shop/web-1", command);
    assert_int_equal(talk->status, 200);
    assert_int_equal(sscanf(talk->body, "{\"session\":\"%32[0-9a-f]", session), 1);
    sprintf(ret_path, "/agent/exec/%s", session);
}

static const char *session_path(const char *path, char ret_with[192])
{
    snprintf(ret_with, 192, "%s?instance=acme/shop/web-1", path);
    return ret_with;
}

static void test_exec(void **state)
{
    struct desk *desk = running(one);
    struct talk *talk = mem_alloc(sizeof(*talk));
    char path[128], with[192];

    open_session(desk, talk, "{\"command\":[\"cat\"]}", path);
    snprintf(with, sizeof(with), "%s/input?instance=acme/shop/web-1", path);
    ask_agent(desk, talk, "POST", with, "abc");
    world_run_ms(desk->world, 10);
    ask_agent(desk, talk, "POST", with, "def");
    world_run_ms(desk->world, 10);
    snprintf(with, sizeof(with), "%s?instance=acme/shop/web-1&after=0", path);
    for (int i = 0; i < 2; i++) { /* lost answers can be asked for again */
        ask_agent(desk, talk, "GET", with, NULL);
        assert_string_equal(talk->body,
                            "{\"output\":[{\"stream\":1,\"data\":\"YWJj\"},{\"stream\":1,\"data\":"
                            "\"ZGVm\"}],\"next\":6,\"exit\":null}");
    }
    snprintf(with, sizeof(with), "%s/input?instance=acme/shop/web-1", path);
    ask_agent(desk, talk, "POST", with, NULL);
    snprintf(with, sizeof(with), "%s?instance=acme/shop/web-1&after=6", path);
    ask_agent(desk, talk, "GET", with, NULL);
    assert_string_equal(talk->body, "{\"output\":[],\"next\":6,\"exit\":0}");
    world_run_ms(desk->world, 61000);
    ask_agent(desk, talk, "GET", with, NULL);
    assert_int_equal(talk->status, 404); /* nobody asked for a minute */

    open_session(desk, talk, "{\"command\":[\"sleep\",\"600000\"]}", path);
    ask_agent(desk, talk, "GET", session_path(path, with), NULL); /* a long poll that ends with nothing */
    assert_string_equal(talk->body, "{\"output\":[],\"next\":0,\"exit\":null}");
    ask_agent(desk, talk, "DELETE", path, NULL);
    assert_int_equal(talk->status, 404); /* it is some instance's */
    ask_agent(desk, talk, "DELETE", session_path(path, with), NULL);
    assert_int_equal(talk->status, 200);
    ask_agent(desk, talk, "GET", session_path(path, with), NULL);
    assert_int_equal(talk->status, 404);

    /* What cannot be run ends as in a shell, with one line: "missing: not found". */
    open_session(desk, talk, "{\"command\":[\"missing\",\"x\"]}", path);
    ask_agent(desk, talk, "GET", session_path(path, with), NULL);
    assert_string_equal(talk->body, "{\"output\":[{\"stream\":2,\"data\":\"bWlzc2luZzogbm90IGZvdW5kCg==\"}],"
                                    "\"next\":19,\"exit\":127}");
    ask_agent(desk, talk, "DELETE", session_path(path, with), NULL);

    open_session(desk, talk, "{\"command\":[\"flood\"]}", path);
    world_run_ms(desk->world, 1000);
    ask_agent(desk, talk, "GET", session_path(path, with), NULL);
    assert_int_equal(talk->status, 200);
    ask_agent(desk, talk, "POST", "/agent/exec?instance=acme/shop/none", "{\"command\":[\"true\"]}");
    assert_int_equal(talk->status, 404);
    open_session(desk, talk, "{\"command\":[\"sleep\",\"600000\"]}", path);
    box_stop_agent(desk->box); /* with sessions open */
    mem_free(talk);
    desk_free(desk);
}

/* On a terminal all that the command says is output, also what the driver passes on at the end; what it says
 * itself is not, but for why the command was not run: "missing: not found". */
static void test_terminal(void **state)
{
    struct desk *desk = running(one);
    struct talk *talk = mem_alloc(sizeof(*talk));
    char path[128], with[192];
    static const struct {
        const char *command, *answer;
    } on_terminal[] = {
        {"complain\",\"x", "{\"output\":[{\"stream\":1,\"data\":\"eAo=\"}],\"next\":2,\"exit\":0}"},
        {"late\",\"x", "{\"output\":[{\"stream\":1,\"data\":\"eA==\"}],\"next\":1,\"exit\":7}"},
        {"late", "{\"output\":[],\"next\":0,\"exit\":7}"},
        {"missing", "{\"output\":[{\"stream\":1,\"data\":\"bWlzc2luZzogbm90IGZvdW5kDQo=\"}],"
                    "\"next\":20,\"exit\":127}"},
    };
    for (size_t i = 0; i < LENGTH(on_terminal); i++) {
        CLEANUP_MEM char *body = mem_printf("{\"command\":[\"%s\"],\"tty\":true}", on_terminal[i].command);
        open_session(desk, talk, body, path);
        world_run_ms(desk->world, 100);
        ask_agent(desk, talk, "GET", session_path(path, with), NULL);
        assert_string_equal(talk->body, on_terminal[i].answer);
        ask_agent(desk, talk, "DELETE", session_path(path, with), NULL);
    }
    box_stop_agent(desk->box);
    mem_free(talk);
    desk_free(desk);
}

/* A command that does not read takes one piece of input; the next waits, and a third is refused. */
static void test_input_waits(void **state)
{
    struct desk *desk = running(one);
    struct talk *talk = mem_alloc(sizeof(*talk)), *waiting = mem_alloc(sizeof(*waiting));
    char path[128], with[192];
    CLEANUP_MEM char *much = mem_alloc(EXEC_INPUT_SIZE_MAX + 2);

    open_session(desk, talk, "{\"command\":[\"sleep\",\"30000\"]}", path);
    snprintf(with, sizeof(with), "%s/input?instance=acme/shop/web-1", path);
    ask_agent(desk, talk, "POST", with, "abc");
    assert_int_equal(talk->status, 200);
    start_asking(desk, waiting, "POST", with, "def");
    world_run_ms(desk->world, 1000);
    assert_int_equal(waiting->status, 0);
    ask_agent(desk, talk, "POST", with, "ghi");
    assert_int_equal(talk->status, 409);
    world_run_ms(desk->world, 20000);
    assert_int_equal(waiting->status, 409); /* it was not taken, and can be sent again */
    start_asking(desk, waiting, "POST", with, "def");
    world_run_ms(desk->world, 10000);
    assert_int_equal(waiting->status, 200); /* the command has ended: it wants no more */
    memset(much, 'x', EXEC_INPUT_SIZE_MAX + 1);
    ask_agent(desk, talk, "POST", with, much);
    assert_int_equal(talk->status, 413);

    open_session(desk, talk, "{\"command\":[\"cat\"]}", path);
    snprintf(with, sizeof(with), "%s/input?instance=acme/shop/web-1", path);
    ask_agent(desk, talk, "POST", with, "abc");
    ask_agent(desk, talk, "POST", with, "def"); /* waits until the first is read */
    assert_int_equal(talk->status, 200);
    world_run_ms(desk->world, 10);
    ask_agent(desk, talk, "GET", session_path(path, with), NULL);
    assert_non_null(strstr(talk->body, "YWJj"));
    assert_non_null(strstr(talk->body, "ZGVm"));
    /* The agent ends while one waits. */
    open_session(desk, talk, "{\"command\":[\"sleep\",\"600000\"]}", path);
    snprintf(with, sizeof(with), "%s/input?instance=acme/shop/web-1", path);
    ask_agent(desk, talk, "POST", with, "abc");
    start_asking(desk, waiting, "POST", with, "def");
    world_run_ms(desk->world, 10);
    box_stop_agent(desk->box);
    mem_free(talk);
    mem_free(waiting);
    desk_free(desk);
}

static size_t open_all(struct desk *desk, struct talk *talk, const char *instance)
{
    char path[128];
    size_t opened = 0;

    snprintf(path, sizeof(path), "/agent/exec?instance=%s", instance);
    for (;; opened++) {
        ask_agent(desk, talk, "POST", path, "{\"command\":[\"sleep\",\"600000\"]}");
        if (talk->status != 200) break;
        assert_true(opened < 100);
    }
    assert_int_equal(talk->status, 409);
    return opened;
}

/* Neither one instance nor one party has all sessions of a host. */
static void test_sessions_are_shared(void **state)
{
    static const char *const five[] = {"web-1", "web-2", "web-3", "web-4", "web-5", NULL};
    struct desk *desk = running(five);
    struct talk *talk = mem_alloc(sizeof(*talk));

    for (int i = 1; i <= 5; i++) {
        char name[32];
        snprintf(name, sizeof(name), "acme/shop/web-%d", i);
        assert_int_equal(open_all(desk, talk, name), i < 5 ? 8 : 0);
    }
    /* One that has ended, and said so, makes room for one. */
    char path[128], with[192];
    desk_free(desk);
    desk = running(five);
    open_session(desk, talk, "{\"command\":[\"true\"]}", path);
    world_run_ms(desk->world, 10);
    assert_int_equal(open_all(desk, talk, "acme/shop/web-1"), 7);
    ask_agent(desk, talk, "GET", session_path(path, with), NULL);
    assert_non_null(strstr(talk->body, "\"exit\":0"));
    assert_int_equal(open_all(desk, talk, "acme/shop/web-1"), 1);
    mem_free(talk);
    desk_free(desk);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_exec),
        cmocka_unit_test(test_terminal),
        cmocka_unit_test(test_input_waits),
        cmocka_unit_test(test_sessions_are_shared),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
