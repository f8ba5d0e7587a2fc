/* stats.h: what milepost-ws counts, and its Prometheus text. */
#ifndef WS_STATS_H
#define WS_STATS_H

#include "base/buf.h"
#include "base/metrics.h"
#include "model/progress.h"
#include "token/token.h"
#include "ws/verdict.h"

#include <stdbool.h>
#include <stdint.h>

#define STATS_CODE_FIRST 1000 /* close codes are counted from here ... */
#define STATS_CODES 16        /* ... to 1015; others count as 1000 + 15 */
#define STATS_STATUSES 32     /* statuses told apart; the rest counts as "other" */
#define STATS_STATUS_MAX 64   /* bytes of a status: the table of stages allows no more */
#define STATS_UNSENT 256      /* updates of one turn whose lag is measured */

struct stats {
	uint64_t accepted;             /* connections, of whatever kind */
	uint64_t verdicts[VERDICT__MAX];
	uint64_t refused_http;         /* answered with a plain HTTP error */
	uint64_t auth_failures[TOKEN_FAULT + 1]; /* by cause; TOKEN_OK: an inactive or unknown user */
	uint64_t closes[STATS_CODES];
	struct {
		char status[STATS_STATUS_MAX + 1];
		uint64_t count;
	} updates[STATS_STATUSES + 1]; /* rows that the feed read, by status; the last: "other" */
	uint64_t frames;               /* progress frames handed to connections */
	uint64_t conflated;            /* progress frames dropped for a newer one */
	uint64_t feed_errors;
	struct histogram lag;          /* from an update's storing to its being sent to all */
	int64_t unsent[STATS_UNSENT];  /* stored_ms of updates that are queued but not yet sent */
	size_t unsent_count;
};

void stats_close(struct stats *stats, unsigned code);

/* An update was queued for its watchers. */
void stats_update(struct stats *stats, const struct progress *progress);

/* What was queued is sent, as far as the sockets took it: now_us is clock_wall_us. */
void stats_sent(struct stats *stats, int64_t now_us);

/* Gauges that are not counted but known at the moment. */
struct stats_now {
	uint64_t open;
	uint64_t streams;     /* of them, those of Server-Sent Events */
	uint64_t connections;
	uint64_t revision;    /* the feed's cursor */
	uint64_t waiting;     /* bytes, over all connections */
	uint64_t waiting_max; /* of the connection with the most */
	uint64_t behind;      /* connections that are given only the newest update */
	uint64_t wal_bytes;
	bool current;         /* the feed is not behind */
};

void stats_write(const struct stats *stats, const struct stats_now *now, struct buf *out);

#endif
