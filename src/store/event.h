/*
 * event.h: updates. Each stored update is a row of an append-only table with a revision that grows in
 * the order of commits; a session's progress is its newest row.
 *
 * A struct progress that a function hands out borrows its texts from the store: until the callback
 * returns, or until the next call on the store.
 */
#ifndef STORE_EVENT_H
#define STORE_EVENT_H

#include "base/attr.h"
#include "base/err.h"
#include "model/faults.h"
#include "model/progress.h"
#include "store/account.h"
#include "store/store.h"

#include <stddef.h>
#include <stdint.h>

/*
 * Decides about one update (model/progress.h) and stores it if it is to be stored. Must be called
 * inside store_begin ... store_commit; nothing is durable before the commit. ERR_ABSENT: no such
 * session. On ERR_OK:
 *   DECISION_STORE, DECISION_SAME   *result is what is stored now
 *   DECISION_CONFLICT               *result is the current update, *why the reason
 *   DECISION_INVALID                faults; *result is not set
 * An unknown status is DECISION_INVALID, with a fault that lists the known ones.
 */
enum err store_report(struct store *store, const struct update *update, int64_t now,
    enum decision *decision, struct progress *result, struct faults *faults, const char **why)
    MUST_USE;

/*
 * Stores one as it is, as the session's newest, without judging it: it was judged on another host. Inside
 * a transaction of the caller's. p->revision is filled in, and p->run where it is 0: a new run.
 */
enum err store_event_append(struct store *store, int64_t session, struct progress *p) MUST_USE;

/* The session's newest update. ERR_ABSENT: none yet. */
enum err store_event_newest(struct store *store, int64_t session, struct progress *out) MUST_USE;

/* What a walk's callback answers: go on, or enough. */
typedef bool (*store_event_fn)(void *arg, const struct progress *p);

/* All updates with a revision beyond `after`, of all sessions, in order, at most limit. */
enum err store_event_since(struct store *store, int64_t after, size_t limit, store_event_fn fn,
    void *arg) MUST_USE;

/* One session's updates with a revision beyond `after`, in order, at most limit. */
enum err store_event_of_session(struct store *store, int64_t session, int64_t after, size_t limit,
    store_event_fn fn, void *arg) MUST_USE;

/*
 * The newest update of each session whose run goes on, the newest run first: of runs that began before
 * the revision `before`, of one patient's sessions unless patient is NULL, at most limit.
 */
enum err store_event_active(struct store *store, const struct id *patient, int64_t before,
    size_t limit, store_event_fn fn, void *arg) MUST_USE;

/* The newest revision of all, 0 if there never was an update. */
enum err store_event_revision(struct store *store, int64_t *out) MUST_USE;

/*
 * Looks at the next `limit` updates behind the revision *cursor (0: from the first on), and deletes those of
 * them that are older than `before` (seconds since 1970) and not the newest of their session, in one
 * transaction of its own; *deleted says how many, and *cursor moves on. So each update is looked at once,
 * however many stay. ERR_ABSENT: there are none, or all of them are young: as time grows with the revision,
 * that is the end.
 */
enum err store_event_prune(struct store *store, int64_t before, size_t limit, int64_t *cursor,
    size_t *deleted) MUST_USE;

#endif
