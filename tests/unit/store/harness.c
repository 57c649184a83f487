#include "harness.h"

#include "base/attr.h"
#include "base/buf.h"
#include "base/mem.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct opener {
    const char *name; /* NULL: the test opens for itself */
    bool durable;
    struct store *(*open)(const char *path);
};

/* What a cmocka test starts with: which case over which provider. */
struct plan {
    const struct opener *opener;
    const struct test_case *test_case;
    struct fixture fixture;
};

static struct store *open_memory(const char *path);
static int run_over(const char *group, const struct opener *openers, size_t openers_length,
                    const struct test_case *cases, size_t length);
static int set_up(void **state);
static void run_case(void **state);
static int tear_down(void **state);

int run_over_providers(const char *group, const struct test_case *cases, size_t length)
{
    static const struct opener openers[] = {
        {"memory", false, open_memory},
        {"sqlite", true, open_sqlite},
    };
    return run_over(group, openers, LENGTH(openers), cases, length);
}

int run_with_directory(const char *group, const struct test_case *cases, size_t length)
{
    static const struct opener none = {NULL, false, NULL};
    return run_over(group, &none, 1, cases, length);
}

void renew(struct fixture *fixture)
{
    store_close(fixture->store);
    fixture->store = NULL;
    if (fixture->durable) assert_int_equal(unlink(fixture->path), 0);
    fixture->store = fixture->durable ? open_sqlite(fixture->path) : open_memory(fixture->path);
}

void reopen(struct fixture *fixture)
{
    assert_true(fixture->durable);
    store_close(fixture->store);
    fixture->store = NULL;
    fixture->store = open_sqlite(fixture->path);
}

uint64_t put(struct store *store, const char *key, const char *value)
{
    return put_leased(store, key, value, 0);
}

uint64_t put_leased(struct store *store, const char *key, const char *value, uint64_t lease)
{
    struct store_op op = {.kind = STORE_PUT, .key = key, .value = value, .lease = lease};
    struct error err;
    uint64_t revision;
    if (!store_txn(store, &op, 1, &revision, &err)) fail_msg("put %s: %s", key, err.message);
    return revision;
}

uint64_t erase(struct store *store, const char *key)
{
    struct store_op op = {.kind = STORE_DELETE, .key = key};
    struct error err;
    uint64_t revision;
    if (!store_txn(store, &op, 1, &revision, &err)) fail_msg("delete %s: %s", key, err.message);
    return revision;
}

void dispatch(struct store *store)
{
    struct error err;
    if (!store_dispatch(store, &err)) fail_msg("dispatch: %s", err.message);
}

struct store *open_sqlite(const char *path)
{
    struct store *store = NULL;
    struct error err;
    if (!store_open_sqlite(path, &store, &err)) fail_msg("open: %s", err.message);
    return store;
}

void assert_absent(struct store *store, const char *key)
{
    struct store_item item;
    struct error err;
    assert_false(store_get(store, key, &item, &err));
    assert_int_equal(err.code, ERROR_NOT_FOUND);
}

void assert_value(struct store *store, const char *key, const char *value)
{
    struct store_item item;
    struct error err;
    if (!store_get(store, key, &item, &err)) fail_msg("get %s: %s", key, err.message);
    assert_string_equal(item.key, key);
    assert_string_equal(item.value, value);
    store_item_free(&item);
}

char *list_keys(struct store *store, const char *prefix, const char *after, size_t limit)
{
    struct vec items;
    struct error err;
    if (!store_list(store, prefix, after, limit, &items, &err)) fail_msg("list: %s", err.message);
    struct buf keys = {0};
    buf_add_text(&keys, "");
    for (size_t i = 0; i < items.length; i++)
        buf_printf(&keys, "%s ", ((struct store_item *)vec_at(&items, i))->key);
    store_items_free(&items);
    return buf_take(&keys);
}

void assert_keys(struct store *store, const char *prefix, const char *expected)
{
    char *keys = list_keys(store, prefix, NULL, 0);
    assert_string_equal(keys, expected);
    mem_free(keys);
}

uint64_t random_next(uint64_t *state)
{
    *state ^= *state >> 12;
    *state ^= *state << 25;
    *state ^= *state >> 27;
    return *state * 0x2545F4914F6CDD1DULL;
}

size_t random_below(uint64_t *state, size_t limit)
{
    return (size_t)(random_next(state) >> 16) % limit;
}

static struct store *open_memory(const char *path)
{
    return store_open_memory();
}

static int run_over(const char *group, const struct opener *openers, size_t openers_length,
                    const struct test_case *cases, size_t length)
{
    size_t total = openers_length * length;
    struct plan *plans = mem_alloc_array(total, sizeof(*plans));
    struct CMUnitTest *tests = mem_alloc_array(total, sizeof(*tests));
    for (size_t i = 0; i < total; i++) {
        plans[i].opener = &openers[i / length];
        plans[i].test_case = &cases[i % length];
        const char *opener = plans[i].opener->name;
        tests[i] = (struct CMUnitTest){
            .name = mem_printf("%s%s%s", opener ? opener : "", opener ? ": " : "", plans[i].test_case->name),
            .test_func = run_case,
            .setup_func = set_up,
            .teardown_func = tear_down,
            .initial_state = &plans[i]};
    }
    int failures = _cmocka_run_group_tests(group, tests, total, NULL, NULL);
    for (size_t i = 0; i < total; i++) {
        CLEANUP_MEM char *name = NULL;
        memcpy(&name, &tests[i].name, sizeof(name)); /* ours, only const in cmocka's structure */
    }
    mem_free(tests);
    mem_free(plans);
    return failures;
}

static int set_up(void **state)
{
    struct plan *plan = *state;
    struct fixture *fixture = &plan->fixture;
    *fixture = (struct fixture){.directory = "/tmp/croft-store-XXXXXX", .durable = plan->opener->durable};
    if (!mkdtemp(fixture->directory)) return -1;
    snprintf(fixture->path, sizeof(fixture->path), "%s/croft.db", fixture->directory);
    if (plan->opener->open) fixture->store = plan->opener->open(fixture->path);
    return 0;
}

static void run_case(void **state)
{
    struct plan *plan = *state;
    plan->test_case->run(&plan->fixture);
}

static int tear_down(void **state)
{
    struct plan *plan = *state;
    store_close(plan->fixture.store);
    DIR *directory = opendir(plan->fixture.directory);
    if (!directory) return -1;
    for (struct dirent *entry; (entry = readdir(directory));)
        if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0)
            unlinkat(dirfd(directory), entry->d_name, 0);
    closedir(directory);
    return rmdir(plan->fixture.directory);
}
