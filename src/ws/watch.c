/* watch.c: an open connection: first what there is, then every update, heartbeats between, its end. */
#include "ws/watch.h"

#include "base/clock.h"
#include "base/log.h"
#include "store/event.h"
#include "ws/server.h"

#include <stddef.h>
#include <sys/socket.h>

#define REPLAY_BATCH 64u /* rows: some 20 KB, well below the socket's buffer */
#define SECONDS_MAX 86400 /* a deadline further off is looked at again then */

#define CONN_OF(member, name) ((struct conn *)(void *)((char *)(member) - offsetof(struct conn, name)))

static void
close_internal(struct conn *conn)
{
	log_error("ws.database", LOG_INT("conn", conn->number),
	    LOG_STR("error", store_error(conn->server->store)));
	conn_close(conn, CLOSE_INTERNAL, "Internal server error");
}

static void
close_by_verdict(struct conn *conn, enum verdict verdict)
{
	conn_close(conn, verdict_code(verdict), verdict_reason(verdict));
}

static void
close_if_ended(struct conn *conn, enum outcome outcome)
{
	if (outcome == OUTCOME_PROCESSED)
		conn_close(conn, CLOSE_NORMAL, "Processing complete");
	else if (outcome == OUTCOME_FAILED)
		conn_close(conn, CLOSE_NORMAL, "Processing failed");
}

static int64_t
heartbeat_interval(const struct conn *conn)
{
	return conn->server->config->heartbeat_interval_ms / conn->transport->beats;
}

/* Until the next heartbeat or the token's end, whichever comes first. */
static void
arm_deadline(struct conn *conn)
{
	int64_t seconds = conn->expires - clock_wall();
	int64_t ms = conn->heartbeat_ms - conn->server->now_ms;

	if (seconds < SECONDS_MAX && seconds * 1000 < ms)
		ms = seconds * 1000;
	conn_deadline(conn, ms);
}

/* The token's end, leeway included, without overflow; or the key's, which knows no leeway. */
static int64_t
end_of(const struct conn *conn, const struct token_claims *claims)
{
	int64_t leeway = conn->server->rules.leeway;
	int64_t end = claims->expires > INT64_MAX - leeway ? INT64_MAX : claims->expires + leeway;
	int64_t key_end = token_keys_end(conn->server->keys, claims->key);

	return key_end < end ? key_end : end;
}

static void
take_claims(struct conn *conn, const struct token_claims *claims)
{
	conn->expires = end_of(conn, claims);
	conn->key = claims->key;
	conn->claimed = (uint8_t)claims->role;
}

/* --- what there is: the newest update, or all since a revision --- */

static void
send_update(struct conn *conn, struct broadcast *b, bool replaceable)
{
	conn->server->stats.frames++;
	conn->revision = b->progress->revision;
	conn_send(conn, broadcast_frame(b, (enum encoding)conn->encoding), replaceable);
}

static bool
on_replay_row(void *arg, const struct progress *progress)
{
	struct conn *conn = arg;
	struct broadcast b;

	broadcast_init(&b, progress);
	send_update(conn, &b, false);
	broadcast_fini(&b);
	/* These frames are nobody else's: the queue's limit is theirs too. watch_drained goes on. */
	return conn->state == CONN_OPEN &&
	    outq_cost(&conn->out) < (size_t)conn->server->config->send_queue_max;
}

/* Where a replay begins: behind this revision. */
static int64_t
replay_from(const struct server *server, const struct progress *newest, int64_t since)
{
	if (since == 0)
		return newest->run - 1;
	/* A revision that was never given out is of another database (one restored from a backup,
	 * say): the client knows nothing of this one's. */
	if (since > newest->revision && since > server->feed.revision)
		return newest->revision - 1;
	return since;
}

enum err
watch_is_over(struct server *server, int64_t session, int64_t since, bool *over)
{
	struct progress newest;
	enum err err = store_event_newest(server->store, session, &newest);

	*over = err == ERR_OK && newest.outcome != OUTCOME_RUNNING &&
	    replay_from(server, &newest, since) >= newest.revision;
	return err == ERR_ABSENT ? ERR_OK : err;
}

/* The replay has come to the end of what is kept: if that is the end of the run, so it is ours. */
static void
end_replay(struct conn *conn)
{
	struct progress newest;
	enum err err = store_event_newest(conn->server->store, conn->session, &newest);

	conn->replaying = false;
	if (err == ERR_OK && newest.revision <= conn->revision)
		close_if_ended(conn, newest.outcome);
	else if (err != ERR_OK && err != ERR_ABSENT)
		close_internal(conn);
}

static void
replay(struct conn *conn)
{
	int64_t before = conn->revision;
	enum err err = store_event_of_session(conn->server->store, conn->session, before, REPLAY_BATCH,
	    on_replay_row, conn);

	if (err != ERR_OK)
		close_internal(conn);
	else if (conn->state == CONN_OPEN && conn->revision == before)
		end_replay(conn);
}

/* A replay reads ahead of the feed, which tells of rights that ended: so these are looked at too, in the
 * same state of the database. */
void
watch_drained(struct conn *conn)
{
	enum err err = server_snapshot(conn->server);

	/* The rest may be in the file that is put there, as for all others (server.c, begin_anew). */
	if (err == ERR_ABSENT)
		conn_close(conn, CLOSE_RESTART, "Service restart");
	else if (err != ERR_OK)
		close_internal(conn);
	else
		watch_review(conn);
	if (conn->state == CONN_OPEN)
		replay(conn);
}

static void
send_first(struct conn *conn, bool has_since, int64_t since)
{
	struct progress newest;
	struct broadcast b;
	enum err err = store_event_newest(conn->server->store, conn->session, &newest);

	if (err == ERR_ABSENT)
		return;
	if (err != ERR_OK) {
		close_internal(conn);
		return;
	}
	if (has_since) {
		conn->revision = replay_from(conn->server, &newest, since);
		conn->replaying = true;
		replay(conn);
		return;
	}
	broadcast_init(&b, &newest);
	send_update(conn, &b, true);
	broadcast_fini(&b);
	close_if_ended(conn, newest.outcome);
}

void
watch_begin(struct conn *conn, const struct admission *admission, bool has_since, int64_t since)
{
	struct server *server = conn->server;

	if (server_user_join(server, &admission->facts.user, &conn->by_user) != ERR_OK ||
	    roster_join(&server->sessions, &admission->session.id, &conn->by_session) != ERR_OK) {
		conn_close(conn, CLOSE_INTERNAL, "Internal server error");
		return;
	}
	/* Asked again now that this one is told: of two processes that admit at once, one sees both. */
	if (server_user_count(server, &admission->facts.user) >
	    admission->facts.user_connections_max) {
		close_by_verdict(conn, VERDICT_TOO_MANY);
		return;
	}
	conn->session = admission->session.number;
	take_claims(conn, &admission->claims);
	conn->opened = (uint32_t)(server->now_ms / 1000);
	conn->heartbeat_ms = server->now_ms + heartbeat_interval(conn);
	arm_deadline(conn);
	send_first(conn, has_since, since);
}

/* --- updates as they come --- */

/* A watcher who can't keep up is given the newest update instead of those it missed. That it can't is
 * not known before the socket was asked: a burst may come within one turn. */
static void
make_way(struct conn *conn, const struct frame *frame)
{
	size_t max = (size_t)conn->server->config->send_queue_max;

	if (!conn->behind && outq_cost(&conn->out) + frame->len <= max)
		return;
	if ((conn->io.events & EV_WRITE) == 0)
		conn_flush(conn);
	if (conn->state != CONN_OPEN || (!conn->behind && outq_cost(&conn->out) + frame->len <= max))
		return;
	conn->behind = true;
	conn->server->stats.conflated += outq_conflate(&conn->out);
}

void
watch_update(void *arg, struct member *by_session)
{
	struct broadcast *b = arg;
	struct conn *conn = CONN_OF(by_session, by_session);
	const struct frame *frame;

	/* A replay will find it in the database. */
	if (conn->replaying || b->progress->revision <= conn->revision)
		return;
	frame = broadcast_frame(b, (enum encoding)conn->encoding);
	if (frame != NULL)
		make_way(conn, frame);
	if (conn->state != CONN_OPEN)
		return;
	send_update(conn, b, true);
	close_if_ended(conn, b->progress->outcome);
}

/* --- rights --- */

static bool
same_session(const struct conn *conn, const struct admission *admission)
{
	/* Deleted and made anew under the same id is another session. */
	return admission->facts.session_exists && admission->session.number == conn->session;
}

/* A reload may have given the key an end, or an earlier one. */
static void
end_with_key(struct conn *conn)
{
	int64_t end = token_keys_end(conn->server->keys, conn->key);

	if (end >= conn->expires)
		return;
	conn->expires = end;
	arm_deadline(conn);
}

void
watch_review(struct conn *conn)
{
	struct server *server = conn->server;
	struct admission admission;

	if (conn->state != CONN_OPEN)
		return;
	if (admission_of_member(server, roster_id(&conn->by_user), (enum role)conn->claimed,
	        roster_id(&conn->by_session), &admission) != ERR_OK) {
		/* Without knowing its rights it may not go on; the client will come back. */
		close_internal(conn);
		return;
	}
	admission.facts.session_exists = same_session(conn, &admission);
	if (!token_keys_know(server->keys, conn->key))
		admission.facts.cause = TOKEN_SIGNATURE;
	if (verdict_of(&admission.facts) != VERDICT_ADMIT)
		close_by_verdict(conn, verdict_of(&admission.facts));
	else
		end_with_key(conn);
}

void
watch_review_session(void *arg, struct member *by_session)
{
	(void)arg;
	watch_review(CONN_OF(by_session, by_session));
}

void
watch_review_user(void *arg, struct member *by_user)
{
	(void)arg;
	watch_review(CONN_OF(by_user, by_user));
}

void
watch_refresh(struct conn *conn, struct text token)
{
	struct server *server = conn->server;
	struct token_claims claims;
	enum token_cause cause = token_verify(server->keys, &server->rules, token, clock_wall(),
	    &claims);
	bool same_user = cause == TOKEN_OK && id_equal(&claims.user, roster_id(&conn->by_user));

	if (!same_user) {
		server->stats.auth_failures[cause]++;
		log_warn("ws.refresh-refused", LOG_INT("conn", conn->number),
		    LOG_STR("cause", cause != TOKEN_OK ? token_cause_name(cause) : "user"));
		return;
	}
	take_claims(conn, &claims);
	log_info("ws.refresh", LOG_INT("conn", conn->number));
	watch_review(conn);
	if (conn->state == CONN_OPEN)
		arm_deadline(conn);
}

/* --- heartbeats and expiry --- */

/* While this process stood still (stopped, or its machine asleep) it heard nobody: that is not the client's
 * silence. */
static void
forgive(struct conn *conn, int64_t late_ms)
{
	int64_t now = conn->server->now_ms;

	conn->heard_ms = conn->heard_ms + late_ms < now ? conn->heard_ms + late_ms : now;
}

/* How many bytes may wait for one who is still sent a heartbeat: who does not even take this much gets no
 * more of it. One that is not answered only fills a silence, which there is not where anything waits. */
static size_t
heartbeat_room(const struct conn *conn)
{
	return conn->transport->answers ? (size_t)conn->server->config->send_queue_max : 0;
}

/* Its last words may lie unread: the loop looks at deadlines and at sockets in the order that it likes. */
static bool
has_spoken(const struct conn *conn)
{
	char byte;

	return (conn->io.events & EV_READ) != 0 &&
	    recv(conn->io.fd, &byte, sizeof(byte), MSG_PEEK | MSG_DONTWAIT) > 0;
}

static void
heartbeat(struct conn *conn)
{
	struct server *server = conn->server;
	int64_t interval = heartbeat_interval(conn);
	/* Timers are rounded to milliseconds, the two intervals must not become three by that. */
	int64_t silence_max = 2 * interval - interval / 16;

	forgive(conn, server->now_ms - conn->heartbeat_ms);
	if (conn->transport->answers && server->now_ms - conn->heard_ms >= silence_max &&
	    !has_spoken(conn)) {
		conn_lose(conn, "the client was silent for two heartbeats");
		return;
	}
	conn->heartbeat_ms += interval;
	if (conn->heartbeat_ms <= server->now_ms) /* the process was stopped for a while */
		conn->heartbeat_ms = server->now_ms + interval;
	if (outq_cost(&conn->out) <= heartbeat_room(conn))
		conn_send(conn, server_heartbeat(server, conn->transport), false);
}

void
watch_deadline(struct conn *conn)
{
	int64_t now = clock_wall();

	if (now >= conn->expires) {
		bool by_key = now >= token_keys_end(conn->server->keys, conn->key);

		conn->server->stats.auth_failures[by_key ? TOKEN_KEY_EXPIRED : TOKEN_EXPIRED]++;
		close_by_verdict(conn, VERDICT_BAD_TOKEN);
		return;
	}
	if (conn->server->now_ms >= conn->heartbeat_ms)
		heartbeat(conn);
	if (conn->state == CONN_OPEN)
		arm_deadline(conn);
}
