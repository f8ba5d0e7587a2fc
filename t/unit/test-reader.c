/*
 * test-reader.c: frames of clients, right and wrong (RFC 6455), whole, byte by byte and at every
 * split in two. The groups follow the Autobahn test suite's numbers 1 to 7.
 */
#include "wire/reader.h"

#include "base/attr.h"
#include "base/buf.h"
#include "wire/utf8.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define LARGEST 4096 /* bytes of a message, unless a test asks for others */

/* First bytes of frames. */
enum {
	TEXT = 0x81,
	TEXT_BEGIN = 0x01, /* goes on in continuations */
	MORE = 0x00,
	LAST = 0x80,
	BINARY = 0x82,
	CLOSE = 0x88,
	PING = 0x89,
	PONG = 0x8a,
};

#define P(literal) (literal), sizeof(literal) - 1

struct part {
	int first;
	const char *payload; /* NULL: len times 'x' */
	size_t len;
};

struct row {
	const char *name;
	struct part parts[12];
	size_t count;
	const char *events;
};

#define ROW(name, events, ...) \
	{ name, { __VA_ARGS__ }, countof(((struct part[]){ __VA_ARGS__ })), events }

/* Appends a head with this length in this many bytes (0: the shortest), without the mask. */
static void
put_head(struct buf *out, int first, uint64_t len, size_t width)
{
	if (width == 0)
		width = len < 126 ? 1 : len <= UINT16_MAX ? 2 : 8;
	buf_add(out, &(uint8_t){ (uint8_t)first }, 1);
	if (width == 1)
		buf_add(out, &(uint8_t){ (uint8_t)(0x80 | len) }, 1);
	else
		buf_add(out, &(uint8_t){ width == 2 ? 0x80 | 126 : 0x80 | 127 }, 1);
	for (size_t i = width > 1 ? width : 0; i-- > 0;)
		buf_add(out, &(uint8_t){ (uint8_t)(len >> (8 * i)) }, 1);
}

/* Appends the mask, another one each time, and the payload under it. */
static void
put_payload(struct buf *out, const char *payload, size_t len)
{
	uint8_t mask[] = { 0x37, 0xfa, 0x21, (uint8_t)(0x3d + out->len) };

	buf_add(out, mask, sizeof(mask));
	for (size_t i = 0; i < len; i++) {
		uint8_t plain = payload != NULL ? (uint8_t)payload[i] : 'x';

		buf_add(out, &(uint8_t){ plain ^ mask[i % 4] }, 1);
	}
}

static void
put_frame(struct buf *out, int first, const char *payload, size_t len)
{
	put_head(out, first, len, 0);
	put_payload(out, payload, len);
}

/* A client is told why: one of these, whole. */
static void
check_phrase(const char *why)
{
	static const char *const phrases[] = { "reserved bits are set", "a frame is not masked",
		"a continuation of nothing", "a message within a message",
		"binary messages are not accepted", "a fragmented control frame",
		"a control frame is too long", "a reserved opcode",
		"a length is not in its shortest form", "the message is too big",
		"a text message is not UTF-8", "half a close code", "an invalid close code",
		"a close reason is not UTF-8", "a text message ends within a character" };
	size_t i = 0;

	assert_non_null(why);
	while (i < countof(phrases) && strcmp(phrases[i], why) != 0)
		i++;
	if (i == countof(phrases))
		fail_msg("\"%s\"", why);
}

/* Writes down an event; a long payload by its length. */
static void
note(struct buf *events, const struct reader *reader, enum reader_event event)
{
	static const char *const names[] = { [READER_TEXT] = "text", [READER_PING] = "ping",
		[READER_PONG] = "pong" };

	if (events->len > 0)
		buf_puts(events, "; ");
	if (event == READER_CLOSE || event == READER_ERROR) {
		buf_printf(events, "%s %d", event == READER_CLOSE ? "close" : "error",
		    (int)reader_close_code(reader));
		if (event == READER_ERROR)
			check_phrase(reader_error(reader));
		return;
	}
	assert_non_null(reader_payload(reader).s);
	if (reader_payload(reader).len > 40)
		buf_printf(events, "%s (%zu)", names[event], reader_payload(reader).len);
	else
		buf_printf(events, "%s %.*s", names[event], TEXT_ARG(reader_payload(reader)));
}

/* Feeds a copy of these bytes, events and all. False once the reader may not be fed any more. */
static bool
feed(struct reader *reader, const char *data, size_t len, struct buf *events)
{
	uint8_t *copy = malloc(len > 0 ? len : 1), *at = copy;
	enum reader_event event;
	size_t used;

	memcpy(copy, data, len);
	do {
		event = reader_feed(reader, at, len, &used);
		assert_true(used <= len);
		at += used;
		len -= used;
		if (event != READER_MORE)
			note(events, reader, event);
	} while (event != READER_MORE && event != READER_CLOSE && event != READER_ERROR);
	if (event == READER_MORE)
		assert_int_equal(len, 0);
	free(copy);
	return event == READER_MORE;
}

/* Feeds all, in pieces: the first of `first` bytes, the others of `step`. */
static void
run(const struct buf *stream, size_t first, size_t step, const char *name, const char *expected)
{
	struct buf events = BUF_INIT(65536);
	struct reader reader;
	size_t at = 0, piece = first;

	reader_init(&reader, LARGEST);
	while (at < stream->len || piece == 0) {
		if (piece > stream->len - at)
			piece = stream->len - at;
		if (!feed(&reader, stream->data + at, piece, &events))
			break;
		at += piece;
		piece = step;
	}
	reader_fini(&reader);
	if (!text_is(buf_view(&events), expected))
		fail_msg("%s, in pieces of %zu and %zu: %.*s", name, first, step,
		    TEXT_ARG(buf_view(&events)));
	buf_fini(&events);
}

static void
run_all_ways(const struct buf *stream, const char *name, const char *events)
{
	run(stream, stream->len, stream->len, name, events);
	run(stream, 1, 1, name, events);
	run(stream, 3, 7, name, events);
	for (size_t split = 0; split < stream->len; split++)
		run(stream, split, stream->len, name, events);
}

static void
run_rows(const struct row *rows, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		struct buf stream = BUF_INIT(1 << 20);

		for (size_t p = 0; p < rows[i].count; p++)
			put_frame(&stream, rows[i].parts[p].first, rows[i].parts[p].payload,
			    rows[i].parts[p].len);
		run_all_ways(&stream, rows[i].name, rows[i].events);
		buf_fini(&stream);
	}
}

/* --- 1: framing --- */

static void
test_framing(void **state)
{
	static const struct row rows[] = {
		ROW("empty text", "text ", { TEXT, P("") }),
		ROW("text", "text Hello", { TEXT, P("Hello") }),
		ROW("three texts", "text a; text ; text c", { TEXT, P("a") }, { TEXT, P("") },
		    { TEXT, P("c") }),
		ROW("125", "text (125)", { TEXT, NULL, 125 }),
		ROW("126", "text (126)", { TEXT, NULL, 126 }),
		ROW("127", "text (127)", { TEXT, NULL, 127 }),
		ROW("128", "text (128)", { TEXT, NULL, 128 }),
		ROW("the largest", "text (4096)", { TEXT, NULL, LARGEST }),
		ROW("one too large", "error 1009", { TEXT, NULL, LARGEST + 1 }),
		ROW("after a large one", "text (4096); text (4096)", { TEXT, NULL, 4096 },
		    { TEXT, NULL, 4096 }),
		ROW("binary", "error 1003", { BINARY, P("x") }),
		ROW("empty binary", "error 1003", { BINARY, P("") }),
		ROW("binary after text", "text a; error 1003", { TEXT, P("a") },
		    { BINARY, P("b") }),
	};

	(void)state;
	run_rows(rows, countof(rows));
}

/* The size is refused as soon as it is announced, with nothing allocated. */
static void
test_announced_sizes(void **state)
{
	static const struct {
		int first;
		uint64_t len;
		size_t width;
		enum close_code code; /* 0: accepted */
	} rows[] = {
		{ TEXT, 4096, 2, 0 },
		{ TEXT, 4097, 2, CLOSE_TOO_BIG },
		{ TEXT, 65535, 2, CLOSE_TOO_BIG },
		{ TEXT, 65536, 8, CLOSE_TOO_BIG },
		{ TEXT_BEGIN, 4097, 2, CLOSE_TOO_BIG },
		{ TEXT, INT64_MAX, 8, CLOSE_TOO_BIG },
		/* Section 5.2: the highest bit must be 0, and the shortest form be used. */
		{ TEXT, (uint64_t)INT64_MAX + 1, 8, CLOSE_PROTOCOL },
		{ TEXT, UINT64_MAX, 8, CLOSE_PROTOCOL },
		{ TEXT, 0, 2, CLOSE_PROTOCOL },
		{ TEXT, 125, 2, CLOSE_PROTOCOL },
		{ TEXT, 126, 2, 0 },
		{ TEXT, 0, 8, CLOSE_PROTOCOL },
		{ TEXT, 125, 8, CLOSE_PROTOCOL },
		{ TEXT, 126, 8, CLOSE_PROTOCOL },
		{ TEXT, 65535, 8, CLOSE_PROTOCOL },
	};

	(void)state;
	for (size_t i = 0; i < countof(rows); i++) {
		struct buf stream = BUF_INIT(64), events = BUF_INIT(256);
		struct reader reader;
		size_t used;

		put_head(&stream, rows[i].first, rows[i].len, rows[i].width);
		buf_add(&stream, "mask", 4);
		reader_init(&reader, LARGEST);
		for (size_t n = 0; n + 1 < stream.len; n++)
			assert_int_equal(reader_feed(&reader, (uint8_t *)stream.data + n, 1, &used),
			    READER_MORE);
		if (feed(&reader, stream.data + stream.len - 1, 1, &events) != (rows[i].code == 0))
			fail_msg("row %zu", i);
		if (rows[i].code != 0) {
			assert_int_equal(reader_close_code(&reader), rows[i].code);
			assert_null(reader.message);
		}
		reader_fini(&reader);
		buf_fini(&stream);
		buf_fini(&events);
	}
}

/* --- 2: pings and pongs --- */

static void
test_pings(void **state)
{
	static const struct row rows[] = {
		ROW("empty ping", "ping ", { PING, P("") }),
		ROW("ping", "ping Hello, world!", { PING, P("Hello, world!") }),
		ROW("binary ping", "ping \xff\xfe\xfd", { PING, P("\xff\xfe\xfd") }),
		ROW("125", "ping (125)", { PING, NULL, 125 }),
		ROW("126", "error 1002", { PING, NULL, 126 }),
		ROW("unasked pong", "pong ", { PONG, P("") }),
		ROW("pong with payload, ping", "pong x; ping y", { PONG, P("x") },
		    { PING, P("y") }),
		ROW("long pong", "error 1002", { PONG, NULL, 126 }),
		ROW("many pings", "ping 1; ping 2; ping 3; ping 4; ping 5; ping 6; ping 7",
		    { PING, P("1") }, { PING, P("2") }, { PING, P("3") }, { PING, P("4") },
		    { PING, P("5") }, { PING, P("6") }, { PING, P("7") }),
		ROW("shorter and shorter", "ping abc; ping a; ping ", { PING, P("abc") },
		    { PING, P("a") }, { PING, P("") }),
	};

	(void)state;
	run_rows(rows, countof(rows));
}

/* --- 3 and 4: reserved bits and opcodes --- */

/* Every first byte, masked or not, between messages and within one, after section 5. */
static void
test_every_first_byte(void **state)
{
	(void)state;
	for (int within = 0; within <= 1; within++) {
		for (int masked = 0; masked <= 1; masked++) {
			for (int first = 0; first < 256; first++) {
				bool fin = first & 0x80, control = first & 0x08;
				int opcode = first & 0x0f;
				bool known = opcode <= 2 || (opcode >= 8 && opcode <= 10);
				const char *expected = "error 1002";
				struct buf stream = BUF_INIT(64);
				char events[64];

				if (within)
					put_frame(&stream, TEXT_BEGIN, P("a"));
				buf_add(&stream, &(uint8_t){ (uint8_t)first }, 1);
				buf_add(&stream, &(uint8_t){ masked ? 0x80 : 0 }, 1);
				if (masked)
					buf_add(&stream, "mask", 4);
				if (!masked || (first & 0x70) || !known || (control && !fin))
					;
				else if (opcode == 8)
					expected = "close 1005";
				else if (control)
					expected = opcode == 9 ? "ping " : "pong ";
				else if (opcode == 0 && within)
					expected = fin ? "text a" : "";
				else if (opcode == 1 && !within)
					expected = fin ? "text " : "";
				else if (opcode == 2 && !within)
					expected = "error 1003";
				snprintf(events, sizeof(events), "within %d, masked %d, first %02x",
				    within, masked, (unsigned)first);
				run_all_ways(&stream, events, expected);
				buf_fini(&stream);
			}
		}
	}
}

static void
test_after_a_message(void **state)
{
	static const struct row rows[] = {
		ROW("RSV1", "text a; error 1002", { TEXT, P("a") }, { 0xc1, P("b") },
		    { PING, P("") }),
		ROW("RSV2", "text a; ping ; error 1002", { TEXT, P("a") }, { PING, P("") },
		    { 0xa1, P("b") }),
		ROW("RSV3 on a ping", "error 1002", { 0x99, P("a") }),
		ROW("RSV on a continuation", "error 1002", { TEXT_BEGIN, P("a") },
		    { 0xc0, P("b") }),
		ROW("opcode 3", "text a; error 1002", { TEXT, P("a") }, { 0x83, P("b") }),
		ROW("opcode 11", "text a; error 1002", { TEXT, P("a") }, { 0x8b, P("b") }),
	};

	(void)state;
	run_rows(rows, countof(rows));
}

/* --- 5: fragmentation --- */

static void
test_fragments(void **state)
{
	static const struct row rows[] = {
		ROW("ping in two", "error 1002", { 0x09, P("a") }, { LAST, P("b") }),
		ROW("pong in two", "error 1002", { 0x0a, P("a") }, { LAST, P("b") }),
		ROW("close in two", "error 1002", { 0x08, P("\x03\xe8") }, { LAST, P("") }),
		ROW("two", "text ab", { TEXT_BEGIN, P("a") }, { LAST, P("b") }),
		ROW("many", "text abcd", { TEXT_BEGIN, P("a") }, { MORE, P("b") }, { MORE, P("c") },
		    { LAST, P("d") }),
		ROW("empty ones", "text a", { TEXT_BEGIN, P("") }, { MORE, P("a") },
		    { MORE, P("") }, { LAST, P("") }),
		ROW("only empty ones", "text ", { TEXT_BEGIN, P("") }, { MORE, P("") },
		    { LAST, P("") }),
		ROW("a ping between", "ping p; text ab", { TEXT_BEGIN, P("a") }, { PING, P("p") },
		    { LAST, P("b") }),
		ROW("control frames between", "ping 1; pong 2; ping ; text abc; text d",
		    { TEXT_BEGIN, P("a") }, { PING, P("1") }, { MORE, P("b") }, { PONG, P("2") },
		    { PING, P("") }, { LAST, P("c") }, { TEXT, P("d") }),
		ROW("a close between", "close 1000", { TEXT_BEGIN, P("a") },
		    { CLOSE, P("\x03\xe8") }, { LAST, P("b") }),
		ROW("continuation of nothing", "error 1002", { LAST, P("a") }),
		ROW("begun continuation of nothing", "error 1002", { MORE, P("a") },
		    { TEXT, P("b") }),
		ROW("continuation after the end", "text ab; error 1002", { TEXT_BEGIN, P("a") },
		    { LAST, P("b") }, { LAST, P("c") }),
		ROW("continuation after a whole", "text a; error 1002", { TEXT, P("a") },
		    { MORE, P("b") }),
		ROW("text within", "error 1002", { TEXT_BEGIN, P("a") }, { TEXT, P("b") }),
		ROW("begun text within", "error 1002", { TEXT_BEGIN, P("a") },
		    { TEXT_BEGIN, P("b") }),
		ROW("binary within", "error 1002", { TEXT_BEGIN, P("a") }, { BINARY, P("b") }),
		ROW("text within, after a ping", "ping p; error 1002", { TEXT_BEGIN, P("a") },
		    { PING, P("p") }, { TEXT, P("b") }),
		ROW("the largest in two", "text (4096)", { TEXT_BEGIN, NULL, 4000 },
		    { LAST, NULL, 96 }),
		ROW("one too large in two", "error 1009", { TEXT_BEGIN, NULL, 4000 },
		    { LAST, NULL, 97 }),
		ROW("too large after the largest", "ping p; error 1009", { TEXT_BEGIN, NULL, 4096 },
		    { MORE, P("") }, { PING, P("p") }, { LAST, P("x") }),
		ROW("a large one after a small one", "text a; text (4096)", { TEXT, P("a") },
		    { TEXT_BEGIN, NULL, 1 }, { LAST, NULL, 4095 }),
	};

	(void)state;
	run_rows(rows, countof(rows));
}

static void
test_fragments_of_one_byte(void **state)
{
	(void)state;
	for (size_t count = LARGEST; count <= LARGEST + 1; count++) {
		const char *expected = count == LARGEST ? "text (4096)" : "error 1009";
		struct buf stream = BUF_INIT(1 << 20);

		put_frame(&stream, TEXT_BEGIN, P("x"));
		for (size_t i = 2; i < count; i++)
			put_frame(&stream, MORE, P("x"));
		put_frame(&stream, LAST, P("x"));
		run(&stream, stream.len, stream.len, "whole", expected);
		run(&stream, 1, 1, "bytewise", expected);
		run(&stream, 5, 1000, "in pieces", expected);
		buf_fini(&stream);
	}
}

/* Whatever largest message is asked for, up to the most that can be, is the largest. */
static void
test_limits(void **state)
{
	static const size_t limits[] = { 1, 128, 65534, READER_MESSAGE_MAX };

	(void)state;
	for (size_t i = 0; i < 2 * countof(limits); i++) {
		size_t len = limits[i / 2] + i % 2, used;
		struct buf stream = BUF_INIT(1 << 20);
		struct reader reader;
		enum reader_event event;

		put_frame(&stream, TEXT, NULL, len);
		reader_init(&reader, limits[i / 2]);
		event = reader_feed(&reader, (uint8_t *)stream.data, stream.len, &used);
		assert_int_equal(event, i % 2 == 0 ? READER_TEXT : READER_ERROR);
		if (event == READER_TEXT)
			assert_int_equal(reader_payload(&reader).len, len);
		else
			assert_int_equal(reader_close_code(&reader), CLOSE_TOO_BIG);
		reader_fini(&reader);
		buf_fini(&stream);
	}
}

/* --- 6: UTF-8 --- */

static void
test_utf8(void **state)
{
	static const struct row rows[] = {
		ROW("valid", "text Hello-\xc2\xb5@\xc3\x9f\xc3\xb6\xe2\x82\xac\xf0\x9f\x98\x80",
		    { TEXT, P("Hello-\xc2\xb5@\xc3\x9f\xc3\xb6\xe2\x82\xac\xf0\x9f\x98\x80") }),
		ROW("cut between frames", "text \xe2\x82\xac", { TEXT_BEGIN, P("\xe2") },
		    { MORE, P("\x82") }, { LAST, P("\xac") }),
		ROW("cut, with a ping of other bytes", "ping \xff; text \xe2\x82\xac",
		    { TEXT_BEGIN, P("\xe2\x82") }, { PING, P("\xff") }, { LAST, P("\xac") }),
		ROW("a surrogate", "error 1007", { TEXT, P("\xce\xba\xed\xa0\x80 edited") }),
		ROW("overlong", "error 1007", { TEXT, P("\xc0\xaf") }),
		ROW("beyond U+10FFFF", "error 1007", { TEXT, P("\xf4\x90\x80\x80") }),
		ROW("cut at the end", "error 1007", { TEXT, P("ab\xe2\x82") }),
		ROW("cut at the last fragment's end", "error 1007", { TEXT_BEGIN, P("\xe2") },
		    { LAST, P("\x82") }),
		ROW("cut at an empty last fragment", "error 1007", { TEXT_BEGIN, P("\xe2") },
		    { LAST, P("") }),
		ROW("wrong in the first fragment", "error 1007", { TEXT_BEGIN, P("a\xff") },
		    { LAST, P("b") }),
		ROW("wrong in the last fragment", "ping p; error 1007", { TEXT_BEGIN, P("a\xe2") },
		    { PING, P("p") }, { LAST, P("b") }),
		ROW("good after good", "text \xc3\xa9; text \xc3\xa9", { TEXT, P("\xc3\xa9") },
		    { TEXT, P("\xc3\xa9") }),
	};

	(void)state;
	run_rows(rows, countof(rows));
}

/* The connection fails at the very byte that spoils the text, not at the end of the frame. */
static void
test_utf8_fails_fast(void **state)
{
	static const char payload[] =
	    "\xce\xba\xe1\xbd\xb9\xcf\x83\xce\xbc\xce\xb5\xf4\x90\x80\x80x";
	const size_t head = 2 + 4, spoilt = 12;
	struct buf stream = BUF_INIT(256);
	struct reader reader;
	size_t used;

	(void)state;
	put_frame(&stream, TEXT_BEGIN, P(payload));
	reader_init(&reader, LARGEST);
	for (size_t i = 0; i < head + spoilt; i++)
		assert_int_equal(reader_feed(&reader, (uint8_t *)stream.data + i, 1, &used),
		    READER_MORE);
	assert_int_equal(reader_feed(&reader, (uint8_t *)stream.data + head + spoilt, 1, &used),
	    READER_ERROR);
	assert_int_equal(reader_close_code(&reader), CLOSE_INVALID_DATA);
	reader_fini(&reader);
	buf_fini(&stream);
}

/* Every text of one and two bytes, as the validator sees it. */
static void
test_utf8_of_two_bytes(void **state)
{
	(void)state;
	for (unsigned n = 0; n < 65536; n++) {
		char payload[] = { (char)(n >> 8), (char)n };
		struct buf stream = BUF_INIT(64), events = BUF_INIT(64);
		struct reader reader;

		put_frame(&stream, TEXT, payload, 2);
		reader_init(&reader, LARGEST);
		if (feed(&reader, stream.data, stream.len, &events) != utf8_valid(payload, 2))
			fail_msg("%04x", n);
		reader_fini(&reader);
		buf_fini(&stream);
		buf_fini(&events);
	}
}

static void
test_a_nul_in_a_text(void **state)
{
	struct buf stream = BUF_INIT(64);
	struct reader reader;
	size_t used;

	(void)state;
	put_frame(&stream, TEXT, "a\0b", 3);
	reader_init(&reader, LARGEST);
	assert_int_equal(reader_feed(&reader, (uint8_t *)stream.data, stream.len, &used),
	    READER_TEXT);
	assert_int_equal(used, stream.len);
	assert_int_equal(reader_payload(&reader).len, 3);
	assert_memory_equal(reader_payload(&reader).s, "a\0b", 3);
	reader_fini(&reader);
	buf_fini(&stream);
}

/* --- 7: closing --- */

static void
test_closes(void **state)
{
	static const struct row rows[] = {
		ROW("without a code", "close 1005", { CLOSE, P("") }),
		/* A valid code, whatever lies behind it in memory. */
		ROW("half a code", "error 1002", { CLOSE, P("\x0f") }),
		ROW("with a code", "close 1000", { CLOSE, P("\x03\xe8") }),
		ROW("with a reason", "close 1001", { CLOSE, P("\x03\xe9going away") }),
		ROW("the longest reason", "close 1000", { CLOSE, P("\x03\xe8"
		    "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"
		    "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx") }),
		ROW("a longer one", "error 1002", { CLOSE, NULL, 126 }),
		ROW("reason in UTF-8", "close 1000", { CLOSE, P("\x03\xe8\xe2\x82\xac") }),
		ROW("reason not in UTF-8", "error 1007", { CLOSE, P("\x03\xe8\xff") }),
		ROW("reason cut in a character", "error 1007", { CLOSE, P("\x03\xe8\xe2\x82") }),
		ROW("wrong code and wrong reason", "error 1002", { CLOSE, P("\x03\xed\xff") }),
		ROW("text before", "text a; close 1000", { TEXT, P("a") },
		    { CLOSE, P("\x03\xe8") }),
		ROW("text after", "close 1000", { CLOSE, P("\x03\xe8") }, { TEXT, P("a") }),
		ROW("two", "close 1000", { CLOSE, P("\x03\xe8") }, { CLOSE, P("\x03\xe8") }),
	};

	(void)state;
	run_rows(rows, countof(rows));
}

/* Section 7.4 and IANA's registry: 1012 to 1014 were registered later. */
static void
test_every_close_code(void **state)
{
	(void)state;
	for (unsigned code = 0; code < 65536; code++) {
		bool valid = (code >= 1000 && code <= 1014 && code != 1004 && code != 1005 &&
		    code != 1006) || (code >= 3000 && code <= 4999);
		char payload[] = { (char)(code >> 8), (char)code };
		struct buf stream = BUF_INIT(64);
		struct reader reader;
		enum reader_event event;
		size_t used;

		put_frame(&stream, CLOSE, payload, 2);
		reader_init(&reader, LARGEST);
		event = reader_feed(&reader, (uint8_t *)stream.data, stream.len, &used);
		if (event != (valid ? READER_CLOSE : READER_ERROR) ||
		    reader_close_code(&reader) != (valid ? code : CLOSE_PROTOCOL))
			fail_msg("%u", code);
		reader_fini(&reader);
		buf_fini(&stream);
	}
}

/* --- memory, and the rest --- */

static void
test_memory(void **state)
{
	struct buf stream = BUF_INIT(8192);
	struct reader reader;
	uint8_t *data, nothing = 0;
	size_t used;

	(void)state;
	/* A reader is part of every idle connection. */
	assert_true(sizeof(struct reader) <= 72);
	put_frame(&stream, TEXT_BEGIN, P("a"));
	put_frame(&stream, PING, P("ping"));
	put_frame(&stream, LAST, P("b"));
	reader_init(&reader, LARGEST);
	data = (uint8_t *)stream.data;
	assert_int_equal(reader_feed(&reader, data, stream.len, &used), READER_PING);
	data += used;
	stream.len -= used;
	assert_non_null(reader.control);
	assert_non_null(reader.message);
	assert_int_equal(reader_feed(&reader, data, 0, &used), READER_MORE);
	assert_null(reader.control);
	assert_non_null(reader.message);
	assert_int_equal(reader_feed(&reader, data, stream.len, &used), READER_TEXT);
	assert_int_equal(used, stream.len);
	assert_true(text_is(reader_payload(&reader), "ab"));
	assert_int_equal(reader_feed(&reader, &nothing, 0, &used), READER_MORE);
	assert_null(reader.message);
	assert_null(reader.control);
	reader_fini(&reader);
	buf_fini(&stream);
}

/* Given up in the midst of a message and a control frame: the sanitizer sees what is left. */
static void
test_given_up(void **state)
{
	struct buf stream = BUF_INIT(8192);

	(void)state;
	put_frame(&stream, TEXT_BEGIN, P("abc"));
	put_frame(&stream, PING, P("ping"));
	put_frame(&stream, LAST, P("def"));
	for (size_t len = 0; len <= stream.len; len++) {
		struct buf events = BUF_INIT(256);
		struct reader reader;

		reader_init(&reader, LARGEST);
		feed(&reader, stream.data, len, &events);
		reader_fini(&reader);
		assert_null(reader.message);
		assert_null(reader.control);
		buf_fini(&events);
	}
	buf_fini(&stream);
}

/* The bytes behind a message are left to the next call, whatever they are. */
static void
test_used(void **state)
{
	struct buf stream = BUF_INIT(256);
	struct reader reader;
	size_t first, used;

	(void)state;
	put_frame(&stream, TEXT, P("one"));
	first = stream.len;
	put_frame(&stream, TEXT, P("two"));
	reader_init(&reader, LARGEST);
	assert_int_equal(reader_feed(&reader, (uint8_t *)stream.data, stream.len, &used),
	    READER_TEXT);
	assert_int_equal(used, first);
	assert_true(text_is(reader_payload(&reader), "one"));
	assert_int_equal(reader_feed(&reader, (uint8_t *)stream.data + first, stream.len - first,
	    &used), READER_TEXT);
	assert_int_equal(used, stream.len - first);
	assert_true(text_is(reader_payload(&reader), "two"));
	reader_fini(&reader);
	buf_fini(&stream);
}

/* Frames at random, many of them wrong: in whatever pieces they come, the events are the same. */
static void
test_any_split_is_the_same(void **state)
{
	static const uint8_t firsts[] = { TEXT, TEXT, TEXT_BEGIN, TEXT_BEGIN, MORE, MORE, LAST,
		LAST, PING, PONG, CLOSE, BINARY, 0x83, 0xc1 };
	uint64_t random = 1;

	(void)state;
	for (int round = 0; round < 3000; round++) {
		struct buf stream = BUF_INIT(8192), events = BUF_INIT(8192);
		struct reader reader;

		for (int frame = 0; frame < 6; frame++) {
			char payload[200];
			size_t len;

			random = random * 6364136223846793005u + 1442695040888963407u;
			len = (random >> 40) % 10 == 0 ? (random >> 50) % 200 : (random >> 50) % 4;
			memset(payload, 'a', len);
			if ((random >> 33) % 7 == 0)
				for (size_t i = 0; i < len; i++)
					payload[i] = (char)(random >> (i % 32));
			put_frame(&stream, firsts[(random >> 36) % countof(firsts)], payload, len);
		}
		reader_init(&reader, LARGEST);
		feed(&reader, stream.data, stream.len, &events);
		reader_fini(&reader);
		run(&stream, 1, 1, "random", buf_cstr(&events));
		run(&stream, (random >> 33) % stream.len, 5, "random", buf_cstr(&events));
		buf_fini(&stream);
		buf_fini(&events);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_framing),
		cmocka_unit_test(test_announced_sizes),
		cmocka_unit_test(test_pings),
		cmocka_unit_test(test_every_first_byte),
		cmocka_unit_test(test_after_a_message),
		cmocka_unit_test(test_fragments),
		cmocka_unit_test(test_fragments_of_one_byte),
		cmocka_unit_test(test_limits),
		cmocka_unit_test(test_utf8),
		cmocka_unit_test(test_utf8_fails_fast),
		cmocka_unit_test(test_utf8_of_two_bytes),
		cmocka_unit_test(test_a_nul_in_a_text),
		cmocka_unit_test(test_closes),
		cmocka_unit_test(test_every_close_code),
		cmocka_unit_test(test_memory),
		cmocka_unit_test(test_given_up),
		cmocka_unit_test(test_used),
		cmocka_unit_test(test_any_split_is_the_same),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
