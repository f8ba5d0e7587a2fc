/* event.c: storing updates, and reading them in order. */
#include "store/event.h"

#include "store/statement.h"

/* Texts are borrowed from the row. */
static void
read_progress(struct statement *st, struct progress *out)
{
	*out = (struct progress){
		.revision = statement_int(st, 0),
		.run = statement_int(st, 1),
		.stored_ms = statement_int(st, 12),
	};
	statement_id(st, 2, &out->session);
	statement_update(st, 3, out);
}

static void
read_stage(struct statement *st, struct stage *out)
{
	*out = (struct stage){
		.name = statement_text(st, 0),
		.rank = (int)statement_int(st, 1),
		.min = (int)statement_int(st, 2),
		.max = (int)statement_int(st, 3),
		.fallback = statement_null(st, 4) ? PROGRESS_NONE : (int)statement_int(st, 4),
		.message = statement_text(st, 6),
	};
	if (outcome_parse(statement_text(st, 5), &out->outcome) != ERR_OK)
		statement_odd(st);
}

static enum err
keep(struct store *store, struct progress *p)
{
	struct text *const texts[] = { &p->status, &p->message, &p->error };

	return statement_keep(store, texts, countof(texts));
}

/* Names the stages that there are. */
static enum err
unknown_status(struct store *store, struct faults *faults)
{
	struct statement st = statement_use(store, SQL_STAGE_NAMES);
	struct buf known = BUF_INIT(4096);

	while (statement_row(&st)) {
		if (known.len > 0)
			buf_puts(&known, ", ");
		buf_text(&known, statement_text(&st, 0));
	}
	if (st.err == ERR_OK)
		faults_add(faults, text_of("status"), "is unknown; known are %.*s",
		    TEXT_ARG(buf_view(&known)));
	buf_fini(&known);
	return statement_done(&st, ERR_OK);
}

/* Keeps the table of runs that are under way: it changes only as one begins or ends. */
static enum err
note_run(struct store *store, int64_t session, const struct progress *p)
{
	bool runs = p->outcome == OUTCOME_RUNNING;
	struct statement st;

	if (runs && p->run != p->revision)
		return ERR_OK;
	st = statement_use(store, runs ? SQL_ACTIVE_BEGIN : SQL_ACTIVE_END);
	statement_bind_int(&st, 1, session);
	if (runs)
		statement_bind_int(&st, 2, p->run);
	statement_row(&st);
	return statement_done(&st, ERR_OK);
}

enum err
store_event_append(struct store *store, int64_t session, struct progress *p)
{
	struct statement st = statement_use(store, SQL_EVENT_ADD);
	enum err err;

	statement_bind_int(&st, 1, session);
	if (p->run != 0)
		statement_bind_int(&st, 2, p->run);
	statement_bind_text(&st, 3, p->status);
	statement_bind_int(&st, 4, p->rank);
	statement_bind_text(&st, 5, text_of(outcome_name(p->outcome)));
	statement_bind_int(&st, 6, p->progress);
	statement_bind_text(&st, 7, p->message);
	statement_bind_text(&st, 8, p->error);
	if (p->eta != PROGRESS_ETA_NONE)
		statement_bind_int(&st, 9, p->eta);
	statement_bind_int(&st, 10, p->updated_at);
	statement_bind_int(&st, 11, p->created_at);
	statement_row(&st);
	p->revision = sqlite3_last_insert_rowid(store->db);
	if (p->run == 0)
		p->run = p->revision;
	err = statement_done(&st, ERR_OK);
	return err == ERR_OK ? note_run(store, session, p) : err;
}

static bool
find_stage(struct statement *st, struct text name, struct stage *out)
{
	statement_bind_text(st, 1, name);
	if (!statement_row(st))
		return false;
	read_stage(st, out);
	return true;
}

static bool
find_newest(struct statement *st, int64_t session, struct progress *out)
{
	statement_bind_int(st, 1, session);
	if (!statement_row(st))
		return false;
	read_progress(st, out);
	return true;
}

/* The two statements stay on their rows to the end, so that no text is copied but the result's. */
enum err
store_report(struct store *store, const struct update *update, int64_t now,
    enum decision *decision, struct progress *result, struct faults *faults, const char **why)
{
	struct statement stage_row, newest_row;
	struct session session;
	struct stage stage;
	struct progress current, next;
	enum decision decided = DECISION_INVALID;
	bool known, any;
	enum err err = statement_inside(store);

	if (err == ERR_OK)
		err = store_session_find(store, &update->session, &session);
	if (err != ERR_OK)
		return err;
	stage_row = statement_use(store, SQL_STAGE_BY_NAME);
	newest_row = statement_use(store, SQL_EVENT_NEWEST);
	known = find_stage(&stage_row, update->status, &stage);
	any = find_newest(&newest_row, session.number, &current);
	if (stage_row.err != ERR_OK || newest_row.err != ERR_OK)
		goto out;
	if (known)
		decided = progress_decide(&stage, any ? &current : NULL, update, now, &next, faults,
		    why);
	else
		err = unknown_status(store, faults);
	if (decided == DECISION_STORE)
		err = store_event_append(store, session.number, &next);
	else
		next = current;
	if (err == ERR_OK && decided != DECISION_INVALID)
		err = keep(store, &next);
out:
	err = statement_done(&newest_row, err);
	err = statement_done(&stage_row, err);
	if (err == ERR_OK) {
		*decision = decided;
		if (decided != DECISION_INVALID)
			*result = next;
	}
	return err;
}

enum err
store_event_newest(struct store *store, int64_t session, struct progress *out)
{
	struct statement st = statement_use(store, SQL_EVENT_NEWEST);
	struct progress p;
	enum err err = ERR_ABSENT;

	if (find_newest(&st, session, &p))
		err = keep(store, &p);
	err = statement_done(&st, err);
	if (err == ERR_OK)
		*out = p;
	return err;
}

static void
bind_limit(struct statement *st, int at, size_t limit)
{
	statement_bind_int(st, at, limit > INT64_MAX ? INT64_MAX : (int64_t)limit);
}

static enum err
walk(struct statement *st, store_event_fn fn, void *arg)
{
	struct progress p;

	while (statement_row(st)) {
		read_progress(st, &p);
		if (st->err != ERR_OK || !fn(arg, &p))
			break;
	}
	return statement_done(st, ERR_OK);
}

enum err
store_event_since(struct store *store, int64_t after, size_t limit, store_event_fn fn, void *arg)
{
	struct statement st = statement_use(store, SQL_EVENT_SINCE);

	statement_bind_int(&st, 1, after);
	bind_limit(&st, 2, limit);
	return walk(&st, fn, arg);
}

enum err
store_event_of_session(struct store *store, int64_t session, int64_t after, size_t limit,
    store_event_fn fn, void *arg)
{
	struct statement st = statement_use(store, SQL_EVENT_OF_SESSION);

	statement_bind_int(&st, 1, session);
	statement_bind_int(&st, 2, after);
	bind_limit(&st, 3, limit);
	return walk(&st, fn, arg);
}

enum err
store_event_active(struct store *store, const struct id *patient, int64_t before, size_t limit,
    store_event_fn fn, void *arg)
{
	struct statement st = statement_use(store, patient != NULL ? SQL_ACTIVE_OF_PATIENT :
	    SQL_ACTIVE_ALL);

	statement_bind_int(&st, 1, before);
	bind_limit(&st, 2, limit);
	if (patient != NULL)
		statement_bind_id(&st, 3, patient);
	return walk(&st, fn, arg);
}

enum err
store_event_revision(struct store *store, int64_t *out)
{
	return statement_number(store, SQL_EVENT_REVISION, out);
}

/* The last of the next revisions, if any of them is old. */
static enum err
find_span(struct store *store, int64_t after, int64_t before, size_t limit, int64_t *last)
{
	struct statement st = statement_use(store, SQL_EVENT_SPAN);
	enum err err = ERR_ABSENT;

	statement_bind_int(&st, 1, after);
	bind_limit(&st, 2, limit);
	if (statement_row(&st) && !statement_null(&st, 0) && statement_int(&st, 1) < before) {
		*last = statement_int(&st, 0);
		err = ERR_OK;
	}
	return statement_done(&st, err);
}

enum err
store_event_prune(struct store *store, int64_t before, size_t limit, int64_t *cursor, size_t *deleted)
{
	struct statement st;
	int64_t last = 0;
	enum err err = find_span(store, *cursor, before, limit, &last);

	if (err != ERR_OK)
		return err;
	st = statement_use(store, SQL_EVENT_PRUNE);
	statement_bind_int(&st, 1, *cursor);
	statement_bind_int(&st, 2, last);
	statement_bind_int(&st, 3, before);
	statement_row(&st);
	err = statement_done(&st, ERR_OK);
	if (err == ERR_OK) {
		*deleted = (size_t)sqlite3_changes(store->db);
		*cursor = last;
	}
	return err;
}
