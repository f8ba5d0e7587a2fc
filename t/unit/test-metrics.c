/* test-metrics.c: Prometheus text, and the bounds of a histogram. */
#include "base/metrics.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static void
test_text(void **state)
{
	struct buf out = BUF_INIT(1024);

	(void)state;
	metrics_single(&out, "a_total", "counter", "All.", 18446744073709551615u);
	metrics_labelled(&out, "b", "c", text_of("x\"y\\z\n"), 0);
	assert_string_equal(buf_cstr(&out),
	    "# HELP a_total All.\n# TYPE a_total counter\na_total 18446744073709551615\n"
	    "b{c=\"x\\\"y\\\\z\\n\"} 0\n");
	buf_fini(&out);
}

static void
test_bounds(void **state)
{
	static const int64_t times[] = { INT64_MIN, -1, 0, 1000, 1001, 2500, 9999999, 10000000, 10000001 };
	struct histogram h = { .sum_us = 0 };
	struct buf out = BUF_INIT(4096);

	(void)state;
	for (size_t i = 0; i < sizeof(times) / sizeof(times[0]); i++)
		histogram_observe(&h, times[i]);
	assert_int_equal(h.counts[0], 4);
	assert_int_equal(h.counts[1], 2);
	assert_int_equal(h.counts[HISTOGRAM_BUCKETS - 1], 2);
	assert_int_equal(h.counts[HISTOGRAM_BUCKETS], 1);
	histogram_write(&h, "lag_seconds", "Lag.", &out);
	assert_ptr_equal(strstr(buf_cstr(&out), "# HELP lag_seconds Lag.\n# TYPE lag_seconds histogram\n"
	    "lag_seconds_bucket{le=\"0.001\"} 4\nlag_seconds_bucket{le=\"0.0025\"} 6\n"), out.data);
	assert_non_null(strstr(buf_cstr(&out), "lag_seconds_bucket{le=\"5\"} 6\n"
	    "lag_seconds_bucket{le=\"10\"} 8\nlag_seconds_bucket{le=\"+Inf\"} 9\n"
	    "lag_seconds_sum 30.004501\nlag_seconds_count 9\n"));
	buf_fini(&out);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_text),
		cmocka_unit_test(test_bounds),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
