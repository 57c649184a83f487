/* Leases: time, keys, durability. */
#include "harness.h"

#include "base/attr.h"

#include <stdio.h>

static uint64_t grant(struct store *store, int64_t ttl_ms, int64_t now_ms)
{
    uint64_t lease;
    struct error err;
    if (!store_lease_grant(store, ttl_ms, now_ms, &lease, &err)) fail_msg("grant: %s", err.message);
    return lease;
}

static void tick(struct store *store, int64_t now_ms)
{
    struct error err;
    if (!store_tick(store, now_ms, &err)) fail_msg("tick: %s", err.message);
}

static void assert_kept(struct store *store, uint64_t lease, int64_t now_ms, bool expected)
{
    struct error err = {0};
    assert_int_equal(store_lease_keep(store, lease, now_ms, &err), expected);
    if (!expected) assert_int_equal(err.code, ERROR_NOT_FOUND);
}

static void test_ends(struct fixture *fixture)
{
    struct store *store = fixture->store;
    uint64_t lease = grant(store, 100, 1000);
    assert_int_equal(store_revision(store), 0); /* leases are not documents */
    put_leased(store, "a", "1", lease);
    put_leased(store, "b", "1", lease);
    put(store, "c", "1");
    tick(store, 1099);
    assert_keys(store, "", "a b c ");
    assert_kept(store, lease, 1099, true);
    tick(store, 1198);
    assert_keys(store, "", "a b c ");
    tick(store, 1199);
    assert_keys(store, "", "c ");
    assert_int_equal(store_revision(store), 4); /* both in one transaction */
    assert_kept(store, lease, 1199, false);
    struct store_op late = {.kind = STORE_PUT, .key = "d", .value = "", .lease = lease};
    struct error err;
    assert_false(store_txn(store, &late, 1, NULL, &err));
    assert_int_equal(err.code, ERROR_NOT_FOUND);
}

static void test_over_before_tick(struct fixture *fixture)
{
    struct store *store = fixture->store;
    uint64_t lease = grant(store, 100, 0);
    put_leased(store, "a", "1", lease);
    assert_kept(store, lease, 100, false); /* over, whether a tick saw it or not */
    assert_keys(store, "", "a ");
    tick(store, 100);
    assert_keys(store, "", "");
}

static void test_end(struct fixture *fixture)
{
    struct store *store = fixture->store;
    struct error err = {0};
    uint64_t lease = grant(store, 100, 0);
    uint64_t other = grant(store, INT64_MAX, 5); /* its end is past the end of time */
    assert_true(other > lease);
    put_leased(store, "a", "1", lease);
    put_leased(store, "b", "1", other);
    assert_true(store_lease_end(store, lease, &err));
    assert_keys(store, "", "b ");
    assert_false(store_lease_end(store, lease, &err));
    assert_int_equal(err.code, ERROR_NOT_FOUND);
    tick(store, INT64_MAX - 1);
    assert_keys(store, "", "b ");
    assert_true(grant(store, 1, 0) > other);
    uint64_t ignored = 7;
    assert_false(store_lease_grant(store, 0, 0, &ignored, &err));
    assert_int_equal(err.code, ERROR_INVALID);
    assert_int_equal(ignored, 7);
    uint64_t before = store_revision(store);
    assert_true(store_lease_end(store, grant(store, 5, 0), &err));
    assert_int_equal(store_revision(store), before); /* it had no keys */
}

static void test_key_changes_lease(struct fixture *fixture)
{
    struct store *store = fixture->store;
    uint64_t first = grant(store, 100, 0);
    uint64_t second = grant(store, 200, 0);
    put_leased(store, "freed", "1", first);
    put_leased(store, "moved", "1", first);
    put_leased(store, "gone", "1", first);
    put_leased(store, "made again", "1", first);
    put(store, "freed", "2");
    put_leased(store, "moved", "2", second);
    erase(store, "gone");
    erase(store, "made again");
    put(store, "made again", "2");
    uint64_t before = store_revision(store);
    tick(store, 150);
    assert_int_equal(store_revision(store), before);
    tick(store, 200);
    assert_keys(store, "", "freed made again ");
}

static void test_many_keys(struct fixture *fixture)
{
    /* The limit is for callers: a lease with more keys still ends in one transaction. */
    struct store *store = fixture->store;
    uint64_t lease = grant(store, 100, 0);
    static struct store_op ops[STORE_OPS_LENGTH_MAX];
    static char keys[STORE_OPS_LENGTH_MAX][16];
    struct error err;
    for (int round = 0; round < 2; round++) {
        for (size_t i = 0; i < LENGTH(ops); i++) {
            snprintf(keys[i], sizeof(keys[i]), "%d/%05zu", round, i);
            ops[i] = (struct store_op){.kind = STORE_PUT, .key = keys[i], .value = "", .lease = lease};
        }
        assert_true(store_txn(store, ops, LENGTH(ops), NULL, &err));
    }
    tick(store, 100);
    assert_int_equal(store_revision(store), 3);
    assert_keys(store, "", "");
}

static void test_durable(struct fixture *fixture)
{
    if (!fixture->durable) return;
    uint64_t lease = grant(fixture->store, 100, 5000);
    uint64_t ended = grant(fixture->store, 100, 5000);
    struct error err;
    put_leased(fixture->store, "a", "1", lease);
    assert_true(store_lease_end(fixture->store, ended, &err));
    reopen(fixture);
    struct store *store = fixture->store;
    assert_keys(store, "", "a ");
    tick(store, 70); /* another clock: the whole time counts from here */
    tick(store, 169);
    assert_keys(store, "", "a ");
    assert_kept(store, lease, 169, true);
    tick(store, 200);
    assert_keys(store, "", "a ");
    tick(store, 269);
    assert_keys(store, "", "");
    reopen(fixture);
    assert_kept(fixture->store, lease, 0, false);
    assert_true(grant(fixture->store, 1, 0) > ended); /* never given twice */
}

int main(void)
{
    static const struct test_case cases[] = {
        {"ends when not kept", test_ends}, {"over before the tick", test_over_before_tick},
        {"end by hand", test_end},         {"a key changes its lease", test_key_changes_lease},
        {"many keys", test_many_keys},     {"outlives the process", test_durable},
    };
    return run_over_providers("store lease", cases, LENGTH(cases));
}
