/* events.c: the answer to a request for events: a stream, 204 where nothing can follow, or a refusal. */
#include "ws/events.h"

#include "base/log.h"
#include "wire/http.h"
#include "wire/sse.h"
#include "ws/answer.h"
#include "ws/server.h"
#include "ws/watch.h"

#define HEAD_MAX 4096 /* bytes; an origin of the configuration is the longest part */

/* The head of the stream, after which nginx must not hold anything back. */
static void
begin(struct conn *conn, const struct request *request)
{
	struct buf head = BUF_INIT(HEAD_MAX);
	struct frame *frame = NULL;

	http_write_start(&head, 200);
	buf_puts(&head,
	    "Content-Type: text/event-stream\r\n"
	    "Transfer-Encoding: chunked\r\n"
	    "Cache-Control: no-store\r\n"
	    "X-Accel-Buffering: no\r\n");
	answer_write_origin(&head, conn, request);
	http_write_no_body(&head);
	if (head.err == ERR_OK)
		frame = frame_new_raw(buf_view(&head));
	buf_fini(&head);
	conn->deaf = true;
	conn->encoding = ENCODING_EVENT;
	conn_enter(conn, CONN_OPEN);
	conn_send(conn, frame, false);
	frame_drop(&frame);
}

void
events_preflight(struct conn *conn, const struct request *request)
{
	struct buf headers = BUF_INIT(HEAD_MAX);

	answer_write_origin(&headers, conn, request);
	buf_puts(&headers,
	    "Access-Control-Allow-Methods: GET\r\n"
	    "Access-Control-Allow-Headers: Authorization, Last-Event-ID\r\n"
	    "Access-Control-Max-Age: 86400\r\n");
	answer_nothing(conn, buf_view(&headers));
	buf_fini(&headers);
}

/* Who has all of a run that has ended would come back again and again: 204 tells an EventSource not to. */
static bool
accept_request(struct conn *conn, const struct request *request, const struct admission *admission)
{
	struct buf headers = BUF_INIT(HEAD_MAX);
	bool over = false;
	enum err err = !request->has_since ? ERR_OK :
	    watch_is_over(conn->server, admission->session.number, request->since, &over);

	if (err != ERR_OK) {
		answer_no_database(conn, request, err, store_error(conn->server->store));
		return false;
	}
	if (!over) {
		begin(conn, request);
		return conn->state == CONN_OPEN;
	}
	log_info("ws.over", LOG_INT("conn", conn->number));
	answer_write_origin(&headers, conn, request);
	answer_nothing(conn, buf_view(&headers));
	buf_fini(&headers);
	return false;
}

static void
refuse_request(struct conn *conn, const struct request *request, enum verdict verdict)
{
	struct buf headers = BUF_INIT(HEAD_MAX);

	if (verdict == VERDICT_NO_TOKEN)
		buf_puts(&headers, "WWW-Authenticate: Bearer\r\n");
	else if (verdict == VERDICT_BAD_TOKEN)
		buf_puts(&headers, "WWW-Authenticate: Bearer error=\"invalid_token\"\r\n");
	answer_problem(conn, request, verdict_status(verdict), verdict_reason(verdict),
	    buf_view(&headers));
	buf_fini(&headers);
}

static struct frame *
new_heartbeat(int64_t now)
{
	(void)now;
	return sse_new_comment("");
}

/* The reason is for people: a client finds out by coming back. */
static struct frame *
new_close(enum close_code code, const char *reason)
{
	(void)code;
	return sse_new_end(reason);
}

const struct transport events_transport = {
	.kind = TRANSPORT_EVENTS,
	.name = "events",
	.beats = 2,
	.answers = false,
	.accept = accept_request,
	.refuse = refuse_request,
	.new_heartbeat = new_heartbeat,
	.new_close = new_close,
};
