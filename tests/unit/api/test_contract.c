/* What HTTP promises to programs that know no more of croft than its contract: methods, conditions, what was
 * read can be written. */
#include "world.h"

#include "base/text.h"
#include "model/node.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char shop[] =
    "kind: Farm\nname: shop\nparty: acme\nsubnet: 10.0.0.0/24\n"
    "tiers: [{name: web, image: \"hello:1\", count: 1, size: {cpus: 0.5, memory: 64Mi}}]\n";

static struct world *start(void)
{
    struct world *world = world_started(2);
    apply(world, "kind: Party\nname: beta\n");
    apply(world, shop);
    wait_running(world, "acme/shop/web", 1, 5000);
    return world;
}

/* The status; the value of the answer's header `name` in value, or "". */
static int status_of(struct world *world, const char *method, const char *path, const char *header,
                     const char *body, const char *name, char value[256])
{
    const char *const headers[] = {header, NULL};
    struct reply reply = ask(world, landlord, method, path, header ? headers : NULL, body);
    int status = reply.status;

    value[0] = 0;
    if (name && !reply_header(&reply, name, value)) value[0] = 0;
    reply_free(&reply);
    return status;
}

static void test_methods(void **state)
{
    static const struct {
        const char *method, *path, *allow; /* NULL: there is no such path */
    } asks[] = {{"PATCH", "/v1/farms/acme/shop", "GET, HEAD, PUT, DELETE"},
                {"POST", "/v1/farm/acme/shop", "GET, HEAD, PUT, DELETE"},
                {"DELETE", "/v1/farms", "GET, HEAD"},
                {"DELETE", "/v1/instances/acme/shop/web-1", "GET, HEAD"},
                {"GET", "/v1/apply", "POST"},
                {"PUT", "/v1/tokens", "GET, HEAD, POST"},
                {"OPTIONS", "/v1/version", "GET, HEAD"},
                {"POST", "/healthz", "GET, HEAD"},
                {"POST", "/v1/instances/acme/shop/web-1/exec/none/input", NULL},
                {"GET", "/v1/nothing", NULL},
                {"PATCH", "/v1/farms/acme/shop/none", NULL},
                {"POST", "/v1/farms//shop", NULL},
                {"GET", "/", NULL}};
    struct world *world = start();
    char allow[256];

    for (size_t i = 0; i < LENGTH(asks); i++) {
        int status = status_of(world, asks[i].method, asks[i].path, NULL, NULL, "Allow", allow);
        if (status != (asks[i].allow ? 405 : 404))
            fail_msg("%s %s: %d", asks[i].method, asks[i].path, status);
        assert_string_equal(allow, asks[i].allow ? asks[i].allow : "");
    }
    static const char *const heads[] = {"/healthz", "/readyz", "/metrics", "/v1/farms",
                                        "/v1/farms/acme/shop"};
    for (size_t i = 0; i < LENGTH(heads); i++)
        assert_int_equal(status_of(world, "HEAD", heads[i], NULL, NULL, NULL, allow), 200);
    /* A zero byte does not end a name. */
    assert_int_equal(status_of(world, "GET", "/v1/farms/acme/shop%00x", NULL, NULL, NULL, allow), 404);
    assert_int_equal(status_of(world, "GET", "/v1/farms/acme/%73hop", NULL, NULL, NULL, allow), 200);
    world_free(world);
}

static void test_conditions(void **state)
{
    static const struct {
        const char *method, *path, *body, *read;
        int status; /* without a condition */
    } changes[] = {
        {"POST", "/v1/farms/acme/shop/scale", "{\"tier\":\"web\",\"count\":1}", "/v1/farms/acme/shop", 200},
        {"POST", "/v1/hosts/h2/drain", "{}", "/v1/hosts/h2", 200},
        {"POST", "/v1/hosts/h2/activate", "{}", "/v1/hosts/h2", 200},
        {"POST", "/v1/hosts/h2/power", "{\"order\":\"sideways\"}", "/v1/hosts/h2", 422},
        {"POST", "/v1/instances/acme/shop/web-1/move", "{\"host\":\"h9\"}", "/v1/instances/acme/shop/web-1",
         404},
        {"PUT", "/v1/farms/acme/shop", shop, "/v1/farms/acme/shop", 200},
        {"DELETE", "/v1/farms/acme/shop", NULL, "/v1/farms/acme/shop", 200},
    };
    struct world *world = start();
    char tag[256], value[256], header[300];

    for (size_t i = 0; i < LENGTH(changes); i++) {
        const char *method = changes[i].method, *path = changes[i].path, *body = changes[i].body;
        if (status_of(world, method, path, "If-Match: \"999999\"", body, NULL, value) != 412)
            fail_msg("%s %s took a wrong revision", method, path);
        assert_int_equal(status_of(world, "GET", changes[i].read, NULL, NULL, "ETag", tag), 200);
        snprintf(header, sizeof(header), "If-Match: %s", tag);
        assert_int_equal(status_of(world, method, path, header, body, NULL, value), changes[i].status);
    }
    assert_int_equal(status_of(world, "PUT", "/v1/farms/acme/shop", "If-Match: *", shop, NULL, value), 412);
    assert_int_equal(status_of(world, "PUT", "/v1/farms/acme/shop", NULL, shop, "ETag", tag), 201);
    assert_int_equal(status_of(world, "GET", "/v1/farms/acme/shop", NULL, NULL, "ETag", value), 200);
    assert_string_equal(tag, value);
    assert_int_equal(status_of(world, "PUT", "/v1/farms/acme/shop", "If-Match: *", shop, NULL, value), 200);
    world_free(world);
}

/* Read, change, write back: with what GET says of how the thing is still in it. */
static void test_round_trip(void **state)
{
    static const char *const paths[] = {"/v1/hosts/h1", "/v1/parties/acme", "/v1/farms/acme/shop",
                                        "/v1/images/hello:1"};
    struct world *world = start();

    for (size_t i = 0; i < LENGTH(paths); i++) {
        CLEANUP_MEM char *text = mem_strdup(expect(world, 200, landlord, "GET", paths[i], NULL));
        assert_non_null(strstr(text, "\"status\":{"));
        assert_non_null(
            strstr(expect(world, 200, landlord, "PUT", paths[i], text), "\"result\":\"unchanged\""));
    }
    CLEANUP_MEM char *list = mem_strdup(expect(world, 200, landlord, "GET", "/v1/farms", NULL));
    assert_non_null(strstr(expect(world, 200, landlord, "POST", "/v1/apply", list), "unchanged"));
    /* Any other status is a slip. */
    expect(world, 422, landlord, "POST", "/v1/apply", "kind: Party\nname: p\nstatus: running\n");
    world_free(world);
}

/* RFC 9110, 13.1.1: one of a list has to match. */
static void test_condition_lists(void **state)
{
    static const char path[] = "/v1/hosts/h2";
    static const struct {
        const char *form; /* %s: the tag that it has */
        int status;
    } lists[] = {{"If-Match: \"7777\", %s, \"8888\"", 200},
                 {"If-Match: %s,\"7777\"", 200},
                 {"If-Match: \"7777\" , \"8888\"", 412},
                 {"If-Match: W/%s, \"other\"", 412},
                 {"If-Match: , ,%s", 200}};
    struct world *world = start();
    char tag[256], value[256], header[300];
    CLEANUP_MEM char *document = mem_strdup(expect(world, 200, landlord, "GET", path, NULL));

    for (size_t i = 0; i < LENGTH(lists); i++) {
        assert_int_equal(status_of(world, "GET", path, NULL, NULL, "ETag", tag), 200);
        const char *at = strstr(lists[i].form, "%s");
        if (at)
            snprintf(header, sizeof(header), "%.*s%s%s", (int)(at - lists[i].form), lists[i].form, tag,
                     at + 2);
        else
            snprintf(header, sizeof(header), "%s", lists[i].form);
        assert_int_equal(status_of(world, "POST", "/v1/hosts/h2/activate", header, "{}", NULL, value),
                         lists[i].status);
        assert_int_equal(status_of(world, "GET", path, NULL, NULL, "ETag", value), 200);
        if (!text_equal(tag, value)) continue; /* activated: a new revision */
        assert_int_equal(status_of(world, "PUT", path, header, document, NULL, value), lists[i].status);
    }
    assert_int_equal(status_of(world, "GET", "/v1/farms/acme/shop", NULL, NULL, "ETag", tag), 200);
    snprintf(header, sizeof(header), "If-Match: \"1\", %s", tag);
    assert_int_equal(status_of(world, "DELETE", "/v1/farms/acme/shop", header, NULL, NULL, value), 200);
    world_free(world);
}

/* Every page of one: all of them once, in order, and those of one thing only. */
static void test_pages_of_events(void **state)
{
    struct world *world = start();
    static const char *const names[] = {"", "&name=acme/shop"};

    for (size_t i = 0; i < LENGTH(names); i++) {
        CLEANUP_MEM char *path = mem_printf("/v1/events?since=0%s", names[i]);
        CLEANUP_MEM char *all = mem_strdup(expect(world, 200, landlord, "GET", path, NULL));
        CLEANUP_BUF struct buf pages = {0};
        char next[256] = "";
        size_t count = 0;
        buf_add_char(&pages, '[');
        for (bool more = true; more; count++) {
            CLEANUP_MEM char *page = mem_printf("%s&limit=1%s%s", path, next[0] ? "&after=" : "", next);
            struct reply reply = ask(world, landlord, "GET", page, NULL, NULL);
            assert_int_equal(reply.status, 200);
            if (count > 0) buf_add_char(&pages, ',');
            buf_add(&pages, buf_text(&reply.body) + 1, reply.body.size - 2);
            more = reply_header(&reply, "Croft-Next", next) != NULL;
            reply_free(&reply);
        }
        buf_add_char(&pages, ']');
        assert_true(count > 3);
        assert_string_equal(buf_text(&pages), all);
        /* The last ones. */
        CLEANUP_MEM char *end = mem_printf("%s&last=2", path);
        const char *text = expect(world, 200, landlord, "GET", end, NULL);
        assert_true(strlen(text) < strlen(all));
        assert_string_equal(text + 1, all + strlen(all) - strlen(text) + 1);
    }
    world_free(world);
}

static void test_top_has_idle_hosts(void **state)
{
    struct world *world = start(); /* two hosts, one instance */
    char token[128];
    const char *text = expect(world, 200, landlord, "GET", "/v1/top", NULL);

    assert_non_null(strstr(text, "{\"name\":\"h1\",\"cpus_used\""));
    assert_non_null(strstr(text, "{\"name\":\"h2\",\"cpus_used\""));
    assert_non_null(strstr(text, "\"cpus_used\":0,\"memory_used\":0,\"instances\":0}"));
    text = expect(world, 201, landlord, "POST", "/v1/tokens", "{\"party\":\"beta\"}");
    assert_int_equal(sscanf(strstr(text, "\"token\":"), "\"token\":\"%127[0-9a-f]", token), 1);
    assert_non_null(strstr(expect(world, 200, token, "GET", "/v1/top", NULL), "\"hosts\":[]"));
    box_die(&world->boxes[1]);
    wait_host(world, world->boxes[1].name, HOST_DOWN, 20000);
    CLEANUP_MEM char *dead = mem_printf("{\"name\":\"%s\",\"cpus_used\"", world->boxes[1].name);
    assert_null(
        strstr(expect(world, 200, landlord, "GET", "/v1/top", NULL), dead)); /* nothing is known of it */
    world_free(world);
}

static void keep_chunk(void *ctx, const char *data, size_t size)
{
    buf_add(ctx, data, size);
}

static void stream_over(void *ctx, const struct answer *answer)
{
    fail_msg("the stream ended with %d", answer->status);
}

/* A browser asks for its old address again, and says how far it is: what it has is not told again. */
static void test_last_event(void **state)
{
    struct world *world = start();
    const struct net_port *net = sim_machine_port(world->person);
    const struct peer peer = {.addresses = {"127.0.0.1:7000"}, .addresses_length = 1, .only_address = -1};
    CLEANUP_MEM char *bearer = mem_printf("Bearer %s", landlord);
    char revision[32];

    snprintf(revision, sizeof(revision), "%llu", (unsigned long long)store_revision(world->store));
    apply(world, "kind: Party\nname: later\n");
    for (size_t length = 1; length <= 2; length++) {
        CLEANUP_BUF struct buf text = {0};
        const struct header headers[] = {{"Authorization", bearer}, {"Last-Event-ID", revision}};
        const struct request request = {
            .method = "GET", .path = "/v1/parties?watch=0", .headers = headers, .headers_length = length};
        struct call *call = net->call(net->self, &peer, &request, 60000, keep_chunk, stream_over, &text);
        world_run_ms(world, 100);
        assert_non_null(strstr(buf_text(&text), "\"name\":\"later\""));
        assert_int_equal(strstr(buf_text(&text), "\"name\":\"beta\"") == NULL, length == 2);
        net->cancel(net->self, call);
        world_run_ms(world, 10);
    }
    world_free(world);
}

static void test_watch_revisions(void **state)
{
    struct world *world = start();
    char value[256];
    static const char *const plurals[] = {"farms", "hosts", "events"};

    for (size_t i = 0; i < LENGTH(plurals); i++) {
        CLEANUP_MEM char *path = mem_printf("/v1/%s?watch=999999", plurals[i]);
        const char *text = expect(world, 400, landlord, "GET", path, NULL);
        assert_non_null(strstr(text, "revision 999999 has not been yet"));
    }
    assert_int_equal(status_of(world, "GET", "/v1/farms?watch=0", "Last-Event-ID: 999999", NULL, NULL, value),
                     400);
    static const char *const wrong[] = {"/v1/farms?watch=-1", "/v1/events?watch=-5", "/v1/farms?watch=x"};

    for (size_t i = 0; i < LENGTH(wrong); i++)
        assert_int_equal(status_of(world, "GET", wrong[i], NULL, NULL, NULL, value), 400);
    world_free(world);
}

/* The plan is made for all; each sees of it what is his. */
static void test_diff_is_ones_own(void **state)
{
    struct world *world = start();
    char token[128];
    const char *text = expect(world, 201, landlord, "POST", "/v1/tokens", "{\"party\":\"beta\"}");
    static const char blog[] =
        "kind: Farm\nname: blog\nparty: beta\nsubnet: 10.0.0.0/24\n"
        "tiers: [{name: web, image: \"hello:1\", count: 1, size: {cpus: 0.5, memory: 64Mi}}]\n";
    static const char publish[] =
        "balance: [{name: www, port: 80, to: \"web:80\", publish: \"127.0.0.1:8080\"}]\n";
    CLEANUP_MEM char *first = mem_printf("%s%s", blog, publish), *second = mem_printf("%s%s", shop, publish);

    assert_int_equal(sscanf(strstr(text, "\"token\":"), "\"token\":\"%127[0-9a-f]", token), 1);
    apply(world, first);
    apply(world, second); /* waits for the address: beta's change would give it away */
    world_run_ms(world, 3000);
    assert_null(strstr(expect(world, 200, landlord, "GET", "/v1/farms/acme/shop", NULL), "beta"));
    text = expect(world, 200, landlord, "POST", "/v1/diff", blog);
    assert_non_null(strstr(text, "acme/shop"));
    text = expect(world, 200, token, "POST", "/v1/diff", blog);
    assert_null(strstr(text, "acme"));
    assert_non_null(strstr(text, "beta/blog"));
    world_free(world);
}

static void test_power_has_its_author(void **state)
{
    struct world *world = start();

    expect(world, 200, landlord, "POST", "/v1/hosts/h2/power", "{\"order\":\"off\"}");
    const char *text = expect(world, 200, landlord, "GET", "/v1/events?name=h2", NULL);
    assert_non_null(
        strstr(text, "\"what\":\"power off asked for\",\"reason\":\"as asked\",\"who\":\"landlord\""));
    world_free(world);
}

static void test_explain_image(void **state)
{
    struct world *world = start();
    const char *text = expect(world, 200, landlord, "GET", "/v1/explain/hello:1", NULL);

    assert_null(strstr(text, "\"gone\""));
    assert_non_null(strstr(text, "\"kind\":\"Image\""));
    world_free(world);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_methods),
        cmocka_unit_test(test_conditions),
        cmocka_unit_test(test_round_trip),
        cmocka_unit_test(test_condition_lists),
        cmocka_unit_test(test_pages_of_events),
        cmocka_unit_test(test_top_has_idle_hosts),
        cmocka_unit_test(test_last_event),
        cmocka_unit_test(test_watch_revisions),
        cmocka_unit_test(test_explain_image),
        cmocka_unit_test(test_diff_is_ones_own),
        cmocka_unit_test(test_power_has_its_author),
    };
    if (getenv("CMOCKA_ONLY")) cmocka_set_test_filter(getenv("CMOCKA_ONLY"));
    return cmocka_run_group_tests(tests, NULL, NULL);
}
