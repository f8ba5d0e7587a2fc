/* account.c: users, sessions and the authority log. */
#include "store/account.h"

#include "store/statement.h"

#include <string.h>

/* The row's user; texts borrowed from the row. */
static void
read_user(struct statement *st, struct user *out)
{
	statement_id(st, 0, &out->id);
	if (role_parse(statement_text(st, 1), &out->role) != ERR_OK)
		statement_odd(st);
	out->active = statement_int(st, 2) != 0;
	out->email = statement_text(st, 3);
	out->password = statement_text(st, 4);
}

/* Steps to the one row of a lookup, and keeps its texts. */
static enum err
find_user(struct statement *st, struct user *out)
{
	struct user user;
	enum err err = ERR_ABSENT;

	if (statement_row(st)) {
		read_user(st, &user);
		err = statement_keep(st->store,
		    (struct text *const[]){ &user.email, &user.password }, 2);
	}
	err = statement_done(st, err);
	if (err == ERR_OK)
		*out = user;
	return err;
}

enum err
store_user_find(struct store *store, const struct id *id, struct user *out)
{
	struct statement st = statement_use(store, SQL_USER_BY_ID);

	statement_bind_id(&st, 1, id);
	return find_user(&st, out);
}

enum err
store_user_find_email(struct store *store, struct text email, struct user *out)
{
	struct statement st = statement_use(store, SQL_USER_BY_EMAIL);

	statement_bind_text(&st, 1, email);
	return find_user(&st, out);
}

static bool
same_user(const struct user *a, const struct user *b)
{
	return a->role == b->role && a->active == b->active && text_equal(a->email, b->email) &&
	    text_equal(a->password, b->password);
}

/* Is there a user of this id, and is it this very one? Keeps no text: the argument's may be those
 * that the last find kept. */
static enum err
compare_user(struct store *store, const struct user *user, bool *exists, bool *same)
{
	struct statement st = statement_use(store, SQL_USER_BY_ID);
	struct user old;

	*exists = *same = false;
	statement_bind_id(&st, 1, &user->id);
	if (statement_row(&st)) {
		read_user(&st, &old);
		*exists = true;
		*same = same_user(&old, user);
	}
	return statement_done(&st, ERR_OK);
}

static enum err
write_user(struct store *store, const struct user *user)
{
	struct statement st = statement_use(store, SQL_USER_PUT);

	statement_bind_id(&st, 1, &user->id);
	statement_bind_text(&st, 2, text_of(role_name(user->role)));
	statement_bind_int(&st, 3, user->active);
	statement_bind_text(&st, 4, user->email);
	statement_bind_text(&st, 5, user->password);
	statement_row(&st);
	return statement_done(&st, ERR_OK);
}

enum err
store_user_put(struct store *store, const struct user *user, bool *created)
{
	bool own, exists, same;
	enum err err = statement_enter(store, &own);

	if (err != ERR_OK)
		return err;
	err = compare_user(store, user, &exists, &same);
	if (err == ERR_OK && !same)
		err = write_user(store, user);
	err = statement_leave(store, own, err);
	if (err == ERR_OK)
		*created = !exists;
	return err;
}

enum err
store_user_delete(struct store *store, const struct id *id)
{
	struct statement st = statement_use(store, SQL_USER_DELETE);

	statement_bind_id(&st, 1, id);
	return statement_delete(&st);
}

enum err
store_user_each(struct store *store, store_user_fn fn, void *arg)
{
	struct statement st = statement_use(store, SQL_USER_EACH);
	struct user user;

	while (statement_row(&st)) {
		read_user(&st, &user);
		if (st.err == ERR_OK)
			fn(arg, &user);
	}
	return statement_done(&st, ERR_OK);
}

static void
read_session(struct statement *st, struct session *out)
{
	*out = (struct session){
		.number = statement_int(st, 0),
		.has_patient = !statement_null(st, 2),
		.created_at = statement_int(st, 3),
	};
	statement_id(st, 1, &out->id);
	if (out->has_patient)
		statement_id(st, 2, &out->patient);
}

enum err
store_session_find(struct store *store, const struct id *id, struct session *out)
{
	struct statement st = statement_use(store, SQL_SESSION_BY_ID);
	struct session session;
	enum err err = ERR_ABSENT;

	statement_bind_id(&st, 1, id);
	if (statement_row(&st)) {
		read_session(&st, &session);
		err = ERR_OK;
	}
	err = statement_done(&st, err);
	if (err == ERR_OK)
		*out = session;
	return err;
}

static bool
same_patient(const struct session *a, const struct session *b)
{
	return a->has_patient == b->has_patient &&
	    (!a->has_patient || id_equal(&a->patient, &b->patient));
}

static enum err
write_session(struct store *store, const struct session *session)
{
	struct statement st = statement_use(store, SQL_SESSION_PUT);

	statement_bind_id(&st, 1, &session->id);
	if (session->has_patient)
		statement_bind_id(&st, 2, &session->patient);
	statement_row(&st);
	return statement_done(&st, ERR_OK);
}

enum err
store_session_put(struct store *store, const struct session *session, bool *created)
{
	struct session old;
	bool own, exists;
	enum err err = statement_enter(store, &own);

	if (err != ERR_OK)
		return err;
	err = store_session_find(store, &session->id, &old);
	exists = err == ERR_OK;
	if (err == ERR_ABSENT || (exists && !same_patient(&old, session)))
		err = write_session(store, session);
	err = statement_leave(store, own, err);
	if (err == ERR_OK)
		*created = !exists;
	return err;
}

enum err
store_session_delete(struct store *store, const struct id *id)
{
	struct statement st = statement_use(store, SQL_SESSION_DELETE);

	statement_bind_id(&st, 1, id);
	return statement_delete(&st);
}

enum err
store_session_each(struct store *store, store_session_fn fn, void *arg)
{
	struct statement st = statement_use(store, SQL_SESSION_EACH);
	struct session session;

	while (statement_row(&st)) {
		read_session(&st, &session);
		if (st.err == ERR_OK)
			fn(arg, &session);
	}
	return statement_done(&st, ERR_OK);
}

enum err
store_authority_newest(struct store *store, int64_t *out)
{
	return statement_number(store, SQL_AUTHORITY_NEWEST, out);
}

static void
tell(struct statement *st, store_authority_fn fn, void *arg)
{
	struct text kind = statement_text(st, 1);
	struct id id;

	memset(&id, 0, sizeof(id));
	if (text_is(kind, "key")) {
		fn(arg, AUTHORITY_KEY, &id);
		return;
	}
	statement_id(st, 2, &id);
	if (st->err == ERR_OK)
		fn(arg, text_is(kind, "user") ? AUTHORITY_USER : AUTHORITY_SESSION, &id);
}

/*
 * The numbers have no gaps (one that was rolled back is given again), so rows that follow on the
 * cursor without one are all there were.
 */
enum err
store_authority_since(struct store *store, int64_t *cursor, store_authority_fn fn, void *arg)
{
	struct statement st;
	int64_t newest, at = *cursor;
	enum err err = store_authority_newest(store, &newest);

	if (err != ERR_OK || newest == at)
		return err;
	st = statement_use(store, SQL_AUTHORITY_SINCE);
	statement_bind_int(&st, 1, at);
	while (statement_row(&st) && statement_int(&st, 0) == at + 1) {
		at++;
		tell(&st, fn, arg);
	}
	err = statement_done(&st, ERR_OK);
	if (err != ERR_OK)
		return err;
	if (at == *cursor)
		err = ERR_LIMIT;
	*cursor = err == ERR_LIMIT ? newest : at;
	return err;
}
