/* sessions.c: the backend keeps sessions in step: PUT, GET and DELETE /milepost/v1/sessions/{id}. */
#include "api/handlers.h"
#include "api/resource.h"
#include "base/timestamp.h"
#include "store/account.h"

#define NO_SESSION "Session not found"

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

/* A resource_fn. */
static void
put(struct call *call, const struct json *json, void *arg)
{
	struct change *change = arg;
	struct faults faults = { .count = 0 };

	read_change(json, change, &faults);
	if (faults.count > 0)
		reply_faults(call->reply, &faults);
	else
		answer_change(call, change, auth_commit(call, commit_change, change, 1));
}

void
sessions_put(struct call *call)
{
	struct change change = { .created = false };

	if (resource_open(call, NO_SESSION, &change.id))
		resource_with_json(call, put, &change);
}

static enum err
write_found(struct store *store, const struct id *id, struct buf *out)
{
	struct session session;
	enum err err = store_session_find(store, id, &session);

	if (err == ERR_OK)
		write_session(out, &session);
	return err;
}

void
sessions_get(struct call *call)
{
	resource_get(call, NO_SESSION, write_found);
}

void
sessions_delete(struct call *call)
{
	resource_delete(call, NO_SESSION, store_session_delete);
}
