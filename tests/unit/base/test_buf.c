#include "base/buf.h"
#include "base/mem.h"

#include "check.h"

#include <stdio.h>
#include <string.h>

static void starts_empty(void **state)
{
    struct buf buf = {0};
    assert_string_equal(buf_text(&buf), "");
    buf_add(&buf, NULL, 0);
    buf_consume(&buf, 0);
    buf_clear(&buf);
    assert_string_equal(buf_text(&buf), "");
    CLEANUP_MEM char *taken = buf_take(&buf);
    assert_string_equal(taken, "");
    buf_free(&buf);
}

static void adds_and_takes(void **state)
{
    CLEANUP_BUF struct buf buf = {0};
    buf_add_text(&buf, "one");
    buf_add_char(&buf, ' ');
    buf_printf(&buf, "%d%%", 100);
    buf_add(&buf, "\0x", 2);
    assert_int_equal(buf.size, 10);
    assert_memory_equal(buf.data, "one 100%\0x", 11);
    buf_clear(&buf);
    assert_string_equal(buf_text(&buf), "");
    buf_add_text(&buf, "two");
    CLEANUP_MEM char *taken = buf_take(&buf);
    assert_string_equal(taken, "two");
    assert_int_equal(buf.size, 0);
    assert_string_equal(buf_text(&buf), "");
}

/* Against a flat array that is large enough. */
static void behaves_as_a_byte_string(void **state)
{
    static char model[200000];
    size_t size = 0;
    CLEANUP_BUF struct buf buf = {0};
    uint64_t seed = 2;
    for (int step = 0; step < 5000; step++) {
        uint64_t draw = check_random(&seed);
        size_t some = (size_t)(draw >> 8) % 60;
        char bytes[64];
        memset(bytes, (int)('a' + draw % 26), sizeof(bytes));
        if (draw % 4 == 0 && size > 0) {
            size_t gone = some % (size + 1);
            memmove(model, model + gone, size - gone);
            size -= gone;
            buf_consume(&buf, gone);
        } else if (draw % 4 == 1) {
            size += (size_t)sprintf(model + size, "<%d>", step);
            buf_printf(&buf, "<%d>", step);
        } else {
            memcpy(model + size, bytes, some);
            size += some;
            buf_add(&buf, bytes, some);
        }
        assert_int_equal(buf.size, size);
        if (size == 0) continue;
        assert_memory_equal(buf.data, model, size);
        assert_int_equal(buf.data[size], 0);
        assert_true(buf.capacity > size);
    }
}

static void assert_json(const char *text, const char *expected)
{
    CLEANUP_BUF struct buf buf = {0};
    buf_add_json_string(&buf, text);
    assert_string_equal(buf_text(&buf), expected);
}

static void json_strings(void **state)
{
    assert_json(NULL, "null");
    assert_json("", "\"\"");
    assert_json("a\"b\\c/", "\"a\\\"b\\\\c/\"");
    assert_json("\n\r\t\x01\x1f\x7f", "\"\\n\\r\\t\\u0001\\u001f\x7f\"");
    assert_json("\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80", "\"\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80\"");
}

static void json_mends_what_is_not_utf8(void **state)
{
    assert_json("\xff", "\"\xef\xbf\xbd\"");
    assert_json("a\xc3", "\"a\xef\xbf\xbd\"");                               /* ends too early */
    assert_json("\xc0\xaf", "\"\xef\xbf\xbd\xef\xbf\xbd\"");                 /* overlong slash */
    assert_json("\xe0\x80\x80", "\"\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\""); /* overlong zero */
    assert_json("\xed\xa0\x80", "\"\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\""); /* surrogate */
    assert_json("\xf4\x90\x80", "\"\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\""); /* past U+10FFFF */
    assert_json("\xe2\x82\"", "\"\xef\xbf\xbd\xef\xbf\xbd\\\"\"");           /* the quote is not swallowed */
}

static void size_overflows(void)
{
    struct buf buf = {0};
    buf_add_char(&buf, 'x');
    buf_add(&buf, "y", SIZE_MAX);
}

static void consumes_too_much(void)
{
    struct buf buf = {0};
    buf_consume(&buf, 1);
}

static void misuse_aborts(void **state)
{
    check_aborts(size_overflows);
    check_aborts(consumes_too_much);
}

static void numbers(void **state)
{
    static const int64_t rows[] = {0, 1, -1, 9, 10, -10, 65535, INT64_MAX, INT64_MIN};
    for (size_t i = 0; i < LENGTH(rows); i++) {
        CLEANUP_BUF struct buf buf = {0}, right = {0};
        buf_add_int(&buf, rows[i]);
        buf_printf(&right, "%lld", (long long)rows[i]);
        assert_string_equal(buf_text(&buf), buf_text(&right));
    }
}

static void xml_text(void **state)
{
    CLEANUP_BUF struct buf buf = {0};
    buf_add_xml(&buf, "");
    assert_string_equal(buf_text(&buf), "");
    buf_add_xml(&buf, "a <b> & \"c\"\t\x01\r;\n\xc3\xa9 &amp;");
    assert_string_equal(buf_text(&buf), "a &lt;b&gt; &amp; &quot;c&quot;\t??;\n\xc3\xa9 &amp;amp;");
}

static void truncates(void **state)
{
    CLEANUP_BUF struct buf buf = {0};
    buf_truncate(&buf, 0);
    assert_string_equal(buf_text(&buf), "");
    buf_add_text(&buf, "one two");
    buf_truncate(&buf, 3);
    assert_string_equal(buf_text(&buf), "one");
    buf_add_text(&buf, "s");
    assert_string_equal(buf_text(&buf), "ones");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(starts_empty),  cmocka_unit_test(adds_and_takes),
        cmocka_unit_test(json_strings),  cmocka_unit_test(behaves_as_a_byte_string),
        cmocka_unit_test(misuse_aborts), cmocka_unit_test(json_mends_what_is_not_utf8),
        cmocka_unit_test(numbers),       cmocka_unit_test(truncates),
        cmocka_unit_test(xml_text),
    };
    return cmocka_run_group_tests_name("buf", tests, NULL, NULL);
}
