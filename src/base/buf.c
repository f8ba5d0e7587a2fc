/* buf.c: growable bytes with a hard maximum and a sticky error. */
#include "base/buf.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define FIRST_CAP 256u /* most messages fit, so most buffers allocate once */

void
buf_init(struct buf *buf, size_t max)
{
	*buf = (struct buf)BUF_INIT(max);
}

void
buf_fini(struct buf *buf)
{
	free(buf->data);
	buf_init(buf, buf->max);
}

void
buf_reset(struct buf *buf)
{
	buf->len = 0;
	buf->err = ERR_OK;
}

/* Makes sure of room for `len` more bytes; `len` beyond max - buf->len is the sticky ERR_LIMIT. */
static bool
reserve(struct buf *buf, size_t len)
{
	size_t cap = buf->cap > 0 ? buf->cap : FIRST_CAP;
	char *data;

	if (buf->err != ERR_OK)
		return false;
	if (len > buf->max - buf->len) {
		buf->err = ERR_LIMIT;
		return false;
	}
	if (buf->len + len <= buf->cap)
		return true;
	while (cap < buf->len + len)
		cap *= 2;
	if (cap > buf->max)
		cap = buf->max;
	data = realloc(buf->data, cap);
	if (data == NULL) {
		buf->err = ERR_NOMEM;
		return false;
	}
	buf->data = data;
	buf->cap = cap;
	return true;
}

void
buf_add(struct buf *buf, const void *data, size_t len)
{
	if (len == 0 || !reserve(buf, len))
		return;
	memcpy(buf->data + buf->len, data, len);
	buf->len += len;
}

void
buf_puts(struct buf *buf, const char *s)
{
	buf_add(buf, s, strlen(s));
}

void
buf_text(struct buf *buf, struct text t)
{
	buf_add(buf, t.s, t.len);
}

void
buf_printf(struct buf *buf, const char *fmt, ...)
{
	char small[512];
	char *text = small;
	va_list ap;
	int n;

	va_start(ap, fmt);
	n = vsnprintf(small, sizeof(small), fmt, ap);
	va_end(ap);
	if (n >= (int)sizeof(small)) {
		va_start(ap, fmt);
		n = vasprintf(&text, fmt, ap);
		va_end(ap);
	}
	if (n < 0) {
		if (buf->err == ERR_OK)
			buf->err = ERR_NOMEM;
		return;
	}
	buf_add(buf, text, (size_t)n);
	if (text != small)
		free(text);
}

void
buf_int(struct buf *buf, long long n)
{
	char digits[24];

	buf_add(buf, digits, (size_t)snprintf(digits, sizeof(digits), "%lld", n));
}

char *
buf_room(struct buf *buf, size_t len)
{
	return reserve(buf, len) ? buf->data + buf->len : NULL;
}

void
buf_shift(struct buf *buf, size_t n)
{
	buf->len -= n;
	if (buf->len > 0)
		memmove(buf->data, buf->data + n, buf->len);
}

struct text
buf_view(const struct buf *buf)
{
	return (struct text){ buf->data != NULL ? buf->data : "", buf->len };
}

const char *
buf_cstr(struct buf *buf)
{
	if (!reserve(buf, 1))
		return NULL;
	buf->data[buf->len] = '\0';
	return buf->data;
}
