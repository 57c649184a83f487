#include "base/text.h"

#include "check.h"

#include <limits.h>
#include <string.h>

static void comparisons(void **state)
{
    assert_true(text_equal(NULL, NULL));
    assert_false(text_equal(NULL, ""));
    assert_false(text_equal("", NULL));
    assert_true(text_equal("a", "a"));
    assert_false(text_equal("a", "ab"));
    assert_true(text_starts("party/farm", "party/"));
    assert_true(text_starts("x", ""));
    assert_false(text_starts("par", "party"));
    assert_true(text_ends("a.yaml", ".yaml"));
    assert_false(text_ends("yaml", ".yaml"));
    assert_true(text_ends("x", ""));
}

static void natural_order(void **state)
{
    static const char *const sorted[] = {"",
                                         "/",
                                         "0",
                                         "1",
                                         "2",
                                         "10",
                                         "a",
                                         "a1",
                                         "a01",
                                         "a1b",
                                         "a2",
                                         "a10",
                                         "web",
                                         "web-2",
                                         "web-10",
                                         "web-10-1",
                                         "web-18446744073709551616",
                                         "web-a",
                                         "\xc3\xa9"};
    for (size_t i = 0; i < LENGTH(sorted); i++) {
        for (size_t j = 0; j < LENGTH(sorted); j++) {
            int order = text_compare_natural(sorted[i], sorted[j]);
            int expected = i < j ? -1 : i > j ? 1 : 0;
            /* "a01" and "a1" are equal in value; the byte order decides. */
            if ((i == 7 && j == 8) || (i == 8 && j == 7)) expected = -expected;
            assert_int_equal(order, expected);
        }
    }
}

/* Any three texts: antisymmetric and transitive, or sorting would depend on the input's order. */
static void natural_order_is_an_order(void **state)
{
    uint64_t seed = 5;
    for (int round = 0; round < 20000; round++) {
        char texts[3][6];
        for (size_t i = 0; i < 3; i++) {
            size_t length = check_random(&seed) % 5;
            for (size_t j = 0; j < length; j++)
                texts[i][j] = "01a-"[check_random(&seed) % 4];
            texts[i][length] = '\0';
        }
        int ab = text_compare_natural(texts[0], texts[1]);
        int bc = text_compare_natural(texts[1], texts[2]);
        int ac = text_compare_natural(texts[0], texts[2]);
        assert_int_equal(ab, -text_compare_natural(texts[1], texts[0]));
        assert_int_equal(ab == 0, strcmp(texts[0], texts[1]) == 0);
        if (ab <= 0 && bc <= 0) assert_true(ac <= 0);
    }
}

static void names(void **state)
{
    char name[66];
    memset(name, 'a', sizeof(name));
    name[63] = '\0';
    assert_true(text_is_name(name));
    name[63] = 'a';
    name[64] = '\0';
    assert_false(text_is_name(name));
    static const char *const good[] = {"a", "0", "web-1", "a--b", "9z"};
    static const char *const bad[] = {"", "-", "-a", "a-", "A", "a_b", "a.b", "a/b", "a b", "\xc3\xa9"};
    for (size_t i = 0; i < LENGTH(good); i++)
        assert_true(text_is_name(good[i]));
    for (size_t i = 0; i < LENGTH(bad); i++)
        assert_false(text_is_name(bad[i]));
    assert_false(text_is_name(NULL));
}

static void assert_nearest(const char *wrong, const char *expected)
{
    static const char *const keys[] = {"kind",    "name",       "memory", "disk",
                                       "network", "guaranteed", "names",  "x"};
    const char *found = text_nearest(wrong, keys, LENGTH(keys));
    if (expected == NULL)
        assert_null(found);
    else {
        assert_non_null(found);
        assert_string_equal(found, expected);
    }
}

static void nearest_spelling(void **state)
{
    assert_nearest("memroy", "memory"); /* a swap is one edit */
    assert_nearest("memory", "memory");
    assert_nearest("nams", "name");    /* "names" is as near, but later */
    assert_nearest("namess", "names"); /* nearer than "name" */
    assert_nearest("guarantee", "guaranteed");
    assert_nearest("garanted", "guaranteed"); /* two of eight */
    assert_nearest("granted", NULL);          /* three of seven are more than a third */
    assert_nearest("net", NULL);
    assert_nearest("y", "x");
    assert_nearest("", "x");
    assert_nearest("dsik", "disk");
    assert_nearest("iknd", "kind"); /* a swap at the very front */
    assert_nearest("kidn", "kind");
    assert_nearest("nmea", NULL);
    assert_null(text_nearest("a", NULL, 0));
}

static void whole_numbers(void **state)
{
    uint64_t value = 77;
    static const char *const bad[] = {"",
                                      "-1",
                                      "+1",
                                      " 1",
                                      "1 ",
                                      "1x",
                                      "0x1",
                                      "1.0",
                                      "18446744073709551616",
                                      "99999999999999999999",
                                      "184467440737095516150"};
    for (size_t i = 0; i < LENGTH(bad); i++)
        assert_false(text_parse_u64(bad[i], &value));
    assert_false(text_parse_u64(NULL, &value));
    assert_int_equal(value, 77);
    assert_true(text_parse_u64("0", &value));
    assert_int_equal(value, 0);
    assert_true(text_parse_u64("18446744073709551615", &value));
    assert_true(value == UINT64_MAX);
}

static void hex_digits(void **state)
{
    static const char digits[] = "0123456789abcdef", large[] = "0123456789ABCDEF";
    for (int c = CHAR_MIN; c <= CHAR_MAX; c++) {
        const char *small_at = c ? strchr(digits, c) : NULL;
        const char *large_at = c ? strchr(large, c) : NULL;
        long wanted = small_at ? small_at - digits : large_at ? large_at - large : -1;
        assert_int_equal(text_hex_digit((char)c), wanted);
    }
}

static void check_query(const char *query, const char *name, const char *wanted)
{
    size_t size = 77;
    const char *value = text_query(query, name, &size);
    if (!wanted) {
        assert_null(value);
        assert_int_equal(size, 77);
        return;
    }
    assert_non_null(value);
    assert_int_equal(size, strlen(wanted));
    assert_memory_equal(value, wanted, size);
}

static void queries(void **state)
{
    check_query("a=1&ab=2&b=", "a", "1");
    check_query("a=1&ab=2&b=", "ab", "2");
    check_query("a=1&ab=2&b=", "b", "");
    check_query("a=1&ab=2&b=", "c", NULL);
    check_query("x&&a&b=1=2&b=3", "a", "");
    check_query("x&&a&b=1=2&b=3", "b", "1=2");
    check_query("x=a=1", "a", NULL);
    check_query("", "a", NULL);
}

static void secrets(void **state)
{
    assert_true(text_equal_secret("abc", "abc"));
    assert_true(text_equal_secret("", ""));
    assert_false(text_equal_secret("abc", "abd"));
    assert_false(text_equal_secret("abc", "ab"));
    assert_false(text_equal_secret("abc", "abcd"));
    assert_false(text_equal_secret("abc", ""));
    assert_false(text_equal_secret("", "a"));
}

/* Vectors from the authors' page. */
static void hash_is_fnv1a(void **state)
{
    assert_true(text_hash(TEXT_HASH_SEED, "", 0) == 0xcbf29ce484222325ULL);
    assert_true(text_hash(TEXT_HASH_SEED, "a", 1) == 0xaf63dc4c8601ec8cULL);
    assert_true(text_hash(TEXT_HASH_SEED, "foobar", 6) == 0x85944171f73967e8ULL);
    assert_true(text_hash(text_hash(TEXT_HASH_SEED, "foo", 3), "bar", 3) == 0x85944171f73967e8ULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(comparisons),   cmocka_unit_test(natural_order),
        cmocka_unit_test(names),         cmocka_unit_test(natural_order_is_an_order),
        cmocka_unit_test(whole_numbers), cmocka_unit_test(nearest_spelling),
        cmocka_unit_test(hash_is_fnv1a), cmocka_unit_test(hex_digits),
        cmocka_unit_test(queries),       cmocka_unit_test(secrets),
    };
    return cmocka_run_group_tests_name("text", tests, NULL, NULL);
}
