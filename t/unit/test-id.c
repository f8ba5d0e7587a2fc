/* test-id.c: UUIDs in and out of text. */
#include "model/id.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#define EXAMPLE "550e8400-e29b-41d4-a716-446655440000"

static const struct id example = {
	{ 0x55, 0x0e, 0x84, 0x00, 0xe2, 0x9b, 0x41, 0xd4, 0xa7, 0x16, 0x44, 0x66, 0x55, 0x44, 0, 0 }
};

static void
test_parse(void **state)
{
	static const struct {
		const char *text;
		enum err err;
	} rows[] = {
		{ EXAMPLE, ERR_OK },
		{ "550E8400-E29B-41D4-A716-446655440000", ERR_OK },
		{ "550e8400-E29B-41d4-A716-446655440000", ERR_OK },
		{ "", ERR_INPUT },
		{ NULL, ERR_INPUT },
		{ "550e8400-e29b-41d4-a716-44665544000", ERR_INPUT },   /* 35 */
		{ "550e8400-e29b-41d4-a716-4466554400000", ERR_INPUT }, /* 37 */
		{ "550e8400e29b41d4a716446655440000", ERR_INPUT },
		{ "{50e8400-e29b-41d4-a716-44665544000}", ERR_INPUT },
		{ "550e8400_e29b_41d4_a716_446655440000", ERR_INPUT },
		{ "550e84000e29b-41d4-a716-446655440000", ERR_INPUT },
		{ "550e840-0e29b-41d4-a716-446655440000", ERR_INPUT },
		{ "g50e8400-e29b-41d4-a716-446655440000", ERR_INPUT },
		{ "550e8400-e29b-41d4-a716-44665544000g", ERR_INPUT },
		{ " 50e8400-e29b-41d4-a716-446655440000", ERR_INPUT },
		{ "550e8400-e29b-41d4-a716-44665544000\n", ERR_INPUT },
		{ "550e8400-e29b-41d4-a716-4466554400\xc3\xa9", ERR_INPUT },
		{ "------------------------------------", ERR_INPUT },
	};

	(void)state;
	for (size_t i = 0; i < countof(rows); i++) {
		struct id id = { { 1, 2, 3 } }, before = id;

		if (id_parse(text_of(rows[i].text), &id) != rows[i].err)
			fail_msg("%s", rows[i].text);
		assert_true(id_equal(&id, rows[i].err == ERR_OK ? &example : &before));
	}
	assert_int_equal(id_parse((struct text){ "550e8400-e29b-41d4-a716-44665544000\0", 36 },
	    &(struct id){ { 0 } }), ERR_INPUT);
}

/* Any version and variant is an id, the nil and the max UUID included. */
static void
test_round_trip(void **state)
{
	static const char *const texts[] = { EXAMPLE, "00000000-0000-0000-0000-000000000000",
		"ffffffff-ffff-ffff-ffff-ffffffffffff", "01234567-89ab-cdef-0123-456789abcdef",
		"fedcba98-7654-3210-fedc-ba9876543210" };

	(void)state;
	for (size_t i = 0; i < countof(texts); i++) {
		char out[ID_TEXT_LEN + 1];
		struct id id;

		assert_int_equal(id_parse(text_of(texts[i]), &id), ERR_OK);
		id_format(&id, out);
		assert_string_equal(out, texts[i]);
	}
}

static void
test_equal(void **state)
{
	(void)state;
	for (size_t at = 0; at < ID_LEN; at++) {
		struct id other = example;

		assert_true(id_equal(&example, &other));
		other.bytes[at] ^= 0x80;
		assert_false(id_equal(&example, &other));
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_parse),
		cmocka_unit_test(test_round_trip),
		cmocka_unit_test(test_equal),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
