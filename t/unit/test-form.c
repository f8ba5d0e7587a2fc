/* test-form.c: splitting and decoding of forms and queries. */
#include "wire/form.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* Parses a copy without a NUL behind it, so that the sanitizer sees a byte too many. */
static enum err
parse(const char *data, size_t len, char **copy, struct form *form)
{
	*copy = malloc(len > 0 ? len : 1);
	memcpy(*copy, data, len);
	return form_parse(*copy, len, form);
}

static void
test_forms(void **state)
{
	static const struct {
		const char *data;
		enum err err;
		const char *fields; /* each as name=value and a bar */
	} rows[] = {
		{ "", ERR_OK, "" },
		{ "a=1", ERR_OK, "a=1|" },
		{ "a=1&b=2", ERR_OK, "a=1|b=2|" },
		{ "a=1&b=2&", ERR_OK, "a=1|b=2|" },
		{ "&a=1&&b=2", ERR_OK, "a=1|b=2|" },
		{ "&", ERR_OK, "" },
		{ "&&&", ERR_OK, "" },
		{ "a", ERR_OK, "a=|" },
		{ "a=", ERR_OK, "a=|" },
		{ "=", ERR_OK, "=|" },
		{ "=1", ERR_OK, "=1|" },
		{ "a=b=c", ERR_OK, "a=b=c|" },
		{ "a=1&a=2", ERR_OK, "a=1|a=2|" },
		{ "a+b=c+d", ERR_OK, "a b=c d|" },
		{ "a%20b=%2b%2B", ERR_OK, "a b=++|" },
		{ "a%3Db%26c=%3d%26", ERR_OK, "a=b&c==&|" },
		{ "m=%C3%a9%E2%82%AC", ERR_OK, "m=\xc3\xa9\xe2\x82\xac|" },
		{ "m=\xc3\xa9", ERR_OK, "m=\xc3\xa9|" },
		{ "m=%25%34%31", ERR_OK, "m=%41|" }, /* decoded once */
		{ "m=a%0Ab%7F", ERR_OK, "m=a\nb\x7f|" },
		{ "m=x;n=y", ERR_OK, "m=x;n=y|" },
		{ "a=%", ERR_INPUT, NULL },
		{ "a=%4", ERR_INPUT, NULL },
		{ "a=%4&b=1", ERR_INPUT, NULL },
		{ "a=%4g", ERR_INPUT, NULL },
		{ "a=%g4", ERR_INPUT, NULL },
		{ "a=%%41", ERR_INPUT, NULL },
		{ "a=%-1", ERR_INPUT, NULL },
		{ "a=% 1", ERR_INPUT, NULL },
		{ "%=1", ERR_INPUT, NULL },
		{ "%4=1", ERR_INPUT, NULL },
		{ "a=%00", ERR_INPUT, NULL },
		{ "a%00=1", ERR_INPUT, NULL },
		{ "a=%ff", ERR_INPUT, NULL },
		{ "a=\xff", ERR_INPUT, NULL },
		{ "a=%c3", ERR_INPUT, NULL },
		{ "a=%c3&b=%a9", ERR_INPUT, NULL },
		{ "a%c3=%a9", ERR_INPUT, NULL },
		{ "a=%ed%a0%80", ERR_INPUT, NULL },
		{ "a=1&b=%zz", ERR_INPUT, NULL },
	};

	(void)state;
	for (size_t i = 0; i < countof(rows); i++) {
		struct form form = { .count = 99 };
		char fields[128] = "", *copy;
		enum err err = parse(rows[i].data, strlen(rows[i].data), &copy, &form);

		if (err != rows[i].err)
			fail_msg("%s: %s", rows[i].data, err_name(err));
		if (err != ERR_OK)
			assert_int_equal(form.count, 99);
		for (size_t f = 0; err == ERR_OK && f < form.count; f++) {
			size_t at = strlen(fields);

			snprintf(fields + at, sizeof(fields) - at, "%.*s=%.*s|",
			    TEXT_ARG(form.fields[f].name), TEXT_ARG(form.fields[f].value));
			/* Empty, but not absent: form_value tells the two apart. */
			assert_non_null(form.fields[f].value.s);
		}
		if (err == ERR_OK)
			assert_string_equal(fields, rows[i].fields);
		free(copy);
	}
}

static void
test_a_nul_in_the_data(void **state)
{
	struct form form;
	char *copy;

	(void)state;
	assert_int_equal(parse("a=\0", 3, &copy, &form), ERR_INPUT);
	free(copy);
	assert_int_equal(parse("\0=a", 3, &copy, &form), ERR_INPUT);
	free(copy);
	assert_int_equal(form_parse(NULL, 0, &form), ERR_OK);
	assert_int_equal(form.count, 0);
}

static void
test_how_many(void **state)
{
	(void)state;
	for (size_t count = FORM_FIELDS_MAX - 1; count <= FORM_FIELDS_MAX + 1; count++) {
		char data[4 * (FORM_FIELDS_MAX + 1) + 1] = "", *copy;
		struct form form = { .count = 0 };
		enum err err;

		for (size_t i = 0; i < count; i++)
			memcpy(data + 4 * i, "a=1&", 4);
		err = parse(data, 4 * count, &copy, &form);
		assert_int_equal(err, count <= FORM_FIELDS_MAX ? ERR_OK : ERR_LIMIT);
		assert_int_equal(form.count, err == ERR_OK ? count : 0);
		free(copy);
	}
}

static void
test_value(void **state)
{
	char data[] = "a=1&b=&c=3&c=3&d";
	struct form form;
	struct text value;

	(void)state;
	assert_int_equal(form_parse(data, strlen(data), &form), ERR_OK);
	assert_int_equal(form_value(&form, "a", &value), ERR_OK);
	assert_true(text_is(value, "1"));
	assert_int_equal(form_value(&form, "b", &value), ERR_OK);
	assert_true(text_is(value, ""));
	assert_int_equal(form_value(&form, "d", &value), ERR_OK);
	assert_true(text_is(value, ""));
	assert_int_equal(form_value(&form, "A", &value), ERR_OK);
	assert_null(value.s);
	value = text_of("untouched");
	assert_int_equal(form_value(&form, "c", &value), ERR_INPUT);
	assert_true(text_is(value, "untouched"));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_forms),
		cmocka_unit_test(test_a_nul_in_the_data),
		cmocka_unit_test(test_how_many),
		cmocka_unit_test(test_value),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
