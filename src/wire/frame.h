/*
 * frame.h: frames from the server (RFC 6455 section 5): unmasked, never fragmented, encoded once.
 *
 * A struct frame is an immutable run of bytes, ready for the socket, shared by all its receivers by
 * reference count. It may hold several WebSocket frames that belong together (a ping message and a
 * protocol ping). Not for use by several threads.
 */
#ifndef WIRE_FRAME_H
#define WIRE_FRAME_H

#include "base/attr.h"
#include "base/text.h"

#include <stddef.h>
#include <stdint.h>

enum opcode {
	OPCODE_CONTINUATION = 0x0,
	OPCODE_TEXT = 0x1,
	OPCODE_BINARY = 0x2,
	OPCODE_CLOSE = 0x8,
	OPCODE_PING = 0x9,
	OPCODE_PONG = 0xa,
};

/* Section 7.4.1, as far as we send them. 1005 and 1006 are never on the wire; for logs. */
enum close_code {
	CLOSE_NORMAL = 1000,
	CLOSE_GOING_AWAY = 1001,
	CLOSE_PROTOCOL = 1002,
	CLOSE_UNSUPPORTED = 1003,
	CLOSE_NO_CODE = 1005,
	CLOSE_ABNORMAL = 1006,
	CLOSE_INVALID_DATA = 1007,
	CLOSE_POLICY = 1008,
	CLOSE_TOO_BIG = 1009,
	CLOSE_INTERNAL = 1011,
	CLOSE_RESTART = 1012,
	CLOSE_TRY_LATER = 1013,
};

#define FRAME_HEAD_MAX 10
#define FRAME_CONTROL_MAX 125 /* section 5.5: a control frame's payload */

struct frame {
	uint32_t refs;
	uint32_t len;
	uint8_t bytes[];
};

/* The head for a payload of this length; returns its size, 2, 4 or 10. */
size_t frame_head(uint8_t out[FRAME_HEAD_MAX], enum opcode opcode, uint64_t len);

/* One frame with this payload, with one reference, the caller's. NULL: no memory. */
struct frame *frame_new(enum opcode opcode, struct text payload);

/* A close frame; a reason beyond 123 bytes is cut between characters. NULL: no memory. */
struct frame *frame_new_close(enum close_code code, const char *reason);

/* A text frame followed by an empty ping frame: one heartbeat. NULL: no memory. */
struct frame *frame_new_heartbeat(struct text payload);

/* Any bytes: an HTTP answer on its way out through the same queue. NULL: no memory. */
struct frame *frame_new_raw(struct text bytes);

/* One more reference, one fewer; the last one frees. frame_drop sets the pointer to NULL. */
struct frame *frame_hold(struct frame *frame);
void frame_drop(struct frame **frame);

#endif
