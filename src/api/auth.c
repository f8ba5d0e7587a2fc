/* auth.c: credentials. */
#include "api/auth.h"

#include "api/route.h"
#include "base/clock.h"
#include "base/log.h"
#include "store/key.h"

#include <string.h>

static void
note(const struct call *call, enum app_counter counter, const char *cause)
{
	app_count(call->worker->app, counter);
	log_warn("api.auth", LOG_INT("request", call->number), LOG_STR("cause", cause));
}

static bool
refuse(struct call *call, enum app_counter counter, const char *cause)
{
	bool missing = counter == COUNT_AUTH_MISSING;

	note(call, counter, cause);
	reply_header(call->reply, "WWW-Authenticate",
	    missing ? "Bearer" : "Bearer error=\"invalid_token\"");
	reply_problem(call->reply, 401,
	    missing ? "Authentication required" : "Invalid authentication");
	return false;
}

static bool
fail(struct call *call, enum err err)
{
	route_read_failure(call, err);
	return false;
}

/* The prefix only spares tokens the look-up: what counts is the row. */
static bool
looks_like_key(struct text credential)
{
	return credential.len == KEY_TEXT_LEN &&
	    (memcmp(credential.s, "mpw_", 4) == 0 || memcmp(credential.s, "mpa_", 4) == 0);
}

/* Has a key been revoked that some thread remembers? Then this one forgets all of its own. */
static void
forget_the_revoked(struct worker *worker)
{
	unsigned now = atomic_load(&worker->app->revocations);

	if (worker->revocations == now)
		return;
	memo_clear(&worker->keys);
	worker->revocations = now;
}

static bool
identify_key(struct call *call, struct text credential)
{
	struct principal principal = { .is_key = true };
	struct worker *worker = call->worker;
	struct key_row row;
	enum err err = store_key_hash(credential, principal.key);

	if (err == ERR_OK)
		err = store_key_find(worker->store, principal.key, &row);
	if (err == ERR_ABSENT)
		return refuse(call, COUNT_AUTH_KEY, "key");
	if (err != ERR_OK)
		return fail(call, err);
	principal.scope = row.scope;
	memo_put(&worker->keys, principal.key, row.scope);
	call->principal = principal;
	return true;
}

/* The role that the token's user has by the store; ROLE_NONE: none. */
static enum err
find_role(const struct call *call, struct store *store, const struct token_claims *claims,
    enum role *out)
{
	struct user user = { .role = ROLE_NONE };
	enum err err = store_user_find(store, &claims->user, &user);

	if (err != ERR_OK && err != ERR_ABSENT)
		return err;
	*out = access_role(err == ERR_OK, user.active, user.role,
	    call->settings->config->users == USERS_TOKEN, claims->role);
	return ERR_OK;
}

static bool
identify_user(struct call *call, const struct token_claims *claims)
{
	enum role role;
	enum err err = find_role(call, call->worker->store, claims, &role);

	if (err != ERR_OK)
		return fail(call, err);
	if (role == ROLE_NONE)
		return refuse(call, COUNT_AUTH_USER, "user");
	call->principal =
	    (struct principal){ .user = claims->user, .role = role, .claims = *claims };
	return true;
}

/* What stands behind "Bearer "; absent if nothing of the kind was sent. */
static struct text
credential_of(const struct call *call)
{
	struct text credential = call->request->authorization;

	if (credential.len < 7 || !text_is_nocase((struct text){ credential.s, 7 }, "Bearer "))
		return (struct text){ NULL, 0 };
	return text_trim((struct text){ credential.s + 7, credential.len - 7 });
}

bool
auth_identify(struct call *call)
{
	const struct settings *settings = call->settings;
	struct text credential = credential_of(call);
	struct token_claims claims;
	enum token_cause cause;

	if (credential.s == NULL)
		return refuse(call, COUNT_AUTH_MISSING, "missing");
	if (looks_like_key(credential))
		return identify_key(call, credential);
	cause = token_verify(settings->keys, &settings->rules, credential, clock_wall(), &claims);
	if (cause != TOKEN_OK)
		return refuse(call, (enum app_counter)(COUNT_AUTH_TOKEN + (int)cause),
		    token_cause_name(cause));
	return identify_user(call, &claims);
}

/* Is the credential a key that this thread met before? */
static bool
recall_key(struct call *call)
{
	struct principal principal = { .is_key = true };
	struct text credential = credential_of(call);
	struct worker *worker = call->worker;

	forget_the_revoked(worker);
	if (!looks_like_key(credential) || store_key_hash(credential, principal.key) != ERR_OK ||
	    !memo_find(&worker->keys, principal.key, &principal.scope))
		return false;
	call->principal = principal;
	return true;
}

bool
auth_presume(struct call *call)
{
	if (recall_key(call))
		return true;
	if (worker_renew(call->worker) == ERR_OK)
		return auth_identify(call);
	return fail(call, ERR_BUSY);
}

static bool
is_admin(const struct principal *principal)
{
	return principal->is_key ? principal->scope == SCOPE_ADMIN : principal->role == ROLE_ADMIN;
}

static bool
permit(struct call *call, bool permitted, const char *detail)
{
	if (!permitted) {
		log_warn("api.forbidden", LOG_INT("request", call->number), LOG_STR("detail", detail));
		reply_problem(call->reply, 403, detail);
	}
	return permitted;
}

bool
auth_may_report(struct call *call)
{
	return permit(call, call->principal.is_key || is_admin(&call->principal),
	    "Only a worker's key or an admin may report progress");
}

bool
auth_may_administer(struct call *call)
{
	return permit(call, is_admin(&call->principal), "Only an admin may do this");
}

bool
auth_may_read(struct call *call, const struct session *session)
{
	const struct principal *principal = &call->principal;
	bool may = principal->is_key ? is_admin(principal) :
	    access_may_watch(principal->role, &principal->user, session->has_patient,
	        &session->patient);

	return permit(call, may, "Not authorized to access this session");
}

bool
auth_may_list(struct call *call, const struct id **patient)
{
	const struct principal *principal = &call->principal;

	*patient = NULL;
	if (!principal->is_key && !access_may_watch_any(principal->role))
		*patient = &principal->user;
	return permit(call, !principal->is_key || is_admin(principal),
	    "A worker's key may not list sessions");
}

/* Is the principal still who it was? */
static enum err
look_again(const struct call *call, struct store *store)
{
	const struct principal *principal = &call->principal;
	struct key_row row;
	enum role role;
	enum err err;

	if (principal->is_key) {
		err = store_key_find(store, principal->key, &row);
		if (err == ERR_ABSENT || (err == ERR_OK && row.scope != principal->scope))
			return ERR_AUTH;
		return err;
	}
	err = find_role(call, store, &principal->claims, &role);
	return err == ERR_OK && role != principal->role ? ERR_AUTH : err;
}

/* A commit_fn: the request's own, behind a look at who asks. */
static enum err
run_guarded(void *arg, struct store *store)
{
	struct auth_ticket *ticket = arg;
	enum err err = look_again(ticket->call, store);

	return err == ERR_OK ? ticket->fn(ticket->arg, store) : err;
}

/* Counts and logs a credential that was revoked meanwhile, and has all threads forget it. */
static void
note_revoked(const struct call *call)
{
	if (call->principal.is_key)
		atomic_fetch_add(&call->worker->app->revocations, 1);
	note(call, call->principal.is_key ? COUNT_AUTH_KEY : COUNT_AUTH_USER,
	    call->principal.is_key ? "key" : "user");
}

enum err
auth_commit(struct call *call, commit_fn fn, void *arg, size_t weight)
{
	struct auth_ticket ticket = { .call = call, .fn = fn, .arg = arg };
	enum err err = commit_run(call->worker->app->commit, run_guarded, &ticket, weight);

	if (err == ERR_AUTH)
		note_revoked(call);
	return err;
}

static void
on_answer(struct commit_ticket *ticket)
{
	struct auth_ticket *own = (struct auth_ticket *)(void *)ticket; /* its first member */

	if (ticket->err == ERR_AUTH)
		note_revoked(own->call);
	own->answer(own->arg, ticket->err);
}

void
auth_submit(struct auth_ticket *ticket)
{
	ticket->ticket = (struct commit_ticket){ .fn = run_guarded, .arg = ticket, .weight = 1,
		.answer = on_answer };
	commit_submit(ticket->call->worker->app->commit, &ticket->ticket);
}
