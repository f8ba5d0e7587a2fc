/* entry.c: one table of names, by which entries are written and read. */
#include "relay/entry.h"

#include "model/access.h"
#include "model/id.h"
#include "wire/utf8.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#define TIME_MAX 253402300799 /* the last second that has four digits of a year */
#define KEY_ID_LEN 64
#define WORD_MAX 64
#define KEY_NAME_BYTES 256 /* 64 characters */

/* In the order in which they are written. */
enum field {
	FIELD_KIND,
	FIELD_HOST,
	FIELD_N,
	FIELD_AFTER,
	FIELD_NONCE,
	FIELD_OF,
	FIELD_ID,
	FIELD_LIFE,
	FIELD_DELETED,
	FIELD_VERSION,
	FIELD_BY,
	FIELD_DETAIL,
	FIELD_ACTIVE,
	FIELD_LABEL,
	FIELD_PASSWORD,
	FIELD_CREATED,
	FIELD_GENERATION,
	FIELD_SEQ,
	FIELD_FROM,
	FIELD_STATUS,
	FIELD_RANK,
	FIELD_OUTCOME,
	FIELD_PROGRESS,
	FIELD_MESSAGE,
	FIELD_ERROR,
	FIELD_ETA,
	FIELD_UPDATED,
	FIELD_BEGUN,
	FIELD__MAX
};

static const char *const names[FIELD__MAX] = {
	[FIELD_KIND] = "kind", [FIELD_HOST] = "host", [FIELD_N] = "n", [FIELD_AFTER] = "after",
	[FIELD_NONCE] = "nonce", [FIELD_OF] = "of", [FIELD_ID] = "id", [FIELD_LIFE] = "life",
	[FIELD_DELETED] = "deleted", [FIELD_VERSION] = "version", [FIELD_BY] = "by",
	[FIELD_DETAIL] = "detail", [FIELD_ACTIVE] = "active", [FIELD_LABEL] = "label",
	[FIELD_PASSWORD] = "password", [FIELD_CREATED] = "created",
	[FIELD_GENERATION] = "generation", [FIELD_SEQ] = "seq", [FIELD_FROM] = "from",
	[FIELD_STATUS] = "status", [FIELD_RANK] = "rank", [FIELD_OUTCOME] = "outcome",
	[FIELD_PROGRESS] = "progress", [FIELD_MESSAGE] = "message", [FIELD_ERROR] = "error",
	[FIELD_ETA] = "eta", [FIELD_UPDATED] = "updated", [FIELD_BEGUN] = "begun",
};

void
entry_arg(struct entry_args *args, struct text arg)
{
	if (args->count < ENTRY_ARGS_MAX)
		args->args[args->count++] = arg;
}

void
entry_number(struct entry_args *args, int64_t n)
{
	char *place = args->numbers[args->number_count];

	if (args->number_count == ENTRY_NUMBERS_MAX)
		return;
	args->number_count++;
	snprintf(place, sizeof(args->numbers[0]), "%" PRId64, n);
	entry_arg(args, text_of(place));
}

static void
put_text(struct entry_args *args, enum field field, struct text value)
{
	if (value.s == NULL)
		return;
	entry_arg(args, text_of(names[field]));
	entry_arg(args, value);
}

static void
put_number(struct entry_args *args, enum field field, int64_t n)
{
	entry_arg(args, text_of(names[field]));
	entry_number(args, n);
}

static void
put_thing(struct entry_args *args, const struct thing *thing)
{
	put_text(args, FIELD_ID, thing->id);
	put_number(args, FIELD_LIFE, thing->life);
	if (thing->deleted)
		put_number(args, FIELD_DELETED, 1);
	put_number(args, FIELD_VERSION, thing->version);
	put_text(args, FIELD_BY, thing->host);
	put_text(args, FIELD_DETAIL, thing->detail);
	if (!thing->active)
		put_number(args, FIELD_ACTIVE, 0);
	put_text(args, FIELD_LABEL, thing->label);
	put_text(args, FIELD_PASSWORD, thing->password);
	if (thing->created_at != 0)
		put_number(args, FIELD_CREATED, thing->created_at);
}

static void
put_update(struct entry_args *args, const struct weighed *update)
{
	const struct progress *p = &update->progress;

	put_number(args, FIELD_GENERATION, update->generation);
	put_number(args, FIELD_SEQ, update->seq);
	put_text(args, FIELD_FROM, update->host);
	put_text(args, FIELD_STATUS, p->status);
	put_number(args, FIELD_RANK, p->rank);
	put_text(args, FIELD_OUTCOME, text_of(outcome_name(p->outcome)));
	put_number(args, FIELD_PROGRESS, p->progress);
	put_text(args, FIELD_MESSAGE, p->message);
	put_text(args, FIELD_ERROR, p->error);
	if (p->eta != PROGRESS_ETA_NONE)
		put_number(args, FIELD_ETA, p->eta);
	put_number(args, FIELD_UPDATED, p->updated_at);
	put_number(args, FIELD_BEGUN, p->created_at);
}

/* The word behind "kind": a change is called by what it changes. Others are not written. */
static const char *
kind_name(const struct entry *entry)
{
	switch (entry->kind) {
	case ENTRY_ASK:
		return "ask";
	case ENTRY_END:
		return "end";
	case ENTRY_OTHER:
	case ENTRY_CHANGE:
		break;
	}
	return entry->change.has_update ? "update" : thing_kind_name(entry->change.thing.kind);
}

void
entry_write(const struct entry *entry, struct entry_args *args)
{
	put_text(args, FIELD_KIND, text_of(kind_name(entry)));
	put_text(args, FIELD_HOST, entry->host);
	if (entry->n != 0) {
		put_number(args, FIELD_N, entry->n);
		put_number(args, FIELD_AFTER, entry->after);
	}
	put_text(args, FIELD_NONCE, entry->nonce);
	put_text(args, FIELD_OF, entry->of);
	if (entry->kind != ENTRY_CHANGE)
		return;
	put_thing(args, &entry->change.thing);
	if (entry->change.has_update)
		put_update(args, &entry->change.update);
}

/* What is read so far. bad is the first field that is not as it must be. */
struct reading {
	struct text values[FIELD__MAX]; /* absent: not there */
	enum field bad;
};

static void
blame(struct reading *reading, enum field field, bool is_good)
{
	if (!is_good && reading->bad == FIELD__MAX)
		reading->bad = field;
}

static int64_t
number(struct reading *reading, enum field field, int64_t min, int64_t max)
{
	unsigned long long n = 0;
	bool is_good = text_number(reading->values[field], (unsigned long long)max, &n) &&
	    (int64_t)n >= min;

	blame(reading, field, is_good);
	return is_good ? (int64_t)n : min;
}

/* What a left-out number stands for. */
static int64_t
number_or(struct reading *reading, enum field field, int64_t max, int64_t fallback)
{
	return reading->values[field].s == NULL ? fallback : number(reading, field, 0, max);
}

/* Text for people, or absent where that may be. */
static struct text
prose(struct reading *reading, enum field field, size_t max, bool may_lack)
{
	struct text t = reading->values[field];

	blame(reading, field, t.s == NULL ? may_lack : t.len <= max && utf8_valid(t.s, t.len) &&
	        memchr(t.s, '\0', t.len) == NULL);
	return t;
}

static struct text
host_name(struct reading *reading, enum field field)
{
	blame(reading, field, merge_is_host(reading->values[field]));
	return reading->values[field];
}

/* Lower-case hex, and hyphens where a UUID has them. */
static bool
is_id(struct text t, enum thing_kind kind)
{
	struct id id;

	if (kind == THING_KEY ? t.len != KEY_ID_LEN : id_parse(t, &id) != ERR_OK)
		return false;
	for (size_t i = 0; i < t.len; i++)
		if (!((t.s[i] >= '0' && t.s[i] <= '9') || (t.s[i] >= 'a' && t.s[i] <= 'f') ||
		    (t.s[i] == '-' && kind != THING_KEY)))
			return false;
	return true;
}

static void
check_content(struct reading *reading, const struct thing *thing)
{
	enum role role;
	enum scope scope;

	switch (thing->kind) {
	case THING_USER:
		blame(reading, FIELD_DETAIL, role_parse(thing->detail, &role) == ERR_OK);
		break;
	case THING_SESSION:
		blame(reading, FIELD_DETAIL,
		    thing->detail.s == NULL || is_id(thing->detail, THING_USER));
		break;
	case THING_KEY:
		blame(reading, FIELD_DETAIL, scope_parse(thing->detail, &scope) == ERR_OK);
		blame(reading, FIELD_LABEL, thing->label.len > 0);
		break;
	}
}

static void
read_thing(struct reading *reading, enum thing_kind kind, struct thing *out)
{
	*out = (struct thing){
		.kind = kind,
		.id = reading->values[FIELD_ID],
		.life = number(reading, FIELD_LIFE, 1, INT64_MAX / 2),
		.deleted = number_or(reading, FIELD_DELETED, 1, 0) != 0,
		.version = number(reading, FIELD_VERSION, 1, INT64_MAX / 2),
		.host = host_name(reading, FIELD_BY),
		.detail = prose(reading, FIELD_DETAIL, ID_TEXT_LEN, true),
		.active = number_or(reading, FIELD_ACTIVE, 1, 1) != 0,
		.label = prose(reading, FIELD_LABEL,
		    kind == THING_KEY ? KEY_NAME_BYTES : MERGE_LABEL_MAX, true),
		.password = prose(reading, FIELD_PASSWORD, MERGE_PASSWORD_MAX, true),
		.created_at = number_or(reading, FIELD_CREATED, TIME_MAX, 0),
	};
	blame(reading, FIELD_ID, is_id(out->id, kind));
	if (!out->deleted)
		check_content(reading, out);
}

static bool
is_word(struct text t)
{
	if (t.len < 1 || t.len > WORD_MAX)
		return false;
	for (size_t i = 0; i < t.len; i++)
		if (!((t.s[i] >= 'a' && t.s[i] <= 'z') || (t.s[i] >= '0' && t.s[i] <= '9') ||
		    t.s[i] == '_'))
			return false;
	return true;
}

static void
read_update(struct reading *reading, struct weighed *out)
{
	struct progress *p = &out->progress;

	*out = (struct weighed){
		.generation = number(reading, FIELD_GENERATION, 1, INT64_MAX / 2),
		.seq = number(reading, FIELD_SEQ, 1, INT64_MAX / 2),
		.host = host_name(reading, FIELD_FROM),
		.progress = {
			.status = reading->values[FIELD_STATUS],
			.rank = (int)number(reading, FIELD_RANK, 0, INT32_MAX),
			.progress = (int)number(reading, FIELD_PROGRESS, 0, 100),
			.message = prose(reading, FIELD_MESSAGE, PROGRESS_MESSAGE_MAX, false),
			.error = prose(reading, FIELD_ERROR, PROGRESS_ERROR_MAX, true),
			.eta = number_or(reading, FIELD_ETA, PROGRESS_ETA_MAX, PROGRESS_ETA_NONE),
			.updated_at = number(reading, FIELD_UPDATED, 0, TIME_MAX),
			.created_at = number(reading, FIELD_BEGUN, 0, TIME_MAX),
		},
	};
	blame(reading, FIELD_STATUS, is_word(p->status));
	blame(reading, FIELD_OUTCOME,
	    outcome_parse(reading->values[FIELD_OUTCOME], &p->outcome) == ERR_OK);
}

static void
read_kind(struct reading *reading, struct entry *out)
{
	struct text kind = reading->values[FIELD_KIND];
	enum thing_kind thing = THING_SESSION;

	if (text_is(kind, "ask") || text_is(kind, "end")) {
		out->kind = text_is(kind, "ask") ? ENTRY_ASK : ENTRY_END;
		out->nonce = prose(reading, FIELD_NONCE, ENTRY_NONCE_LEN, false);
		out->of = prose(reading, FIELD_OF, SIZE_MAX, false);
		return;
	}
	out->change.has_update = text_is(kind, "update");
	if (!out->change.has_update && thing_kind_parse(kind, &thing) != ERR_OK) {
		blame(reading, FIELD_KIND, is_word(kind));
		out->kind = ENTRY_OTHER;
		return;
	}
	out->kind = ENTRY_CHANGE;
	read_thing(reading, thing, &out->change.thing);
	if (out->change.has_update)
		read_update(reading, &out->change.update);
}

/* They come in the order of the table, so each is looked for behind the one before. */
static void
sort_fields(struct reading *reading, const struct text *fields, size_t count)
{
	size_t at = 0;

	for (size_t i = 0; i + 1 < count; i += 2) {
		for (size_t tries = 0; tries < FIELD__MAX; tries++) {
			size_t field = (at + tries) % FIELD__MAX;

			if (text_is(fields[i], names[field])) {
				reading->values[field] = fields[i + 1];
				at = field + 1;
				break;
			}
		}
	}
}

enum err
entry_read(const struct text *fields, size_t count, struct entry *out, const char **why)
{
	struct reading reading = { .bad = FIELD__MAX };
	struct entry entry = { .kind = ENTRY_CHANGE };

	sort_fields(&reading, fields, count);
	entry.host = host_name(&reading, FIELD_HOST);
	entry.n = number_or(&reading, FIELD_N, INT64_MAX / 2, 0);
	entry.after = number_or(&reading, FIELD_AFTER, INT64_MAX / 2, 0);
	read_kind(&reading, &entry);
	if (reading.bad != FIELD__MAX) {
		*why = names[reading.bad];
		return ERR_INPUT;
	}
	*out = entry;
	return ERR_OK;
}

enum err
entry_id_read(struct text t, struct entry_id *out)
{
	const char *hyphen = t.s != NULL ? memchr(t.s, '-', t.len) : NULL;
	unsigned long long ms, seq;
	size_t len;

	if (hyphen == NULL)
		return ERR_INPUT;
	len = (size_t)(hyphen - t.s);
	if (!text_number((struct text){ t.s, len }, UINT64_MAX, &ms) ||
	    !text_number((struct text){ hyphen + 1, t.len - len - 1 }, UINT64_MAX, &seq))
		return ERR_INPUT;
	*out = (struct entry_id){ ms, seq };
	return ERR_OK;
}

int
entry_id_compare(const struct entry_id *a, const struct entry_id *b)
{
	if (a->ms != b->ms)
		return a->ms < b->ms ? -1 : 1;
	return (a->seq > b->seq) - (a->seq < b->seq);
}
