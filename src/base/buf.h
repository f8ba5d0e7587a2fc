/*
 * buf.h: bytes that grow up to a hard maximum, with a sticky error.
 *
 * One may append any number of times and ask once, at the end, whether all went in: after the first
 * failure nothing more is appended and buf->err keeps the cause (ERR_LIMIT: over max; ERR_NOMEM).
 */
#ifndef BASE_BUF_H
#define BASE_BUF_H

#include "base/attr.h"
#include "base/err.h"
#include "base/text.h"

#include <stddef.h>

struct buf {
	char *data; /* owned; NULL while nothing was appended */
	size_t len;
	size_t cap;
	size_t max; /* bytes */
	enum err err;
};

/* An empty buffer that holds at most max bytes. Allocates nothing. */
#define BUF_INIT(max_bytes) { NULL, 0, 0, (max_bytes), ERR_OK }
void buf_init(struct buf *buf, size_t max);

/* Frees the bytes; the buffer may be used again as a new one with the same maximum. */
void buf_fini(struct buf *buf);

/* Forgets content and error, keeps the memory. */
void buf_reset(struct buf *buf);

void buf_add(struct buf *buf, const void *data, size_t len);
void buf_puts(struct buf *buf, const char *s);
void buf_text(struct buf *buf, struct text t);
void buf_printf(struct buf *buf, const char *fmt, ...) PRINTF(2, 3);
void buf_int(struct buf *buf, long long n);

/* Room for len more bytes at data + len, which the caller fills and accounts for; NULL after an
 * error. Valid until the next call on the buffer. */
char *buf_room(struct buf *buf, size_t len);

/* Removes the first n bytes (n <= len). */
void buf_shift(struct buf *buf, size_t n);

/* What is in it, valid until the next call on the buffer. */
struct text buf_view(const struct buf *buf);

/* The content as a NUL-terminated string (the NUL is not counted in len), or NULL after an error. */
const char *buf_cstr(struct buf *buf);

#endif
