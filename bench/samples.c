/* samples.c: times, kept one by one, and their percentiles. */
#include "samples.h"

#include "fatal.h"

void
samples_add(struct samples *samples, int64_t us)
{
	if (samples->count == samples->cap) {
		samples->cap = samples->cap == 0 ? 4096 : 2 * samples->cap;
		samples->us = xrealloc(samples->us, samples->cap * sizeof(*samples->us));
	}
	samples->us[samples->count++] = us < 0 ? 0 : us > UINT32_MAX ? UINT32_MAX : (uint32_t)us;
}

void
samples_reset(struct samples *samples)
{
	samples->count = 0;
}

void
samples_fini(struct samples *samples)
{
	free(samples->us);
}

static int
compare(const void *a, const void *b)
{
	uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

	return (x > y) - (x < y);
}

/* The smallest sample that so many per thousand do not exceed. */
static uint32_t
percentile(const struct samples *samples, size_t thousandths)
{
	size_t rank = (samples->count * thousandths + 999) / 1000;

	return samples->us[rank > 0 ? rank - 1 : 0];
}

void
samples_write(struct samples *samples, FILE *out)
{
	uint64_t sum = 0;

	if (samples->count == 0) {
		fputs("{\"count\":0}", out);
		return;
	}
	qsort(samples->us, samples->count, sizeof(*samples->us), compare);
	for (size_t i = 0; i < samples->count; i++)
		sum += samples->us[i];
	fprintf(out, "{\"count\":%zu,\"mean\":%.1f,\"p50\":%u,\"p90\":%u,\"p99\":%u,\"max\":%u}",
	    samples->count, (double)sum / (double)samples->count, percentile(samples, 500),
	    percentile(samples, 900), percentile(samples, 990), percentile(samples, 1000));
}
