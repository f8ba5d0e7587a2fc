/* watcher.c: WebSocket clients: the handshake, and the frames that come. */
#include "watcher.h"

#include "fatal.h"

#include <errno.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

#define BUFFER 65536 /* one read, and what was held before it */
#define CONTROL_MAX 125
#define ACCEPT "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=" /* what the key of every request must give */

enum { OPCODE_TEXT = 1, OPCODE_CLOSE = 8, OPCODE_PING = 9, OPCODE_PONG = 10 };

static char buffer[BUFFER]; /* of whoever is reading */

static void on_ready(struct source *source, uint32_t events);

void
watchers_init(struct watchers *watchers, size_t count)
{
	watchers->all = xcalloc(count, sizeof(*watchers->all));
	watchers->count = count;
	for (size_t i = 0; i < count; i++)
		watchers->all[i] = (struct watcher){
			.source.on_ready = on_ready, .group = watchers, .fd = -1, .number = i
		};
}

void
watchers_fini(struct watchers *watchers)
{
	for (size_t i = 0; i < watchers->count; i++) {
		if (watchers->all[i].fd >= 0)
			close(watchers->all[i].fd);
		free(watchers->all[i].held);
	}
	free(watchers->all);
}

static void
send_all(struct watcher *w, const void *data, size_t len)
{
	/* Small, and nothing waits before it: the socket takes it whole. */
	if (write(w->fd, data, len) != (ssize_t)len)
		fatal("watcher %zu: write: %s", w->number, strerror(errno));
}

void
watchers_start(struct watchers *watchers, size_t number, struct text request)
{
	struct watcher *w = &watchers->all[number];

	w->fd = address_connect(&watchers->address);
	send_all(w, request.s, request.len);
	w->state = WATCHER_OPENING;
	watchers->opening++;
	loop_add(watchers->loop, w->fd, &w->source, EPOLLIN);
}

/* Returns how many bytes were the answer to the handshake; 0: it is not whole yet. */
static size_t
take_head(struct watcher *w, const char *data, size_t len)
{
	const char *end = memmem(data, len, "\r\n\r\n", 4);
	size_t head_len;

	if (end == NULL)
		return 0;
	head_len = (size_t)(end - data) + 4;
	if (head_len < 12 || memcmp(data, "HTTP/1.1 101", 12) != 0 ||
	    memmem(data, head_len, ACCEPT, strlen(ACCEPT)) == NULL)
		fatal("watcher %zu: refused: %.*s", w->number, (int)head_len, data);
	w->state = WATCHER_OPEN;
	w->group->opening--;
	w->group->open++;
	return head_len;
}

/* Masked with zeros: as good as any mask for a server, and free. */
static void
send_pong(struct watcher *w, struct text payload)
{
	char frame[6 + CONTROL_MAX] = { (char)(0x80 | OPCODE_PONG), (char)(0x80 | payload.len) };

	memcpy(frame + 6, payload.s, payload.len);
	send_all(w, frame, 6 + payload.len);
}

static void NORETURN
closed(const struct watcher *w, struct text payload)
{
	unsigned code = 1005;

	if (payload.len >= 2) {
		code = (unsigned)(uint8_t)payload.s[0] << 8 | (uint8_t)payload.s[1];
		payload.s += 2;
		payload.len -= 2;
	}
	fatal("watcher %zu: the server closed the connection: %u %.*s", w->number, code,
	    TEXT_ARG(payload));
}

static void
take_payload(struct watcher *w, uint8_t first, struct text payload)
{
	if ((first & 0x80) == 0 || (first & 0x70) != 0)
		fatal("watcher %zu: a fragment, or a reserved bit", w->number);
	switch (first & 0x0f) {
	case OPCODE_TEXT:
		w->group->on_text(w->group->arg, w, payload);
		break;
	case OPCODE_CLOSE:
		closed(w, payload);
	case OPCODE_PING:
		if (payload.len > CONTROL_MAX)
			fatal("watcher %zu: a ping of %zu bytes", w->number, payload.len);
		send_pong(w, payload);
		break;
	case OPCODE_PONG:
		break;
	default:
		fatal("watcher %zu: a frame of opcode %d", w->number, first & 0x0f);
	}
}

/* Returns the length of the frame at data; 0: it is not whole yet. */
static size_t
take_frame(struct watcher *w, const char *data, size_t len)
{
	const uint8_t *bytes = (const uint8_t *)data;
	size_t head_len = 2;
	uint64_t payload_len;

	if (len < 2)
		return 0;
	payload_len = bytes[1];
	if (payload_len >= 126)
		head_len += payload_len == 126 ? 2 : payload_len == 127 ? 8 : 0;
	if (payload_len > 127)
		fatal("watcher %zu: a masked frame", w->number);
	if (len < head_len)
		return 0;
	if (payload_len >= 126) {
		payload_len = 0;
		for (size_t i = 2; i < head_len; i++)
			payload_len = payload_len << 8 | bytes[i];
	}
	if (payload_len > BUFFER / 2)
		fatal("watcher %zu: a frame of %llu bytes", w->number,
		    (unsigned long long)payload_len);
	if (len - head_len < payload_len)
		return 0;
	take_payload(w, bytes[0], (struct text){ data + head_len, (size_t)payload_len });
	return head_len + (size_t)payload_len;
}

static size_t
take(struct watcher *w, const char *data, size_t len)
{
	return w->state == WATCHER_OPENING ? take_head(w, data, len) : take_frame(w, data, len);
}

static void
hold(struct watcher *w, const char *data, size_t len)
{
	w->held = len > 0 ? xrealloc(w->held, len) : (free(w->held), NULL);
	if (len > 0)
		memcpy(w->held, data, len);
	w->held_len = len;
}

static void
on_ready(struct source *source, uint32_t events)
{
	struct watcher *w = (struct watcher *)source;
	size_t len = w->held_len, at = 0, taken;
	ssize_t n;

	(void)events;
	if (len > 0)
		memcpy(buffer, w->held, len);
	n = read(w->fd, buffer + len, sizeof(buffer) - len);
	if (n < 0 && errno == EAGAIN)
		return;
	if (n <= 0)
		fatal("watcher %zu: the connection broke: %s", w->number,
		    n == 0 ? "end of file" : strerror(errno));
	len += (size_t)n;
	while (at < len && (taken = take(w, buffer + at, len - at)) > 0)
		at += taken;
	if (at < len || w->held_len > 0)
		hold(w, buffer + at, len - at);
}
