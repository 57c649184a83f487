/* Watches: what they see, in which order, and what their callbacks may do. */
#include "harness.h"

#include "base/attr.h"
#include "base/buf.h"

#include <string.h>

struct spy {
    struct fixture *fixture;
    struct buf seen; /* "key=value@revision " per change; "key-@revision " for a deletion */
    struct store_watch *own;
    struct store_watch *other;
    struct spy *next;
    unsigned count;
};

static void note(void *ctx, const struct store_item *item)
{
    struct spy *spy = ctx;
    spy->count++;
    if (item->value)
        buf_printf(&spy->seen, "%s=%s@%d ", item->key, item->value, (int)item->revision);
    else
        buf_printf(&spy->seen, "%s-@%d ", item->key, (int)item->revision);
}

static void watch(struct spy *spy, struct fixture *fixture, const char *prefix, uint64_t from_revision,
                  void (*changed)(void *ctx, const struct store_item *item))
{
    struct error err;
    spy->fixture = fixture;
    if (!store_watch_start(fixture->store, prefix, from_revision, changed, spy, &spy->own, &err))
        fail_msg("watch: %s", err.message);
}

static void assert_seen(struct spy *spy, const char *expected)
{
    assert_string_equal(buf_text(&spy->seen), expected);
    buf_clear(&spy->seen);
}

static void test_order(struct fixture *fixture)
{
    struct store *store = fixture->store;
    struct spy all = {0}, some = {0}, late = {0}, future = {0};
    put(store, "a/1", "x");
    watch(&all, fixture, "", 0, note);
    watch(&some, fixture, "a/", store_revision(store), note);
    struct store_op ops[] = {{.kind = STORE_PUT, .key = "b", .value = "1"},
                             {.kind = STORE_COMPARE, .key = "nothing"},
                             {.kind = STORE_DELETE, .key = "a/1"},
                             {.kind = STORE_DELETE, .key = "absent"},
                             {.kind = STORE_PUT, .key = "a/2", .value = "2"}};
    struct error err;
    assert_true(store_txn(store, ops, LENGTH(ops), NULL, &err));
    assert_seen(&all, ""); /* not from inside the transaction */
    dispatch(store);
    assert_seen(&all, "a/1=x@1 b=1@2 a/1-@2 a/2=2@2 ");
    assert_seen(&some, "a/1-@2 a/2=2@2 ");
    dispatch(store);
    assert_seen(&all, "");

    watch(&late, fixture, "b", 1, note);
    watch(&future, fixture, "b", 3, note);
    put(store, "b", "3");
    put(store, "b", "4");
    dispatch(store);
    assert_seen(&late, "b=1@2 b=3@3 b=4@4 ");
    assert_seen(&future, "b=4@4 ");
    assert_seen(&all, "b=3@3 b=4@4 ");
    assert_seen(&some, "");

    store_watch_stop(store, all.own);
    store_watch_stop(store, NULL);
    put(store, "b", "5");
    dispatch(store);
    assert_seen(&all, "");
    assert_seen(&late, "b=5@5 ");
    buf_free(&all.seen);
    buf_free(&some.seen);
    buf_free(&late.seen);
    buf_free(&future.seen);
}

static void note_and_write(void *ctx, const struct store_item *item)
{
    struct spy *spy = ctx;
    note(spy, item);
    if (spy->count > 3) return;
    char value[8] = {(char)('0' + spy->count), '\0'};
    put(spy->fixture->store, "made", value);
    dispatch(spy->fixture->store); /* does nothing: the outer one goes on */
}

static void test_callback_writes(struct fixture *fixture)
{
    struct spy writer = {0}, reader = {0};
    watch(&writer, fixture, "", 0, note_and_write);
    watch(&reader, fixture, "", 0, note);
    struct store_op ops[] = {{.kind = STORE_PUT, .key = "a", .value = "x"},
                             {.kind = STORE_PUT, .key = "b", .value = "y"}};
    struct error err;
    assert_true(store_txn(fixture->store, ops, LENGTH(ops), NULL, &err));
    dispatch(fixture->store);
    assert_seen(&writer, "a=x@1 b=y@1 made=1@2 made=2@3 made=3@4 ");
    assert_seen(&reader, "a=x@1 b=y@1 made=1@2 made=2@3 made=3@4 ");
    buf_free(&writer.seen);
    buf_free(&reader.seen);
}

static void note_and_stop_own(void *ctx, const struct store_item *item)
{
    struct spy *spy = ctx;
    note(spy, item);
    store_watch_stop(spy->fixture->store, spy->own);
}

static void note_and_stop_other(void *ctx, const struct store_item *item)
{
    struct spy *spy = ctx;
    note(spy, item);
    store_watch_stop(spy->fixture->store, spy->other);
    spy->other = NULL;
}

static void test_callback_stops(struct fixture *fixture)
{
    struct spy before = {0}, own = {0}, killer = {0}, after = {0}, last = {0};
    watch(&before, fixture, "", 0, note);
    watch(&own, fixture, "", 0, note_and_stop_own);
    watch(&killer, fixture, "", 0, note_and_stop_other);
    watch(&after, fixture, "", 0, note);
    watch(&last, fixture, "", 0, note);
    killer.other = after.own;
    put(fixture->store, "a", "1");
    put(fixture->store, "a", "2");
    dispatch(fixture->store);
    assert_seen(&before, "a=1@1 a=2@2 ");
    assert_seen(&own, "a=1@1 ");
    assert_seen(&killer, "a=1@1 a=2@2 ");
    assert_seen(&after, "");
    assert_seen(&last, "a=1@1 a=2@2 ");

    /* One that was called already in the same round is stopped just as well. */
    killer.other = before.own;
    put(fixture->store, "a", "3");
    put(fixture->store, "a", "4");
    dispatch(fixture->store);
    assert_seen(&before, "a=3@3 ");
    assert_seen(&last, "a=3@3 a=4@4 ");
    struct spy *spies[] = {&before, &own, &killer, &after, &last};
    for (size_t i = 0; i < LENGTH(spies); i++)
        buf_free(&spies[i]->seen);
}

static void note_and_start(void *ctx, const struct store_item *item)
{
    struct spy *spy = ctx;
    note(spy, item);
    if (!spy->next->own) watch(spy->next, spy->fixture, "", 0, note);
}

static void test_callback_starts(struct fixture *fixture)
{
    struct spy first = {0}, second = {0};
    first.next = &second;
    put(fixture->store, "a", "1");
    put(fixture->store, "a", "2");
    watch(&first, fixture, "", 1, note_and_start);
    dispatch(fixture->store);
    assert_seen(&first, "a=2@2 ");
    assert_seen(&second, "a=1@1 a=2@2 "); /* older ones first, though the round was at 2 already */
    buf_free(&first.seen);
    buf_free(&second.seen);
}

static void test_compacted(struct fixture *fixture)
{
    struct store *store = fixture->store;
    struct spy spy = {0}, early = {0};
    struct error err = {0};
    for (int i = 0; i < 5; i++)
        put(store, i % 2 ? "a" : "b", "x");
    erase(store, "a"); /* 6 */
    watch(&early, fixture, "", 2, note);
    assert_true(store_compact(store, 3, &err)); /* what is due begins with 3 */
    assert_false(store_compact(store, 4, &err));
    assert_int_equal(err.code, ERROR_REFUSED);
    dispatch(store);
    assert_seen(&early, "b=x@3 a=x@4 b=x@5 a-@6 ");
    assert_true(store_compact(store, 5, &err));
    assert_false(store_watch_start(store, "", 3, note, &spy, &spy.own, &err));
    assert_int_equal(err.code, ERROR_NOT_FOUND);
    assert_null(spy.own);
    watch(&spy, fixture, "", 4, note);
    dispatch(store);
    assert_seen(&spy, "b=x@5 a-@6 ");
    if (fixture->durable) {
        reopen(fixture);
        assert_false(store_watch_start(fixture->store, "", 3, note, &spy, &spy.own, &err));
        assert_int_equal(err.code, ERROR_NOT_FOUND);
        watch(&spy, fixture, "", 4, note);
        dispatch(fixture->store);
        assert_seen(&spy, "b=x@5 a-@6 ");
    }
    buf_free(&spy.seen);
    buf_free(&early.seen);
}

int main(void)
{
    static const struct test_case cases[] = {
        {"order", test_order},
        {"a callback writes", test_callback_writes},
        {"a callback stops its own and another watch", test_callback_stops},
        {"a callback starts a watch", test_callback_starts},
        {"compaction", test_compacted},
    };
    return run_over_providers("store watch", cases, LENGTH(cases));
}
