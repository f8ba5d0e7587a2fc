/*
 * watcher.h: clients that watch sessions over WebSocket (RFC 6455), by the thousand, at as little
 * cost as possible: one read per wake, frames parsed where they lie.
 *
 * Anything that a server must not send ends the program. So does a fragmented message: none of the
 * servers measured here has a reason to send one.
 */
#ifndef BENCH_WATCHER_H
#define BENCH_WATCHER_H

#include "address.h"
#include "base/text.h"
#include "loop.h"

#include <stddef.h>
#include <stdint.h>

enum watcher_state { WATCHER_NEW, WATCHER_OPENING, WATCHER_OPEN, WATCHER_CLOSED };

struct watcher {
	struct source source;
	struct watchers *group;
	int fd;
	enum watcher_state state;
	size_t number; /* from 0 */
	char *held;    /* owned: the beginning of what has not come whole yet */
	size_t held_len;
};

struct watchers {
	struct loop *loop;
	struct address address;
	struct watcher *all; /* owned */
	size_t count;
	size_t opening, open; /* how many are in this state */
	void *arg;
	/* A text message; it may be an update, or a heartbeat. */
	void (*on_text)(void *arg, struct watcher *watcher, struct text payload);
};

/* The rest of *watchers is filled in by the caller, and must stay. */
void watchers_init(struct watchers *watchers, size_t count);
void watchers_fini(struct watchers *watchers);

/* Begins a new one's handshake. If it is refused, or ever closed, the program ends, with the
 * reason. */
void watchers_start(struct watchers *watchers, size_t number, struct text request);

#endif
