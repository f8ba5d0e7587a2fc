/* test-ndjson.c: the lines of a batch, at every cut. */
#include "wire/ndjson.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* All lines, each in brackets. The body has no NUL behind it. */
static char *
lines_of(const char *body, size_t len, char *out)
{
	char *copy = malloc(len > 0 ? len : 1);
	struct text rest = { copy, len }, line;

	memcpy(copy, body, len);
	*out = '\0';
	while (ndjson_next(&rest, &line)) {
		strcat(out, "[");
		strncat(out, line.s, line.len);
		strcat(out, "]");
	}
	free(copy);
	return out;
}

static void
test_lines(void **state)
{
	static const struct {
		const char *body, *lines;
	} rows[] = {
		{ "", "" }, { "\n", "" }, { "\r\n \t\n\n", "" }, { "a", "[a]" }, { "a\n", "[a]" },
		{ "a\nb", "[a][b]" }, { "a\n\nb\n", "[a][b]" }, { "\na", "[a]" }, { "a\r\nb", "[a\r][b]" },
		{ " a \n\tb", "[ a ][\tb]" }, { "{\n}", "[{][}]" }, { "a\n \r\n", "[a]" },
	};
	char out[64];

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		assert_string_equal(lines_of(rows[i].body, strlen(rows[i].body), out), rows[i].lines);
}

/* A body that is cut anywhere gives the same lines up to there. */
static void
test_cut(void **state)
{
	static const char body[] = "one\ntwo\n\nthree";
	static const char whole[] = "[one][two][three]";
	char out[64];

	(void)state;
	for (size_t len = 0; len < sizeof(body); len++) {
		lines_of(body, len, out);
		if (*out != '\0')
			assert_memory_equal(out, whole, strlen(out) - 1);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_lines),
		cmocka_unit_test(test_cut),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
