/* answer.c: refusals and pages. */
#include "ws/answer.h"

#include "base/log.h"
#include "wire/http.h"
#include "ws/server.h"

#define REPLY_MAX 65536 /* bytes; the metrics are the longest */

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

void
answer_refusal(struct conn *conn, int status, const char *why)
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
answer_page(struct conn *conn, int status, const char *type, struct buf *body)
{
	struct buf reply = BUF_INIT(REPLY_MAX);

	http_write_reply(&reply, status, type, "Cache-Control: no-store\r\n", buf_view(body));
	buf_fini(body);
	answer(conn, &reply);
}
