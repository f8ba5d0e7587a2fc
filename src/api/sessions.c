/* sessions.c: the backend keeps sessions in step: PUT, GET and DELETE /milepost/v1/sessions/{id}. */
#include "api/auth.h"
#include "api/handlers.h"
#include "base/timestamp.h"
#include "store/account.h"
#include "wire/json.h"

#define BODY_MAX (16u << 10)

struct change {
	struct id id;
	bool has_patient; /* the member was given ... */
	bool is_null;     /* ... as null: nobody's */
	struct id patient;
	/* The outcome. */
	bool created;
	struct session session;
};

static void
on_member(void *arg, struct text name)
{
	if (!text_is(name, "patient_id"))
		faults_add(arg, name, "is not a known member");
}

static void
read_change(const struct json *json, struct change *change, struct faults *faults)
{
	enum json_kind kind = json_kind(json, "patient_id");

	json_members(json, on_member, faults);
	change->has_patient = kind != JSON_ABSENT;
	change->is_null = kind == JSON_NULL;
	if (kind == JSON_ABSENT || kind == JSON_NULL)
		return;
	if (kind != JSON_STRING ||
	    id_parse(json_string(json, "patient_id"), &change->patient) != ERR_OK)
		faults_add(faults, text_of("patient_id"), "must be a UUID or null");
}

/* A commit_fn. */
static enum err
commit_change(void *arg, struct store *store)
{
	struct change *change = arg;
	struct session session = { .id = change->id };
	enum err err = store_session_find(store, &change->id, &session);

	if (err != ERR_OK && err != ERR_ABSENT)
		return err;
	if (err == ERR_ABSENT && !change->has_patient)
		return ERR_INPUT;
	if (change->has_patient) {
		session.has_patient = !change->is_null;
		session.patient = change->patient;
	}
	err = store_session_put(store, &session, &change->created);
	if (err == ERR_OK)
		err = store_session_find(store, &change->id, &change->session);
	return err;
}

static void
write_session(struct buf *out, const struct session *session)
{
	char id[ID_TEXT_LEN + 1], patient[ID_TEXT_LEN + 1], created[TIMESTAMP_LEN + 1];

	id_format(&session->id, id);
	id_format(&session->patient, patient);
	timestamp_format(session->created_at, created);
	buf_printf(out, "{\"id\":\"%s\",\"patient_id\":", id);
	json_write_string(out, text_of(session->has_patient ? patient : NULL));
	buf_printf(out, ",\"created_at\":\"%s\"}", created);
}

static void
answer_change(struct call *call, const struct change *change, enum err err)
{
	struct faults faults = { .count = 0 };

	if (err == ERR_OK) {
		reply_json(call->reply, change->created ? 201 : 200);
		write_session(&call->reply->body, &change->session);
	} else if (err == ERR_INPUT) {
		faults_add(&faults, text_of("patient_id"), "is required for a new session");
		reply_faults(call->reply, &faults);
	} else {
		reply_failure(call->reply, err);
	}
}

static void
put(struct call *call, const struct json *json, struct change *change)
{
	struct faults faults = { .count = 0 };

	read_change(json, change, &faults);
	if (faults.count > 0)
		reply_faults(call->reply, &faults);
	else
		answer_change(call, change,
		    commit_run(call->worker->app->commit, commit_change, change));
}

/* The session of the path, for which only an admin may ask. False: the reply is made. */
static bool
open_session(struct call *call, struct id *id)
{
	struct principal principal;

	if (!auth_identify(call->worker, call->request, &principal, call->reply) ||
	    !auth_may_administer(&principal, call->reply))
		return false;
	if (id_parse(call->id, id) == ERR_OK)
		return true;
	reply_problem(call->reply, 404, "Session not found");
	return false;
}

void
sessions_put(struct call *call)
{
	struct change change = { .created = false };
	struct buf body = BUF_INIT(BODY_MAX);
	struct json *json = NULL;
	const char *why = "Out of memory";
	enum content content;

	if (open_session(call, &change.id) &&
	    route_read_body(call, CONTENT_JSON, BODY_MAX, &body, &content)) {
		if (json_parse(buf_view(&body), &json, &why) == ERR_OK)
			put(call, json, &change);
		else
			reply_problem(call->reply, 400, why);
	}
	json_free(&json);
	buf_fini(&body);
}

void
sessions_get(struct call *call)
{
	struct session session;
	struct id id;
	enum err err;

	if (!open_session(call, &id))
		return;
	err = store_session_find(call->worker->store, &id, &session);
	if (err == ERR_OK) {
		reply_json(call->reply, 200);
		write_session(&call->reply->body, &session);
	} else if (err == ERR_ABSENT) {
		reply_problem(call->reply, 404, "Session not found");
	} else {
		reply_failure(call->reply, err);
	}
}

static enum err
commit_delete(void *arg, struct store *store)
{
	return store_session_delete(store, arg);
}

void
sessions_delete(struct call *call)
{
	struct id id;
	enum err err;

	if (!open_session(call, &id))
		return;
	err = commit_run(call->worker->app->commit, commit_delete, &id);
	/* Idempotent: one that is gone already is as good as deleted. */
	if (err == ERR_OK || err == ERR_ABSENT)
		call->reply->status = 204;
	else
		reply_failure(call->reply, err);
}
