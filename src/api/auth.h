/* auth.h: from an Authorization header to who is asking, and what that one may do. */
#ifndef API_AUTH_H
#define API_AUTH_H

#include "api/app.h"
#include "api/reply.h"
#include "api/request.h"
#include "base/attr.h"
#include "model/access.h"
#include "store/account.h"

#include <stdbool.h>

struct principal {
	bool is_key;       /* a worker's or a backend's; else a user's token */
	enum scope scope;  /* of a key */
	struct id user;    /* of a token */
	enum role role;    /* the database's, unless it knows no such user and users = token */
	struct token_claims claims; /* of a token */
};

/*
 * Who is asking? False: the reply is made (401, or a failure of the database), and the cause is
 * counted and logged.
 */
bool auth_identify(struct worker *worker, const struct request *request, struct principal *out,
    struct reply *reply) MUST_USE;

/* May the principal report progress, administer, or read this session? False: the reply is 403. */
bool auth_may_report(const struct principal *principal, struct reply *reply) MUST_USE;
bool auth_may_administer(const struct principal *principal, struct reply *reply) MUST_USE;
bool auth_may_read(const struct principal *principal, const struct session *session,
    struct reply *reply) MUST_USE;

#endif
