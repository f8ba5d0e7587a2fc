/*
 * replica.h: this host's part in what several hosts share: what is new here for the others
 * (capture, out), what of theirs is shown here (apply), and how far either is. docs/relay.md says
 * why it is right.
 *
 * All of it is in the database itself, written in the transaction that it is about. Functions that
 * write do so inside the caller's transaction. Texts are borrowed as in event.h. Besides the common
 * errors, none of these functions has one that is not named.
 */
#ifndef STORE_REPLICA_H
#define STORE_REPLICA_H

#include "base/attr.h"
#include "base/buf.h"
#include "base/err.h"
#include "model/merge.h"
#include "store/store.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define REPLICA_TEXT_MAX 64

/* The row of the table relay, as a program keeps it between transactions. */
struct replica {
	char host[REPLICA_TEXT_MAX + 1];
	char token[REPLICA_TEXT_MAX + 1];
	int64_t revision;  /* updates up to it were looked at */
	int64_t authority; /* and changes of users, sessions and keys */
	char position[REPLICA_TEXT_MAX + 1]; /* in the stream: all up to it was applied */
	int64_t sent;      /* of this host's own changes, those up to it are in the stream */
	char sent_entry[REPLICA_TEXT_MAX + 1]; /* where that one is */
	char server[REPLICA_TEXT_MAX + 1];     /* in which run of Redis */
	int64_t newest;    /* the number of the newest change of its own; not written by replica_save */
};

/* Reads it. ERR_ABSENT: this database takes part in nothing. */
enum err store_replica_load(struct store *store, struct replica *out) MUST_USE;

/* Writes it back, but for host, token and newest. */
enum err store_replica_save(struct store *store, const struct replica *replica) MUST_USE;

/*
 * Takes part from now on, under this name: all users, sessions, keys and newest updates that there
 * are become changes of this host. In a transaction of its own; a large database is locked for some
 * seconds. ERR_CONFLICT: it takes part already.
 */
enum err store_replica_join(struct store *store, struct text host, int64_t now) MUST_USE;

/* Takes part no more, and forgets all that was kept for it. ERR_ABSENT: it did not. */
enum err store_replica_leave(struct store *store) MUST_USE;

/*
 * Notes what is new since replica->revision and replica->authority as changes of this host, and
 * moves them and replica->newest on; at most limit updates: *whole says whether these were all.
 * What store_apply did is no change of this host if replica_skip was called before the commit.
 */
enum err store_capture(struct store *store, struct replica *replica, int64_t now, size_t limit,
    bool *whole) MUST_USE;

/* Is there anything that store_capture would look at? A cheap read, outside transactions. */
enum err store_capture_due(struct store *store, const struct replica *replica, bool *due) MUST_USE;

/*
 * Merges a change of another host into what is here; *changed is set to true if it changed
 * anything. All that is new here must have been captured within the same transaction. ERR_INPUT: a
 * table refuses it, as its checks would refuse it from anybody: nothing of it was done, and the
 * transaction goes on.
 */
enum err store_apply(struct store *store, const struct change *change, bool *changed) MUST_USE;

/* What the table shows now was all captured or applied. */
enum err store_replica_skip(struct store *store, struct replica *replica) MUST_USE;

/* The changes of this host are numbered on from beyond n, or from where they are if that is further. */
enum err store_replica_level(struct store *store, int64_t n) MUST_USE;

/*
 * One numbered change of this host. change is NULL where nothing is left of it (the update was
 * pruned, or its session deleted). Returns whether to go on.
 */
typedef bool (*store_out_fn)(void *arg, int64_t n, const struct change *change);

/* Those numbered beyond `after`, in order, at most limit. */
enum err store_out_after(struct store *store, int64_t after, size_t limit, store_out_fn fn, void *arg)
    MUST_USE;

/* Those of one thing from beyond `after` up to `until`. */
enum err store_out_of(struct store *store, struct text id, int64_t after, int64_t until,
    store_out_fn fn, void *arg) MUST_USE;

/* Whose are those beyond `after`? fn returns whether to go on. */
typedef bool (*store_out_id_fn)(void *arg, int64_t n, struct text id);
enum err store_out_ids(struct store *store, int64_t after, size_t limit, store_out_id_fn fn, void *arg)
    MUST_USE;

/* Forgets those up to `sent` that are from before `before` (seconds) or numbered up to `until`, at
 * most limit. */
enum err store_out_trim(struct store *store, int64_t sent, int64_t before, int64_t until, size_t limit)
    MUST_USE;

/* Everything that is known: each thing after (kind, id), a session with its newest update, in their
 * order, at most limit. Begin with THING_KEY, the first, and an empty id. n is 0. */
enum err store_things_after(struct store *store, enum thing_kind kind, struct text id, size_t limit,
    store_out_fn fn, void *arg) MUST_USE;

/* Another host. */
struct replica_host {
	struct text name; /* borrowed until fn returns */
	int64_t n;        /* its changes up to it have arrived here */
	bool doubt;       /* but some before it may be missing */
	struct text state;
	int64_t lag_ms;   /* how old what it has applied is */
	int64_t waiting;  /* changes that it has yet to send */
	int64_t seen_at;  /* seconds since 1970; 0: never */
};
typedef void (*store_host_fn)(void *arg, const struct replica_host *host);
enum err store_host_each(struct store *store, store_host_fn fn, void *arg) MUST_USE;

/* Writes n and doubt; and what the host says of itself. */
enum err store_host_heard(struct store *store, struct text name, int64_t n, bool doubt) MUST_USE;
enum err store_host_seen(struct store *store, const struct replica_host *host) MUST_USE;

/* A host that will never come back is of no account any more. ERR_ABSENT: no such host. */
enum err store_host_forget(struct store *store, struct text name) MUST_USE;

/* Writes whether the relay reaches Redis, and why not. */
enum err store_replica_state(struct store *store, bool here, const char *error, int64_t now) MUST_USE;

/* For readyz and status. */
struct replica_status {
	char host[REPLICA_TEXT_MAX + 1];
	bool here;        /* the relay reached Redis when it wrote last */
	int64_t since;    /* since when that is so */
	int64_t alive_at; /* when it wrote last; it does so every second */
	char error[160];  /* why not; "" if it does */
	int64_t waiting;  /* changes that are not in the stream yet */
	int64_t doubts;   /* hosts of which something is missing until a snapshot has come */
};
/* ERR_ABSENT: nothing is shared. */
enum err store_replica_status(struct store *store, struct replica_status *out) MUST_USE;

/* What is wrong with the relay at this time, in one sentence; NULL: nothing, or there is none to be
 * had. The text is borrowed from status, or static. */
const char *replica_trouble(const struct replica_status *status, int64_t now);

/* Appends the line by which a program says whether it is ready: why it is not, or if that is NULL, what
 * is wrong with the relay, which keeps no program from serving. */
void store_write_ready(struct store *store, const char *why_not, int64_t now, struct buf *out);

#endif
