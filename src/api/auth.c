/* auth.c: credentials. */
#include "api/auth.h"

#include "base/clock.h"
#include "base/log.h"
#include "store/key.h"

#include <string.h>

static void
refuse(struct worker *worker, enum app_counter counter, const char *cause, struct reply *reply)
{
	bool missing = counter == COUNT_AUTH_MISSING;

	app_count(worker->app, counter);
	log_warn("api.auth", LOG_STR("cause", cause));
	reply_header(reply, "WWW-Authenticate",
	    missing ? "Bearer" : "Bearer error=\"invalid_token\"");
	reply_problem(reply, 401, missing ? "Authentication required" : "Invalid authentication");
}

static void
fail(struct worker *worker, enum err err, struct reply *reply)
{
	reply_read_failure(reply, err, store_error(worker->store));
}

/* The prefix only spares tokens the look-up: what counts is the row. */
static bool
looks_like_key(struct text credential)
{
	return credential.len == KEY_TEXT_LEN &&
	    (memcmp(credential.s, "mpw_", 4) == 0 || memcmp(credential.s, "mpa_", 4) == 0);
}

static bool
identify_key(struct worker *worker, struct text credential, struct principal *out,
    struct reply *reply)
{
	struct key_row row;
	enum err err = store_key_find(worker->store, credential, &row);

	if (err == ERR_OK) {
		*out = (struct principal){ .is_key = true, .scope = row.scope };
		return true;
	}
	if (err == ERR_ABSENT)
		refuse(worker, COUNT_AUTH_KEY, "key", reply);
	else
		fail(worker, err, reply);
	return false;
}

static bool
identify_user(struct worker *worker, const struct token_claims *claims, struct principal *out,
    struct reply *reply)
{
	struct user user = { .role = ROLE_NONE };
	enum err err = store_user_find(worker->store, &claims->user, &user);
	enum role role;

	if (err != ERR_OK && err != ERR_ABSENT) {
		fail(worker, err, reply);
		return false;
	}
	role = access_role(err == ERR_OK, user.active, user.role,
	    worker->settings->config->users == USERS_TOKEN, claims->role);
	if (role == ROLE_NONE) {
		refuse(worker, COUNT_AUTH_USER, "user", reply);
		return false;
	}
	*out = (struct principal){ .user = claims->user, .role = role, .claims = *claims };
	return true;
}

bool
auth_identify(struct worker *worker, const struct request *request, struct principal *out,
    struct reply *reply)
{
	struct text credential = request->authorization;
	struct token_claims claims;
	enum token_cause cause;

	if (credential.len < 7 || !text_is_nocase((struct text){ credential.s, 7 }, "Bearer ")) {
		refuse(worker, COUNT_AUTH_MISSING, "missing", reply);
		return false;
	}
	credential = text_trim((struct text){ credential.s + 7, credential.len - 7 });
	if (looks_like_key(credential))
		return identify_key(worker, credential, out, reply);
	cause = token_verify(worker->settings->keys, &worker->settings->rules, credential,
	    clock_wall(), &claims);
	if (cause != TOKEN_OK) {
		refuse(worker, (enum app_counter)(COUNT_AUTH_TOKEN + (int)cause), token_cause_name(cause),
		    reply);
		return false;
	}
	return identify_user(worker, &claims, out, reply);
}

static bool
is_admin(const struct principal *principal)
{
	return principal->is_key ? principal->scope == SCOPE_ADMIN : principal->role == ROLE_ADMIN;
}

static bool
permit(bool permitted, const char *detail, struct reply *reply)
{
	if (!permitted) {
		log_warn("api.forbidden", LOG_STR("detail", detail));
		reply_problem(reply, 403, detail);
	}
	return permitted;
}

bool
auth_may_report(const struct principal *principal, struct reply *reply)
{
	return permit(principal->is_key || is_admin(principal),
	    "Only a worker's key or an admin may report progress", reply);
}

bool
auth_may_administer(const struct principal *principal, struct reply *reply)
{
	return permit(is_admin(principal), "Only an admin may do this", reply);
}

bool
auth_may_read(const struct principal *principal, const struct session *session, struct reply *reply)
{
	bool may = principal->is_key ? is_admin(principal) :
	    access_may_watch(principal->role, &principal->user, session->has_patient,
	        &session->patient);

	return permit(may, "Not authorized to access this session", reply);
}
