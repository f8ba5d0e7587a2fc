/* resource.c: opening, reading and deleting what the backend keeps in step. */
#include "api/resource.h"

#include "api/auth.h"

#define BODY_MAX (16u << 10)

bool
resource_open(struct call *call, const char *missing, struct id *id)
{
	if (!auth_identify(call) || !auth_may_administer(call))
		return false;
	if (id_parse(call->id, id) == ERR_OK)
		return true;
	reply_problem(call->reply, 404, missing);
	return false;
}

void
resource_with_json(struct call *call, resource_fn fn, void *arg)
{
	struct buf body = BUF_INIT(BODY_MAX);
	struct json *json = NULL;
	const char *why = NULL;
	enum content content;

	if (route_read_body(call, CONTENT_JSON, BODY_MAX, &body, &content)) {
		if (json_parse(buf_view(&body), &json, &why) == ERR_OK)
			fn(call, json, arg);
		else if (why != NULL)
			reply_problem(call->reply, 400, why);
		else
			reply_failure(call->reply, ERR_NOMEM);
	}
	json_free(&json);
	buf_fini(&body);
}

void
resource_get(struct call *call, const char *missing, resource_write_fn write)
{
	struct id id;
	enum err err;

	if (!resource_open(call, missing, &id))
		return;
	err = write(call->worker->store, &id, &call->reply->body);
	if (err == ERR_OK)
		reply_json(call->reply, 200);
	else if (err == ERR_ABSENT)
		reply_problem(call->reply, 404, missing);
	else
		route_read_failure(call, err);
}

struct deletion {
	struct id id;
	resource_delete_fn delete;
};

/* A commit_fn. */
static enum err
commit_deletion(void *arg, struct store *store)
{
	const struct deletion *deletion = arg;

	return deletion->delete(store, &deletion->id);
}

void
resource_delete(struct call *call, const char *missing, resource_delete_fn delete)
{
	struct deletion deletion = { .delete = delete };
	enum err err;

	if (!resource_open(call, missing, &deletion.id))
		return;
	err = auth_commit(call, commit_deletion, &deletion, 1);
	if (err == ERR_OK || err == ERR_ABSENT)
		call->reply->status = 204;
	else
		reply_failure(call->reply, err);
}
