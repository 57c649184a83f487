#include "base/mem.h"

#include "check.h"

#include <stdalign.h>
#include <string.h>

static void memory_is_zeroed(void **state)
{
    CLEANUP_MEM unsigned char *bytes = mem_alloc(1000);
    for (size_t i = 0; i < 1000; i++)
        assert_int_equal(bytes[i], 0);
    CLEANUP_MEM uint64_t *numbers = mem_alloc_array(10, sizeof(*numbers));
    assert_int_equal(numbers[9], 0);
    CLEANUP_MEM void *nothing = mem_alloc(0);
    assert_non_null(nothing);
    mem_free(NULL);
}

static void growing_keeps_what_was_there(void **state)
{
    char *text = mem_strdup("hello");
    text = mem_realloc_array(text, 1000, 10);
    assert_string_equal(text, "hello");
    mem_free(text);
    CLEANUP_MEM char *fresh = mem_realloc_array(NULL, 0, 8);
    assert_non_null(fresh);
}

static void copies_of_text(void **state)
{
    assert_null(mem_strdup(NULL));
    CLEANUP_MEM char *cut = mem_strndup("hello", 3);
    assert_string_equal(cut, "hel");
    CLEANUP_MEM char *whole = mem_strndup("hello", 99);
    assert_string_equal(whole, "hello");
    CLEANUP_MEM char *printed = mem_printf("%s-%d", "web", 12);
    assert_string_equal(printed, "web-12");
    const char unended[3] = {'a', 'b', 'c'};
    CLEANUP_MEM char *bounded = mem_strndup(unended, sizeof(unended));
    assert_string_equal(bounded, "abc");
}

static void array_overflows(void)
{
    mem_free(mem_alloc_array(SIZE_MAX / 2 + 1, 2));
}

static void realloc_overflows(void)
{
    mem_free(mem_realloc_array(NULL, SIZE_MAX / 3, 4));
}

static void arena_overflows(void)
{
    struct arena *arena = arena_new();
    arena_alloc_array(arena, SIZE_MAX / 2 + 1, 2);
}

static void arena_padding_overflows(void)
{
    struct arena *arena = arena_new();
    arena_alloc(arena, SIZE_MAX - 1);
}

static void overflow_aborts(void **state)
{
    check_aborts(array_overflows);
    check_aborts(realloc_overflows);
    check_aborts(arena_overflows);
    check_aborts(arena_padding_overflows);
}

/* Every piece is zeroed, aligned, and keeps its bytes whatever is allocated after it. */
static void arena_pieces_do_not_overlap(void **state)
{
    enum { COUNT = 3000 };
    CLEANUP_ARENA struct arena *arena = arena_new();
    static unsigned char *pieces[COUNT];
    static size_t sizes[COUNT];
    uint64_t seed = 1;
    size_t total = 0;
    for (size_t i = 0; i < COUNT; i++) {
        sizes[i] = check_random(&seed) % (i % 50 == 0 ? 20000 : 100);
        pieces[i] = arena_alloc(arena, sizes[i]);
        total += sizes[i];
        assert_int_equal((uintptr_t)pieces[i] % alignof(max_align_t), 0);
        for (size_t j = 0; j < sizes[i]; j++)
            assert_int_equal(pieces[i][j], 0);
        memset(pieces[i], (int)(i % 251), sizes[i]);
    }
    assert_int_equal(arena_size(arena), total);
    for (size_t i = 0; i < COUNT; i++)
        for (size_t j = 0; j < sizes[i]; j++)
            assert_int_equal(pieces[i][j], i % 251);
}

static void arena_text(void **state)
{
    CLEANUP_ARENA struct arena *arena = arena_new();
    assert_null(arena_strdup(arena, NULL));
    assert_string_equal(arena_strdup(arena, "abc"), "abc");
    assert_string_equal(arena_strndup(arena, "abc", 2), "ab");
    assert_string_equal(arena_printf(arena, "%05d", 42), "00042");
    assert_int_equal(arena_size(arena), 4 + 3 + 6);
    for (int length = 250; length < 260; length++) { /* formatted at once, or not */
        const char *text = arena_printf(arena, "%*s!", length, "x");
        assert_int_equal(strlen(text), length + 1);
        assert_string_equal(text + length - 1, "x!");
    }
    arena_free(NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(memory_is_zeroed), cmocka_unit_test(growing_keeps_what_was_there),
        cmocka_unit_test(copies_of_text),   cmocka_unit_test(overflow_aborts),
        cmocka_unit_test(arena_text),       cmocka_unit_test(arena_pieces_do_not_overlap),
    };
    return cmocka_run_group_tests_name("mem", tests, NULL, NULL);
}
