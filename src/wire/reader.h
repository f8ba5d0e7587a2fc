/*
 * reader.h: frames from a client (RFC 6455 section 5), read incrementally from any split of bytes.
 *
 * The reader joins fragments, lets control frames through between them, unmasks, validates UTF-8 as
 * it comes, and stops at the first breach. It makes no system call; memory beyond the struct is
 * held only while a message or control frame is under way, so an idle connection costs the struct
 * alone.
 */
#ifndef WIRE_READER_H
#define WIRE_READER_H

#include "base/text.h"
#include "wire/frame.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define READER_MESSAGE_MAX 65535 /* bytes: the largest limit of a message that one can ask for */

enum reader_event {
	READER_MORE,  /* all bytes are consumed, nothing is complete */
	READER_TEXT,  /* a whole text message: reader_payload */
	READER_PING,  /* answer with a pong of the same payload: reader_payload */
	READER_PONG,
	READER_CLOSE, /* reader_close_code; answer and read no further */
	READER_ERROR, /* reader_close_code and reader_error say how to fail; read no further */
};

struct reader {
	uint8_t *message;    /* owned: the data message under way, NULL between messages */
	uint8_t *control;    /* owned: the control frame under way, NULL between them */
	uint64_t frame_left; /* payload bytes of this frame still to come */
	const char *error;
	uint32_t utf8;
	uint32_t frames; /* read to their ends so far; starts again from 0 */
	uint16_t message_len;
	uint16_t message_max;
	uint16_t close_code;
	uint8_t head[14]; /* the frame's head as far as it came: section 5.2 */
	uint8_t head_len;
	uint8_t control_len;
	uint8_t mask_at;
	bool in_payload : 1;
	bool fragmented : 1; /* a message began and has not ended */
	bool delivered : 1;  /* the last event's payload is to be let go at the next feed */
};

/* message_max: bytes of a message, at most READER_MESSAGE_MAX. */
void reader_init(struct reader *reader, size_t message_max);
void reader_fini(struct reader *reader);

/*
 * Takes bytes until something is complete or all are consumed; *used says how many. The bytes are
 * unmasked in place. Call again with the rest until READER_MORE. After READER_CLOSE and
 * READER_ERROR the reader must not be fed any more.
 */
enum reader_event reader_feed(struct reader *reader, uint8_t *data, size_t len, size_t *used);

/* The payload of the last READER_TEXT or READER_PING, valid until the next call. */
struct text reader_payload(const struct reader *reader);

/*
 * After READER_CLOSE: the client's code, CLOSE_NO_CODE if it sent none. After READER_ERROR: 1002,
 * 1003 (binary data), 1007 (invalid UTF-8), 1009 (over message_max), 1011 (no memory).
 */
enum close_code reader_close_code(const struct reader *reader);

/* After READER_ERROR: a static phrase for the close reason and the log. */
const char *reader_error(const struct reader *reader);

#endif
