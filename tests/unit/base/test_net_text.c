#include "base/text.h"

#include "check.h"

#include <arpa/inet.h>

static void addresses(void **state)
{
    uint32_t address = 77;
    static const char *const bad[] = {"",           "1.2.3",      "1.2.3.4.5", "1.2.3.4 ", " 1.2.3.4",
                                      "256.0.0.1",  "01.2.3.4",   "1..2.3",    "1.2.3.",   "a.b.c.d",
                                      "1.2.3.4/24", "1.2.3.0004", "-1.2.3.4"};
    for (size_t i = 0; i < LENGTH(bad); i++)
        if (text_parse_ipv4(bad[i], &address)) fail_msg("accepted: %s", bad[i]);
    assert_false(text_parse_ipv4(NULL, &address));
    assert_int_equal(address, 77);
    assert_true(text_parse_ipv4("10.0.0.255", &address));
    assert_int_equal(address, 0x0a0000ff);
    assert_true(text_parse_ipv4("255.255.255.255", &address));
    assert_int_equal(address, 0xffffffff);
}

static void addresses_are_those_of_the_library(void **state)
{
    uint64_t seed = 8;
    for (int i = 0; i < 20000; i++) {
        uint32_t address = (uint32_t)check_random(&seed);
        char out[32];
        struct in_addr theirs;
        assert_int_equal(inet_pton(AF_INET, text_format_ipv4(out, address), &theirs), 1);
        assert_int_equal(ntohl(theirs.s_addr), address);
        uint32_t back = 0;
        assert_true(text_parse_ipv4(out, &back));
        assert_int_equal(back, address);
    }
}

static void prefixes(void **state)
{
    uint32_t address = 77;
    unsigned bits = 77;
    static const char *const bad[] = {"10.0.0.0",    "10.0.0.0/",    "10.0.0.0/33",
                                      "10.0.0.0/08", "10.0.0.0/24 ", "10.0.0/24",
                                      "/24",         "10.0.0.0/-1",  "10.0.0.0/4294967296"};
    for (size_t i = 0; i < LENGTH(bad); i++)
        if (text_parse_ipv4_prefix(bad[i], &address, &bits)) fail_msg("accepted: %s", bad[i]);
    assert_int_equal(address, 77);
    assert_int_equal(bits, 77);
    assert_true(text_parse_ipv4_prefix("10.0.0.0/24", &address, &bits));
    assert_int_equal(address, 0x0a000000);
    assert_int_equal(bits, 24);
    assert_true(text_parse_ipv4_prefix("0.0.0.0/0", &address, &bits));
    assert_int_equal(bits, 0);
    assert_true(text_parse_ipv4_prefix("1.2.3.4/32", &address, &bits));
    assert_int_equal(bits, 32);
}

static void macs(void **state)
{
    char out[32];
    assert_string_equal(text_format_mac(out, 0x02000a0000ffULL), "02:00:0a:00:00:ff");
    assert_string_equal(text_format_mac(out, 0), "00:00:00:00:00:00");
    assert_string_equal(text_format_mac(out, UINT64_MAX), "ff:ff:ff:ff:ff:ff");
    assert_string_equal(text_format_mac(out, 0xdead123456789abcULL), "12:34:56:78:9a:bc");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(addresses),
        cmocka_unit_test(addresses_are_those_of_the_library),
        cmocka_unit_test(prefixes),
        cmocka_unit_test(macs),
    };
    return cmocka_run_group_tests_name("net_text", tests, NULL, NULL);
}
