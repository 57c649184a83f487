/* Pools: with and without a document, what is kept in them, and who may do what. */
#include "world.h"

#include <stdlib.h>
#include <string.h>

/* One instance on each of h1 and h3 in a rack, and h2 in another. */
static const char farm[] =
    "kind: Farm\nname: shop\nparty: acme\nsubnet: 10.0.0.0/24\n"
    "tiers: [{name: web, image: \"hello:1\", count: 3, size: {cpus: 0.5, memory: 64Mi}, spread: host}]\n";

static struct world *start(void)
{
    struct world *world = world_started(3);
    apply(world, farm);
    wait_running(world, "acme/shop/", 3, 10000);
    return world;
}

static const char *get(struct world *world, const char *path)
{
    return expect(world, 200, landlord, "GET", path, NULL);
}

static void test_survive(void **state)
{
    static const struct {
        const char *survive, *kept;
    } rows[] = {
        {"host", "{\"cpus\":0.5,\"memory\":\"64Mi\","}, {"rack", "{\"cpus\":1,\"memory\":\"128Mi\","},
        {"zone", "{\"cpus\":1,\"memory\":\"128Mi\","},  {"8", "{\"cpus\":1,\"memory\":\"128Mi\","},
        {"3", "{\"cpus\":1,\"memory\":\"128Mi\","},     {"2", "{\"cpus\":1.5,\"memory\":\"192Mi\","},
        {"1", "{\"cpus\":1.5,\"memory\":\"192Mi\","},   {"site", "{\"cpus\":1.5,\"memory\":\"192Mi\","},
        {"none", "{\"cpus\":0,\"memory\":\"0\","}};
    struct world *world = start();

    for (size_t i = 0; i < LENGTH(rows); i++) {
        CLEANUP_MEM char *document = mem_printf("kind: Pool\nname: general\nsurvive: %s\n", rows[i].survive);
        CLEANUP_MEM char *survive = mem_printf("\"status\":{\"name\":\"general\",\"survive\":\"%s\","
                                               "\"hosts\":3,\"instances\":3,\"capacity\":{\"cpus\":12,",
                                               rows[i].survive);
        CLEANUP_MEM char *kept = mem_printf("\"kept\":%s", rows[i].kept);
        apply(world, document);
        const char *text = get(world, "/v1/pools/general");
        if (!strstr(text, survive) || !strstr(text, kept)) fail_msg("%s: %s", rows[i].survive, text);
        assert_non_null(strstr(text, "\"used\":{\"cpus\":1.5,\"memory\":\"192Mi\","));
    }
    world_free(world);
}

/* A pool is there as long as a document or a host names it. */
static void test_without_document(void **state)
{
    struct world *world = start();

    assert_non_null(strstr(get(world, "/v1/pools/general"),
                           "{\"kind\":\"Pool\",\"name\":\"general\",\"survive\":\"none\",\"status\":{"));
    assert_non_null(strstr(get(world, "/v1/explain/general"), "\"kind\":\"Pool\",\"state\":\"\""));
    assert_null(strstr(get(world, "/v1/export"), "\"kind\":\"Pool\"")); /* hosts say it */
    const char *text = expect(world, 404, landlord, "DELETE", "/v1/pools/general", NULL);
    assert_non_null(
        strstr(text, "pool general has no document to delete: it is there while host h1 names it"));
    text = expect(world, 404, landlord, "DELETE", "/v1/pools/none", NULL);
    assert_non_null(strstr(text, "there is no pool none"));
    apply(world,
          "kind: Pool\nname: b10\n---\nkind: Pool\nname: b9\nsurvive: host\n---\nkind: Pool\nname: x\n");
    text = get(world, "/v1/pools");
    const char *const order[] = {"{\"kind\":\"Pool\",\"name\":\"b9\"", "{\"kind\":\"Pool\",\"name\":\"b10\"",
                                 "{\"kind\":\"Pool\",\"name\":\"general\"",
                                 "{\"kind\":\"Pool\",\"name\":\"x\""};
    for (size_t i = 0; i < LENGTH(order); i++) {
        text = strstr(text, order[i]);
        assert_non_null(text);
    }
    assert_non_null(strstr(get(world, "/v1/pools?limit=1&after=b10"), "general"));
    assert_non_null(strstr(get(world, "/v1/pools/b9"),
                           "\"hosts\":0,\"instances\":0,\"capacity\":{\"cpus\":0,\"memory\":\"0\""));
    assert_non_null(
        strstr(get(world, "/v1/export"), "{\"kind\":\"Pool\",\"name\":\"b9\",\"survive\":\"host\"}\n"));
    expect(world, 200, landlord, "DELETE", "/v1/pools/b9", NULL);
    expect(world, 404, landlord, "GET", "/v1/pools/b9", NULL);
    world_free(world);
}

/* Deleting the document of a pool that hosts name leaves the pool, and no room is kept in it. */
static void test_delete(void **state)
{
    struct world *world = start();

    apply(world, "kind: Pool\nname: general\nsurvive: host\n");
    assert_non_null(strstr(get(world, "/v1/pools/general"), "\"survive\":\"host\""));
    expect(world, 200, landlord, "DELETE", "/v1/pools/general", NULL);
    assert_non_null(strstr(get(world, "/v1/pools/general"), "\"survive\":\"none\""));
    world_free(world);
}

/* What has no document has no revision, and the first is guarded as that of all others. */
static void test_conditions(void **state)
{
    static const char document[] = "kind: Pool\nname: general\nsurvive: rack\n";
    static const char *const first[] = {"If-None-Match: *", NULL};
    struct world *world = start();
    char value[256];

    struct reply reply = ask(world, landlord, "GET", "/v1/pools/general", NULL, NULL);
    assert_null(reply_header(&reply, "ETag", value));
    reply_free(&reply);
    reply = ask(world, landlord, "PUT", "/v1/pools/general", first, document);
    assert_int_equal(reply.status, 201);
    reply_free(&reply);
    reply = ask(world, landlord, "PUT", "/v1/pools/general", first, document);
    assert_int_equal(reply.status, 412);
    reply_free(&reply);
    reply = ask(world, landlord, "GET", "/v1/pools/general", NULL, NULL);
    assert_non_null(reply_header(&reply, "ETag", value));
    reply_free(&reply);
    world_free(world);
}

static void take_chunk(void *ctx, const char *data, size_t size)
{
    buf_add(ctx, data, size);
}

static void never_done(void *ctx, const struct answer *answer)
{
    fail_msg("the stream ended");
}

static void test_watch(void **state)
{
    struct world *world = start();
    const struct net_port *net = sim_machine_port(world->person);
    const struct peer peer = {.addresses = {"127.0.0.1:7000"}, .addresses_length = 1, .only_address = -1};
    CLEANUP_MEM char *bearer = mem_printf("Bearer %s", landlord);
    const struct header header = {"Authorization", bearer};
    const struct request request = {
        .method = "GET", .path = "/v1/pools?watch=0", .headers = &header, .headers_length = 1};
    CLEANUP_BUF struct buf text = {0};

    struct call *call = net->call(net->self, &peer, &request, 60000, take_chunk, never_done, &text);
    world_run_ms(world, 10);
    assert_non_null(strstr(buf_text(&text), "event: put\nid: "));
    assert_non_null(strstr(buf_text(&text), "\"name\":\"general\",\"survive\":\"none\""));
    buf_clear(&text);
    apply(world, "kind: Pool\nname: general\nsurvive: host\n---\n"
                 "kind: Host\nname: h8\nzone: east\npool: big\ncapacity: {cpus: 2, memory: 1Gi}\n");
    world_run_ms(world, 10);
    assert_non_null(strstr(buf_text(&text), "\"survive\":\"host\",\"hosts\":3"));
    assert_non_null(strstr(buf_text(&text), "\"name\":\"big\",\"survive\":\"none\",\"hosts\":1"));
    buf_clear(&text);
    expect(world, 200, landlord, "POST", "/v1/farms/acme/shop/scale", "{\"tier\":\"web\",\"count\":4}");
    world_run_ms(world, 10);
    assert_non_null(strstr(buf_text(&text), "\"hosts\":3,\"instances\":4"));
    assert_null(strstr(buf_text(&text), "big"));
    buf_clear(&text);
    expect(world, 200, landlord, "DELETE", "/v1/hosts/h8", NULL);
    expect(world, 200, landlord, "DELETE", "/v1/pools/general", NULL);
    world_run_ms(world, 10);
    assert_non_null(strstr(buf_text(&text), "data: {\"name\":\"big\"}")); /* with its last host */
    assert_null(strstr(buf_text(&text), "data: {\"name\":\"general\"}"));
    assert_non_null(strstr(buf_text(&text), "\"survive\":\"none\",\"hosts\":3"));
    net->cancel(net->self, call);
    world_run_ms(world, 10);
    world_free(world);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_survive), cmocka_unit_test(test_without_document),
        cmocka_unit_test(test_delete),  cmocka_unit_test(test_conditions),
        cmocka_unit_test(test_watch),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
