/*
 * metrics.h: counters, gauges and histograms as Prometheus text (exposition format 0.0.4). Names and help
 * are static; a label's value is escaped here.
 */
#ifndef BASE_METRICS_H
#define BASE_METRICS_H

#include "base/buf.h"
#include "base/text.h"

#include <stddef.h>
#include <stdint.h>

/* The two lines that a family begins with. type: "counter", "gauge" or "histogram". */
void metrics_head(struct buf *out, const char *name, const char *type, const char *help);

/* A family of one value, head included. */
void metrics_single(struct buf *out, const char *name, const char *type, const char *help,
    uint64_t value);

/* One value of a family whose head is written. */
void metrics_labelled(struct buf *out, const char *name, const char *label, struct text value,
    uint64_t n);

/* Times, from 1 ms to 10 s. Zeroed is empty. */
#define HISTOGRAM_BUCKETS 13
struct histogram {
	uint64_t counts[HISTOGRAM_BUCKETS + 1]; /* not cumulative; the last: beyond all bounds */
	uint64_t sum_us;
};

/* Times below zero, which a clock that was set back gives, count as zero. */
void histogram_observe(struct histogram *histogram, int64_t us);

/* A whole family, in seconds. */
void histogram_write(const struct histogram *histogram, const char *name, const char *help,
    struct buf *out);

#endif
