/* auth.h: from an Authorization header to who is asking, and what that one may do. */
#ifndef API_AUTH_H
#define API_AUTH_H

#include "api/commit.h"
#include "base/attr.h"
#include "model/access.h"
#include "store/account.h"
#include "token/token.h"

#include <stdbool.h>

struct call;

struct principal {
	bool is_key;       /* a worker's or a backend's; else a user's token */
	int64_t key;       /* its row's number */
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

/* May the principal report progress, administer, or read this session? False: the reply is 403. */
bool auth_may_report(struct call *call) MUST_USE;
bool auth_may_administer(struct call *call) MUST_USE;
bool auth_may_read(struct call *call, const struct session *session) MUST_USE;

/*
 * commit_run for the principal: inside the transaction, before fn, it is looked up again, for the
 * credential may have been revoked while body or lock were waited for. ERR_AUTH: so it was.
 */
enum err auth_commit(struct call *call, commit_fn fn, void *arg, size_t weight) MUST_USE;

#endif
