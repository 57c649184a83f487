#include "store/sqlite_file.h"

#include "base/attr.h"
#include "base/mem.h"

#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

/* "Crft": tells our files from other SQLite databases (https://www.sqlite.org/fileformat.html, 1.3.12). */
#define APPLICATION_ID 0x43726674
#define FORMAT 1

#define STRING_OF(x) #x
#define TEXT_OF(x) STRING_OF(x)

/* A value is stored once, in the history; `item` says which row of it is a key's current one, and its own
 * order by key is the index of listings. */
static const char schema[] =
    "BEGIN;"
    "CREATE TABLE history ("
    "  id INTEGER PRIMARY KEY,"
    "  revision INTEGER NOT NULL,"
    "  n INTEGER NOT NULL," /* the n-th change of its revision */
    "  key TEXT NOT NULL,"
    "  create_revision INTEGER NOT NULL,"
    "  value TEXT" /* NULL: the key was deleted. Last, so that the others are read without it. */
    ") STRICT;"
    "CREATE UNIQUE INDEX history_by_place ON history (revision, n);"
    "CREATE UNIQUE INDEX history_by_key ON history (key, revision);"
    "CREATE TABLE item ("
    "  key TEXT PRIMARY KEY,"
    "  revision INTEGER NOT NULL,"
    "  create_revision INTEGER NOT NULL,"
    "  lease INTEGER NOT NULL,"
    "  history_id INTEGER NOT NULL"
    ") STRICT, WITHOUT ROWID;"
    "CREATE INDEX item_by_lease ON item (lease, key) WHERE lease <> 0;"
    "CREATE TABLE lease ("
    "  id INTEGER PRIMARY KEY AUTOINCREMENT," /* never given twice, also after its row is gone */
    "  ttl_ms INTEGER NOT NULL"
    ") STRICT;"
    "CREATE TABLE compacted (revision INTEGER NOT NULL) STRICT;"
    "INSERT INTO compacted VALUES (0);"
    "PRAGMA application_id = " TEXT_OF(APPLICATION_ID) ";"
                                                       "PRAGMA user_version = " TEXT_OF(FORMAT) ";"
                                                                                                "COMMIT;";

static bool make_file(const char *path, struct error *err);
static bool make_file_locked(const char *path, struct error *err);
static bool write_schema(const char *path, struct error *err);
static bool check_no_remains(const char *path, struct error *err);
static bool make_directories(const char *directory, struct error *err);
static bool open_database(const char *path, sqlite3 **ret_db, struct error *err);
static bool check_ours(sqlite3 *db, const char *path, struct error *err);
static bool set_up(sqlite3 *db, struct error *err);
static int pragma_number(sqlite3 *db, const char *sql, int64_t *ret_value);
static bool pragma_says(sqlite3 *db, const char *sql, const char *expected, const char *what,
                        struct error *err);
static bool sync_directory(int directory_fd, const char *path, struct error *err);
static char *directory_of(const char *path);
static void closep(int *fd);

bool sqlite_file_open(const char *path, sqlite3 **ret_db, struct error *err)
{
    /* Never open and close the file here: that would drop the POSIX locks that another handle of this process
     * may hold on it (https://www.sqlite.org/howtocorrupt.html, 2.2). */
    struct stat status;
    if (stat(path, &status) != 0) {
        if (errno != ENOENT) return error_errno(err, errno, "cannot open store %s", path);
        if (!make_file(path, err)) return false;
    } else if (!S_ISREG(status.st_mode)) {
        return error_set(err, ERROR_REFUSED, "%s is not a croft store: it is not a file", path);
    }
    sqlite3 *db;
    if (!open_database(path, &db, err)) return false;
    if (!check_ours(db, path, err) || !set_up(db, err)) {
        sqlite3_close(db);
        return false;
    }
    *ret_db = db;
    return true;
}

bool sqlite_file_failed(sqlite3 *db, const char *what, struct error *err)
{
    const char *path = sqlite3_db_filename(db, "main");
    const char *reason = sqlite3_errmsg(db);
    switch (sqlite3_errcode(db)) {
    case SQLITE_FULL:
        return error_set(err, ERROR_FAILED, "store %s: cannot %s: %s: make room on its file system", path,
                         what, reason);
    case SQLITE_IOERR:
    case SQLITE_CANTOPEN:
        return error_set(err, ERROR_FAILED, "store %s: cannot %s: %s (%s)", path, what, reason,
                         strerror(sqlite3_system_errno(db)));
    case SQLITE_CORRUPT:
    case SQLITE_NOTADB:
        return sqlite_file_damaged(db, what, err);
    default:
        return error_set(err, ERROR_FAILED, "store %s: cannot %s: %s", path, what, reason);
    }
}

bool sqlite_file_damaged(sqlite3 *db, const char *what, struct error *err)
{
    return error_set(err, ERROR_FAILED, "store %s: cannot %s: the file is damaged: bring back a copy of it",
                     sqlite3_db_filename(db, "main"), what);
}

/* So that a file at path is always a whole store, it is made under another name. */
static bool make_file(const char *path, struct error *err)
{
    CLEANUP_MEM char *directory = directory_of(path);
    if (!make_directories(directory, err)) return false;
    CLEANUP(closep) int fd = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0) return error_errno(err, errno, "cannot open directory %s", directory);
    /* Two that make it at the same time would make it under the same name. */
    if (flock(fd, LOCK_EX | LOCK_NB) != 0) {
        if (errno == EWOULDBLOCK)
            return error_set(err, ERROR_REFUSED, "another process is making store %s: try again", path);
        return error_errno(err, errno, "cannot lock directory %s", directory);
    }
    if (access(path, F_OK) == 0) return true; /* somebody was faster */
    if (!check_no_remains(path, err) || !make_file_locked(path, err)) return false;
    return sync_directory(fd, directory, err);
}

static bool make_file_locked(const char *path, struct error *err)
{
    CLEANUP_MEM char *draft = mem_printf("%s.new", path);
    if (unlink(draft) != 0 && errno != ENOENT) return error_errno(err, errno, "cannot remove %s", draft);
    int fd = open(draft, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (fd < 0) return error_errno(err, errno, "cannot make store %s", draft);
    close(fd);
    bool good = write_schema(draft, err);
    if (good && rename(draft, path) != 0)
        good = error_errno(err, errno, "cannot rename %s to %s", draft, path);
    if (!good) unlink(draft);
    return good;
}

static bool write_schema(const char *path, struct error *err)
{
    sqlite3 *db;
    if (!open_database(path, &db, err)) return false;
    /* A draft that is half made is thrown away: it needs no journal, only to be durable at the end. */
    bool good = sqlite3_exec(db, "PRAGMA journal_mode = MEMORY; PRAGMA synchronous = FULL", NULL, NULL,
                             NULL) == SQLITE_OK &&
                sqlite3_exec(db, schema, NULL, NULL, NULL) == SQLITE_OK;
    if (!good) sqlite_file_failed(db, "make it", err);
    sqlite3_close(db);
    return good;
}

/* A write-ahead log without its database holds acknowledged writes of an earlier store. SQLite would take it
 * for the new file's own. */
static bool check_no_remains(const char *path, struct error *err)
{
    CLEANUP_MEM char *log = mem_printf("%s-wal", path);
    if (access(log, F_OK) != 0) return true;
    return error_set(
        err, ERROR_REFUSED,
        "store %s is gone but its log %s is there: bring the store back, or remove the log with all "
        "that is in it",
        path, log);
}

static bool make_directories(const char *directory, struct error *err)
{
    if (access(directory, F_OK) == 0) return true;
    CLEANUP_MEM char *parent = directory_of(directory);
    if (!make_directories(parent, err)) return false;
    if (mkdir(directory, 0700) != 0 && errno != EEXIST)
        return error_errno(err, errno, "cannot make directory %s", directory);
    CLEANUP(closep) int fd = open(parent, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0) return error_errno(err, errno, "cannot open directory %s", parent);
    return sync_directory(fd, parent, err);
}

static bool open_database(const char *path, sqlite3 **ret_db, struct error *err)
{
    /* SQLite gives names like ":memory:" a meaning; "./:memory:" has none. */
    CLEANUP_MEM char *plain = mem_printf("%s%s", path[0] == '/' ? "" : "./", path);
    sqlite3 *db = NULL;
    int result = sqlite3_open_v2(plain, &db, SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX, NULL);
    if (result != SQLITE_OK) {
        error_set(err, ERROR_FAILED, "cannot open store %s: %s (%s)", path, sqlite3_errstr(result),
                  strerror(db ? sqlite3_system_errno(db) : ENOMEM));
        sqlite3_close(db);
        return false;
    }
    *ret_db = db;
    return true;
}

/* Before anything is written: a file that is not ours is left as it was. */
static bool check_ours(sqlite3 *db, const char *path, struct error *err)
{
    /* Set before the first read: SQLite then keeps the lock until it closes, and needs no shared memory. */
    if (!pragma_says(db, "PRAGMA locking_mode = EXCLUSIVE", "exclusive", "lock it", err)) return false;
    int64_t application_id = 0, format = 0;
    int result = pragma_number(db, "PRAGMA application_id", &application_id);
    if (result == SQLITE_OK) result = pragma_number(db, "PRAGMA user_version", &format);
    if (result == SQLITE_BUSY)
        return error_set(err, ERROR_REFUSED, "store %s is in use by another process: end that first", path);
    if (result == SQLITE_NOTADB || (result == SQLITE_OK && application_id != APPLICATION_ID))
        return error_set(err, ERROR_REFUSED, "%s is not a croft store: name another file", path);
    if (result != SQLITE_OK) return sqlite_file_failed(db, "read it", err);
    if (format != FORMAT)
        return error_set(
            err, ERROR_REFUSED,
            "store %s has format %lld and this croft knows format %d: use the croft that wrote it", path,
            (long long)format, FORMAT);
    return true;
}

static bool set_up(sqlite3 *db, struct error *err)
{
    /* Journal: as the README says. cell_size_check: damage is found before it is followed. trusted_schema: a
     * file cannot make us call functions. The limit gives the room of an unusually large log back. */
    static const char settings[] = "PRAGMA synchronous = FULL;"
                                   "PRAGMA cell_size_check = ON;"
                                   "PRAGMA trusted_schema = OFF;"
                                   "PRAGMA temp_store = MEMORY;"
                                   "PRAGMA cache_size = -16384;"
                                   "PRAGMA journal_size_limit = 67108864";
    if (!pragma_says(db, "PRAGMA journal_mode = WAL", "wal", "use a write-ahead log", err)) return false;
    if (sqlite3_exec(db, settings, NULL, NULL, NULL) != SQLITE_OK)
        return sqlite_file_failed(db, "set it up", err);
    return pragma_says(db, "PRAGMA quick_check(1)", "ok", "use it", err);
}

static int pragma_number(sqlite3 *db, const char *sql, int64_t *ret_value)
{
    sqlite3_stmt *statement = NULL;
    int result = sqlite3_prepare_v2(db, sql, -1, &statement, NULL);
    if (result == SQLITE_OK) result = sqlite3_step(statement);
    if (result == SQLITE_ROW) {
        *ret_value = sqlite3_column_int64(statement, 0);
        result = SQLITE_OK;
    }
    sqlite3_finalize(statement);
    return result;
}

/* Runs a pragma that answers with one text; any other answer than the expected one is damage or a refusal. */
static bool pragma_says(sqlite3 *db, const char *sql, const char *expected, const char *what,
                        struct error *err)
{
    sqlite3_stmt *statement = NULL;
    bool good = false;
    if (sqlite3_prepare_v2(db, sql, -1, &statement, NULL) != SQLITE_OK ||
        sqlite3_step(statement) != SQLITE_ROW) {
        sqlite_file_failed(db, what, err);
    } else {
        const unsigned char *answer = sqlite3_column_text(statement, 0);
        good = answer && strcmp((const char *)answer, expected) == 0;
        if (!good) sqlite_file_damaged(db, what, err);
    }
    sqlite3_finalize(statement);
    return good;
}

static bool sync_directory(int directory_fd, const char *path, struct error *err)
{
    return fsync(directory_fd) == 0 || error_errno(err, errno, "cannot make directory %s durable", path);
}

/* The caller's to mem_free(). "a/b" gives "a", "a" gives ".", "/a" gives "/". */
static char *directory_of(const char *path)
{
    size_t size = strlen(path);
    while (size > 1 && path[size - 1] == '/')
        size--;
    while (size > 0 && path[size - 1] != '/')
        size--;
    while (size > 1 && path[size - 1] == '/')
        size--;
    return size > 0 ? mem_strndup(path, size) : mem_strdup(".");
}

static void closep(int *fd)
{
    if (*fd >= 0) close(*fd);
}
