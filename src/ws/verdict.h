/*
 * verdict.h: may this client watch this session? A pure function from facts to a verdict, for the
 * opening of a connection and again whenever authority changes while it is open.
 */
#ifndef WS_VERDICT_H
#define WS_VERDICT_H

#include "model/access.h"
#include "model/id.h"
#include "token/token.h"
#include "wire/frame.h"

#include <stdbool.h>
#include <stddef.h>

enum verdict {
	VERDICT_ADMIT,
	VERDICT_NO_TOKEN,
	VERDICT_BAD_TOKEN,
	VERDICT_NO_SESSION,
	VERDICT_FORBIDDEN,
	VERDICT_TOO_MANY,
	VERDICT_FULL,
	VERDICT__MAX
};

/* What was found out. Facts that a verdict does not reach need not be filled in. */
struct facts {
	bool has_token;
	enum token_cause cause;
	struct id user;
	bool user_active; /* the user exists and is active */
	enum role role;
	bool session_exists;
	bool has_patient;
	struct id patient;
	size_t user_connections, user_connections_max; /* without this one */
	size_t connections, connections_max;
};

/* In the order of the contract's table. */
enum verdict verdict_of(const struct facts *facts);

/* The close code and the reason, verbatim from the contract, and the status where the refusal is one of
 * HTTP; not for VERDICT_ADMIT. */
enum close_code verdict_code(enum verdict verdict);
const char *verdict_reason(enum verdict verdict);
int verdict_status(enum verdict verdict);

/* A word for logs and metrics. */
const char *verdict_name(enum verdict verdict);

#endif
