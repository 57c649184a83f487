/* The OpenAPI description against the server: every operation is asked in every way that it describes, and
 * what is answered has to be described: its status, and its body by its schema. */
#include "world.h"

#include "base/text.h"
#include "model/node.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char documents[] =
    "kind: Party\nname: beta\n---\nkind: Party\nname: gamma\n---\n"
    "kind: Lease\nname: gamma\nto: gamma\nrights: [software]\n---\n"
    "kind: Lease\nname: gamma-2\nto: gamma\nrights: [read]\n---\nkind: Pool\nname: general\nsurvive: "
    "host\n---\n"
    "kind: ScalingRules\nname: plain\nterms: [{of: need, name: keep, shape: [-10, 0, 10]}, "
    "{of: priority, name: any, shape: [0, 0, 1, 1]}]\nrules: [if priority is any then keep]\n---\n"
    "kind: SLA\nname: gold\nrules: plain\nlevels: {committed: {rate: 0.02 EUR}}\n---\n"
    "kind: Filter\nname: inner\nparty: acme\non: acme/shop\nrules: [{action: allow}]\n---\n"
    "kind: Contact\nname: ops\nparty: acme\nwebhook: http://192.0.2.1/hook\n---\n"
    "kind: Key\nname: acme\n---\n"
    "kind: Farm\nname: shop\nparty: acme\nsubnet: 10.0.0.0/24\n"
    "tiers: [{name: web, image: \"hello:1\", count: 2, size: {cpus: 0.5, memory: 64Mi}}]\n"
    "balance: [{name: www, port: 80, to: \"web:80\", publish: \"127.0.0.1:8080\"}]\n";

struct fixture {
    struct world *world;
    struct arena *arena;
    struct node description;
    char tenant[128];
    char session[64];
    unsigned seen; /* answers that were compared with their schema */
};

struct operation {
    const char *path, *method; /* as described */
    const struct node *node;
};

static const struct node *schema_of(const struct fixture *fixture, const struct node *schema)
{
    static const char prefix[] = "#/components/schemas/";
    const char *ref = node_text(schema, "$ref", NULL);

    if (!ref) return schema;
    assert_true(text_starts(ref, prefix));
    schema =
        node_get(node_get(node_get(&fixture->description, "components"), "schemas"), ref + strlen(prefix));
    if (!schema) fail_msg("%s is not there", ref);
    return schema;
}

static bool is_type(const struct node *value, const char *type)
{
    if (text_equal(type, "object")) return value->kind == NODE_MAP;
    if (text_equal(type, "array")) return value->kind == NODE_LIST;
    if (text_equal(type, "string")) return value->kind == NODE_STRING;
    if (text_equal(type, "boolean")) return value->kind == NODE_BOOL;
    if (text_equal(type, "null")) return value->kind == NODE_NULL;
    if (text_equal(type, "integer")) return value->kind == NODE_NUMBER && !strpbrk(value->text, ".eE");
    return text_equal(type, "number") && value->kind == NODE_NUMBER;
}

static bool is_any_type(const struct node *value, const struct node *type)
{
    bool is = type->kind == NODE_STRING && is_type(value, type->text);
    for (size_t i = 0; type->kind == NODE_LIST && i < type->length; i++)
        is = is || is_type(value, type->items[i].text);
    return is;
}

/* The part of JSON Schema that the description of answers uses. */
static void check_value(const struct fixture *fixture, const struct node *schema, const struct node *value,
                        const char *where)
{
    schema = schema_of(fixture, schema);
    const struct node *type = node_get(schema, "type"), *choices = node_get(schema, "enum"),
                      *required = node_get(schema, "required"), *items = node_get(schema, "items"),
                      *members = node_get(schema, "properties"), *only = node_get(schema, "const");
    bool chosen = !choices;

    if (type && !is_any_type(value, type)) fail_msg("%s is of another type than described", where);
    if (only && !text_equal(only->text, value->text)) fail_msg("%s is \"%s\"", where, value->text);
    for (size_t i = 0; choices && i < choices->length; i++)
        chosen = chosen || text_equal(choices->items[i].text, value->text);
    if (!chosen) fail_msg("%s is \"%s\", which is not described", where, value->text);
    for (size_t i = 0; required && i < required->length; i++)
        if (!node_get(value, required->items[i].text))
            fail_msg("%s lacks %s", where, required->items[i].text);
    for (size_t i = 0; members && i < members->length; i++) {
        const struct node *member = node_get(value, members->items[i].key);
        CLEANUP_MEM char *name = mem_printf("%s.%s", where, members->items[i].key);
        if (member) check_value(fixture, &members->items[i], member, name);
    }
    for (size_t i = 0; items && i < value->length; i++)
        check_value(fixture, items, &value->items[i], where);
}

static const struct node *response_of(const struct fixture *fixture, const struct operation *operation,
                                      int status)
{
    static const char prefix[] = "#/components/responses/";
    char key[16];

    snprintf(key, sizeof(key), "%d", status);
    const struct node *response = node_get(node_get(operation->node, "responses"), key);
    const char *ref = response ? node_text(response, "$ref", NULL) : NULL;
    if (!ref) return response;
    assert_true(text_starts(ref, prefix));
    return node_get(node_get(node_get(&fixture->description, "components"), "responses"),
                    ref + strlen(prefix));
}

static int compare(struct fixture *fixture, const struct operation *operation, const char *token,
                   const char *path, const char *header, const char *body)
{
    const char *const headers[] = {header, NULL};
    CLEANUP_ARENA struct arena *arena = arena_new();
    CLEANUP_MEM char *what = mem_printf("%s %s %s", operation->method, path, body ? body : "");
    char method[16] = "", type[256] = "";
    struct node answer;
    struct error err;

    for (size_t i = 0; operation->method[i]; i++)
        method[i] = (char)(operation->method[i] - 'a' + 'A');
    struct reply reply = ask(fixture->world, token, method, path, header ? headers : NULL, body);
    int status = reply.status;
    const struct node *response = response_of(fixture, operation, status);
    if (!response) fail_msg("%s: %d is not described: %s", what, status, buf_text(&reply.body));
    assert_non_null(reply_header(&reply, "Content-Type", type));
    type[strcspn(type, ";")] = 0;
    const struct node *content = node_get(node_get(response, "content"), type);
    if (!content) fail_msg("%s: %d with %s is not described", what, status, type);
    const struct node *schema = node_get(content, "schema");
    if (text_ends(type, "/json") || text_ends(type, "+json")) {
        assert_non_null(schema);
        if (!node_from_json(arena, buf_text(&reply.body), reply.body.size, &answer, &err))
            fail_msg("%s: %s", what, err.message);
        check_value(fixture, schema, &answer, what);
        fixture->seen++;
    }
    if (text_equal(operation->method, "post") && status == 200 && strstr(buf_text(&reply.body), "session"))
        sscanf(buf_text(&reply.body), "{\"session\":\"%32[0-9a-f]", fixture->session);
    reply_free(&reply);
    return status;
}

/* With the names of what is there, or of what is not. */
static char *real_path(const struct fixture *fixture, const char *path, bool there)
{
    const char *const names[][3] = {
        {"hosts/{name}", "hosts/h3", "hosts/h9"},
        {"parties/{name}", "parties/beta", "parties/none"},
        {"pools/{name}", "pools/general", "pools/none"},
        {"filters/{party}/{name}", "filters/acme/inner", "filters/acme/none"},
        {"leases/{name}", "leases/gamma", "leases/none"},
        {"contacts/{party}/{name}", "contacts/acme/ops", "contacts/acme/none"},
        {"keys/{name}", "keys/acme", "keys/none"},
        {"slas/{name}", "slas/gold", "slas/none"},
        {"scaling-rules/{name}", "scaling-rules/plain", "scaling-rules/none"},
        {"farms/{party}/{name}", "farms/acme/shop", "farms/acme/none"},
        {"images/{party}/{name}", "images/landlord/hello:1", "images/acme/none:1"},
        {"instances/{party}/{farm}/{name}", "instances/acme/shop/web-1", "instances/acme/shop/none-1"},
        {"sealed/{host}/{party}", "sealed/h1/acme", "sealed/h9/acme"},
        {"explain/{name}", "explain/acme/shop", "explain/none"},
        {"tokens/{id}", "tokens/00", "tokens/00"},
        {"{digest}", fixture->world->layer, "sha256:00"},
        {"{session}", fixture->session, "00"}};
    char *real = mem_strdup(path);

    for (size_t i = 0; i < LENGTH(names); i++) {
        char *at = strstr(real, names[i][0]);
        if (!at) continue;
        char *longer =
            mem_printf("%.*s%s%s", (int)(at - real), real, names[i][there ? 1 : 2], at + strlen(names[i][0]));
        mem_free(real);
        real = longer;
    }
    assert_null(strchr(real, '{'));
    return real;
}

/* A body that is right; the caller's. */
static char *right_body(struct fixture *fixture, const struct operation *operation, const char *path)
{
    static const char *const bodies[][2] = {{"Power", "{\"order\":\"off\"}"},
                                            {"Scale", "{\"tier\":\"web\",\"count\":2}"},
                                            {"Move", "{\"host\":\"h2\"}"},
                                            {"End", "{\"reason\":\"not paid\"}"},
                                            {"Exec", "{\"command\":[\"sleep\",\"100000\"]}"},
                                            {"NewToken", "{\"party\":\"acme\",\"name\":\"ci\"}"}};
    const struct node *content = node_get(node_get(operation->node, "requestBody"), "content");

    if (!content) return NULL;
    if (node_get(content, "application/octet-stream")) return mem_strdup("bytes");
    if (node_get(content, "application/yaml")) return mem_strdup(documents);
    const char *ref = node_text(node_get(node_get(content, "application/json"), "schema"), "$ref", "");
    assert_non_null(schema_of(fixture, node_get(node_get(content, "application/json"), "schema")));
    for (size_t i = 0; i < LENGTH(bodies); i++)
        if (text_ends(ref, bodies[i][0])) return mem_strdup(bodies[i][1]);
    assert_string_equal(operation->method, "put");
    return mem_strdup(expect(fixture->world, 200, landlord, "GET", path, NULL));
}

/* What it takes behind '?' and as headers: wrong ones are refused as described. */
static void check_parameters(struct fixture *fixture, const struct operation *operation, const char *path,
                             const char *body)
{
    const struct node *parameters = node_get(operation->node, "parameters");
    size_t conditions = 0;

    for (size_t i = 0; parameters && i < parameters->length; i++) {
        const struct node *parameter = &parameters->items[i];
        const char *name = node_text(parameter, "name", "");
        CLEANUP_MEM char *wrong = mem_printf("%s?%s=wrong", path, name);
        if (text_equal(node_text(node_get(parameter, "schema"), "type", ""), "integer"))
            assert_int_equal(compare(fixture, operation, landlord, wrong, NULL, body), 400);
        if (!text_equal(name, "If-Match")) continue;
        conditions++;
        /* Of a thing; those of all documents of a text hold for each. */
        if (compare(fixture, operation, landlord, path, "If-Match: \"999999\"", body) != 412)
            fail_msg("%s %s takes a wrong revision", operation->method, path);
    }
    if (conditions == 0 && !text_equal(operation->method, "get") && !text_equal(body, "bytes"))
        assert_int_not_equal(compare(fixture, operation, landlord, path, "If-Match: \"999999\"", body), 412);
}

static void check_operation(struct fixture *fixture, const struct operation *operation)
{
    CLEANUP_MEM char *path = real_path(fixture, operation->path, true),
                     *none = real_path(fixture, operation->path, false);
    CLEANUP_MEM char *body = right_body(fixture, operation, path);
    bool open = node_get(operation->node, "security") != NULL;
    /* One that takes something away is asked for it at the end. */
    bool ends = text_equal(operation->method, "delete");

    if (!open) assert_int_equal(compare(fixture, operation, NULL, path, NULL, body), 401);
    compare(fixture, operation, landlord, none, NULL, body);
    check_parameters(fixture, operation, path, body);
    if (body && !text_equal(body, "bytes")) {
        assert_true(compare(fixture, operation, landlord, path, NULL, "{}") >= 400);
        assert_true(compare(fixture, operation, landlord, path, NULL, "{{{") >= 400);
    }
    if (!open && !ends) compare(fixture, operation, fixture->tenant, path, NULL, body);
    compare(fixture, operation, landlord, path, NULL, body);
    if (text_ends(path, "/power")) /* what ran there runs elsewhere */
        wait_running(fixture->world, "acme/shop/", 3, 60000);
}

static struct fixture start(void)
{
    struct fixture fixture = {.world = world_started(3), .arena = arena_new()};
    struct error err;

    apply(fixture.world, documents);
    wait_running(fixture.world, "acme/shop/", 3, 10000);
    const char *text = expect(fixture.world, 201, landlord, "POST", "/v1/tokens", "{\"party\":\"beta\"}");
    assert_int_equal(sscanf(strstr(text, "\"token\":"), "\"token\":\"%127[0-9a-f]", fixture.tenant), 1);
    text = expect(fixture.world, 200, NULL, "GET", "/v1/openapi.json", NULL);
    assert_true(node_from_json(fixture.arena, text, strlen(text), &fixture.description, &err));
    return fixture;
}

static void test_operations(void **state)
{
    struct fixture fixture = start();
    const struct node *paths = node_get(&fixture.description, "paths");
    size_t count = 0;

    for (int round = 0; round < 2; round++) /* what takes away comes last */
        for (size_t i = 0; i < paths->length; i++)
            for (size_t j = 0; j < paths->items[i].length; j++) {
                const struct node *node = &paths->items[i].items[j];
                if (text_equal(node->key, "parameters") || text_equal(node->key, "delete") != (round == 1))
                    continue;
                check_operation(&fixture, &(struct operation){paths->items[i].key, node->key, node});
                count++;
            }
    assert_true(count > 40);
    assert_true(fixture.seen > 150);
    arena_free(fixture.arena);
    world_free(fixture.world);
}

/* What commands and other programs send along is described. */
static void test_names(void **state)
{
    static const char *const names[][3] = {
        {"/v1/hosts", "get", "limit"},
        {"/v1/parties", "get", "after"},
        {"/v1/farms", "get", "watch"},
        {"/v1/instances", "get", "Last-Event-ID"},
        {"/v1/events", "get", "limit"},
        {"/v1/events", "get", "after"},
        {"/v1/events", "get", "watch"},
        {"/v1/events", "get", "name"},
        {"/v1/events", "get", "since"},
        {"/v1/events", "get", "last"},
        {"/v1/apply", "post", "dry_run"},
        {"/v1/apply", "post", "Idempotency-Key"},
        {"/v1/blobs/{digest}", "put", "offset"},
        {"/v1/instances/{party}/{farm}/{name}/log", "get", "after"},
        {"/v1/instances/{party}/{farm}/{name}/exec/{session}", "get", "after"},
        {"/v1/farms/{party}/{name}", "put", "If-Match"}};
    struct fixture fixture = start();

    for (size_t i = 0; i < LENGTH(names); i++) {
        const struct node *path = node_get(node_get(&fixture.description, "paths"), names[i][0]);
        const struct node *list = node_get(node_get(path, names[i][1]), "parameters");
        bool found = false;
        for (size_t j = 0; list && j < list->length; j++)
            found = found || text_equal(node_text(&list->items[j], "name", ""), names[i][2]);
        if (!found) fail_msg("%s %s lacks %s", names[i][1], names[i][0], names[i][2]);
    }
    arena_free(fixture.arena);
    world_free(fixture.world);
}

/* Every $ref leads somewhere, and every shape is used. */
static size_t count_refs(const struct fixture *fixture, const struct node *node, const char *name)
{
    const char *ref = node_text(node, "$ref", NULL);
    size_t count = ref && text_ends(ref, name) ? 1 : 0;

    if (ref && strstr(ref, "schemas")) assert_non_null(schema_of(fixture, node));
    for (size_t i = 0; i < node->length; i++)
        if (node->items[i].kind == NODE_MAP || node->items[i].kind == NODE_LIST)
            count += count_refs(fixture, &node->items[i], name);
    return count;
}

static void test_shapes(void **state)
{
    struct fixture fixture = start();
    const struct node *shapes = node_get(node_get(&fixture.description, "components"), "schemas");

    for (size_t i = 0; i < shapes->length; i++) {
        CLEANUP_MEM char *name = mem_printf("/%s", shapes->items[i].key);
        if (count_refs(&fixture, &fixture.description, name) == 0) fail_msg("%s is used nowhere", name);
    }
    arena_free(fixture.arena);
    world_free(fixture.world);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_operations), cmocka_unit_test(test_shapes),
                                       cmocka_unit_test(test_names)};
    if (getenv("CMOCKA_ONLY")) cmocka_set_test_filter(getenv("CMOCKA_ONLY"));
    return cmocka_run_group_tests(tests, NULL, NULL);
}
