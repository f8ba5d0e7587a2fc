/*
 * poster.h: clients that POST over HTTP/1.1, one request at a time, on connections that are kept as
 * long as the server keeps them.
 */
#ifndef BENCH_POSTER_H
#define BENCH_POSTER_H

#include "address.h"
#include "base/buf.h"
#include "base/text.h"
#include "loop.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct poster {
	struct source source;
	struct posters *group;
	int fd; /* -1: to be connected by the next request */
	bool busy;
	struct buf out, in;
	size_t sent;
	uint64_t tag;       /* the caller's */
	int64_t started_us; /* when the request was begun */
};

struct posters {
	struct loop *loop;
	struct address address;
	struct poster *all; /* owned */
	size_t count, busy;
	void *arg;
	/* The poster is idle again. The body is valid for the call; chunks are put together. */
	void (*on_answer)(void *arg, struct poster *poster, int status, struct text body);
};

/* The rest of *posters is filled in by the caller, and must stay. Connects all of them. */
void posters_init(struct posters *posters, size_t count);
void posters_fini(struct posters *posters);

/* An idle one, or NULL. */
struct poster *posters_idle(struct posters *posters);

/* Where an idle poster's request is to be written, empty: a whole one, with its head. */
struct buf *poster_begin(struct poster *poster);
/* Sends it. */
void poster_send(struct poster *poster, uint64_t tag);

#endif
