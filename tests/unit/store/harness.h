/* One suite over each provider: a table of openers, and short ways to read and write. */
#ifndef CROFT_TESTS_STORE_HARNESS_H
#define CROFT_TESTS_STORE_HARNESS_H

#include "store/store.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

struct fixture {
    struct store *store;
    char directory[64]; /* the test's own; removed at its end with all files in it */
    char path[96];      /* of the store's file in it; not used by the memory provider */
    bool durable;       /* reopen() finds what was there */
};

struct test_case {
    const char *name;
    void (*run)(struct fixture *fixture);
};

/* Each case with a fresh store of each provider; returns the number of failures. */
int run_over_providers(const char *group, const struct test_case *cases, size_t length);
/* Each case with a fresh directory and no store opened. */
int run_with_directory(const char *group, const struct test_case *cases, size_t length);

/* Closes it and begins with an empty one of the same provider. */
void renew(struct fixture *fixture);
/* Closes and opens again; only for durable ones. */
void reopen(struct fixture *fixture);

/* These fail the test when the store refuses. */
uint64_t put(struct store *store, const char *key, const char *value);
uint64_t put_leased(struct store *store, const char *key, const char *value, uint64_t lease);
uint64_t erase(struct store *store, const char *key);
void dispatch(struct store *store);
struct store *open_sqlite(const char *path);
void assert_absent(struct store *store, const char *key);
void assert_value(struct store *store, const char *key, const char *value);
/* The keys of a listing, each with a blank behind. The caller's to mem_free(). */
char *list_keys(struct store *store, const char *prefix, const char *after, size_t limit);
void assert_keys(struct store *store, const char *prefix, const char *expected);

/* A small generator with a state of its own (xorshift64*, S. Vigna 2016), so that a seed tells everything. */
uint64_t random_next(uint64_t *state);
size_t random_below(uint64_t *state, size_t limit);

#endif
