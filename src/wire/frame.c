/* frame.c: encodes server frames (RFC 6455 section 5.2) into shared buffers. */
#include "wire/frame.h"

#include <stdlib.h>
#include <string.h>

#define FIN 0x80
#define CODE_LEN 2

size_t
frame_head(uint8_t out[FRAME_HEAD_MAX], enum opcode opcode, uint64_t len)
{
	size_t size = len < 126 ? 2 : len <= UINT16_MAX ? 4 : 10;

	out[0] = (uint8_t)(FIN | opcode);
	if (size == 2) {
		out[1] = (uint8_t)len;
		return size;
	}
	out[1] = size == 4 ? 126 : 127;
	/* The length in network order, in what the head has left. */
	for (size_t i = size; i-- > 2; len >>= 8)
		out[i] = (uint8_t)len;
	return size;
}

static struct frame *
allocate(size_t len)
{
	struct frame *frame = malloc(sizeof(*frame) + len);

	if (frame != NULL)
		*frame = (struct frame){ .refs = 1, .len = (uint32_t)len };
	return frame;
}

/* Head and payload, followed by extra bytes that are frames already. */
static struct frame *
build(enum opcode opcode, struct text payload, struct text extra)
{
	uint8_t head[FRAME_HEAD_MAX];
	size_t head_len = frame_head(head, opcode, payload.len);
	struct frame *frame = allocate(head_len + payload.len + extra.len);

	if (frame == NULL)
		return NULL;
	memcpy(frame->bytes, head, head_len);
	if (payload.len > 0)
		memcpy(frame->bytes + head_len, payload.s, payload.len);
	if (extra.len > 0)
		memcpy(frame->bytes + head_len + payload.len, extra.s, extra.len);
	return frame;
}

struct frame *
frame_new(enum opcode opcode, struct text payload)
{
	return build(opcode, payload, text_of(NULL));
}

struct frame *
frame_new_close(enum close_code code, const char *reason)
{
	char payload[FRAME_CONTROL_MAX] = { (char)((unsigned)code >> 8), (char)code };
	size_t len = strlen(reason);

	if (len > sizeof(payload) - CODE_LEN) {
		len = sizeof(payload) - CODE_LEN;
		/* Not within a character: the reason must be UTF-8 (section 5.5.1). */
		while (len > 0 && ((unsigned char)reason[len] & 0xc0) == 0x80)
			len--;
	}
	memcpy(payload + CODE_LEN, reason, len);
	return frame_new(OPCODE_CLOSE, (struct text){ payload, CODE_LEN + len });
}

struct frame *
frame_new_heartbeat(struct text payload)
{
	static const char ping[] = { (char)(FIN | OPCODE_PING), 0 };

	return build(OPCODE_TEXT, payload, (struct text){ ping, sizeof(ping) });
}

struct frame *
frame_new_raw(struct text bytes)
{
	struct frame *frame = allocate(bytes.len);

	if (frame != NULL && bytes.len > 0)
		memcpy(frame->bytes, bytes.s, bytes.len);
	return frame;
}

struct frame *
frame_hold(struct frame *frame)
{
	frame->refs++;
	return frame;
}

void
frame_drop(struct frame **address)
{
	struct frame *frame = *address;

	*address = NULL;
	if (frame != NULL && --frame->refs == 0)
		free(frame);
}
