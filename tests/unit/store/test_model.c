/* Random operations, each judged against a model too simple to be wrong: the list of all changes.
 * CROFT_SEED=N runs one seed alone. */
#include "harness.h"

#include "base/attr.h"
#include "base/mem.h"
#include "base/text.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SEEDS 12
#define STEPS 600
#define WATCHES 4
#define LEASES_MAX 64

static const char *const keys[] = {"a",   "a/1", "a/10", "a/2",    "a/2/x", "ab",    "b", "b/1",
                                   "b/2", "b/3", "c",    "c/\xff", "d/e/f", "d/e/g", "e", "f/long/path"};
static const char *const prefixes[] = {"", "a", "a/", "b/", "c", "d/e/", "nothing"};

struct change {
    uint64_t revision;
    size_t key;
    char value[24]; /* "" means deleted: the test writes no empty value */
    uint64_t create_revision;
    uint64_t lease;
};

struct lease {
    uint64_t id;
    int64_t ttl_ms;
    int64_t deadline_ms;
    bool over;
};

struct model;

struct watcher {
    struct model *model;
    struct store_watch *watch;
    const char *prefix;
    size_t next; /* index of the first change that it has not passed */
    const char *wrong;
};

struct model {
    uint64_t seed;
    uint64_t random;
    int step;
    struct fixture *fixture;
    struct vec changes; /* struct change */
    uint64_t revision;
    uint64_t compacted;
    struct lease leases[LEASES_MAX];
    size_t leases_length;
    int64_t now_ms;
    struct watcher watchers[WATCHES];
};

static void check(struct model *model, bool holds, const char *what)
{
    if (!holds) fail_msg("%s (seed %" PRIu64 ", step %d)", what, model->seed, model->step);
}

static const struct change *change_at(const struct model *model, size_t index)
{
    return vec_at(&model->changes, index);
}

/* The last change of the key at or before the revision, unless that deleted it. */
static const struct change *find(const struct model *model, size_t key, uint64_t revision)
{
    for (size_t i = model->changes.length; i-- > 0;) {
        const struct change *change = change_at(model, i);
        if (change->key == key && change->revision <= revision) return change->value[0] ? change : NULL;
    }
    return NULL;
}

static void add_change(struct model *model, size_t key, const char *value, uint64_t lease)
{
    const struct change *old = find(model, key, UINT64_MAX);
    uint64_t created = old ? old->create_revision : model->revision + 1;
    struct change *change = vec_push(&model->changes);
    *change = (struct change){
        .revision = model->revision + 1, .key = key, .create_revision = created, .lease = lease};
    snprintf(change->value, sizeof(change->value), "%s", value);
}

static bool same(const struct store_item *item, const struct change *change)
{
    const char *value = item->value ? item->value : "";
    return text_equal(item->key, keys[change->key]) && text_equal(value, change->value) &&
           item->revision == change->revision && item->create_revision == change->create_revision;
}

static struct lease *random_lease(struct model *model)
{
    if (model->leases_length == 0) return NULL;
    return &model->leases[random_below(&model->random, model->leases_length)];
}

static void step_txn(struct model *model)
{
    struct store_op ops[LENGTH(keys) * 2];
    char values[LENGTH(keys)][24];
    size_t length = 0;
    size_t before = model->changes.length;
    bool holds = true, leases_exist = true;
    for (size_t key = 0; key < LENGTH(keys); key++) {
        const struct change *now = find(model, key, UINT64_MAX);
        if (random_below(&model->random, 8) == 0) {
            bool right = random_below(&model->random, 8) != 0;
            uint64_t revision = now ? now->revision : 0;
            if (!right) revision += 1 + random_below(&model->random, 2);
            ops[length++] = (struct store_op){.kind = STORE_COMPARE, .key = keys[key], .revision = revision};
            holds = holds && right;
        }
        struct store_op op = {.key = keys[key]};
        switch (random_below(&model->random, 8)) {
        case 0:
            op.kind = STORE_DELETE;
            if (now) add_change(model, key, "", 0);
            break;
        case 1:
        case 2: {
            struct lease *lease = random_below(&model->random, 3) == 0 ? random_lease(model) : NULL;
            snprintf(values[key], sizeof(values[key]), "%d-%zu", model->step, key);
            op = (struct store_op){STORE_PUT, keys[key], values[key], 0, lease ? lease->id : 0};
            leases_exist = leases_exist && (!lease || !lease->over);
            add_change(model, key, values[key], op.lease);
            break;
        }
        default:
            continue;
        }
        ops[length++] = op;
    }
    struct error err = {0};
    uint64_t revision = UINT64_MAX;
    bool good = store_txn(model->fixture->store, ops, length, &revision, &err);
    check(model, good == (holds && leases_exist), "a transaction went otherwise");
    if (!good) {
        check(model, err.code == (leases_exist ? ERROR_CONFLICT : ERROR_NOT_FOUND), "code of a refusal");
        check(model, revision == UINT64_MAX, "an output was touched on failure");
        while (model->changes.length > before)
            vec_remove(&model->changes, model->changes.length - 1);
    }
    if (model->changes.length > before) model->revision++;
    check(model, !good || revision == model->revision, "revision of a transaction");
}

static void step_get(struct model *model)
{
    size_t key = random_below(&model->random, LENGTH(keys));
    bool current = random_below(&model->random, 2) == 0;
    uint64_t at = current ? UINT64_MAX : random_below(&model->random, (size_t)model->revision + 3);
    const struct change *expected = at < model->compacted ? NULL : find(model, key, at);
    struct store_item item;
    struct error err = {0};
    bool found = current ? store_get(model->fixture->store, keys[key], &item, &err)
                         : store_get_at(model->fixture->store, keys[key], at, &item, &err);
    check(model, found == (expected != NULL), "get finds otherwise");
    if (found) {
        check(model, same(&item, expected), "get gives otherwise");
        store_item_free(&item);
    } else {
        check(model, err.code == ERROR_NOT_FOUND, "get fails otherwise");
    }
}

/* keys[] is in byte order, so the model's listing is a walk through it. */
static void step_list(struct model *model)
{
    const char *prefix = prefixes[random_below(&model->random, LENGTH(prefixes))];
    const char *after =
        random_below(&model->random, 2) ? keys[random_below(&model->random, LENGTH(keys))] : NULL;
    size_t limit = random_below(&model->random, 6);
    struct vec items;
    struct error err;
    check(model, store_list(model->fixture->store, prefix, after, limit, &items, &err), "list fails");
    size_t count = 0;
    for (size_t key = 0; key < LENGTH(keys) && (limit == 0 || count < limit); key++) {
        const struct change *now = find(model, key, UINT64_MAX);
        if (!now || !text_starts(keys[key], prefix) || (after && strcmp(keys[key], after) <= 0)) continue;
        check(model, count < items.length && same(vec_at(&items, count), now), "list gives otherwise");
        count++;
    }
    check(model, count == items.length, "list gives more");
    store_items_free(&items);
}

/* Must not end the test itself: it is called from inside the store. */
static void changed(void *ctx, const struct store_item *item)
{
    struct watcher *watcher = ctx;
    const struct vec *changes = &watcher->model->changes;
    while (watcher->next < changes->length) {
        const struct change *change = vec_at(changes, watcher->next++);
        if (!text_starts(keys[change->key], watcher->prefix)) continue;
        if (!same(item, change)) watcher->wrong = "a watch gives otherwise";
        return;
    }
    watcher->wrong = "a watch gives more";
}

static void step_dispatch(struct model *model)
{
    struct error err;
    check(model, store_dispatch(model->fixture->store, &err), "dispatch fails");
    for (size_t i = 0; i < WATCHES; i++) {
        struct watcher *watcher = &model->watchers[i];
        if (!watcher->watch) continue;
        check(model, !watcher->wrong, watcher->wrong);
        for (; watcher->next < model->changes.length; watcher->next++)
            check(model, !text_starts(keys[change_at(model, watcher->next)->key], watcher->prefix),
                  "a watch misses a change");
    }
}

static void step_watch(struct model *model)
{
    struct watcher *watcher = &model->watchers[random_below(&model->random, WATCHES)];
    if (watcher->watch) {
        store_watch_stop(model->fixture->store, watcher->watch);
        watcher->watch = NULL;
        return;
    }
    uint64_t from = random_below(&model->random, (size_t)model->revision + 1);
    *watcher =
        (struct watcher){.model = model, .prefix = prefixes[random_below(&model->random, LENGTH(prefixes))]};
    while (watcher->next < model->changes.length && change_at(model, watcher->next)->revision <= from)
        watcher->next++;
    struct error err = {0};
    bool good = store_watch_start(model->fixture->store, watcher->prefix, from, changed, watcher,
                                  &watcher->watch, &err);
    check(model, good == (from + 1 >= model->compacted), "a watch starts otherwise");
    check(model, good || err.code == ERROR_NOT_FOUND, "a watch is refused otherwise");
}

static void step_compact(struct model *model)
{
    step_dispatch(model);
    uint64_t revision = random_below(&model->random, (size_t)model->revision + 2);
    struct error err = {0};
    bool good = store_compact(model->fixture->store, revision, &err);
    check(model, good == (revision <= model->revision), "compaction goes otherwise");
    if (good && revision > model->compacted) model->compacted = revision;
}

static void step_grant(struct model *model)
{
    if (model->leases_length == LEASES_MAX) return;
    struct lease *lease = &model->leases[model->leases_length++];
    lease->ttl_ms = 1 + (int64_t)random_below(&model->random, 200);
    lease->deadline_ms = model->now_ms + lease->ttl_ms;
    struct error err;
    check(model, store_lease_grant(model->fixture->store, lease->ttl_ms, model->now_ms, &lease->id, &err),
          "grant fails");
}

static void step_keep(struct model *model)
{
    struct lease *lease = random_lease(model);
    if (!lease) return;
    bool expected = !lease->over && model->now_ms < lease->deadline_ms;
    struct error err;
    check(model, store_lease_keep(model->fixture->store, lease->id, model->now_ms, &err) == expected,
          "keep goes otherwise");
    if (expected) lease->deadline_ms = model->now_ms + lease->ttl_ms;
}

static void step_tick(struct model *model)
{
    model->now_ms += (int64_t)random_below(&model->random, 40);
    for (size_t i = 0; i < model->leases_length; i++) {
        struct lease *lease = &model->leases[i];
        if (lease->over || model->now_ms < lease->deadline_ms) continue;
        lease->over = true;
        size_t before = model->changes.length;
        for (size_t key = 0; key < LENGTH(keys); key++) {
            const struct change *now = find(model, key, UINT64_MAX);
            if (now && now->lease == lease->id) add_change(model, key, "", 0);
        }
        if (model->changes.length > before) model->revision++;
    }
    struct error err;
    check(model, store_tick(model->fixture->store, model->now_ms, &err), "tick fails");
}

static void step_reopen(struct model *model)
{
    if (!model->fixture->durable) return;
    reopen(model->fixture);
    memset(model->watchers, 0, sizeof(model->watchers));
    /* Times count anew from the first tick. */
    for (size_t i = 0; i < model->leases_length; i++)
        model->leases[i].deadline_ms = model->now_ms + model->leases[i].ttl_ms;
    struct error err;
    check(model, store_tick(model->fixture->store, model->now_ms, &err), "tick fails");
}

static void run_seed(struct fixture *fixture, uint64_t seed)
{
    static const struct {
        void (*run)(struct model *model);
        size_t weight;
    } steps[] = {{step_txn, 30},  {step_get, 25}, {step_list, 15}, {step_dispatch, 8}, {step_watch, 8},
                 {step_grant, 3}, {step_keep, 6}, {step_tick, 6},  {step_compact, 3},  {step_reopen, 1}};
    size_t total = 0;
    for (size_t i = 0; i < LENGTH(steps); i++)
        total += steps[i].weight;
    struct model *model = mem_alloc(sizeof(*model));
    model->seed = seed;
    model->random = seed * 0x9E3779B97F4A7C15ULL + 1;
    model->fixture = fixture;
    model->changes = VEC_OF(struct change);
    for (model->step = 0; model->step < STEPS; model->step++) {
        size_t dice = random_below(&model->random, total);
        size_t which = 0;
        for (; dice >= steps[which].weight; which++)
            dice -= steps[which].weight;
        steps[which].run(model);
        check(model, store_revision(fixture->store) == model->revision, "the store's revision is another");
    }
    step_dispatch(model);
    vec_free(&model->changes);
    mem_free(model);
}

static void run_nth(struct fixture *fixture)
{
    const char *chosen = getenv("CROFT_SEED");
    if (chosen) {
        run_seed(fixture, strtoull(chosen, NULL, 10));
        return;
    }
    for (uint64_t seed = 1; seed <= SEEDS; seed++) {
        run_seed(fixture, seed);
        if (seed < SEEDS) renew(fixture);
    }
}

int main(void)
{
    static const struct test_case cases[] = {{"random operations", run_nth}};
    return run_over_providers("store model", cases, LENGTH(cases));
}
