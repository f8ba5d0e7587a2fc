/*
 * sse.h: Server-Sent Events (WHATWG HTML, section 9.2), encoded once for all who get them.
 *
 * Each piece is a whole chunk (RFC 9112 section 7.1) of an answer with Transfer-Encoding: chunked, so
 * that its receiver can tell the end of the stream from a connection that broke. Texts must be of one
 * line. All functions give one reference, the caller's, or NULL without memory.
 */
#ifndef WIRE_SSE_H
#define WIRE_SSE_H

#include "base/text.h"
#include "wire/frame.h"

#include <stdint.h>

/* An event with its id, by which a client that comes back says where it was. */
struct frame *sse_new_event(int64_t id, const char *type, struct text data);

/* A comment, which clients pass over: a heartbeat. "" is one too. */
struct frame *sse_new_comment(const char *comment);

/* A comment, and the end of the answer. */
struct frame *sse_new_end(const char *comment);

#endif
