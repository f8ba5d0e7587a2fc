/* admission.c: asks the token, the database and the rosters what the verdict needs to know. */
#include "ws/admission.h"

#include "base/clock.h"
#include "ws/server.h"

/* Fills in user, role and user_active. */
static enum err
find_user(struct server *server, const struct id *id, enum role claimed, struct facts *facts)
{
	struct user user = { .role = ROLE_NONE };
	enum err err = store_user_find(server->store, id, &user);

	if (err != ERR_OK && err != ERR_ABSENT)
		return err;
	facts->user = *id;
	facts->role = access_role(err == ERR_OK, user.active, user.role,
	    server->config->users == USERS_TOKEN, claimed);
	facts->user_active = facts->role != ROLE_NONE;
	return ERR_OK;
}

static enum err
find_session(struct server *server, const struct id *id, struct admission *out)
{
	enum err err = store_session_find(server->store, id, &out->session);

	if (err == ERR_ABSENT)
		return ERR_OK;
	if (err != ERR_OK)
		return err;
	out->facts.session_exists = true;
	out->facts.has_patient = out->session.has_patient;
	out->facts.patient = out->session.patient;
	return ERR_OK;
}

/* User and session of one state of the database. */
static enum err
find_both(struct server *server, const struct id *user, enum role claimed, const struct id *session,
    struct admission *out)
{
	enum err err = find_user(server, user, claimed, &out->facts);

	/* Whoever may not come in learns nothing about sessions, not even by the time it takes. */
	if (err != ERR_OK || !out->facts.user_active || session == NULL)
		return err;
	return find_session(server, session, out);
}

enum err
admission_of_request(struct server *server, struct text token, struct text session,
    struct admission *out)
{
	struct id session_id;
	bool is_id = id_parse(session, &session_id) == ERR_OK;
	enum err err;

	*out = (struct admission){ .facts.cause = TOKEN_MALFORMED };
	out->facts.has_token = token.s != NULL;
	if (!out->facts.has_token)
		return ERR_OK;
	out->facts.cause = token_verify(server->keys, &server->rules, token, clock_wall(),
	    &out->claims);
	if (out->facts.cause != TOKEN_OK)
		return ERR_OK;
	out->facts.user_connections = roster_count(&server->users, &out->claims.user);
	out->facts.user_connections_max = (size_t)server->config->max_connections_per_user;
	out->facts.connections = server->open_count;
	out->facts.connections_max = (size_t)server->config->max_connections;
	err = store_snapshot(server->store);
	if (err != ERR_OK)
		return err;
	err = find_both(server, &out->claims.user, out->claims.role, is_id ? &session_id : NULL,
	    out);
	store_snapshot_end(server->store);
	return err;
}

enum err
admission_of_member(struct server *server, const struct id *user, enum role claimed,
    const struct id *session, struct admission *out)
{
	*out = (struct admission){ .facts.cause = TOKEN_OK, .facts.has_token = true };
	out->facts.user_connections_max = 1;
	out->facts.connections_max = 1;
	return find_both(server, user, claimed, session, out);
}
