/* opening.c: reads the head of a request, decides, and answers. */
#include "ws/opening.h"

#include "base/log.h"
#include "ws/address.h"
#include "ws/admission.h"
#include "ws/answer.h"
#include "ws/events.h"
#include "ws/pages.h"
#include "ws/request.h"
#include "ws/server.h"
#include "ws/watch.h"
#include "ws/websocket.h"

#include <stdlib.h>

/* A head that did not come in one piece, or that can't be served yet. */
struct head {
	struct buf bytes;
	size_t scanned;
	size_t complete;  /* its length, if it is to be served again; else 0 */
	int64_t until_ms; /* until when that is tried */
};

#define RETRY_MS 5 /* between tries to take a ticket while another process writes */

void
opening_head_free(struct head **head)
{
	if (*head == NULL)
		return;
	buf_fini(&(*head)->bytes);
	free(*head);
	*head = NULL;
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
	    LOG_FIELDS(LOG_INT("conn", conn->number), LOG_STR("transport", conn->transport->name),
	        LOG_STR("outcome", verdict_name(verdict)), LOG_STR("cause", cause),
	        LOG_STR("user", user), LOG_STR("session", session)));
}

static void
count_verdict(struct stats *stats, const struct admission *admission, enum verdict verdict)
{
	stats->verdicts[verdict]++;
	if (verdict == VERDICT_BAD_TOKEN)
		stats->auth_failures[admission->facts.cause]++;
}

static void
carry_out(struct conn *conn, const struct request *request, const struct admission *admission)
{
	enum verdict verdict = verdict_of(&admission->facts);

	count_verdict(&conn->server->stats, admission, verdict);
	log_verdict(conn, admission, verdict);
	if (verdict != VERDICT_ADMIT)
		conn->transport->refuse(conn, request, verdict);
	else if (conn->transport->accept(conn, request, admission))
		watch_begin(conn, admission, request->has_since, request->since);
}

/* Counts the connection by its address, if that is known. False: it is one too many, and refused before
 * anything is looked up for it. */
static bool
count_address(struct conn *conn, const struct request *request)
{
	struct server *server = conn->server;
	struct id id;

	if (conn->by_address != NULL || !address_read(request->address, &id))
		return true;
	if (roster_count(&server->addresses, &id) >=
	    (size_t)server->config->max_connections_per_address) {
		answer_refusal(conn, request, 429, "too many connections from this address");
		return false;
	}
	if (roster_enter(&server->addresses, &id, &conn->by_address) == ERR_OK)
		return true;
	answer_refusal(conn, request, 503, "out of memory");
	return false;
}

/* Was the head served again and again, until it is too late? */
static bool
is_late(const struct conn *conn)
{
	const struct head *head = conn->head;

	return head != NULL && head->complete > 0 && conn->server->now_ms >= head->until_ms;
}

/* ERR_AGAIN: not now, but perhaps in a moment; nothing is done. */
static enum err
open_watch(struct conn *conn, const struct request *request, const struct transport *transport)
{
	struct admission admission;
	enum err err;

	conn->transport = transport;
	if (!count_address(conn, request))
		return ERR_OK;
	err = admission_of_request(conn->server, request, &admission);
	if (err == ERR_AGAIN && !is_late(conn))
		return err;
	if (err == ERR_OK)
		carry_out(conn, request, &admission);
	else if (err == ERR_AGAIN)
		answer_refusal(conn, request, 503, "the database is busy");
	else
		answer_no_database(conn, request, err, admission.why);
	return ERR_OK;
}

static enum err
serve(struct conn *conn, const struct request *request)
{
	switch (request->kind) {
	case REQUEST_WATCH:
		return open_watch(conn, request, &websocket_transport);
	case REQUEST_EVENTS:
		return open_watch(conn, request, &events_transport);
	case REQUEST_PREFLIGHT:
		events_preflight(conn, request);
		break;
	case REQUEST_HEALTHZ:
		pages_healthz(conn);
		break;
	case REQUEST_READYZ:
		pages_readyz(conn);
		break;
	case REQUEST_METRICS:
		pages_metrics(conn);
		break;
	case REQUEST_REFUSED:
		answer_refusal(conn, request, request->status, request->why);
		break;
	}
	return ERR_OK;
}

/* ERR_AGAIN: to be served again. */
static enum err
serve_head(struct conn *conn, const char *data, size_t len)
{
	struct buf scratch = BUF_INIT((size_t)conn->server->config->head_max);
	struct http_head head;
	struct request request;
	const char *why = NULL;
	enum err err = ERR_OK;

	switch ((int)http_parse(data, len, &head, &why)) {
	case ERR_OK:
		request_read(&head, conn->server->config->origins, &scratch, &request);
		err = serve(conn, &request);
		break;
	case ERR_LIMIT:
		answer_refusal(conn, NULL, 431, "too many headers");
		break;
	default:
		answer_refusal(conn, NULL, 400, why);
		break;
	}
	buf_fini(&scratch);
	return err;
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
		answer_refusal(conn, NULL, 431, "the head is too large");
		return false;
	}
	return true;
}

/* Keeps the head, to serve it again. */
static void
postpone(struct conn *conn, const char *data, size_t head_len, size_t len)
{
	struct server *server = conn->server;

	if (conn->head == NULL && !keep(conn, (const uint8_t *)data, len))
		return;
	if (conn->head->complete == 0) {
		conn->head->complete = head_len;
		conn->head->until_ms = server->now_ms + server->config->head_timeout_ms;
	}
	conn_deadline(conn, RETRY_MS);
}

/* A complete head of this length, and what came behind it. */
static void
finish(struct conn *conn, char *data, size_t head_len, size_t len)
{
	if (serve_head(conn, data, head_len) == ERR_AGAIN) {
		postpone(conn, data, head_len, len);
		return;
	}
	if (len > head_len && conn->state == CONN_OPEN)
		conn_hear(conn, (uint8_t *)data + head_len, len - head_len);
	opening_head_free(&conn->head);
}

void
opening_timeout(struct conn *conn)
{
	struct head *head = conn->head;

	/* Who never said a word (a port scan, a health check of a load balancer) gets none. */
	if (head == NULL)
		conn_lose(conn, "silent");
	else if (head->complete > 0)
		finish(conn, head->bytes.data, head->complete, head->bytes.len);
	else
		answer_refusal(conn, NULL, 408, "the request did not come in time");
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
		if (conn->head->complete > 0)
			return; /* what comes behind the head has to wait too */
	}
	head_len = http_head_end(bytes, len, scanned);
	if (head_len > max || (head_len == 0 && len > max)) {
		answer_refusal(conn, NULL, 431, "the head is too large");
	} else if (head_len > 0) {
		finish(conn, bytes, head_len, len);
	} else if (conn->head == NULL && keep(conn, data, len)) {
		conn->head->scanned = first;
	}
}
