/* server.c: the loop, the listening socket, and what all connections share. */
#include "ws/server.h"

#include "base/clock.h"
#include "base/digest.h"
#include "base/fd.h"
#include "base/log.h"
#include "ws/broadcast.h"
#include "ws/watch.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define DRAIN_TURN_MS 50     /* between two batches of closes at a planned stop */
#define HEAD_AT_STOP_MS 1000 /* for the head of a request that is on its way then */
#define FD_MIN 64            /* to begin with at all */
#define FD_RESERVE 16        /* for the database, its WAL, the bell, the log */
#define CENSUS_AGAIN 1.0     /* seconds between tries to open the census */
#define STORE_BUSY_MS 100    /* readers wait for a writer only while the WAL is recovered */

struct frame *
server_heartbeat(struct server *server, const struct transport *transport)
{
	struct frame **frame = &server->heartbeats[transport->kind].frame;
	int64_t *at = &server->heartbeats[transport->kind].at, now = clock_wall();

	if (*frame != NULL && *at == now)
		return *frame;
	frame_drop(frame);
	*frame = transport->new_heartbeat(now);
	*at = now;
	return *frame;
}

/* --- the feed's sink --- */

static void
on_update(void *arg, const struct progress *progress)
{
	struct server *server = arg;
	struct broadcast b;

	stats_update(&server->stats, progress);
	broadcast_init(&b, progress);
	roster_each(&server->sessions, &progress->session, watch_update, &b);
	broadcast_fini(&b);
}

static void
on_authority(void *arg, enum authority_kind kind, const struct id *id)
{
	struct server *server = arg;

	switch (kind) {
	case AUTHORITY_USER:
		roster_each(&server->users, id, watch_review_user, NULL);
		break;
	case AUTHORITY_SESSION:
		roster_each(&server->sessions, id, watch_review_session, NULL);
		break;
	case AUTHORITY_KEY: /* workers' keys: no watcher has one */
		break;
	}
}

static void
review_all(struct server *server)
{
	for (struct conn *conn = server->conns; conn != NULL; conn = conn->next)
		watch_review(conn);
}

static void
on_authority_lost(void *arg)
{
	review_all(arg);
}

static void
on_feed_error(void *arg, enum err err)
{
	struct server *server = arg;

	server->stats.feed_errors++;
	log_error("ws.feed", LOG_STR("err", err_name(err)),
	    LOG_STR("error", store_error(server->store)));
}

/* --- users, in all processes --- */

static void
tell_census(struct server *server, const struct id *user)
{
	enum err err = ERR_OK;

	if (server->census != NULL)
		err = census_set(server->census, user, (uint32_t)roster_count(&server->users, user));
	if (err != ERR_OK)
		log_warn("ws.census", LOG_STR("err", err_name(err)));
}

/* Without it the server works all the same; only the limit per user counts in this process alone. It is
 * tried again, until a full disk has room, say. */
static void
open_census(struct server *server)
{
	struct buf why = BUF_INIT(4096);
	bool again = ev_is_active(&server->census_again);

	if (census_open(server->config->database, &server->census, &why) == ERR_OK) {
		ev_timer_stop(server->loop, &server->census_again);
		for (struct conn *conn = server->conns; conn != NULL; conn = conn->next)
			if (conn->by_user.group != NULL)
				tell_census(server, roster_id(&conn->by_user));
	} else if (!again) {
		log_warn("ws.census", LOG_TEXT("error", buf_view(&why)));
		ev_timer_again(server->loop, &server->census_again);
	}
	buf_fini(&why);
}

static void
on_census_again(struct ev_loop *loop, ev_timer *w, int revents)
{
	(void)loop;
	(void)revents;
	open_census(w->data);
}

enum err
server_user_join(struct server *server, const struct id *user, struct member *member)
{
	enum err err = roster_join(&server->users, user, member);

	if (err == ERR_OK)
		tell_census(server, user);
	return err;
}

void
server_user_leave(struct server *server, struct member *member)
{
	struct id user;

	if (member->group == NULL)
		return;
	user = *roster_id(member);
	roster_leave(&server->users, member);
	tell_census(server, &user);
}

size_t
server_user_count(struct server *server, const struct id *user)
{
	size_t count = roster_count(&server->users, user);

	if (server->census != NULL)
		count += census_elsewhere(server->census, user, server->now_ms);
	return count;
}

/* --- the database --- */

enum err
server_snapshot(struct server *server)
{
	if (store_in_snapshot(server->store))
		return ERR_OK;
	return store_is_moved(server->store) ? ERR_ABSENT : store_snapshot(server->store);
}

/* What is known of the old file means nothing in the new one: the watchers come back, and are told
 * where it stands. */
static void
begin_anew(struct server *server)
{
	log_warn("ws.database-replaced", LOG_INT("connections", server->conn_count));
	if (server->tickets != NULL)
		store_close(&server->tickets);
	if (server->census != NULL)
		census_close(&server->census);
	for (struct conn *conn = server->conns; conn != NULL; conn = conn->next)
		conn_close(conn, CLOSE_RESTART, "Service restart");
	open_census(server);
	feed_restart(&server->feed, server->store);
}

static void
on_moved(void *arg)
{
	struct server *server = arg;
	struct buf why = BUF_INIT(1024);
	bool renewed;
	enum err err = store_renew(&server->store, &renewed, &why);

	if (renewed) {
		begin_anew(server);
	} else if (err != ERR_OK && !server->feed.failing) {
		server->stats.feed_errors++;
		log_error("ws.feed", LOG_STR("err", err_name(err)), LOG_TEXT("error", buf_view(&why)));
		server->feed.failing = true;
	}
	buf_fini(&why);
}

/* --- connections --- */

static bool
has_room(void *arg)
{
	const struct server *server = arg;

	return server->conn_count + FD_RESERVE < server->fd_max;
}

static void
on_connection(void *arg, int fd)
{
	conn_new(arg, fd);
}

/* --- the turn --- */

static void
on_after_sleep(struct ev_loop *loop, ev_check *w, int revents)
{
	struct server *server = w->data;

	(void)loop;
	(void)revents;
	server->now_ms = clock_mono_ms();
}

static void
on_before_sleep(struct ev_loop *loop, ev_prepare *w, int revents)
{
	struct server *server = w->data;
	bool more;

	(void)revents;
	/* Not held while sockets are written to: writers begin the WAL anew only where nobody reads in it. */
	store_snapshot_end(server->store);
	more = conn_before_sleep(server);
	store_snapshot_end(server->store);
	stats_sent(&server->stats, clock_wall_us());
	if (more)
		ev_idle_start(loop, &server->again);
	else
		ev_idle_stop(loop, &server->again);
	if (server->stopping && server->conns == NULL)
		ev_break(loop, EVBREAK_ALL);
}

static void
on_again(struct ev_loop *loop, ev_idle *w, int revents)
{
	/* Its being active is all that it is for. */
	(void)loop;
	(void)w;
	(void)revents;
}

static void
on_drain(struct ev_loop *loop, ev_timer *w, int revents)
{
	struct server *server = w->data;
	int64_t turns = (server->drain_until_ms - server->now_ms) / DRAIN_TURN_MS + 1;
	size_t left = server->open_count;
	size_t count = turns > 1 ? (left + (size_t)turns - 1) / (size_t)turns : left;

	(void)loop;
	(void)revents;
	for (struct conn *conn = server->conns; conn != NULL && count > 0; conn = conn->next) {
		if (conn->state != CONN_OPEN)
			continue;
		conn_close(conn, CLOSE_RESTART, "Service restart");
		count--;
	}
}

static void
on_stop_deadline(struct ev_loop *loop, ev_timer *w, int revents)
{
	(void)w;
	(void)revents;
	ev_break(loop, EVBREAK_ALL);
}

/* --- life --- */

static void
use_config(struct server *server, struct config *config, struct token_keys *keys)
{
	server->config = config;
	server->keys = keys;
	server->rules = (struct token_rules){
		.issuer = config->jwt_issuer,
		.audience = config->jwt_audience,
		.leeway = config->jwt_leeway_ms / 1000,
	};
}

static void
start_watchers(struct server *server)
{
	ev_prepare_init(&server->before_sleep, on_before_sleep);
	server->before_sleep.data = server;
	ev_prepare_start(server->loop, &server->before_sleep);
	ev_check_init(&server->after_sleep, on_after_sleep);
	/* Before all else in the turn. */
	ev_set_priority(&server->after_sleep, EV_MAXPRI);
	server->after_sleep.data = server;
	ev_check_start(server->loop, &server->after_sleep);
	ev_idle_init(&server->again, on_again);
	ev_init(&server->stop_deadline, on_stop_deadline);
	ev_init(&server->drain, on_drain);
	server->drain.data = server;
}

static enum err
open_parts(struct server *server, struct buf *why)
{
	const struct feed_sink sink = { server, on_update, on_authority, on_authority_lost,
		on_feed_error, on_moved };
	uint64_t seeds[3];
	enum err err = digest_random(seeds, sizeof(seeds));

	if (err != ERR_OK) {
		buf_puts(why, "no random numbers");
		return err;
	}
	roster_init(&server->sessions, seeds[0]);
	roster_init(&server->users, seeds[1]);
	roster_init(&server->addresses, seeds[2]);
	err = store_open(server->config->database, STORE_READ, STORE_BUSY_MS, &server->store, why);
	if (err != ERR_OK)
		return err;
	err = bell_open(server->config->database, &server->bell);
	if (err != ERR_OK) {
		buf_printf(why, "%s-bell: %s", server->config->database, strerror(errno));
		return err;
	}
	open_census(server);
	err = feed_start(&server->feed, server->loop, server->store, server->bell,
	    server->config->poll_interval_ms, &sink);
	if (err != ERR_OK)
		buf_printf(why, "%s: %s", server->config->database, store_error(server->store));
	return err;
}

enum err
server_new(struct config *config, struct token_keys *keys, int listen_fd, struct server **out,
    struct buf *why)
{
	size_t fd_max = fd_raise_limit();
	struct server *server;
	enum err err;

	/* libev would abort with too few. */
	if (fd_max < FD_MIN) {
		buf_printf(why, "%zu open files are allowed, at least %d are needed", fd_max, FD_MIN);
		return ERR_LIMIT;
	}
	server = calloc(1, sizeof(*server));
	if (server == NULL || (server->loop = ev_loop_new(EVFLAG_AUTO)) == NULL) {
		free(server);
		buf_puts(why, "no memory");
		return ERR_NOMEM;
	}
	use_config(server, config, keys);
	server->listener = (struct listener){ .fd = -1, .arg = server, .has_room = has_room,
		.on_connection = on_connection };
	server->now_ms = clock_mono_ms();
	server->fd_max = fd_max;
	ev_timer_init(&server->census_again, on_census_again, 0, CENSUS_AGAIN);
	server->census_again.data = server;
	err = open_parts(server, why);
	if (err != ERR_OK) {
		/* What the caller gave stays the caller's. */
		server->config = NULL;
		server->keys = NULL;
		server_free(&server);
		return err;
	}
	start_watchers(server);
	listener_start(&server->listener, server->loop, listen_fd);
	*out = server;
	return ERR_OK;
}

void
server_run(struct server *server)
{
	ev_run(server->loop, 0);
}

/* Connections end by their own deadlines after they were closed; the last one is for those that just
 * began one. */
static void
start_draining(struct server *server, int64_t drain_ms)
{
	int64_t all_ms = drain_ms + server->config->close_timeout_ms + 1000;

	server->drain_until_ms = server->now_ms + drain_ms;
	ev_timer_set(&server->drain, 0, (double)DRAIN_TURN_MS / 1000);
	ev_timer_start(server->loop, &server->drain);
	ev_timer_set(&server->stop_deadline, (double)all_ms / 1000, 0);
	ev_timer_start(server->loop, &server->stop_deadline);
}

void
server_stop(struct server *server)
{
	if (server->stopping) {
		server->drain_until_ms = server->now_ms;
		return;
	}
	server->stopping = true;
	log_info("ws.stop", LOG_INT("connections", server->conn_count));
	listener_stop(&server->listener);
	/* Who was accepted a moment ago is served still: sent away by 1012, not by a connection that breaks. */
	for (struct conn *conn = server->conns; conn != NULL; conn = conn->next)
		if (conn->state == CONN_HEAD)
			conn_deadline(conn, HEAD_AT_STOP_MS);
	start_draining(server, server->config->drain_time_ms);
}

void
server_reload(struct server *server, struct config *config, struct token_keys *keys)
{
	char *configured = config->database;

	/* What is opened later, for tickets, say, is of the database that is open. */
	config->database = server->config->database;
	server->config->database = configured;
	config_free(&server->config);
	token_keys_free(&server->keys);
	use_config(server, config, keys);
	feed_set_poll(&server->feed, config->poll_interval_ms);
	review_all(server);
}

void
server_free(struct server **out)
{
	struct server *server = *out;

	*out = NULL;
	if (server == NULL)
		return;
	for (struct conn *conn = server->conns; conn != NULL; conn = conn->next)
		conn_lose(conn, "stopped");
	while (server->conns != NULL)
		conn_before_sleep(server);
	if (server->feed.loop != NULL)
		feed_stop(&server->feed);
	roster_fini(&server->sessions);
	roster_fini(&server->users);
	roster_fini(&server->addresses);
	for (size_t i = 0; i < countof(server->heartbeats); i++)
		frame_drop(&server->heartbeats[i].frame);
	if (server->census != NULL)
		census_close(&server->census);
	if (server->bell != NULL)
		bell_close(&server->bell);
	if (server->tickets != NULL)
		store_close(&server->tickets);
	if (server->store != NULL)
		store_close(&server->store);
	token_keys_free(&server->keys);
	config_free(&server->config);
	listener_stop(&server->listener);
	ev_loop_destroy(server->loop);
	free(server);
}
