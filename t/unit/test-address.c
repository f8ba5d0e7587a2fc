/* test-address.c: which addresses count as one. */
#include "ws/address.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static struct id
read_address(const char *s)
{
	struct id id;

	assert_true(address_read(text_of(s), &id));
	return id;
}

static void
test_same(void **state)
{
	static const struct {
		const char *a, *b;
		bool same;
	} rows[] = {
		{ "192.0.2.1", "192.0.2.1", true },
		{ "192.0.2.1", "192.0.2.2", false },
		{ "192.0.2.1", "::ffff:192.0.2.1", true },
		{ "::ffff:192.0.2.1", "::ffff:192.0.2.2", false },
		{ "2001:db8::1", "2001:db8::2", true },
		{ "2001:db8::1", "2001:DB8:0:0:ffff::9", true },
		{ "2001:db8::1", "2001:db8:0:1::1", false },
		{ "::1", "::2", true },
		{ "::1", "0.0.0.1", false },
		{ "0.0.0.0", "::", true }, /* neither is anybody's */
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct id a = read_address(rows[i].a), b = read_address(rows[i].b);

		assert_int_equal(id_equal(&a, &b), rows[i].same);
	}
}

static void
test_refused(void **state)
{
	static const char *const rows[] = { "", " ", "unix:", "192.0.2", "192.0.2.1 ", "192.0.2.1:80",
		"256.0.0.1", "2001:db8::1%eth0", "[::1]", "::g", "1:2:3:4:5:6:7:8:9", "localhost",
		"1111:2222:3333:4444:5555:6666:7777:8888:9999:aaaa:bbbb" };
	struct id id;

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		assert_false(address_read(text_of(rows[i]), &id));
	assert_false(address_read(text_of(NULL), &id));
	assert_false(address_read((struct text){ "1.2.3.4\0x", 9 }, &id));
	assert_true(address_read((struct text){ "1.2.3.45", 7 }, &id)); /* no NUL is needed */
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_same),
		cmocka_unit_test(test_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
