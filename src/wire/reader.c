/* reader.c: the state machine of RFC 6455 section 5: head, then payload, and what they make up. */
#include "wire/reader.h"

#include "wire/utf8.h"

#include <stdlib.h>
#include <string.h>

#define FIN 0x80
#define RSV 0x70
#define MASKED 0x80
#define CONTROL 0x08 /* the opcode bit that tells control frames */
#define MASK_LEN 4

void
reader_init(struct reader *reader, size_t message_max)
{
	*reader = (struct reader){ .utf8 = UTF8_ACCEPT, .message_max = (uint16_t)message_max };
}

void
reader_fini(struct reader *reader)
{
	free(reader->message);
	free(reader->control);
	reader_init(reader, reader->message_max);
}

static enum reader_event
fail(struct reader *reader, enum close_code code, const char *why)
{
	reader->close_code = (uint16_t)code;
	reader->error = why;
	return READER_ERROR;
}

static enum opcode
opcode_of(const struct reader *reader)
{
	return (enum opcode)(reader->head[0] & 0x0f);
}

static bool
is_control(const struct reader *reader)
{
	return (opcode_of(reader) & CONTROL) != 0;
}

/* --- the head --- */

/* How long the head is, as far as its first bytes tell. */
static size_t
head_size(const struct reader *reader)
{
	unsigned len;

	if (reader->head_len < 2)
		return 2;
	len = reader->head[1] & 0x7f;
	return 2 + (len == 126 ? 2u : len == 127 ? 8u : 0u) + MASK_LEN;
}

/* The payload's length; false where it is not in its shortest form, or beyond 63 bits. */
static bool
read_length(const struct reader *reader, uint64_t *out)
{
	unsigned first = reader->head[1] & 0x7f;
	size_t bytes = first == 126 ? 2 : first == 127 ? 8 : 0;
	uint64_t len = bytes == 0 ? first : 0;

	for (size_t i = 0; i < bytes; i++)
		len = len << 8 | reader->head[2 + i];
	*out = len;
	if (bytes == 2)
		return len > 125;
	return bytes != 8 || (len > UINT16_MAX && len >> 63 == 0);
}

/* What the first two bytes alone can be wrong in. */
static enum reader_event
check_first(struct reader *reader)
{
	bool fin = (reader->head[0] & FIN) != 0;

	if (reader->head[0] & RSV)
		return fail(reader, CLOSE_PROTOCOL, "reserved bits are set");
	if (!(reader->head[1] & MASKED))
		return fail(reader, CLOSE_PROTOCOL, "a frame is not masked");
	switch ((int)opcode_of(reader)) {
	case OPCODE_CONTINUATION:
		if (!reader->fragmented)
			return fail(reader, CLOSE_PROTOCOL, "a continuation of nothing");
		return READER_MORE;
	case OPCODE_TEXT:
		if (reader->fragmented)
			return fail(reader, CLOSE_PROTOCOL, "a message within a message");
		return READER_MORE;
	case OPCODE_BINARY:
		if (reader->fragmented)
			return fail(reader, CLOSE_PROTOCOL, "a message within a message");
		return fail(reader, CLOSE_UNSUPPORTED, "binary messages are not accepted");
	case OPCODE_CLOSE:
	case OPCODE_PING:
	case OPCODE_PONG:
		if (!fin)
			return fail(reader, CLOSE_PROTOCOL, "a fragmented control frame");
		if ((reader->head[1] & 0x7f) > FRAME_CONTROL_MAX)
			return fail(reader, CLOSE_PROTOCOL, "a control frame is too long");
		return READER_MORE;
	default:
		return fail(reader, CLOSE_PROTOCOL, "a reserved opcode");
	}
}

/* Room for the frame's payload, so that the copying below can't fail. */
static enum reader_event
make_room(struct reader *reader)
{
	size_t len = (size_t)reader->frame_left;
	uint8_t *message;

	if (len == 0)
		return READER_MORE;
	if (is_control(reader)) {
		reader->control = malloc(len);
		return reader->control != NULL ? READER_MORE :
		    fail(reader, CLOSE_INTERNAL, "out of memory");
	}
	message = realloc(reader->message, reader->message_len + len);
	if (message == NULL)
		return fail(reader, CLOSE_INTERNAL, "out of memory");
	reader->message = message;
	return READER_MORE;
}

static enum reader_event
begin_payload(struct reader *reader)
{
	if (!read_length(reader, &reader->frame_left))
		return fail(reader, CLOSE_PROTOCOL, "a length is not in its shortest form");
	if (!is_control(reader) && reader->frame_left + reader->message_len > reader->message_max)
		return fail(reader, CLOSE_TOO_BIG, "the message is too big");
	reader->in_payload = true;
	reader->mask_at = 0;
	return make_room(reader);
}

/* Takes bytes of the head; begins the payload once it is whole. */
static enum reader_event
read_head(struct reader *reader, const uint8_t *data, size_t len, size_t *used)
{
	enum reader_event event;

	while (reader->head_len < head_size(reader)) {
		if (*used == len)
			return READER_MORE;
		reader->head[reader->head_len++] = data[(*used)++];
		if (reader->head_len == 2 && (event = check_first(reader)) != READER_MORE)
			return event;
	}
	return begin_payload(reader);
}

/* --- the payload --- */

static void
unmask(struct reader *reader, uint8_t *data, size_t len)
{
	const uint8_t *mask = reader->head + reader->head_len - MASK_LEN;

	for (size_t i = 0; i < len; i++)
		data[i] ^= mask[(reader->mask_at + i) % MASK_LEN];
	reader->mask_at = (uint8_t)((reader->mask_at + len) % MASK_LEN);
}

static enum reader_event
keep_payload(struct reader *reader, const uint8_t *data, size_t len)
{
	if (len == 0)
		return READER_MORE;
	if (is_control(reader)) {
		memcpy(reader->control + reader->control_len, data, len);
		reader->control_len = (uint8_t)(reader->control_len + len);
		return READER_MORE;
	}
	reader->utf8 = utf8_step(reader->utf8, data, len);
	if (reader->utf8 == UTF8_REJECT)
		return fail(reader, CLOSE_INVALID_DATA, "a text message is not UTF-8");
	memcpy(reader->message + reader->message_len, data, len);
	reader->message_len = (uint16_t)(reader->message_len + len);
	return READER_MORE;
}

/* Section 7.4: which codes an endpoint may send. */
static bool
is_sendable(unsigned code)
{
	return (code >= 1000 && code <= 1003) || (code >= 1007 && code <= 1014) ||
	    (code >= 3000 && code <= 4999);
}

static enum reader_event
end_close(struct reader *reader)
{
	unsigned code;

	if (reader->control_len == 0) {
		reader->close_code = CLOSE_NO_CODE;
		return READER_CLOSE;
	}
	if (reader->control_len == 1)
		return fail(reader, CLOSE_PROTOCOL, "half a close code");
	code = (unsigned)reader->control[0] << 8 | reader->control[1];
	if (!is_sendable(code))
		return fail(reader, CLOSE_PROTOCOL, "an invalid close code");
	if (!utf8_valid(reader->control + 2, reader->control_len - 2u))
		return fail(reader, CLOSE_INVALID_DATA, "a close reason is not UTF-8");
	reader->close_code = (uint16_t)code;
	return READER_CLOSE;
}

static enum reader_event
end_data(struct reader *reader)
{
	reader->fragmented = (reader->head[0] & FIN) == 0;
	if (reader->fragmented)
		return READER_MORE;
	if (reader->utf8 != UTF8_ACCEPT)
		return fail(reader, CLOSE_INVALID_DATA, "a text message ends within a character");
	reader->delivered = true;
	return READER_TEXT;
}

static enum reader_event
end_frame(struct reader *reader)
{
	reader->in_payload = false;
	reader->head_len = 0;
	reader->frames++;
	if (!is_control(reader))
		return end_data(reader);
	reader->delivered = true;
	switch ((int)opcode_of(reader)) {
	case OPCODE_CLOSE:
		return end_close(reader);
	case OPCODE_PING:
		return READER_PING;
	default:
		return READER_PONG;
	}
}

static enum reader_event
read_payload(struct reader *reader, uint8_t *data, size_t len, size_t *used)
{
	size_t rest = len - *used;
	size_t take = rest < reader->frame_left ? rest : (size_t)reader->frame_left;
	enum reader_event event;

	unmask(reader, data + *used, take);
	event = keep_payload(reader, data + *used, take);
	*used += take;
	reader->frame_left -= take;
	if (event != READER_MORE || reader->frame_left > 0)
		return event;
	return end_frame(reader);
}

/* What was delivered has been looked at: its memory goes. */
static void
let_go(struct reader *reader)
{
	if (!reader->delivered)
		return;
	reader->delivered = false;
	free(reader->control);
	reader->control = NULL;
	reader->control_len = 0;
	if (is_control(reader))
		return;
	free(reader->message);
	reader->message = NULL;
	reader->message_len = 0;
}

enum reader_event
reader_feed(struct reader *reader, uint8_t *data, size_t len, size_t *used)
{
	enum reader_event event = READER_MORE;

	*used = 0;
	let_go(reader);
	/* A frame without payload is whole with its head, so it may end with no byte left. */
	while (event == READER_MORE &&
	    (*used < len || (reader->in_payload && reader->frame_left == 0)))
		event = reader->in_payload ? read_payload(reader, data, len, used) :
		    read_head(reader, data, len, used);
	return event;
}

struct text
reader_payload(const struct reader *reader)
{
	if (is_control(reader))
		return (struct text){ reader->control_len > 0 ? (const char *)reader->control : "",
			reader->control_len };
	return (struct text){ reader->message_len > 0 ? (const char *)reader->message : "",
		reader->message_len };
}

enum close_code
reader_close_code(const struct reader *reader)
{
	return (enum close_code)reader->close_code;
}

const char *
reader_error(const struct reader *reader)
{
	return reader->error;
}
