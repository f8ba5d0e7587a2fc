/* auth.h: from an Authorization header to who is asking, and what that one may do. */
#ifndef API_AUTH_H
#define API_AUTH_H

#include "api/commit.h"
#include "base/attr.h"
#include "base/digest.h"
#include "model/access.h"
#include "store/account.h"
#include "token/token.h"

#include <stdbool.h>

struct call;

struct principal {
	bool is_key;       /* a worker's or a backend's; else a user's token */
	uint8_t key[SHA256_LEN]; /* its hash */
	enum scope scope;  /* of a key */
	struct id user;    /* of a token */
	enum role role;    /* the database's, unless it knows no such user and users = token */
	struct token_claims claims; /* of a token */
};

/*
 * Who is asking? Fills in call->principal. False: the reply is made (401, or a failure of the database),
 * and the cause is counted and logged.
 */
bool auth_identify(struct call *call) MUST_USE;

/*
 * The same for a request that ends in auth_commit or auth_submit, which look into the database in any case: a key
 * that this thread met before is taken to be what it was then. Most requests are a worker's, and each look
 * with a connection of its own would read the pages anew that the last commit has changed. Other credentials
 * are looked up in the file that is there (worker_renew).
 */
bool auth_presume(struct call *call) MUST_USE;

/* May the principal report progress, administer, read this session, or list sessions? False: the reply is
 * 403. A list is of the sessions of *patient alone, unless that is NULL. */
bool auth_may_report(struct call *call) MUST_USE;
bool auth_may_administer(struct call *call) MUST_USE;
bool auth_may_read(struct call *call, const struct session *session) MUST_USE;
bool auth_may_list(struct call *call, const struct id **patient) MUST_USE;

/*
 * commit_run for the principal: inside the transaction, before fn, it is looked up again, for the
 * credential may have been revoked while body or lock were waited for. ERR_AUTH: so it was, and that is
 * counted and logged.
 */
enum err auth_commit(struct call *call, commit_fn fn, void *arg, size_t weight) MUST_USE;

/* The same without waiting: answer is called with arg, by another thread or before auth_submit returns.
 * Of one update. The ticket must live until then; its four members are the caller's. */
struct auth_ticket {
	struct commit_ticket ticket; /* auth.c's */
	struct call *call;
	commit_fn fn;
	void *arg;
	void (*answer)(void *arg, enum err err);
};
void auth_submit(struct auth_ticket *ticket);

#endif
