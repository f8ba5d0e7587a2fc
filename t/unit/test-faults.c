/* test-faults.c: collecting faults, and cutting names that the peer chose. */
#include "model/faults.h"

#include "wire/utf8.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static void
test_collecting(void **state)
{
	struct faults faults = { .count = 0 };

	(void)state;
	faults_add(&faults, text_of("progress"), "must be from %d to %d", 0, 100);
	faults_add(&faults, (struct text){ "status and more", 6 }, "is required");
	faults_add(&faults, text_of(""), "is not a known member");
	assert_int_equal(faults.count, 3);
	assert_string_equal(faults.list[0].member, "progress");
	assert_string_equal(faults.list[0].detail, "must be from 0 to 100");
	assert_string_equal(faults.list[1].member, "status");
	assert_string_equal(faults.list[1].detail, "is required");
	assert_string_equal(faults.list[2].member, "");
}

static void
test_too_many(void **state)
{
	struct faults faults = { .count = 0 };

	(void)state;
	for (int i = 0; i < FAULTS_MAX + 5; i++)
		faults_add(&faults, text_of("m"), "%d", i);
	assert_int_equal(faults.count, FAULTS_MAX);
	assert_string_equal(faults.list[FAULTS_MAX - 1].detail, "7");
}

/* Names of characters of one to four bytes, with every length around the limit. */
static void
test_long_names(void **state)
{
	static const char *const characters[] = { "a", "\xc3\xa9", "\xe2\x82\xac",
		"\xf0\x9f\x98\x80" };
	const size_t room = sizeof(((struct fault *)0)->member) - 1;

	(void)state;
	for (size_t c = 0; c < countof(characters); c++) {
		size_t width = strlen(characters[c]);

		for (size_t shift = 0; shift < 4; shift++) {
			struct faults faults = { .count = 0 };
			char name[200];
			size_t len = shift, kept;

			memset(name, 'x', shift);
			for (; len < 100; len += width)
				memcpy(name + len, characters[c], width);
			faults_add(&faults, (struct text){ name, len }, "is not a known member");
			kept = strlen(faults.list[0].member);
			/* As many whole characters as there is room for. */
			assert_int_equal(kept, shift + (room - shift) / width * width);
			assert_memory_equal(faults.list[0].member, name, kept);
			assert_true(utf8_valid(faults.list[0].member, kept));
		}
	}
}

static void
test_exact_name(void **state)
{
	static const char name[] = "12345678901234567890123456789012345678901234567";
	struct faults faults = { .count = 0 };

	(void)state;
	assert_int_equal(strlen(name), sizeof(faults.list[0].member) - 1);
	faults_add(&faults, text_of(name), "x");
	assert_string_equal(faults.list[0].member, name);
}

static void
test_long_detail(void **state)
{
	struct faults faults = { .count = 0 };

	(void)state;
	faults_add(&faults, text_of("m"), "%0300d", 7);
	assert_int_equal(strlen(faults.list[0].detail), sizeof(faults.list[0].detail) - 1);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_collecting),
		cmocka_unit_test(test_too_many),
		cmocka_unit_test(test_long_names),
		cmocka_unit_test(test_exact_name),
		cmocka_unit_test(test_long_detail),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
