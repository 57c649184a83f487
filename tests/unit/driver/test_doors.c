/* What judges callers of published sockets: it says the same as the filters, and as few words as golden
 * texts. */
#include "driver/net/doors_rules.h"

#include "base/text.h"
#include "driver/net/doors_sweep.h"
#include "made_filters.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define BALANCER MADE_FARM "/balance-1"
enum { BALANCER_ADDRESS = 0x0a000009, DOOR = 0x7f000001, DOOR_PORT = 8080, PORT = 7 };

static const struct vec nothing = VEC_OF(char *);

static struct host_farm farm_with(const struct filter *filters, size_t length)
{
    return (struct host_farm){.name = MADE_FARM,
                              .subnet = {0x0a000000U, 24},
                              .gateway = 0x0a000001U,
                              .filters = filters,
                              .filters_length = length};
}

static struct net_door door_of(const struct host_farm *farm)
{
    return (struct net_door){"127.0.0.1:8080", BALANCER, BALANCER_ADDRESS, PORT, farm};
}

static struct doors_rules *compile(const struct net_door *doors, size_t length,
                                   const struct doors_rules *before, const struct vec *left)
{
    struct doors_rules *rules = NULL;
    struct error err;
    if (!doors_rules_new(doors, length, before, left, &rules, &err)) fail_msg("%s", err.message);
    return rules;
}

static void put_address(struct packet_end *end, uint32_t address)
{
    for (unsigned i = 0; i < 4; i++)
        end->address[i] = (unsigned char)(address >> (24 - 8 * i));
}

/* As model/packet.h has it: whoever comes to a door is the internet, whatever his address. */
static bool model_lets(const struct filter *filters, size_t length, uint32_t from, uint16_t from_port)
{
    struct packet packet = {
        .direction = FILTER_IN,
        .family = FAMILY_IPV4,
        .from = {.farm = "", .tier = "", .instance = "", .internet = true, .port = from_port},
        .to = {.farm = MADE_FARM, .tier = MADE_FARM "/balance", .instance = BALANCER, .port = PORT},
        .protocol = IP_TCP};
    put_address(&packet.from, from);
    put_address(&packet.to, BALANCER_ADDRESS);
    for (size_t i = 0; i < length; i++) {
        if (!filter_governs(filters[i].on, NULL, 0, packet.to.farm, packet.to.tier, packet.to.instance))
            continue;
        if (filter_action_of(&filters[i], filter_deciding_rule(&filters[i], &packet)) != FILTER_ALLOW)
            return false;
    }
    return true;
}

static void test_door_says_what_its_filters_say(void **state)
{
    static const char *const places[] = {MADE_FARM, MADE_FARM "/balance", BALANCER, MADE_FARM "/web"};
    static const uint32_t callers[] = {0x0a000002, 0x0a000009, MADE_FAR, 0xc6336407,
                                       0x7f000001, 0xc0a80101, 0};
    struct doors_rules *before = NULL;
    uint64_t lot = 11;
    size_t passed = 0, denied = 0;
    for (int round = 0; round < 3000; round++) {
        CLEANUP_ARENA struct arena *arena = arena_new();
        uint64_t start = lot;
        struct filter filters[4];
        size_t length = made_below(&lot, LENGTH(filters) + 1);
        for (size_t i = 0; i < length; i++)
            filters[i] = made_filter(arena, &lot, places[made_below(&lot, LENGTH(places))], 12);
        const struct host_farm farm = farm_with(filters, length);
        const struct net_door door = door_of(&farm);
        struct doors_rules *rules = compile(&door, 1, before, &nothing);
        for (int i = 0; i < 60; i++) {
            uint32_t from = callers[made_below(&lot, LENGTH(callers))];
            if (from == 0) from = (uint32_t)made_draw(&lot);
            uint16_t from_port = (uint16_t)(1 + made_below(&lot, MADE_PORT_MAX));
            bool pass = model_lets(filters, length, from, from_port);
            if (doors_rules_pass(rules, DOOR, DOOR_PORT, from, from_port) != pass)
                fail_msg("another verdict for %08x:%u, lot %llu", from, from_port, (unsigned long long)start);
            passed += pass;
            denied += !pass;
        }
        doors_rules_free(before);
        before = rules;
    }
    print_message("# %zu pass, %zu do not\n", passed, denied);
    assert_true(passed > 10000 && denied > 10000);
    doors_rules_free(before);
}

static void assert_golden(const char *name, const struct buf *text)
{
    CLEANUP_BUF struct buf golden = {0};
    CLEANUP_MEM char *path = mem_printf("%s/%s.nft", getenv("GOLDEN"), name);
    FILE *file = fopen(path, "re");
    assert_non_null(file);
    for (int c = fgetc(file); c != EOF; c = fgetc(file))
        buf_add_char(&golden, (char)c);
    fclose(file);
    assert_string_equal(buf_text(text), buf_text(&golden));
}

static void assert_change(const char *name, const struct doors_rules *old, const struct vec *left,
                          const struct doors_rules *new)
{
    CLEANUP_BUF struct buf text = {0};
    doors_rules_change(DOORS_TABLE, old, left, new, &text);
    if (name == NULL)
        assert_int_equal(text.size, 0);
    else
        assert_golden(name, &text);
}

static struct filter_rule deny_from(const char *prefix)
{
    static const struct port_range web = {PORT, PORT};
    struct filter_rule rule = {.action = FILTER_DENY,
                               .direction = FILTER_IN,
                               .from = {.kind = ENDPOINT_PREFIX, .name = ""},
                               .to = {.name = ""},
                               .protocol = IP_TCP,
                               .ports = &web,
                               .ports_length = 1};
    assert_true(address_parse(prefix, &rule.from.prefix));
    return rule;
}

/* A door comes, another filter, none; a second door; and what an earlier process left. */
static void test_words(void **state)
{
    const struct filter_rule rules[] = {deny_from("198.51.100.0/24"), deny_from("2001:db8::/32")};
    const struct filter filters[] = {
        {"outer", "landlord", "landlord/outer", MADE_FARM, FILTER_ALLOW, rules, LENGTH(rules)},
        {"inner", "acme", "acme/inner", BALANCER, FILTER_REJECT, NULL, 0},
        {"other", "acme", "acme/other", MADE_FARM "/web", FILTER_DENY, NULL, 0}};
    const struct host_farm outer = farm_with(filters, 1), both = farm_with(filters, 3),
                           none = farm_with(filters + 2, 1);
    const struct net_door one = door_of(&outer), two = door_of(&both), open = door_of(&none),
                          unknown = door_of(NULL);
    struct net_door pair[] = {one, one};
    pair[1].publish = "0.0.0.0:81";
    struct doors_rules *empty = compile(&open, 1, NULL, &nothing), *first = compile(&one, 1, empty, NULL);
    struct doors_rules *second = compile(&two, 1, first, NULL), *third = compile(pair, 2, second, NULL);
    struct doors_rules *kept = compile(&unknown, 1, third, NULL), *last = compile(&open, 1, kept, NULL);
    assert_change(NULL, NULL, &nothing, empty);
    assert_change("doors_come", empty, NULL, first);
    assert_change(NULL, first, NULL, first);
    assert_change("doors_change", first, NULL, second);
    assert_change("doors_second", second, NULL, third);
    assert_change("doors_kept", third, NULL, kept);
    assert_false(doors_rules_pass(kept, DOOR, DOOR_PORT, 0xc6336401, 1));
    assert_change("doors_end", kept, NULL, last);

    /* Nothing changed: what stands there is not touched. */
    struct doors_rules *again = compile(&one, 1, first, NULL);
    assert_change(NULL, first, NULL, again);
    doors_rules_free(again);

    char *names[] = {"d7f0000011f90", "d7f0000011f90_1", "d7f0000011f90_2", "d000000000051",
                     "d000000000051_1"};
    struct vec left = VEC_OF(char *);
    for (size_t i = 0; i < LENGTH(names); i++) {
        assert_true(doors_is_chain(names[i]));
        *(char **)vec_push(&left) = names[i];
    }
    struct doors_rules *after = compile(&one, 1, NULL, &left), *gone = compile(NULL, 0, NULL, &left);
    struct doors_rules *held = compile(&unknown, 1, NULL, &left), *known = compile(&one, 1, held, NULL);
    assert_change("doors_left", NULL, &left, after);
    assert_change("doors_gone", NULL, &left, gone);
    assert_change("doors_held", NULL, &left, held);
    assert_change("doors_known", held, NULL, known);
    struct doors_rules *all[] = {empty, first, second, third, kept, last, after, gone, held, known};
    for (size_t i = 0; i < LENGTH(all); i++)
        doors_rules_free(all[i]);
    vec_free(&left);
    assert_false(doors_is_chain("deny_in_filter"));
    assert_false(doors_is_chain("d7f0000011f90_"));
    assert_false(doors_is_chain("d7f0000011f9"));
}

static void test_no_place(void **state)
{
    static const char *const places[] = {"",         "127.0.0.1", "127.0.0.1:0", "127.0.0.1:65536",
                                         "[::1]:80", "a:80"};
    for (size_t i = 0; i < LENGTH(places); i++) {
        const struct net_door door = {.publish = places[i], .balancer = BALANCER};
        struct doors_rules *rules = NULL;
        struct error err;
        assert_false(doors_rules_new(&door, 1, NULL, &nothing, &rules, &err));
        assert_int_equal(err.code, ERROR_INVALID);
        assert_null(rules);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_door_says_what_its_filters_say),
        cmocka_unit_test(test_words),
        cmocka_unit_test(test_no_place),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
