/* test-timestamp.c: times as text, against a table and against the C library's calendar. */
#include "base/timestamp.h"

#include "base/attr.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

static void
test_table(void **state)
{
	static const struct {
		int64_t seconds;
		const char *text;
	} rows[] = {
		{ 0, "1970-01-01T00:00:00Z" },
		{ -1, "1970-01-01T00:00:00Z" },
		{ INT64_MIN, "1970-01-01T00:00:00Z" },
		{ 59, "1970-01-01T00:00:59Z" },
		{ 86399, "1970-01-01T23:59:59Z" },
		{ 86400, "1970-01-02T00:00:00Z" },
		{ 68169600, "1972-02-29T00:00:00Z" },
		{ 951782399, "2000-02-28T23:59:59Z" },
		{ 951782400, "2000-02-29T00:00:00Z" },
		{ 951868800, "2000-03-01T00:00:00Z" },
		{ 1766140200, "2025-12-19T10:30:00Z" },
		{ 2147483648, "2038-01-19T03:14:08Z" },
		{ 4107542400, "2100-03-01T00:00:00Z" },
		{ 253402300799, "9999-12-31T23:59:59Z" },
		{ 253402300800, "9999-12-31T23:59:59Z" },
		{ INT64_MAX, "9999-12-31T23:59:59Z" },
	};

	(void)state;
	for (size_t i = 0; i < countof(rows); i++) {
		char out[TIMESTAMP_LEN + 1];

		timestamp_format(rows[i].seconds, out);
		assert_string_equal(out, rows[i].text);
		assert_int_equal(strlen(out), TIMESTAMP_LEN);
	}
}

/* Each day of five centuries, at another second of the day each time. */
static void
test_every_day(void **state)
{
	(void)state;
	for (time_t day = 0; day < 500 * 366; day++) {
		time_t seconds = day * 86400 + day * 7919 % 86400;
		char out[TIMESTAMP_LEN + 1], expected[TIMESTAMP_LEN + 1];
		struct tm tm;
		int64_t back;

		timestamp_format(seconds, out);
		strftime(expected, sizeof(expected), "%Y-%m-%dT%H:%M:%SZ", gmtime_r(&seconds, &tm));
		if (strcmp(out, expected) != 0)
			fail_msg("%s, not %s", out, expected);
		assert_true(timestamp_parse(text_of(out), &back));
		assert_int_equal(back, seconds);
	}
}

/* Only what timestamp_format writes is read. */
static void
test_parse(void **state)
{
	static const char *const bad[] = { "", "2026-12-31", "2026-12-31T00:00:00", "now",
		"2026-12-31T00:00:00+00:00", "2026-12-31T00:00:00z", "2026-12-31t00:00:00Z",
		"2026-12-31 00:00:00Z", "2026-12-31T00:00:00Z ", " 2026-12-31T00:00:00Z",
		"2026-12-31T00:00Z", "2026-12-31T00:00:00.0Z", "2026/12/31T00:00:00Z",
		"2026-13-01T00:00:00Z", "2026-00-01T00:00:00Z", "2026-01-00T00:00:00Z",
		"2026-04-31T00:00:00Z", "2026-02-29T00:00:00Z", "2100-02-29T00:00:00Z",
		"2026-01-01T24:00:00Z", "2026-01-01T00:60:00Z", "2016-12-31T23:59:60Z",
		"1969-12-31T23:59:59Z", "0000-00-00T00:00:00Z", "-026-01-01T00:00:00Z",
		"2026-01-01T00:00:0/Z", "2026-01-01T00:00:0:Z", "2026-1 -01T00:00:00Z" };
	static const char cut[] = "2026-12-31T00:00:00Zmore";
	int64_t seconds = 42;

	(void)state;
	for (size_t i = 0; i < countof(bad); i++)
		if (timestamp_parse(text_of(bad[i]), &seconds))
			fail_msg("%s", bad[i]);
	assert_false(timestamp_parse(text_of(NULL), &seconds));
	assert_int_equal(seconds, 42);
	assert_true(timestamp_parse(text_of("1970-01-01T00:00:00Z"), &seconds));
	assert_int_equal(seconds, 0);
	assert_true(timestamp_parse(text_of("9999-12-31T23:59:59Z"), &seconds));
	assert_int_equal(seconds, 253402300799);
	assert_true(timestamp_parse((struct text){ cut, TIMESTAMP_LEN }, &seconds));
	assert_int_equal(seconds, 1798675200);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_table),
		cmocka_unit_test(test_every_day),
		cmocka_unit_test(test_parse),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
