/* request.c: from an HTTP head to the request that it makes (contract section 1). */
#include "ws/request.h"

#include "wire/form.h"

#include <string.h>

#define WATCH_PATH "/api/sessions/ws/"

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

/* Reads token and since from the query. False: it is malformed, *out says how. */
static bool
read_query(struct text query, struct buf *scratch, struct request *out)
{
	struct form form;
	struct text since;
	unsigned long long n;

	buf_text(scratch, query);
	if (scratch->err == ERR_NOMEM) {
		refuse(out, 503, "out of memory");
		return false;
	}
	if (scratch->err != ERR_OK || form_parse(scratch->data, scratch->len, &form) != ERR_OK) {
		refuse(out, 400, "the query is malformed");
		return false;
	}
	if (form_value(&form, "ticket", &out->ticket) != ERR_OK ||
	    form_value(&form, "token", &out->token) != ERR_OK ||
	    form_value(&form, "since", &since) != ERR_OK) {
		refuse(out, 400, "ticket, token or since is given more than once");
		return false;
	}
	if (since.s == NULL)
		return true;
	if (!text_number(since, INT64_MAX, &n)) {
		refuse(out, 400, "since must be a revision, a whole number");
		return false;
	}
	out->has_since = true;
	out->since = (int64_t)n;
	return true;
}

/* An empty token is none: clients build "?token=" + nothing. */
static bool
is_given(struct text token)
{
	return token.s != NULL && token.len > 0;
}

static void
read_watch(const struct http_head *head, const char *origins, struct buf *scratch,
    struct request *out)
{
	const char *why = NULL;

	switch ((int)handshake_read(head, &out->handshake, &why)) {
	case ERR_OK:
		break;
	case ERR_ABSENT:
		refuse(out, 426, "this path speaks WebSocket, version 13");
		return;
	default:
		refuse(out, 400, why);
		return;
	}
	if (!origin_allowed(out->handshake.origin, origins)) {
		refuse(out, 403, "this origin is not allowed");
		return;
	}
	if (head->query.s != NULL && !read_query(head->query, scratch, out))
		return;
	if (!is_given(out->ticket))
		out->ticket = (struct text){ NULL, 0 };
	if (!is_given(out->token))
		out->token = bearer(head);
	if (!is_given(out->token))
		out->token = out->handshake.bearer;
	if (!is_given(out->token))
		out->token = (struct text){ NULL, 0 };
	out->with_bearer = out->handshake.bearer.s != NULL;
}

static const struct {
	const char *path;
	enum request_kind kind;
} pages[] = {
	{ "/milepost/ws/healthz", REQUEST_HEALTHZ },
	{ "/milepost/ws/readyz", REQUEST_READYZ },
	{ "/milepost/ws/metrics", REQUEST_METRICS },
};

/* The kind that the path asks for; REQUEST_REFUSED if there is no such path. */
static enum request_kind
kind_of(struct text path, struct text *session)
{
	for (size_t i = 0; i < countof(pages); i++)
		if (text_is(path, pages[i].path))
			return pages[i].kind;
	if (!text_skip(&path, WATCH_PATH) || path.len == 0 || memchr(path.s, '/', path.len) != NULL)
		return REQUEST_REFUSED;
	*session = path;
	return REQUEST_WATCH;
}

void
request_read(const struct http_head *head, const char *origins, struct buf *scratch,
    struct request *out)
{
	memset(out, 0, sizeof(*out));
	http_header(head, "X-Real-IP", &out->address);
	out->kind = kind_of(head->path, &out->session);
	if (out->kind == REQUEST_REFUSED)
		refuse(out, 404, "no such path");
	else if (!text_is(head->method, "GET"))
		refuse(out, 405, "only GET");
	else if (out->kind == REQUEST_WATCH)
		read_watch(head, origins, scratch, out);
}
