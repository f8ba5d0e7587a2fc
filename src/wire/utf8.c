/* utf8.c: a table-free validator: the state is what the next continuation byte must be. */
#include "wire/utf8.h"

/*
 * Beside the two of the header, a state holds how many continuation bytes are missing (bits 16-17)
 * and the bounds of the next one (bits 8-15 the lowest, 0-7 the highest): the bounds of the second
 * byte are what excludes overlong forms, surrogates and what lies beyond U+10FFFF (RFC 3629
 * section 4).
 */
#define WITHIN(missing, low, high) ((uint32_t)(missing) << 16 | (uint32_t)(low) << 8 | (high))

static uint32_t
begin(uint8_t byte)
{
	if (byte < 0x80)
		return UTF8_ACCEPT;
	if (byte < 0xc2)
		return UTF8_REJECT;
	if (byte < 0xe0)
		return WITHIN(1, 0x80, 0xbf);
	if (byte == 0xe0)
		return WITHIN(2, 0xa0, 0xbf);
	if (byte == 0xed)
		return WITHIN(2, 0x80, 0x9f);
	if (byte < 0xf0)
		return WITHIN(2, 0x80, 0xbf);
	if (byte == 0xf0)
		return WITHIN(3, 0x90, 0xbf);
	if (byte < 0xf4)
		return WITHIN(3, 0x80, 0xbf);
	return byte == 0xf4 ? WITHIN(3, 0x80, 0x8f) : UTF8_REJECT;
}

static uint32_t
go_on(uint32_t state, uint8_t byte)
{
	uint32_t missing = state >> 16;

	if (byte < (state >> 8 & 0xff) || byte > (state & 0xff))
		return UTF8_REJECT;
	return missing == 1 ? UTF8_ACCEPT : WITHIN(missing - 1, 0x80, 0xbf);
}

uint32_t
utf8_step(uint32_t state, const void *data, size_t len)
{
	const uint8_t *bytes = data;

	for (size_t i = 0; i < len && state != UTF8_REJECT; i++)
		state = state == UTF8_ACCEPT ? begin(bytes[i]) : go_on(state, bytes[i]);
	return state;
}

bool
utf8_valid(const void *data, size_t len)
{
	return utf8_step(UTF8_ACCEPT, data, len) == UTF8_ACCEPT;
}
