/* conn.c: moves a connection's bytes and states. What the bytes mean: opening.c and the transports. */
#include "ws/conn.h"

#include "base/clock.h"
#include "base/log.h"
#include "ws/opening.h"
#include "ws/server.h"
#include "ws/watch.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

void
conn_deadline(struct conn *conn, int64_t ms)
{
	/* A repeat of 0 would stop the timer. */
	conn->timer.repeat = ms > 0 ? (double)ms / 1000 : 0.001;
	ev_timer_again(conn->server->loop, &conn->timer);
}

void
conn_mark(struct conn *conn)
{
	if (conn->dirty)
		return;
	conn->dirty = true;
	conn->next_dirty = conn->server->dirty;
	conn->server->dirty = conn;
}

/* Counts and logs the end of an open connection. */
static void
note_end(struct conn *conn, unsigned code, const char *reason, const char *by)
{
	stats_close(&conn->server->stats, code);
	log_info("ws.close", LOG_INT("conn", conn->number), LOG_INT("code", code),
	    LOG_STR("reason", reason), LOG_STR("by", by),
	    LOG_INT("seconds", conn->server->now_ms / 1000 - conn->opened));
}

void
conn_left(struct conn *conn, unsigned code)
{
	note_end(conn, code, "", "client");
}

/* Leaves what only an open connection belongs to. */
static void
leave(struct conn *conn)
{
	struct server *server = conn->server;

	if (conn->state == CONN_OPEN)
		server->open_count--;
	roster_leave(&server->sessions, &conn->by_session);
	server_user_leave(server, &conn->by_user);
	conn->replaying = false;
}

/* How long the client may take now that it is told the end. What waits for it, the last update maybe, waits
 * as long as one may be silent: who stopped to read for a while shall find it. */
static int64_t
farewell_ms(const struct conn *conn)
{
	const struct config *config = conn->server->config;
	int64_t now = conn->server->now_ms, heard_ms, left;

	if (conn->state != CONN_CLOSING || conn->out.count == 0)
		return config->close_timeout_ms;
	/* Who never says anything may have read a moment ago. */
	heard_ms = conn->transport->answers ? conn->heard_ms : now;
	left = heard_ms + 2 * config->heartbeat_interval_ms - now;
	return left > config->close_timeout_ms ? left : config->close_timeout_ms;
}

void
conn_enter(struct conn *conn, enum conn_state state)
{
	struct server *server = conn->server;
	const struct config *config = server->config;

	leave(conn);
	conn->state = (uint8_t)state;
	switch (state) {
	case CONN_HEAD:
		conn_deadline(conn, config->head_timeout_ms);
		break;
	case CONN_OPEN:
		server->open_count++;
		conn_deadline(conn, config->heartbeat_interval_ms);
		break;
	case CONN_ANSWERING:
	case CONN_CLOSING:
		conn_deadline(conn, farewell_ms(conn));
		break;
	case CONN_DEAD:
		ev_timer_stop(server->loop, &conn->timer);
		ev_io_stop(server->loop, &conn->io);
		break;
	}
	conn_mark(conn);
}

void
conn_send(struct conn *conn, struct frame *frame, bool replaceable)
{
	if (frame == NULL || outq_push(&conn->out, frame, replaceable) != ERR_OK) {
		conn_lose(conn, "no memory");
		return;
	}
	conn_mark(conn);
}

void
conn_close(struct conn *conn, enum close_code code, const char *reason)
{
	struct frame *frame;

	if (conn->state != CONN_OPEN)
		return;
	frame = conn->transport->new_close(code, reason);
	note_end(conn, code, reason, "server");
	conn_enter(conn, CONN_CLOSING);
	conn->finished |= !conn->transport->answers;
	conn_send(conn, frame, false);
	if (frame != NULL)
		frame_drop(&frame);
}

void
conn_lose(struct conn *conn, const char *why)
{
	if (conn->state == CONN_OPEN)
		note_end(conn, CLOSE_ABNORMAL, why, "loss");
	if (conn->state != CONN_DEAD)
		conn_enter(conn, CONN_DEAD);
}

void
conn_hear(struct conn *conn, uint8_t *data, size_t len)
{
	if (!conn->deaf)
		conn->transport->hear(conn, data, len);
}

/* The client ended the connection: where that is how one leaves, it is no loss. */
static void
hang_up(struct conn *conn)
{
	if (conn->state == CONN_OPEN && !conn->transport->answers) {
		conn_left(conn, CLOSE_NO_CODE);
		conn_enter(conn, CONN_DEAD);
	} else {
		conn_lose(conn, "the connection ended without a close frame");
	}
}

static void
take(struct conn *conn, uint8_t *data, size_t len)
{
	conn->heard_ms = conn->server->now_ms;
	if (conn->state == CONN_HEAD)
		opening_read(conn, data, len);
	else
		conn_hear(conn, data, len);
}

static void
on_readable(struct conn *conn)
{
	struct server *server = conn->server;
	ssize_t n = recv(conn->io.fd, server->scratch, sizeof(server->scratch), 0);

	if (n > 0)
		take(conn, server->scratch, (size_t)n);
	else if (n == 0)
		hang_up(conn);
	else if (errno != EAGAIN && errno != EWOULDBLOCK && errno != EINTR)
		conn_lose(conn, strerror(errno));
}

static void
on_io(struct ev_loop *loop, ev_io *w, int revents)
{
	struct conn *conn = w->data;

	(void)loop;
	if (revents & EV_WRITE)
		conn_mark(conn);
	if (revents & EV_READ)
		on_readable(conn);
}

static void
on_deadline(struct ev_loop *loop, ev_timer *w, int revents)
{
	struct conn *conn = w->data;

	(void)loop;
	(void)revents;
	switch ((enum conn_state)conn->state) {
	case CONN_HEAD:
		opening_timeout(conn);
		break;
	case CONN_OPEN:
		watch_deadline(conn);
		break;
	case CONN_ANSWERING:
	case CONN_CLOSING:
		conn_lose(conn, "the client did not answer the close");
		break;
	case CONN_DEAD:
		break;
	}
}

static void
link_conn(struct server *server, struct conn *conn)
{
	conn->next = server->conns;
	if (server->conns != NULL)
		server->conns->prev = conn;
	server->conns = conn;
	server->conn_count++;
}

static void
unlink_conn(struct server *server, struct conn *conn)
{
	if (conn->prev != NULL)
		conn->prev->next = conn->next;
	else
		server->conns = conn->next;
	if (conn->next != NULL)
		conn->next->prev = conn->prev;
	server->conn_count--;
}

void
conn_new(struct server *server, int fd)
{
	struct conn *conn = calloc(1, sizeof(*conn));

	if (conn == NULL) {
		close(fd);
		return;
	}
	conn->server = server;
	conn->number = server->next_number++;
	conn->opened = (uint32_t)(server->now_ms / 1000);
	conn->heard_ms = server->now_ms;
	outq_init(&conn->out);
	reader_init(&conn->reader, (size_t)server->config->message_max);
	ev_io_init(&conn->io, on_io, fd, EV_READ);
	conn->io.data = conn;
	ev_io_start(server->loop, &conn->io);
	ev_init(&conn->timer, on_deadline);
	/* What has come is heard before it is missed. */
	ev_set_priority(&conn->timer, EV_MINPRI);
	conn->timer.data = conn;
	link_conn(server, conn);
	server->stats.accepted++;
	conn_enter(conn, CONN_HEAD);
}

static void
conn_free(struct conn *conn)
{
	unlink_conn(conn->server, conn);
	roster_exit(&conn->server->addresses, &conn->by_address);
	close(conn->io.fd);
	outq_fini(&conn->out);
	reader_fini(&conn->reader);
	opening_head_free(&conn->head);
	free(conn);
}

/* Watches for writability only while bytes are left, and reads on only while the client takes what
 * its messages cause (pongs, acknowledgements). */
static void
choose_events(struct conn *conn)
{
	bool full = outq_cost(&conn->out) > (size_t)conn->server->config->send_queue_max;
	int events = (full ? 0 : EV_READ) | (conn->out.count > 0 ? EV_WRITE : 0);

	if ((conn->io.events & (EV_READ | EV_WRITE)) == events)
		return;
	ev_io_stop(conn->server->loop, &conn->io);
	ev_io_set(&conn->io, conn->io.fd, events);
	ev_io_start(conn->server->loop, &conn->io);
}

/* All is sent: the state decides what that means. */
static void
drained(struct conn *conn)
{
	conn->behind = false;
	/* Not closed yet: what the client still sends would have the kernel throw away our last words.
	 * It is read, and passed over, until the client closes too, or close_timeout passes. */
	if (conn->state == CONN_ANSWERING || (conn->state == CONN_CLOSING && conn->finished))
		shutdown(conn->io.fd, SHUT_WR);
	else if (conn->state == CONN_OPEN && conn->replaying)
		watch_drained(conn);
}

/* Who still takes our last words, however slowly, has all the time for the next: that is a sign of life,
 * too. */
static void
prolong(struct conn *conn, uint32_t before)
{
	if (conn->out.bytes == before ||
	    (conn->state != CONN_CLOSING && conn->state != CONN_ANSWERING))
		return;
	conn->heard_ms = conn->server->now_ms;
	conn_deadline(conn, farewell_ms(conn));
}

void
conn_flush(struct conn *conn)
{
	uint32_t before = conn->out.bytes;
	enum err err = outq_flush(&conn->out, conn->io.fd);

	if (err == ERR_SYSTEM) {
		/* A client that is gone before it read our close is no event. */
		if (conn->state == CONN_OPEN)
			log_info("ws.send-failed", LOG_INT("conn", conn->number),
			    LOG_STR("error", strerror(errno)));
		conn_lose(conn, "sending failed");
		return;
	}
	choose_events(conn);
	prolong(conn, before);
	if (err == ERR_OK)
		drained(conn);
}

bool
conn_before_sleep(struct server *server)
{
	struct conn *list = server->dirty;

	/* What is marked from here on is looked at in the next turn. */
	server->dirty = NULL;
	while (list != NULL) {
		struct conn *conn = list;

		list = conn->next_dirty;
		conn->dirty = false;
		if (conn->state != CONN_DEAD)
			conn_flush(conn);
		if (conn->state != CONN_DEAD)
			continue;
		/* Its death may have marked it anew, on the list of the next turn. */
		if (!conn->dirty)
			conn_free(conn);
	}
	return server->dirty != NULL;
}
