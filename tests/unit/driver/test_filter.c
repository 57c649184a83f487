/* What filters compile to says the same as the filters themselves, and suits the kernel's sets. */
#include "driver/net/filter.h"

#include "driver/net/filter_layers.h"
#include "driver/net/rules.h"
#include "made_filters.h"

#include "base/text.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static uint32_t find_tier(const void *ctx, const char *name)
{
    return text_equal(name, "web") ? 7 : text_equal(name, "db") ? 8 : text_equal(name, "cache") ? 9 : 0;
}

static bool find_instance(const void *ctx, const char *name, uint32_t *ret_address)
{
    for (size_t i = 0; i < MADE_MEMBERS; i++) {
        if (!text_equal(made_members[i].instance, name)) continue;
        *ret_address = made_members[i].address;
        return true;
    }
    return false;
}

static const struct filter_place place = {
    .farm = MADE_FARM, .subnet = {0x0a000000U, 24}, .tier = find_tier, .instance = find_instance};

static struct filter_packet as_seen(const struct packet *packet)
{
    struct filter_packet seen = {.family = packet->family,
                                 .protocol = packet->protocol,
                                 .from_port = packet->from.port,
                                 .port = packet->to.port};
    struct filter_value *values[] = {&seen.from, &seen.to};
    uint32_t *tiers[] = {&seen.from_tier, &seen.to_tier};
    const struct packet_end *ends[] = {&packet->from, &packet->to};
    for (size_t i = 0; i < LENGTH(ends); i++) {
        size_t size = address_bits(packet->family) / 8;
        for (size_t k = 0; k < size; k++) {
            values[i]->high = values[i]->high << 8 | values[i]->low >> 56;
            values[i]->low = values[i]->low << 8 | ends[i]->address[k];
        }
        if (ends[i]->tier[0] != '\0') *tiers[i] = find_tier(NULL, ends[i]->tier + strlen(MADE_FARM "/"));
    }
    return seen;
}

static void fail_with(const struct packet *packet, const char *what, uint64_t lot)
{
    CLEANUP_BUF struct buf text = {0};
    packet_format(packet, &text);
    fail_msg("%s of %s, lot %llu", what, buf_text(&text), (unsigned long long)lot);
}

/* No two boxes of one layer overlap, and each layer has one. */
static void assert_layered(const struct filter_run *run)
{
    for (size_t i = 0; i < run->boxes.length; i++) {
        const struct filter_box *a = vec_at(&run->boxes, i);
        assert_true(a->layer < run->layers);
        for (size_t k = 0; k < i; k++) {
            const struct filter_box *b = vec_at(&run->boxes, k);
            bool apart = a->layer != b->layer;
            for (size_t f = 0; f < FILTER_FIELDS; f++)
                apart |= filter_value_compare(&a->last[f], &b->first[f]) < 0 ||
                         filter_value_compare(&b->last[f], &a->first[f]) < 0;
            assert_true(apart);
        }
    }
    for (uint32_t layer = 0; layer < run->layers; layer++) {
        bool used = false;
        for (size_t i = 0; i < run->boxes.length; i++)
            used |= ((struct filter_box *)vec_at(&run->boxes, i))->layer == layer;
        assert_true(used);
    }
}

static void test_program_says_what_the_filter_says(void **state)
{
    uint64_t lot = 1;
    size_t verdicts[3] = {0}, runs = 0, layers = 0;
    for (int round = 0; round < 3000; round++) {
        CLEANUP_ARENA struct arena *arena = arena_new();
        uint64_t start = lot;
        const struct filter filter = made_filter(arena, &lot, MADE_FARM, 24);
        for (enum filter_direction d = FILTER_IN; d <= FILTER_OUT; d++) {
            struct filter_program *program = filter_program_new(&filter, d, &place);
            for (size_t i = 0; i < program->runs.length; i++) {
                const struct filter_run *run = vec_at(&program->runs, i);
                assert_layered(run);
                layers += run->layers;
                runs++;
            }
            for (int i = 0; i < 60; i++) {
                struct packet packet = made_packet(&lot, i % 3 == 0 ? FAMILY_IPV6 : FAMILY_IPV4);
                packet.direction = d;
                const struct filter_packet seen = as_seen(&packet);
                enum filter_action action = filter_action_of(&filter, filter_deciding_rule(&filter, &packet));
                verdicts[action]++;
                if (filter_program_judge(program, &seen) != action)
                    fail_with(&packet, "another verdict", start);
            }
            filter_program_free(program);
        }
    }
    print_message("# %zu runs in %zu sets; %zu deny, %zu allow, %zu reject\n", runs, layers,
                  verdicts[FILTER_DENY], verdicts[FILTER_ALLOW], verdicts[FILTER_REJECT]);
    assert_true(verdicts[0] > 10000 && verdicts[1] > 10000 && verdicts[2] > 10000);
}

/* Several at once, on two hosts: each judges at its own ports alone. */
static void test_farm_says_what_its_filters_say(void **state)
{
    static const struct farm_rule all[] = {
        {"web", "web", PROTOCOL_ANY, 0, 65535},     {"web", "db", PROTOCOL_ANY, 0, 65535},
        {"web", "cache", PROTOCOL_ANY, 0, 65535},   {"db", "web", PROTOCOL_ANY, 0, 65535},
        {"db", "cache", PROTOCOL_ANY, 0, 65535},    {"cache", "web", PROTOCOL_ANY, 0, 65535},
        {"cache", "db", PROTOCOL_ANY, 0, 65535},    {"web", "internet", PROTOCOL_ANY, 0, 65535},
        {"db", "internet", PROTOCOL_ANY, 0, 65535}, {"cache", "internet", PROTOCOL_ANY, 0, 65535},
    };
    const struct rules_outside outside = {NULL, 0};
    struct rules *before[2] = {NULL, NULL};
    uint64_t lot = 2;
    for (int round = 0; round < 1000; round++) {
        CLEANUP_ARENA struct arena *arena = arena_new();
        uint64_t start = lot;
        struct filter filters[4];
        struct member members[MADE_MEMBERS];
        struct rules *hosts[2];
        struct error err;
        size_t length = made_below(&lot, LENGTH(filters) + 1);
        for (size_t i = 0; i < length; i++)
            filters[i] = made_filter(arena, &lot, made_on(&lot), 12);
        for (size_t i = 0; i < MADE_MEMBERS; i++) {
            members[i] = made_members[i];
            members[i].underlay = (uint32_t)(i % 2);
        }
        const struct host_farm farm = {.name = MADE_FARM,
                                       .subnet = {0x0a000000U, 24},
                                       .gateway = 0x0a000001U,
                                       .members = members,
                                       .members_length = MADE_MEMBERS,
                                       .rules = all,
                                       .rules_length = LENGTH(all),
                                       .filters = filters,
                                       .filters_length = length};
        for (uint32_t h = 0; h < 2; h++)
            assert_true(rules_compile(&farm, h, &outside, before[h], &hosts[h], &err));
        for (int i = 0; i < 100; i++) {
            enum filter_direction judge = FILTER_BOTH;
            const struct packet packet = made_packet(&lot, FAMILY_IPV4);
            const struct rules_flow flow = {made_ipv4(&packet.from), made_ipv4(&packet.to), packet.protocol,
                                            packet.from.port, packet.to.port};
            bool pass = made_verdict(filters, length, &packet, &judge) == FILTER_ALLOW;
            size_t from = flow.from % 2, to = flow.to % 2;
            bool here = rules_pass(hosts[from], &flow), there = rules_pass(hosts[to], &flow);
            if (packet.to.internet) there = true;
            if (pass != (here && there)) fail_with(&packet, "another verdict", start);
            if (judge == FILTER_OUT && here) fail_with(&packet, "not judged at the sender", start);
            if (judge == FILTER_IN && there) fail_with(&packet, "not judged at the receiver", start);
            if (judge == FILTER_IN && from != to && !here)
                fail_with(&packet, "judged for a port of another host", start);
        }
        for (uint32_t h = 0; h < 2; h++) {
            rules_free(before[h]);
            before[h] = hosts[h];
        }
    }
    rules_free(before[0]);
    rules_free(before[1]);
}

/* What is taken over from before is what still means the same: here two instances change addresses. */
static void test_names_mean_who_is_there(void **state)
{
    static const struct farm_rule all[] = {{"web", "web", PROTOCOL_ANY, 0, 65535}};
    struct member members[] = {made_members[0], made_members[1]};
    const struct filter_rule rule = {.action = FILTER_DENY,
                                     .direction = FILTER_OUT,
                                     .from = {.kind = ENDPOINT_INSTANCE, .name = MADE_FARM "/web-1"},
                                     .to = {.name = ""},
                                     .protocol = FILTER_PROTOCOL_ANY};
    const struct filter filter = {"one", "acme", "acme/one", MADE_FARM, FILTER_ALLOW, &rule, 1};
    const struct host_farm farm = {.name = MADE_FARM,
                                   .subnet = {0x0a000000U, 24},
                                   .gateway = 0x0a000001U,
                                   .members = members,
                                   .members_length = LENGTH(members),
                                   .rules = all,
                                   .rules_length = 1,
                                   .filters = &filter,
                                   .filters_length = 1};
    const struct rules_flow flow = {made_members[0].address, made_members[1].address, IP_TCP, 40000, 80};
    struct rules *before = NULL, *after = NULL;
    struct error err;
    assert_true(rules_compile(&farm, 0, NULL, NULL, &before, &err));
    members[0].address = made_members[1].address;
    members[1].address = made_members[0].address;
    assert_true(rules_compile(&farm, 0, NULL, before, &after, &err));
    assert_false(rules_pass(before, &flow));
    assert_true(rules_pass(after, &flow));
    assert_true(rules_shrink(before, after));
    rules_free(before);
    rules_free(after);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_program_says_what_the_filter_says),
        cmocka_unit_test(test_farm_says_what_its_filters_say),
        cmocka_unit_test(test_names_mean_who_is_there),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
