/* What one party's tokens cannot do to the controller, and to others. */
#include "world.h"

#include "model/host_document.h"
#include "model/node.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char grid[] =
    "kind: Party\nname: beta\n---\n"
    "kind: Farm\nname: shop\nparty: acme\nsubnet: 10.0.0.0/24\n"
    "tiers: [{name: web, image: \"hello:1\", count: 1, size: {cpus: 0.5, memory: 64Mi}}]\n---\n"
    "kind: Farm\nname: aaa\nparty: beta\nsubnet: 10.0.0.0/24\n"
    "tiers: [{name: db, image: \"hello:1\", count: 0, size: {cpus: 0.5, memory: 64Mi}}]\n";
static const char news[] =
    "kind: Farm\nname: news\nparty: acme\nsubnet: 10.0.0.0/24\n"
    "tiers: [{name: web, image: \"hello:1\", count: 0, size: {cpus: 0.1, memory: 16Mi}}]\n";

struct fixture {
    struct world *world;
    char acme[128], beta[128]; /* tokens */
};

static void token_of(struct world *world, const char *party, char *ret_token)
{
    char body[128];
    struct node node;
    struct error err;
    CLEANUP_ARENA struct arena *arena = arena_new();

    snprintf(body, sizeof(body), "{\"party\":\"%s\",\"name\":\"ci\"}", party);
    const char *text = expect(world, 201, landlord, "POST", "/v1/tokens", body);
    assert_true(node_from_json(arena, text, strlen(text), &node, &err));
    snprintf(ret_token, 128, "%s", node_text(&node, "token", ""));
}

static struct fixture *start(void)
{
    struct fixture *fixture = mem_alloc(sizeof(*fixture));
    fixture->world = world_started(1);
    apply(fixture->world, grid);
    wait_running(fixture->world, "", 1, 5000);
    token_of(fixture->world, "acme", fixture->acme);
    token_of(fixture->world, "beta", fixture->beta);
    return fixture;
}

static void stop(struct fixture *fixture)
{
    world_free(fixture->world);
    mem_free(fixture);
}

/* Who ran what stands in the log, without what may be secret. */
static void test_exec_is_told(void **state)
{
    struct fixture *fixture = start();
    struct world *world = fixture->world;
    expect(world, 200, fixture->acme, "POST", "/v1/instances/acme/shop/web-1/exec",
           "{\"command\":[\"echo --quiet\",\"--password=hunter2\"]}");
    const char *text = expect(world, 200, fixture->acme, "GET", "/v1/events?limit=1000", NULL);
    const char *event = strstr(text, "exec asked for");
    assert_non_null(event);
    assert_non_null(strstr(text, "\"reason\":\"echo\""));
    assert_non_null(strstr(text, "acme/ci"));
    assert_null(strstr(text, "hunter2"));
    assert_null(strstr(text, "--quiet"));
    assert_null(
        strstr(expect(world, 200, fixture->beta, "GET", "/v1/events?limit=1000", NULL), "exec asked for"));
    expect(world, 422, fixture->acme, "POST", "/v1/instances/acme/shop/web-1/exec", "{\"command\":[]}");
    CLEANUP_MEM char *much = mem_alloc(EXEC_INPUT_SIZE_MAX + 2);
    memset(much, 'x', EXEC_INPUT_SIZE_MAX + 1);
    expect(world, 413, fixture->acme, "POST", "/v1/instances/acme/shop/web-1/exec/0123/input", much);
    stop(fixture);
}

/* The log knows authors by the names of tokens. */
static void test_token_names(void **state)
{
    struct fixture *fixture = start();
    struct world *world = fixture->world;
    const char *text =
        expect(world, 409, landlord, "POST", "/v1/tokens", "{\"party\":\"acme\",\"name\":\"ci\"}");
    assert_non_null(strstr(text, "another name"));
    expect(world, 201, landlord, "POST", "/v1/tokens", "{\"party\":\"acme\",\"name\":\"other\"}");
    expect(world, 201, landlord, "POST", "/v1/tokens", "{\"name\":\"ci\",\"party\":\"landlord\"}");
    expect(world, 201, landlord, "POST", "/v1/tokens", "{\"party\":\"acme\"}");
    expect(world, 409, landlord, "POST", "/v1/tokens", "{\"party\":\"acme\",\"name\":\"default\"}");
    stop(fixture);
}

static struct reply post_once(struct world *world, const char *token, const char *path, const char *key,
                              const char *body)
{
    char header[128];
    const char *const headers[] = {header, NULL};
    snprintf(header, sizeof(header), "Idempotency-Key: %s", key);
    return ask(world, token, "POST", path, headers, body);
}

/* However many changes one party makes, another's are remembered. */
static void test_repeats_are_of_a_party(void **state)
{
    struct fixture *fixture = start();
    struct world *world = fixture->world;
    struct reply first = post_once(world, fixture->acme, "/v1/apply", "one", news);
    assert_non_null(strstr(buf_text(&first.body), "created"));
    for (int i = 0; i < 1001; i++) {
        char key[32];
        snprintf(key, sizeof(key), "%d", i);
        struct reply other =
            post_once(world, fixture->beta, "/v1/farms/beta/aaa/scale", key, "{\"tier\":\"db\",\"count\":0}");
        assert_int_equal(other.status, 200);
        reply_free(&other);
    }
    struct reply again = post_once(world, fixture->acme, "/v1/apply", "one", news);
    assert_string_equal(buf_text(&first.body), buf_text(&again.body));
    reply_free(&again);
    reply_free(&first);
    stop(fixture);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_exec_is_told),
        cmocka_unit_test(test_token_names),
        cmocka_unit_test(test_repeats_are_of_a_party),
    };
    if (getenv("CMOCKA_ONLY")) cmocka_set_test_filter(getenv("CMOCKA_ONLY"));
    return cmocka_run_group_tests(tests, NULL, NULL);
}
