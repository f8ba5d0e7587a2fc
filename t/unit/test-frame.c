/* test-frame.c: server frames byte by byte, at every boundary of the length's form. */
#include "wire/frame.h"

#include "base/attr.h"
#include "wire/utf8.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static void
test_heads(void **state)
{
	static const struct {
		const char *name;
		enum opcode opcode;
		uint64_t len;
		size_t size;
		uint8_t head[FRAME_HEAD_MAX];
	} rows[] = {
		{ "empty", OPCODE_TEXT, 0, 2, { 0x81, 0 } },
		{ "one byte", OPCODE_TEXT, 1, 2, { 0x81, 1 } },
		{ "last 7-bit length", OPCODE_TEXT, 125, 2, { 0x81, 125 } },
		{ "first 16-bit length", OPCODE_TEXT, 126, 4, { 0x81, 126, 0, 126 } },
		{ "127", OPCODE_TEXT, 127, 4, { 0x81, 126, 0, 127 } },
		{ "two length bytes", OPCODE_TEXT, 0x1234, 4, { 0x81, 126, 0x12, 0x34 } },
		{ "last 16-bit length", OPCODE_TEXT, 65535, 4, { 0x81, 126, 0xff, 0xff } },
		{ "first 64-bit length", OPCODE_TEXT, 65536, 10,
		  { 0x81, 127, 0, 0, 0, 0, 0, 1, 0, 0 } },
		{ "all length bytes", OPCODE_BINARY, 0x0123456789abcdef, 10,
		  { 0x82, 127, 0x01, 0x23, 0x45, 0x67, 0x89, 0xab, 0xcd, 0xef } },
		{ "close", OPCODE_CLOSE, 2, 2, { 0x88, 2 } },
		{ "ping", OPCODE_PING, 0, 2, { 0x89, 0 } },
		{ "pong", OPCODE_PONG, 125, 2, { 0x8a, 125 } },
	};

	(void)state;
	for (size_t i = 0; i < countof(rows); i++) {
		uint8_t head[FRAME_HEAD_MAX];
		size_t size = frame_head(head, rows[i].opcode, rows[i].len);

		if (size != rows[i].size || memcmp(head, rows[i].head, size) != 0)
			fail_msg("%s", rows[i].name);
	}
}

static void
test_frames(void **state)
{
	static const size_t lengths[] = { 0, 1, 125, 126, 127, 4096, 65535, 65536, 70000 };

	(void)state;
	for (size_t i = 0; i < countof(lengths); i++) {
		size_t len = lengths[i], head_len;
		uint8_t head[FRAME_HEAD_MAX];
		char *payload = malloc(len + 1);
		struct frame *frame;

		for (size_t n = 0; n < len; n++)
			payload[n] = (char)(n * 31);
		head_len = frame_head(head, OPCODE_TEXT, len);
		frame = frame_new(OPCODE_TEXT, (struct text){ payload, len });
		assert_non_null(frame);
		assert_int_equal(frame->refs, 1);
		assert_int_equal(frame->len, head_len + len);
		assert_memory_equal(frame->bytes, head, head_len);
		assert_memory_equal(frame->bytes + head_len, payload, len);
		frame_drop(&frame);
		free(payload);
	}
}

static void
assert_frame(struct frame *frame, const void *bytes, size_t len)
{
	assert_non_null(frame);
	assert_int_equal(frame->len, len);
	assert_memory_equal(frame->bytes, bytes, len);
	frame_drop(&frame);
}

static void
test_special_frames(void **state)
{
	(void)state;
	assert_frame(frame_new_close(CLOSE_NORMAL, "Processing complete"),
	    "\x88\x15\x03\xe8Processing complete", 23);
	assert_frame(frame_new_close(CLOSE_POLICY, ""), "\x88\x02\x03\xf0", 4);
	assert_frame(frame_new_close(CLOSE_TRY_LATER, "x"), "\x88\x03\x03\xf5x", 5);
	assert_frame(frame_new(OPCODE_PONG, text_of("abc")), "\x8a\x03""abc", 5);
	assert_frame(frame_new(OPCODE_PING, text_of(NULL)), "\x89\x00", 2);
	assert_frame(frame_new_heartbeat(text_of("{}")), "\x81\x02{}\x89\x00", 6);
	assert_frame(frame_new_raw(text_of("HTTP/1.1 400")), "HTTP/1.1 400", 12);
	assert_frame(frame_new_raw(text_of(NULL)), "", 0);
}

/* A control frame holds 125 bytes, so a reason 123; what is cut stays UTF-8. */
static void
test_long_reasons(void **state)
{
	static const char *const characters[] = { "a", "\xc3\xa9", "\xe2\x82\xac",
		"\xf0\x9f\x98\x80" };

	(void)state;
	for (size_t c = 0; c < countof(characters); c++) {
		size_t width = strlen(characters[c]);

		for (size_t count = 119 / width; count <= 130; count++) {
			char reason[4 * 130 + 1] = "";
			size_t expected = count * width < 123 ? count * width : 123 / width * width;
			struct frame *frame;

			for (size_t i = 0; i < count; i++)
				memcpy(reason + i * width, characters[c], width);
			frame = frame_new_close(CLOSE_NORMAL, reason);
			assert_non_null(frame);
			assert_int_equal(frame->bytes[1], 2 + expected);
			assert_int_equal(frame->len, 2 + 2 + expected);
			assert_memory_equal(frame->bytes + 4, reason, expected);
			assert_true(utf8_valid(frame->bytes + 4, expected));
			frame_drop(&frame);
		}
	}
}

static void
test_references(void **state)
{
	struct frame *frame = frame_new_raw(text_of("shared")), *second, *third;

	(void)state;
	assert_non_null(frame);
	second = frame_hold(frame);
	third = frame_hold(frame);
	assert_ptr_equal(second, frame);
	assert_int_equal(frame->refs, 3);
	frame_drop(&frame);
	assert_null(frame);
	assert_int_equal(second->refs, 2);
	frame_drop(&third);
	assert_memory_equal(second->bytes, "shared", 6);
	frame_drop(&second); /* the last one frees: the sanitizer watches */
	assert_null(second);
	frame_drop(&second);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_heads),
		cmocka_unit_test(test_frames),
		cmocka_unit_test(test_special_frames),
		cmocka_unit_test(test_long_reasons),
		cmocka_unit_test(test_references),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
