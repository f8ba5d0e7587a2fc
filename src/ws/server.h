/*
 * server.h: the whole of a milepost-ws process: what its connections share. One per process, no
 * globals; main.c makes it and runs its loop.
 */
#ifndef WS_SERVER_H
#define WS_SERVER_H

#include "base/attr.h"
#include "base/config.h"
#include "base/err.h"
#include "bell/bell.h"
#include "store/store.h"
#include "token/token.h"
#include "wire/frame.h"
#include "ws/census.h"
#include "ws/conn.h"
#include "ws/feed.h"
#include "ws/listener.h"
#include "ws/roster.h"
#include "ws/stats.h"

#include <ev.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define SERVER_SCRATCH 16384 /* bytes read from a socket at a time */

struct server {
	struct ev_loop *loop;
	struct config *config;   /* owned; replaced by server_reload */
	struct token_keys *keys; /* likewise */
	struct token_rules rules; /* borrows from config */
	struct store *store;     /* owned */
	struct store *tickets;   /* owned; NULL until the first ticket comes */
	struct bell *bell;       /* owned */
	struct feed feed;
	struct roster sessions, users, addresses;
	struct census *census;   /* owned; NULL: users are counted in this process alone */
	ev_timer census_again;   /* runs while it can't be opened */
	struct stats stats;
	struct conn *conns;      /* all of them */
	struct conn *dirty;
	size_t conn_count;
	size_t open_count;       /* those in CONN_OPEN */
	size_t fd_max;
	uint32_t next_number;
	int64_t now_ms;          /* monotonic, read once per turn */
	struct {
		struct frame *frame; /* of the second at, for all whose turn it is */
		int64_t at;
	} heartbeats[TRANSPORT__MAX];
	struct listener listener;
	ev_prepare before_sleep;
	ev_check after_sleep;
	ev_idle again;           /* keeps the loop from sleeping while work is left */
	ev_timer stop_deadline;
	ev_timer drain;          /* closes some of them again and again, until drain_until_ms */
	int64_t drain_until_ms;
	bool stopping;
	uint8_t scratch[SERVER_SCRATCH];
};

/*
 * Makes a server on a listening, non-blocking socket, which it takes over, and with a configuration
 * and keys, which it owns from then on. On failure why gets one line, and nothing was taken.
 */
enum err server_new(struct config *config, struct token_keys *keys, int listen_fd,
    struct server **out, struct buf *why) MUST_USE;

/* Runs until stopped and every connection has ended. */
void server_run(struct server *server);

/* Planned stop: no new connections; the watchers are closed with 1012, spread over drain_time, so that
 * the clients don't all come back at once. Called again: those that are left are closed now. */
void server_stop(struct server *server);

/* Takes a new configuration and new keys; connections that the new keys no longer know are closed,
 * all others are reviewed. Sockets and database stay as they are. */
void server_reload(struct server *server, struct config *config, struct token_keys *keys);

/*
 * Opens the store's snapshot, unless it is open: all that is admitted or replayed in a turn sees one state
 * of the database, and a storm of handshakes pays for it once. The feed begins it anew, so it is never
 * older than what the watchers were told. It ends before the loop sleeps. ERR_ABSENT: the database's
 * file was removed, or another is in its place; other errors are the store's.
 */
enum err server_snapshot(struct server *server) MUST_USE;

/* Enters a connection's member under its user, or takes it out, here and for the other milepost-ws of
 * the database. ERR_NOMEM: it was not entered. */
enum err server_user_join(struct server *server, const struct id *user, struct member *member)
    MUST_USE;
void server_user_leave(struct server *server, struct member *member);

/* How many connections the user has in all milepost-ws of the database. */
size_t server_user_count(struct server *server, const struct id *user);

/* Frees it all and sets the pointer to NULL. */
void server_free(struct server **server);

/* The transport's heartbeat of this second, borrowed. NULL: no memory. */
struct frame *server_heartbeat(struct server *server, const struct transport *transport);

#endif
