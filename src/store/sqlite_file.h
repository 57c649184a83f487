/* The file of the SQLite provider: making it, opening it, refusing what is not one of ours. */
#ifndef CROFT_STORE_SQLITE_FILE_H
#define CROFT_STORE_SQLITE_FILE_H

#include "base/error.h"

#include <sqlite3.h>

/* Opens the store's file at path for this process alone; makes it first when it is missing. The handle is the
 * caller's: sqlite3_close(). ERROR_REFUSED: not a croft store, of a newer format, or held by a process.
 * ERROR_FAILED: damaged, or the system refused. */
MUST_CHECK bool sqlite_file_open(const char *path, sqlite3 **ret_db, struct error *err);

/* Fills *err (ERROR_FAILED) for what `db` has just failed to do: "store PATH: cannot WHAT: REASON: what to
 * do". Returns false. */
bool sqlite_file_failed(sqlite3 *db, const char *what, struct error *err);
/* The same for content that SQLite can read and we never wrote. */
bool sqlite_file_damaged(sqlite3 *db, const char *what, struct error *err);

#endif
