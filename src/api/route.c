/* route.c: the table of routes. */
#include "api/route.h"

#include "api/handlers.h"
#include "base/log.h"

#include <string.h>

struct route {
	const char *method;
	const char *path; /* {id} stands for one segment */
	void (*handle)(struct call *call);
	bool always; /* also where there is no database */
	bool later;  /* the handler itself looks for the database, and calls route_finish once the reply is made */
};

static const struct route routes[] = {
	{ "POST", "/api/sessions/{id}/progress", progress_report, false, true },
	{ "GET", "/api/sessions/{id}/progress", progress_read, false, false },
	{ "GET", "/api/sessions/{id}/progress/history", progress_history, false, false },
	{ "POST", "/milepost/v1/progress", batch_report, false, false },
	{ "GET", "/milepost/v1/sessions", list_sessions, false, false },
	{ "PUT", "/milepost/v1/sessions/{id}", sessions_put, false, false },
	{ "GET", "/milepost/v1/sessions/{id}", sessions_get, false, false },
	{ "DELETE", "/milepost/v1/sessions/{id}", sessions_delete, false, false },
	{ "PUT", "/milepost/v1/users/{id}", users_put, false, false },
	{ "GET", "/milepost/v1/users/{id}", users_get, false, false },
	{ "DELETE", "/milepost/v1/users/{id}", users_delete, false, false },
	{ "POST", "/milepost/v1/ticket", ticket_post, false, false },
	{ "POST", "/api/v1/login", login_post, false, false },
	{ "GET", "/milepost/api/healthz", health_healthz, true, false },
	{ "GET", "/milepost/api/readyz", health_readyz, false, false },
	{ "GET", "/milepost/api/metrics", health_metrics, true, false },
};

/* Does the path fit the pattern? *id gets the segment that stands for {id}. */
static bool
fits(const char *pattern, struct text path, struct text *id)
{
	const char *hole = strstr(pattern, "{id}");
	char before[64];
	size_t len;

	if (hole == NULL)
		return text_is(path, pattern);
	len = (size_t)(hole - pattern);
	memcpy(before, pattern, len);
	before[len] = '\0';
	if (!text_skip(&path, before))
		return false;
	for (len = 0; len < path.len && path.s[len] != '/'; len++)
		continue;
	*id = (struct text){ path.s, len };
	return len > 0 && text_is((struct text){ path.s + len, path.len - len }, hole + 4);
}

static bool
method_fits(const struct route *route, struct text method)
{
	return text_is(method, route->method) ||
	    (text_is(method, "HEAD") && strcmp(route->method, "GET") == 0);
}

/* The route; NULL if there is none: then *allowed has the methods of the path, if it exists. */
static const struct route *
find(const struct request *request, struct text *id, struct buf *allowed)
{
	for (size_t i = 0; i < countof(routes); i++) {
		*id = (struct text){ NULL, 0 };
		if (!fits(routes[i].path, request->path, id))
			continue;
		if (method_fits(&routes[i], request->method))
			return &routes[i];
		buf_printf(allowed, "%s%s%s", allowed->len > 0 ? ", " : "", routes[i].method,
		    strcmp(routes[i].method, "GET") == 0 ? ", HEAD" : "");
	}
	return NULL;
}

static void
refuse(struct buf *allowed, struct reply *reply)
{
	if (allowed->len == 0) {
		reply_problem(reply, 404, "No such path");
		return;
	}
	reply_header(reply, "Allow", buf_cstr(allowed));
	reply_problem(reply, 405, "This path does not know the method");
}

/* One line for what failed; a report that went well is not worth one. Of the path only the route and a
 * whole UUID are told: a client that encodes a whole URL puts its token there. */
static void
log_outcome(const struct call *call)
{
	const struct route *route = call->route;
	const struct reply *reply = call->reply;
	enum log_level level = reply->status >= 500 ? LOG_LEVEL_ERROR :
	    reply->status >= 400 ? LOG_LEVEL_INFO : LOG_LEVEL_DEBUG;
	char text[ID_TEXT_LEN + 1] = "-";
	struct id id;

	if (!log_is_written(level))
		return;
	if (id_parse(call->id, &id) == ERR_OK)
		id_format(&id, text);
	log_write(level, "api.request",
	    LOG_FIELDS(LOG_INT("request", call->number),
	        LOG_STR("method", route != NULL ? route->method : "-"),
	        LOG_STR("route", route != NULL ? route->path : "-"), LOG_STR("id", text),
	        LOG_INT("status", reply->status)));
}

void
route_read_failure(struct call *call, enum err err)
{
	log_error("api.database", LOG_INT("request", call->number), LOG_STR("err", err_name(err)),
	    LOG_STR("error", store_error(call->worker->store)));
	reply_failure(call->reply, err);
}

/* Reads what was not asked for, and the end itself: a connection that is closed with bytes unread would be
 * reset, and the answer lost. */
static void
read_to_end(const struct call *call)
{
	char rest[4096];

	while (call->request->read(call->request->read_arg, rest, sizeof(rest)) > 0)
		continue;
}

void
route_finish(struct call *call)
{
	struct reply *reply = call->reply;

	if (reply->body.err != ERR_OK || reply->headers.err != ERR_OK) {
		buf_reset(&reply->headers);
		reply_failure(reply, ERR_NOMEM);
	}
	settings_drop(&call->settings);
	app_count(call->worker->app, (enum app_counter)(COUNT_STATUS + reply->status / 100));
	log_outcome(call);
	read_to_end(call);
	call->finished(call);
}

void
route_serve(struct call *call)
{
	struct buf allowed = BUF_INIT(128);
	struct app *app = call->worker->app;
	bool later = false;

	call->number = atomic_fetch_add(&app->requests, 1);
	call->settings = app_settings(app);
	call->route = find(call->request, &call->id, &allowed);
	if (call->route == NULL) {
		refuse(&allowed, call->reply);
	} else if (call->route->later || worker_renew(call->worker) == ERR_OK || call->route->always) {
		later = call->route->later;
		call->route->handle(call);
	} else {
		reply_failure(call->reply, ERR_BUSY);
	}
	buf_fini(&allowed);
	/* A handler that answers later may have finished it already: then the call is no more. */
	if (!later)
		route_finish(call);
}

/* Is every parameter one that changes nothing? Of charsets only UTF-8 is. */
static bool
parameters_fit(struct text rest)
{
	while (rest.len > 0) {
		const char *end = memchr(rest.s, ';', rest.len);
		size_t len = end != NULL ? (size_t)(end - rest.s) : rest.len;
		struct text parameter = text_trim((struct text){ rest.s, len });

		if (parameter.len >= 8 &&
		    text_is_nocase((struct text){ parameter.s, 8 }, "charset=") &&
		    !text_is_nocase(parameter, "charset=utf-8") &&
		    !text_is_nocase(parameter, "charset=\"utf-8\""))
			return false;
		len += end != NULL;
		rest = (struct text){ rest.s + len, rest.len - len };
	}
	return true;
}

/* The content type without its parameters; 0: not one of ours. */
static unsigned
content_of(struct text type)
{
	static const struct {
		const char *name;
		enum content content;
	} contents[] = {
		{ "application/json", CONTENT_JSON },
		{ "application/x-www-form-urlencoded", CONTENT_FORM },
		{ "application/x-ndjson", CONTENT_NDJSON },
	};
	size_t len = 0;

	while (len < type.len && type.s[len] != ';')
		len++;
	if (!parameters_fit((struct text){ type.s + len, type.len - len }))
		return 0;
	type = text_trim((struct text){ type.s, len });
	for (size_t i = 0; i < countof(contents); i++)
		if (text_is_nocase(type, contents[i].name))
			return contents[i].content;
	return 0;
}

static void
refuse_content(unsigned contents, struct reply *reply)
{
	struct buf detail = BUF_INIT(256);

	buf_printf(&detail, "The content type must be %s%s%s",
	    contents & CONTENT_JSON ? "application/json" : "",
	    contents & CONTENT_FORM ? " or application/x-www-form-urlencoded" : "",
	    contents & CONTENT_NDJSON ? "application/x-ndjson" : "");
	reply_problem(reply, 415, buf_cstr(&detail));
	buf_fini(&detail);
}

/* All of the announced bytes. False: the reply is made. */
static bool
read_all(struct call *call, size_t len, struct buf *body)
{
	char *data = buf_room(body, len);

	if (len > 0 && data == NULL) {
		reply_failure(call->reply, ERR_NOMEM);
		return false;
	}
	while (body->len < len) {
		size_t n = call->request->read(call->request->read_arg, data + body->len,
		    len - body->len);

		if (n == 0) {
			reply_problem(call->reply, 400, "The body ended before its announced length");
			return false;
		}
		body->len += n;
	}
	/* Waited for here, where it holds up nobody else. */
	read_to_end(call);
	return true;
}

bool
route_read_body(struct call *call, unsigned contents, size_t max, struct buf *body,
    enum content *content)
{
	const struct request *request = call->request;
	unsigned found = content_of(request->content_type);

	if (request->content_length == LENGTH_ABSENT) {
		reply_problem(call->reply, 411, "A body with its Content-Length is needed");
		return false;
	}
	if (request->content_length == LENGTH_INVALID) {
		reply_problem(call->reply, 400, "The Content-Length is malformed");
		return false;
	}
	if ((uint64_t)request->content_length > max) {
		reply_problem(call->reply, 413, "The body is too large");
		return false;
	}
	if ((found & contents) == 0) {
		refuse_content(contents, call->reply);
		return false;
	}
	*content = (enum content)found;
	return read_all(call, (size_t)request->content_length, body);
}

bool
route_read_query(struct call *call, struct buf *copy, struct form *out)
{
	buf_text(copy, call->request->query);
	if (copy->err == ERR_NOMEM)
		reply_failure(call->reply, ERR_NOMEM);
	else if (copy->err != ERR_OK || form_parse(copy->data, copy->len, out) != ERR_OK)
		reply_problem(call->reply, 400, "The query is malformed");
	else
		return true;
	return false;
}

void
route_in_snapshot(struct call *call, void (*handle)(struct call *call))
{
	struct store *store = call->worker->store;
	enum err err = store_snapshot(store);

	if (err != ERR_OK) {
		route_read_failure(call, err);
		return;
	}
	handle(call);
	store_snapshot_end(store);
}
