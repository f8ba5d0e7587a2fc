/* websocket.c: the upgrade, heartbeats, closes, and what a WebSocket client says. */
#include "ws/websocket.h"

#include "wire/message.h"
#include "ws/answer.h"
#include "ws/server.h"
#include "ws/watch.h"

#define REPLY_MAX 4096 /* bytes of a 101 answer */

/* --- the upgrade --- */

/* Answers 101; false: it could not be, and the connection is refused. */
static bool
upgrade(struct conn *conn, const struct request *request)
{
	struct buf reply = BUF_INIT(REPLY_MAX);
	struct frame *frame = NULL;

	if (handshake_write(&reply, &request->handshake, request->with_bearer) == ERR_OK &&
	    reply.err == ERR_OK)
		frame = frame_new_raw(buf_view(&reply));
	buf_fini(&reply);
	if (frame == NULL) {
		answer_refusal(conn, request, 503, "out of memory");
		return false;
	}
	conn_enter(conn, CONN_OPEN);
	conn_send(conn, frame, false);
	frame_drop(&frame);
	return conn->state == CONN_OPEN;
}

static bool
accept_request(struct conn *conn, const struct request *request, const struct admission *admission)
{
	(void)admission;
	conn->encoding = request->has_since ? ENCODING_NUMBERED : ENCODING_PLAIN;
	return upgrade(conn, request);
}

/* Refusals that a user must understand accept the upgrade first: browsers can't read others. */
static void
refuse_request(struct conn *conn, const struct request *request, enum verdict verdict)
{
	if (upgrade(conn, request))
		conn_close(conn, verdict_code(verdict), verdict_reason(verdict));
}

/* --- what the server says --- */

static struct frame *
new_heartbeat(int64_t now)
{
	struct buf message = BUF_INIT(256);
	struct frame *frame = NULL;

	message_write_ping(&message, now);
	if (message.err == ERR_OK)
		frame = frame_new_heartbeat(buf_view(&message));
	buf_fini(&message);
	return frame;
}

static void
send_text(struct conn *conn, enum opcode opcode, struct text payload)
{
	struct frame *frame = frame_new(opcode, payload);

	conn_send(conn, frame, false);
	if (frame != NULL)
		frame_drop(&frame);
}

/* --- what the client says --- */

static void
on_text(struct conn *conn)
{
	struct text message = reader_payload(&conn->reader);
	struct buf token = BUF_INIT(message.len);

	if (message_read_refresh(message, &token))
		watch_refresh(conn, buf_view(&token));
	buf_fini(&token);
	if (conn->state == CONN_OPEN && conn->server->config->client_messages == REPLIES_ACK)
		send_text(conn, OPCODE_TEXT, text_of(message_ack));
}

/* The client closes first, or answers our close (RFC 6455 section 5.5.1). */
static void
on_close(struct conn *conn)
{
	unsigned code = reader_close_code(&conn->reader);
	struct frame *frame;

	conn->deaf = true;
	conn->finished = true;
	if (conn->state != CONN_OPEN) {
		conn_mark(conn);
		return;
	}
	conn_left(conn, code);
	frame = code == CLOSE_NO_CODE ? frame_new(OPCODE_CLOSE, text_of("")) :
	    frame_new_close((enum close_code)code, "");
	conn_enter(conn, CONN_CLOSING);
	conn_send(conn, frame, false);
	if (frame != NULL)
		frame_drop(&frame);
}

/* Counts frames that were read, of which the event is the last. False: they are too many in this second,
 * and the connection is closed. */
static bool
within_rate(struct conn *conn, enum reader_event event, uint32_t count)
{
	uint16_t second = (uint16_t)(conn->server->now_ms / 1000);

	if (conn->state != CONN_OPEN)
		return true;
	if (conn->second != second) {
		conn->second = second;
		conn->frames = 0;
	}
	/* A close is not held against it. */
	count = conn->frames + (event == READER_CLOSE ? count - 1 : count);
	conn->frames = (uint16_t)(count < UINT16_MAX ? count : UINT16_MAX); /* more than any limit */
	if (conn->frames <= conn->server->config->message_rate_max)
		return true;
	conn_close(conn, CLOSE_POLICY, "Too many messages");
	return false;
}

static void
on_event(struct conn *conn, enum reader_event event)
{
	switch (event) {
	case READER_TEXT:
		if (conn->state == CONN_OPEN)
			on_text(conn);
		break;
	case READER_PING:
		if (conn->state == CONN_OPEN)
			send_text(conn, OPCODE_PONG, reader_payload(&conn->reader));
		break;
	case READER_CLOSE:
		on_close(conn);
		break;
	case READER_ERROR:
		/* The connection is failed (section 7.1.7): nothing is awaited of the client. */
		conn->deaf = true;
		conn->finished = true;
		conn_close(conn, reader_close_code(&conn->reader), reader_error(&conn->reader));
		conn_mark(conn);
		break;
	case READER_PONG:
	case READER_MORE:
		break;
	}
}

static void
hear(struct conn *conn, uint8_t *data, size_t len)
{
	while (len > 0 && !conn->deaf &&
	    (conn->state == CONN_OPEN || conn->state == CONN_CLOSING)) {
		uint32_t frames = conn->reader.frames;
		size_t used = 0;
		enum reader_event event = reader_feed(&conn->reader, data, len, &used);

		data += used;
		len -= used;
		if (within_rate(conn, event, conn->reader.frames - frames))
			on_event(conn, event);
	}
}

const struct transport websocket_transport = {
	.kind = TRANSPORT_WEBSOCKET,
	.name = "websocket",
	.beats = 1,
	.answers = true,
	.accept = accept_request,
	.refuse = refuse_request,
	.new_heartbeat = new_heartbeat,
	.new_close = frame_new_close,
	.hear = hear,
};
