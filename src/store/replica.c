/* replica.c: this host's part: how far it is, what it has for the others, and what it knows of
 * them. */
#include "store/replica.h"

#include "store/account.h"
#include "store/event.h"
#include "store/thing.h"

#include <stdio.h>
#include <string.h>

#define SILENT_SECONDS 15 /* a relay that wrote nothing for so long does not run */

static void
copy(struct statement *st, int at, char *out, size_t size)
{
	struct text t = statement_text(st, at);

	if (t.len >= size)
		statement_odd(st);
	else
		snprintf(out, size, "%.*s", TEXT_ARG(t));
}

enum err
store_replica_load(struct store *store, struct replica *out)
{
	struct statement st = statement_use(store, SQL_RELAY);
	struct replica replica = { .newest = 0 };
	enum err err = ERR_ABSENT;

	if (statement_row(&st)) {
		copy(&st, 0, replica.host, sizeof(replica.host));
		copy(&st, 1, replica.token, sizeof(replica.token));
		replica.revision = statement_int(&st, 2);
		replica.authority = statement_int(&st, 3);
		copy(&st, 4, replica.position, sizeof(replica.position));
		replica.sent = statement_int(&st, 5);
		copy(&st, 6, replica.sent_entry, sizeof(replica.sent_entry));
		copy(&st, 7, replica.server, sizeof(replica.server));
		replica.newest = statement_int(&st, 8);
		err = ERR_OK;
	}
	err = statement_done(&st, err);
	if (err == ERR_OK)
		*out = replica;
	return err;
}

enum err
store_replica_save(struct store *store, const struct replica *replica)
{
	struct statement st = statement_use(store, SQL_RELAY_SAVE);

	statement_bind_int(&st, 1, replica->revision);
	statement_bind_int(&st, 2, replica->authority);
	statement_bind_text(&st, 3, text_of(replica->position));
	statement_bind_int(&st, 4, replica->sent);
	statement_bind_text(&st, 5, text_of(replica->sent_entry));
	statement_bind_text(&st, 6, text_of(replica->server));
	statement_row(&st);
	return statement_done(&st, ERR_OK);
}

enum err
store_replica_leave(struct store *store)
{
	struct statement st = statement_use(store, SQL_RELAY_LEAVE);

	return statement_delete(&st);
}

enum err
store_capture_due(struct store *store, const struct replica *replica, bool *due)
{
	int64_t revision, authority;
	enum err err = store_event_revision(store, &revision);

	if (err == ERR_OK)
		err = store_authority_newest(store, &authority);
	if (err == ERR_OK)
		*due = revision != replica->revision || authority != replica->authority;
	return err;
}

enum err
store_replica_skip(struct store *store, struct replica *replica)
{
	struct replica next = *replica;
	enum err err = store_event_revision(store, &next.revision);

	if (err == ERR_OK)
		err = store_authority_newest(store, &next.authority);
	if (err == ERR_OK)
		err = store_replica_save(store, &next);
	if (err == ERR_OK)
		*replica = next;
	return err;
}

enum err
store_replica_level(struct store *store, int64_t n)
{
	enum err err = statement_run(store, SQL_RELAY_COUNT);
	struct statement st;

	if (err != ERR_OK)
		return err;
	st = statement_use(store, SQL_RELAY_LEVEL);
	statement_bind_int(&st, 1, n);
	statement_row(&st);
	return statement_done(&st, ERR_OK);
}

/* From the fourteenth column on, behind n, whether there is an update, and the thing. */
static void
read_weighed(struct statement *st, struct weighed *out)
{
	*out = (struct weighed){
		.generation = statement_int(st, 13),
		.seq = statement_int(st, 14),
		.host = statement_text(st, 15),
	};
	statement_update(st, 16, &out->progress);
}

static enum err
walk(struct statement *st, store_out_fn fn, void *arg)
{
	while (statement_row(st)) {
		struct change change = { .has_update = statement_int(st, 1) != 0 };
		bool is_void = change.has_update && statement_null(st, 16);

		thing_read(st, 2, &change.thing);
		if (change.has_update && !is_void)
			read_weighed(st, &change.update);
		if (st->err != ERR_OK || !fn(arg, statement_int(st, 0), is_void ? NULL : &change))
			break;
	}
	return statement_done(st, ERR_OK);
}

enum err
store_out_after(struct store *store, int64_t after, size_t limit, store_out_fn fn, void *arg)
{
	struct statement st = statement_use(store, SQL_OUT_AFTER);

	statement_bind_int(&st, 1, after);
	statement_bind_int(&st, 2, (int64_t)limit);
	return walk(&st, fn, arg);
}

enum err
store_out_of(struct store *store, struct text id, int64_t after, int64_t until, store_out_fn fn,
    void *arg)
{
	struct statement st = statement_use(store, SQL_OUT_OF_ID);

	statement_bind_text(&st, 1, id);
	statement_bind_int(&st, 2, after);
	statement_bind_int(&st, 3, until);
	return walk(&st, fn, arg);
}

enum err
store_out_ids(struct store *store, int64_t after, size_t limit, store_out_id_fn fn, void *arg)
{
	struct statement st = statement_use(store, SQL_OUT_IDS);

	statement_bind_int(&st, 1, after);
	statement_bind_int(&st, 2, (int64_t)limit);
	while (statement_row(&st))
		if (!fn(arg, statement_int(&st, 0), statement_text(&st, 1)))
			break;
	return statement_done(&st, ERR_OK);
}

enum err
store_out_trim(struct store *store, int64_t sent, int64_t before, int64_t until, size_t limit)
{
	struct statement st = statement_use(store, SQL_OUT_TRIM);

	statement_bind_int(&st, 1, sent);
	statement_bind_int(&st, 2, before);
	statement_bind_int(&st, 3, until);
	statement_bind_int(&st, 4, (int64_t)limit);
	statement_row(&st);
	return statement_done(&st, ERR_OK);
}

enum err
store_things_after(struct store *store, enum thing_kind kind, struct text id, size_t limit,
    store_out_fn fn, void *arg)
{
	struct statement st = statement_use(store, SQL_THING_AFTER);

	statement_bind_text(&st, 1, text_of(thing_kind_name(kind)));
	statement_bind_text(&st, 2, id);
	statement_bind_int(&st, 3, (int64_t)limit);
	return walk(&st, fn, arg);
}

enum err
store_host_each(struct store *store, store_host_fn fn, void *arg)
{
	struct statement st = statement_use(store, SQL_HOST_EACH);

	while (statement_row(&st)) {
		struct replica_host host = {
			.name = statement_text(&st, 0),
			.n = statement_int(&st, 1),
			.doubt = statement_int(&st, 2) != 0,
			.state = statement_text(&st, 3),
			.lag_ms = statement_int(&st, 4),
			.waiting = statement_int(&st, 5),
			.seen_at = statement_int(&st, 6),
		};

		if (st.err == ERR_OK)
			fn(arg, &host);
	}
	return statement_done(&st, ERR_OK);
}

enum err
store_host_heard(struct store *store, struct text name, int64_t n, bool doubt)
{
	struct statement st = statement_use(store, SQL_HOST_HEARD);

	statement_bind_text(&st, 1, name);
	statement_bind_int(&st, 2, n);
	statement_bind_int(&st, 3, doubt);
	statement_row(&st);
	return statement_done(&st, ERR_OK);
}

enum err
store_host_seen(struct store *store, const struct replica_host *host)
{
	struct statement st = statement_use(store, SQL_HOST_SEEN);

	statement_bind_text(&st, 1, host->name);
	statement_bind_text(&st, 2, host->state);
	statement_bind_int(&st, 3, host->lag_ms);
	statement_bind_int(&st, 4, host->waiting);
	statement_bind_int(&st, 5, host->seen_at);
	statement_row(&st);
	return statement_done(&st, ERR_OK);
}

enum err
store_host_forget(struct store *store, struct text name)
{
	struct statement st = statement_use(store, SQL_HOST_FORGET);

	statement_bind_text(&st, 1, name);
	return statement_delete(&st);
}

enum err
store_replica_state(struct store *store, bool here, const char *error, int64_t now)
{
	struct statement st = statement_use(store, SQL_RELAY_STATE);

	statement_bind_text(&st, 1, text_of(here ? "here" : "away"));
	statement_bind_int(&st, 2, now);
	statement_bind_text(&st, 3, text_of(error));
	statement_row(&st);
	return statement_done(&st, ERR_OK);
}

enum err
store_replica_status(struct store *store, struct replica_status *out)
{
	struct statement st = statement_use(store, SQL_RELAY_STATUS);
	struct replica_status status = { .here = false };
	enum err err = ERR_ABSENT;

	if (statement_row(&st)) {
		copy(&st, 0, status.host, sizeof(status.host));
		status.here = text_is(statement_text(&st, 1), "here");
		status.since = statement_int(&st, 2);
		status.alive_at = statement_int(&st, 3);
		snprintf(status.error, sizeof(status.error), "%.*s", TEXT_ARG(statement_text(&st, 4)));
		status.waiting = statement_int(&st, 5);
		status.doubts = statement_int(&st, 6);
		err = ERR_OK;
	}
	err = statement_done(&st, err);
	if (err == ERR_OK)
		*out = status;
	return err;
}

const char *
replica_trouble(const struct replica_status *status, int64_t now)
{
	if (now - status->alive_at > SILENT_SECONDS)
		return "milepost-relay does not run";
	if (!status->here)
		return "milepost-relay does not reach Redis";
	if (status->doubts > 0)
		return "milepost-relay waits for a snapshot of what it has missed";
	return NULL;
}

void
store_write_ready(struct store *store, const char *why_not, int64_t now, struct buf *out)
{
	const char *trouble = NULL;
	struct replica_status status;

	if (why_not != NULL) {
		buf_printf(out, "not ready: %s\n", why_not);
		return;
	}
	if (store_replica_status(store, &status) == ERR_OK)
		trouble = replica_trouble(&status, now);
	if (trouble != NULL)
		buf_printf(out, "ready, degraded: %s\n", trouble);
	else
		buf_puts(out, "ready\n");
}
