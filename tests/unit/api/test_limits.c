/* What one party's tokens cannot do to the controller, and to others. */
#include "world.h"

#include "model/host_document.h"
#include "model/image_text.h"
#include "model/node.h"
#include "sim/digest.h"

#include <inttypes.h>
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

enum { HOUR_MS = 60 * 60 * 1000, MINUTE_MS = 60 * 1000 };

static void digest_of(const char *text, char ret_digest[72])
{
    char hex[65];
    sim_digest(text, strlen(text), hex);
    snprintf(ret_digest, 72, "sha256:%s", hex);
}

static void send_piece(struct world *world, int status, const char *token, const char *digest, int offset,
                       const char *piece)
{
    char path[160];
    snprintf(path, sizeof(path), "/v1/blobs/%s?offset=%d", digest, offset);
    expect(world, status, token, "PUT", path, piece);
}

static void finish(struct world *world, int status, const char *token, const char *digest)
{
    char path[160];
    snprintf(path, sizeof(path), "/v1/blobs/%s/finish", digest);
    expect(world, status, token, "POST", path, NULL);
}

static bool sees(struct world *world, const char *token, const char *digest)
{
    char path[160];
    snprintf(path, sizeof(path), "/v1/blobs/%s", digest);
    struct reply reply = ask(world, token, "GET", path, NULL, NULL);
    bool whole = reply.status == 200;
    assert_true(whole || reply.status == 404);
    reply_free(&reply);
    return whole;
}

static int64_t partial(struct world *world, const char *token, const char *digest)
{
    char path[160];
    int64_t size = -1;
    snprintf(path, sizeof(path), "/v1/blobs/%s", digest);
    const char *text = expect(world, 404, token, "GET", path, NULL);
    assert_int_equal(sscanf(text, "{\"partial\":%" SCNd64, &size), 1);
    return size;
}

static bool is_here(struct world *world, const char *digest)
{
    const struct blob_port *blobs = sim_blobs_port(world->blobs);
    int64_t size = 0;
    struct error err;
    return blobs->size(blobs->self, digest, &size, &err);
}

static void put_image(struct world *world, int status, const char *token, const char *party,
                      const char *layer)
{
    const char *const layers[] = {layer};
    const struct image image = {
        .layers = layers, .layers_length = 1, .size_bytes = 6, .directory = "/", .user = "0"};
    CLEANUP_BUF struct buf canonical = {0};
    char digest[72], document[512];

    image_canonical(&image, &canonical);
    digest_of(buf_text(&canonical), digest);
    snprintf(document, sizeof(document),
             "{\"kind\":\"Image\",\"name\":\"own:1\",\"party\":\"%s\",\"digest\":\"%s\",\"layers\":[\"%s\"],"
             "\"size\":6}",
             party, digest, layer);
    const char *text = expect(world, status, token, "POST", "/v1/apply", document);
    if (status == 409) assert_non_null(strstr(text, "is not here: send it first"));
}

/* A layer that one sends is nobody else's: not to spoil, not to see, not to run. */
static void test_layers_are_a_partys(void **state)
{
    struct fixture *fixture = start();
    struct world *world = fixture->world;
    char digest[72];

    digest_of("secret", digest);
    send_piece(world, 200, fixture->acme, digest, 0, "sec");
    send_piece(world, 412, fixture->beta, digest, 3, "ret");
    assert_int_equal(partial(world, fixture->beta, digest), 0);
    send_piece(world, 200, fixture->beta, digest, 0, "wrong");
    assert_int_equal(partial(world, fixture->acme, digest), 3);
    put_image(world, 409, fixture->acme, "acme", digest); /* not whole yet */
    send_piece(world, 200, fixture->acme, digest, 3, "ret");
    sim_blobs_piece(world->blobs, 1); /* in several turns */
    finish(world, 200, fixture->acme, digest);
    finish(world, 200, fixture->acme, digest); /* should the answer have been lost */
    sim_blobs_piece(world->blobs, 0);
    assert_true(sees(world, fixture->acme, digest));
    assert_false(sees(world, fixture->beta, digest));
    put_image(world, 409, fixture->beta, "beta", digest);
    finish(world, 422, fixture->beta, digest);
    put_image(world, 200, fixture->acme, "acme", digest);
    assert_false(sees(world, fixture->beta, digest));
    put_image(world, 409, fixture->beta, "beta", digest);
    /* Who has the content may send it. */
    send_piece(world, 200, fixture->beta, digest, 0, "secret");
    finish(world, 200, fixture->beta, digest);
    put_image(world, 200, fixture->beta, "beta", digest);
    /* The landlord's are everybody's, and his is everything. */
    assert_true(sees(world, fixture->beta, world->layer));
    assert_true(sees(world, landlord, digest));
    stop(fixture);
}

static void test_uploads_are_bounded(void **state)
{
    struct fixture *fixture = start();
    struct world *world = fixture->world;
    char digest[72], text[16];

    for (int i = 0; i < 65; i++) {
        snprintf(text, sizeof(text), "%d", i);
        digest_of(text, digest);
        send_piece(world, i < 64 ? 200 : 409, fixture->acme, digest, 0, "x");
    }
    send_piece(world, 200, fixture->beta, digest, 0, "x");
    digest_of("0", digest);
    send_piece(world, 200, fixture->acme, digest, 1, "x"); /* what is there may go on */
    char path[160];
    snprintf(path, sizeof(path), "/v1/blobs/%s?offset=%" PRId64, digest, INT64_C(16) << 30);
    expect(world, 413, fixture->acme, "PUT", path, "x");
    expect(world, 413, landlord, "PUT", path, "x");
    snprintf(path, sizeof(path), "/v1/blobs/%s?offset=-1", digest);
    expect(world, 413, fixture->acme, "PUT", path, "x");
    /* All of it together. */
    sim_blobs_pretend(world->blobs, "beta", (INT64_C(64) << 30) - 3);
    send_piece(world, 200, fixture->beta, digest, 0, "x");
    send_piece(world, 409, fixture->beta, digest, 1, "xx");
    send_piece(world, 200, fixture->acme, digest, 2, "xx");
    stop(fixture);
}

/* What no image needs is away after an hour. */
static void test_layers_go(void **state)
{
    struct fixture *fixture = start();
    struct world *world = fixture->world;
    char named[72], unnamed[72], broken[72], slow[72];

    digest_of("named!", named);
    digest_of("unnamed", unnamed);
    digest_of("broken", broken);
    digest_of("slow", slow);
    send_piece(world, 200, fixture->acme, named, 0, "named!");
    send_piece(world, 200, fixture->acme, unnamed, 0, "unnamed");
    send_piece(world, 200, fixture->acme, broken, 0, "bro");
    send_piece(world, 200, fixture->acme, slow, 0, "sl");
    finish(world, 200, fixture->acme, named);
    finish(world, 200, fixture->acme, unnamed);
    put_image(world, 200, fixture->acme, "acme", named);
    world_run_ms(world, HOUR_MS - 2 * MINUTE_MS);
    assert_true(is_here(world, unnamed));
    assert_int_equal(partial(world, fixture->acme, broken), 3);
    send_piece(world, 200, fixture->acme, slow, 2, "o");
    world_run_ms(world, 4 * MINUTE_MS);
    assert_false(is_here(world, unnamed));
    assert_int_equal(partial(world, fixture->acme, broken), 0);
    assert_int_equal(partial(world, fixture->acme, slow), 3);
    assert_true(is_here(world, named));
    assert_true(is_here(world, world->layer));
    expect(world, 200, fixture->acme, "DELETE", "/v1/images/acme/own:1", NULL);
    world_run_ms(world, HOUR_MS - 2 * MINUTE_MS);
    assert_true(sees(world, fixture->acme, named)); /* about to be used again */
    world_run_ms(world, 4 * MINUTE_MS);
    assert_true(is_here(world, named));
    put_image(world, 200, fixture->acme, "acme", named);
    expect(world, 200, fixture->acme, "DELETE", "/v1/images/acme/own:1", NULL);
    world_run_ms(world, HOUR_MS + 2 * MINUTE_MS);
    assert_false(is_here(world, named));
    struct vec left = VEC_OF(struct store_item);
    struct error err;
    assert_true(store_list(world->store, "layer/", NULL, 0, &left, &err));
    assert_int_equal(left.length, 0);
    store_items_free(&left);
    stop(fixture);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_exec_is_told),           cmocka_unit_test(test_token_names),
        cmocka_unit_test(test_repeats_are_of_a_party), cmocka_unit_test(test_layers_are_a_partys),
        cmocka_unit_test(test_uploads_are_bounded),    cmocka_unit_test(test_layers_go),
    };
    if (getenv("CMOCKA_ONLY")) cmocka_set_test_filter(getenv("CMOCKA_ONLY"));
    return cmocka_run_group_tests(tests, NULL, NULL);
}
