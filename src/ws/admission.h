/*
 * admission.h: gathers the facts that a verdict needs, from the token, the database and the rosters.
 */
#ifndef WS_ADMISSION_H
#define WS_ADMISSION_H

#include "base/attr.h"
#include "base/err.h"
#include "base/text.h"
#include "store/account.h"
#include "token/token.h"
#include "ws/request.h"
#include "ws/verdict.h"

struct server;

struct admission {
	struct facts facts;
	struct token_claims claims; /* if facts.cause is TOKEN_OK */
	struct session session;     /* if facts.session_exists */
	const char *why;            /* on an error: what the database said; valid until its next call */
};

/* Of a new connection: session is the path's text. Errors are the store's: no verdict is possible
 * then. ERR_AGAIN: the ticket can't be taken while another process writes, but perhaps in a moment.
 * It is of the turn's snapshot, and so is what the client is shown first: of the state in which it had the
 * right to see it. */
enum err admission_of_request(struct server *server, const struct request *request,
    struct admission *out) MUST_USE;

/* Of an open connection's user, session and claimed role, as they are now. Limits are left out: who
 * is in stays in. */
enum err admission_of_member(struct server *server, const struct id *user, enum role claimed,
    const struct id *session, struct admission *out) MUST_USE;

#endif
