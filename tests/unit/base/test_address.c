#include "check.h"

#include "base/address.h"
#include "base/attr.h"

static void texts_and_back(void **state)
{
    static const struct {
        const char *text, *canonical; /* NULL: it is no address */
    } rows[] = {
        {"10.0.0.9", "10.0.0.9"},
        {"10.0.0.9/32", "10.0.0.9"},
        {"10.0.0.0/28", "10.0.0.0/28"},
        {"0.0.0.0/0", "0.0.0.0/0"},
        {"2001:DB8:0:0::1", "2001:db8::1"},
        {"2001:db8::/32", "2001:db8::/32"},
        {"::/0", "::/0"},
        {"::ffff:1.2.3.4", "::ffff:1.2.3.4"},
        {"::1/128", "::1"},
        {"10.0.0.9/28", NULL},
        {"10.0.0.0/33", NULL},
        {"10.0.0", NULL},
        {"010.0.0.1", NULL},
        {"10.0.0.0/", NULL},
        {"10.0.0.0/+8", NULL},
        {"", NULL},
        {":", NULL},
        {"::/129", NULL},
        {"2001:db8::1/32", NULL},
        {"fe80::1%eth0", NULL},
        {"11111:22222:33333:44444:55555:66666:77777:88888:99999:00000:11111:22222", NULL},
    };
    for (size_t i = 0; i < LENGTH(rows); i++) {
        struct wide_prefix prefix;
        char text[ADDRESS_TEXT_SIZE];
        bool is_one = address_parse(rows[i].text, &prefix);
        if (is_one != (rows[i].canonical != NULL)) fail_msg("%s", rows[i].text);
        if (is_one) assert_string_equal(address_format(text, &prefix), rows[i].canonical);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(texts_and_back)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
