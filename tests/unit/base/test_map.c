#include "base/attr.h"
#include "base/vec.h"

#include "check.h"

#include <stdio.h>
#include <string.h>

enum { KEYS = 300 };

/* The naive map: an array of keys in order of insertion, searched from the front. */
struct model {
    int keys[KEYS];
    void *values[KEYS];
    size_t length;
};

static size_t model_find(const struct model *model, int key)
{
    size_t at = 0;
    while (at < model->length && model->keys[at] != key)
        at++;
    return at;
}

static void model_remove(struct model *model, size_t at)
{
    memmove(&model->keys[at], &model->keys[at + 1], (model->length - at - 1) * sizeof(model->keys[0]));
    memmove(&model->values[at], &model->values[at + 1], (model->length - at - 1) * sizeof(model->values[0]));
    model->length--;
}

static void assert_same(const struct map *map, const struct model *model)
{
    assert_int_equal(map_length(map), model->length);
    size_t cursor = 0;
    const char *key = NULL;
    void *value = NULL;
    for (size_t i = 0; i < model->length; i++) {
        assert_true(map_next(map, &cursor, &key, &value));
        assert_int_equal(strtol(key + 4, NULL, 10), model->keys[i]);
        assert_ptr_equal(value, model->values[i]);
    }
    assert_false(map_next(map, &cursor, &key, &value));
}

static void step(struct map *map, struct model *model, uint64_t draw, bool mostly_remove)
{
    static int targets[1000];
    char name[32];
    int key = (int)(draw % KEYS);
    void *value = &targets[(draw >> 20) % 1000];
    snprintf(name, sizeof(name), "key-%d", key);
    size_t at = model_find(model, key);
    void *expected = at < model->length ? model->values[at] : NULL;
    assert_ptr_equal(map_get(map, name), expected);
    if ((draw >> 40) % 4 < (mostly_remove ? 3 : 1)) {
        assert_ptr_equal(map_remove(map, name), expected);
        if (expected != NULL) model_remove(model, at);
    } else {
        assert_ptr_equal(map_put(map, name, value), expected);
        if (expected == NULL) model->keys[model->length++] = key;
        model->values[at] = value;
    }
}

static void behaves_as_the_naive_one(void **state)
{
    for (uint64_t seed = 1; seed <= 10; seed++) {
        CLEANUP(map_freep) struct map *map = map_new();
        struct model model = {.length = 0};
        uint64_t random = seed;
        for (int i = 0; i < 4000; i++) {
            step(map, &model, check_random(&random), i / 500 % 2 == 1);
            if (i % 16 == 0) assert_same(map, &model);
        }
        assert_same(map, &model);
    }
}

static void entries_may_go_while_walking(void **state)
{
    CLEANUP(map_freep) struct map *map = map_new();
    int value = 0;
    for (int i = 0; i < 100; i++) {
        char name[32];
        snprintf(name, sizeof(name), "key-%d", i);
        map_put(map, name, &value);
    }
    size_t cursor = 0;
    int seen = 0;
    const char *key;
    while (map_next(map, &cursor, &key, NULL)) {
        assert_int_equal(strtol(key + 4, NULL, 10), seen);
        if (seen % 3 != 0) assert_ptr_equal(map_remove(map, key), &value);
        seen++;
    }
    assert_int_equal(seen, 100);
    assert_int_equal(map_length(map), 34);
}

static void a_key_put_again_goes_last(void **state)
{
    CLEANUP(map_freep) struct map *map = map_new();
    int value = 0;
    map_put(map, "a", &value);
    map_put(map, "b", &value);
    map_put(map, "a", &value);
    size_t cursor = 0;
    const char *key = NULL;
    assert_true(map_next(map, &cursor, &key, NULL));
    assert_string_equal(key, "a");
    map_remove(map, "a");
    map_put(map, "a", &value);
    cursor = 0;
    assert_true(map_next(map, &cursor, &key, NULL));
    assert_string_equal(key, "b");
    assert_null(map_get(map, ""));
    map_free(NULL);
}

/* A queue through the map must not grow without end: the tombstones are reused. */
static void tombstones_are_compacted(void **state)
{
    CLEANUP(map_freep) struct map *map = map_new();
    int value = 0;
    char name[32];
    for (int i = 0; i < 100000; i++) {
        snprintf(name, sizeof(name), "%d", i);
        map_put(map, name, &value);
        snprintf(name, sizeof(name), "%d", i - 2);
        map_remove(map, name);
    }
    assert_int_equal(map_length(map), 2);
    size_t cursor = 0;
    while (map_next(map, &cursor, NULL, NULL))
        continue;
    assert_true(cursor <= 8); /* the cursor is the place in the array of entries */
}

static void puts_nothing(void)
{
    map_put(map_new(), "a", NULL);
}

static void misuse_aborts(void **state)
{
    check_aborts(puts_nothing);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(behaves_as_the_naive_one),
        cmocka_unit_test(entries_may_go_while_walking),
        cmocka_unit_test(a_key_put_again_goes_last),
        cmocka_unit_test(tombstones_are_compacted),
        cmocka_unit_test(misuse_aborts),
    };
    return cmocka_run_group_tests_name("map", tests, NULL, NULL);
}
