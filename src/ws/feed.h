/*
 * feed.h: follows the database: every update and every change of authority after a cursor, as soon
 * as the bell rings, or at the latest at the next poll.
 */
#ifndef WS_FEED_H
#define WS_FEED_H

#include "base/attr.h"
#include "base/err.h"
#include "bell/bell.h"
#include "model/progress.h"
#include "store/account.h"
#include "store/store.h"

#include <ev.h>
#include <stdbool.h>
#include <stdint.h>

/* What the owner does with what comes. */
struct feed_sink {
	void *arg;
	void (*on_update)(void *arg, const struct progress *progress);
	void (*on_authority)(void *arg, enum authority_kind kind, const struct id *id);
	void (*on_authority_lost)(void *arg); /* anything may have changed */
	void (*on_error)(void *arg, enum err err);
	/* The database's file is not the one that the store has open: feed_restart is awaited. */
	void (*on_moved)(void *arg);
};

struct feed {
	struct ev_loop *loop;
	struct store *store; /* borrowed */
	struct bell *bell;   /* borrowed */
	struct feed_sink sink;
	ev_io ring;
	ev_timer poll;
	ev_idle more; /* active while a batch was full: the next one waits for a turn */
	int64_t revision;  /* cursors: all up to here was passed on */
	int64_t authority;
	bool listening;
	bool failing;
	bool adrift; /* the cursors are of another database */
	ev_tstamp caught_up; /* when it last stood at the end, by the loop's clock */
};

/* Begins at the database's present end. Errors are the store's. */
enum err feed_start(struct feed *feed, struct ev_loop *loop, struct store *store, struct bell *bell,
    int64_t poll_ms, const struct feed_sink *sink) MUST_USE;
void feed_stop(struct feed *feed);

/* Goes on with another store, from its end as soon as it can be read. */
void feed_restart(struct feed *feed, struct store *store);

void feed_set_poll(struct feed *feed, int64_t poll_ms);

/* Reads one batch now; the rest, if any, in the next turns. */
void feed_pump(struct feed *feed);

/* Has it stood at the end of the database within the last seconds, and the time between two polls? */
bool feed_is_current(const struct feed *feed, double seconds);

#endif
