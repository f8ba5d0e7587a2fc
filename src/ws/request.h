/*
 * request.h: what a parsed HTTP head asks of milepost-ws. Pure: nothing is looked up.
 */
#ifndef WS_REQUEST_H
#define WS_REQUEST_H

#include "base/attr.h"
#include "base/buf.h"
#include "base/text.h"
#include "wire/handshake.h"
#include "wire/http.h"

#include <stdbool.h>
#include <stdint.h>

enum request_kind {
	REQUEST_WATCH,   /* open a WebSocket */
	REQUEST_EVENTS,  /* open a stream of Server-Sent Events */
	REQUEST_PREFLIGHT, /* may a page of another origin open one? */
	REQUEST_HEALTHZ,
	REQUEST_READYZ,
	REQUEST_METRICS,
	REQUEST_REFUSED, /* answer with status; why says what is wrong */
};

struct request {
	enum request_kind kind;
	int status;
	const char *why; /* static */
	struct text session; /* of the path, unchecked; borrowed from the head */
	struct text ticket; /* likewise, as the next; where there is one, it counts, not the token */
	struct text token; /* absent: none was sent; borrowed from the head or from scratch */
	struct text address; /* the client's as nginx tells it (X-Real-IP); absent if it does not */
	struct text origin; /* of the page that asks; absent if it is none */
	bool is_shown;      /* that page may read the answer: it asks by plain HTTP, and may ask */
	bool is_head;       /* no answer has a body */
	bool with_bearer; /* answer the subprotocol "bearer" */
	bool has_since; /* the client resumes, behind this revision */
	int64_t since;
	struct handshake handshake;
};

/*
 * Reads the head. origins is the configured list, separated by spaces; "" allows any, and a request
 * without Origin (no browser) passes always. The query is decoded in scratch, which must live as
 * long as *out is used.
 */
void request_read(const struct http_head *head, const char *origins, struct buf *scratch,
    struct request *out);

#endif
