/* verdict.c: the contract's table of refusals, and the order in which they are checked. */
#include "ws/verdict.h"

static const struct {
	const char *name;
	enum close_code code;
	int status;
	const char *reason;
} verdicts[VERDICT__MAX] = {
	[VERDICT_ADMIT] = { "admitted", CLOSE_NORMAL, 200, "" },
	[VERDICT_NO_TOKEN] = { "no-token", CLOSE_POLICY, 401, "Authentication required" },
	[VERDICT_BAD_TOKEN] = { "bad-token", CLOSE_POLICY, 401, "Invalid authentication" },
	[VERDICT_NO_SESSION] = { "no-session", CLOSE_POLICY, 404, "Session not found" },
	[VERDICT_FORBIDDEN] = { "forbidden", CLOSE_POLICY, 403,
	    "Not authorized to access this session" },
	[VERDICT_TOO_MANY] = { "too-many", CLOSE_POLICY, 429, "Too many connections" },
	[VERDICT_FULL] = { "full", CLOSE_TRY_LATER, 503, "Try again later" },
};

enum verdict
verdict_of(const struct facts *facts)
{
	if (!facts->has_token)
		return VERDICT_NO_TOKEN;
	if (facts->cause != TOKEN_OK || !facts->user_active)
		return VERDICT_BAD_TOKEN;
	if (!facts->session_exists)
		return VERDICT_NO_SESSION;
	if (!access_may_watch(facts->role, &facts->user, facts->has_patient, &facts->patient))
		return VERDICT_FORBIDDEN;
	if (facts->user_connections >= facts->user_connections_max)
		return VERDICT_TOO_MANY;
	if (facts->connections >= facts->connections_max)
		return VERDICT_FULL;
	return VERDICT_ADMIT;
}

enum close_code
verdict_code(enum verdict verdict)
{
	return verdicts[verdict].code;
}

const char *
verdict_reason(enum verdict verdict)
{
	return verdicts[verdict].reason;
}

int
verdict_status(enum verdict verdict)
{
	return verdicts[verdict].status;
}

const char *
verdict_name(enum verdict verdict)
{
	return verdicts[verdict].name;
}
