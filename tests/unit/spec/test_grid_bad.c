/* Every refusal of a grid file, word for word. */
#include "check.h"
#include "mutate.h"

#include "base/text.h"
#include "spec/grid_file.h"

#define HOST \
    "{\"kind\":\"Host\",\"name\":\"h1\",\"zone\":\"a/b\",\"capacity\":{\"cpus\":8,\"memory\":\"32Gi\"}}\n"
#define PARTY "{\"kind\":\"Party\",\"name\":\"acme\"}\n"
#define WEB "{\"kind\":\"Instance\",\"name\":\"acme/shop/web-1\",\"host\":\"h1\""
#define WEB_2 "{\"kind\":\"Instance\",\"name\":\"acme/shop/web-2\",\"host\":\"h1\""

static const struct {
    const char *text, *error;
} bad[] = {
    {"", "f:1:1: expected a document a line, found none"},
    {"\n"
     "\r\n",
     "f:1:1: expected a document a line, found none"},
    {"hello\n", "f:1:5: not valid JSON: invalid token near 'hello'"},
    {"{kind: Host}\n", "f:1:5: not valid JSON: string or '}' expected near 'kind'"},
    {HOST "[1,2]\n", "f:2:1: expected a document (a map that begins with its kind), found a list"},
    {HOST "7\n", "f:2:1: expected a document (a map that begins with its kind), found the number 7"},
    {"{\"name\":\"h1\"}\n",
     "f:1:1: kind: missing: what the document is, Host, Party, Farm, Image, Pool, SLA, ScalingRules, Filter, "
     "Lease, Contact, Key, Instance, HostFact or FarmFact"},
    {"{\"kind\":\"Instnce\"}\n", "f:1:9: kind: expected Host, Party, Farm, Image, Pool, SLA, ScalingRules, "
                                 "Filter, Lease, Contact, Key, Instance, HostFact or "
                                 "FarmFact, found \"Instnce\", did you mean \"Instance\"?"},
    {"{\"kind\":\"Volume\"}\n", "f:1:9: kind: kind Volume is not supported yet by this version"},
    {"{\"kind\":[\"Host\"]}\n",
     "f:1:9: kind: expected Host, Party, Farm, Image, Pool, SLA, ScalingRules, Filter, "
     "Lease, Contact, Key, Instance, HostFact or FarmFact, found a list"},
    {HOST HOST, "f:2:23: name: line 1 is for Host \"h1\" already"},
    {HOST WEB "}\n"
              "\n" WEB "}\n",
     "f:4:27: name: line 2 is for Instance \"acme/shop/web-1\" already"},
    {HOST "{\"kind\":\"Instance\",\"name\":\"acme/shop/web-1\",\"host\":\"h2\"}\n",
     "f:2:52: host: there is no host \"h2\" in this grid, did you mean \"h1\"?"},
    {WEB "}\n", "f:1:52: host: there is no host \"h1\", and no Host at all: what a tenant exports has none, "
                "export with the landlord's token"},
    {HOST WEB ",\"move_to\":\"x\"}\n", "f:2:67: move_to: there is no host \"x\" in this grid"},
    {HOST WEB ",\"hots\":\"h1\"}\n", "f:2:57: hots: unknown key, did you mean \"host\"?"},
    {HOST WEB ",\"host\":\"h1\"}\n", "f:2:62: not valid JSON: duplicate object key near '\"host\"'"},
    {HOST WEB,
     "f:2:55: the last line may be cut off, it has no end: not valid JSON: '}' expected near end of file"},
    {HOST WEB ",\"priority\":NaN}\n", "f:2:70: not valid JSON: invalid token near 'NaN'"},
    {HOST WEB ",\"priority\":1e999}\n", "f:2:72: not valid JSON: real number overflow near '1e999'"},
    {HOST WEB ",\"priority\":99999999999999999999}\n",
     "f:2:87: not valid JSON: too big integer near '99999999999999999999'"},
    {HOST WEB ",\"priority\":500}\n", "f:2:68: priority: 500 is out of range, expected 0 to 100"},
    {HOST WEB ",\"priority\":\"high\"}\n", "f:2:68: priority: expected a whole number, found \"high\""},
    {HOST WEB ",\"since_ms\":-1}\n", "f:2:68: since_ms: -1 is out of range, expected 0 to 9007199254740992"},
    {HOST WEB ",\"incarnation\":-1}\n",
     "f:2:71: incarnation: -1 is out of range, expected 0 to 9007199254740992"},
    {HOST WEB ",\"size\":{\"memory\":\"5GB\"}}\n",
     "f:2:74: size.memory: expected bytes such as 64Mi or 10Gi (units Ki Mi Gi Ti or none), found \"5GB\""},
    {HOST WEB ",\"size\":{\"memory\":\"5Gi\"}}\n",
     "f:2:64: size.cpus: expected at least 0.001 cpus and 1Mi of memory, as a tier has"},
    {HOST WEB ",\"size\":{\"cpus\":1}}\n",
     "f:2:64: size.memory: expected at least 0.001 cpus and 1Mi of memory, as a tier has"},
    {HOST WEB ",\"size\":{\"cpu\":1}}\n", "f:2:65: size.cpu: unknown key, did you mean \"cpus\"?"},
    {HOST WEB ",\"size\":3}\n", "f:2:64: size: expected a map (resources), found the number 3"},
    {HOST WEB ",\"state\":\"runing\"}\n",
     "f:2:65: state: expected pending, booting, running, draining, wiping, stopped or failed, found "
     "\"runing\", did you mean \"running\"?"},
    {HOST WEB ",\"state\":null}\n",
     "f:2:65: state: expected pending, booting, running, draining, wiping, stopped or failed, found nothing"},
    {HOST "{\"kind\":\"Instance\",\"name\":\"acme/shop/web\"}\n",
     "f:2:27: name: expected PARTY/FARM/TIER-NUMBER such as acme/shop/web-1, found \"acme/shop/web\""},
    {HOST "{\"kind\":\"Instance\",\"name\":\"acme/shop/web-01\"}\n",
     "f:2:27: name: expected PARTY/FARM/TIER-NUMBER such as acme/shop/web-1, found \"acme/shop/web-01\""},
    {HOST "{\"kind\":\"Instance\",\"name\":\"acme/web-1\"}\n",
     "f:2:27: name: expected PARTY/FARM/TIER-NUMBER such as acme/shop/web-1, found \"acme/web-1\""},
    {HOST "{\"kind\":\"Instance\",\"name\":\"Acme/shop/web-1\"}\n",
     "f:2:27: name: expected PARTY/FARM/TIER-NUMBER such as acme/shop/web-1, found \"Acme/shop/web-1\""},
    {HOST WEB ",\"party\":\"beta\"}\n", "f:2:65: party: \"beta\" is not what the name says, \"acme\""},
    {HOST WEB ",\"farm\":\"acme/store\"}\n",
     "f:2:64: farm: \"acme/store\" is not what the name says, \"acme/shop\""},
    {HOST WEB ",\"tier\":\"db\"}\n", "f:2:64: tier: \"db\" is not what the name says, \"web\""},
    {HOST WEB ",\"number\":2}\n", "f:2:66: number: 2 is not what the name says, 1"},
    {HOST PARTY "{\"kind\":\"Farm\",\"name\":\"shop\",\"party\":\"amce\",\"subnet\":\"10.0.0.0/"
                "24\",\"tiers\":[{\"name\":\"web\",\"image\":\"a:1\"}]}\n",
     "f:3:38: party: there is no party \"amce\" in this grid, did you mean \"acme\"?"},
    {HOST "{\"kind\":\"Party\",\"name\":\"acme\",\"parent\":\"acne\"}\n",
     "f:2:40: parent: there is no party \"acne\" in this grid, did you mean \"acme\"?"},
    {HOST "{\"kind\":\"Party\",\"name\":\"a\",\"parent\":\"b\"}\n"
          "{\"kind\":\"Party\",\"name\":\"b\",\"parent\":\"a\"}\n",
     "f:2:37: parent: parties are under each other in a circle, a is one of them"},
    {HOST "{\"kind\":\"Party\",\"name\":\"landlord\"}\n",
     "f:2:24: name: the party landlord is built in, choose another name"},
    {PARTY "{\"kind\":\"Image\",\"name\":\"a:1\",\"party\":\"amce\",\"digest\":\"sha256:"
           "0000000000000000000000000000000000000000000000000000000000000000\",\"layers\":[]}\n",
     "f:2:38: party: there is no party \"amce\" in this grid, did you mean \"acme\"?"},
    {HOST PARTY "{\"kind\":\"Farm\",\"name\":\"shop\",\"party\":\"acme\",\"subnet\":\"10.0.0.0/"
                "24\",\"tiers\":[{\"name\":\"web\",\"image\":\"a:1\",\"needs\":[\"wbe\"]}]}\n",
     "f:3:114: tiers[0].needs[0]: there is no tier \"wbe\", did you mean \"web\"?"},
    {HOST PARTY "{\"kind\":\"Farm\",\"name\":\"shop\",\"party\":\"acme\",\"subnet\":\"10.0.0.0/"
                "24\",\"tiers\":[{\"name\":\"web\",\"image\":\"a:1\"}]}\n"
                "{\"kind\":\"Instance\",\"name\":\"acme/shop/wbe-1\",\"host\":\"h1\"}\n",
     "f:4:27: name: farm acme/shop has no tier \"wbe\", did you mean \"web\"?"},
    {HOST PARTY "{\"kind\":\"Farm\",\"name\":\"shop\",\"party\":\"acme\",\"subnet\":\"10.0.0.0/"
                "24\",\"tiers\":[{\"name\":\"web\",\"image\":\"a:1\",\"count\":20000}]}\n",
     "f:3:113: tiers[0].count: 20000 is past the limit of 10000 instances a tier"},
    {HOST PARTY "{\"kind\":\"Farm\",\"name\":\"shop\",\"party\":\"acme\",\"subnet\":\"10.0.0.0/"
                "30\",\"tiers\":[{\"name\":\"web\",\"image\":\"a:1\"}]}\n" WEB "}\n" WEB_2 "}\n",
     "f:4:27: name: farm acme/shop has more instances than its subnet has addresses"},
    {HOST PARTY "{\"kind\":\"Farm\",\"name\":\"shop\",\"party\":\"acme\",\"subnet\":\"10.0.0.0/"
                "24\",\"tiers\":[{\"name\":\"web\",\"image\":\"a:1\"}]}\n" WEB ",\"address\":\"10.0.1.4\"}\n",
     "f:4:67: address: is not in the subnet of farm acme/shop"},
    {HOST WEB ",\"address\":\"10.0.0.4\"}\n" WEB_2 ",\"address\":\"10.0.0.4\"}\n",
     "f:3:67: address: acme/shop/web-1 has this address already"},
    {HOST WEB ",\"address\":\"127.0.0.4\"}\n",
     "f:2:67: address: no network for hosts of /8 or less has this address and the others of the farm: say "
     "the Farm document with its subnet"},
    {HOST WEB ",\"address\":\"10.0.0.4\"}\n" WEB_2 ",\"address\":\"11.0.0.4\"}\n",
     "f:3:67: address: no network for hosts of /8 or less has this address and the others of the farm: say "
     "the Farm document with its subnet"},
    {HOST WEB ",\"size\":{\"cpus\":1,\"memory\":\"5Gi\"}}\n" WEB_2
              ",\"size\":{\"cpus\":1,\"memory\":\"4Gi\"}}\n",
     "f:3:64: size: another instance of tier web has another size: give them tiers of their own, or say the "
     "Farm document of acme/shop"},
    {HOST WEB ",\"priority\":1}\n" WEB_2 ",\"priority\":2}\n",
     "f:3:68: priority: another instance of tier web has another priority: give them tiers of their own, or "
     "say the Farm document of acme/shop"},
    {HOST WEB ",\"image\":\"debian\"}\n",
     "f:2:65: image: expected an image as NAME:TAG such as hello:1, found \"debian\""},
    {HOST "{\"kind\":\"Instance\",\"name\":\"acme/shop/balance-1\",\"host\":\"h1\"}\n",
     "f:2:27: name: balance is no tier of its own: say the Farm document of acme/shop with what it balances"},
    {HOST "{\"kind\":\"Instance\",\"name\":\"acme/shop/internet-1\",\"host\":\"h1\"}\n",
     "f:2:27: name: internet is no tier of its own: say the Farm document of acme/shop with what it "
     "balances"},
    {HOST "{\"kind\":\"FarmFact\",\"name\":\"a/b\",\"vni\":3}\n"
          "{\"kind\":\"FarmFact\",\"name\":\"a/c\",\"vni\":3}\n",
     "f:3:39: vni: farm a/b has network 3 already"},
    {HOST "{\"kind\":\"FarmFact\",\"name\":\"a/b\",\"vni\":16777216}\n",
     "f:2:39: vni: 16777216 is out of range, expected 0 to 16777215"},
    {HOST "{\"kind\":\"HostFact\",\"name\":\"h1\",\"state\":\"up\",\"since_ms\":99999999999999999}\n",
     "f:2:56: since_ms: 99999999999999999 is out of range, expected 0 to 9007199254740992"},
    {"{\"kind\":\"Farm\",\"a\":[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[]]]]]]]]"
     "]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]}\n",
     "f:1:1: nested deeper than the limit of 64 levels"},
    {HOST WEB "} {}\n", "f:2:58: expected the end of the line behind its document: write one a line"},
    {HOST "{\"kind\":\"Instance\",\"name\":\"acme/shop/web-1\",\"state\":\"running\"}\n",
     "f:2:53: state: running, and on no host: say its host, or nothing of its state"},
    {"{\"kind\":\"Host\",\"name\":\"h1\",\"zone\":\"a\",\"capacity\":{\"cpus\":1,\"memory\":\"1Gi\"},"
     "\"reserve\":{\"cpus\":2}}\n",
     "f:1:94: reserve.cpus: more is reserved than the host's capacity has"},
    {"\357\273\277{\"kind\":\"Host\",\"name\":\"h1\",\"zone\":\"a//"
     "b\",\"capacity\":{\"cpus\":8,\"memory\":\"32Gi\"}}\n",
     "f:1:35: zone: expected a path of 1 to 8 zone names such as east/b1/r1, found \"a//b\""},
    {"{\"kind\":\"Host\",\"name\":\"h1\",\"zone\":\"a/b\",\"capacity\":{\"cpus\":8,\"memory\":\"32Gi\"}}\r\n"
     " {\"kind\":\"Instance\",\"name\":\"acme/shop/web-1\",\"host\":\"h 1\"}\r\n",
     "f:2:53: host: there is no host \"h 1\" in this grid, did you mean \"h1\"?"},
};

/* The error's line, or NULL: it was read, and writing what was read and reading that gives the same. */
static const char *read_text(struct arena *arena, const char *text, size_t size)
{
    struct grid_file grid = {0};
    struct error err;
    CLEANUP_BUF struct buf line = {0};
    if (!grid_file_read(arena, "f", text, size, &grid, &err)) {
        assert_int_equal(grid.now_ms, 0);
        assert_string_equal(err.file, "f");
        assert_true(err.line > 0 && err.column > 0 && err.message[0] != '\0');
        spec_format_error(&err, &line);
        if (strchr(err.message, '\n') != NULL) fail_msg("%s", err.message);
        return arena_strdup(arena, buf_text(&line));
    }
    CLEANUP_BUF struct buf second = {0};
    struct grid_file again = {0};
    grid_file_write(&grid.snapshot, &line);
    if (!grid_file_read(arena, "again", buf_text(&line), line.size, &again, &err))
        fail_msg("what was written is not read, %u: %s: %s: %.*s", err.line, err.field, err.message,
                 (int)size, text);
    grid_file_write(&again.snapshot, &second);
    assert_string_equal(buf_text(&second), buf_text(&line));
    return NULL;
}

static void refusals(void **state)
{
    for (size_t i = 0; i < LENGTH(bad); i++) {
        CLEANUP_ARENA struct arena *arena = arena_new();
        const char *error = read_text(arena, bad[i].text, strlen(bad[i].text));
        if (error == NULL || strcmp(error, bad[i].error) != 0)
            fail_msg("%s\nwanted: %s\nfound:  %s", bad[i].text, bad[i].error, error == NULL ? "none" : error);
    }
}

static void limits(void **state)
{
    CLEANUP_ARENA struct arena *arena = arena_new();
    CLEANUP_BUF struct buf text = {0};
    static const char zero[] = HOST "{\"kind\":\0\"Party\",\"name\":\"acme\"}\n";
    assert_string_equal(read_text(arena, zero, sizeof(zero) - 1), "f:2:9: expected text, found a zero byte");
    buf_add_text(&text, HOST "{\"kind\":\"Party\",\"name\":\"");
    for (size_t i = 0; i < DOCUMENT_SIZE_MAX; i++)
        buf_add_char(&text, 'a');
    buf_add_text(&text, "\"}\n");
    assert_string_equal(read_text(arena, buf_text(&text), text.size),
                        "f:2:1: past the limit of 1048576 bytes a document");
    buf_clear(&text);
    buf_add_text(&text, HOST);
    for (int i = 1; i <= TIER_INSTANCES_MAX; i++)
        buf_printf(&text, "{\"kind\":\"Instance\",\"name\":\"a/b/c-%d\",\"host\":\"h1\"}\n", i);
    assert_null(
        read_text(arena, buf_text(&text), text.size)); /* more than 1,000 documents, as many as a tier has */
    buf_add_text(&text, "{\"kind\":\"Instance\",\"name\":\"a/b/c-10001\",\"host\":\"h1\"}\n");
    assert_string_equal(read_text(arena, buf_text(&text), text.size),
                        "f:10002:27: name: tier c of farm a/b is past the limit of 10000 instances a tier");
    buf_clear(&text);
    for (int i = 0; i <= FARM_TIERS_MAX; i++)
        buf_printf(&text, "{\"kind\":\"Instance\",\"name\":\"a/b/c%d-1\"}\n", i);
    assert_string_equal(read_text(arena, buf_text(&text), text.size),
                        "f:257:27: name: farm a/b is past the limit of 256 tiers a farm");
    assert_non_null(read_text(arena, "{\"kind\":\"Host\0", 15)); /* a zero byte, and the end */
}

/* Broken at random: a grid whose text reads back, or an error with a place. */
static void mutations(void **state)
{
    static const char alphabet[] = "{}[]:,\" \n\r\\0123459.-eahwb/\x80\x01";
    static const char *const seeds[] = {
        HOST PARTY WEB ",\"size\":{\"cpus\":1,\"memory\":\"5Gi\"}}\n" WEB_2 "}\n",
        HOST WEB ",\"tier\":\"web\",\"priority\":70,\"address\":\"10.0.0.9\",\"state\":\"booting\"}\n"
                 "{\"kind\":\"FarmFact\",\"name\":\"acme/shop\",\"vni\":4}\n"
                 "{\"kind\":\"Instance\",\"name\":\"acme/lab/web-1\"}\n",
        HOST PARTY "{\"kind\":\"Farm\",\"name\":\"shop\",\"party\":\"acme\",\"subnet\":\"10.0.0.0/24\","
                   "\"tiers\":[{\"name\":\"web\",\"image\":\"a:1\",\"count\":2}],\"balance\":[{\"name\":"
                   "\"www\",\"port\":80,\"to\":\"web:80\"}]}\n" WEB "}\n"
                   "{\"kind\":\"Instance\",\"name\":\"acme/shop/balance-1\",\"host\":\"h1\"}\n",
    };
    uint64_t random = 3;
    int read = 0, refused = 0;
    for (int round = 0; round < 10000; round++) {
        char text[4096];
        const char *seed = seeds[draw(&random) % LENGTH(seeds)];
        size_t size = strlen(seed);
        memcpy(text, seed, size);
        for (uint64_t changes = draw(&random) % 4; changes > 0; changes--)
            mutate(&random, alphabet, sizeof(alphabet) - 1, text, &size, sizeof(text));
        CLEANUP_ARENA struct arena *arena = arena_new();
        if (read_text(arena, text, size) == NULL)
            read++;
        else
            refused++;
    }
    assert_true(read > 2000);
    assert_true(refused > 3000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(refusals), cmocka_unit_test(limits),
                                       cmocka_unit_test(mutations)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
