#include "base/texts.h"

#include "check.h"

#include "base/text.h"

#include <stdio.h>
#include <string.h>

static void kept_once(void **state)
{
    CLEANUP_ARENA struct arena *arena = arena_new();
    CLEANUP(texts_freep) struct texts *texts = texts_new(arena);
    const char *first = texts_keep(texts, "web-1", 3);
    assert_string_equal(first, "web");
    assert_ptr_equal(texts_keep(texts, "web", 3), first);
    assert_ptr_not_equal(texts_keep(texts, "we", 2), first);
    assert_string_equal(texts_keep(texts, "", 0), "");
    const char *copy = texts_copy(texts, "web", 3);
    assert_string_equal(copy, "web");
    assert_ptr_not_equal(copy, first);
}

/* Odd sizes, more than the table begins with, and large ones: each stays what it was, with its note. */
static void many(void **state)
{
    enum { COUNT = 5000 };
    CLEANUP_ARENA struct arena *arena = arena_new();
    CLEANUP(texts_freep) struct texts *texts = texts_new(arena);
    CLEANUP_MEM const char **kept = mem_alloc_array(COUNT, sizeof(*kept));
    CLEANUP_MEM char *large = mem_alloc(100000);
    char text[32];
    memset(large, 'x', 99999);
    for (uint32_t i = 0; i < COUNT; i++) {
        int size = snprintf(text, sizeof(text), "%.*s%u", (int)(i % 7), "-------", i);
        kept[i] = texts_keep(texts, text, (size_t)size);
        assert_int_equal(texts_note(kept[i]), 0);
        texts_set_note(kept[i], i + 1);
        if (i % 5 == 0) texts_copy(texts, text, (size_t)size);
    }
    const char *one = texts_keep(texts, large, 99999);
    assert_ptr_equal(texts_keep(texts, large, 99999), one);
    assert_int_equal(strlen(one), 99999);
    for (uint32_t i = 0; i < COUNT; i++) {
        int size = snprintf(text, sizeof(text), "%.*s%u", (int)(i % 7), "-------", i);
        assert_string_equal(kept[i], text);
        assert_ptr_equal(texts_keep(texts, text, (size_t)size), kept[i]);
        assert_int_equal(texts_note(kept[i]), i + 1);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(kept_once), cmocka_unit_test(many)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
