/* test-utf8.c: every character, every short sequence, every split. */
#include "wire/utf8.h"

#include "base/attr.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* As an encoder would write it, with this many bytes, be that right or not. */
static void
encode(uint32_t c, size_t len, uint8_t out[4])
{
	static const uint8_t leads[] = { 0, 0x00, 0xc0, 0xe0, 0xf0 };

	for (size_t i = len; i-- > 1; c >>= 6)
		out[i] = (uint8_t)(0x80 | (c & 0x3f));
	out[0] = (uint8_t)(leads[len] | c);
}

static size_t
shortest(uint32_t c)
{
	return c < 0x80 ? 1 : c < 0x800 ? 2 : c < 0x10000 ? 3 : 4;
}

static bool
is_character(uint32_t c)
{
	return c <= 0x10ffff && (c < 0xd800 || c > 0xdfff);
}

/* All that the four forms can spell: right is the shortest form of a character, nothing else. */
static void
test_every_spelling(void **state)
{
	static const uint32_t ends[] = { 0, 0x80, 0x800, 0x10000, 0x200000 };

	(void)state;
	for (size_t len = 1; len <= 4; len++) {
		for (uint32_t c = 0; c < ends[len]; c++) {
			bool right = is_character(c) && len == shortest(c);
			uint8_t bytes[4];

			encode(c, len, bytes);
			if (utf8_valid(bytes, len) != right)
				fail_msg("U+%04X in %zu bytes", c, len);
		}
	}
}

/* All sequences of up to three bytes: right are those that a spelling of characters gives. */
static bool
oracle(const uint8_t *bytes, size_t len)
{
	while (len > 0) {
		size_t n = bytes[0] < 0x80 ? 1 : bytes[0] < 0xc0 ? 0 : bytes[0] < 0xe0 ? 2 :
		    bytes[0] < 0xf0 ? 3 : 4;
		uint32_t c = n == 1 ? bytes[0] : bytes[0] & (0x7fu >> n);

		if (n == 0 || n > len)
			return false;
		for (size_t i = 1; i < n; i++) {
			if ((bytes[i] & 0xc0) != 0x80)
				return false;
			c = c << 6 | (bytes[i] & 0x3f);
		}
		if (!is_character(c) || n != shortest(c))
			return false;
		bytes += n;
		len -= n;
	}
	return true;
}

static void
test_every_short_sequence(void **state)
{
	(void)state;
	for (uint32_t n = 0; n < 1 << 24; n++) {
		const uint8_t bytes[] = { (uint8_t)(n >> 16), (uint8_t)(n >> 8), (uint8_t)n };
		size_t skip = n < 1 << 8 ? 2 : n < 1 << 16 ? 1 : 0;

		if (utf8_valid(bytes + skip, 3 - skip) != oracle(bytes + skip, 3 - skip))
			fail_msg("%02x %02x %02x", bytes[0], bytes[1], bytes[2]);
	}
}

static void
test_table(void **state)
{
	static const struct {
		const char *name, *bytes;
		bool valid;
	} rows[] = {
		{ "empty", "", true },
		{ "ASCII", "Hello", true },
		{ "kosme", "\xce\xba\xe1\xbd\xb9\xcf\x83\xce\xbc\xce\xb5", true },
		{ "kosme and a surrogate", "\xce\xba\xed\xa0\x80 edited", false },
		{ "U+10FFFF", "\xf4\x8f\xbf\xbf", true },
		{ "U+110000", "\xf4\x90\x80\x80", false },
		{ "a surrogate pair", "\xed\xa0\xbd\xed\xb8\x80", false },
		{ "overlong slash in 2", "\xc0\xaf", false },
		{ "overlong slash in 3", "\xe0\x80\xaf", false },
		{ "overlong slash in 4", "\xf0\x80\x80\xaf", false },
		{ "overlong NUL", "\xc0\x80", false },
		{ "five bytes", "\xf8\x88\x80\x80\x80", false },
		{ "six bytes", "\xfc\x84\x80\x80\x80\x80", false },
		{ "fe", "\xfe", false },
		{ "ff", "\xff", false },
		{ "a lone continuation", "\x80", false },
		{ "cut in the middle", "ab\xe2\x82", false },
		{ "cut and gone on", "\xe2\x82""a", false },
		{ "a byte order mark", "\xef\xbb\xbf", true },
		{ "a noncharacter", "\xef\xbf\xbf", true },
	};

	(void)state;
	for (size_t i = 0; i < countof(rows); i++) {
		size_t len = strlen(rows[i].bytes);

		if (utf8_valid(rows[i].bytes, len) != rows[i].valid)
			fail_msg("%s", rows[i].name);
		/* Every split, and the pieces between two splits. */
		for (size_t a = 0; a <= len; a++) {
			for (size_t b = a; b <= len; b++) {
				uint32_t s = utf8_step(UTF8_ACCEPT, rows[i].bytes, a);

				s = utf8_step(s, rows[i].bytes + a, b - a);
				s = utf8_step(s, rows[i].bytes + b, len - b);
				if ((s == UTF8_ACCEPT) != rows[i].valid)
					fail_msg("%s, split at %zu and %zu", rows[i].name, a, b);
			}
		}
	}
}

/* A piece is refused at the byte that spoils it, not later; what is merely cut waits. */
static void
test_fails_fast(void **state)
{
	static const struct {
		const char *bytes;
		size_t spoilt; /* index of the byte that no continuation can make good */
	} rows[] = {
		{ "ab\xffz", 2 },
		{ "\xc0\xaf", 0 },
		{ "\xe0\x80\xaf", 1 },
		{ "\xed\xa0\x80", 1 },
		{ "\xf0\x80\x80\xaf", 1 },
		{ "\xf4\x90\x80\x80", 1 },
		{ "\xf5\x80\x80\x80", 0 },
		{ "\xe2\x82""a", 2 },
		{ "\xf0\x9f\x98""a", 3 },
	};

	(void)state;
	for (size_t i = 0; i < countof(rows); i++) {
		uint32_t s = utf8_step(UTF8_ACCEPT, rows[i].bytes, rows[i].spoilt);

		assert_int_not_equal(s, UTF8_REJECT);
		s = utf8_step(s, rows[i].bytes + rows[i].spoilt, 1);
		assert_int_equal(s, UTF8_REJECT);
		assert_int_equal(utf8_step(s, "a", 1), UTF8_REJECT);
	}
	assert_int_equal(utf8_step(UTF8_REJECT, "", 0), UTF8_REJECT);
	assert_int_equal(utf8_step(UTF8_ACCEPT, NULL, 0), UTF8_ACCEPT);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_every_spelling),
		cmocka_unit_test(test_every_short_sequence),
		cmocka_unit_test(test_table),
		cmocka_unit_test(test_fails_fast),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
