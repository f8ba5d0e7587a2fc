/*
 * connection.h: opening SQLite on a file and judging what lies there. Inside src/store only;
 * store.c and schema.c build on it.
 */
#ifndef STORE_CONNECTION_H
#define STORE_CONNECTION_H

#include "base/attr.h"
#include "base/buf.h"
#include "base/err.h"

#include <sqlite3.h>

#define APPLICATION_ID 1296846931 /* "MLPS": PRAGMA application_id of every database of ours */

/*
 * Opens an existing file for reading and writing; whether it may be written is for the caller to
 * ask. *version gets the schema's version, 0 where the file is an empty database. Errors and why as
 * store_open's, save that every version is accepted. The caller closes *out with sqlite3_close.
 */
enum err connection_open(const char *path, int busy_ms, sqlite3 **out, int *version,
    struct buf *why) MUST_USE;

/* Makes an empty file, mode 0660 less the umask. ERR_CONFLICT: it exists. ERR_SYSTEM: see errno. */
enum err connection_create(const char *path) MUST_USE;

/* The one translation of SQLite's (extended) result codes. A uniqueness constraint is an expected
 * answer, ERR_CONFLICT; any other constraint is a fault of ours, ERR_SYSTEM. */
enum err connection_err(sqlite3 *db, int rc);

/* The same where a file is opened: a damaged file is ERR_INPUT, one that may not be written
 * ERR_FULL, and why gets the line. */
enum err connection_why(sqlite3 *db, int rc, const char *path, struct buf *why);

/* The first column of the first row of a statement without parameters. Returns SQLite's code. */
int connection_number(sqlite3 *db, const char *sql, sqlite3_int64 *out) MUST_USE;

#endif
