#include "base/vec.h"

#include "check.h"

#include <string.h>

struct item {
    int key;
    int place; /* where it stood before sorting */
    char filler[5];
};

static int compare_items(const void *a, const void *b)
{
    const struct item *x = a;
    const struct item *y = b;
    return x->key < y->key ? -1 : x->key > y->key ? 1 : 0;
}

static void behaves_as_an_array(void **state)
{
    enum { MOST = 5000 };
    static int model[MOST];
    size_t length = 0;
    struct vec vec = VEC_OF(int);
    uint64_t seed = 3;
    for (int step = 0; step < MOST; step++) {
        uint64_t draw = check_random(&seed);
        if (draw % 3 != 0 || length == 0) {
            int *item = vec_push(&vec);
            assert_int_equal(*item, 0);
            *item = model[length++] = step + 1;
        } else if (draw % 300 == 0) {
            vec_clear(&vec);
            length = 0;
        } else {
            size_t at = (size_t)(draw >> 16) % length;
            vec_remove(&vec, at);
            memmove(&model[at], &model[at + 1], (length - at - 1) * sizeof(model[0]));
            length--;
        }
        assert_int_equal(vec.length, length);
        if (length > 0) assert_memory_equal(vec.items, model, length * sizeof(model[0]));
    }
    vec_free(&vec);
    assert_int_equal(vec.length, 0);
    assert_null(vec.items);
    *(int *)vec_push(&vec) = 5;
    assert_int_equal(*(int *)vec_at(&vec, 0), 5);
    vec_free(&vec);
    vec_free(&vec);
}

/* Against insertion sort, whose stability is plain to see. */
static void sorts_stably(void **state)
{
    uint64_t seed = 4;
    for (size_t length = 0; length < 130; length++) {
        struct vec vec = VEC_OF(struct item);
        struct item model[130];
        memset(model, 0, sizeof(model));
        for (size_t i = 0; i < length; i++) {
            struct item *item = vec_push(&vec);
            bool is_nearly_sorted = length % 3 == 0;
            item->key = (int)(check_random(&seed) % 20);
            if (is_nearly_sorted) item->key = (int)i / 4 + (item->key == 0 ? 3 : 0);
            item->place = (int)i;
            size_t at = i;
            for (; at > 0 && model[at - 1].key > item->key; at--)
                model[at] = model[at - 1];
            model[at] = *item;
        }
        vec_sort(&vec, compare_items);
        for (size_t i = 0; i < length; i++) {
            const struct item *item = vec_at(&vec, i);
            assert_int_equal(item->key, model[i].key);
            assert_int_equal(item->place, model[i].place);
        }
        vec_free(&vec);
    }
    array_sort(NULL, 0, sizeof(int), compare_items);
}

static void reads_past_the_end(void)
{
    struct vec vec = VEC_OF(int);
    vec_push(&vec);
    vec_at(&vec, 1);
}

static void removes_past_the_end(void)
{
    struct vec vec = VEC_OF(int);
    vec_remove(&vec, 0);
}

static void was_not_initialised(void)
{
    struct vec vec = {0};
    vec_push(&vec);
}

static void misuse_aborts(void **state)
{
    check_aborts(reads_past_the_end);
    check_aborts(removes_past_the_end);
    check_aborts(was_not_initialised);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(behaves_as_an_array),
        cmocka_unit_test(sorts_stably),
        cmocka_unit_test(misuse_aborts),
    };
    return cmocka_run_group_tests_name("vec", tests, NULL, NULL);
}
