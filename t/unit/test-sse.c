/* test-sse.c: events and comments byte by byte, each a whole chunk. */
#include "wire/sse.h"

#include "base/attr.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static void
assert_frame(struct frame *frame, const char *expected)
{
	assert_non_null(frame);
	assert_int_equal(frame->refs, 1);
	assert_int_equal(frame->len, strlen(expected));
	assert_memory_equal(frame->bytes, expected, frame->len);
	frame_drop(&frame);
}

static void
test_event(void **state)
{
	(void)state;
	assert_frame(sse_new_event(7, "progress", text_of("{}")),
	    "20\r\nid: 7\nevent: progress\ndata: {}\n\n\r\n");
	assert_frame(sse_new_event(INT64_MAX, "x", text_of("")),
	    "29\r\nid: 9223372036854775807\nevent: x\ndata: \n\n\r\n");
	assert_frame(sse_new_event(1, "progress", text_of("{\"message\":\"\xe2\x82\xac 100 %s\"}")),
	    "36\r\nid: 1\nevent: progress\ndata: {\"message\":\"\xe2\x82\xac 100 %s\"}\n\n\r\n");
}

static void
test_comments(void **state)
{
	(void)state;
	assert_frame(sse_new_comment(""), "3\r\n:\n\n\r\n");
	assert_frame(sse_new_comment("hello"), "9\r\n: hello\n\n\r\n");
	assert_frame(sse_new_end("Processing complete"),
	    "17\r\n: Processing complete\n\n\r\n0\r\n\r\n");
	assert_frame(sse_new_end(""), "3\r\n:\n\n\r\n0\r\n\r\n");
}

/* Takes the chunk off a frame as a receiver does, and returns its length. */
static size_t
read_chunk(const struct frame *frame, const char **body)
{
	char *end;
	size_t len = strtoul((const char *)frame->bytes, &end, 16);

	assert_memory_equal(end, "\r\n", 2);
	*body = end + 2;
	assert_memory_equal(*body + len, "\r\n", 2);
	assert_ptr_equal(*body + len + 2, frame->bytes + frame->len);
	return len;
}

/* The chunk's length is right at every length of the data, the longest message's included. */
static void
test_lengths(void **state)
{
	static const char head[] = "id: 12\nevent: progress\ndata: ";
	static const size_t lengths[] = { 0, 1, 200, 223, 224, 225, 3000, 4064, 16384 };

	(void)state;
	for (size_t i = 0; i < countof(lengths); i++) {
		size_t len = lengths[i];
		char *data = malloc(len + 1);
		const char *body;
		struct frame *frame;

		memset(data, 'x', len);
		frame = sse_new_event(12, "progress", (struct text){ data, len });
		assert_non_null(frame);
		assert_int_equal(read_chunk(frame, &body), sizeof(head) - 1 + len + 2);
		assert_memory_equal(body, head, sizeof(head) - 1);
		assert_memory_equal(body + sizeof(head) - 1, data, len);
		assert_memory_equal(body + sizeof(head) - 1 + len, "\n\n", 2);
		frame_drop(&frame);
		free(data);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_event),
		cmocka_unit_test(test_comments),
		cmocka_unit_test(test_lengths),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
