/* admission.c: asks the token, the database and the rosters what the verdict needs to know. */
#include "ws/admission.h"

#include "base/clock.h"
#include "base/log.h"
#include "store/ticket.h"
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

/* The connection to take tickets with: opened when the first one comes. It never waits: it is the loop
 * that would. */
static enum err
open_tickets(struct server *server)
{
	struct buf why = BUF_INIT(512);
	enum err err = ERR_OK;

	if (server->tickets == NULL)
		err = store_open(server->config->database, STORE_LIGHT, 0, &server->tickets, &why);
	if (err != ERR_OK)
		log_error("ws.tickets", LOG_TEXT("error", buf_view(&why)));
	buf_fini(&why);
	return err;
}

/* What the token would say that the ticket was given out for. */
static enum token_cause
judge_ticket(const struct server *server, const struct ticket_row *row, int64_t now)
{
	int64_t key_end = token_keys_end(server->keys, row->key);

	if (key_end == 0)
		return TOKEN_SIGNATURE;
	if (now >= key_end)
		return TOKEN_KEY_EXPIRED;
	return now >= row->token_expires + server->rules.leeway ? TOKEN_EXPIRED : TOKEN_OK;
}

static enum err
use_ticket(struct server *server, struct text ticket, struct admission *out)
{
	struct ticket_row row;
	int64_t now = clock_wall();
	enum err err = open_tickets(server);

	if (err != ERR_OK) {
		out->why = "it can't be opened for tickets";
		return err == ERR_BUSY ? ERR_AGAIN : ERR_SYSTEM; /* absent is the file, not the ticket */
	}
	err = store_ticket_take(server->tickets, ticket, now, &row);
	out->why = store_error(server->tickets);
	if (err == ERR_BUSY)
		return ERR_AGAIN;
	if (err == ERR_ABSENT) {
		out->facts.cause = TOKEN_TICKET;
		return ERR_OK;
	}
	if (err == ERR_OK) {
		out->facts.cause = judge_ticket(server, &row, now);
		out->claims = (struct token_claims){ .user = row.user, .role = row.role,
			.key = row.key, .expires = row.token_expires };
	}
	return err;
}

/* Fills in has_token, cause and claims. */
static enum err
authenticate(struct server *server, const struct request *request, struct admission *out)
{
	out->facts.has_token = request->ticket.s != NULL || request->token.s != NULL;
	if (request->ticket.s != NULL)
		return use_ticket(server, request->ticket, out);
	if (request->token.s != NULL)
		out->facts.cause = token_verify(server->keys, &server->rules, request->token,
		    clock_wall(), &out->claims);
	return ERR_OK;
}

enum err
admission_of_request(struct server *server, const struct request *request, struct admission *out)
{
	struct id session_id;
	bool is_id = id_parse(request->session, &session_id) == ERR_OK;
	enum err err;

	*out = (struct admission){ .facts.cause = TOKEN_MALFORMED };
	err = server_snapshot(server);
	out->why = err == ERR_ABSENT ? "it was removed" : store_error(server->store);
	if (err == ERR_OK)
		err = authenticate(server, request, out);
	if (err != ERR_OK || out->facts.cause != TOKEN_OK)
		return err;
	out->facts.user_connections = server_user_count(server, &out->claims.user);
	out->facts.user_connections_max = (size_t)server->config->max_connections_per_user;
	out->facts.connections = server->open_count;
	out->facts.connections_max = (size_t)server->config->max_connections;
	out->why = store_error(server->store);
	return find_both(server, &out->claims.user, out->claims.role, is_id ? &session_id : NULL,
	    out);
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
