#include "check.h"

#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static void reads_json(void **state)
{
    CLEANUP_ARENA struct arena *arena = arena_new();
    struct node node = check_json(arena, "{\"b\":true,\"a\":[1,-0.1,1e3,\"x\\u00e4\"],\"n\":null,\"m\":{}}");
    assert_int_equal(node.length, 4);
    assert_string_equal(node.items[0].key, "b");
    assert_string_equal(node.items[1].key, "a");
    assert_true(node_bool(&node, "b", false));
    assert_true(node_bool(&node, "absent", true));
    const struct node *list = node_get(&node, "a");
    assert_int_equal(list->kind, NODE_LIST);
    assert_string_equal(list->items[1].text, "-0.1");
    assert_string_equal(list->items[3].text, "x\xc3\xa4");
    assert_int_equal(node_get(&node, "n")->kind, NODE_NULL);
    assert_null(node_get(&node, "absent"));
    assert_null(node_get(NULL, "a"));
    assert_null(node_get(list, "a"));
    CLEANUP_BUF struct buf json = {0};
    node_to_json(&node, &json);
    assert_string_equal(buf_text(&json),
                        "{\"b\":true,\"a\":[1,-0.1,1000,\"x\xc3\xa4\"],\"n\":null,\"m\":{}}");
}

static void keeps_numbers(void **state)
{
    static const char *const numbers[] = {
        "0.1", "0.25", "0.001", "9223372036854775807", "-9223372036854775808", "123456.789"};
    CLEANUP_ARENA struct arena *arena = arena_new();
    for (size_t i = 0; i < LENGTH(numbers); i++)
        assert_string_equal(check_json(arena, numbers[i]).text, numbers[i]);
    struct node node = check_json(arena, "{\"a\":-5,\"b\":1.5,\"c\":\"7\",\"d\":9223372036854775807}");
    assert_int_equal(node_int(&node, "a", 0), -5);
    assert_int_equal(node_int(&node, "b", 3), 3);
    assert_int_equal(node_int(&node, "c", 3), 3);
    assert_int_equal(node_int(&node, "d", 0), INT64_MAX);
    assert_string_equal(node_text(&node, "c", "-"), "7");
    assert_string_equal(node_text(&node, "e", "-"), "-");
}

static void refuses_bad_json(void **state)
{
    static const char *const bad[] = {"",    "{",  "{\"a\":1,\"a\":2}", "[1,]", "{} {}", "\"\\u0000\"",
                                      "nul", "'a'"};
    CLEANUP_ARENA struct arena *arena = arena_new();
    for (size_t i = 0; i < LENGTH(bad); i++) {
        struct node node = {.line = 77};
        struct error err;
        assert_false(node_from_json(arena, bad[i], strlen(bad[i]), &node, &err));
        assert_int_equal(err.code, ERROR_INVALID);
        assert_int_equal(node.line, 77);
    }
}

static void bounds_the_depth(void **state)
{
    CLEANUP_ARENA struct arena *arena = arena_new();
    char text[2 * DOCUMENT_DEPTH_MAX + 3];
    struct node node;
    struct error err;
    memset(text, '[', DOCUMENT_DEPTH_MAX);
    memset(text + DOCUMENT_DEPTH_MAX, ']', DOCUMENT_DEPTH_MAX);
    assert_true(node_from_json(arena, text, 2 * DOCUMENT_DEPTH_MAX, &node, &err));
    memset(text, '[', DOCUMENT_DEPTH_MAX + 1);
    memset(text + DOCUMENT_DEPTH_MAX + 1, ']', DOCUMENT_DEPTH_MAX + 1);
    assert_false(node_from_json(arena, text, 2 * DOCUMENT_DEPTH_MAX + 2, &node, &err));
    assert_int_equal(err.code, ERROR_TOO_LARGE);
}

/* YAML 1.2, section 10.3.2. */
static void knows_plain_scalars(void **state)
{
    static const struct {
        const char *text;
        enum node_kind kind;
    } rows[] = {
        {"", NODE_NULL},           {"~", NODE_NULL},      {"null", NODE_NULL},    {"nULL", NODE_STRING},
        {"true", NODE_BOOL},       {"False", NODE_BOOL},  {"yes", NODE_STRING},   {"on", NODE_STRING},
        {"0", NODE_NUMBER},        {"-12", NODE_NUMBER},  {"+3", NODE_NUMBER},    {"0o17", NODE_NUMBER},
        {"0o8", NODE_STRING},      {"0x1F", NODE_NUMBER}, {"0x", NODE_STRING},    {"1.", NODE_NUMBER},
        {".5", NODE_NUMBER},       {".", NODE_STRING},    {"1e5", NODE_NUMBER},   {"1e", NODE_STRING},
        {"-.inf", NODE_NUMBER},    {".nan", NODE_NUMBER}, {"-.nan", NODE_STRING}, {"12a", NODE_STRING},
        {"1.2.3", NODE_STRING},    {"64Mi", NODE_STRING}, {"-", NODE_STRING},     {"2+1", NODE_STRING},
        {"5432/tcp", NODE_STRING},
    };
    for (size_t i = 0; i < LENGTH(rows); i++)
        assert_int_equal(node_kind_of_plain(rows[i].text), rows[i].kind);
}

static void writes_for_people(void **state)
{
    CLEANUP_ARENA struct arena *arena = arena_new();
    struct node node =
        check_json(arena, "{\"a\":[],\"b\":[{\"c\":1,\"d\":\"no\"},[\"x y\",\"1\"]],\"e\":{\"f\":\"a: b\"},"
                          "\"g\":\"\",\"h\":\"web:80\",\"i\":\"l\\n\\u007f\\u2028\",\"j\":\"- x\"}");
    CLEANUP_BUF struct buf yaml = {0};
    node_to_yaml(&node, &yaml);
    assert_string_equal(buf_text(&yaml), "a: []\n"
                                         "b:\n"
                                         "  - c: 1\n"
                                         "    d: \"no\"\n"
                                         "  - - x y\n"
                                         "    - \"1\"\n"
                                         "e:\n"
                                         "  f: \"a: b\"\n"
                                         "g: \"\"\n"
                                         "h: web:80\n"
                                         "i: \"l\\n\\u007f\\u2028\"\n"
                                         "j: \"- x\"\n");
    node = check_json(arena, "{\"a\":[],\"b\":[1,{\"c\":{}}]}");
    CLEANUP_BUF struct buf json = {0};
    node_to_pretty_json(&node, &json);
    assert_string_equal(buf_text(&json),
                        "{\n  \"a\": [],\n  \"b\": [\n    1,\n    {\n      \"c\": {}\n    }\n  ]\n}\n");
}

enum { KEY_SIZE = 12, COLLIDING = 8192, COLLIDING_BITS = 14, SEED_FIXED = 0x63726f66 };

static uint32_t rotate(uint32_t x, int by)
{
    return x << by | x >> (32 - by);
}

/* jansson's hash of a key of exactly twelve bytes: Bob Jenkins' lookup3. */
static uint32_t hash_of(const char *key, uint32_t seed)
{
    uint32_t part[3], a = 0xdeadbeefu + KEY_SIZE + seed, b = a, c = a;
    memcpy(part, key, KEY_SIZE);
    a += part[0], b += part[1], c += part[2];
    c ^= b, c -= rotate(b, 14);
    a ^= c, a -= rotate(c, 11);
    b ^= a, b -= rotate(a, 25);
    c ^= b, c -= rotate(b, 16);
    a ^= c, a -= rotate(c, 4);
    b ^= a, b -= rotate(a, 14);
    c ^= b, c -= rotate(b, 24);
    return c;
}

/* An object of so many keys; colliding: all in one place of a table with the fixed seed. */
static void add_object(struct buf *ret_json, bool colliding)
{
    char key[KEY_SIZE + 1] = "k00000000000";
    for (unsigned found = 0; found < COLLIDING;) {
        for (size_t i = KEY_SIZE - 1; ++key[i] > '9'; i--) /* the next number */
            key[i] = '0';
        if (colliding && hash_of(key, SEED_FIXED) % (1u << COLLIDING_BITS) != 0) continue;
        buf_printf(ret_json, "%s\"%s\":1", found++ ? "," : "{", key);
    }
    buf_add_char(ret_json, '}');
}

static clock_t time_to_read(const struct buf *json)
{
    CLEANUP_ARENA struct arena *arena = arena_new();
    clock_t before = clock();
    struct node node = check_json(arena, buf_text(json));
    clock_t took = clock() - before;
    assert_int_equal(node.length, COLLIDING);
    for (size_t i = 1; i < node.length; i++) /* as they came, whatever the seed */
        assert_true(strcmp(node.items[i - 1].key, node.items[i].key) < 0);
    return took + 1;
}

/* How many times as long the one takes as the other in a process with this seed. */
static int slowness(const struct buf *colliding, const struct buf *plain, uint32_t seed)
{
    int status = 0;
    pid_t child = fork(); /* the first seed counts, for a whole process */
    assert_true(child >= 0);
    if (child == 0) {
        node_seed(seed);
        clock_t ratio = time_to_read(colliding) / time_to_read(plain);
        _exit(ratio > 100 ? 100 : (int)ratio);
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFEXITED(status));
    return WEXITSTATUS(status);
}

static void keys_cannot_be_chosen_to_collide(void **state)
{
    CLEANUP_BUF struct buf colliding = {0}, plain = {0};
    add_object(&colliding, true);
    add_object(&plain, false);
    int fixed = slowness(&colliding, &plain, SEED_FIXED), other = slowness(&colliding, &plain, 0x12345678);
    print_message("# %d and %d times as long\n", fixed, other);
    assert_true(fixed > 2 * other + 1); /* sanitizers slow both, and hide much of the difference */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(keys_cannot_be_chosen_to_collide), /* before this process reads any */
        cmocka_unit_test(reads_json),
        cmocka_unit_test(keeps_numbers),
        cmocka_unit_test(refuses_bad_json),
        cmocka_unit_test(bounds_the_depth),
        cmocka_unit_test(knows_plain_scalars),
        cmocka_unit_test(writes_for_people),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
