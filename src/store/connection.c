/* connection.c: opening SQLite on a file, and saying in one line what is wrong with it. */
#include "store/connection.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <string.h>
#include <unistd.h>

/*
 * What every connection of ours is set to. A memory map is not used, and automatic checkpoints are
 * off, because of SQLite's WAL-reset bug (store_checkpoint says more). The journal's size limit
 * gives disk space back after a burst, once the WAL begins anew.
 */
static const char settings[] =
    "PRAGMA synchronous = FULL;"
    "PRAGMA mmap_size = 0;"
    "PRAGMA journal_size_limit = 16777216;"
    "PRAGMA trusted_schema = OFF;"
    "PRAGMA cell_size_check = ON;"
    "PRAGMA temp_store = MEMORY;";

enum err
connection_err(sqlite3 *db, int rc)
{
	int saved_errno = db != NULL ? sqlite3_system_errno(db) : 0;

	switch (rc) {
	case SQLITE_CONSTRAINT_UNIQUE:
	case SQLITE_CONSTRAINT_PRIMARYKEY:
		return ERR_CONFLICT;
	case SQLITE_IOERR_NOMEM:
		return ERR_NOMEM;
	}
	switch (rc & 0xff) {
	case SQLITE_BUSY:
	case SQLITE_LOCKED:
		return ERR_BUSY;
	case SQLITE_FULL:
	case SQLITE_READONLY:
		return ERR_FULL;
	case SQLITE_NOMEM:
		return ERR_NOMEM;
	case SQLITE_IOERR:
		if (saved_errno == ENOSPC || saved_errno == EDQUOT || saved_errno == EROFS)
			return ERR_FULL;
		return ERR_SYSTEM;
	default:
		return ERR_SYSTEM;
	}
}

enum err
connection_why(sqlite3 *db, int rc, const char *path, struct buf *why)
{
	int cause = db != NULL ? sqlite3_system_errno(db) : 0;

	if ((rc & 0xff) == SQLITE_CANTOPEN && (cause == EMFILE || cause == ENFILE)) {
		buf_printf(why, "%s: %s", path, strerror(cause));
		return ERR_SYSTEM;
	}
	switch (rc & 0xff) {
	case SQLITE_NOTADB:
	case SQLITE_CORRUPT:
		buf_printf(why, "%s: damaged, or not a database: restore a backup", path);
		return ERR_INPUT;
	case SQLITE_READONLY:
	case SQLITE_CANTOPEN: /* of the -wal or -shm beside it */
	case SQLITE_PERM:
		buf_printf(why, "%s: can't be written: this user needs the right to write to the "
		    "file and to its directory", path);
		return ERR_FULL;
	default:
		buf_printf(why, "%s: %s", path,
		    db != NULL ? sqlite3_errmsg(db) : sqlite3_errstr(rc));
		return connection_err(db, rc);
	}
}

enum err
connection_create(const char *path)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0660);

	if (fd < 0)
		return errno == EEXIST ? ERR_CONFLICT : ERR_SYSTEM;
	close(fd);
	return ERR_OK;
}

int
connection_number(sqlite3 *db, const char *sql, sqlite3_int64 *out)
{
	sqlite3_stmt *stmt;
	int rc = sqlite3_prepare_v2(db, sql, -1, &stmt, NULL);

	if (rc != SQLITE_OK)
		return rc;
	rc = sqlite3_step(stmt);
	if (rc == SQLITE_ROW)
		*out = sqlite3_column_int64(stmt, 0);
	sqlite3_finalize(stmt);
	return rc == SQLITE_ROW ? SQLITE_OK : rc;
}

/* Whose database is it, and how far along? *version is 0 for an empty one. */
static enum err
identify(sqlite3 *db, const char *path, int *version, struct buf *why)
{
	sqlite3_int64 application = 0, schema = 0, things = 0;
	int rc = connection_number(db, "PRAGMA application_id", &application);

	if (rc == SQLITE_OK)
		rc = connection_number(db, "PRAGMA user_version", &schema);
	/* Only an empty database's schema is read before the version is known to be one of ours. */
	if (rc == SQLITE_OK && application == 0)
		rc = connection_number(db, "SELECT count(*) FROM sqlite_schema", &things);
	if (rc != SQLITE_OK)
		return connection_why(db, rc, path, why);
	if (application != APPLICATION_ID && (application != 0 || schema != 0 || things != 0)) {
		buf_printf(why, "%s: a database of another program, not of Milepost", path);
		return ERR_ABSENT;
	}
	*version = (int)schema;
	return ERR_OK;
}

static enum err
open_failed(sqlite3 *db, int rc, const char *path, struct buf *why)
{
	int cause = db != NULL ? sqlite3_system_errno(db) : 0;

	if ((rc & 0xff) != SQLITE_CANTOPEN)
		return connection_why(db, rc, path, why);
	if (cause == ENOENT || cause == ENOTDIR) {
		buf_printf(why, "%s: no such database; create it with: milepostctl init", path);
		return ERR_ABSENT;
	}
	buf_printf(why, "%s: can't be opened: %s", path, strerror(cause));
	return cause == EACCES || cause == EROFS ? ERR_FULL : ERR_SYSTEM;
}

/* SQLite's statistics of memory, which nobody asks for, cost a lock that all threads share, at each
 * allocation. To be said before its first use. */
static void
set_up_library(void)
{
	sqlite3_config(SQLITE_CONFIG_MEMSTATUS, 0);
}

enum err
connection_open(const char *path, int busy_ms, sqlite3 **out, int *version, struct buf *why)
{
	static pthread_once_t once = PTHREAD_ONCE_INIT;
	sqlite3 *db = NULL;
	int flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_EXRESCODE;
	enum err err;
	int rc;

	pthread_once(&once, set_up_library);
	rc = sqlite3_open_v2(path, &db, flags, NULL);

	if (rc != SQLITE_OK) {
		err = open_failed(db, rc, path, why);
		goto fail;
	}
	sqlite3_busy_timeout(db, busy_ms);
	sqlite3_wal_autocheckpoint(db, 0);
	err = identify(db, path, version, why);
	if (err != ERR_OK)
		goto fail;
	rc = sqlite3_exec(db, settings, NULL, NULL, NULL);
	if (rc != SQLITE_OK) {
		err = connection_why(db, rc, path, why);
		goto fail;
	}
	*out = db;
	return ERR_OK;
fail:
	sqlite3_close(db);
	return err;
}
