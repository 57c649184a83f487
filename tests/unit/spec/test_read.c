#include "check.h"

#include "base/text.h"

/* The three documents of the contract, in full. */
static const char host_text[] = "kind: Host\nname: h1\nzone: east/b1/r1   # comment\npool: fast\nclass: big\n"
                                "capacity: {cpus: 8, memory: 32Gi, disk: 400Gi, network: 10G}\n"
                                "reserve: {cpus: 0.25, memory: 512Mi}\nstate: draining\n";
static const char party_text[] = "kind: Party\nname: acme\nparent: landlord\n"
                                 "quota: {cpus: 32, memory: 64Gi, disk: 1Ti, instances: 100, farms: 10}\n";
static const char farm_text[] =
    "kind: Farm\nname: shop\nparty: acme\nsla: gold\nstate: running\nsubnet: 10.0.0.0/24\ntiers:\n"
    "  - name: web\n    image: hello:1\n    driver: container\n"
    "    count: {committed: 2, guaranteed: 4, max: 8}\n    size: {cpus: 0.5, memory: 64Mi, disk: 1Gi}\n"
    "    capacity: 200\n    command: [httpd, -f, -p, \"8080\"]\n    env: {GREETING: hello}\n"
    "    files: [{path: /etc/motd, content: \"welcome\\n\", mode: \"0644\"}]\n"
    "    health: {http: /healthz, port: 8080, every: 1s, timeout: 500ms, fails: 3}\n"
    "    warm: 1\n    spread: rack\n    priority: 50\n    needs: [db]\n"
    "  - {name: db, image: \"db:2\"}\n"
    "balance:\n  - {name: www, mode: http, port: 80, to: \"web:8080\", publish: \"127.0.0.1:8080\"}\n"
    "allow:\n  - {from: web, to: db, port: 5432/tcp}\n  - {from: web, to: internet, port: 443/tcp}\n";

static void reads_a_host(void **state)
{
    CLEANUP_ARENA struct arena *arena = arena_new();
    struct documents documents = check_read(arena, host_text);
    assert_int_equal(documents.length, 1);
    assert_string_equal(documents.items[0].name, "h1");
    assert_int_equal(documents.items[0].line, 1);
    const struct host *host = documents.items[0].host;
    assert_string_equal(host->zone, "east/b1/r1");
    assert_string_equal(host->pool, "fast");
    assert_string_equal(host->class_name, "big");
    assert_int_equal(host->capacity.cpus_millis, 8000);
    assert_int_equal(host->capacity.memory_bytes, 32LL << 30);
    assert_int_equal(host->capacity.disk_bytes, 400LL << 30);
    assert_int_equal(host->capacity.network_bits_per_s, 10000000000LL);
    assert_int_equal(host->reserve.cpus_millis, 250);
    assert_int_equal(host->reserve.memory_bytes, 512LL << 20);
    assert_int_equal(host->state, HOST_DRAINING);
}

static void fills_a_host(void **state)
{
    CLEANUP_ARENA struct arena *arena = arena_new();
    struct documents documents =
        check_read(arena, "kind: Host\nname: h1\nzone: e\ncapacity: {cpus: 1, memory: 1Gi}\n");
    const struct host *host = documents.items[0].host;
    assert_string_equal(host->pool, "general");
    assert_string_equal(host->class_name, "general");
    assert_int_equal(host->reserve.cpus_millis, 0);
    assert_int_equal(host->capacity.network_bits_per_s, 0);
    assert_int_equal(host->state, HOST_ACTIVE);
}

static void reads_a_party(void **state)
{
    CLEANUP_ARENA struct arena *arena = arena_new();
    const struct party *party = check_read(arena, party_text).items[0].party;
    assert_string_equal(party->parent, "landlord");
    assert_int_equal(party->quota.resources.cpus_millis, 32000);
    assert_int_equal(party->quota.resources.memory_bytes, 64LL << 30);
    assert_int_equal(party->quota.resources.disk_bytes, 1LL << 40);
    assert_int_equal(party->quota.resources.network_bits_per_s, -1);
    assert_int_equal(party->quota.instances, 100);
    assert_int_equal(party->quota.farms, 10);
    party = check_read(arena, "kind: Party\nname: bare\n").items[0].party;
    assert_string_equal(party->parent, "landlord");
    assert_int_equal(party->quota.resources.cpus_millis, -1);
    assert_int_equal(party->quota.instances, -1);
    assert_int_equal(party->quota.farms, -1);
}

static void reads_a_farm(void **state)
{
    CLEANUP_ARENA struct arena *arena = arena_new();
    struct documents documents = check_read(arena, farm_text);
    assert_string_equal(documents.items[0].name, "acme/shop");
    const struct farm *farm = documents.items[0].farm;
    assert_string_equal(farm->full_name, "acme/shop");
    assert_string_equal(farm->sla, "gold");
    assert_int_equal(farm->subnet.address, 0x0a000000);
    assert_int_equal(farm->subnet.bits, 24);
    assert_int_equal(farm->tiers_length, 2);
    const struct balance *balance = &farm->balance[0];
    assert_string_equal(balance->to_tier, "web");
    assert_int_equal(balance->to_port, 8080);
    assert_string_equal(balance->publish, "127.0.0.1:8080");
    assert_int_equal(farm->allow_length, 2);
    assert_int_equal(farm->allow[0].protocol, PROTOCOL_TCP);
    assert_int_equal(farm->allow[0].port_first, 5432);
    assert_int_equal(farm->allow[0].port_last, 5432);
    assert_string_equal(farm->allow[1].to, "internet");
}

static void reads_a_tier(void **state)
{
    CLEANUP_ARENA struct arena *arena = arena_new();
    const struct tier *tier = &check_read(arena, farm_text).items[0].farm->tiers[0];
    assert_int_equal(tier->driver, COMPUTE_CONTAINER);
    assert_int_equal(tier->count.committed, 2);
    assert_int_equal(tier->count.guaranteed, 4);
    assert_int_equal(tier->count.max, 8);
    assert_int_equal(tier->size.cpus_millis, 500);
    assert_int_equal(tier->size.disk_bytes, 1LL << 30);
    assert_int_equal(tier->capacity, 200);
    assert_int_equal(tier->command_length, 4);
    assert_string_equal(tier->command[1], "-f");
    assert_string_equal(tier->command[3], "8080");
    assert_string_equal(tier->env[0].name, "GREETING");
    assert_string_equal(tier->env[0].value, "hello");
    assert_string_equal(tier->files[0].content, "welcome\n");
    assert_int_equal(tier->files[0].mode, 0644);
    assert_int_equal(tier->health.kind, HEALTH_HTTP);
    assert_string_equal(tier->health.path, "/healthz");
    assert_int_equal(tier->health.port, 8080);
    assert_int_equal(tier->health.every_ms, 1000);
    assert_int_equal(tier->health.timeout_ms, 500);
    assert_int_equal(tier->health.fails, 3);
    assert_int_equal(tier->warm, 1);
    assert_string_equal(tier->spread.by, "rack");
    assert_false(tier->spread.strict);
    assert_int_equal(tier->priority, 50);
    assert_string_equal(tier->needs[0], "db");
}

static void fills_a_tier(void **state)
{
    CLEANUP_ARENA struct arena *arena = arena_new();
    const struct tier *tier = &check_read(arena, farm_text).items[0].farm->tiers[1];
    assert_int_equal(tier->driver, COMPUTE_CONTAINER);
    assert_int_equal(tier->count.committed, 1);
    assert_int_equal(tier->count.guaranteed, 1);
    assert_int_equal(tier->count.max, 1);
    assert_int_equal(tier->size.cpus_millis, 100);
    assert_int_equal(tier->size.memory_bytes, 64LL << 20);
    assert_int_equal(tier->size.disk_bytes, 64LL << 20);
    assert_int_equal(tier->health.kind, HEALTH_NONE);
    assert_string_equal(tier->spread.by, "");
    assert_int_equal(tier->warm, 0);
    assert_int_equal(tier->priority, 50);
}

/* A farm of one tier with the given lines. */
static const struct tier *tier_with(struct arena *arena, const char *lines)
{
    const char *text = arena_printf(arena,
                                    "kind: Farm\nname: f\nparty: p\nsubnet: 10.0.0.0/16\n"
                                    "tiers:\n- name: t\n  image: i:1\n  %s\n",
                                    lines);
    return &check_read(arena, text).items[0].farm->tiers[0];
}

static void knows_short_forms(void **state)
{
    CLEANUP_ARENA struct arena *arena = arena_new();
    const struct tier *tier = tier_with(arena, "count: 5");
    assert_int_equal(tier->count.committed, 5);
    assert_int_equal(tier->count.guaranteed, 5);
    assert_int_equal(tier->count.max, 5);
    tier = tier_with(arena, "count: {committed: 2, max: 7}");
    assert_int_equal(tier->count.guaranteed, 2);
    assert_int_equal(tier->count.max, 7);
    tier = tier_with(arena, "count: {committed: 2, guaranteed: 3}");
    assert_int_equal(tier->count.max, 3);
    tier = tier_with(arena, "spread: {by: rack, strict: true}");
    assert_string_equal(tier->spread.by, "rack");
    assert_true(tier->spread.strict);
    assert_string_equal(tier_with(arena, "spread: 2")->spread.by, "2");
}

static void knows_every_health_check(void **state)
{
    CLEANUP_ARENA struct arena *arena = arena_new();
    struct health health = tier_with(arena, "health: {tcp: 5432}")->health;
    assert_int_equal(health.kind, HEALTH_TCP);
    assert_int_equal(health.port, 5432);
    assert_int_equal(health.every_ms, 1000);
    assert_int_equal(health.timeout_ms, 500);
    assert_int_equal(health.fails, 3);
    health = tier_with(arena, "health: {tcp: true, port: 99, every: 2s}")->health;
    assert_int_equal(health.kind, HEALTH_TCP);
    assert_int_equal(health.port, 99);
    assert_int_equal(health.every_ms, 2000);
    health = tier_with(arena, "health: {port: 98, tcp: true}")->health;
    assert_int_equal(health.port, 98);
    health = tier_with(arena, "health: {exec: [check, \"1\"]}")->health;
    assert_int_equal(health.kind, HEALTH_EXEC);
    assert_int_equal(health.command_length, 2);
    health = tier_with(arena, "health: {heartbeat: 5s}")->health;
    assert_int_equal(health.kind, HEALTH_HEARTBEAT);
    assert_int_equal(health.within_ms, 5000);
    /* As it is written again, with what the others are asked by. */
    health = tier_with(arena, "health: {heartbeat: 5s, every: 1s, timeout: 500ms, fails: 3}")->health;
    assert_int_equal(health.kind, HEALTH_HEARTBEAT);
}

static void knows_every_port_form(void **state)
{
    static const struct {
        const char *text;
        enum protocol protocol;
        unsigned first, last;
    } forms[] = {
        {"5432/tcp", PROTOCOL_TCP, 5432, 5432},      {"53/udp", PROTOCOL_UDP, 53, 53},
        {"8000-8099/tcp", PROTOCOL_TCP, 8000, 8099}, {"all", PROTOCOL_ANY, 0, 65535},
        {"all/udp", PROTOCOL_UDP, 0, 65535},         {"1-65535/tcp", PROTOCOL_TCP, 0, 65535},
        {"icmp", PROTOCOL_ICMP, 0, 65535},           {"53/any", PROTOCOL_ANY, 53, 53},
    };
    CLEANUP_ARENA struct arena *arena = arena_new();
    for (size_t i = 0; i < LENGTH(forms); i++) {
        const char *text = arena_printf(arena,
                                        "kind: Farm\nname: f\nparty: p\nsubnet: 10.0.0.0/16\n"
                                        "tiers: [{name: t, image: 'i:1'}]\n"
                                        "allow: [{from: t, to: internet, port: %s}]\n",
                                        forms[i].text);
        const struct allow *allow = check_read(arena, text).items[0].farm->allow;
        assert_int_equal(allow->protocol, forms[i].protocol);
        assert_int_equal(allow->port_first, forms[i].first);
        assert_int_equal(allow->port_last, forms[i].last);
    }
}

/* read(write(x)) is x, so writing again gives the same bytes; as JSON, as YAML, through either parser. */
static void round_trips(void **state)
{
    static const char image_text[] =
        "kind: Image\nname: hello:1\n"
        "digest: sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef\n"
        "layers: [sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef]\n"
        "size: 1Mi\ncommand: [httpd]\nenv: {A: b}\nuser: \"1000:1000\"\n";
    const char *texts[] = {host_text, party_text, farm_text, image_text};
    CLEANUP_ARENA struct arena *arena = arena_new();
    for (size_t i = 0; i < LENGTH(texts); i++) {
        struct documents first = check_read(arena, texts[i]);
        const char *json = check_write(arena, &first.items[0]);
        struct documents again = check_read(arena, json);
        assert_string_equal(check_write(arena, &again.items[0]), json);
        struct node node;
        struct error err;
        assert_true(node_from_json(arena, json, strlen(json), &node, &err));
        CLEANUP_BUF struct buf yaml = {0};
        node_to_yaml(&node, &yaml);
        again = check_read(arena, buf_text(&yaml));
        assert_string_equal(check_write(arena, &again.items[0]), json);
        CLEANUP_BUF struct buf pretty = {0};
        node_to_pretty_json(&node, &pretty);
        again = check_read(arena, buf_text(&pretty));
        assert_string_equal(check_write(arena, &again.items[0]), json);
    }
}

static void writes_canonical_text(void **state)
{
    CLEANUP_ARENA struct arena *arena = arena_new();
    struct documents host = check_read(arena, host_text);
    assert_string_equal(check_write(arena, &host.items[0]),
                        "{\"kind\":\"Host\",\"name\":\"h1\",\"zone\":\"east/b1/r1\",\"pool\":\"fast\","
                        "\"class\":\"big\",\"capacity\":{\"cpus\":8,\"memory\":\"32Gi\",\"disk\":\"400Gi\","
                        "\"network\":\"10G\"},\"reserve\":{\"cpus\":0.25,\"memory\":\"512Mi\"},"
                        "\"state\":\"draining\"}");
    struct documents party = check_read(arena, "kind: Party\nname: p\nquota: {farms: 2, cpus: unlimited}\n");
    assert_string_equal(
        check_write(arena, &party.items[0]),
        "{\"kind\":\"Party\",\"name\":\"p\",\"parent\":\"landlord\",\"quota\":{\"farms\":2}}");
}

static void takes_what_editors_make(void **state)
{
    CLEANUP_ARENA struct arena *arena = arena_new();
    struct documents documents = check_read(arena, "\xef\xbb\xbfkind: Party\r\nname: p\r\n---\r\n---\r\n"
                                                   "# nothing\r\n---\r\nkind: Party\r\nname: q\r\n...\r\n");
    assert_int_equal(documents.length, 2);
    assert_string_equal(documents.items[1].name, "q");
    assert_int_equal(documents.items[1].line, 7);
    documents =
        check_read(arena, "[{\"kind\":\"Party\",\"name\":\"p\"},\n\t{\"kind\":\"Party\",\"name\":\"q\"}]");
    assert_int_equal(documents.length, 2);
    documents = check_read(arena, "kind: Party\nname: \"yes\"\n---\nkind: Party\nname: no\n");
    assert_string_equal(documents.items[0].name, "yes");
    assert_string_equal(documents.items[1].name, "no");
}

/* As other programs write many: a line each, or one behind the other. */
static void takes_json_after_json(void **state)
{
    CLEANUP_ARENA struct arena *arena = arena_new();
    static const char text[] =
        "{\"kind\": \"Party\", \"name\": \"p\"}\n{\"kind\": \"Party\", \"name\": \"q\"} "
        "{\"kind\": \"Party\",\n \"name\": \"r\"}\n";
    struct documents documents = check_read(arena, text);
    assert_int_equal(documents.length, 3);
    assert_string_equal(documents.items[2].name, "r");
    assert_int_equal(documents.items[2].line, 2);
    assert_int_equal(documents.items[2].column, 32);
    const struct node *name = node_get(documents.items[2].node, "name");
    assert_int_equal(name->line, 3);
    assert_int_equal(name->column, 10);
    static const char bad[] =
        "{\"kind\": \"Party\", \"name\": \"p\"}\n{\"kind\": \"Party\", \"name\": \"Q\"}";
    assert_true(text_starts(check_refused(arena, bad, strlen(bad)), "f:2:27: name: expected a name"));
}

/* What JSON writes outside the first plane of Unicode, it writes as two halves. */
static void joins_surrogates(void **state)
{
    CLEANUP_ARENA struct arena *arena = arena_new();
    static const char text[] = "{\"a\": \"\\ud83d\\ude00 \\/ \\\\ud83d\", \"b\": 1}";
    struct node stream;
    struct error err;
    assert_true(spec_read_yaml(arena, text, strlen(text), &stream, &err));
    assert_string_equal(node_text(&stream.items[0], "a", ""), "\xf0\x9f\x98\x80 / \\ud83d");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reads_a_host),          cmocka_unit_test(fills_a_host),
        cmocka_unit_test(reads_a_party),         cmocka_unit_test(reads_a_farm),
        cmocka_unit_test(reads_a_tier),          cmocka_unit_test(fills_a_tier),
        cmocka_unit_test(knows_short_forms),     cmocka_unit_test(knows_every_health_check),
        cmocka_unit_test(knows_every_port_form), cmocka_unit_test(round_trips),
        cmocka_unit_test(writes_canonical_text), cmocka_unit_test(takes_what_editors_make),
        cmocka_unit_test(joins_surrogates),      cmocka_unit_test(takes_json_after_json),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
