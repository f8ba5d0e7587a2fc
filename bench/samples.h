/* samples.h: times, kept one by one, and their percentiles. */
#ifndef BENCH_SAMPLES_H
#define BENCH_SAMPLES_H

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

struct samples {
	uint32_t *us; /* owned */
	size_t count, cap;
};

/* Zeroed is empty. */
void samples_add(struct samples *samples, int64_t us);
void samples_reset(struct samples *samples);
void samples_fini(struct samples *samples);

/* Writes {"count":...,"mean":...,"p50":...,"p90":...,"p99":...,"max":...}, in microseconds; sorts.
 */
void samples_write(struct samples *samples, FILE *out);

#endif
