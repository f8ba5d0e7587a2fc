/*
 * statement.h: the closed list of SQL that a store runs, and the one way to run it. Inside
 * src/store only.
 *
 * A struct statement is one use of a prepared statement, with a sticky error: bind, step, read, and
 * ask once, at the end, whether all went well.
 *
 *     struct statement st = statement_use(store, SQL_USER_BY_ID);
 *
 *     statement_bind_id(&st, 1, id);
 *     if (statement_row(&st))
 *             ... statement_text(&st, 3) ...
 *     return statement_done(&st, ERR_OK);
 *
 * Every use ends with statement_done, which resets the statement: one that is left open is a read
 * transaction that holds up the checkpoint.
 */
#ifndef STORE_STATEMENT_H
#define STORE_STATEMENT_H

#include "base/attr.h"
#include "base/buf.h"
#include "base/err.h"
#include "base/text.h"
#include "model/id.h"
#include "model/progress.h"
#include "store/store.h"

#include <sqlite3.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* The texts are in statement.c. */
enum sql {
	SQL_BEGIN,
	SQL_COMMIT,
	SQL_ROLLBACK,
	SQL_SNAPSHOT,
	SQL_TRY,
	SQL_TRY_UNDO,
	SQL_TRY_END,
	SQL_STATS,

	SQL_USER_BY_ID,
	SQL_USER_BY_EMAIL,
	SQL_USER_PUT,
	SQL_USER_DELETE,
	SQL_USER_EACH,
	SQL_SESSION_BY_ID,
	SQL_SESSION_PUT,
	SQL_SESSION_DELETE,
	SQL_SESSION_EACH,
	SQL_AUTHORITY_NEWEST,
	SQL_AUTHORITY_SINCE,

	SQL_KEY_NEW,
	SQL_KEY_BY_HASH,
	SQL_KEY_DELETE,
	SQL_KEY_EACH,

	SQL_TICKET_NEW,
	SQL_TICKET_TAKE,
	SQL_TICKET_SWEEP,
	SQL_TICKET_COUNT,

	SQL_STAGE_BY_NAME,
	SQL_STAGE_NAMES,
	SQL_EVENT_ADD,
	SQL_EVENT_NEWEST,
	SQL_EVENT_SINCE,
	SQL_EVENT_OF_SESSION,
	SQL_EVENT_REVISION,
	SQL_EVENT_SPAN,
	SQL_EVENT_PRUNE,
	SQL_ACTIVE_BEGIN,
	SQL_ACTIVE_END,
	SQL_ACTIVE_ALL,
	SQL_ACTIVE_OF_PATIENT,

	SQL_RELAY,
	SQL_RELAY_JOIN,
	SQL_RELAY_LEAVE,
	SQL_RELAY_SAVE,
	SQL_RELAY_STATE,
	SQL_RELAY_STATUS,
	SQL_RELAY_COUNT,
	SQL_RELAY_LEVEL,
	SQL_HOST_EACH,
	SQL_HOST_HEARD,
	SQL_HOST_SEEN,
	SQL_HOST_FORGET,
	SQL_THING_GET,
	SQL_THING_PUT,
	SQL_THING_IDS,
	SQL_THING_KEY_IDS,
	SQL_THING_AFTER,
	SQL_ROW_USER,
	SQL_ROW_SESSION,
	SQL_ROW_KEY,
	SQL_SHOW_SESSION,
	SQL_SHOW_KEY,
	SQL_HIDE_KEY,
	SQL_CLAIM,
	SQL_CLAIM_SHOWN,
	SQL_CLAIM_YIELD_USER,
	SQL_CLAIM_TAKE_USER,
	SQL_CLAIM_YIELD_KEY,
	SQL_CLAIM_TAKE_KEY,
	SQL_TOP_GET,
	SQL_TOP_PUT,
	SQL_TOP_NEXT,
	SQL_TOP_ALL,
	SQL_CAPTURE_EVENTS,
	SQL_OUT_ADD,
	SQL_OUT_ADD_TOP,
	SQL_OUT_ADD_ALL,
	SQL_OUT_AFTER,
	SQL_OUT_OF_ID,
	SQL_OUT_IDS,
	SQL_OUT_TRIM,
	SQL__MAX
};

struct store {
	sqlite3 *db;
	sqlite3 *second; /* NULL until a checkpoint or backup needs it */
	sqlite3_stmt *prepared[SQL__MAX]; /* NULL until the first use */
	struct buf kept; /* the texts of the last result */
	char *path;
	enum store_mode mode;
	int busy_ms;
	int wal_frames;    /* length of the WAL after this connection's last commit */
	int checkpoint_at; /* the length at which store_checkpoint acts */
	char error[256];
	bool is_refused;   /* the last failure was a table's own: one of its checks, say */
};

struct statement {
	struct store *store;
	sqlite3_stmt *stmt; /* NULL if it could not be prepared */
	enum err err;
};

struct statement statement_use(struct store *store, enum sql sql);

/* Parameters count from 1. Texts and blobs are borrowed until statement_done. */
void statement_bind_int(struct statement *st, int at, int64_t n);
void statement_bind_text(struct statement *st, int at, struct text t); /* absent: NULL */
void statement_bind_blob(struct statement *st, int at, const void *data, size_t len);
void statement_bind_id(struct statement *st, int at, const struct id *id);

/* Steps: is there a row (another row)? False at the end and after an error. */
bool statement_row(struct statement *st);

/* Columns count from 0. Texts are borrowed from the row: until the next step. */
int64_t statement_int(const struct statement *st, int at);
bool statement_null(const struct statement *st, int at);
struct text statement_text(struct statement *st, int at); /* NULL: absent */
/* A column that holds no UUID is the sticky ERR_SYSTEM: the tables' checks forbid it. */
void statement_id(struct statement *st, int at, struct id *out);

/* What an update says of itself, in nine columns: status, rank, outcome, progress, message, error, eta,
 * updated_at, created_at. Whoever writes by hand may write more than a frame holds: texts are cut. */
void statement_update(struct statement *st, int at, struct progress *out);

/* The row holds what the tables' checks forbid: the sticky ERR_SYSTEM. */
void statement_odd(struct statement *st);

/* Resets, and returns the sticky error if there is one, else err. */
enum err statement_done(struct statement *st, enum err err) MUST_USE;

/* Runs one without parameters and results. */
enum err statement_run(struct store *store, enum sql sql) MUST_USE;

/* Runs one without parameters that answers a number; 0 where it has no row. */
enum err statement_number(struct store *store, enum sql sql, int64_t *out) MUST_USE;

/* Runs a DELETE whose parameters are bound. ERR_ABSENT: it found no row. */
enum err statement_delete(struct statement *st) MUST_USE;

/* Notes SQLite's text of the failure for store_error and returns what rc means. */
enum err statement_failed(struct store *store, sqlite3 *db, int rc);

/* Moves the texts into the store, where they live until its next call. ERR_NOMEM. */
enum err statement_keep(struct store *store, struct text *const texts[], size_t count) MUST_USE;

/* For a writer that needs the caller's transaction: ERR_SYSTEM unless one is open. (Some failures,
 * a full disk among them, roll it back behind the caller's back.) */
enum err statement_inside(struct store *store) MUST_USE;

/*
 * For a writer that reads first: begins a transaction unless the caller has one; *own says so. The
 * end commits (on ERR_OK) or rolls back what was begun, and returns err or the commit's failure.
 */
enum err statement_enter(struct store *store, bool *own) MUST_USE;
enum err statement_leave(struct store *store, bool own, enum err err) MUST_USE;

#endif
