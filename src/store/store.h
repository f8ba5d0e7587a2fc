/*
 * store.h: a connection to the database, its transactions, and its upkeep. Only src/store sees
 * sqlite3.h; what the tables hold is in account.h, key.h and event.h.
 *
 * A struct store is one SQLite connection: for one thread at a time. Statements are a closed list,
 * prepared once, and reset before each function returns, so that no read transaction outlives a
 * call (it would hold up the checkpoint). Callers that want several calls in one transaction say so
 * with store_begin or store_snapshot.
 *
 * Errors that every function of src/store may return: ERR_BUSY (locked for longer than busy_ms),
 * ERR_FULL (disk full or file read-only), ERR_NOMEM, ERR_SYSTEM (anything else of the database).
 * store_error then says more.
 */
#ifndef STORE_STORE_H
#define STORE_STORE_H

#include "base/attr.h"
#include "base/buf.h"
#include "base/err.h"

#include <stdbool.h>
#include <stdint.h>

struct store;

enum store_mode {
	STORE_READ,  /* never writes a row (query_only) */
	STORE_WRITE, /* a long-lived writer */
	STORE_BRIEF, /* a writer that soon ends: leaves the WAL as it is when it closes */
	STORE_LIGHT, /* the same, for what a power failure may undo: its commits wait for no disk */
};

/*
 * Opens an initialised database. WAL, synchronous=FULL, no automatic checkpoints, mmap off. On
 * failure why gets one line that names the file, what is wrong and what to do: ERR_ABSENT (no file,
 * or no Milepost database in it), ERR_CONFLICT (the schema is older: run milepostctl init; or newer
 * than this program), ERR_INPUT (damaged, not a database), ERR_FULL (not writable), and the common
 * ones. The caller closes *out.
 */
enum err store_open(const char *path, enum store_mode mode, int busy_ms, struct store **out,
    struct buf *why) MUST_USE;

/* Rolls back what is open, closes, sets the pointer to NULL. */
void store_close(struct store **store);

/* Was the file removed, or replaced by another, since it was opened? Then what is written is lost. */
bool store_is_moved(struct store *store);

/* Opens the file that is there now in the place of one that was moved; *renewed says if that was so.
 * Outside transactions. Errors and why are store_open's: then *store is as it was. */
enum err store_renew(struct store **store, bool *renewed, struct buf *why) MUST_USE;

/* The text of the last failure; valid until the next call. Never NULL. */
const char *store_error(const struct store *store);

/* BEGIN IMMEDIATE: takes the one writer's place, or fails with ERR_BUSY. */
enum err store_begin(struct store *store) MUST_USE;
/* On failure the transaction was rolled back: nothing of it is stored. */
enum err store_commit(struct store *store) MUST_USE;
void store_rollback(struct store *store);

/* Several reads of one state: BEGIN ... END. Keep it short. Of the newest state: a snapshot that is open
 * ends. */
enum err store_snapshot(struct store *store) MUST_USE;
void store_snapshot_end(struct store *store);
bool store_in_snapshot(const struct store *store);

/*
 * Copies the WAL back into the database if this connection's last commit left it longer than
 * STORE_CHECKPOINT_PAGES (or now, if that is asked for): PASSIVE, under a BEGIN IMMEDIATE of a second
 * connection, which is safe where SQLite before 3.51.3 has its WAL-reset bug. Call it after a commit,
 * outside transactions. A failure harms nothing; the next call tries again.
 */
#define STORE_CHECKPOINT_PAGES 1000
enum checkpoint {
	CHECKPOINT_NOT_DUE,
	CHECKPOINT_WHOLE, /* the next commit begins the WAL anew, unless somebody still reads in it */
	CHECKPOINT_PART,  /* a reader needs an older state: the WAL grows on */
};
enum err store_checkpoint(struct store *store, bool now, enum checkpoint *result) MUST_USE;

/* How much of the WAL was in use at this connection's last commit, in bytes. Its file may be longer:
 * it is written anew from the start. */
int64_t store_wal_used(const struct store *store);

/* What readyz and status tell. */
struct store_stats {
	int schema;           /* its version */
	int64_t users;
	int64_t sessions;
	int64_t keys;
	int64_t events;
	int64_t running;      /* sessions whose newest update is of a running stage */
	int64_t newest;       /* revision; 0: none ever */
	int64_t wal_bytes;
};
/* Counts by reading: a few milliseconds per hundred thousand rows, so not for every request. */
enum err store_stats(struct store *store, struct store_stats *out) MUST_USE;

/* The size of the WAL's file; 0 if there is none. */
int64_t store_wal_bytes(const struct store *store);

/* SQLite's version, as text. */
const char *store_library_version(void);

/* Writes a whole, consistent copy to a new file, mode 0660 less the umask, that store_open can
 * open. ERR_CONFLICT: the file exists already. */
enum err store_backup(struct store *store, const char *path) MUST_USE;

#endif
