#include "replay/trace.h"

#include "base/text.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>
#include <zlib.h>

#include <cmocka.h>

#define HEAD "time_s,farm,requests_per_s\n"

static void rows_are_read_by_farm(void **state)
{
    struct arena *arena = arena_new();
    struct trace trace;
    struct error err;
    const char *text = HEAD "0,a/x,1.5\r\n0,b/y,2\n60,b/y,0\n60,a/x,10.25\n120,a/x,3\n120,b/y,4\n";

    if (!trace_read(arena, "t", text, strlen(text), &trace, &err)) fail_msg("%s", err.message);
    assert_int_equal(trace.length, 2);
    assert_int_equal(trace.step_ms, 60000);
    assert_int_equal(trace.rows, 3);
    assert_string_equal(trace.farms[0].name, "a/x");
    assert_true(trace.farms[0].rates[0] == 1.5 && trace.farms[0].rates[1] == 10.25);
    assert_true(trace.farms[1].rates[1] == 0 && trace.farms[1].rates[2] == 4);
    arena_free(arena);
}

static void a_byte_order_mark_is_passed_over(void **state)
{
    struct arena *arena = arena_new();
    struct trace trace;
    struct error err;
    const char *text = "\xef\xbb\xbf" HEAD "0,a/x,1\n60,a/x,2\n";

    if (!trace_read(arena, "t", text, strlen(text), &trace, &err)) fail_msg("%s", err.message);
    assert_int_equal(trace.rows, 2);
    arena_free(arena);
}

static void what_is_wrong_is_told_with_its_place(void **state)
{
    static const struct {
        const char *text, *words;
        unsigned line, column;
    } cases[] = {
        {"", "no rows", 1, 1},
        {"0,a/x,1\n", "expected the header line time_s,farm,requests_per_s", 1, 1},
        {"time,farm,rate\n0,a/x,1\n", "expected the header", 1, 1},
        {HEAD, "no rows", 2, 1},
        {HEAD "0,a/x\n", "3 columns", 2, 3},
        {HEAD "0,a/x,1,2\n", "3 columns", 2, 9},
        {HEAD "0,a/x,1\n\n60,a/x,1\n", "3 columns", 3, 1},
        {HEAD "0,a/x,NaN\n", "found \"NaN\"", 2, 7},
        {HEAD "0,a/x,inf\n", "found \"inf\"", 2, 7},
        {HEAD "0,a/x,-1\n", "found \"-1\"", 2, 7},
        {HEAD "0,a/x,1e3\n", "found \"1e3\"", 2, 7},
        {HEAD "0,a/x,\n", "found \"\"", 2, 7},
        {HEAD "0,a/x,.\n", "found \".\"", 2, 7},
        {HEAD "0,a/x,99999999999\n", "0 to 1e+09", 2, 7},
        {HEAD "zero,a/x,1\n", "a number of seconds", 2, 1},
        {HEAD "0,,1\n", "PARTY/FARM", 2, 3},
        {HEAD "0,a/x,1\n60,a/x,1\n180,a/x,1\n", "a gap: 180 s comes after 60 s (line 3) of a/x", 4, 1},
        {HEAD "0,a/x,1\n60,a/x,1\n30,a/x,1\n", "disorder", 4, 1},
        {HEAD "60,a/x,1\n0,a/x,1\n", "disorder", 3, 1},
        {HEAD "0,a/x,1\n0,a/x,1\n", "twice the same time", 3, 1},
        {HEAD "0,a/x,1\n60,a/x,1\n90,a/x,1\n", "too early", 4, 1},
        {HEAD "0,a/x,1\n0,a/x,1\n", "a row every so many seconds, at most 86400 s", 3, 1},
        {HEAD "0,a/x,1\n90000,a/x,1\n", "a gap: 90000 s", 3, 1},
        {HEAD "0,\"a/x\",1\n", "without quotes", 2, 3},
        {HEAD "0,a/\033[x,1\n", "without quotes", 2, 3},
        {HEAD "0,a/x,1\n0,b/y,1\n60,a/x,1\n", "a gap: b/y ends at 0 s, a/x at 60 s", 3, 1},
        {HEAD "0,a/x,1\n60,a/x,1\n60,b/y,1\n", "a gap: b/y begins at 60 s", 4, 1},
        {HEAD "0,a/x,1\n", "one row a farm", 2, 1},
    };

    for (size_t i = 0; i < LENGTH(cases); i++) {
        struct arena *arena = arena_new();
        struct trace trace;
        struct error err;
        if (trace_read(arena, "week.csv", cases[i].text, strlen(cases[i].text), &trace, &err))
            fail_msg("case %zu was read", i);
        if (!strstr(err.message, cases[i].words) || strchr(err.message, '\n'))
            fail_msg("case %zu: %s", i, err.message);
        if (err.line != cases[i].line || err.column != cases[i].column)
            fail_msg("case %zu: %u:%u", i, err.line, err.column);
        assert_string_equal(err.file, "week.csv");
        arena_free(arena);
    }
}

static size_t pack(const char *text, unsigned char *out, size_t size)
{
    z_stream stream = {0};
    assert_int_equal(deflateInit2(&stream, 6, Z_DEFLATED, 15 + 16, 8, Z_DEFAULT_STRATEGY), Z_OK);
    Bytef *copy = (Bytef *)mem_strdup(text);
    stream.next_in = copy;
    stream.avail_in = (uInt)strlen(text);
    stream.next_out = out;
    stream.avail_out = (uInt)size;
    assert_int_equal(deflate(&stream, Z_FINISH), Z_STREAM_END);
    deflateEnd(&stream);
    mem_free(copy);
    return size - stream.avail_out;
}

static void packed_or_not_is_the_same(void **state)
{
    unsigned char packed[1000];
    struct buf text = {0};
    struct error err;
    size_t size = pack(HEAD "0,a/x,1\n", packed, sizeof(packed));
    size += pack("60,a/x,2\n", packed + size, sizeof(packed) - size); /* a second member */

    assert_true(trace_unpack("t", packed, size, &text, &err));
    assert_string_equal(buf_text(&text), HEAD "0,a/x,1\n60,a/x,2\n");
    buf_clear(&text);
    assert_true(trace_unpack("t", "plain", 5, &text, &err));
    assert_string_equal(buf_text(&text), "plain");
    buf_free(&text);
}

/* Cut anywhere, or with any byte turned (but those of the header that say nothing): refused in one line. */
static void damaged_packing_is_refused(void **state)
{
    unsigned char packed[1000];
    struct error err;
    size_t size = pack(HEAD "0,a/x,1\n60,a/x,2\n120,a/x,3\n", packed, sizeof(packed));

    for (size_t cut = 3; cut < size; cut++) {
        struct buf text = {0};
        if (trace_unpack("week.csv.gz", packed, cut, &text, &err)) fail_msg("cut at %zu", cut);
        assert_true(text_starts(err.message, "week.csv.gz: damaged at byte "));
        buf_free(&text);
    }
    for (size_t at = 10; at < size; at++) {
        struct buf text = {0};
        packed[at] ^= 0x55;
        if (trace_unpack("week.csv.gz", packed, size, &text, &err)) fail_msg("byte %zu", at);
        packed[at] ^= 0x55;
        buf_free(&text);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rows_are_read_by_farm),
        cmocka_unit_test(a_byte_order_mark_is_passed_over),
        cmocka_unit_test(what_is_wrong_is_told_with_its_place),
        cmocka_unit_test(packed_or_not_is_the_same),
        cmocka_unit_test(damaged_packing_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
