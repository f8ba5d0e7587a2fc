/* stats.h: what milepost-ws counts, and its Prometheus text. */
#ifndef WS_STATS_H
#define WS_STATS_H

#include "base/buf.h"
#include "token/token.h"
#include "ws/verdict.h"

#include <stdint.h>

#define STATS_CODE_FIRST 1000 /* close codes are counted from here ... */
#define STATS_CODES 16        /* ... to 1015; others count as 1000 + 15 */

struct stats {
	uint64_t accepted;             /* connections, of whatever kind */
	uint64_t verdicts[VERDICT__MAX];
	uint64_t refused_http;         /* answered with a plain HTTP error */
	uint64_t auth_failures[TOKEN_FAULT + 1]; /* by cause; TOKEN_OK: an inactive or unknown user */
	uint64_t closes[STATS_CODES];
	uint64_t updates;              /* rows that the feed read */
	uint64_t frames;               /* progress frames handed to connections */
	uint64_t conflated;            /* progress frames dropped for a newer one */
	uint64_t feed_errors;
};

void stats_close(struct stats *stats, unsigned code);

/* Gauges that are not counted but known at the moment. */
struct stats_now {
	uint64_t open;
	uint64_t connections;
	int64_t revision; /* the feed's cursor */
};

void stats_write(const struct stats *stats, const struct stats_now *now, struct buf *out);

#endif
