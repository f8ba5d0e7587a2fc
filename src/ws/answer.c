/* answer.c: refusals and pages. */
#include "ws/answer.h"

#include "base/log.h"
#include "wire/http.h"
#include "wire/message.h"
#include "ws/server.h"

#define REPLY_MAX 65536 /* bytes; the metrics are the longest */
#define NO_STORE "Cache-Control: no-store\r\n"

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
	case 429:
	case 503:
		return "Retry-After: 1\r\n";
	default:
		return "";
	}
}

/* There are no cookies, so it may be any page where any origin is allowed. */
void
answer_write_origin(struct buf *headers, const struct conn *conn, const struct request *request)
{
	bool any = conn->server->config->origins[0] == '\0';

	if (request->is_shown)
		buf_printf(headers, "Access-Control-Allow-Origin: %.*s\r\n",
		    TEXT_ARG(any ? text_of("*") : request->origin));
}

/* Whoever asks by plain HTTP can read how it was refused, and when to come back. */
static void
write_shown(struct buf *headers, const struct conn *conn, const struct request *request)
{
	answer_write_origin(headers, conn, request);
	if (request->is_shown)
		buf_puts(headers, "Access-Control-Expose-Headers: Retry-After\r\n");
}

void
answer_problem(struct conn *conn, const struct request *request, int status, const char *detail,
    struct text headers)
{
	struct buf reply = BUF_INIT(REPLY_MAX);
	struct buf body = BUF_INIT(REPLY_MAX);

	conn->server->stats.refused_http++;
	message_write_problem(&body, status, http_reason(status), text_of(detail), NULL,
	    text_of(NULL));
	http_write_start(&reply, status);
	buf_puts(&reply, headers_of(status));
	buf_text(&reply, headers);
	if (request != NULL)
		write_shown(&reply, conn, request);
	buf_puts(&reply, NO_STORE);
	if (request != NULL && request->is_head)
		http_write_body_unsent(&reply, "application/problem+json", buf_view(&body));
	else
		http_write_body(&reply, "application/problem+json", buf_view(&body));
	if (body.err != ERR_OK)
		reply.err = body.err;
	buf_fini(&body);
	answer(conn, &reply);
}

void
answer_refusal(struct conn *conn, const struct request *request, int status, const char *why)
{
	log_info("ws.refused", LOG_INT("conn", conn->number), LOG_INT("status", status),
	    LOG_STR("reason", why));
	answer_problem(conn, request, status, why, text_of(NULL));
}

void
answer_no_database(struct conn *conn, const struct request *request, enum err err, const char *why)
{
	log_error("ws.database", LOG_INT("conn", conn->number), LOG_STR("error", why));
	answer_refusal(conn, request, 503, err == ERR_FULL ? "the database can't be written" :
	    "the database can't be read");
}

void
answer_nothing(struct conn *conn, struct text headers)
{
	struct buf reply = BUF_INIT(REPLY_MAX);

	http_write_start(&reply, 204);
	buf_text(&reply, headers);
	buf_puts(&reply, NO_STORE);
	http_write_no_body(&reply);
	answer(conn, &reply);
}

void
answer_page(struct conn *conn, int status, const char *type, struct buf *body)
{
	struct buf reply = BUF_INIT(REPLY_MAX);

	http_write_start(&reply, status);
	buf_puts(&reply, NO_STORE);
	http_write_body(&reply, type, buf_view(body));
	buf_fini(body);
	answer(conn, &reply);
}
