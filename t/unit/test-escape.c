/* test-escape.c: nothing that commands a terminal comes through, and widths are kept. */
#include "ctl/escape.h"

#include <locale.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* Checks what comes out for a text within so many columns. */
static void
check(struct text in, size_t columns, const char *out, size_t width)
{
	struct buf buf = BUF_INIT(4096);

	assert_int_equal(escape_text(&buf, in, columns), width);
	assert_string_equal(buf_cstr(&buf), out);
	buf_fini(&buf);
}

static void
all(const char *in, const char *out, size_t width)
{
	check(text_of(in), SIZE_MAX, out, width);
}

static void
test_plain(void **state)
{
	(void)state;
	all("", "", 0);
	check(text_of(NULL), SIZE_MAX, "", 0);
	all("Transcribing audio...", "Transcribing audio...", 21);
	all("a\\b \"c\"", "a\\b \"c\"", 7);
	all("Gr\xc3\xbc\xc3\x9f" "e", "Gr\xc3\xbc\xc3\x9f" "e", 5);
	all("\xe6\x97\xa5\xe6\x9c\xac", "\xe6\x97\xa5\xe6\x9c\xac", 4); /* wide: two columns each */
	all("e\xcc\x81", "e\xcc\x81", 1); /* a combining accent has none */
}

static void
test_controls(void **state)
{
	(void)state;
	all("\033[2J", "\\x1b[2J", 7);
	all("a\nb\rc\td", "a\\nb\\rc\\td", 10);
	all("\a\x7f", "\\x07\\x7f", 8);
	check((struct text){ "a\0b", 3 }, SIZE_MAX, "a\\x00b", 6);
	/* C1: CSI as one character, which 8-bit terminals obey. */
	all("\xc2\x9b" "31m", "\\u009b31m", 9);
	all("\xe2\x80\xa8", "\\u2028", 6); /* LINE SEPARATOR */
}

static void
test_reordering(void **state)
{
	(void)state;
	all("\xe2\x80\xae" "x", "\\u202ex", 7);
	all("\xe2\x80\x8f" "x\xd8\x9c", "\\u200fx\\u061c", 13);
	all("\xe2\x81\xa6" "x\xe2\x81\xa9", "\\u2066x\\u2069", 13);
}

static void
test_stray_bytes(void **state)
{
	(void)state;
	all("\x9b" "31m", "\\x9b31m", 7);
	all("a\xff", "a\\xff", 5);
	all("\xc3", "\\xc3", 4);               /* cut off */
	all("\xc0\xaf", "\\xc0\\xaf", 8);       /* overlong */
	all("\xed\xa0\x80", "\\xed\\xa0\\x80", 12); /* a surrogate */
	all("\xf4\x8f\xbf\xbf", "\\U0010ffff", 10); /* no character */
}

static void
test_columns(void **state)
{
	(void)state;
	check(text_of("abc"), 3, "abc", 3);
	check(text_of("abc"), 2, "ab", 2);
	check(text_of("abc"), 0, "", 0);
	/* Neither a wide character nor an escape is cut in two. */
	check(text_of("a\xe6\x97\xa5"), 2, "a", 1);
	check(text_of("ab\033c"), 5, "ab", 2);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_plain),
		cmocka_unit_test(test_controls),
		cmocka_unit_test(test_reordering),
		cmocka_unit_test(test_stray_bytes),
		cmocka_unit_test(test_columns),
	};

	if (setlocale(LC_CTYPE, "C.UTF-8") == NULL)
		return EXIT_FAILURE;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
