/* What tenants' contacts do not reach. */
#include "check.h"

#include "base/mem.h"
#include "os/post_near.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <string.h>

static bool is(const struct near *near, const char *text)
{
    struct sockaddr_in v4 = {.sin_family = AF_INET};
    struct sockaddr_in6 v6 = {.sin6_family = AF_INET6};

    if (inet_pton(AF_INET, text, &v4.sin_addr) == 1) return near_is(near, (const struct sockaddr *)&v4);
    assert_int_equal(inet_pton(AF_INET6, text, &v6.sin6_addr), 1);
    return near_is(near, (const struct sockaddr *)&v6);
}

static void near_and_far(void **state)
{
    static const char *const near_ones[] = {"0.0.0.0",
                                            "0.1.2.3",
                                            "10.90.0.1",
                                            "100.64.0.1",
                                            "127.0.0.1",
                                            "127.255.255.255",
                                            "169.254.169.254",
                                            "172.16.0.1",
                                            "172.31.255.255",
                                            "192.168.1.1",
                                            "198.18.0.1",
                                            "224.0.0.1",
                                            "255.255.255.255",
                                            "::",
                                            "::1",
                                            "fe80::1",
                                            "fec0::1",
                                            "fd00:ec2::254",
                                            "ff02::1",
                                            "::ffff:127.0.0.1",
                                            "::ffff:10.0.0.1",
                                            "::169.254.169.254",
                                            "64:ff9b::a9fe:a9fe",
                                            "64:ff9b:1::7f00:1",
                                            "2002:7f00:1::1",
                                            "2002:a00:1::",
                                            "2001:0:4136:e378::"};
    static const char *const far_ones[] = {
        "1.1.1.1",         "9.255.255.255",  "11.0.0.0",         "100.63.255.255", "100.128.0.0",
        "128.0.0.1",       "172.15.0.1",     "172.32.0.0",       "192.167.0.1",    "223.255.255.255",
        "2606:4700::1111", "::ffff:1.1.1.1", "64:ff9b::101:101", "2002:101:101::1"};
    const struct near none = {0};
    for (size_t i = 0; i < LENGTH(near_ones); i++)
        if (!is(&none, near_ones[i])) fail_msg("%s is taken for far", near_ones[i]);
    for (size_t i = 0; i < LENGTH(far_ones); i++)
        if (is(&none, far_ones[i])) fail_msg("%s is taken for near", far_ones[i]);
    struct sockaddr other = {.sa_family = AF_UNIX};
    assert_true(near_is(&none, &other));
}

static void allowed_and_links(void **state)
{
    struct wide_prefix reach[2], links[2];
    const struct near near = {reach, 2, links, 2};

    assert_true(address_parse("127.0.0.2", &reach[0]) && address_parse("fd00:1::/32", &reach[1]));
    assert_true(address_parse("8.8.8.0/25", &links[0]) && address_parse("2606:4700::/36", &links[1]));
    assert_false(is(&near, "127.0.0.2"));
    assert_false(is(&near, "::ffff:127.0.0.2"));
    assert_true(is(&near, "127.0.0.3"));
    assert_false(is(&near, "fd00:1::9"));
    assert_true(is(&near, "fd00:2::9"));
    assert_true(is(&near, "8.8.8.127"));
    assert_true(is(&near, "::ffff:8.8.8.8"));
    assert_false(is(&near, "8.8.8.128"));
    assert_true(is(&near, "2606:4700:f::1"));
    assert_false(is(&near, "2606:4700:1000::1"));
}

static void links_of_this_machine(void **state)
{
    struct wide_prefix links[NEAR_LINKS_MAX];
    size_t length = near_links(links);
    bool loopback = false;

    assert_true(length <= NEAR_LINKS_MAX);
    for (size_t i = 0; i < length; i++)
        loopback |= links[i].family == FAMILY_IPV4 && links[i].address[0] == 127 && links[i].bits == 8;
    assert_true(loopback || length == 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(near_and_far), cmocka_unit_test(allowed_and_links),
                                       cmocka_unit_test(links_of_this_machine)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
