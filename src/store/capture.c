/* capture.c: finds what was changed on this host, whoever changed it, by what differs from what is
 * kept. */
#include "store/account.h"
#include "store/replica.h"
#include "store/thing.h"

#include <stdio.h>

/* One search, within the caller's transaction. */
struct capture {
	struct store *store;
	struct text host;
	int64_t now;
	enum err err; /* sticky */
	bool keys;    /* some key was changed; the log does not say which */
};

static enum err
note(const struct capture *capture, const struct thing *thing)
{
	struct statement st = statement_use(capture->store, SQL_OUT_ADD);

	statement_bind_int(&st, 1, capture->now);
	statement_bind_text(&st, 2, text_of(thing_kind_name(thing->kind)));
	statement_bind_text(&st, 3, thing->id);
	statement_row(&st);
	return statement_done(&st, ERR_OK);
}

/* The row of the thing as it is in its own table; life, version and host are not set. */
static bool
find_row(struct statement *st, enum thing_kind kind, struct text id, struct kept *out)
{
	uint8_t hash[SHA256_LEN];

	if (kind == THING_KEY && thing_key_hash(id, hash) != ERR_OK)
		return false;
	if (kind == THING_KEY)
		statement_bind_blob(st, 1, hash, sizeof(hash));
	else
		statement_bind_text(st, 1, id);
	if (!statement_row(st))
		return false;
	*out = (struct kept){
		.thing = {
			.kind = kind,
			.id = id,
			.detail = statement_text(st, 0),
			.active = statement_int(st, 1) != 0,
			.label = statement_text(st, 2),
			.password = statement_text(st, 3),
			.created_at = statement_int(st, 4),
		},
		.number = statement_int(st, 5),
	};
	out->shown = out->thing.label;
	return st->err == ERR_OK;
}

/* Does the row differ from what is kept (NULL: nothing is)? Then *next is what is to be kept. */
static bool
differs(const struct capture *capture, const struct kept *row, const struct kept *kept,
    struct kept *next)
{
	bool again;

	*next = *row;
	next->thing.host = capture->host;
	next->thing.life = next->thing.version = 1;
	if (kept == NULL)
		return true;
	again = kept->thing.deleted || kept->number != row->number;
	next->thing.life = kept->thing.life + again;
	next->thing.version = kept->thing.version + 1;
	/* A label that yielded to another's is claimed still. */
	if (!again && text_equal(row->shown, kept->shown))
		next->thing.label = kept->thing.label;
	return again || !thing_same_content(&next->thing, &kept->thing);
}

/* The thing is gone: its last state. */
static struct kept
gone(const struct capture *capture, const struct kept *kept)
{
	return (struct kept){ .thing = {
		.kind = kept->thing.kind,
		.id = kept->thing.id,
		.life = kept->thing.life,
		.deleted = true,
		.version = kept->thing.version + 1,
		.host = capture->host,
		.active = true,
	} };
}

static enum err
keep(const struct capture *capture, const struct kept *next, const struct kept *before)
{
	enum thing_kind kind = next->thing.kind;
	enum err err = thing_put(capture->store, next);

	if (err == ERR_OK)
		err = note(capture, &next->thing);
	if (err == ERR_OK && before != NULL && !text_equal(before->thing.label, next->thing.label))
		err = thing_settle(capture->store, kind, before->thing.label);
	return err == ERR_OK ? thing_settle(capture->store, kind, next->thing.label) : err;
}

static enum err
capture_thing(const struct capture *capture, enum thing_kind kind, struct text id)
{
	static const enum sql rows[] = {
		[THING_USER] = SQL_ROW_USER,
		[THING_SESSION] = SQL_ROW_SESSION,
		[THING_KEY] = SQL_ROW_KEY,
	};
	struct statement row_st = statement_use(capture->store, rows[kind]);
	struct statement kept_st = statement_use(capture->store, SQL_THING_GET);
	struct kept row, kept, next;
	bool has_row = find_row(&row_st, kind, id, &row);
	bool has_kept = thing_find(&kept_st, kind, id, &kept);
	enum err err = ERR_OK;

	if (row_st.err == ERR_OK && kept_st.err == ERR_OK) {
		if (has_row && differs(capture, &row, has_kept ? &kept : NULL, &next)) {
			err = keep(capture, &next, has_kept ? &kept : NULL);
		} else if (!has_row && has_kept && !kept.thing.deleted) {
			next = gone(capture, &kept);
			err = keep(capture, &next, &kept);
		}
	}
	err = statement_done(&kept_st, err);
	return statement_done(&row_st, err);
}

static void
on_authority(void *arg, enum authority_kind kind, const struct id *id)
{
	struct capture *capture = arg;
	char text[ID_TEXT_LEN + 1];

	id_format(id, text);
	if (kind == AUTHORITY_KEY)
		capture->keys = true;
	else if (capture->err == ERR_OK)
		capture->err = capture_thing(capture,
		    kind == AUTHORITY_USER ? THING_USER : THING_SESSION, text_of(text));
}

/* Compares all things that a statement lists. */
static enum err
capture_listed(struct capture *capture, enum sql list)
{
	struct statement st = statement_use(capture->store, list);
	enum err err = ERR_OK;

	while (err == ERR_OK && statement_row(&st)) {
		enum thing_kind kind;

		if (thing_kind_parse(statement_text(&st, 0), &kind) == ERR_OK)
			err = capture_thing(capture, kind, statement_text(&st, 1));
	}
	return statement_done(&st, err);
}

static enum err
capture_things(struct capture *capture, int64_t *cursor)
{
	enum err err = store_authority_since(capture->store, cursor, on_authority, capture);

	if (err == ERR_LIMIT)
		return capture_listed(capture, SQL_THING_IDS);
	if (err == ERR_OK)
		err = capture->err;
	return err == ERR_OK && capture->keys ? capture_listed(capture, SQL_THING_KEY_IDS) : err;
}

/* Weighs the update, which is its session's newest up to now. */
static enum err
capture_event(const struct capture *capture, struct statement *row)
{
	struct statement top = statement_use(capture->store, SQL_TOP_NEXT), out;
	enum err err;

	statement_bind_int(&top, 1, statement_int(row, 1));
	statement_bind_int(&top, 2, statement_int(row, 0));
	statement_bind_int(&top, 3, statement_int(row, 2));
	statement_bind_text(&top, 4, capture->host);
	statement_row(&top);
	err = statement_done(&top, ERR_OK);
	if (err != ERR_OK)
		return err;
	out = statement_use(capture->store, SQL_OUT_ADD_TOP);
	statement_bind_int(&out, 1, capture->now);
	statement_bind_text(&out, 2, statement_text(row, 3));
	statement_bind_int(&out, 3, statement_int(row, 1));
	statement_row(&out);
	return statement_done(&out, ERR_OK);
}

static enum err
capture_events(const struct capture *capture, int64_t *revision, size_t limit, bool *whole)
{
	struct statement st = statement_use(capture->store, SQL_CAPTURE_EVENTS);
	size_t count = 0;
	enum err err = ERR_OK;

	statement_bind_int(&st, 1, *revision);
	statement_bind_int(&st, 2, (int64_t)limit);
	while (err == ERR_OK && statement_row(&st)) {
		*revision = statement_int(&st, 0);
		err = capture_event(capture, &st);
		count++;
	}
	*whole = count < limit;
	return statement_done(&st, err);
}

/* Things first: who gets an update knows its session. */
enum err
store_capture(struct store *store, struct replica *replica, int64_t now, size_t limit, bool *whole)
{
	struct capture capture = { .store = store, .host = text_of(replica->host), .now = now };
	struct replica next = *replica;
	enum err err = statement_inside(store);

	if (err == ERR_OK)
		err = capture_things(&capture, &next.authority);
	if (err == ERR_OK)
		err = capture_events(&capture, &next.revision, limit, whole);
	if (err == ERR_OK)
		err = store_replica_save(store, &next);
	if (err != ERR_OK)
		return err;
	*replica = next;
	return store_replica_load(store, replica);
}

/* All at once: what exists becomes this host's changes, the first of their lives. */
static enum err
capture_all(struct store *store, struct text host, int64_t now)
{
	struct capture capture = { .store = store, .host = host, .now = now };
	struct statement st;
	enum err err = capture_listed(&capture, SQL_THING_IDS);

	if (err != ERR_OK)
		return err;
	st = statement_use(store, SQL_TOP_ALL);
	statement_bind_text(&st, 1, host);
	statement_row(&st);
	err = statement_done(&st, ERR_OK);
	if (err != ERR_OK)
		return err;
	st = statement_use(store, SQL_OUT_ADD_ALL);
	statement_bind_int(&st, 1, now);
	statement_row(&st);
	return statement_done(&st, ERR_OK);
}

enum err
store_replica_join(struct store *store, struct text host, int64_t now)
{
	struct replica replica;
	struct statement st;
	enum err err = store_begin(store);

	if (err != ERR_OK)
		return err;
	st = statement_use(store, SQL_RELAY_JOIN);
	statement_bind_text(&st, 1, host);
	statement_bind_int(&st, 2, now);
	statement_row(&st);
	err = statement_done(&st, ERR_OK);
	if (err == ERR_OK)
		err = capture_all(store, host, now);
	if (err == ERR_OK)
		err = store_replica_load(store, &replica);
	if (err == ERR_OK)
		err = store_replica_skip(store, &replica);
	if (err == ERR_OK)
		return store_commit(store);
	store_rollback(store);
	return err;
}
