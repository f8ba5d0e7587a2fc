/*
 * outq.h: what waits to be sent on one connection: references to shared frames, in order.
 *
 * One waiting frame needs no memory of its own; more are held in an array that is freed when the
 * queue runs empty. Frames marked replaceable (progress updates) may be dropped by outq_conflate as
 * long as none of their bytes are out; all others are always sent.
 */
#ifndef WS_OUTQ_H
#define WS_OUTQ_H

#include "base/attr.h"
#include "base/err.h"
#include "wire/frame.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct outq_item {
	struct frame *frame; /* one reference, the queue's */
	bool replaceable;
};

struct outq {
	struct outq_item *items; /* &one, or an array of cap items */
	struct outq_item one;
	uint32_t first; /* index of the frame being sent */
	uint32_t count;
	uint32_t cap;
	uint32_t sent;  /* bytes of the first frame that are out */
	uint32_t bytes; /* waiting, those included that are out of the first frame */
};

/* The queue must not move in memory afterwards. */
void outq_init(struct outq *q);
void outq_fini(struct outq *q);

/* Appends with a reference of its own. ERR_NOMEM: not appended. */
enum err outq_push(struct outq *q, struct frame *frame, bool replaceable) MUST_USE;

/* What the queue costs in memory at the most, in bytes: a frame of two bytes (a pong) costs more than these. */
size_t outq_cost(const struct outq *q);

/* Drops every replaceable frame that was not begun; returns how many. */
size_t outq_conflate(struct outq *q);

/* Writes as much as the socket takes. ERR_OK: the queue is empty. ERR_AGAIN: it would block.
 * ERR_SYSTEM: see errno. */
enum err outq_flush(struct outq *q, int fd) MUST_USE;

#endif
