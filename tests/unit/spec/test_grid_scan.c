/* The two ways by which a line of a grid becomes an object are one: whatever the scan reads, the tree gives
 * the same of. The other way round it may pass. */
#include "check.h"
#include "mutate.h"

#include "base/text.h"
#include "model/schema_scan.h"

static const struct {
    const struct schema *schema;
    const char *text;
    bool is_fast; /* the scan has to take it */
} lines[] = {
    {&schema_host,
     "{\"kind\":\"Host\",\"name\":\"h1\",\"zone\":\"east/b1/r1\",\"pool\":\"general\",\"class\":\"general\","
     "\"capacity\":{\"cpus\":8,\"memory\":\"32Gi\",\"disk\":\"400Gi\",\"network\":\"10G\"},"
     "\"reserve\":{\"cpus\":0.25,\"memory\":\"512Mi\"},\"state\":\"draining\"}",
     true},
    {&schema_host,
     " { \"state\" : \"off\" ,\t\"kind\": \"Host\", \"zone\": \"a\", \"name\": \"h-2\", \"capacity\": "
     "{ \"memory\": 1048576, \"cpus\": \"0.5\" } } ",
     true},
    {&schema_party, "{\"kind\":\"Party\",\"name\":\"acme\",\"quota\":{\"cpus\":\"unlimited\",\"farms\":3}}",
     true},
    {&schema_filter,
     "{\"kind\":\"Filter\",\"name\":\"x\",\"party\":\"acme\",\"on\":\"acme/"
     "shop\",\"default\":\"allow\",\"rules\":"
     "[{\"action\":\"deny\",\"from\":\"tier:acme/shop/web\",\"to\":\"instance:acme/shop/db-1\",\"protocol\":"
     "\"tcp\",\"port\":[22,\"80-90\"]},{\"action\":\"reject\",\"to\":\"10.0.0.0/8\",\"protocol\":47}]}",
     true},
    {&schema_pool, "{\"kind\":\"Pool\",\"name\":\"general\",\"survive\":\"rack\"}", true},
    {&schema_party, "{\"name\":\"acme\",\"parent\":\"landlord\"}", true},
    {&schema_farm,
     "{\"kind\":\"Farm\",\"name\":\"shop\",\"party\":\"acme\",\"state\":\"running\",\"subnet\":\"10.0.0.0/"
     "24\","
     "\"tiers\":[{\"name\":\"web\",\"image\":\"hello:1\",\"driver\":\"container\",\"count\":{\"committed\":2,"
     "\"guaranteed\":4,\"max\":8},\"size\":{\"cpus\":0.5,\"memory\":\"64Mi\",\"disk\":\"1Gi\"},"
     "\"command\":[\"httpd\",\"-f\"],\"env\":{\"A\":\"b\",\"C\":\"\"},\"files\":[{\"path\":\"/etc/motd\","
     "\"content\":\"a \\\"b\\\" \\\\ \\/ "
     "\\n\\t\\r\\b\\f\",\"mode\":\"0600\"}],\"health\":{\"http\":\"/healthz\","
     "\"port\":8080,\"every\":\"1s\",\"timeout\":\"500ms\",\"fails\":3},\"spread\":{\"by\":\"rack\","
     "\"strict\":true},\"priority\":50,\"needs\":[\"db\"]},{\"name\":\"db\",\"image\":\"db:2\",\"count\":"
     "{\"committed\":1},\"health\":{\"tcp\":true,\"port\":5432}}],\"balance\":[{\"name\":\"www\",\"mode\":"
     "\"http\",\"port\":80,\"to\":\"web:8080\",\"publish\":\"127.0.0.1:8080\"}],\"allow\":[{\"from\":\"web\","
     "\"to\":\"db\",\"port\":\"5432/tcp\"}]}",
     true},
    {&schema_farm,
     "{\"kind\":\"Farm\",\"name\":\"x\",\"party\":\"acme\",\"subnet\":\"10.0.0.0/"
     "8\",\"tiers\":[{\"name\":\"a\","
     "\"image\":\"b:1\",\"count\":4,\"spread\":\"rack\"}]}",
     false},
    {&schema_image,
     "{\"kind\":\"Image\",\"name\":\"hello:1\",\"digest\":"
     "\"sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef\",\"layers\":[],\"size\":"
     "\"1Mi\","
     "\"command\":[\"sh\"],\"env\":{\"PATH\":\"/bin\"},\"directory\":\"/\",\"user\":\"1:2\"}",
     true},
    {&schema_instance,
     "{\"kind\":\"Instance\",\"name\":\"acme/shop/web-1\",\"party\":\"acme\",\"farm\":\"acme/shop\",\"tier\":"
     "\"web\",\"number\":1,\"driver\":\"container\",\"wanted\":\"run\",\"host\":\"h1\",\"incarnation\":3,"
     "\"address\":\"10.0.0.3\",\"mac\":\"02:c0:00:00:00:01\",\"image\":\"hello:1\",\"digest\":\"sha256:0\","
     "\"personality\":\"00ff\",\"size\":{\"cpus\":1.5,\"memory\":\"64Mi\"},\"priority\":50,\"state\":"
     "\"running\","
     "\"health\":\"good\",\"since_ms\":1700000000000,\"restarts\":0,\"wanders\":0,\"drained\":false,"
     "\"reason\":"
     "\"it has the most room\"}",
     true},
    {&schema_instance, "{\"kind\": \"Instance\", \"name\": \"acme/shop/web-1\", \"host\": \"h1\"}", true},
    {&schema_instance, "{\"name\":\"a/b/c-1\",\"reason\":\"\\u0041\\u00e4\xc3\xa4\"}", false},
    {&schema_host_fact,
     "{\"kind\":\"HostFact\",\"name\":\"h1\",\"state\":\"down\",\"fenced\":true,\"since_ms\":5,\"boot\":"
     "\"b\","
     "\"address\":\"127.0.0.1:1\",\"underlay\":\"10.9.0.1\",\"pid\":1,\"document_version\":7}",
     true},
    {&schema_farm_fact,
     "{\"kind\":\"FarmFact\",\"name\":\"acme/shop\",\"vni\":5,\"counters\":[{\"tier\":\"web\",\"next\":3}],"
     "\"endpoints\":{\"www\":\"127.0.0.1:8080\"}}",
     true},
};
static const char alphabet[] = "{}[]:,-\"\" \t\\0189.eEnulltrufasKMGi/\x80\xff\x01\x7f";

static bool read_tree(struct arena *arena, const struct schema *schema, const char *text, size_t size,
                      void *object, uint64_t *seen, struct error *err)
{
    struct node json;
    struct node stream;
    size_t blank = strspn(text, " \t");
    if (!node_from_json(arena, text, size, &json, err)) return false;
    if (!spec_read_yaml(arena, text + blank, size - blank, &stream, err)) return false;
    assert_int_equal(stream.length, 1);
    *seen = 0;
    for (size_t i = 0; i < schema->fields_length; i++)
        if (node_get(&stream.items[0], schema->fields[i].key) != NULL) *seen |= (uint64_t)1 << i;
    return schema_read(schema, arena, &stream.items[0], object, err);
}

/* True: the scan took it. */
static bool check_line(const struct schema *schema, const char *text, size_t size)
{
    CLEANUP_ARENA struct arena *arena = arena_new();
    CLEANUP(texts_freep) struct texts *texts = texts_new(arena);
    struct scan *scan = scan_new(arena, texts);
    void *fast = arena_alloc(arena, schema->size), *slow = arena_alloc(arena, schema->size);
    uint64_t fast_seen = 0, slow_seen = 0;
    struct error err = {0};
    bool took = schema_scan(scan, schema, text, size, fast, &fast_seen);
    if (took) {
        CLEANUP_BUF struct buf a = {0};
        CLEANUP_BUF struct buf b = {0};
        if (!read_tree(arena, schema, text, size, slow, &slow_seen, &err))
            fail_msg("only the scan reads it (%s): %.*s", err.message, (int)size, text);
        schema_write(schema, "K", fast, &a);
        schema_write(schema, "K", slow, &b);
        assert_string_equal(buf_text(&a), buf_text(&b));
        assert_true(fast_seen == slow_seen);
    }
    scan_free(scan);
    return took;
}

static void whole_lines(void **state)
{
    for (size_t i = 0; i < LENGTH(lines); i++) {
        CLEANUP_ARENA struct arena *arena = arena_new();
        void *object = arena_alloc(arena, lines[i].schema->size);
        uint64_t seen;
        struct error err;
        if (!read_tree(arena, lines[i].schema, lines[i].text, strlen(lines[i].text), object, &seen, &err))
            fail_msg("%s: %s", err.message, lines[i].text);
        bool took = check_line(lines[i].schema, lines[i].text, strlen(lines[i].text));
        if (took != lines[i].is_fast) fail_msg("the scan %s: %s", took ? "read" : "left", lines[i].text);
    }
}

static void broken_lines(void **state)
{
    uint64_t random = 11;
    int taken = 0, left = 0;
    for (int round = 0; round < 30000; round++) {
        char text[4096];
        size_t which = (size_t)(draw(&random) % LENGTH(lines));
        size_t size = strlen(lines[which].text);
        memcpy(text, lines[which].text, size);
        for (uint64_t changes = 1 + draw(&random) % 3; changes > 0; changes--)
            mutate(&random, alphabet, sizeof(alphabet) - 1, text, &size, sizeof(text) - 1);
        for (size_t i = 0; i < size; i++) /* a line holds neither */
            if (text[i] == '\n' || text[i] == '\0') text[i] = ' ';
        text[size] = '\0';
        if (check_line(lines[which].schema, text, size))
            taken++;
        else
            left++;
    }
    assert_true(taken > 1000);
    assert_true(left > 5000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(whole_lines), cmocka_unit_test(broken_lines)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
