/* handshake.h: the server's half of the opening handshake (RFC 6455 section 4.2). */
#ifndef WIRE_HANDSHAKE_H
#define WIRE_HANDSHAKE_H

#include "base/attr.h"
#include "base/buf.h"
#include "base/err.h"
#include "base/text.h"
#include "wire/http.h"

struct handshake {
	struct text key;      /* Sec-WebSocket-Key, as sent */
	struct text bearer;   /* the token behind the subprotocol "bearer"; absent if not offered */
};

/*
 * Reads a parsed GET request as an opening handshake. The texts point where the head's do.
 * ERR_INPUT: it asks for an upgrade but malformed (*why is a static sentence): HTTP 400.
 * ERR_ABSENT: it asks for no WebSocket of version 13: HTTP 426.
 */
enum err handshake_read(const struct http_head *head, struct handshake *out, const char **why)
    MUST_USE;

/* Appends the 101 response; with_bearer answers the subprotocol. ERR_SYSTEM: no SHA-1. */
enum err handshake_write(struct buf *out, const struct handshake *handshake, bool with_bearer)
    MUST_USE;

#endif
