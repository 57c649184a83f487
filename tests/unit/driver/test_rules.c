/* The compiler of filters against golden texts: tests/unit/driver/rules. */
#include "driver/net/rules.h"

#include "base/mem.h"
#include "base/text.h"
#include "model/denials.h"

#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { HERE = 1, THERE = 2 };

static const struct member members[] = {
    {"web-1", "web", 0x0a000002U, 0x02cf0a000002ULL, HERE},
    {"web-2", "web", 0x0a000003U, 0x02cf0a000003ULL, THERE},
    {"db-1", "db", 0x0a000004U, 0x02cf0a000004ULL, HERE},
};
static const struct farm_rule rules_list[] = {
    {"web", "db", PROTOCOL_TCP, 5440, 5450},     {"web", "db", PROTOCOL_TCP, 5432, 5445},
    {"web", "db", PROTOCOL_TCP, 5451, 5451},     {"web", "db", PROTOCOL_UDP, 53, 53},
    {"db", "web", PROTOCOL_ICMP, 0, 65535},      {"db", "db", PROTOCOL_ANY, 0, 65535},
    {"web", "internet", PROTOCOL_TCP, 443, 443}, {"nobody", "db", PROTOCOL_TCP, 1, 65535},
};

static const struct rules_range refused[] = {{0x7f000000U, 0x7fffffffU}, {0x0a5a0000U, 0x0a5b0005U}};
static const struct rules_outside way = {refused, LENGTH(refused)};

static const struct vec none_left = VEC_OF(char *);

static bool passes(const struct rules *rules, uint32_t from, uint32_t to, uint8_t protocol, uint16_t port)
{
    return rules_pass(rules, &(struct rules_flow){from, to, protocol, 40000, port});
}

static struct rules *compile_for(size_t members_length, size_t rules_length,
                                 const struct rules_outside *outside)
{
    const struct host_farm farm = {.name = "acme/shop",
                                   .subnet = {0x0a000000U, 24},
                                   .gateway = 0x0a000001U,
                                   .members = members,
                                   .members_length = members_length,
                                   .rules = rules_list,
                                   .rules_length = rules_length};
    struct rules *rules = NULL;
    struct error err;
    if (!rules_compile(&farm, HERE, outside, NULL, &rules, &err)) fail_msg("%s", err.message);
    return rules;
}

static struct rules *compile(size_t members_length, size_t rules_length)
{
    return compile_for(members_length, rules_length, NULL);
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

static void test_whole(void **state)
{
    CLEANUP_BUF struct buf text = {0};
    struct rules *rules = compile(LENGTH(members), LENGTH(rules_list));
    rules_whole(rules, &none_left, &text);
    rules_free(rules);
    assert_golden("whole", &text);
}

static void test_change(void **state)
{
    CLEANUP_BUF struct buf grow = {0};
    CLEANUP_BUF struct buf shrink = {0};
    CLEANUP_BUF struct buf same = {0};
    struct rules *small = compile(2, 2), *large = compile(3, LENGTH(rules_list));
    rules_change(small, large, &grow);
    rules_change(large, small, &shrink);
    rules_change(large, large, &same);
    assert_false(rules_shrink(small, large));
    assert_true(rules_shrink(large, small));
    rules_free(small);
    rules_free(large);
    assert_golden("grow", &grow);
    assert_golden("shrink", &shrink);
    assert_int_equal(same.size, 0);
}

static void test_pass(void **state)
{
    struct rules *rules = compile(LENGTH(members), LENGTH(rules_list));
    const uint32_t gateway = 0x0a000001U, web = 0x0a000002U, db = 0x0a000004U, nobody = 0x0a000009U;
    assert_true(passes(rules, web, db, IPPROTO_TCP, 5432));
    assert_true(passes(rules, web, db, IPPROTO_TCP, 5451));
    assert_false(passes(rules, web, db, IPPROTO_TCP, 5431));
    assert_false(passes(rules, web, db, IPPROTO_TCP, 5452));
    assert_false(passes(rules, db, web, IPPROTO_TCP, 5432));
    assert_true(passes(rules, db, web, IPPROTO_ICMP, 0));
    assert_true(passes(rules, db, db, IPPROTO_SCTP, 0));
    assert_true(passes(rules, gateway, db, IPPROTO_TCP, 1));
    assert_false(passes(rules, nobody, db, IPPROTO_TCP, 5432));
    assert_false(passes(rules, web, nobody, IPPROTO_TCP, 5432));
    rules_free(rules);
}

static void test_outside(void **state)
{
    CLEANUP_BUF struct buf whole = {0};
    CLEANUP_BUF struct buf open = {0};
    CLEANUP_BUF struct buf shut = {0};
    CLEANUP_BUF struct buf host = {0};
    struct rules *none = compile(LENGTH(members), LENGTH(rules_list));
    struct rules *without = compile_for(LENGTH(members), 6, &way);
    struct rules *with = compile_for(LENGTH(members), LENGTH(rules_list), &way);
    const uint32_t web = 0x0a000002U, db = 0x0a000004U, far = 0xcb007105U;
    assert_false(rules_leave(none));
    assert_false(rules_leave(without));
    assert_true(rules_leave(with));
    assert_true(passes(with, web, far, IPPROTO_TCP, 443));
    assert_false(passes(with, web, far, IPPROTO_TCP, 444));
    assert_false(passes(with, web, far, IPPROTO_UDP, 443));
    assert_false(passes(with, db, far, IPPROTO_TCP, 443));
    assert_false(passes(with, far, web, IPPROTO_TCP, 443));         /* nobody gets in */
    assert_false(passes(with, web, 0x0a0000f0U, IPPROTO_TCP, 443)); /* nobody there: not outside */
    assert_false(passes(with, web, 0x0a5b0005U, IPPROTO_TCP, 443)); /* the landlord's */
    assert_true(passes(with, web, 0x0a5b0006U, IPPROTO_TCP, 443));
    assert_false(passes(without, web, far, IPPROTO_TCP, 443));
    assert_false(passes(none, web, far, IPPROTO_TCP, 443));
    assert_false(rules_shrink(without, with));
    assert_true(rules_shrink(with, without));
    rules_whole(with, &none_left, &whole);
    rules_change(without, with, &open);
    rules_change(with, without, &shut);
    rules_host_outside("eth3", &way, &host);
    rules_free(none);
    rules_free(without);
    rules_free(with);
    assert_golden("outside_whole", &whole);
    assert_golden("outside_open", &open);
    assert_golden("outside_shut", &shut);
    assert_golden("outside_host", &host);
}

static struct rules *compile_filtered(const struct filter *filters, size_t length, const struct rules *before)
{
    const struct host_farm farm = {.name = "acme/shop",
                                   .subnet = {0x0a000000U, 24},
                                   .gateway = 0x0a000001U,
                                   .members = members,
                                   .members_length = LENGTH(members),
                                   .rules = rules_list,
                                   .rules_length = LENGTH(rules_list),
                                   .filters = filters,
                                   .filters_length = length};
    struct rules *rules = NULL;
    struct error err;
    if (!rules_compile(&farm, HERE, NULL, before, &rules, &err)) fail_msg("%s", err.message);
    return rules;
}

static struct filter_rule rule_for(enum filter_action action, enum filter_direction direction,
                                   const char *from, int64_t protocol, const struct port_range *ports,
                                   size_t length)
{
    struct filter_rule rule = {.action = action,
                               .direction = direction,
                               .from = {.name = ""},
                               .to = {.name = ""},
                               .protocol = protocol,
                               .ports = ports,
                               .ports_length = length};
    if (from == NULL) return rule;
    rule.from.kind = ENDPOINT_PREFIX;
    if (address_parse(from, &rule.from.prefix)) return rule;
    rule.from.kind = text_equal(from, "internet")    ? ENDPOINT_INTERNET
                     : text_equal(from, "acme/shop") ? ENDPOINT_FARM
                     : text_ends(from, "-1")         ? ENDPOINT_INSTANCE
                                                     : ENDPOINT_TIER;
    rule.from.name = from;
    return rule;
}

/* Runs of one shape are one set, families and names are told apart, what overlaps lies in layers, what is
 * covered is left out; and what does not change is not said again. */
static void test_filters(void **state)
{
    const struct port_range web[] = {{80, 80}, {443, 443}}, wide[] = {{8000, 8099}, {8050, 8200}};
    const struct filter_rule outer[] = {
        rule_for(FILTER_DENY, FILTER_IN, "10.0.0.0/28", IPPROTO_TCP, web, 2),
        rule_for(FILTER_DENY, FILTER_IN, "10.0.0.8/29", IPPROTO_TCP, web, 1),    /* covered */
        rule_for(FILTER_DENY, FILTER_IN, "10.0.0.0/8", IPPROTO_TCP, &web[1], 1), /* covers */
        rule_for(FILTER_DENY, FILTER_IN, "2001:db8::/32", IPPROTO_TCP, web, 2),
        rule_for(FILTER_ALLOW, FILTER_BOTH, "acme/shop/web", IPPROTO_TCP, wide, 2),
        rule_for(FILTER_ALLOW, FILTER_BOTH, "acme/shop/db-1", IPPROTO_UDP, NULL, 0),
        rule_for(FILTER_ALLOW, FILTER_BOTH, "acme/shop/nobody", IPPROTO_UDP, NULL, 0),
        rule_for(FILTER_REJECT, FILTER_OUT, NULL, IPPROTO_SCTP, NULL, 0),
        rule_for(FILTER_DENY, FILTER_OUT, "internet", FILTER_PROTOCOL_ANY, NULL, 0),
        rule_for(FILTER_ALLOW, FILTER_BOTH, NULL, FILTER_PROTOCOL_ANY, NULL, 0),
        rule_for(FILTER_DENY, FILTER_BOTH, NULL, IPPROTO_ICMP, NULL, 0), /* never asked */
    };
    const struct filter_rule inner[] = {rule_for(FILTER_DENY, FILTER_IN, NULL, IPPROTO_TCP, web, 1)};
    struct filter filters[] = {
        {"outer", "landlord", "landlord/outer", "acme/shop", FILTER_DENY, outer, LENGTH(outer)},
        {"inner", "acme", "acme/inner", "acme/shop/db", FILTER_ALLOW, inner, 1},
    };
    CLEANUP_BUF struct buf come = {0};
    CLEANUP_BUF struct buf swap = {0};
    CLEANUP_BUF struct buf end = {0};
    struct rules *none = compile_filtered(filters, 0, NULL), *one = compile_filtered(filters, 1, none);
    struct rules *both = compile_filtered(filters, 2, one);
    rules_change(none, one, &come);
    rules_change(one, both, &swap);
    rules_change(both, none, &end);
    assert_true(rules_shrink(none, one));
    assert_true(rules_shrink(one, both));
    assert_false(rules_shrink(both, none));
    rules_free(one); /* what both took over from it stays */
    const struct rules_flow flow = {0x0a000002U, 0x0a000004U, IPPROTO_TCP, 40000, 80};
    assert_false(rules_pass(both, &flow));
    rules_free(none);
    rules_free(both);
    assert_golden("filters_come", &come);
    assert_golden("filters_swap", &swap);
    assert_golden("filters_end", &end);
}

/* What a driver counts, people can read. */
static void test_reasons_have_words(void **state)
{
    for (size_t i = 0; i < RULES_REASONS; i++)
        assert_non_null(denial_text(rules_reasons[i].reason));
    for (size_t i = 0; i < RULES_HOST_REASONS; i++)
        assert_non_null(denial_text(rules_host_reasons[i].reason));
    for (unsigned i = 0; i < denials_length; i++) {
        bool counted = false;
        for (size_t k = 0; k < RULES_REASONS; k++)
            counted |= strcmp(rules_reasons[k].reason, denials[i].reason) == 0;
        assert_true(counted);
    }
    assert_null(denial_text("nonsense"));
}

static void test_doubled(void **state)
{
    struct member twice[2] = {members[0], members[1]};
    struct host_farm farm = {
        .name = "acme/shop", .gateway = 0x0a000001U, .members = twice, .members_length = 2};
    struct rules *rules = NULL;
    struct error err;
    twice[1].mac = twice[0].mac;
    assert_false(rules_compile(&farm, HERE, NULL, NULL, &rules, &err));
    assert_int_equal(err.code, ERROR_INVALID);
    assert_string_equal(err.message, "farm acme/shop has the MAC 02:cf:0a:00:00:02 twice");
    twice[1] = members[1];
    twice[1].address = farm.gateway;
    assert_false(rules_compile(&farm, HERE, NULL, NULL, &rules, &err));
    assert_string_equal(err.message, "farm acme/shop has the address 10.0.0.1 twice");
    assert_null(rules);
}

static void test_underlay(void **state)
{
    CLEANUP_BUF struct buf text = {0};
    const uint32_t peers[] = {0xc0a80001U, 0xc0a80002U};
    rules_underlay(peers, LENGTH(peers), &text);
    assert_golden("underlay", &text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_whole),    cmocka_unit_test(test_change),
        cmocka_unit_test(test_pass),     cmocka_unit_test(test_doubled),
        cmocka_unit_test(test_outside),  cmocka_unit_test(test_reasons_have_words),
        cmocka_unit_test(test_underlay), cmocka_unit_test(test_filters),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
