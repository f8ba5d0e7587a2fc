/* sse.c: encodes Server-Sent Events as chunks. */
#include "wire/sse.h"

#include "base/buf.h"

#define FRAMING_MAX 256 /* bytes beside the text: the fields' names, an id, a type, a chunk's length */
#define LAST_CHUNK "0\r\n\r\n"

/* The body as one chunk, and what comes behind it. Frees the body. */
static struct frame *
new_chunk(struct buf *body, const char *behind)
{
	struct buf chunk = BUF_INIT(body->max + FRAMING_MAX);
	struct frame *frame = NULL;

	buf_printf(&chunk, "%zx\r\n", body->len);
	buf_text(&chunk, buf_view(body));
	buf_puts(&chunk, "\r\n");
	buf_puts(&chunk, behind);
	if (body->err == ERR_OK && chunk.err == ERR_OK)
		frame = frame_new_raw(buf_view(&chunk));
	buf_fini(&chunk);
	buf_fini(body);
	return frame;
}

struct frame *
sse_new_event(int64_t id, const char *type, struct text data)
{
	struct buf body = BUF_INIT(data.len + FRAMING_MAX);

	buf_printf(&body, "id: %lld\nevent: %s\ndata: ", (long long)id, type);
	buf_text(&body, data);
	buf_puts(&body, "\n\n");
	return new_chunk(&body, "");
}

static struct frame *
new_comment(const char *comment, const char *behind)
{
	struct buf body = BUF_INIT(FRAMING_MAX);

	buf_printf(&body, comment[0] != '\0' ? ": %s\n\n" : ":%s\n\n", comment);
	return new_chunk(&body, behind);
}

struct frame *
sse_new_comment(const char *comment)
{
	return new_comment(comment, "");
}

struct frame *
sse_new_end(const char *comment)
{
	return new_comment(comment, LAST_CHUNK);
}
