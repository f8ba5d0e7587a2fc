/*
 * http.h: the head of an HTTP/1.1 request, strictly read (RFC 9112), and the answers to it.
 *
 * Refused as malformed: bare CR or LF, obsolete line folding, white space before a colon, control
 * characters, a missing or second Host. What the path means is not decided here.
 */
#ifndef WIRE_HTTP_H
#define WIRE_HTTP_H

#include "base/attr.h"
#include "base/buf.h"
#include "base/err.h"
#include "base/text.h"

#include <stdbool.h>
#include <stddef.h>

#define HTTP_HEADERS_MAX 64

struct http_header {
	struct text name, value; /* the value without surrounding white space */
};

/* All texts point into the bytes that were parsed. */
struct http_head {
	struct text method;
	struct text path;  /* of the origin form, not decoded */
	struct text query; /* absent where there is no ? */
	bool has_body;     /* or more than one is said to be: its bytes are behind the head */
	size_t header_count;
	struct http_header headers[HTTP_HEADERS_MAX];
};

/*
 * Looks for the end of the head. *scanned is where to go on (0 at first; the callee updates it), so
 * that a head which comes byte by byte is scanned once. Returns the head's length with its empty
 * line, or 0 if it is not complete.
 */
size_t http_head_end(const char *data, size_t len, size_t *scanned);

/* Parses a complete head (len as http_head_end gave it). ERR_INPUT: malformed, *why is a static
 * sentence. ERR_LIMIT: more than HTTP_HEADERS_MAX headers. *out is of no use after an error. */
enum err http_parse(const char *data, size_t len, struct http_head *out, const char **why) MUST_USE;

/* How many headers have this name (any case); *value gets the first one's, if there is one. */
size_t http_header(const struct http_head *head, const char *name, struct text *value);

/* RFC 9110 section 5.6.2: letters, digits and some marks, at least one. */
bool http_is_token(struct text t);

/*
 * Takes the next element off a comma-separated list (RFC 9110 section 5.6.1): without white space
 * around it, empty ones passed over. False at the end, *list is absent then.
 */
bool http_next_element(struct text *list, struct text *element);

/* Does the comma-separated list in all headers of this name hold the token (any case)? */
bool http_header_lists(const struct http_head *head, const char *name, const char *token);

/* The reason phrase of a status that we send; "Error" for others. */
const char *http_reason(int status);

/*
 * A response that ends the connection is written in this order: its start, which is the status line and
 * Connection: close; headers, by the caller, each with its CRLF; and either the body, whole, with
 * Content-Type, Content-Length and the empty line before it, or these alone, as HEAD is answered, or
 * the empty line alone.
 */
void http_write_start(struct buf *out, int status);
void http_write_body(struct buf *out, const char *content_type, struct text body);
void http_write_body_unsent(struct buf *out, const char *content_type, struct text body);
void http_write_no_body(struct buf *out);

#endif
