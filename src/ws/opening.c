/* opening.c: reads the head of a request, decides, and answers. */
#include "ws/opening.h"

#include "base/log.h"
#include "store/event.h"
#include "ws/admission.h"
#include "ws/request.h"
#include "ws/server.h"
#include "ws/watch.h"

#include <stdlib.h>

/* A head that did not come in one piece. */
struct head {
	struct buf bytes;
	size_t scanned;
};

#define REPLY_MAX 65536 /* bytes; the metrics are the longest */
#define CURRENT_SECONDS 10.0 /* how long the feed may be behind before readyz says so */

void
opening_head_free(struct head **head)
{
	if (*head == NULL)
		return;
	buf_fini(&(*head)->bytes);
	free(*head);
	*head = NULL;
}

/* Queues a whole HTTP answer; the connection ends when it is out. */
static void
answer(struct conn *conn, struct buf *reply)
{
	struct frame *frame = NULL;

	if (reply->err == ERR_OK)
		frame = frame_new_raw(buf_view(reply));
	conn->deaf = true;
	conn_enter(conn, CONN_ANSWERING);
	conn_send(conn, frame, false);
	if (frame != NULL)
		frame_drop(&frame);
	buf_fini(reply);
}

/* Headers that belong to a status. */
static const char *
headers_of(int status)
{
	switch (status) {
	case 405:
		return "Allow: GET\r\n";
	case 426:
		return "Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\n";
	case 503:
		return "Retry-After: 1\r\n";
	default:
		return "";
	}
}

static void
refuse(struct conn *conn, int status, const char *why)
{
	struct buf reply = BUF_INIT(REPLY_MAX);
	struct buf body = BUF_INIT(REPLY_MAX);

	conn->server->stats.refused_http++;
	log_info("ws.refused", LOG_INT("conn", conn->number), LOG_INT("status", status),
	    LOG_STR("reason", why));
	buf_puts(&body, why);
	buf_puts(&body, "\n");
	http_write_reply(&reply, status, "text/plain; charset=utf-8", headers_of(status),
	    buf_view(&body));
	buf_fini(&body);
	answer(conn, &reply);
}

void
opening_timeout(struct conn *conn)
{
	/* Who never said a word (a port scan, a health check of a load balancer) gets none. */
	if (conn->head == NULL)
		conn_lose(conn, "silent");
	else
		refuse(conn, 408, "the request did not come in time");
}

static void
answer_page(struct conn *conn, int status, const char *type, struct buf *body)
{
	struct buf reply = BUF_INIT(REPLY_MAX);

	http_write_reply(&reply, status, type, "Cache-Control: no-store\r\n", buf_view(body));
	buf_fini(body);
	answer(conn, &reply);
}

/* What keeps this process from serving; NULL: nothing. */
static const char *
why_not_ready(struct server *server)
{
	int64_t revision;

	if (server->stopping)
		return "stopping";
	if (store_event_revision(server->store, &revision) != ERR_OK)
		return "the database can't be read";
	if (!feed_is_current(&server->feed, CURRENT_SECONDS))
		return "the feed is behind";
	return NULL;
}

static void
answer_readyz(struct conn *conn)
{
	struct buf body = BUF_INIT(256);
	const char *why = why_not_ready(conn->server);

	if (why == NULL)
		buf_puts(&body, "ready\n");
	else
		buf_printf(&body, "not ready: %s\n", why);
	answer_page(conn, why == NULL ? 200 : 503, "text/plain; charset=utf-8", &body);
}

static void
answer_metrics(struct conn *conn)
{
	const struct server *server = conn->server;
	struct buf body = BUF_INIT(REPLY_MAX);

	stats_write(&server->stats,
	    &(struct stats_now){ .open = server->open_count, .connections = server->conn_count,
	        .revision = server->feed.revision },
	    &body);
	answer_page(conn, 200, "text/plain; version=0.0.4", &body);
}

static void
log_verdict(const struct conn *conn, const struct admission *admission, enum verdict verdict)
{
	char user[ID_TEXT_LEN + 1] = "-";
	char session[ID_TEXT_LEN + 1] = "-";
	const char *cause = "-";

	if (admission->facts.has_token && admission->facts.cause == TOKEN_OK)
		id_format(&admission->facts.user, user);
	if (admission->facts.session_exists)
		id_format(&admission->session.id, session);
	if (verdict == VERDICT_BAD_TOKEN)
		cause = admission->facts.cause != TOKEN_OK ?
		    token_cause_name(admission->facts.cause) : "user";
	log_write(verdict == VERDICT_ADMIT ? LOG_LEVEL_INFO : LOG_LEVEL_WARN,
	    verdict == VERDICT_ADMIT ? "ws.open" : "ws.refused",
	    LOG_FIELDS(LOG_INT("conn", conn->number), LOG_STR("outcome", verdict_name(verdict)),
	        LOG_STR("cause", cause), LOG_STR("user", user), LOG_STR("session", session)));
}

static void
count_verdict(struct stats *stats, const struct admission *admission, enum verdict verdict)
{
	stats->verdicts[verdict]++;
	if (verdict == VERDICT_BAD_TOKEN)
		stats->auth_failures[admission->facts.cause]++;
}

/* Answers 101; false: it could not be, and the connection is refused. */
static bool
accept_upgrade(struct conn *conn, const struct request *request)
{
	struct buf reply = BUF_INIT(REPLY_MAX);
	struct frame *frame = NULL;

	if (handshake_write(&reply, &request->handshake, request->with_bearer) == ERR_OK &&
	    reply.err == ERR_OK)
		frame = frame_new_raw(buf_view(&reply));
	buf_fini(&reply);
	if (frame == NULL) {
		refuse(conn, 503, "out of memory");
		return false;
	}
	conn_enter(conn, CONN_OPEN);
	conn_send(conn, frame, false);
	frame_drop(&frame);
	return conn->state == CONN_OPEN;
}

/* Refusals that a user must understand accept the upgrade first: browsers can't read others. */
static void
open_websocket(struct conn *conn, const struct request *request)
{
	struct admission admission;
	enum verdict verdict;
	enum err err = admission_of_request(conn->server, request->token, request->session,
	    &admission);

	if (err != ERR_OK) {
		log_error("ws.database", LOG_INT("conn", conn->number),
		    LOG_STR("error", store_error(conn->server->store)));
		refuse(conn, 503, "the database can't be read");
		return;
	}
	verdict = verdict_of(&admission.facts);
	count_verdict(&conn->server->stats, &admission, verdict);
	log_verdict(conn, &admission, verdict);
	if (!accept_upgrade(conn, request))
		return;
	if (verdict == VERDICT_ADMIT)
		watch_begin(conn, &admission, request->has_since, request->since);
	else
		conn_close(conn, verdict_code(verdict), verdict_reason(verdict));
}

static void
serve(struct conn *conn, const struct request *request)
{
	struct buf body = BUF_INIT(16);

	switch (request->kind) {
	case REQUEST_WATCH:
		open_websocket(conn, request);
		break;
	case REQUEST_HEALTHZ:
		buf_puts(&body, "ok\n");
		answer_page(conn, 200, "text/plain; charset=utf-8", &body);
		break;
	case REQUEST_READYZ:
		answer_readyz(conn);
		break;
	case REQUEST_METRICS:
		answer_metrics(conn);
		break;
	case REQUEST_REFUSED:
		refuse(conn, request->status, request->why);
		break;
	}
}

static void
serve_head(struct conn *conn, const char *data, size_t len)
{
	struct buf scratch = BUF_INIT((size_t)conn->server->config->head_max);
	struct http_head head;
	struct request request;
	const char *why = NULL;

	switch ((int)http_parse(data, len, &head, &why)) {
	case ERR_OK:
		request_read(&head, conn->server->config->origins, &scratch, &request);
		serve(conn, &request);
		break;
	case ERR_LIMIT:
		refuse(conn, 431, "too many headers");
		break;
	default:
		refuse(conn, 400, why);
		break;
	}
	buf_fini(&scratch);
}

/* Keeps a piece of a head. False: the connection is refused. */
static bool
keep(struct conn *conn, const uint8_t *data, size_t len)
{
	if (conn->head == NULL) {
		conn->head = calloc(1, sizeof(*conn->head));
		if (conn->head == NULL) {
			conn_lose(conn, "no memory");
			return false;
		}
		/* The bytes of a last read may go beyond the head. */
		buf_init(&conn->head->bytes,
		    (size_t)conn->server->config->head_max + SERVER_SCRATCH);
	}
	buf_add(&conn->head->bytes, data, len);
	if (conn->head->bytes.err != ERR_OK) {
		refuse(conn, 431, "the head is too large");
		return false;
	}
	return true;
}

/* A complete head of this length, and what came behind it. */
static void
finish(struct conn *conn, char *data, size_t head_len, size_t len)
{
	struct head *head = conn->head;

	conn->head = NULL;
	serve_head(conn, data, head_len);
	if (len > head_len && conn->state == CONN_OPEN)
		conn_feed(conn, (uint8_t *)data + head_len, len - head_len);
	opening_head_free(&head);
}

void
opening_read(struct conn *conn, uint8_t *data, size_t len)
{
	size_t max = (size_t)conn->server->config->head_max;
	char *bytes = (char *)data;
	size_t first = 0, *scanned = &first, head_len;

	/* Usually the head comes in one read and is never copied. */
	if (conn->head != NULL) {
		if (!keep(conn, data, len))
			return;
		bytes = conn->head->bytes.data;
		len = conn->head->bytes.len;
		scanned = &conn->head->scanned;
	}
	head_len = http_head_end(bytes, len, scanned);
	if (head_len > max || (head_len == 0 && len > max)) {
		refuse(conn, 431, "the head is too large");
	} else if (head_len > 0) {
		finish(conn, bytes, head_len, len);
	} else if (conn->head == NULL && keep(conn, data, len)) {
		conn->head->scanned = first;
	}
}
