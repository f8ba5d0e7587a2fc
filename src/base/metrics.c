/* metrics.c: Prometheus text. */
#include "base/metrics.h"

#include "base/attr.h"

/* Upper bounds, inclusive. */
static const struct {
	int64_t us;
	const char *seconds;
} bounds[HISTOGRAM_BUCKETS] = {
	{ 1000, "0.001" }, { 2500, "0.0025" }, { 5000, "0.005" }, { 10000, "0.01" },
	{ 25000, "0.025" }, { 50000, "0.05" }, { 100000, "0.1" }, { 250000, "0.25" },
	{ 500000, "0.5" }, { 1000000, "1" }, { 2500000, "2.5" }, { 5000000, "5" },
	{ 10000000, "10" },
};

void
metrics_head(struct buf *out, const char *name, const char *type, const char *help)
{
	buf_printf(out, "# HELP %s %s\n# TYPE %s %s\n", name, help, name, type);
}

void
metrics_single(struct buf *out, const char *name, const char *type, const char *help, uint64_t value)
{
	metrics_head(out, name, type, help);
	buf_printf(out, "%s %llu\n", name, (unsigned long long)value);
}

void
metrics_labelled(struct buf *out, const char *name, const char *label, struct text value, uint64_t n)
{
	buf_printf(out, "%s{%s=\"", name, label);
	for (size_t i = 0; i < value.len; i++) {
		char c = value.s[i];

		if (c == '\n')
			buf_puts(out, "\\n");
		else if (c == '"' || c == '\\')
			buf_printf(out, "\\%c", c);
		else
			buf_add(out, &c, 1);
	}
	buf_printf(out, "\"} %llu\n", (unsigned long long)n);
}

void
histogram_observe(struct histogram *histogram, int64_t us)
{
	size_t i = 0;

	if (us < 0)
		us = 0;
	while (i < countof(bounds) && us > bounds[i].us)
		i++;
	histogram->counts[i]++;
	histogram->sum_us += (uint64_t)us;
}

void
histogram_write(const struct histogram *histogram, const char *name, const char *help,
    struct buf *out)
{
	uint64_t sum = 0;

	metrics_head(out, name, "histogram", help);
	for (size_t i = 0; i < countof(bounds); i++) {
		sum += histogram->counts[i];
		buf_printf(out, "%s_bucket{le=\"%s\"} %llu\n", name, bounds[i].seconds,
		    (unsigned long long)sum);
	}
	sum += histogram->counts[HISTOGRAM_BUCKETS];
	buf_printf(out, "%s_bucket{le=\"+Inf\"} %llu\n%s_sum %llu.%06llu\n%s_count %llu\n", name,
	    (unsigned long long)sum, name, (unsigned long long)(histogram->sum_us / 1000000),
	    (unsigned long long)(histogram->sum_us % 1000000), name, (unsigned long long)sum);
}
