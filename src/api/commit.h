/*
 * commit.h: group commit. Threads hand what they want to write to whoever holds the one writer
 * connection; that thread, the leader, commits all that wait in one transaction and one fsync.
 */
#ifndef API_COMMIT_H
#define API_COMMIT_H

#include "base/attr.h"
#include "base/buf.h"
#include "base/err.h"
#include "base/metrics.h"
#include "bell/bell.h"
#include "store/store.h"

#include <stdbool.h>
#include <stdint.h>

struct commit;

/*
 * What one request wants to write. Called inside a transaction, by any thread, while the requesting
 * one waits. Its answer may be an error that leaves the transaction sound (ERR_ABSENT, ERR_CONFLICT,
 * ...); BUSY, FULL, NOMEM and SYSTEM end it for the whole group.
 */
typedef enum err (*commit_fn)(void *arg, struct store *store);

struct commit_options {
	enum store_mode mode; /* STORE_WRITE, or STORE_BRIEF for a CGI process */
	int busy_ms;
	size_t group_max;     /* updates in one transaction, unless one request has more */
	int64_t wal_max;      /* bytes; see commit_run */
};

/* Errors and why are store_open's. The caller frees *out. */
enum err commit_new(const char *database, const struct commit_options *options,
    struct commit **out, struct buf *why) MUST_USE;

/* No thread may be inside commit_run any more. */
void commit_free(struct commit **commit);

/*
 * Runs fn in a transaction and returns when it is durable and the bell was rung: then the answer is
 * fn's. weight: about how many updates it writes, at least 1. Otherwise it is the transaction's failure, and nothing was stored. Any number of threads.
 *
 * A reader that stays in an old state of the database keeps the WAL from being begun anew. Once more
 * than wal_max of it is in use, only one transaction a second is tried, until the reader is gone; the
 * others fail with ERR_FULL, so that the disk does not fill up. In STORE_BRIEF each looks whether it is gone.
 */
enum err commit_run(struct commit *commit, commit_fn fn, void *arg, size_t weight) MUST_USE;

struct commit_stats {
	uint64_t requests;   /* that went through commit_run */
	uint64_t groups;     /* transactions */
	uint64_t failures;   /* transactions that failed */
	int64_t running_ms;  /* how long the present one has been running; 0: none is */
	int64_t wal_used;    /* bytes, after the last transaction */
	uint64_t wal_refusals; /* transactions that were not tried because of wal_max */
	uint64_t checkpoints_whole, checkpoints_part, checkpoints_busy, checkpoints_failed;
	struct histogram times; /* of transactions */
};
void commit_stats(struct commit *commit, struct commit_stats *out);

#endif
