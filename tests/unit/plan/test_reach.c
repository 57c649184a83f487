#include "grid.h"

#include "base/buf.h"
#include "base/text.h"
#include "plan/reach/matrix.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

enum { RULES_MAX = 6, PORT_MAX = 12 };

/* SplitMix64, as tests/unit/base/check.h. */
static uint64_t draw(uint64_t *state, uint64_t below)
{
    uint64_t z = *state += 0x9e3779b97f4a7c15ULL;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ULL;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebULL;
    return (z ^ (z >> 31)) % below;
}

/* "web > db tcp 5432; …", partly with a star. */
static const char *matrix(struct grid *grid, struct farm *farm, const char *from, const char *to)
{
    const struct reach_row *rows = NULL;
    size_t length = 0;
    struct error err;
    struct buf text = {0};
    uint64_t questions = 0;
    if (!reach_matrix(grid->arena, &grid->now, farm, from, to, &questions, &rows, &length, &err))
        return arena_strdup(grid->arena, err.message);
    for (size_t i = 0; i < length; i++) {
        const char *slash = strrchr(rows[i].from, '/'), *other = strrchr(rows[i].to, '/');
        buf_printf(&text, "%s%s > %s %lld", i == 0 ? "" : "; ", slash ? slash + 1 : rows[i].from,
                   other ? other + 1 : rows[i].to, (long long)rows[i].protocol);
        for (size_t p = 0; p < rows[i].ports_length; p++)
            buf_printf(&text, " %u-%u", rows[i].ports[p].first, rows[i].ports[p].last);
        if (rows[i].partly) buf_add_char(&text, '*');
    }
    const char *kept = arena_strdup(grid->arena, buf_text(&text));
    buf_free(&text);
    return kept;
}

static struct farm *shop(struct grid *grid)
{
    static const struct allow allow[] = {{"web", "db", PROTOCOL_TCP, 5432, 5432},
                                         {"web", "internet", PROTOCOL_TCP, 443, 443},
                                         {"db", "db", PROTOCOL_ANY, 0, UINT16_MAX}};
    grid_host(grid, "h1", "east/b1/r1", "general", 8, 32);
    grid_party(grid, "acme", "landlord");
    struct farm *farm = grid_farm(grid, "acme/shop");
    farm->subnet = (struct prefix){0x0a000000, 28};
    grid_tier(grid, farm, "web", 2, 500, 64);
    grid_tier(grid, farm, "db", 2, 500, 64);
    farm->allow = allow;
    farm->allow_length = LENGTH(allow);
    return farm;
}

static void says_what_the_farm_allows(void **state)
{
    struct grid *grid = *state;
    struct farm *farm = shop(grid);
    grid_settle(grid);
    assert_string_equal(matrix(grid, farm, NULL, NULL),
                        "db > db -1; web > db 6 5432-5432; web > internet 6 443-443");
    assert_string_equal(matrix(grid, farm, "acme/shop/web-2", NULL),
                        "web-2 > db 6 5432-5432; web-2 > internet 6 443-443");
    assert_string_equal(matrix(grid, farm, NULL, "internet"), "web > internet 6 443-443");
    assert_string_equal(matrix(grid, farm, "acme/shop/db-1", "acme/shop/db"), "db-1 > db -1");
    assert_string_equal(matrix(grid, farm, "internet", NULL), "");
}

static void filters_take_away(void **state)
{
    static const struct filter_rule outer[] = {
        {.action = FILTER_DENY,
         .direction = FILTER_OUT,
         .to = {.kind = ENDPOINT_PREFIX, .prefix = {FAMILY_IPV4, {192, 168}, 16}, .name = ""},
         .from = {.name = ""},
         .protocol = -1},
        {.action = FILTER_DENY,
         .direction = FILTER_IN,
         .from = {.name = ""},
         .to = {.name = ""},
         .protocol = IP_UDP},
    };
    static const struct filter_rule inner[] = {
        {.action = FILTER_REJECT,
         .direction = FILTER_IN,
         .from = {.kind = ENDPOINT_INSTANCE, .name = "acme/shop/web-2"},
         .to = {.name = ""},
         .protocol = -1},
    };
    struct grid *grid = *state;
    struct farm *farm = shop(grid);
    *grid_filter(grid, "acme/inner", "acme/shop/db") =
        (struct filter){"inner", "acme", "acme/inner", "acme/shop/db", FILTER_ALLOW, inner, LENGTH(inner)};
    *grid_filter(grid, "landlord/outer", "all") =
        (struct filter){"outer", "landlord", "landlord/outer", "all", FILTER_ALLOW, outer, LENGTH(outer)};
    grid_settle(grid);
    assert_string_equal(
        matrix(grid, farm, NULL, NULL),
        "db > db 1; db > db 6; db > db -2; web-1 > db 6 5432-5432; web-1 > internet 6 443-443*; "
        "web-2 > internet 6 443-443*");
}

static struct filter_rule random_rule(struct grid *grid, uint64_t *seed)
{
    static const char *const names[] = {"acme/shop", "acme/shop/web", "acme/shop/db", "acme/shop/web-1",
                                        "acme/shop/db-2"};
    static const enum endpoint_kind kinds[] = {ENDPOINT_FARM, ENDPOINT_TIER, ENDPOINT_TIER, ENDPOINT_INSTANCE,
                                               ENDPOINT_INSTANCE};
    static const int64_t protocols[] = {-1, -1, IP_TCP, IP_UDP, IP_ICMP, 47};
    struct filter_rule rule = {.action = (enum filter_action)draw(seed, 3),
                               .direction = (enum filter_direction)draw(seed, 3),
                               .protocol = protocols[draw(seed, LENGTH(protocols))]};
    struct endpoint *ends[] = {&rule.from, &rule.to};
    for (size_t e = 0; e < LENGTH(ends); e++) {
        size_t n = draw(seed, LENGTH(names));
        *ends[e] = (struct endpoint){.name = ""};
        switch (draw(seed, 5)) {
        case 0:
            *ends[e] = (struct endpoint){.kind = kinds[n], .name = names[n]};
            break;
        case 1:
            *ends[e] = (struct endpoint){.kind = ENDPOINT_INTERNET, .name = ""};
            break;
        case 2: /* parts of the subnet 10.0.0.0/28 and of what lies beside it */
            *ends[e] = (struct endpoint){
                .kind = ENDPOINT_PREFIX,
                .name = "",
                .prefix = {FAMILY_IPV4, {10, 0, 0, (unsigned char)(4 * draw(seed, 8))}, 30}};
            break;
        default:
            break;
        }
    }
    if ((rule.protocol == IP_TCP || rule.protocol == IP_UDP) && draw(seed, 2)) {
        struct port_range *ranges = arena_alloc_array(grid->arena, 2, sizeof(*ranges));
        ranges[0].first = (uint16_t)draw(seed, PORT_MAX);
        ranges[0].last = (uint16_t)(ranges[0].first + draw(seed, 4));
        ranges[1].first = ranges[1].last = (uint16_t)draw(seed, PORT_MAX);
        rule.ports = ranges;
        rule.ports_length = 1 + draw(seed, 2);
        if (draw(seed, 3) == 0) {
            rule.from_ports = ranges;
            rule.from_ports_length = 1;
        }
    }
    return rule;
}

/* 0: closed, 1: partly, 2: open, by asking for every packet. */
static int asked(const struct judge *judge, struct grid *grid, const char *from, const char *to,
                 const struct packet_end *ends, size_t ends_length, uint8_t protocol, uint16_t port)
{
    size_t passed = 0, all = 0;
    for (size_t i = 0; i < ends_length; i++) {
        for (uint16_t source = 0; source < (protocol == IP_TCP || protocol == IP_UDP ? PORT_MAX + 5 : 1);
             source++) {
            struct packet packet = {.direction = FILTER_OUT,
                                    .family = FAMILY_IPV4,
                                    .protocol = protocol,
                                    .from = ends[2 * i],
                                    .to = ends[2 * i + 1]};
            size_t length = 0;
            bool passes = true;
            packet.from.port = source;
            packet.to.port = port;
            judge_name_ends(judge, &packet);
            for (int d = 0; d < 2 && passes; d++) {
                packet.direction = d == 0 ? FILTER_OUT : FILTER_IN;
                const char *on = d == 0 ? from : to;
                if (text_equal(on, "internet")) continue;
                const struct judge_step *steps = judge_packet(grid->arena, judge, on, &packet, &length);
                passes = steps[length - 1].action == FILTER_ALLOW;
            }
            passed += passes;
            all++;
        }
    }
    return passed == 0 ? 0 : passed < all ? 1 : 2;
}

static int told(const struct reach_row *rows, size_t length, const char *from, const char *to,
                int64_t protocol, bool named, uint16_t port)
{
    for (size_t i = 0; i < length; i++) {
        bool is = rows[i].protocol == FILTER_PROTOCOL_ANY || rows[i].protocol == protocol ||
                  (rows[i].protocol == REACH_OTHERS && !named);
        bool open = rows[i].ports_length == 0;
        if (!is || !text_starts(from, rows[i].from) || !text_starts(to, rows[i].to)) continue;
        for (size_t p = 0; p < rows[i].ports_length; p++)
            open = open || (rows[i].ports[p].first <= port && port <= rows[i].ports[p].last);
        if (open) return rows[i].partly ? 1 : 2;
    }
    return 0;
}

/* Does one of them name protocol 47? */
static bool random_filters(struct grid *grid, uint64_t *seed)
{
    static const char *const filters[][2] = {
        {"acme/a", "acme/shop"}, {"acme/b", "acme/shop/web-2"}, {"landlord/l", "all"}};
    bool gre = false;

    for (size_t f = 0; f < LENGTH(filters); f++) {
        struct filter *filter = grid_filter(grid, filters[f][0], filters[f][1]);
        struct filter_rule *rules = arena_alloc_array(grid->arena, RULES_MAX, sizeof(*rules));
        filter->default_action = draw(seed, 4) ? FILTER_ALLOW : FILTER_DENY;
        filter->rules_length = draw(seed, RULES_MAX + 1);
        for (size_t r = 0; r < filter->rules_length; r++) {
            rules[r] = random_rule(grid, seed);
            gre |= rules[r].protocol == 47;
        }
        filter->rules = rules;
    }
    return gre;
}

static void is_what_every_packet_says(void **state)
{
    static const char *const names[] = {"acme/shop/web-1", "acme/shop/web-2", "acme/shop/db-1",
                                        "acme/shop/db-2", "internet"};
    static const struct {
        uint8_t number;
        bool named;
    } protocols[] = {{IP_TCP, true}, {IP_UDP, true}, {IP_ICMP, true}, {47, false}, {99, false}};
    for (uint64_t round = 0; round < 40; round++) {
        struct grid *grid = grid_new();
        uint64_t seed = round, open = 0;
        uint64_t questions = 0;
        struct farm *farm = shop(grid);
        static const struct allow allow[] = {{"web", "db", PROTOCOL_ANY, 0, UINT16_MAX},
                                             {"db", "web", PROTOCOL_TCP, 2, 9},
                                             {"web", "internet", PROTOCOL_ANY, 0, UINT16_MAX},
                                             {"db", "db", PROTOCOL_ICMP, 0, UINT16_MAX},
                                             {"web", "web", PROTOCOL_UDP, 5, 5}};
        farm->allow = allow;
        farm->allow_length = LENGTH(allow);
        bool gre = random_filters(grid, &seed);
        grid_settle(grid);
        struct judge *judge = judge_new(grid->arena, &grid->now, farm);
        const struct reach_row *rows = NULL;
        size_t length = 0;
        struct error err;
        assert_true(
            reach_matrix(grid->arena, &grid->now, farm, NULL, NULL, &questions, &rows, &length, &err));
        for (size_t a = 0; a < LENGTH(names); a++) {
            for (size_t b = 0; b < LENGTH(names); b++) {
                struct packet_end ends[2 * 32];
                size_t ends_length = 0;
                bool outside = a == 4 || b == 4;
                if (a == b) continue;
                /* 10.0.0.0 to 10.0.0.31 are the subnet and its neighbours; 99 is far. */
                for (unsigned n = 0; n < (outside ? 17U : 1U); n++) {
                    for (size_t e = 0; e < 2; e++) {
                        size_t who = e == 0 ? a : b;
                        uint32_t address = who == 4 ? (n == 16 ? 0x63000001 : 0x0a000010 + n)
                                                    : grid_instance(grid, names[who])->address;
                        ends[2 * ends_length + e] = (struct packet_end){
                            .address = {(unsigned char)(address >> 24), (unsigned char)(address >> 16),
                                        (unsigned char)(address >> 8), (unsigned char)address}};
                    }
                    ends_length++;
                }
                for (size_t p = 0; p < LENGTH(protocols); p++) {
                    for (uint16_t port = 0; port < (p < 2 ? PORT_MAX + 5 : 1); port++) {
                        int right = asked(judge, grid, names[a], names[b], ends, ends_length,
                                          protocols[p].number, port);
                        int found = told(rows, length, names[a], names[b], protocols[p].number,
                                         protocols[p].named || (gre && protocols[p].number == 47), port);
                        /* A row is partly open as a whole. */
                        if ((right == 0) != (found == 0) || (found == 2 && right == 1))
                            fail_msg("round %llu: %s > %s protocol %u port %u: %d, told %d",
                                     (unsigned long long)round, names[a], names[b], protocols[p].number, port,
                                     right, found);
                        open += right > 0;
                    }
                }
            }
        }
        assert_true(round > 0 || open > 0);
        grid_free(grid);
    }
}

static int setup(void **state)
{
    *state = grid_new();
    return 0;
}

static int teardown(void **state)
{
    grid_free(*state);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(says_what_the_farm_allows, setup, teardown),
        cmocka_unit_test_setup_teardown(filters_take_away, setup, teardown),
        cmocka_unit_test(is_what_every_packet_says),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
