/*
 * account.h: users and sessions, and the authority log that tells of every change to them.
 *
 * Texts in results are borrowed from the store until its next call. Writers work inside the
 * caller's transaction if one is open, else each in its own.
 */
#ifndef STORE_ACCOUNT_H
#define STORE_ACCOUNT_H

#include "base/attr.h"
#include "base/err.h"
#include "base/text.h"
#include "model/access.h"
#include "model/id.h"
#include "store/store.h"

#include <stdbool.h>
#include <stdint.h>

struct user {
	struct id id;
	enum role role;
	bool active;
	struct text email;    /* absent: none */
	struct text password; /* the hash; absent: no login by password */
};

/* ERR_ABSENT: no such user. The e-mail is compared without regard to ASCII case. */
enum err store_user_find(struct store *store, const struct id *id, struct user *out) MUST_USE;
enum err store_user_find_email(struct store *store, struct text email, struct user *out) MUST_USE;

/* Creates or replaces all of it; *created says which. Writes nothing (so no authority row either) if
 * nothing differs. ERR_CONFLICT: the e-mail is another user's. */
enum err store_user_put(struct store *store, const struct user *user, bool *created) MUST_USE;

/* ERR_ABSENT: there was none. */
enum err store_user_delete(struct store *store, const struct id *id) MUST_USE;

typedef void (*store_user_fn)(void *arg, const struct user *user);
enum err store_user_each(struct store *store, store_user_fn fn, void *arg) MUST_USE;

struct session {
	int64_t number; /* the row's; never used again, even if the id is */
	struct id id;
	bool has_patient;
	struct id patient;
	int64_t created_at;
};

/* ERR_ABSENT: no such session. */
enum err store_session_find(struct store *store, const struct id *id, struct session *out) MUST_USE;

/* Creates, or changes the patient; number and created_at of the argument are not read. */
enum err store_session_put(struct store *store, const struct session *session, bool *created)
    MUST_USE;

/* With all its updates. ERR_ABSENT: there was none. */
enum err store_session_delete(struct store *store, const struct id *id) MUST_USE;

typedef void (*store_session_fn)(void *arg, const struct session *session);
enum err store_session_each(struct store *store, store_session_fn fn, void *arg) MUST_USE;

/* One row of the authority log: this thing was changed, created or deleted by somebody. */
enum authority_kind { AUTHORITY_USER, AUTHORITY_SESSION, AUTHORITY_KEY };
typedef void (*store_authority_fn)(void *arg, enum authority_kind kind, const struct id *id);

/*
 * Calls fn for each change later than *cursor, in order, and moves *cursor on. For AUTHORITY_KEY
 * the id is all zero. ERR_LIMIT: rows after the cursor are no longer kept, so anything may have
 * changed; *cursor is moved to the newest and fn was not called.
 */
enum err store_authority_since(struct store *store, int64_t *cursor, store_authority_fn fn, void *arg)
    MUST_USE;

/* The newest authority row's number, 0 if there never was one. */
enum err store_authority_newest(struct store *store, int64_t *out) MUST_USE;

#endif
