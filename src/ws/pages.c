/* pages.c: health and metrics. */
#include "ws/pages.h"

#include "base/clock.h"
#include "store/event.h"
#include "store/replica.h"
#include "ws/answer.h"
#include "ws/events.h"
#include "ws/server.h"

#define PAGE_MAX 65536
#define CURRENT_SECONDS 10.0 /* how long the feed may be behind before readyz says so */

void
pages_healthz(struct conn *conn)
{
	struct buf body = BUF_INIT(16);

	buf_puts(&body, "ok\n");
	answer_page(conn, 200, "text/plain; charset=utf-8", &body);
}

/* What keeps this process from serving; NULL: nothing. */
static const char *
why_not_ready(struct server *server)
{
	int64_t revision;

	if (server->stopping)
		return "stopping";
	if (store_is_moved(server->store))
		return "the database was removed";
	if (store_event_revision(server->store, &revision) != ERR_OK)
		return "the database can't be read";
	if (!feed_is_current(&server->feed, CURRENT_SECONDS))
		return "the feed is behind";
	return NULL;
}

void
pages_readyz(struct conn *conn)
{
	struct buf body = BUF_INIT(256);
	const char *why = why_not_ready(conn->server);

	store_write_ready(conn->server->store, why, clock_wall(), &body);
	answer_page(conn, why == NULL ? 200 : 503, "text/plain; charset=utf-8", &body);
}

/* What is known at the moment, by looking at every connection. */
static struct stats_now
look_around(const struct server *server)
{
	struct stats_now now = {
		.open = server->open_count,
		.connections = server->conn_count,
		.revision = (uint64_t)server->feed.revision,
		.wal_bytes = (uint64_t)store_wal_bytes(server->store),
		.current = feed_is_current(&server->feed, CURRENT_SECONDS),
	};

	for (const struct conn *conn = server->conns; conn != NULL; conn = conn->next) {
		now.waiting += conn->out.bytes;
		now.behind += conn->behind;
		now.streams += conn->state == CONN_OPEN && conn->transport == &events_transport;
		if (conn->out.bytes > now.waiting_max)
			now.waiting_max = conn->out.bytes;
	}
	return now;
}

void
pages_metrics(struct conn *conn)
{
	struct stats_now now = look_around(conn->server);
	struct buf body = BUF_INIT(PAGE_MAX);

	stats_write(&conn->server->stats, &now, &body);
	answer_page(conn, 200, "text/plain; version=0.0.4", &body);
}
