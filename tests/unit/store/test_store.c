/* Transactions, listings, history and limits. */
#include "harness.h"

#include "base/attr.h"
#include "base/mem.h"

#include <stdio.h>
#include <string.h>

static void test_put_get(struct fixture *fixture)
{
    struct store *store = fixture->store;
    assert_int_equal(store_revision(store), 0);
    assert_absent(store, "farm/a");
    assert_int_equal(put(store, "farm/a", "{\"x\":1}"), 1);
    assert_int_equal(put(store, "farm/b", ""), 2);
    assert_int_equal(put(store, "farm/a", "two"), 3);
    assert_int_equal(store_revision(store), 3);
    assert_value(store, "farm/b", "");
    struct store_item item;
    struct error err;
    assert_true(store_get(store, "farm/a", &item, &err));
    assert_string_equal(item.value, "two");
    assert_int_equal(item.revision, 3);
    assert_int_equal(item.create_revision, 1);
    store_item_free(&item);
}

static void test_delete(struct fixture *fixture)
{
    struct store *store = fixture->store;
    assert_int_equal(erase(store, "a"), 0); /* nothing changed: no revision */
    put(store, "a", "1");
    assert_int_equal(erase(store, "a"), 2);
    assert_absent(store, "a");
    assert_int_equal(erase(store, "a"), 2);
    put(store, "a", "again");
    struct store_item item;
    struct error err;
    assert_true(store_get(store, "a", &item, &err));
    assert_int_equal(item.create_revision, 3);
    store_item_free(&item);
}

static void test_compare(struct fixture *fixture)
{
    struct store *store = fixture->store;
    put(store, "a", "1");
    put(store, "b", "1");
    struct error err = {0};
    uint64_t revision = 77;
    struct store_op wrong[] = {{.kind = STORE_PUT, .key = "c", .value = "new"},
                               {.kind = STORE_COMPARE, .key = "a", .revision = 1},
                               {.kind = STORE_COMPARE, .key = "b", .revision = 1}};
    assert_false(store_txn(store, wrong, LENGTH(wrong), &revision, &err));
    assert_int_equal(err.code, ERROR_CONFLICT);
    assert_non_null(strstr(err.message, "b"));
    assert_int_equal(revision, 77);
    assert_int_equal(store_revision(store), 2);
    assert_absent(store, "c");

    struct store_op exists[] = {{.kind = STORE_COMPARE, .key = "a"}};
    assert_false(store_txn(store, exists, 1, NULL, &err));
    assert_int_equal(err.code, ERROR_CONFLICT);
    struct store_op missing[] = {{.kind = STORE_COMPARE, .key = "zzz", .revision = 1}};
    assert_false(store_txn(store, missing, 1, NULL, &err));
    assert_int_equal(err.code, ERROR_CONFLICT);

    /* Compares see the state before, also behind the write of the same key. */
    struct store_op right[] = {{.kind = STORE_PUT, .key = "c", .value = "new"},
                               {.kind = STORE_DELETE, .key = "a"},
                               {.kind = STORE_COMPARE, .key = "c"},
                               {.kind = STORE_COMPARE, .key = "a", .revision = 1}};
    assert_true(store_txn(store, right, LENGTH(right), &revision, &err));
    assert_int_equal(revision, 3);
    assert_keys(store, "", "b c ");

    struct store_op only[] = {{.kind = STORE_COMPARE, .key = "b", .revision = 2}};
    assert_true(store_txn(store, only, 1, &revision, &err));
    assert_int_equal(revision, 3);
    assert_true(store_txn(store, NULL, 0, &revision, &err));
    assert_int_equal(revision, 3);
}

static void test_list(struct fixture *fixture)
{
    struct store *store = fixture->store;
    const char *keys[] = {"b/2", "a", "b/10", "b", "b/1", "c", "b0", "b/\xff", "\xff\xff", "b/\xc3\xa9"};
    for (size_t i = 0; i < LENGTH(keys); i++)
        put(store, keys[i], "v");
    put(store, "b/3", "v");
    erase(store, "b/3");
    assert_keys(store, "b/", "b/1 b/10 b/2 b/\xc3\xa9 b/\xff ");
    assert_keys(store, "", "a b b/1 b/10 b/2 b/\xc3\xa9 b/\xff b0 c \xff\xff ");
    assert_keys(store, "\xff", "\xff\xff ");
    assert_keys(store, "zz", "");
    struct {
        const char *prefix;
        const char *after;
        size_t limit;
        const char *expected;
    } pages[] = {{"b/", NULL, 2, "b/1 b/10 "}, {"b/", "b/10", 2, "b/2 b/\xc3\xa9 "},
                 {"b/", "a", 1, "b/1 "},       {"b/", "b/11", 1, "b/2 "},
                 {"b/", "b0", 0, ""},          {"b/", "zz", 0, ""},
                 {"", "b0", 0, "c \xff\xff "}, {"b", "", 1, "b "},
                 {"b", "b", 1, "b/1 "}};
    for (size_t i = 0; i < LENGTH(pages); i++) {
        char *found = list_keys(store, pages[i].prefix, pages[i].after, pages[i].limit);
        assert_string_equal(found, pages[i].expected);
        mem_free(found);
    }
    struct vec items;
    struct error err;
    put(store, "b/1", "changed");
    assert_true(store_list(store, "b/1", NULL, 1, &items, &err));
    struct store_item *item = vec_at(&items, 0);
    assert_string_equal(item->value, "changed");
    assert_int_equal(item->create_revision, 5);
    assert_int_equal(item->revision, store_revision(store));
    store_items_free(&items);
}

static void assert_at(struct store *store, const char *key, uint64_t revision, const char *value)
{
    struct store_item item;
    struct error err;
    bool found = store_get_at(store, key, revision, &item, &err);
    assert_int_equal(found, value != NULL);
    if (!found) {
        assert_int_equal(err.code, ERROR_NOT_FOUND);
        return;
    }
    assert_string_equal(item.value, value);
    assert_true(item.revision <= revision);
    store_item_free(&item);
}

static void test_history(struct fixture *fixture)
{
    struct store *store = fixture->store;
    put(store, "a", "1"); /* 1 */
    put(store, "b", "1"); /* 2 */
    put(store, "a", "2"); /* 3 */
    erase(store, "a");    /* 4 */
    put(store, "a", "3"); /* 5 */
    erase(store, "b");    /* 6 */
    const char *a[] = {NULL, "1", "1", "2", NULL, "3", "3", "3"};
    const char *b[] = {NULL, NULL, "1", "1", "1", "1", NULL, NULL};
    for (uint64_t revision = 0; revision < LENGTH(a); revision++) {
        assert_at(store, "a", revision, a[revision]);
        assert_at(store, "b", revision, b[revision]);
    }
    assert_at(store, "a", UINT64_MAX, "3");

    struct error err;
    assert_false(store_compact(store, 7, &err));
    assert_int_equal(err.code, ERROR_INVALID);
    uint64_t steps[] = {0, 2, 4, 3, 5, 6};
    uint64_t begin = 0;
    for (size_t i = 0; i < LENGTH(steps); i++) {
        assert_true(store_compact(store, steps[i], &err));
        if (steps[i] > begin) begin = steps[i];
        for (uint64_t revision = 0; revision < LENGTH(a); revision++) {
            assert_at(store, "a", revision, revision < begin ? NULL : a[revision]);
            assert_at(store, "b", revision, revision < begin ? NULL : b[revision]);
        }
    }
    assert_int_equal(store_revision(store), 6);
    assert_keys(store, "", "a ");
    if (!fixture->durable) return;
    reopen(fixture);
    assert_int_equal(store_revision(fixture->store), 6); /* though its last change was a deletion */
    assert_at(fixture->store, "a", 5, NULL);
    assert_at(fixture->store, "a", 6, "3");
}

static char *text_of(char c, size_t size)
{
    char *text = mem_alloc(size + 1);
    memset(text, c, size);
    return text;
}

static void assert_refused(struct store *store, const struct store_op *ops, size_t length,
                           enum error_code code)
{
    struct error err = {0};
    uint64_t before = store_revision(store);
    assert_false(store_txn(store, ops, length, NULL, &err));
    assert_int_equal(err.code, code);
    assert_int_equal(store_revision(store), before);
}

static void test_limits(struct fixture *fixture)
{
    struct store *store = fixture->store;
    char *key = text_of('k', STORE_KEY_SIZE_MAX);
    char *key_over = text_of('k', STORE_KEY_SIZE_MAX + 1);
    char *value = text_of('v', STORE_VALUE_SIZE_MAX);
    char *value_over = text_of('v', STORE_VALUE_SIZE_MAX + 1);
    put(store, key, value);
    assert_value(store, key, value);
    struct store_op long_key = {.kind = STORE_PUT, .key = key_over, .value = ""};
    struct store_op long_compare = {.kind = STORE_COMPARE, .key = key_over};
    struct store_op long_value = {.kind = STORE_PUT, .key = "a", .value = value_over};
    struct store_op no_key = {.kind = STORE_PUT, .key = "", .value = ""};
    struct store_op twice[] = {{.kind = STORE_PUT, .key = "a", .value = ""},
                               {.kind = STORE_DELETE, .key = "a"}};
    struct store_op no_lease = {.kind = STORE_PUT, .key = "a", .value = "", .lease = 9};
    assert_refused(store, &long_key, 1, ERROR_TOO_LARGE);
    assert_refused(store, &long_compare, 1, ERROR_TOO_LARGE);
    assert_refused(store, &long_value, 1, ERROR_TOO_LARGE);
    assert_refused(store, &no_key, 1, ERROR_INVALID);
    assert_refused(store, twice, LENGTH(twice), ERROR_INVALID);
    assert_refused(store, &no_lease, 1, ERROR_NOT_FOUND);
    assert_absent(store, "a");
    mem_free(key);
    mem_free(key_over);
    mem_free(value);
    mem_free(value_over);
}

static void test_many_ops(struct fixture *fixture)
{
    struct store *store = fixture->store;
    size_t length = STORE_OPS_LENGTH_MAX + 1;
    struct store_op *ops = mem_alloc_array(length, sizeof(*ops));
    for (size_t i = 0; i < length; i++)
        ops[i] = (struct store_op){.kind = STORE_PUT, .key = mem_printf("key/%05zu", i), .value = "v"};
    assert_refused(store, ops, length, ERROR_TOO_LARGE);
    struct error err;
    uint64_t revision;
    assert_true(store_txn(store, ops, length - 1, &revision, &err));
    assert_int_equal(revision, 1);
    struct vec items;
    assert_true(store_list(store, "key/", NULL, 0, &items, &err));
    assert_int_equal(items.length, length - 1);
    store_items_free(&items);
    for (size_t i = 0; i < length; i++) {
        CLEANUP_MEM char *key = NULL;
        memcpy(&key, &ops[i].key, sizeof(key)); /* ours, only const in the op */
    }
    mem_free(ops);
}

static void test_close_null(struct fixture *fixture)
{
    store_close(NULL);
    struct store_item item = {0};
    store_item_free(&item);
    struct vec items = VEC_OF(struct store_item);
    store_items_free(&items);
}

int main(void)
{
    static const struct test_case cases[] = {
        {"put and get", test_put_get},      {"delete", test_delete},
        {"compare", test_compare},          {"list", test_list},
        {"history", test_history},          {"limits", test_limits},
        {"many operations", test_many_ops}, {"free nothing", test_close_null},
    };
    return run_over_providers("store", cases, LENGTH(cases));
}
