/* What is pure: tables, JSON in place, server-sent events, base64. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "cli/base64.h"
#include "cli/span.h"
#include "cli/stream.h"
#include "cli/table.h"

#include <string.h>

static struct table *people(void)
{
    static const struct column columns[] = {{"NAME", COLUMN_TEXT, 0},
                                            {"STATE", COLUMN_STATE, 0},
                                            {"N", COLUMN_NUMBER, 1},
                                            {"REASON", COLUMN_PROSE, 2}};
    struct table *table = table_new(columns, 4);
    table_row(table, (const char *const[]){"älpha", "up", "7", "because it was asked for by somebody"});
    table_row(table, (const char *const[]){"b", "failed", "12", NULL});
    return table;
}

static void tables_fit(void **state)
{
    static const struct {
        size_t width;
        const char *text;
    } cases[] = {
        {0, "NAME   STATE    N  REASON\nälpha  up       7  because it was asked for by somebody\nb      "
            "failed  12  -\n"},
        {38, "NAME   STATE    N  REASON\nälpha  up       7  because it was ask…\nb      failed  12  -\n"},
        {14, "NAME   STATE\nälpha  up\nb      failed\n"},
    };
    struct table *table = people();
    for (size_t i = 0; i < LENGTH(cases); i++) {
        CLEANUP_BUF struct buf text = {0};
        table_print(table, &(struct style){.width = cases[i].width}, &text);
        assert_string_equal(buf_text(&text), cases[i].text);
    }
    table_free(table);
}

/* What a tenant wrote must not be obeyed by the landlord's terminal. */
static void terminals_are_safe(void **state)
{
    static const struct column columns[] = {{"TEXT", COLUMN_TEXT, 0}};
    CLEANUP_BUF struct buf text = {0};
    struct table *table = table_new(columns, 1);

    table_row(table, (const char *const[]){"a\033]0;own\007\n\tä\xc2\x9b"
                                           "2J\x7f\r"});
    table_print(table, &(struct style){0}, &text);
    assert_string_equal(buf_text(&text), "TEXT\na\\x1b]0;own\\x07\\n\\x09ä\\x9b2J\\x7f\\x0d\n");
    table_free(table);
}

static void states_have_colours(void **state)
{
    struct table *table = people();
    CLEANUP_BUF struct buf text = {0};

    table_print(table, &(struct style){.colour = true}, &text);
    assert_non_null(strstr(buf_text(&text), "\033[32mup\033[0m    "));
    assert_non_null(strstr(buf_text(&text), "\033[31mfailed\033[0m"));
    table_free(table);
}

static void json_is_taken_apart(void **state)
{
    static const char text[] =
        " [ {\"a\":\"x\\\"y\\u00e4\" , \"b\":{\"a\":[1,\"]\"]},\"c\":null,\"d\":-1.5}, 7 ] ";
    struct arena *arena = arena_new();
    struct span list = span_of(text, strlen(text)), item;
    size_t cursor = 0;

    assert_true(span_next(list, &cursor, &item));
    assert_string_equal(span_get_text(arena, item, "a"), "x\"yä");
    assert_string_equal(span_get_text(arena, item, "c"), "");
    assert_string_equal(span_get_text(arena, item, "d"), "-1.5");
    assert_string_equal(span_get_text(arena, item, "e"), "");
    assert_int_equal(span_get(span_get(item, "b"), "a").size, strlen("[1,\"]\"]"));
    assert_true(span_next(list, &cursor, &item));
    assert_string_equal(span_text(arena, item), "7");
    assert_false(span_next(list, &cursor, &item));
    /* Cut anywhere, it ends early and stays inside: the sanitizer watches. */
    for (size_t size = 0; size < strlen(text); size++) {
        char *cut = test_malloc(size + 1);
        memcpy(cut, text, size);
        list = span_of(cut, size);
        for (cursor = 0; span_next(list, &cursor, &item);)
            span_get_text(arena, item, "d");
        test_free(cut);
    }
    arena_free(arena);
}

static bool keep(void *ctx, const char *name, const char *data, size_t size)
{
    buf_printf(ctx, "%s=%.*s;", name, (int)size, data);
    return strncmp(data, "end", 3) != 0;
}

static void streams_come_in_pieces(void **state)
{
    static const char text[] =
        "event: put\nid: 1\ndata: {1}\n\n: alive\n\nevent: delete\ndata: end\n\nevent: put\ndata: x\n\n";
    CLEANUP_BUF struct buf seen = {0};
    struct stream stream = {.event = keep, .ctx = &seen};
    bool more = true;

    for (size_t i = 0; more && i < strlen(text); i++)
        more = stream_data(&stream, text + i, 1);
    assert_false(more);
    assert_string_equal(buf_text(&seen), "put={1};delete=end;");
    stream_free(&stream);
}

static void base64_is_read(void **state)
{
    static const char *const wrong[] = {"abc", "ab=c", "====", "a$bc"};
    CLEANUP_BUF struct buf bytes = {0};

    assert_true(base64_decode("", &bytes));
    assert_true(base64_decode("aGVsbG8=", &bytes));
    assert_true(base64_decode("IQ==", &bytes));
    assert_string_equal(buf_text(&bytes), "hello!");
    for (size_t i = 0; i < LENGTH(wrong); i++)
        assert_false(base64_decode(wrong[i], &bytes));
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(tables_fit),
                                       cmocka_unit_test(states_have_colours),
                                       cmocka_unit_test(terminals_are_safe),
                                       cmocka_unit_test(json_is_taken_apart),
                                       cmocka_unit_test(streams_come_in_pieces),
                                       cmocka_unit_test(base64_is_read)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
