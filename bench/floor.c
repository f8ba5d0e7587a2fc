/*
 * floor.c: the bare floor under any server of this kind: it takes upgrades, and on a POST writes
 * the body as one ready frame to every socket of the session. No token, no rules, no store, no
 * heartbeat, no bounds: what this costs, the kernel costs.
 *
 *     GET  /api/sessions/ws/{id}         a WebSocket
 *     POST /api/sessions/{id}/progress   the message, which is answered when it is written to all
 */
#include "address.h"
#include "base/buf.h"
#include "base/fd.h"
#include "base/map.h"
#include "fatal.h"
#include "loop.h"
#include "model/id.h"
#include "wire/handshake.h"

#include <errno.h>
#include <signal.h>
#include <stdbool.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

#define REQUEST_MAX 16384
#define WATCH_PATH "GET /api/sessions/ws/"
#define POST_PATH "POST /api/sessions/"
#define ANSWER "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"

struct peer {
	struct source source;
	int fd;
	size_t held_len;
	char *held;                /* owned: the beginning of a request */
	struct group *group;       /* of a watcher */
	struct peer *next, **link; /* in the group */
};

struct group {
	struct id id;
	struct peer *watchers;
};

struct floor {
	struct source source;
	struct loop loop;
	int fd;
	struct map groups;
};

/* One per process: the handlers of all peers reach it. */
static struct floor server;

static void
drop(struct peer *peer)
{
	if (peer->group != NULL) {
		*peer->link = peer->next;
		if (peer->next != NULL)
			peer->next->link = peer->link;
	}
	close(peer->fd);
	free(peer->held);
	free(peer);
}

static struct group *
group_of(struct text id_text)
{
	struct group *group;
	struct id id;

	if (id_parse(id_text, &id) != ERR_OK)
		fatal("\"%.*s\" is not a session's id", TEXT_ARG(id_text));
	group = map_get(&server.groups, id.bytes);
	if (group != NULL)
		return group;
	group = xcalloc(1, sizeof(*group));
	group->id = id;
	if (map_put(&server.groups, group) != ERR_OK)
		fatal("no memory");
	return group;
}

static void
write_all(const struct peer *peer, const void *data, size_t len)
{
	/* One that is full would need a queue; one that is gone is noticed by its own event. */
	if (write(peer->fd, data, len) != (ssize_t)len && errno != EPIPE && errno != ECONNRESET)
		fatal("a socket took not all: %s", strerror(errno));
}

/* The value of a header; absent if there is none. */
static struct text
header(struct text head, const char *name)
{
	const char *at = strcasestr(head.s, name), *end;

	if (at == NULL || at >= head.s + head.len)
		return text_of(NULL);
	at += strlen(name);
	end = memchr(at, '\r', (size_t)(head.s + head.len - at));
	return text_trim((struct text){ at, (size_t)(end - at) });
}

static void
serve_upgrade(struct peer *peer, struct text head)
{
	struct handshake handshake = { .key = header(head, "\r\nSec-WebSocket-Key:") };
	struct buf out = BUF_INIT(512);

	if (handshake.key.len != 24 || handshake_write(&out, &handshake, false) != ERR_OK)
		fatal("no handshake: %.*s", TEXT_ARG(head));
	peer->group = group_of((struct text){ head.s + strlen(WATCH_PATH), ID_TEXT_LEN });
	peer->next = peer->group->watchers;
	peer->link = &peer->group->watchers;
	if (peer->next != NULL)
		peer->next->link = &peer->next;
	peer->group->watchers = peer;
	write_all(peer, out.data, out.len);
	buf_fini(&out);
}

/* RFC 6455 section 5.2: final, text, no mask. */
static size_t
write_frame(char *frame, struct text payload)
{
	size_t head_len = payload.len < 126 ? 2 : 4;

	frame[0] = (char)0x81;
	frame[1] = (char)(payload.len < 126 ? payload.len : 126);
	if (head_len == 4) {
		frame[2] = (char)(payload.len >> 8);
		frame[3] = (char)payload.len;
	}
	memcpy(frame + head_len, payload.s, payload.len);
	return head_len + payload.len;
}

static void
serve_post(const struct peer *peer, struct text head, struct text body)
{
	const struct group *group =
	    group_of((struct text){ head.s + strlen(POST_PATH), ID_TEXT_LEN });
	char frame[REQUEST_MAX + 4];
	size_t len = write_frame(frame, body);

	for (const struct peer *w = group->watchers; w != NULL; w = w->next)
		write_all(w, frame, len);
	write_all(peer, ANSWER, strlen(ANSWER));
}

/* Serves the request, if it is whole. */
static bool
serve(struct peer *peer, char *data, size_t len)
{
	char *end = memmem(data, len, "\r\n\r\n", 4);
	struct text head, body;
	unsigned long long body_len = 0;

	if (end == NULL)
		return false;
	head = (struct text){ data, (size_t)(end - data) + 4 };
	body = (struct text){ end + 4, len - head.len };
	if (memcmp(data, WATCH_PATH, strlen(WATCH_PATH)) == 0) {
		serve_upgrade(peer, head);
		return true;
	}
	if (memcmp(data, POST_PATH, strlen(POST_PATH)) != 0 ||
	    !text_number(header(head, "\r\nContent-Length:"), REQUEST_MAX, &body_len))
		fatal("no request of ours: %.*s", TEXT_ARG(head));
	if (body.len < body_len)
		return false;
	serve_post(peer, head, body);
	return true;
}

static void
hold(struct peer *peer, const char *data, size_t len)
{
	peer->held = xrealloc(peer->held, len);
	memcpy(peer->held, data, len);
	peer->held_len = len;
}

static void
on_peer(struct source *source, uint32_t events)
{
	struct peer *peer = (struct peer *)source;
	char data[REQUEST_MAX + 1];
	size_t len = peer->held_len;
	ssize_t n;

	(void)events;
	if (len > 0)
		memcpy(data, peer->held, len);
	n = read(peer->fd, data + len, REQUEST_MAX - len);
	if (n < 0 && errno == EAGAIN)
		return;
	if (n <= 0) {
		drop(peer);
		return;
	}
	/* What a watcher sends is of no interest. */
	if (peer->group != NULL)
		return;
	len += (size_t)n;
	data[len] = '\0';
	if (!serve(peer, data, len)) {
		hold(peer, data, len);
		return;
	}
	free(peer->held);
	peer->held = NULL;
	peer->held_len = 0;
}

static void
on_listener(struct source *source, uint32_t events)
{
	int fd;

	(void)source;
	(void)events;
	while ((fd = accept4(server.fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK)) >= 0) {
		struct peer *peer = xcalloc(1, sizeof(*peer));

		peer->source.on_ready = on_peer;
		peer->fd = fd;
		loop_add(&server.loop, fd, &peer->source, EPOLLIN);
	}
	if (errno != EAGAIN)
		fatal("accept: %s", strerror(errno));
}

int
main(int argc, char **argv)
{
	if (argc != 2)
		fatal("usage: floor unix:PATH|tcp:ADDRESS:PORT");
	signal(SIGPIPE, SIG_IGN);
	fd_raise_limit();
	loop_init(&server.loop);
	map_init(&server.groups, 0);
	server.fd = address_listen(argv[1]);
	server.source.on_ready = on_listener;
	loop_add(&server.loop, server.fd, &server.source, EPOLLIN);
	for (;;)
		loop_turn(&server.loop, -1);
}
