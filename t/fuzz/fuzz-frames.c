/* fuzz-frames.c: frames of a client: the same events however the bytes are cut; no event after an end. */
#include "fuzz.h"

#include "wire/reader.h"
#include "wire/utf8.h"

#include <string.h>

#define EVENTS_MAX 64
#define LARGEST 4096 /* bytes of a message */

struct events {
	size_t count;
	uint64_t sum; /* of kinds, payloads and codes */
};

static void
note(struct events *events, const struct reader *reader, enum reader_event event)
{
	struct text payload = { NULL, 0 };

	events->count++;
	if (event == READER_TEXT || event == READER_PING)
		payload = reader_payload(reader);
	MUST(payload.len <= LARGEST);
	MUST(event != READER_PING || payload.len <= 125);
	MUST(event != READER_ERROR || reader_error(reader) != NULL);
	events->sum = events->sum * 31 + (uint64_t)event;
	for (size_t i = 0; i < payload.len; i++)
		events->sum = events->sum * 31 + (unsigned char)payload.s[i];
	if (event == READER_CLOSE || event == READER_ERROR)
		events->sum = events->sum * 31 + (uint64_t)reader_close_code(reader);
}

/* Reads it in pieces of this many bytes. */
static struct events
read_in_pieces(const uint8_t *data, size_t size, size_t piece)
{
	uint8_t *copy = malloc(size > 0 ? size : 1);
	struct events events = { 0, 0 };
	struct reader reader;
	enum reader_event event = READER_MORE;
	size_t at = 0;

	MUST(copy != NULL);
	memcpy(copy, data, size);
	reader_init(&reader, LARGEST);
	while (at < size && event != READER_CLOSE && event != READER_ERROR) {
		size_t len = size - at < piece ? size - at : piece, used = 0;

		event = reader_feed(&reader, copy + at, len, &used);
		MUST(used <= len);
		MUST(event != READER_MORE || used == len);
		at += used;
		if (event != READER_MORE)
			note(&events, &reader, event);
	}
	reader_fini(&reader);
	free(copy);
	return events;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const size_t pieces[] = { 1, 2, 3, 7, 64, 1000 };
	struct events whole = read_in_pieces(data, size, size > 0 ? size : 1);

	for (size_t i = 0; i < sizeof(pieces) / sizeof(pieces[0]); i++) {
		struct events cut = read_in_pieces(data, size, pieces[i]);

		MUST(cut.count == whole.count && cut.sum == whole.sum);
	}
	return 0;
}
