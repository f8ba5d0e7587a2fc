/* test-text.c: comparing, absent against empty, numbers up to a maximum, trimming. */
#include "base/text.h"

#include "base/attr.h"

#include <limits.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static void
test_equality(void **state)
{
	static const struct {
		const char *a, *b;
		bool equal, equal_nocase;
	} rows[] = {
		{ "", "", true, true },
		{ "a", "a", true, true },
		{ "a", "A", false, true },
		{ "a", "b", false, false },
		{ "a", "", false, false },
		{ "", "a", false, false },
		{ "ab", "a", false, false },
		{ "a", "ab", false, false },
		{ "Sec-WebSocket-Key", "sec-websocket-key", false, true },
		{ "[", "{", false, false }, /* differ as the cases do, but no letters */
		{ "@", "`", false, false },
		{ NULL, "", false, false },
		{ NULL, "a", false, false },
	};

	(void)state;
	for (size_t i = 0; i < countof(rows); i++) {
		struct text a = text_of(rows[i].a), b = text_of(rows[i].b);

		if (text_equal(a, b) != rows[i].equal || text_equal(b, a) != rows[i].equal ||
		    text_is(a, rows[i].b) != rows[i].equal ||
		    text_is_nocase(a, rows[i].b) != rows[i].equal_nocase)
			fail_msg("row %zu", i);
	}
	assert_true(text_equal(text_of(NULL), text_of(NULL)));
	assert_false(text_equal((struct text){ "a\0b", 3 }, (struct text){ "a\0c", 3 }));
	assert_false(text_is((struct text){ "a\0", 2 }, "a"));
	assert_false(text_is_nocase((struct text){ "a\0", 2 }, "a"));
}

static void
test_skip(void **state)
{
	static const struct {
		const char *text, *prefix, *rest; /* NULL: not skipped */
	} rows[] = {
		{ "/a/b", "/a/", "b" },
		{ "/a/", "/a/", "" },
		{ "abc", "", "abc" },
		{ "/a", "/a/", NULL },
		{ "/A/b", "/a/", NULL },
		{ "", "x", NULL },
	};

	(void)state;
	for (size_t i = 0; i < countof(rows); i++) {
		struct text t = text_of(rows[i].text);
		bool skipped = text_skip(&t, rows[i].prefix);

		if (skipped != (rows[i].rest != NULL) ||
		    !text_is(t, skipped ? rows[i].rest : rows[i].text))
			fail_msg("row %zu", i);
	}
	assert_false(text_skip(&(struct text){ NULL, 0 }, ""));
}

static void
test_numbers(void **state)
{
	static const struct {
		const char *text;
		unsigned long long max;
		bool ok;
		unsigned long long n;
	} rows[] = {
		{ "0", 0, true, 0 },
		{ "1", 0, false, 0 },
		{ "5", 5, true, 5 },
		{ "6", 5, false, 0 },
		{ "9", 5, false, 0 },
		{ "10", 5, false, 0 },
		{ "99", 99, true, 99 },
		{ "100", 99, false, 0 },
		{ "007", 99, true, 7 },
		{ "0000000000000000000000000000005", 5, true, 5 },
		{ "9223372036854775807", LLONG_MAX, true, LLONG_MAX },
		{ "9223372036854775808", LLONG_MAX, false, 0 },
		{ "18446744073709551615", ULLONG_MAX, true, ULLONG_MAX },
		{ "18446744073709551616", ULLONG_MAX, false, 0 },
		{ "99999999999999999999", ULLONG_MAX, false, 0 },
		{ "", 99, false, 0 },
		{ NULL, 99, false, 0 },
		{ "-1", 99, false, 0 },
		{ "+1", 99, false, 0 },
		{ " 1", 99, false, 0 },
		{ "1 ", 99, false, 0 },
		{ "1a", 99, false, 0 },
		{ "0x1", 99, false, 0 },
		{ "1.0", 99, false, 0 },
		{ "/", 99, false, 0 }, /* the neighbours of the digits */
		{ ":", 99, false, 0 },
		{ "\xb1", 99, false, 0 },
	};

	(void)state;
	for (size_t i = 0; i < countof(rows); i++) {
		unsigned long long n = 4711;
		bool ok = text_number(text_of(rows[i].text), rows[i].max, &n);

		if (ok != rows[i].ok || n != (ok ? rows[i].n : 4711))
			fail_msg("row %zu: %d, %llu", i, ok, n);
	}
}

/* Each maximum of one and two digits against each number around it. */
static void
test_every_small_maximum(void **state)
{
	(void)state;
	for (unsigned max = 0; max < 120; max++) {
		for (unsigned n = 0; n < 130; n++) {
			char digits[4] = { (char)('0' + n / 100), (char)('0' + n / 10 % 10),
				(char)('0' + n % 10), '\0' };
			unsigned long long out = 0;

			assert_int_equal(text_number(text_of(digits), max, &out), n <= max);
			assert_int_equal(out, n <= max ? n : 0);
		}
	}
}

static void
test_hex_value(void **state)
{
	static const char lower[] = "0123456789abcdef", upper[] = "0123456789ABCDEF";

	(void)state;
	for (int c = CHAR_MIN; c <= CHAR_MAX; c++) {
		const char *l = c != 0 ? strchr(lower, c) : NULL;
		const char *u = c != 0 ? strchr(upper, c) : NULL;
		int expected = l != NULL ? (int)(l - lower) : u != NULL ? (int)(u - upper) : -1;

		assert_int_equal(text_hex_value((char)c), expected);
	}
}

static void
test_trim(void **state)
{
	static const struct {
		const char *text, *trimmed;
	} rows[] = {
		{ "", "" }, { " ", "" }, { " \t ", "" }, { "a", "a" }, { " a", "a" },
		{ "a\t", "a" },
		{ "\t a b \t", "a b" }, { "\na\r", "\na\r" }, /* other white space is content */
	};

	(void)state;
	for (size_t i = 0; i < countof(rows); i++)
		if (!text_is(text_trim(text_of(rows[i].text)), rows[i].trimmed))
			fail_msg("row %zu", i);
	assert_null(text_trim(text_of(NULL)).s);
}

static void
test_cut(void **state)
{
	static const struct {
		const char *text;
		size_t max;
		const char *cut;
	} rows[] = {
		{ "", 0, "" }, { "abc", 3, "abc" }, { "abc", 2, "ab" }, { "abc", 0, "" },
		{ "a\xc3\x9c", 3, "a\xc3\x9c" }, { "a\xc3\x9c", 2, "a" }, { "\xc3\x9c", 1, "" },
		{ "\xf0\x9f\x98\x80!", 4, "\xf0\x9f\x98\x80" }, { "\xf0\x9f\x98\x80", 3, "" },
		{ "\x80\x80\x80", 2, "" }, /* no UTF-8: as little as may be */
	};

	(void)state;
	for (size_t i = 0; i < countof(rows); i++)
		if (!text_is(text_cut(text_of(rows[i].text), rows[i].max), rows[i].cut))
			fail_msg("row %zu", i);
	assert_null(text_cut(text_of(NULL), 0).s);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_equality),
		cmocka_unit_test(test_skip),
		cmocka_unit_test(test_numbers),
		cmocka_unit_test(test_every_small_maximum),
		cmocka_unit_test(test_hex_value),
		cmocka_unit_test(test_trim),
		cmocka_unit_test(test_cut),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
