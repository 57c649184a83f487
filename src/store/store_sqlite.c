#include "store/store.h"

#include "base/attr.h"
#include "base/mem.h"
#include "base/text.h"
#include "store/provider.h"
#include "store/sqlite_file.h"

#include <string.h>

enum statement {
    STATEMENT_BEGIN,
    STATEMENT_COMMIT,
    STATEMENT_ROLLBACK,
    STATEMENT_REVISION,
    STATEMENT_COMPACTED,
    STATEMENT_LEASES,
    STATEMENT_HEAD,
    STATEMENT_GET,
    STATEMENT_LIST,
    STATEMENT_HISTORY_ADD,
    STATEMENT_ITEM_SET,
    STATEMENT_ITEM_REMOVE,
    STATEMENT_NEXT_CHANGE,
    STATEMENT_COMPACT,
    STATEMENT_COMPACTED_SET,
    STATEMENT_LEASE_ADD,
    STATEMENT_LEASE_REMOVE,
    STATEMENT_LEASE_KEYS,
    STATEMENT_COUNT,
};

/* Columns of an item are always key, value, revision, create_revision. */
static const char *const statement_sql[STATEMENT_COUNT] = {
    [STATEMENT_BEGIN] = "BEGIN",
    [STATEMENT_COMMIT] = "COMMIT",
    [STATEMENT_ROLLBACK] = "ROLLBACK",
    /* Compaction keeps what happened at the store's revision, so the largest one is always in the history. */
    [STATEMENT_REVISION] = "SELECT coalesce(max(revision), 0) FROM history",
    [STATEMENT_COMPACTED] = "SELECT revision FROM compacted",
    [STATEMENT_LEASES] = "SELECT id, ttl_ms FROM lease ORDER BY id",
    [STATEMENT_HEAD] = "SELECT revision, create_revision FROM item WHERE key = ?1",
    [STATEMENT_GET] = "SELECT key, value, revision, create_revision FROM history"
                      " WHERE key = ?1 AND revision <= ?2 ORDER BY revision DESC LIMIT 1",
    /* The reader stops at the first key without the prefix. CROSS JOIN: SQLite keeps this order of tables. */
    [STATEMENT_LIST] = "SELECT item.key, value, item.revision, item.create_revision"
                       " FROM item CROSS JOIN history ON history.id = item.history_id"
                       " WHERE item.key >= ?1 ORDER BY item.key",
    [STATEMENT_HISTORY_ADD] = "INSERT INTO history (revision, n, key, create_revision, value)"
                              " VALUES (?1, ?2, ?3, ?4, ?5)",
    [STATEMENT_ITEM_SET] = "INSERT INTO item (key, revision, create_revision, lease, history_id)"
                           " VALUES (?1, ?2, ?3, ?4, ?5) ON CONFLICT (key) DO UPDATE SET"
                           " revision = ?2, create_revision = ?3, lease = ?4, history_id = ?5",
    [STATEMENT_ITEM_REMOVE] = "DELETE FROM item WHERE key = ?1",
    [STATEMENT_NEXT_CHANGE] = "SELECT key, value, revision, create_revision, n FROM history"
                              " WHERE (revision, n) > (?1, ?2) ORDER BY revision, n LIMIT 1",
    /* ?1: where the history began until now, ?2: where it shall begin. What was replaced was replaced by a
     * change between the two, so the work is in proportion to those, not to the keys. */
    [STATEMENT_COMPACT] =
        "DELETE FROM history WHERE id IN ("
        " SELECT (SELECT id FROM history WHERE key = newer.key AND revision < newer.revision"
        "  ORDER BY revision DESC LIMIT 1)"
        " FROM history AS newer WHERE revision BETWEEN ?1 AND ?2"
        " UNION ALL"
        " SELECT id FROM history WHERE revision >= ?1 AND revision < ?2 AND value IS NULL)",
    [STATEMENT_COMPACTED_SET] = "UPDATE compacted SET revision = ?1",
    [STATEMENT_LEASE_ADD] = "INSERT INTO lease (ttl_ms) VALUES (?1)",
    [STATEMENT_LEASE_REMOVE] = "DELETE FROM lease WHERE id = ?1",
    [STATEMENT_LEASE_KEYS] = "SELECT key FROM item WHERE lease = ?1 AND lease <> 0 ORDER BY key",
};

struct sqlite {
    sqlite3 *db;
    sqlite3_stmt *statements[STATEMENT_COUNT];
    uint64_t revision;
    uint64_t compacted;
};

/* What a transaction needs to know of a key; zero when it does not exist. */
struct head {
    uint64_t revision;
    uint64_t create_revision;
};

static void sqlite_close(void *self);
static bool sqlite_load(void *self, struct store_state *ret_state, struct error *err);
static bool sqlite_get(void *self, const char *key, uint64_t revision, struct store_item *ret_item,
                       struct error *err);
static bool sqlite_list(void *self, const char *prefix, const char *after, size_t limit,
                        struct vec *ret_items, struct error *err);
static bool sqlite_commit(void *self, const struct store_op *ops, size_t length, uint64_t lease_over,
                          uint64_t *ret_revision, struct error *err);
static bool sqlite_next_change(void *self, struct store_place place, bool *ret_found,
                               struct store_change *ret_change, struct error *err);
static bool sqlite_compact(void *self, uint64_t revision, struct error *err);
static bool sqlite_lease_add(void *self, int64_t ttl_ms, uint64_t *ret_lease, struct error *err);
static bool sqlite_lease_keys(void *self, uint64_t lease, struct vec *ret_keys, struct error *err);

static bool prepare(struct sqlite *sqlite, struct error *err);
static bool read_revision(struct sqlite *sqlite, enum statement which, uint64_t *ret_revision,
                          struct error *err);
static bool read_leases(struct sqlite *sqlite, struct vec *ret_leases, struct error *err);
static bool apply(struct sqlite *sqlite, const struct store_op *ops, size_t length, uint64_t lease_over,
                  uint64_t *ret_revision, struct error *err);
static bool compare(struct sqlite *sqlite, const struct store_op *op, struct error *err);
static bool write_change(struct sqlite *sqlite, const struct store_op *op, struct store_place *place,
                         struct error *err);
static bool read_head(struct sqlite *sqlite, const char *key, struct head *ret_head, struct error *err);
static bool compact_history(struct sqlite *sqlite, uint64_t revision, struct error *err);
static bool end_transaction(struct sqlite *sqlite, bool good, struct error *err);
static sqlite3_stmt *start(struct sqlite *sqlite, enum statement which);
static void finish(sqlite3_stmt *statement);
static bool run(struct sqlite *sqlite, sqlite3_stmt *statement, struct error *err);
static bool next_row(struct sqlite *sqlite, sqlite3_stmt *statement, bool *ret_found, struct error *err);
static bool read_item(struct sqlite *sqlite, sqlite3_stmt *statement, struct store_item *ret_item,
                      struct error *err);
static const char *column_text(sqlite3_stmt *statement, int column);
static uint64_t column_number(sqlite3_stmt *statement, int column);
static void bind_text(sqlite3_stmt *statement, int parameter, const char *text);
static void bind_number(sqlite3_stmt *statement, int parameter, uint64_t number);

static const struct store_provider sqlite_provider = {
    .close = sqlite_close,
    .load = sqlite_load,
    .get = sqlite_get,
    .list = sqlite_list,
    .commit = sqlite_commit,
    .next_change = sqlite_next_change,
    .compact = sqlite_compact,
    .lease_add = sqlite_lease_add,
    .lease_keys = sqlite_lease_keys,
};

bool store_open_sqlite(const char *path, struct store **ret_store, struct error *err)
{
    sqlite3 *db;
    if (!sqlite_file_open(path, &db, err)) return false;
    struct sqlite *sqlite = mem_alloc(sizeof(*sqlite));
    sqlite->db = db;
    if (!prepare(sqlite, err)) {
        sqlite_close(sqlite);
        return false;
    }
    return store_new(&sqlite_provider, sqlite, ret_store, err);
}

static void sqlite_close(void *self)
{
    struct sqlite *sqlite = self;
    for (size_t i = 0; i < STATEMENT_COUNT; i++)
        sqlite3_finalize(sqlite->statements[i]);
    int result = sqlite3_close(sqlite->db);
    ASSERT(result == SQLITE_OK); /* it fails only while a statement is left */
    mem_free(sqlite);
}

static bool sqlite_load(void *self, struct store_state *ret_state, struct error *err)
{
    struct sqlite *sqlite = self;
    struct vec leases;
    if (!read_revision(sqlite, STATEMENT_REVISION, &sqlite->revision, err)) return false;
    if (!read_revision(sqlite, STATEMENT_COMPACTED, &sqlite->compacted, err)) return false;
    if (sqlite->compacted > sqlite->revision)
        return sqlite_file_damaged(sqlite->db, "read its revision", err);
    if (!read_leases(sqlite, &leases, err)) return false;
    *ret_state =
        (struct store_state){.revision = sqlite->revision, .compacted = sqlite->compacted, .leases = leases};
    return true;
}

static bool sqlite_get(void *self, const char *key, uint64_t revision, struct store_item *ret_item,
                       struct error *err)
{
    struct sqlite *sqlite = self;
    sqlite3_stmt *statement = start(sqlite, STATEMENT_GET);
    bind_text(statement, 1, key);
    bind_number(statement, 2, revision);
    bool found = false;
    struct store_item item;
    bool good = next_row(sqlite, statement, &found, err) &&
                (found ? read_item(sqlite, statement, &item, err) : store_absent(err, key));
    finish(statement);
    if (!good) return false;
    if (!item.value) {
        store_item_free(&item);
        return store_absent(err, key);
    }
    *ret_item = item;
    return true;
}

static bool sqlite_list(void *self, const char *prefix, const char *after, size_t limit,
                        struct vec *ret_items, struct error *err)
{
    struct sqlite *sqlite = self;
    struct vec items = VEC_OF(struct store_item);
    sqlite3_stmt *statement = start(sqlite, STATEMENT_LIST);
    bind_text(statement, 1, strcmp(after, prefix) > 0 ? after : prefix);
    bool good = true;
    while (good && (limit == 0 || items.length < limit)) {
        bool found = false;
        struct store_item item;
        good = next_row(sqlite, statement, &found, err);
        if (!good || !found) break;
        const char *key = column_text(statement, 0);
        if (key && !text_starts(key, prefix)) break;
        if (key && strcmp(key, after) <= 0) continue;
        good = read_item(sqlite, statement, &item, err);
        if (good) *(struct store_item *)vec_push(&items) = item;
    }
    finish(statement);
    if (good)
        *ret_items = items;
    else
        store_items_free(&items);
    return good;
}

static bool sqlite_commit(void *self, const struct store_op *ops, size_t length, uint64_t lease_over,
                          uint64_t *ret_revision, struct error *err)
{
    struct sqlite *sqlite = self;
    uint64_t revision = 0;
    if (!run(sqlite, start(sqlite, STATEMENT_BEGIN), err)) return false;
    bool good = apply(sqlite, ops, length, lease_over, &revision, err);
    if (!end_transaction(sqlite, good, err)) return false;
    sqlite->revision = revision;
    *ret_revision = revision;
    return true;
}

static bool sqlite_next_change(void *self, struct store_place place, bool *ret_found,
                               struct store_change *ret_change, struct error *err)
{
    struct sqlite *sqlite = self;
    sqlite3_stmt *statement = start(sqlite, STATEMENT_NEXT_CHANGE);
    bind_number(statement, 1, place.revision);
    bind_number(statement, 2, place.n);
    bool found = false;
    struct store_change change;
    bool good = next_row(sqlite, statement, &found, err);
    if (good && found) {
        change.place.revision = column_number(statement, 2);
        change.place.n = column_number(statement, 4);
        /* A damaged index could lead the reader round in circles. */
        if (change.place.revision < place.revision || change.place.revision > sqlite->revision ||
            (change.place.revision == place.revision && change.place.n <= place.n))
            good = sqlite_file_damaged(sqlite->db, "read its history", err);
        else
            good = read_item(sqlite, statement, &change.item, err);
    }
    finish(statement);
    if (!good) return false;
    *ret_found = found;
    if (found) *ret_change = change;
    return true;
}

static bool sqlite_compact(void *self, uint64_t revision, struct error *err)
{
    struct sqlite *sqlite = self;
    if (!run(sqlite, start(sqlite, STATEMENT_BEGIN), err)) return false;
    bool good = compact_history(sqlite, revision, err);
    if (!end_transaction(sqlite, good, err)) return false;
    sqlite->compacted = revision;
    return true;
}

static bool sqlite_lease_add(void *self, int64_t ttl_ms, uint64_t *ret_lease, struct error *err)
{
    struct sqlite *sqlite = self;
    sqlite3_stmt *statement = start(sqlite, STATEMENT_LEASE_ADD);
    bind_number(statement, 1, (uint64_t)ttl_ms);
    if (!run(sqlite, statement, err)) return false;
    *ret_lease = (uint64_t)sqlite3_last_insert_rowid(sqlite->db);
    return true;
}

static bool sqlite_lease_keys(void *self, uint64_t lease, struct vec *ret_keys, struct error *err)
{
    struct sqlite *sqlite = self;
    struct vec keys = VEC_OF(char *);
    sqlite3_stmt *statement = start(sqlite, STATEMENT_LEASE_KEYS);
    bind_number(statement, 1, lease);
    bool found = true;
    bool good = true;
    while (good && found) {
        good = next_row(sqlite, statement, &found, err);
        if (!good || !found) break;
        const char *key = column_text(statement, 0);
        good = key || sqlite_file_damaged(sqlite->db, "read the keys of a lease", err);
        if (key) *(char **)vec_push(&keys) = mem_strdup(key);
    }
    finish(statement);
    if (good) {
        *ret_keys = keys;
        return true;
    }
    for (size_t i = 0; i < keys.length; i++)
        mem_free(*(char **)vec_at(&keys, i));
    vec_free(&keys);
    return false;
}

/* All at once when the store is opened: a file whose tables are not ours fails here, not in the middle of a
 * transaction. */
static bool prepare(struct sqlite *sqlite, struct error *err)
{
    for (size_t i = 0; i < STATEMENT_COUNT; i++)
        if (sqlite3_prepare_v3(sqlite->db, statement_sql[i], -1, SQLITE_PREPARE_PERSISTENT,
                               &sqlite->statements[i], NULL) != SQLITE_OK)
            return sqlite_file_failed(sqlite->db, "use its tables", err);
    return true;
}

static bool read_revision(struct sqlite *sqlite, enum statement which, uint64_t *ret_revision,
                          struct error *err)
{
    sqlite3_stmt *statement = start(sqlite, which);
    bool found = false;
    bool good = next_row(sqlite, statement, &found, err);
    int64_t revision = good && found ? sqlite3_column_int64(statement, 0) : -1;
    finish(statement);
    if (!good) return false;
    /* Half of the range is more than anybody can write; beyond it counting on would not be safe. */
    if (revision < 0 || revision > INT64_MAX / 2)
        return sqlite_file_damaged(sqlite->db, "read its revision", err);
    *ret_revision = (uint64_t)revision;
    return true;
}

static bool read_leases(struct sqlite *sqlite, struct vec *ret_leases, struct error *err)
{
    struct vec leases = VEC_OF(struct store_lease);
    sqlite3_stmt *statement = start(sqlite, STATEMENT_LEASES);
    bool found = true;
    bool good = true;
    while (good && found) {
        good = next_row(sqlite, statement, &found, err);
        if (!good || !found) break;
        struct store_lease *lease = vec_push(&leases);
        *lease = (struct store_lease){.id = column_number(statement, 0),
                                      .ttl_ms = sqlite3_column_int64(statement, 1)};
    }
    finish(statement);
    if (good)
        *ret_leases = leases;
    else
        vec_free(&leases);
    return good;
}

static bool apply(struct sqlite *sqlite, const struct store_op *ops, size_t length, uint64_t lease_over,
                  uint64_t *ret_revision, struct error *err)
{
    for (size_t i = 0; i < length; i++)
        if (ops[i].kind == STORE_COMPARE && !compare(sqlite, &ops[i], err)) return false;
    struct store_place place = {.revision = sqlite->revision + 1};
    for (size_t i = 0; i < length; i++)
        if (ops[i].kind != STORE_COMPARE && !write_change(sqlite, &ops[i], &place, err)) return false;
    if (lease_over != 0) {
        sqlite3_stmt *statement = start(sqlite, STATEMENT_LEASE_REMOVE);
        bind_number(statement, 1, lease_over);
        if (!run(sqlite, statement, err)) return false;
    }
    *ret_revision = place.n > 0 ? place.revision : sqlite->revision;
    return true;
}

static bool compare(struct sqlite *sqlite, const struct store_op *op, struct error *err)
{
    struct head head;
    if (!read_head(sqlite, op->key, &head, err)) return false;
    return head.revision == op->revision || store_conflict(err, op, head.revision);
}

/* Takes a place if the op changes anything. */
static bool write_change(struct sqlite *sqlite, const struct store_op *op, struct store_place *place,
                         struct error *err)
{
    struct head head;
    if (!read_head(sqlite, op->key, &head, err)) return false;
    if (op->kind == STORE_DELETE && head.revision == 0) return true;
    uint64_t create_revision = head.revision != 0 ? head.create_revision : place->revision;

    sqlite3_stmt *add = start(sqlite, STATEMENT_HISTORY_ADD);
    bind_number(add, 1, place->revision);
    bind_number(add, 2, place->n);
    bind_text(add, 3, op->key);
    bind_number(add, 4, create_revision);
    if (op->kind == STORE_PUT) bind_text(add, 5, op->value); /* else it stays NULL */
    if (!run(sqlite, add, err)) return false;
    place->n++;

    sqlite3_stmt *set = start(sqlite, op->kind == STORE_PUT ? STATEMENT_ITEM_SET : STATEMENT_ITEM_REMOVE);
    bind_text(set, 1, op->key);
    if (op->kind == STORE_PUT) {
        bind_number(set, 2, place->revision);
        bind_number(set, 3, create_revision);
        bind_number(set, 4, op->lease);
        bind_number(set, 5, (uint64_t)sqlite3_last_insert_rowid(sqlite->db));
    }
    return run(sqlite, set, err);
}

static bool read_head(struct sqlite *sqlite, const char *key, struct head *ret_head, struct error *err)
{
    sqlite3_stmt *statement = start(sqlite, STATEMENT_HEAD);
    bind_text(statement, 1, key);
    bool found = false;
    bool good = next_row(sqlite, statement, &found, err);
    if (good) *ret_head = (struct head){0};
    if (good && found)
        *ret_head = (struct head){.revision = column_number(statement, 0),
                                  .create_revision = column_number(statement, 1)};
    finish(statement);
    return good;
}

static bool compact_history(struct sqlite *sqlite, uint64_t revision, struct error *err)
{
    sqlite3_stmt *remove = start(sqlite, STATEMENT_COMPACT);
    bind_number(remove, 1, sqlite->compacted);
    bind_number(remove, 2, revision);
    if (!run(sqlite, remove, err)) return false;
    sqlite3_stmt *set = start(sqlite, STATEMENT_COMPACTED_SET);
    bind_number(set, 1, revision);
    return run(sqlite, set, err);
}

/* Commits when all went well so far, and takes everything back when that fails too. Returns whether the
 * transaction is durable. */
static bool end_transaction(struct sqlite *sqlite, bool good, struct error *err)
{
    if (good && run(sqlite, start(sqlite, STATEMENT_COMMIT), err)) return true;
    /* After some failures (https://www.sqlite.org/lang_transaction.html, 2.3) SQLite has done it by itself.
     */
    struct error ignored; /* the first failure is the one to tell */
    if (!sqlite3_get_autocommit(sqlite->db) && !run(sqlite, start(sqlite, STATEMENT_ROLLBACK), &ignored))
        ASSERT(
            sqlite3_get_autocommit(sqlite->db)); /* it ends the transaction even when it reports a failure */
    return false;
}

/* The statement with nothing bound. Texts are bound without a copy: they must live until finish() or run().
 */
static sqlite3_stmt *start(struct sqlite *sqlite, enum statement which)
{
    return sqlite->statements[which];
}

static void finish(sqlite3_stmt *statement)
{
    sqlite3_reset(statement);          /* repeats the failure of the last step, which was told */
    sqlite3_clear_bindings(statement); /* cannot fail */
}

/* For what gives no rows. */
static bool run(struct sqlite *sqlite, sqlite3_stmt *statement, struct error *err)
{
    bool good = sqlite3_step(statement) == SQLITE_DONE;
    if (!good) sqlite_file_failed(sqlite->db, "write to it", err);
    finish(statement);
    return good;
}

static bool next_row(struct sqlite *sqlite, sqlite3_stmt *statement, bool *ret_found, struct error *err)
{
    int result = sqlite3_step(statement);
    if (result != SQLITE_ROW && result != SQLITE_DONE) return sqlite_file_failed(sqlite->db, "read it", err);
    *ret_found = result == SQLITE_ROW;
    return true;
}

/* A damaged file may hold any type in any column: what is NULL or not text is not taken on trust. */
static bool read_item(struct sqlite *sqlite, sqlite3_stmt *statement, struct store_item *ret_item,
                      struct error *err)
{
    const char *key = column_text(statement, 0);
    const char *value = column_text(statement, 1);
    if (!key || (!value && sqlite3_column_type(statement, 1) != SQLITE_NULL))
        return sqlite_file_damaged(sqlite->db, "read an item", err);
    *ret_item = (struct store_item){.key = mem_strdup(key),
                                    .value = mem_strdup(value),
                                    .revision = column_number(statement, 2),
                                    .create_revision = column_number(statement, 3)};
    return true;
}

/* NULL when the column holds no text. */
static const char *column_text(sqlite3_stmt *statement, int column)
{
    if (sqlite3_column_type(statement, column) != SQLITE_TEXT) return NULL;
    return (const char *)sqlite3_column_text(statement, column);
}

static uint64_t column_number(sqlite3_stmt *statement, int column)
{
    return (uint64_t)sqlite3_column_int64(statement, column);
}

static void bind_text(sqlite3_stmt *statement, int parameter, const char *text)
{
    int result = sqlite3_bind_text(statement, parameter, text, -1, SQLITE_STATIC);
    ASSERT(result == SQLITE_OK); /* fails only for a wrong parameter or statement */
}

/* SQLite's numbers end at 2^63 - 1; so do our revisions, and what is beyond stands for the end. */
static void bind_number(sqlite3_stmt *statement, int parameter, uint64_t number)
{
    int result = sqlite3_bind_int64(statement, parameter, number > INT64_MAX ? INT64_MAX : (int64_t)number);
    ASSERT(result == SQLITE_OK);
}
