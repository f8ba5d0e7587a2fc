/* apply.c: merges what other hosts changed into what this one shows. */
#include "store/event.h"
#include "store/replica.h"
#include "store/thing.h"

static enum err
show_user(struct store *store, const struct thing *thing, struct text shown)
{
	struct statement st = statement_use(store, thing->deleted ? SQL_USER_DELETE : SQL_USER_PUT);

	statement_bind_text(&st, 1, thing->id);
	if (!thing->deleted) {
		statement_bind_text(&st, 2, thing->detail);
		statement_bind_int(&st, 3, thing->active);
		statement_bind_text(&st, 4, shown);
		statement_bind_text(&st, 5, thing->password);
	}
	statement_row(&st);
	return statement_done(&st, ERR_OK);
}

static enum err
show_key(struct store *store, const struct thing *thing, struct text shown)
{
	struct statement st = statement_use(store, thing->deleted ? SQL_HIDE_KEY : SQL_SHOW_KEY);
	uint8_t hash[SHA256_LEN];

	if (thing_key_hash(thing->id, hash) != ERR_OK)
		return statement_done(&st, ERR_INPUT);
	statement_bind_blob(&st, 1, hash, sizeof(hash));
	if (!thing->deleted) {
		statement_bind_text(&st, 2, thing->detail);
		statement_bind_text(&st, 3, shown);
		statement_bind_int(&st, 4, thing->created_at);
	}
	statement_row(&st);
	return statement_done(&st, ERR_OK);
}

static enum err
hide_session(struct store *store, struct text id)
{
	struct statement st = statement_use(store, SQL_SESSION_DELETE);

	statement_bind_text(&st, 1, id);
	statement_row(&st);
	return statement_done(&st, ERR_OK);
}

/* A session of another life is another one: it goes, with its updates, before the new one comes. */
static enum err
show_session(struct store *store, const struct thing *thing, const struct kept *before,
    int64_t *number)
{
	struct statement st;
	enum err err = ERR_OK;

	*number = 0;
	if (before != NULL && !before->thing.deleted &&
	    (thing->deleted || before->thing.life != thing->life))
		err = hide_session(store, thing->id);
	if (err != ERR_OK || thing->deleted)
		return err;
	st = statement_use(store, SQL_SHOW_SESSION);
	statement_bind_text(&st, 1, thing->id);
	statement_bind_text(&st, 2, thing->detail);
	statement_bind_int(&st, 3, thing->created_at);
	if (statement_row(&st)) {
		*number = statement_int(&st, 0);
		statement_row(&st);
	}
	return statement_done(&st, ERR_OK);
}

/* Shows a user or key under the label that is left for it. */
static enum err
show_labelled(struct store *store, const struct thing *thing, const struct kept *before)
{
	struct statement st = statement_use(store, SQL_CLAIM_SHOWN);
	struct text shown = { NULL, 0 };
	enum err err;

	statement_bind_text(&st, 1, text_of(thing_kind_name(thing->kind)));
	statement_bind_text(&st, 2, thing->id);
	if (statement_row(&st))
		shown = statement_text(&st, 0);
	err = thing->kind == THING_USER ? show_user(store, thing, shown) :
	    show_key(store, thing, shown);
	err = statement_done(&st, err);
	/* What it showed before may be somebody else's now. */
	if (err == ERR_OK && before != NULL && !text_equal(before->thing.label, thing->label))
		err = thing_settle(store, thing->kind, before->thing.label);
	return err;
}

static enum err
replace(struct store *store, const struct thing *thing, const struct kept *before, int64_t *number)
{
	struct kept next = { .thing = *thing };
	enum err err;

	if (thing->kind == THING_SESSION) {
		err = show_session(store, thing, before, &next.number);
		*number = next.number;
		return err == ERR_OK ? thing_put(store, &next) : err;
	}
	*number = 0;
	err = thing_put(store, &next);
	if (err == ERR_OK)
		err = thing_settle(store, thing->kind, thing->label);
	return err == ERR_OK ? show_labelled(store, thing, before) : err;
}

/* Is an update of this life still of use, and in which row of session does it belong? */
struct place {
	bool is_open;
	int64_t number;
};

static enum err
merge_thing(struct store *store, const struct thing *thing, struct place *place, bool *changed)
{
	struct statement st = statement_use(store, SQL_THING_GET);
	struct kept kept;
	bool has = thing_find(&st, thing->kind, thing->id, &kept);
	enum err err = ERR_OK;

	*place = (struct place){ false, 0 };
	if (st.err == ERR_OK && (!has || thing_compare(thing, &kept.thing) > 0)) {
		err = replace(store, thing, has ? &kept : NULL, &place->number);
		place->is_open = !thing->deleted;
		*changed = true;
	} else if (st.err == ERR_OK) {
		place->number = kept.number;
		place->is_open = !kept.thing.deleted && kept.thing.life == thing->life;
	}
	return statement_done(&st, err);
}

/* What is current here, and the run that it belongs to. False: nothing is yet. */
static bool
find_top(struct statement *st, int64_t session, struct weighed *out, int64_t *run)
{
	statement_bind_int(st, 1, session);
	if (!statement_row(st))
		return false;
	*run = statement_int(st, 0);
	out->generation = statement_int(st, 1);
	out->seq = statement_int(st, 2);
	out->host = statement_text(st, 3);
	return st->err == ERR_OK;
}

static enum err
put_top(struct store *store, int64_t session, const struct weighed *update)
{
	struct statement st = statement_use(store, SQL_TOP_PUT);

	statement_bind_int(&st, 1, session);
	statement_bind_int(&st, 2, update->progress.revision);
	statement_bind_int(&st, 3, update->progress.run);
	statement_bind_int(&st, 4, update->generation);
	statement_bind_int(&st, 5, update->seq);
	statement_bind_text(&st, 6, update->host);
	statement_row(&st);
	return statement_done(&st, ERR_OK);
}

static enum err
merge_update(struct store *store, int64_t session, const struct weighed *update, bool *changed)
{
	struct statement st = statement_use(store, SQL_TOP_GET);
	struct weighed top, next = *update;
	int64_t run = 0;
	bool any = find_top(&st, session, &top, &run);
	enum err err = st.err;

	if (any)
		err = store_event_newest(store, session, &top.progress);
	if (err == ERR_OK && (!any || weighed_compare(update, &top) > 0)) {
		next.progress.run = any && top.generation == update->generation ? run : 0;
		err = store_event_append(store, session, &next.progress);
		if (err == ERR_OK)
			err = put_top(store, session, &next);
		*changed = true;
	}
	return statement_done(&st, err);
}

static enum err
merge(struct store *store, const struct change *change, bool *changed)
{
	struct place place;
	enum err err = merge_thing(store, &change->thing, &place, changed);

	if (err == ERR_OK && change->has_update && place.is_open)
		err = merge_update(store, place.number, &change->update, changed);
	return err;
}

/* Undoes what was tried. What a table refuses it will refuse for ever: that is no failure of ours. */
static enum err
undo(struct store *store, enum err err)
{
	bool is_refused = store->is_refused;

	if (statement_inside(store) != ERR_OK || statement_run(store, SQL_TRY_UNDO) != ERR_OK ||
	    statement_run(store, SQL_TRY_END) != ERR_OK)
		return ERR_SYSTEM;
	return is_refused ? ERR_INPUT : err;
}

enum err
store_apply(struct store *store, const struct change *change, bool *changed)
{
	bool any = false;
	enum err err = statement_inside(store);

	if (err == ERR_OK)
		err = statement_run(store, SQL_TRY);
	if (err != ERR_OK)
		return err;
	store->is_refused = false;
	err = merge(store, change, &any);
	if (err != ERR_OK)
		return undo(store, err);
	if (any)
		*changed = true;
	return statement_run(store, SQL_TRY_END);
}
