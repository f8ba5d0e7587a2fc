/* message.c: the members of the contract's messages, written and read. */
#include "wire/message.h"

#include "base/timestamp.h"
#include "wire/utf8.h"

#include <string.h>

#define STATUS_MAX 64 /* bytes; as the table of stages has it */

const char message_ack[] = "{\"type\":\"ack\",\"message\":\"Message received\"}";

/* --- to watchers --- */

static void
write_time(struct buf *out, int64_t seconds)
{
	char text[TIMESTAMP_LEN + 1];

	timestamp_format(seconds, text);
	buf_puts(out, "\"");
	buf_add(out, text, TIMESTAMP_LEN);
	buf_puts(out, "\"");
}

void
message_write_progress(struct buf *out, const struct progress *p, bool with_revision)
{
	char id[ID_TEXT_LEN + 1];

	id_format(&p->session, id);
	buf_puts(out, "{\"session_id\":\"");
	buf_add(out, id, ID_TEXT_LEN);
	buf_puts(out, "\",\"status\":");
	json_write_string(out, p->status);
	buf_puts(out, ",\"progress\":");
	buf_int(out, p->progress);
	buf_puts(out, ",\"message\":");
	json_write_string(out, p->message);
	buf_puts(out, ",\"updated_at\":");
	write_time(out, p->updated_at);
	buf_puts(out, ",\"created_at\":");
	write_time(out, p->created_at);
	buf_puts(out, ",\"estimated_time_remaining\":");
	if (p->eta == PROGRESS_ETA_NONE)
		buf_puts(out, "null");
	else
		buf_int(out, p->eta);
	buf_puts(out, ",\"error\":");
	json_write_string(out, p->error);
	if (with_revision) {
		buf_puts(out, ",\"revision\":");
		buf_int(out, p->revision);
	}
	buf_puts(out, "}");
}

void
message_write_ping(struct buf *out, int64_t now)
{
	buf_puts(out, "{\"type\":\"ping\",\"timestamp\":");
	write_time(out, now);
	buf_puts(out, "}");
}

/* --- from workers --- */

enum member {
	MEMBER_STATUS,
	MEMBER_PROGRESS,
	MEMBER_MESSAGE,
	MEMBER_ETA,
	MEMBER_ERROR,
	MEMBER_RESTART,
	MEMBER_SESSION, /* in a batch only */
	MEMBER__MAX
};

static const char *const members[MEMBER__MAX] = {
	[MEMBER_STATUS] = "status",
	[MEMBER_PROGRESS] = "progress",
	[MEMBER_MESSAGE] = "message",
	[MEMBER_ETA] = "estimated_time_remaining",
	[MEMBER_ERROR] = "error",
	[MEMBER_RESTART] = "restart",
	[MEMBER_SESSION] = "session_id",
};

static void
fault(struct faults *faults, enum member member, const char *what)
{
	faults_add(faults, text_of(members[member]), "%s", what);
}

static void
check_number(enum member member, int64_t n, int64_t max, struct faults *faults)
{
	if (n < 0 || n > max)
		faults_add(faults, text_of(members[member]), "must be from 0 to %lld",
		    (long long)max);
}

static void
check_text(enum member member, struct text t, size_t max, struct faults *faults)
{
	if (t.len > max)
		faults_add(faults, text_of(members[member]), "must be at most %zu bytes", max);
}

/* The checks that do not depend on how the update was written. */
static void
check(const struct update *update, struct faults *faults)
{
	if (update->status.s == NULL)
		fault(faults, MEMBER_STATUS, "is required");
	if (update->progress != PROGRESS_NONE)
		check_number(MEMBER_PROGRESS, update->progress, 100, faults);
	if (update->eta != PROGRESS_ETA_NONE)
		check_number(MEMBER_ETA, update->eta, PROGRESS_ETA_MAX, faults);
	check_text(MEMBER_STATUS, update->status, STATUS_MAX, faults);
	check_text(MEMBER_MESSAGE, update->message, PROGRESS_MESSAGE_MAX, faults);
	check_text(MEMBER_ERROR, update->error, PROGRESS_ERROR_MAX, faults);
}

static struct update
empty_update(void)
{
	return (struct update){ .progress = PROGRESS_NONE, .eta = PROGRESS_ETA_NONE };
}

struct unknown {
	struct faults *faults;
	size_t known; /* how many of members[] are */
};

static void
on_member(void *arg, struct text name)
{
	struct unknown *unknown = arg;

	for (size_t i = 0; i < unknown->known; i++)
		if (text_is(name, members[i]))
			return;
	faults_add(unknown->faults, name, "is not a known member");
}

/* The readers below leave *out alone where the member is left out. */
static void
read_text(const struct json *json, enum member member, struct text *out, struct faults *faults)
{
	switch ((int)json_kind(json, members[member])) {
	case JSON_ABSENT:
	case JSON_NULL:
		break;
	case JSON_STRING:
		*out = json_string(json, members[member]);
		break;
	default:
		fault(faults, member, "must be a string");
		break;
	}
}

static void
read_integer(const struct json *json, enum member member, int64_t *out, struct faults *faults)
{
	switch ((int)json_kind(json, members[member])) {
	case JSON_ABSENT:
	case JSON_NULL:
		break;
	case JSON_INTEGER:
		*out = json_integer(json, members[member]);
		/* No negative number may pass for one of the values that mean "left out". */
		if (*out < 0)
			*out = INT64_MIN;
		break;
	default:
		fault(faults, member, "must be an integer");
		break;
	}
}

static void
read_bool(const struct json *json, enum member member, bool *out, struct faults *faults)
{
	switch ((int)json_kind(json, members[member])) {
	case JSON_ABSENT:
	case JSON_NULL:
		break;
	case JSON_BOOL:
		*out = json_boolean(json, members[member]);
		break;
	default:
		fault(faults, member, "must be true or false");
		break;
	}
}

static void
read_session(const struct json *json, struct id *out, struct faults *faults)
{
	struct text t = { NULL, 0 };
	size_t before = faults->count;

	read_text(json, MEMBER_SESSION, &t, faults);
	if (faults->count > before)
		return;
	if (t.s == NULL)
		fault(faults, MEMBER_SESSION, "is required");
	else if (id_parse(t, out) != ERR_OK)
		fault(faults, MEMBER_SESSION, "must be a UUID");
}

enum err
message_read_update(const struct json *json, bool with_session, struct update *out,
    struct faults *faults)
{
	struct update update = empty_update();
	struct unknown unknown = { faults, with_session ? MEMBER__MAX : MEMBER_SESSION };
	size_t before = faults->count;

	json_members(json, on_member, &unknown);
	if (with_session)
		read_session(json, &update.session, faults);
	read_text(json, MEMBER_STATUS, &update.status, faults);
	read_integer(json, MEMBER_PROGRESS, &update.progress, faults);
	read_text(json, MEMBER_MESSAGE, &update.message, faults);
	read_integer(json, MEMBER_ETA, &update.eta, faults);
	read_text(json, MEMBER_ERROR, &update.error, faults);
	read_bool(json, MEMBER_RESTART, &update.restart, faults);
	if (faults->count == before)
		check(&update, faults);
	if (faults->count > before)
		return ERR_INPUT;
	*out = update;
	return ERR_OK;
}

/* --- from workers, as a form: curl -d status=... --- */

/* The field's value; absent where it is left out or empty. */
static struct text
field(const struct form *form, enum member member, struct faults *faults)
{
	struct text value = { NULL, 0 };

	if (form_value(form, members[member], &value) != ERR_OK)
		fault(faults, member, "is given more than once");
	return value.len > 0 ? value : (struct text){ NULL, 0 };
}

static void
field_integer(const struct form *form, enum member member, int64_t *out, struct faults *faults)
{
	struct text value = field(form, member, faults);
	unsigned long long n;

	if (value.s == NULL)
		return;
	if (text_number(value, INT64_MAX, &n))
		*out = (int64_t)n;
	else
		fault(faults, member, "must be an integer");
}

static void
field_bool(const struct form *form, enum member member, bool *out, struct faults *faults)
{
	struct text value = field(form, member, faults);

	if (value.s == NULL)
		return;
	*out = text_is(value, "true") || text_is(value, "1");
	if (!*out && !text_is(value, "false") && !text_is(value, "0"))
		fault(faults, member, "must be true or false");
}

enum err
message_read_update_form(const struct form *form, struct update *out, struct faults *faults)
{
	struct update update = empty_update();
	struct unknown unknown = { faults, MEMBER_SESSION };
	size_t before = faults->count;

	for (size_t i = 0; i < form->count; i++)
		on_member(&unknown, form->fields[i].name);
	update.status = field(form, MEMBER_STATUS, faults);
	field_integer(form, MEMBER_PROGRESS, &update.progress, faults);
	update.message = field(form, MEMBER_MESSAGE, faults);
	field_integer(form, MEMBER_ETA, &update.eta, faults);
	update.error = field(form, MEMBER_ERROR, faults);
	field_bool(form, MEMBER_RESTART, &update.restart, faults);
	if (faults->count == before)
		check(&update, faults);
	if (faults->count > before)
		return ERR_INPUT;
	*out = update;
	return ERR_OK;
}

/* --- from watchers --- */

bool
message_read_refresh(struct text text, struct buf *token)
{
	struct json *json;
	const char *why;
	bool is_refresh;

	if (json_parse(text, &json, &why) != ERR_OK)
		return false;
	is_refresh = json_kind(json, "type") == JSON_STRING &&
	    text_is(json_string(json, "type"), "refresh") &&
	    json_kind(json, "token") == JSON_STRING;
	if (is_refresh)
		buf_text(token, json_string(json, "token"));
	json_free(&json);
	return is_refresh && token->err == ERR_OK;
}

/* --- errors --- */

static void
write_faults(struct buf *out, const struct faults *faults)
{
	buf_puts(out, ",\"errors\":[");
	for (size_t i = 0; i < faults->count; i++) {
		buf_puts(out, i > 0 ? ",{\"member\":" : "{\"member\":");
		json_write_string(out, text_of(faults->list[i].member));
		buf_puts(out, ",\"detail\":");
		json_write_string(out, text_of(faults->list[i].detail));
		buf_puts(out, "}");
	}
	buf_puts(out, "]");
}

void
message_write_problem(struct buf *out, int status, const char *title, struct text detail,
    const struct faults *faults, struct text extra)
{
	buf_puts(out, "{\"type\":\"about:blank\",\"title\":");
	json_write_string(out, text_of(title));
	buf_puts(out, ",\"status\":");
	buf_int(out, status);
	buf_puts(out, ",\"detail\":");
	json_write_string(out, detail);
	if (faults != NULL && faults->count > 0)
		write_faults(out, faults);
	if (extra.s != NULL) {
		buf_puts(out, ",");
		buf_text(out, extra);
	}
	buf_puts(out, "}");
}
