/* test-buf.c: growing, the hard maximum, the sticky error, and what survives a reset. */
#include "base/buf.h"

#include <limits.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static void
assert_holds(const struct buf *buf, const char *expected)
{
	struct text view = buf_view(buf);

	assert_int_equal(view.len, strlen(expected));
	assert_memory_equal(view.s, expected, view.len);
}

static void
test_empty(void **state)
{
	struct buf buf = BUF_INIT(10);

	(void)state;
	assert_null(buf.data);
	assert_non_null(buf_view(&buf).s); /* empty, not absent */
	assert_int_equal(buf_view(&buf).len, 0);
	buf_add(&buf, NULL, 0);
	buf_text(&buf, (struct text){ NULL, 0 });
	assert_null(buf.data);
	assert_string_equal(buf_cstr(&buf), "");
	buf_fini(&buf);
}

static void
test_appending(void **state)
{
	struct buf buf;

	(void)state;
	buf_init(&buf, 1000);
	buf_add(&buf, "a\0b", 3);
	assert_int_equal(buf.len, 3);
	assert_memory_equal(buf.data, "a\0b", 3);
	buf_reset(&buf);
	buf_puts(&buf, "one ");
	buf_text(&buf, (struct text){ "two and more", 3 });
	buf_printf(&buf, " %s-%d ", "three", 4);
	buf_int(&buf, LLONG_MIN);
	buf_puts(&buf, " ");
	buf_int(&buf, LLONG_MAX);
	assert_holds(&buf, "one two three-4 -9223372036854775808 9223372036854775807");
	assert_int_equal(buf_cstr(&buf)[buf.len], '\0');
	buf_fini(&buf);
	assert_null(buf.data);
	assert_int_equal(buf.max, 1000);
}

/* Byte for byte over several reallocations, at sizes that are no powers of two. */
static void
test_growing(void **state)
{
	struct buf buf = BUF_INIT(100000);

	(void)state;
	for (unsigned i = 0; i < 100000; i++)
		buf_add(&buf, &(char){ (char)(i * 7) }, 1);
	assert_int_equal(buf.err, ERR_OK);
	for (unsigned i = 0; i < 100000; i++)
		if (buf.data[i] != (char)(i * 7))
			fail_msg("byte %u", i);
	assert_int_equal(buf.cap, 100000);
	buf_fini(&buf);
}

static void
test_maximum(void **state)
{
	static const struct {
		size_t max, len;
		enum err err;
	} rows[] = {
		{ 0, 0, ERR_OK }, { 0, 1, ERR_LIMIT },
		{ 1, 1, ERR_OK }, { 1, 2, ERR_LIMIT },
		{ 255, 255, ERR_OK }, { 255, 256, ERR_LIMIT },
		{ 256, 256, ERR_OK }, { 256, 257, ERR_LIMIT },
		{ 257, 257, ERR_OK }, { 257, 258, ERR_LIMIT },
		{ 1000, 1000, ERR_OK }, { 1000, 1001, ERR_LIMIT },
	};
	static const char bytes[1001];

	(void)state;
	for (size_t i = 0; i < countof(rows); i++) {
		struct buf at_once = BUF_INIT(rows[i].max), bytewise = BUF_INIT(rows[i].max);

		buf_add(&at_once, bytes, rows[i].len);
		for (size_t n = 0; n < rows[i].len; n++)
			buf_add(&bytewise, bytes, 1);
		if (at_once.err != rows[i].err || bytewise.err != rows[i].err)
			fail_msg("%zu of %zu: %d, %d", rows[i].len, rows[i].max, at_once.err,
			    bytewise.err);
		assert_int_equal(at_once.len, rows[i].err == ERR_OK ? rows[i].len : 0);
		assert_true(bytewise.len <= rows[i].max);
		buf_fini(&at_once);
		buf_fini(&bytewise);
	}
}

static void
test_the_error_sticks(void **state)
{
	struct buf buf = BUF_INIT(4);

	(void)state;
	buf_puts(&buf, "ab");
	buf_puts(&buf, "cde");
	assert_int_equal(buf.err, ERR_LIMIT);
	/* What would fit is not appended either, else the content would have a hole. */
	buf_puts(&buf, "c");
	buf_printf(&buf, "%s", "c");
	buf_int(&buf, 1);
	assert_null(buf_room(&buf, 1));
	assert_null(buf_cstr(&buf));
	assert_holds(&buf, "ab");
	buf_reset(&buf);
	assert_int_equal(buf.err, ERR_OK);
	buf_puts(&buf, "abcd");
	assert_holds(&buf, "abcd");
	/* A full buffer has no room for the NUL. */
	assert_null(buf_cstr(&buf));
	assert_int_equal(buf.err, ERR_LIMIT);
	buf_fini(&buf);
	assert_int_equal(buf.err, ERR_OK);
}

/* Around the size up to which buf_printf needs no memory of its own. */
static void
test_long_printf(void **state)
{
	char long_text[1024];

	(void)state;
	memset(long_text, 'x', sizeof(long_text));
	for (int len = 510; len <= 514; len++) {
		struct buf buf = BUF_INIT(1024);

		buf_printf(&buf, "%.*s", len, long_text);
		assert_int_equal(buf.len, len);
		assert_memory_equal(buf.data, long_text, (size_t)len);
		buf_fini(&buf);
	}
}

static void
test_room_and_shift(void **state)
{
	struct buf buf = BUF_INIT(600);
	char *room = buf_room(&buf, 500);

	(void)state;
	assert_non_null(room);
	memcpy(room, "abcdef", 6);
	buf.len += 6;
	buf_shift(&buf, 0);
	assert_holds(&buf, "abcdef");
	buf_shift(&buf, 2);
	assert_holds(&buf, "cdef");
	buf_puts(&buf, "gh");
	assert_holds(&buf, "cdefgh");
	assert_ptr_equal(buf_room(&buf, 1), buf.data + 6);
	buf_shift(&buf, 6);
	assert_holds(&buf, "");
	assert_non_null(buf_room(&buf, 600));
	assert_null(buf_room(&buf, 601));
	assert_int_equal(buf.err, ERR_LIMIT);
	buf_fini(&buf);
}

static void
test_reset_keeps_memory(void **state)
{
	struct buf buf = BUF_INIT(600);
	char *data;

	(void)state;
	buf_puts(&buf, "x");
	data = buf.data;
	buf_reset(&buf);
	assert_holds(&buf, "");
	buf_puts(&buf, "y");
	assert_ptr_equal(buf.data, data);
	buf_fini(&buf);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_empty),
		cmocka_unit_test(test_appending),
		cmocka_unit_test(test_growing),
		cmocka_unit_test(test_maximum),
		cmocka_unit_test(test_the_error_sticks),
		cmocka_unit_test(test_long_printf),
		cmocka_unit_test(test_room_and_shift),
		cmocka_unit_test(test_reset_keeps_memory),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
