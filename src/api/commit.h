/*
 * commit.h: group commit. What requests want to write is put on a queue. The thread that puts the first one
 * there is the writer, which has the one connection that writes, until the queue is empty: it commits all that
 * wait in one transaction and one fsync, and answers each. So no thread waits for its answer, nor has to be
 * woken for it; and where one request comes alone no other thread has to do with it.
 */
#ifndef API_COMMIT_H
#define API_COMMIT_H

#include "api/upkeep.h"
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
 * What one request wants to write. Called inside a transaction, by the writer. Its answer may be an
 * error that leaves the transaction sound (ERR_ABSENT, ERR_CONFLICT, ...); BUSY, FULL, NOMEM and
 * SYSTEM end it, for this request alone: for the others of its group another one is begun, and
 * what was called for them is called once more, to begin anew.
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

/* Stopped, or never started. */
void commit_free(struct commit **commit);

/* Starts a thread that writes for those who wait (commit_run), and looks at a full WAL. Until then they
 * write themselves. ERR_SYSTEM: there can be no thread. */
enum err commit_start(struct commit *commit) MUST_USE;

/* Ends the thread. All must be answered; nothing may be submitted any more. Not started: nothing happens. */
void commit_stop(struct commit *commit);

/* A request that waits: the caller's, until it is answered. */
struct commit_ticket {
	commit_fn fn;
	void *arg;
	size_t weight; /* about how many updates fn writes, at least 1 */
	/* Called once, by the writer, most likely before commit_submit returns. The ticket is the caller's again. */
	void (*answer)(struct commit_ticket *ticket);
	enum err err; /* the answer, by then */
	/* commit.c's own. */
	struct commit_ticket *next;
};

/*
 * Has fn run in a transaction. It is answered when that is durable and the bell was rung: with fn's
 * answer; or else with the transaction's failure, and nothing was stored. Any number of threads. The caller may
 * be made the writer, and return when nothing waits any more. Where COMMIT_WAITING_MAX wait, it blocks until one
 * of them is answered.
 * Where another process holds the database, a request waits for busy_ms, or up to twice as long if it
 * came while others already did; then it fails with ERR_BUSY.
 *
 * A reader that stays in an old state of the database keeps the WAL from being begun anew. Once more
 * than wal_max of it is in use, all fail with ERR_FULL, so that the disk does not fill up, until the
 * reader is gone. Once a second it is looked, by commit_start's thread where nobody comes; in
 * STORE_BRIEF each looks.
 */
#define COMMIT_WAITING_MAX 256
void commit_submit(struct commit *commit, struct commit_ticket *ticket);

/* The same for a thread that waits for the answer, and returns as soon as it is there. */
enum err commit_run(struct commit *commit, commit_fn fn, void *arg, size_t weight) MUST_USE;

struct commit_stats {
	uint64_t requests;   /* that were handed in */
	uint64_t failures;   /* transactions that failed */
	int64_t running_ms;  /* how long the present one has been running; 0: none is */
	uint64_t wal_refusals; /* transactions that were not tried because the WAL is full */
	struct upkeep_stats upkeep;
	struct histogram times; /* of transactions */
};
void commit_stats(struct commit *commit, struct commit_stats *out);

#endif
