/* fuzz-head.c: the head of a request: its end however it is cut, its parts, and what it asks for. */
#include "fuzz.h"

#include "wire/http.h"
#include "ws/request.h"

/* The end that is found byte by byte. */
static size_t
end_in_pieces(const char *data, size_t size)
{
	size_t scanned = 0, end = 0;

	for (size_t len = 0; len <= size && end == 0; len++)
		end = http_head_end(data, len, &scanned);
	return end;
}

static void
ask(const struct http_head *head, const char *origins)
{
	struct buf scratch = BUF_INIT(16384);
	struct request request;

	request_read(head, origins, &scratch, &request);
	MUST(request.kind != REQUEST_REFUSED || (request.status >= 400 && request.why != NULL));
	if (request.kind == REQUEST_WATCH || request.kind == REQUEST_EVENTS)
		MUST((request.token.s == NULL || request.token.len > 0) &&
		    (request.ticket.s == NULL || request.ticket.len > 0));
	MUST(!request.has_since || request.since >= 0);
	buf_fini(&scratch);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const char *bytes = (const char *)data, *why = NULL;
	size_t scanned = 0, end = http_head_end(bytes, size, &scanned);
	struct http_head head;
	enum err err;

	MUST(end <= size);
	MUST(size > 2048 || end == end_in_pieces(bytes, size));
	if (end == 0)
		return 0;
	err = http_parse(bytes, end, &head, &why);
	MUST(err != ERR_INPUT || why != NULL);
	if (err == ERR_OK) {
		ask(&head, "");
		ask(&head, "https://a.example https://b.example");
	}
	return 0;
}
