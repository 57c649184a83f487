/* The API against its own description, and who may see what. */
#include "world.h"

#include "model/image_text.h"
#include "model/node.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char grid[] =
    "kind: Party\nname: beta\n---\n"
    "kind: Farm\nname: shop\nparty: acme\nsubnet: 10.0.0.0/24\n"
    "tiers: [{name: web, image: \"hello:1\", count: 1, size: {cpus: 0.5, memory: 64Mi}}]\n---\n"
    "kind: Farm\nname: exec\nparty: beta\nsubnet: 10.0.0.0/24\n"
    "tiers: [{name: db, image: \"hello:1\", count: 1, size: {cpus: 0.5, memory: 64Mi}}]\n---\n"
    "kind: Farm\nname: aaa\nparty: beta\nsubnet: 10.0.0.0/24\n"
    "tiers: [{name: db, image: \"hello:1\", count: 0, size: {cpus: 0.5, memory: 64Mi}}]\n---\n"
    "kind: Farm\nname: blog\nparty: acme\nsubnet: 10.0.0.0/24\n"
    "tiers: [{name: web, image: \"hello:1\", count: 0, size: {cpus: 0.5, memory: 64Mi}}]\n";

struct fixture {
    struct world *world;
    char acme[128], beta[128]; /* tokens */
};

static void token_of(struct world *world, const char *party, char *ret_token)
{
    CLEANUP_ARENA struct arena *arena = arena_new();
    char body[128];
    struct node node;
    struct error err;

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
    wait_running(fixture->world, "", 2, 5000);
    token_of(fixture->world, "acme", fixture->acme);
    token_of(fixture->world, "beta", fixture->beta);
    return fixture;
}

static void stop(struct fixture *fixture)
{
    world_free(fixture->world);
    mem_free(fixture);
}

/* The path of the description with the names of what is there. */
static char *real_path(const char *path)
{
    static const char *const names[][2] = {{"hosts/{name}", "hosts/h1"},
                                           {"parties/{name}", "parties/acme"},
                                           {"pools/{name}", "pools/general"},
                                           {"slas/{name}", "slas/gold"},
                                           {"scaling-rules/{name}", "scaling-rules/plain"},
                                           {"filters/{party}/{name}", "filters/acme/none"},
                                           {"leases/{name}", "leases/acme"},
                                           {"contacts/{party}/{name}", "contacts/acme/none"},
                                           {"keys/{name}", "keys/none"},
                                           {"farms/{party}/{name}", "farms/acme/blog"},
                                           {"images/{party}/{name}", "images/landlord/hello:2"},
                                           {"instances/{party}/{farm}/{name}", "instances/acme/shop/web-1"},
                                           {"sealed/{host}/{party}", "sealed/h1/acme"},
                                           {"explain/{name}", "explain/acme/shop"},
                                           {"blobs/{digest}", "blobs/sha256:00"},
                                           {"tokens/{id}", "tokens/00"}};
    char *real = mem_strdup(path);

    for (size_t i = 0; i < LENGTH(names); i++) {
        char *at = strstr(real, names[i][0]);
        if (!at) continue;
        char *longer = mem_printf("%.*s%s%s", (int)(at - real), real, names[i][1], at + strlen(names[i][0]));
        mem_free(real);
        real = longer;
    }
    char *session = strstr(real, "{session}");
    if (session) memcpy(session, "012345678", 9);
    assert_null(strchr(real, '{'));
    return real;
}

static void check_problem(const char *text, int status)
{
    static const char *const keys[] = {"type", "title", "detail", "code", "file", "field"};
    CLEANUP_ARENA struct arena *arena = arena_new();
    struct node node;
    struct error err;

    assert_true(node_from_json(arena, text, strlen(text), &node, &err));
    for (size_t i = 0; i < LENGTH(keys); i++) {
        assert_non_null(node_get(&node, keys[i]));
        assert_int_equal(node_get(&node, keys[i])->kind, NODE_STRING);
    }
    assert_int_equal(node_int(&node, "status", 0), status);
    assert_int_not_equal(node_int(&node, "line", -1), -1);
    assert_true(strlen(node_text(&node, "detail", "")) > 0);
}

static void check_operation(struct fixture *fixture, const char *path, const char *method_low,
                            bool with_token)
{
    CLEANUP_MEM char *real = real_path(path);
    char method[16] = "", type[256];

    for (size_t i = 0; method_low[i]; i++)
        method[i] = (char)(method_low[i] - 'a' + 'A');
    struct reply reply = ask(fixture->world, with_token ? landlord : NULL, method, real, NULL, NULL);
    assert_non_null(reply_header(&reply, "Content-Type", type));
    if (!with_token) {
        assert_int_equal(reply.status, 401);
        assert_string_equal(type, "application/problem+json");
        assert_non_null(reply_header(&reply, "WWW-Authenticate", type));
    } else if (reply.status >= 400 && text_equal(type, "application/problem+json")) {
        check_problem(buf_text(&reply.body), reply.status);
        if (reply.status == 405 || strstr(buf_text(&reply.body), "see /v1/openapi.json"))
            fail_msg("%s %s is not served", method, real);
        assert_true(reply.status < 500);
    } else if (!text_ends(path, "/log") && !text_ends(path, "/export")) {
        CLEANUP_ARENA struct arena *arena = arena_new();
        struct node node;
        struct error err;
        assert_string_equal(type, "application/json");
        assert_true(node_from_json(arena, buf_text(&reply.body), reply.body.size, &node, &err));
    }
    reply_free(&reply);
}

static const char *const open_paths[] = {"/healthz", "/readyz", "/v1/openapi.json"}; /* to everybody */

static bool is_open(const char *path)
{
    for (size_t i = 0; i < LENGTH(open_paths); i++)
        if (text_equal(path, open_paths[i])) return true;
    return text_equal(path, "/metrics"); /* test_metrics */
}

/* What the description says of who may ask: only those say that no token is needed, and of /metrics that it
 * may be. */
static void check_security(const char *path, const struct node *operation)
{
    const struct node *security = node_get(operation, "security");
    bool metrics = text_equal(path, "/metrics");

    assert_int_equal(security != NULL, is_open(path));
    if (security) assert_int_equal(security->length, metrics ? 2 : 0);
}

static void test_description(void **state)
{
    struct fixture *fixture = start();
    CLEANUP_ARENA struct arena *arena = arena_new();
    struct node node;
    struct error err;
    size_t count = 0;
    const char *text =
        arena_strdup(arena, expect(fixture->world, 200, NULL, "GET", "/v1/openapi.json", NULL));

    assert_true(node_from_json(arena, text, strlen(text), &node, &err));
    const struct node *paths = node_get(&node, "paths");
    for (size_t i = 0; i < paths->length; i++)
        for (size_t j = 0; j < paths->items[i].length; j++) {
            const char *method = paths->items[i].items[j].key;
            if (text_equal(method, "parameters") || text_equal(method, "delete")) continue;
            check_security(paths->items[i].key, &paths->items[i].items[j]);
            if (is_open(paths->items[i].key)) continue;
            check_operation(fixture, paths->items[i].key, method, false);
            check_operation(fixture, paths->items[i].key, method, true);
            count++;
        }
    assert_true(count > 30);
    for (size_t i = 0; i < paths->length; i++) /* last: they take away what others ask for */
        if (node_get(&paths->items[i], "delete")) {
            check_operation(fixture, paths->items[i].key, "delete", false);
            check_operation(fixture, paths->items[i].key, "delete", true);
        }
    for (size_t i = 0; i < LENGTH(open_paths); i++)
        expect(fixture->world, 200, NULL, "GET", open_paths[i], NULL);
    stop(fixture);
}

static int metrics_status(struct world *world, const char *token, const char *header, const char *text)
{
    const char *const headers[] = {header, NULL};
    struct reply reply = ask(world, token, "GET", "/metrics", headers, NULL);
    int status = reply.status;

    assert_int_equal(strstr(buf_text(&reply.body), "croft_instance_running") != NULL, status == 200);
    if (!strstr(buf_text(&reply.body), text)) fail_msg("%s", buf_text(&reply.body));
    reply_free(&reply);
    return status;
}

/* They name every farm: for the landlord, and for whoever is on his machine. */
static void test_metrics(void **state)
{
    struct fixture *fixture = start();
    struct world *world = fixture->world;
    struct sim_machine *elsewhere = world->person;

    for (int local = 0; local < 2; local++) {
        world->person = local ? world->controller_machine : elsewhere;
        assert_int_equal(metrics_status(world, landlord, NULL, "acme/shop"), 200);
        assert_int_equal(metrics_status(world, fixture->acme, NULL, "they name every party's farms"), 403);
        assert_int_equal(metrics_status(world, "guess", NULL, "token"), 401);
    }
    assert_int_equal(metrics_status(world, NULL, NULL, "acme/shop"), 200);
    assert_int_equal(metrics_status(world, NULL, "X-Forwarded-For: 192.0.2.1", "send his token"), 401);
    assert_int_equal(metrics_status(world, landlord, "X-Forwarded-For: 192.0.2.1", "acme/shop"), 200);
    world->person = elsewhere;
    assert_int_equal(metrics_status(world, NULL, NULL, "send his token"), 401);
    stop(fixture);
}

static void test_tenants(void **state)
{
    struct fixture *fixture = start();
    struct world *world = fixture->world;
    static const char *const lists[] = {"/v1/farms",  "/v1/instances", "/v1/events",
                                        "/v1/export", "/v1/parties",   "/v1/top"};
    static const char *const hidden[] = {"/v1/farms/beta/exec",
                                         "/v1/instances/beta/exec/db-1",
                                         "/v1/explain/beta/exec",
                                         "/v1/explain/h1",
                                         "/v1/hosts/h1",
                                         "/v1/parties/beta",
                                         "/v1/pools/general",
                                         "/v1/instances/beta/exec/db-1/log",
                                         "/v1/instances/beta/exec/db-1/exec/0123"};

    for (size_t i = 0; i < LENGTH(lists); i++) {
        assert_null(strstr(expect(world, 200, fixture->acme, "GET", lists[i], NULL), "beta"));
        assert_non_null(strstr(expect(world, 200, fixture->acme, "GET", lists[i], NULL), "acme"));
        assert_non_null(strstr(expect(world, 200, landlord, "GET", lists[i], NULL), "beta"));
    }
    assert_string_equal(expect(world, 200, fixture->acme, "GET", "/v1/hosts", NULL), "[]");
    assert_string_equal(expect(world, 200, fixture->acme, "GET", "/v1/pools", NULL), "[]");
    expect(world, 403, fixture->acme, "PUT", "/v1/pools/general", "kind: Pool\nname: general\n");
    expect(world, 404, fixture->acme, "DELETE", "/v1/pools/general", NULL);
    for (size_t i = 0; i < LENGTH(hidden); i++) {
        const char *text = expect(world, 404, fixture->acme, "GET", hidden[i], NULL);
        check_problem(text, 404);
    }
    expect(world, 200, fixture->beta, "GET", "/v1/instances/beta/exec/db-1", NULL); /* a farm called exec */
    expect(world, 200, fixture->beta, "GET", "/v1/farms/beta/exec", NULL);
    expect(world, 404, fixture->acme, "POST", "/v1/instances/beta/exec/db-1/exec",
           "{\"command\":[\"true\"]}");
    expect(world, 404, fixture->acme, "POST", "/v1/farms/beta/exec/scale", "{\"tier\":\"db\",\"count\":2}");
    expect(world, 404, fixture->acme, "DELETE", "/v1/farms/beta/exec", NULL);
    expect(world, 403, fixture->acme, "POST", "/v1/hosts/h1/drain", NULL);
    expect(world, 403, fixture->acme, "POST", "/v1/hosts/h1/power", "{\"order\":\"off\"}");
    expect(world, 403, fixture->acme, "POST", "/v1/tokens", "{\"party\":\"beta\",\"name\":\"mine\"}");
    expect(world, 403, fixture->acme, "POST", "/v1/apply", "kind: Party\nname: more\n");
    expect(world, 404, fixture->beta, "POST", "/v1/instances/acme/shop/web-1/move", "{\"host\":\"h1\"}");
    expect(world, 401, "nobodys", "GET", "/v1/farms", NULL);
    stop(fixture);
}

/* Hosts keep images by digest: one party must not give its own content the digest of another's image. */
static void test_image_is_its_digest(void **state)
{
    struct fixture *fixture = start();
    struct world *world = fixture->world;
    static const char form[] = "{\"kind\":\"Image\",\"name\":\"own:1\",\"party\":\"acme\",\"digest\":\"%s\","
                               "\"layers\":[\"%s\"],\"size\":%d,\"command\":[%s]}";
    char digest[72], other[72], document[512];

    world_image_digest(world, 27, digest); /* hello:1's */
    snprintf(document, sizeof(document), form, digest, world->layer, 27, "\"evil\"");
    const char *text = expect(world, 422, fixture->acme, "POST", "/v1/apply", document);
    check_problem(text, 422);
    assert_non_null(strstr(text, "\"field\":\"digest\""));
    expect(world, 422, fixture->acme, "PUT", "/v1/images/acme/own:1", document);
    expect(world, 422, landlord, "POST", "/v1/diff", document);
    world_image_digest(world, 5, other);
    snprintf(document, sizeof(document), form, other, world->layer, 5, "");
    expect(world, 200, fixture->acme, "POST", "/v1/apply", document);
    /* A layer that nobody sent. */
    const char *const layers[] = {other};
    const struct image image = {
        .layers = layers, .layers_length = 1, .size_bytes = 5, .directory = "/", .user = "0"};
    const struct identity_port *identity = sim_identity_port(world->identity);
    CLEANUP_BUF struct buf canonical = {0};
    image_canonical(&image, &canonical);
    identity->digest(identity->self, canonical.data, canonical.size, digest + strlen("sha256:"));
    snprintf(document, sizeof(document), form, digest, other, 5, "");
    text = expect(world, 409, fixture->acme, "POST", "/v1/apply", document);
    assert_non_null(strstr(text, "\"field\":\"layers\""));
    stop(fixture);
}

/* What stands in a path goes to the agent: it must not become a question about another's instance. */
static void test_exec_stays_inside(void **state)
{
    struct fixture *fixture = start();
    struct world *world = fixture->world;
    static const char *const paths[] = {
        "/v1/instances/acme/shop/web-1/exec%3Finstance=beta/exec/db-1&x=",
        "/v1/instances/acme/shop/web-1/exec?instance=beta/exec/db-1",
        "/v1/instances/acme/shop/web-1/exec/%3Finstance=beta/exec/db-1&x=",
        "/v1/instances/acme/shop/web-1/exec/../exec%3Finstance=beta/exec/db-1&x=",
    };
    for (size_t i = 0; i < LENGTH(paths); i++) {
        struct reply reply =
            ask(world, fixture->acme, "POST", paths[i], NULL, "{\"command\":[\"sleep\",\"60000\"]}");
        if (i != 1) assert_int_equal(reply.status, 404);
        if (i == 1) assert_int_equal(reply.status, 200); /* its own */
        reply_free(&reply);
    }
    assert_null(strstr(expect(world, 200, fixture->acme, "GET",
                              "/v1/instances/acme/shop/web-1/log?instance=beta/exec/db-1", NULL),
                       "beta"));
    /* Nor does the name of another's session, should it get known, open it. */
    char session[64], path[256];
    const char *text = expect(world, 200, fixture->beta, "POST", "/v1/instances/beta/exec/db-1/exec",
                              "{\"command\":[\"echo\",\"secret\"]}");
    assert_int_equal(sscanf(text, "{\"session\":\"%32[0-9a-f]", session), 1);
    static const char *const forms[][2] = {
        {"GET", "?after=0"}, {"GET", "?after=0&instance=beta/exec/db-1"}, {"POST", "/input"}, {"DELETE", ""}};
    for (size_t i = 0; i < LENGTH(forms); i++) {
        snprintf(path, sizeof(path), "/v1/instances/acme/shop/web-1/exec/%s%s", session, forms[i][1]);
        expect(world, 404, fixture->acme, forms[i][0], path, NULL);
    }
    snprintf(path, sizeof(path), "/v1/instances/beta/exec/db-1/exec/%s?after=0", session);
    expect(world, 200, fixture->beta, "GET", path, NULL);
    stop(fixture);
}

static void test_exec(void **state)
{
    struct fixture *fixture = start();
    struct world *world = fixture->world;
    char path[256], session[64];
    const char *text = expect(world, 200, fixture->acme, "POST", "/v1/instances/acme/shop/web-1/exec",
                              "{\"command\":[\"echo\",\"hi\"]}");
    assert_int_equal(sscanf(text, "{\"session\":\"%32[0-9a-f]", session), 1);
    snprintf(path, sizeof(path), "/v1/instances/acme/shop/web-1/exec/%s?after=0", session);
    text = expect(world, 200, fixture->acme, "GET", path, NULL);
    assert_non_null(strstr(text, "aGkK")); /* hi\n */
    assert_non_null(strstr(text, "\"exit\":"));
    snprintf(path, sizeof(path), "/v1/instances/acme/shop/web-1/exec/%s", session);
    expect(world, 200, fixture->acme, "DELETE", path, NULL);
    expect(world, 404, fixture->acme, "GET", path, NULL);
    stop(fixture);
}

static void assert_by_name(const struct node *list, size_t length)
{
    assert_int_equal(list->length, length);
    for (size_t i = 1; i < length; i++)
        assert_true(text_compare_natural(node_text(&list->items[i - 1], "name", ""),
                                         node_text(&list->items[i], "name", "")) < 0);
}

static void test_top_is_ordered(void **state)
{
    CLEANUP_ARENA struct arena *arena = arena_new();
    struct world *world = world_started(4);
    struct node node;
    struct error err;

    apply(world, grid);
    expect(world, 200, landlord, "POST", "/v1/farms/acme/shop/scale", "{\"tier\":\"web\",\"count\":11}");
    expect(world, 200, landlord, "POST", "/v1/farms/acme/blog/scale", "{\"tier\":\"web\",\"count\":17}");
    wait_running(world, "", 29, 20000);
    const char *text = expect(world, 200, landlord, "GET", "/v1/top", NULL);
    assert_true(node_from_json(arena, text, strlen(text), &node, &err));
    assert_by_name(node_get(&node, "hosts"), 4);
    assert_by_name(node_get(&node, "farms"), 3);
    assert_by_name(node_get(&node, "instances"), 29);
    world_free(world);
}

static void count_done(void *ctx, const struct answer *answer)
{
    ++*(int *)ctx;
}

static struct call *ask_only(struct world *world, const char *method, const char *path, const char *body,
                             void (*chunk)(void *ctx, const char *data, size_t size),
                             void (*done)(void *ctx, const struct answer *answer), void *ctx)
{
    const struct net_port *net = sim_machine_port(world->person);
    const struct peer peer = {.addresses = {"127.0.0.1:7000"}, .addresses_length = 1, .only_address = -1};
    const struct header header = {"Authorization", "Bearer landlords-own-token"};
    const struct request request = {.method = method,
                                    .path = path,
                                    .headers = &header,
                                    .headers_length = 1,
                                    .body = body,
                                    .body_size = body ? strlen(body) : 0};
    return net->call(net->self, &peer, &request, 60000, chunk, done, ctx);
}

/* Askers leave, and the API ends, while its answers are under way: at every moment of them. */
static void test_askers_leave(void **state)
{
    static const struct {
        const char *method, *path, *body;
    } asks[] = {{"GET", "/v1/top", NULL},
                {"GET", "/v1/instances/acme/shop/web-1/log", NULL},
                {"POST", "/v1/instances/acme/shop/web-1/exec", "{\"command\":[\"cat\"]}"},
                {"POST", "/v1/hosts/h1/power", "{\"order\":\"cycle\"}"},
                {"GET", "/v1/farms?watch=0", NULL}};
    for (size_t i = 0; i < LENGTH(asks); i++)
        for (int64_t us = 100; us < 1200; us += 100)
            for (int ends = 0; ends < 2; ends++) {
                struct world *world = world_started(1);
                int dones = 0;
                apply(world, grid);
                wait_running(world, "", 2, 5000);
                struct call *call =
                    ask_only(world, asks[i].method, asks[i].path, asks[i].body, NULL, count_done, &dones);
                sim_clock_run(world->clock, us);
                const struct net_port *net = sim_machine_port(world->person);
                if (dones == 0) net->cancel(net->self, call);
                if (ends) {
                    world_run_ms(world, ends);
                    world_stop_controller(world);
                }
                world_run_ms(world, 3000);
                assert_int_equal(sim_machine_exchanges(world->controller_machine) <= 2,
                                 true); /* a line, a poll */
                world_free(world);
            }
}

static void test_paging(void **state)
{
    struct fixture *fixture = start();
    struct world *world = fixture->world;
    char next[256];
    struct reply reply = ask(world, fixture->acme, "GET", "/v1/farms?limit=1", NULL, NULL);

    assert_non_null(strstr(buf_text(&reply.body), "acme/blog"));
    assert_non_null(reply_header(&reply, "Croft-Next", next));
    assert_string_equal(next, "acme/blog");
    reply_free(&reply);
    reply = ask(world, fixture->acme, "GET", "/v1/farms?limit=1&after=acme/blog", NULL, NULL);
    assert_non_null(strstr(buf_text(&reply.body), "acme/shop"));
    assert_null(reply_header(&reply, "Croft-Next", next)); /* what follows is not acme's */
    reply_free(&reply);
    reply = ask(world, fixture->beta, "GET", "/v1/images?limit=1", NULL, NULL);
    assert_non_null(reply_header(&reply, "Croft-Next", next));
    reply_free(&reply);
    /* Every page of one, by the landlord: all of them, once. */
    char path[300] = "/v1/farms?limit=1";
    int pages = 0;
    for (bool more = true; more; pages++) {
        reply = ask(world, landlord, "GET", path, NULL, NULL);
        more = reply_header(&reply, "Croft-Next", next) != NULL;
        snprintf(path, sizeof(path), "/v1/farms?limit=1&after=%s", next);
        reply_free(&reply);
    }
    assert_int_equal(pages, 4);
    static const char *const wrong[] = {"limit=0", "limit=-1", "limit=x",
                                        "limit=",  "watch=x",  "watch=9223372036854775808"};
    for (size_t i = 0; i < LENGTH(wrong); i++) {
        snprintf(path, sizeof(path), "/v1/farms?%s", wrong[i]);
        check_problem(expect(world, 400, landlord, "GET", path, NULL), 400);
        snprintf(path, sizeof(path), "/v1/events?%s", wrong[i]);
        check_problem(expect(world, 400, landlord, "GET", path, NULL), 400);
    }
    /* Longer ago than time is counted: all of them. */
    struct reply all = ask(world, landlord, "GET", "/v1/events", NULL, NULL);
    reply = ask(world, landlord, "GET", "/v1/events?since=9223372036854775807", NULL, NULL);
    assert_true(all.body.size > 2);
    assert_string_equal(buf_text(&reply.body), buf_text(&all.body));
    reply_free(&all);
    reply_free(&reply);
    stop(fixture);
}

static const char blog[] =
    "kind: Farm\nname: blog\nparty: acme\nsubnet: 10.0.0.0/24\n"
    "tiers: [{name: web, image: \"hello:1\", count: 1, size: {cpus: 0.1, memory: 16Mi}}]\n";
static const char news[] =
    "kind: Farm\nname: news\nparty: acme\nsubnet: 10.0.0.0/24\n"
    "tiers: [{name: web, image: \"hello:1\", count: 0, size: {cpus: 0.1, memory: 16Mi}}]\n";

static int put(struct world *world, const char *path, const char *header, const char *body)
{
    const char *const headers[] = {header, NULL};
    struct reply reply = ask(world, landlord, "PUT", path, headers, body);
    int status = reply.status;
    reply_free(&reply);
    return status;
}

static void test_conditions(void **state)
{
    struct fixture *fixture = start();
    struct world *world = fixture->world;

    assert_int_equal(put(world, "/v1/farms/acme/blog", "If-None-Match: *", blog), 412);
    assert_int_equal(put(world, "/v1/farms/acme/blog", "If-Match: \"1\"", blog), 412);
    assert_int_equal(put(world, "/v1/farms/acme/blog", "If-Match: \"other\"", blog), 412);
    assert_int_equal(put(world, "/v1/farms/acme/news", "If-Match: \"other\"", news), 412);
    assert_int_equal(put(world, "/v1/farms/acme/news", "If-Match: \"0\"", news), 412);
    assert_int_equal(put(world, "/v1/farms/acme/news", "If-None-Match: *", news), 201);
    assert_int_equal(put(world, "/v1/farms/acme/news", "If-None-Match: *", news), 412);
    assert_int_equal(put(world, "/v1/farms/acme/blog", "If-Match: *", blog), 200);
    stop(fixture);
}

static struct reply post_once(struct world *world, const char *path, const char *key, const char *body)
{
    char header[128];
    const char *const headers[] = {header, NULL};
    snprintf(header, sizeof(header), "Idempotency-Key: %s", key);
    return ask(world, landlord, "POST", path, headers, body);
}

static void test_repeats(void **state)
{
    struct fixture *fixture = start();
    struct world *world = fixture->world;
    static const char exec[] = "/v1/instances/acme/shop/web-1/exec",
                      sleep[] = "{\"command\":[\"sleep\",\"1000\"]}";

    struct reply first = post_once(world, "/v1/apply", "one", news);
    assert_int_equal(first.status, 200);
    uint64_t revision = store_revision(world->store);
    struct reply again = post_once(world, "/v1/apply", "one", news);
    assert_int_equal(again.status, 200);
    assert_string_equal(buf_text(&first.body), buf_text(&again.body)); /* created, still */
    assert_int_equal(store_revision(world->store), revision);
    reply_free(&first);
    reply_free(&again);
    first = post_once(world, "/v1/apply", "one", blog);
    assert_int_equal(first.status, 422);
    check_problem(buf_text(&first.body), 422);
    reply_free(&first);
    /* A failure is not kept. */
    first = post_once(world, "/v1/farms/acme/none/scale", "two", "{\"tier\":\"web\",\"count\":1}");
    assert_int_equal(first.status, 404);
    reply_free(&first);
    CLEANUP_MEM char *none = mem_strdup(news);
    memcpy(strstr(none, "news"), "none", 4);
    apply(world, none);
    first = post_once(world, "/v1/farms/acme/none/scale", "two", "{\"tier\":\"web\",\"count\":1}");
    assert_int_equal(first.status, 200);
    reply_free(&first);
    /* What an agent answers is kept too: one session, not two. */
    first = post_once(world, exec, "three", sleep);
    again = post_once(world, exec, "three", sleep);
    assert_int_equal(first.status, 200);
    assert_int_equal(again.status, 200);
    assert_string_equal(buf_text(&first.body), buf_text(&again.body));
    reply_free(&first);
    reply_free(&again);
    stop(fixture);
}

struct stream {
    struct buf text;
    int dones;
};

static void take_chunk(void *ctx, const char *data, size_t size)
{
    buf_add(&((struct stream *)ctx)->text, data, size);
}

static void stream_done(void *ctx, const struct answer *answer)
{
    ((struct stream *)ctx)->dones++;
}

static void test_watch(void **state)
{
    struct fixture *fixture = start();
    struct world *world = fixture->world;
    struct stream stream = {0};
    const struct net_port *net = sim_machine_port(world->person);
    struct call *call = ask_only(world, "GET", "/v1/farms?watch=0", NULL, take_chunk, count_done, &stream);

    stream.dones = 0;
    world_run_ms(world, 10);
    assert_non_null(strstr(buf_text(&stream.text), "event: put\nid: "));
    assert_non_null(strstr(buf_text(&stream.text), "acme/shop"));
    buf_clear(&stream.text);
    apply(world, news);
    world_run_ms(world, 10);
    assert_non_null(strstr(buf_text(&stream.text), "\"name\":\"news\""));
    buf_clear(&stream.text);
    expect(world, 200, landlord, "DELETE", "/v1/farms/acme/news", NULL);
    world_run_ms(world, 10);
    assert_non_null(strstr(buf_text(&stream.text), "event: delete\n"));
    net->cancel(net->self, call);
    world_run_ms(world, 10);
    apply(world, news); /* nobody listens any more */
    buf_free(&stream.text);
    stop(fixture);
}

static size_t count_of(const struct stream *stream, const char *text)
{
    size_t count = 0;
    for (const char *at = buf_text(&stream->text); (at = strstr(at, text)); at++)
        count++;
    return count;
}

enum { FARMS, HOSTS, PARTIES, INSTANCES, STREAMS };

static void listen_all(struct world *world, uint64_t revision, struct stream *streams, struct call **calls)
{
    static const char *const plurals[STREAMS] = {"farms", "hosts", "parties", "instances"};
    for (size_t i = 0; i < STREAMS; i++) {
        CLEANUP_MEM char *path = mem_printf("/v1/%s?watch=%llu", plurals[i], (unsigned long long)revision);
        calls[i] = ask_only(world, "GET", path, NULL, take_chunk, stream_done, &streams[i]);
    }
    world_run_ms(world, 10);
}

static void hang_up(struct world *world, struct stream *streams, struct call **calls)
{
    const struct net_port *net = sim_machine_port(world->person);
    for (size_t i = 0; i < STREAMS; i++) {
        assert_int_equal(streams[i].dones, 0);
        net->cancel(net->self, calls[i]);
        buf_free(&streams[i].text);
    }
    world_run_ms(world, 10);
}

/* A farm is told of when its instances change, and so are their host and party. */
static void test_watch_follows(void **state)
{
    struct fixture *fixture = start();
    struct world *world = fixture->world;
    struct stream streams[STREAMS] = {0};
    struct call *calls[STREAMS];
    uint64_t revision = store_revision(world->store);

    listen_all(world, revision, streams, calls);
    for (size_t i = 0; i < STREAMS; i++)
        assert_int_equal(streams[i].text.size, 0); /* what is there the asker has */
    expect(world, 200, landlord, "POST", "/v1/farms/acme/shop/scale", "{\"tier\":\"web\",\"count\":2}");
    world_run_ms(world, 3000);
    assert_true(count_of(&streams[FARMS], "\"running\":1,\"instances\":2") >= 1);
    assert_true(count_of(&streams[FARMS], "\"running\":2,\"instances\":2") >= 1);
    assert_int_equal(count_of(&streams[FARMS], "\"state\":\"ready\""), 1);
    assert_int_equal(count_of(&streams[FARMS], "\"name\":\"exec\""), 0);
    assert_int_equal(count_of(&streams[FARMS], "event: "), 2);
    assert_int_equal(count_of(&streams[HOSTS], "\"instances\":3"), 2); /* and its document's version */
    assert_int_equal(count_of(&streams[HOSTS], "event: "), 2);
    assert_int_equal(count_of(&streams[PARTIES], "\"instances\":2"), 1);
    assert_int_equal(count_of(&streams[PARTIES], "event: "), 1);
    assert_true(count_of(&streams[INSTANCES], "\"name\":\"acme/shop/web-2\"") >= 2);
    assert_int_equal(count_of(&streams[INSTANCES], "web-1"), 0);
    hang_up(world, streams, calls);

    /* Who comes later with the old revision is told what has become of it, at once. */
    memset(streams, 0, sizeof(streams));
    listen_all(world, revision, streams, calls);
    assert_int_equal(count_of(&streams[FARMS], "\"running\":2,\"instances\":2"), 1);
    assert_int_equal(count_of(&streams[HOSTS], "\"instances\":3"), 1);
    assert_int_equal(count_of(&streams[INSTANCES], "event: "), 1);
    for (size_t i = 0; i < STREAMS; i++)
        buf_clear(&streams[i].text);
    box_die(&world->boxes[0]);
    world_run_ms(world, 60000);
    assert_true(count_of(&streams[HOSTS], "event: put") >= 1);
    assert_null(strstr(buf_text(&streams[HOSTS].text), "\"state\":\"up\""));
    expect(world, 200, landlord, "DELETE", "/v1/farms/acme/shop", NULL);
    world_run_ms(world, 60000);
    assert_int_equal(count_of(&streams[FARMS], "event: delete"), 1);
    hang_up(world, streams, calls);
    stop(fixture);
}

/* Each item's text differs from the one before, and an id is told only when all up to it has been told. */
static void test_watch_never_repeats(void **state)
{
    struct fixture *fixture = start();
    struct world *world = fixture->world;
    struct stream streams[STREAMS] = {0};
    struct call *calls[STREAMS];
    CLEANUP_MEM char *before = mem_strdup("");

    listen_all(world, 0, streams, calls);
    assert_int_equal(count_of(&streams[FARMS], "event: put"), 4);
    assert_int_equal(count_of(&streams[FARMS], "\nid: 0\n"), 3);
    for (size_t i = 0; i < STREAMS; i++)
        buf_clear(&streams[i].text);
    for (int count = 3; count > 0; count--) {
        char body[64];
        snprintf(body, sizeof(body), "{\"tier\":\"web\",\"count\":%d}", count);
        expect(world, 200, landlord, "POST", "/v1/farms/acme/shop/scale", body);
        world_run_ms(world, 10000);
    }
    for (char *rest = NULL, *line = strtok_r(streams[FARMS].text.data, "\n", &rest); line;
         line = strtok_r(NULL, "\n", &rest)) {
        if (!text_starts(line, "data: ")) continue;
        assert_string_not_equal(line, before);
        mem_free(before);
        before = mem_strdup(line);
    }
    assert_non_null(strstr(before, "\"running\":1,\"instances\":1"));
    hang_up(world, streams, calls);
    stop(fixture);
}

static void test_bad_bodies(void **state)
{
    struct fixture *fixture = start();
    static const struct {
        const char *method, *path, *body;
        int status;
    } bad[] = {{"POST", "/v1/apply", "kind: Farm\nname: shop\nparty: acme\nsubnte: 10.0.0.0/24\n", 422},
               {"POST", "/v1/apply", "{{{", 422},
               {"POST", "/v1/apply", "kind: Nothing\n", 422},
               {"POST", "/v1/diff", "[", 422},
               {"PUT", "/v1/farms/acme/shop", "kind: Party\nname: acme\n", 422},
               {"PUT", "/v1/farms/acme/other", blog, 422},
               {"POST", "/v1/farms/acme/shop/scale", NULL, 422},
               {"POST", "/v1/farms/acme/shop/scale", "[]", 422},
               {"POST", "/v1/farms/acme/shop/scale", "{\"tier\":\"web\"}", 422},
               {"POST", "/v1/farms/acme/shop/scale", "{\"tier\":\"web\",\"count\":99999999}", 422},
               {"POST", "/v1/farms/acme/shop/scale", "{\"tier\":\"none\",\"count\":1}", 404},
               {"POST", "/v1/hosts/h1/power", "{\"order\":\"sideways\"}", 422},
               {"POST", "/v1/tokens", "{\"party\":\"nobody\"}", 404},
               {"POST", "/v1/instances/acme/shop/web-1/exec", "nothing", 422},
               {"POST", "/v1/instances/acme/shop/web-1/exec", "{}", 422},
               {"POST", "/v1/instances/acme/shop/web-1/move", "{\"host\":\"h9\"}", 404},
               {"PUT", "/v1/blobs/none?offset=0", "x", 422},
               {"GET", "/v1/nothing", NULL, 404},
               {"GET", "/nothing", NULL, 404},
               {"PATCH", "/v1/farms/acme/shop", blog, 405}};
    for (size_t i = 0; i < LENGTH(bad); i++)
        check_problem(
            expect(fixture->world, bad[i].status, landlord, bad[i].method, bad[i].path, bad[i].body),
            bad[i].status);
    const char *text = expect(fixture->world, 422, landlord, "POST", "/v1/apply", bad[0].body);
    assert_non_null(strstr(text, "\"line\":4,"));
    assert_non_null(strstr(text, "\"field\":\"subnte\""));
    stop(fixture);
}

/* What waits for its first place takes nothing of a quota, here as for the planner. */
static void test_party_uses_what_is_placed(void **state)
{
    struct fixture *fixture = start();

    apply(fixture->world,
          "kind: Farm\nname: wide\nparty: beta\nsubnet: 10.0.0.0/24\ntiers: [{name: web, image: "
          "\"hello:1\", count: 5, size: {cpus: 1.5, memory: 64Mi}}]\n");
    wait_running(fixture->world, "beta/wide/", 2, 5000); /* of a host with four cores */
    const char *text = expect(fixture->world, 200, landlord, "GET", "/v1/parties/beta", NULL);
    if (!strstr(text, "\"used\":{\"cpus\":3.5,\"memory\":\"192Mi\"") || !strstr(text, "\"instances\":3,"))
        fail_msg("%s", text);
    stop(fixture);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_description),
        cmocka_unit_test(test_metrics),
        cmocka_unit_test(test_tenants),
        cmocka_unit_test(test_image_is_its_digest),
        cmocka_unit_test(test_exec_stays_inside),
        cmocka_unit_test(test_exec),
        cmocka_unit_test(test_top_is_ordered),
        cmocka_unit_test(test_askers_leave),
        cmocka_unit_test(test_paging),
        cmocka_unit_test(test_conditions),
        cmocka_unit_test(test_repeats),
        cmocka_unit_test(test_watch),
        cmocka_unit_test(test_watch_follows),
        cmocka_unit_test(test_watch_never_repeats),
        cmocka_unit_test(test_bad_bodies),
        cmocka_unit_test(test_party_uses_what_is_placed),
    };
    if (getenv("CMOCKA_ONLY")) cmocka_set_test_filter(getenv("CMOCKA_ONLY"));
    return cmocka_run_group_tests(tests, NULL, NULL);
}
