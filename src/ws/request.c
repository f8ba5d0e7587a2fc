/* request.c: from an HTTP head to the request that it makes (contract sections 1 and 2). */
#include "ws/request.h"

#include "wire/form.h"

#include <string.h>

#define SESSIONS_PATH "/api/sessions/"
#define WATCH_PATH SESSIONS_PATH "ws/"
#define EVENTS_SUFFIX "/events"

static void
refuse(struct request *out, int status, const char *why)
{
	out->kind = REQUEST_REFUSED;
	out->status = status;
	out->why = why;
}

static bool
origin_allowed(struct text origin, const char *origins)
{
	if (origins[0] == '\0' || origin.s == NULL)
		return true;
	while (*origins != '\0') {
		size_t len = strcspn(origins, " ");

		if (len > 0 && text_equal(origin, (struct text){ origins, len }))
			return true;
		origins += len + strspn(origins + len, " ");
	}
	return false;
}

/* The token behind "Authorization: Bearer"; absent if there is no such header. */
static struct text
bearer(const struct http_head *head)
{
	struct text value = { NULL, 0 };

	http_header(head, "Authorization", &value);
	if (value.len < 7 || !text_is_nocase((struct text){ value.s, 7 }, "Bearer "))
		return (struct text){ NULL, 0 };
	return text_trim((struct text){ value.s + 7, value.len - 7 });
}

/* Splits the query in scratch. False: it is malformed, *out says how. */
static bool
parse_query(struct text query, struct buf *scratch, struct form *form, struct request *out)
{
	buf_text(scratch, query);
	if (scratch->err == ERR_NOMEM) {
		refuse(out, 503, "out of memory");
		return false;
	}
	if (scratch->err != ERR_OK || form_parse(scratch->data, scratch->len, form) != ERR_OK) {
		refuse(out, 400, "the query is malformed");
		return false;
	}
	return true;
}

/* An empty text is none: clients build "?token=" + nothing. */
static struct text
given(struct text t)
{
	return t.len > 0 ? t : (struct text){ NULL, 0 };
}

/* Resumes behind the revision, if there is one. False: it is no revision, which why says. */
static bool
resume(struct text revision, const char *why, struct request *out)
{
	unsigned long long n;

	if (revision.s == NULL)
		return true;
	if (!text_number(revision, INT64_MAX, &n)) {
		refuse(out, 400, why);
		return false;
	}
	out->has_since = true;
	out->since = (int64_t)n;
	return true;
}

/* Where a client of a stream was when it lost it, which its URL can't say: it stays what it was. In the
 * URL where that could be done, by clients that can't send headers of their own. */
static bool
read_last_event(const struct http_head *head, const struct form *form, struct request *out)
{
	static const char why[] = "the last event's id must be a revision, a whole number";
	struct text in_query, in_header = { NULL, 0 };

	if (form_value(form, "lastEventId", &in_query) != ERR_OK ||
	    http_header(head, "Last-Event-ID", &in_header) > 1) {
		refuse(out, 400, "the last event's id is given more than once");
		return false;
	}
	return resume(given(in_query), why, out) && resume(given(in_header), why, out);
}

/* Reads what query and headers say of the token and of where to resume. False: refused. */
static bool
read_parameters(const struct http_head *head, struct buf *scratch, struct request *out)
{
	struct form form = { .count = 0 };
	struct text since;

	if (head->query.s != NULL && !parse_query(head->query, scratch, &form, out))
		return false;
	if (form_value(&form, "ticket", &out->ticket) != ERR_OK ||
	    form_value(&form, "token", &out->token) != ERR_OK ||
	    form_value(&form, "since", &since) != ERR_OK) {
		refuse(out, 400, "ticket, token or since is given more than once");
		return false;
	}
	return resume(since, "since must be a revision, a whole number", out) &&
	    (out->kind != REQUEST_EVENTS || read_last_event(head, &form, out));
}

/* The first place that has a token counts. */
static void
choose_token(const struct http_head *head, struct request *out)
{
	out->ticket = given(out->ticket);
	out->token = given(out->token);
	if (out->token.s == NULL)
		out->token = given(bearer(head));
	if (out->token.s == NULL)
		out->token = given(out->handshake.bearer);
}

/* False: it is no handshake that can be answered. */
static bool
read_handshake(const struct http_head *head, struct request *out)
{
	const char *why = NULL;

	switch ((int)handshake_read(head, &out->handshake, &why)) {
	case ERR_OK:
		out->with_bearer = out->handshake.bearer.s != NULL;
		return true;
	case ERR_ABSENT:
		refuse(out, 426, "this path speaks WebSocket, version 13");
		return false;
	default:
		refuse(out, 400, why);
		return false;
	}
}

/* False: the page that asks may not. */
static bool
read_origin(const struct http_head *head, const char *origins, struct request *out)
{
	if (http_header(head, "Origin", &out->origin) > 1) {
		refuse(out, 400, "Origin is given twice");
		return false;
	}
	if (!origin_allowed(out->origin, origins)) {
		refuse(out, 403, "this origin is not allowed");
		return false;
	}
	out->is_shown = out->origin.s != NULL && out->kind == REQUEST_EVENTS;
	return true;
}

static void
read_watch(const struct http_head *head, const char *origins, struct buf *scratch,
    struct request *out)
{
	if (out->kind == REQUEST_WATCH && !read_handshake(head, out))
		return;
	if (read_origin(head, origins, out) && read_parameters(head, scratch, out))
		choose_token(head, out);
}

/* A browser asks before it sends a header that no link or form could (Fetch, "CORS-preflight fetch"). */
static void
read_preflight(const struct http_head *head, const char *origins, struct request *out)
{
	if (read_origin(head, origins, out))
		out->kind = REQUEST_PREFLIGHT;
}

static const struct {
	const char *path;
	enum request_kind kind;
} pages[] = {
	{ "/milepost/ws/healthz", REQUEST_HEALTHZ },
	{ "/milepost/ws/readyz", REQUEST_READYZ },
	{ "/milepost/ws/metrics", REQUEST_METRICS },
};

/* Takes the id out of "/api/sessions/{id}/events". */
static bool
is_events(struct text path, struct text *session)
{
	size_t len = sizeof(EVENTS_SUFFIX) - 1;

	if (!text_skip(&path, SESSIONS_PATH) || path.len <= len)
		return false;
	*session = (struct text){ path.s, path.len - len };
	return text_is((struct text){ path.s + session->len, len }, EVENTS_SUFFIX) &&
	    memchr(session->s, '/', session->len) == NULL;
}

/* The kind that the path asks for; REQUEST_REFUSED if there is no such path. */
static enum request_kind
kind_of(struct text path, struct text *session)
{
	for (size_t i = 0; i < countof(pages); i++)
		if (text_is(path, pages[i].path))
			return pages[i].kind;
	*session = path;
	if (text_skip(session, WATCH_PATH) && session->len > 0 &&
	    memchr(session->s, '/', session->len) == NULL)
		return REQUEST_WATCH;
	return is_events(path, session) ? REQUEST_EVENTS : REQUEST_REFUSED;
}

void
request_read(const struct http_head *head, const char *origins, struct buf *scratch,
    struct request *out)
{
	memset(out, 0, sizeof(*out));
	http_header(head, "X-Real-IP", &out->address);
	out->is_head = text_is(head->method, "HEAD");
	out->kind = kind_of(head->path, &out->session);
	if (out->kind == REQUEST_REFUSED)
		refuse(out, 404, "no such path");
	else if (out->kind == REQUEST_EVENTS && text_is(head->method, "OPTIONS"))
		read_preflight(head, origins, out);
	else if (!text_is(head->method, "GET"))
		refuse(out, 405, "only GET");
	else if (head->has_body)
		refuse(out, 400, "a body is not accepted");
	else if (out->kind == REQUEST_WATCH || out->kind == REQUEST_EVENTS)
		read_watch(head, origins, scratch, out);
}
