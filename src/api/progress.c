/* progress.c: reporting one update, and reading progress without a WebSocket. */
#include "api/auth.h"
#include "api/handlers.h"
#include "api/report.h"
#include "store/event.h"
#include "wire/form.h"
#include "wire/json.h"
#include "wire/message.h"

#include <stdlib.h>
#include <string.h>

#define BODY_MAX (16u << 10)
#define NO_SESSION "Session not found"
#define HISTORY_MAX 10000 /* updates in one answer; ?since= gets the next ones */
#define HISTORY_BYTES (16u << 20) /* likewise: of long texts there are fewer */
#define NO_PROGRESS "No progress yet"

static void
fail(struct call *call, enum err err)
{
	route_read_failure(call, err);
}

/* The path's id. What is no UUID is no session's. False: the reply is made. */
static bool
read_id(struct call *call, struct id *out)
{
	if (id_parse(call->id, out) == ERR_OK)
		return true;
	reply_problem(call->reply, 404, NO_SESSION);
	return false;
}

/* --- reporting --- */

/* A report on its way. The update's texts point into what the body was parsed into. */
struct reporting {
	struct call *call;
	struct buf body;
	struct form form;
	struct json *json;
	struct report report;
	struct auth_ticket ticket;
};

static bool
parse_json(struct reporting *r)
{
	struct reply *reply = r->call->reply;
	const char *why = NULL;
	enum err err = json_parse(buf_view(&r->body), &r->json, &why);

	if (err == ERR_OK)
		err = message_read_update(r->json, false, &r->report.update, &r->report.faults);
	if (err == ERR_NOMEM)
		reply_failure(reply, err);
	else if (why != NULL)
		reply_problem(reply, 400, why);
	else if (err != ERR_OK)
		reply_faults(reply, &r->report.faults);
	return err == ERR_OK;
}

static bool
parse_form(struct reporting *r)
{
	struct report *report = &r->report;

	if (form_parse(r->body.data, r->body.len, &r->form) != ERR_OK) {
		reply_problem(r->call->reply, 400, "The form is malformed");
		return false;
	}
	if (message_read_update_form(&r->form, &report->update, &report->faults) != ERR_OK) {
		reply_faults(r->call->reply, &report->faults);
		return false;
	}
	return true;
}

static enum err
commit_report(void *arg, struct store *store)
{
	struct reporting *r = arg;

	return report_apply(&r->report, store);
}

static void
answer_report(struct call *call, struct report *report)
{
	struct buf current = BUF_INIT(MESSAGE_MAX + 64);

	if (report->err == ERR_ABSENT) {
		reply_problem(call->reply, 404, NO_SESSION);
		return;
	}
	switch (report->decision) {
	case DECISION_STORE:
	case DECISION_SAME:
		reply_json(call->reply, 200);
		reply_take_body(call->reply, &report->message);
		break;
	case DECISION_CONFLICT:
		buf_puts(&current, "\"current\":");
		buf_text(&current, buf_view(&report->message));
		reply_problem_extra(call->reply, 409, report->why, buf_view(&current));
		break;
	case DECISION_INVALID:
		reply_faults(call->reply, &report->faults);
		break;
	}
	buf_fini(&current);
}

static void
finish_report(struct reporting *r)
{
	struct call *call = r->call;

	json_free(&r->json);
	buf_fini(&r->body);
	report_fini(&r->report);
	free(r);
	route_finish(call);
}

static void
on_reported(void *arg, enum err err)
{
	struct reporting *r = arg;

	if (err != ERR_OK) {
		reply_failure(r->call->reply, err);
	} else {
		if (r->report.err == ERR_OK)
			report_count(r->call->worker->app, r->report.decision, 1);
		answer_report(r->call, &r->report);
	}
	finish_report(r);
}

/* Reads all of the request. False: the reply is made. */
static bool
read_report(struct reporting *r)
{
	struct call *call = r->call;
	enum content content;
	struct id session;
	bool ok = auth_presume(call) && auth_may_report(call) && read_id(call, &session) &&
	    route_read_body(call, CONTENT_JSON | CONTENT_FORM, BODY_MAX, &r->body, &content) &&
	    (content == CONTENT_JSON ? parse_json : parse_form)(r);

	if (ok)
		r->report.update.session = session;
	return ok;
}

void
progress_report(struct call *call)
{
	struct reporting *r = calloc(1, sizeof(*r));

	if (r == NULL) {
		reply_failure(call->reply, ERR_NOMEM);
		route_finish(call);
		return;
	}
	r->call = call;
	buf_init(&r->body, BODY_MAX);
	report_init(&r->report);
	r->ticket = (struct auth_ticket){ .call = call, .fn = commit_report, .arg = r,
		.answer = on_reported };
	/* Whichever thread answers: nothing of it is looked at from then on. */
	if (!read_report(r))
		finish_report(r);
	else
		auth_submit(&r->ticket);
}

/* --- reading --- */

/* The session of the path. False: the reply is made. */
static bool
find_session(struct call *call, struct session *out)
{
	struct id id;
	enum err err;

	if (!read_id(call, &id))
		return false;
	err = store_session_find(call->worker->store, &id, out);
	if (err == ERR_OK)
		return true;
	if (err == ERR_ABSENT)
		reply_problem(call->reply, 404, NO_SESSION);
	else
		fail(call, err);
	return false;
}

/* Who asks may read the session. False: the reply is made. */
static bool
open_session(struct call *call, struct session *out)
{
	return auth_identify(call) && find_session(call, out) && auth_may_read(call, out);
}

/* If-None-Match (RFC 9110 section 13.1.2): a list of tags, weak ones included, or "*". */
static bool
matches(struct text list, const char *etag)
{
	size_t len = strlen(etag);

	if (list.s == NULL)
		return false;
	if (text_is(text_trim(list), "*"))
		return true;
	return memmem(list.s, list.len, etag, len) != NULL;
}

static void
answer_progress(struct call *call, const struct progress *progress)
{
	struct buf etag = BUF_INIT(32);

	/* The quotes are part of the tag, so no tag is found within another. */
	buf_printf(&etag, "\"%lld\"", (long long)progress->revision);
	reply_header(call->reply, "ETag", buf_cstr(&etag));
	call->reply->cache_control = "private, no-cache";
	if (matches(call->request->if_none_match, buf_cstr(&etag))) {
		call->reply->status = 304;
	} else {
		reply_json(call->reply, 200);
		message_write_progress(&call->reply->body, progress, false);
	}
	buf_fini(&etag);
}

static void
read_progress(struct call *call)
{
	struct session session;
	struct progress progress;
	enum err err;

	if (!open_session(call, &session))
		return;
	err = store_event_newest(call->worker->store, session.number, &progress);
	if (err == ERR_OK)
		answer_progress(call, &progress);
	else if (err == ERR_ABSENT)
		reply_problem(call->reply, 404, NO_PROGRESS);
	else
		fail(call, err);
}

void
progress_read(struct call *call)
{
	route_in_snapshot(call, read_progress);
}

/* Reads ?since=. False: the reply is made. */
static bool
read_since(struct call *call, bool *given, int64_t *since)
{
	struct buf copy = BUF_INIT(QUERY_MAX);
	struct text value = { NULL, 0 };
	unsigned long long n = 0;
	struct form form;
	bool ok = route_read_query(call, &copy, &form);

	if (ok && (form_value(&form, "since", &value) != ERR_OK ||
	        (value.s != NULL && !text_number(value, INT64_MAX, &n)))) {
		reply_problem(call->reply, 400, "since must be a revision, a whole number");
		ok = false;
	}
	*given = value.s != NULL;
	*since = (int64_t)n;
	buf_fini(&copy);
	return ok;
}

struct history {
	struct buf *out;
	bool with_revision;
	bool any;
};

static bool
on_update(void *arg, const struct progress *progress)
{
	struct history *history = arg;

	buf_puts(history->out, history->any ? "," : "[");
	history->any = true;
	message_write_progress(history->out, progress, history->with_revision);
	return history->out->err == ERR_OK && history->out->len < HISTORY_BYTES;
}

static enum err
write_history(struct call *call, const struct session *session, bool with_since, int64_t since)
{
	struct history history = { &call->reply->body, with_since, false };
	struct progress newest;
	enum err err = store_event_newest(call->worker->store, session->number, &newest);

	if (err != ERR_OK)
		return err;
	reply_json(call->reply, 200);
	if (since < newest.run - 1)
		since = newest.run - 1;
	err = store_event_of_session(call->worker->store, session->number, since, HISTORY_MAX, on_update,
	    &history);
	buf_puts(&call->reply->body, history.any ? "]" : "[]");
	return err;
}

static void
read_history(struct call *call)
{
	struct session session;
	bool with_since;
	int64_t since;
	enum err err;

	if (!open_session(call, &session) || !read_since(call, &with_since, &since))
		return;
	err = write_history(call, &session, with_since, since);
	if (err == ERR_ABSENT)
		reply_problem(call->reply, 404, NO_PROGRESS);
	else if (err != ERR_OK)
		fail(call, err);
}

void
progress_history(struct call *call)
{
	route_in_snapshot(call, read_history);
}
