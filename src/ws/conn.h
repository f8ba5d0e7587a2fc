/*
 * conn.h: one client's connection: its states, its reading and writing, its one way out.
 *
 *     HEAD ──▶ ANSWERING ────────────┐    an HTTP answer is on its way, then the end
 *       │                            ▼
 *       └────▶ OPEN ──▶ CLOSING ──▶ DEAD   freed before the loop sleeps
 *
 * conn.c moves bytes and states; opening.c handles the head of the request, watch.c what there is to
 * tell, and a transport (transport.h) how. These share the struct; nobody else looks inside.
 */
#ifndef WS_CONN_H
#define WS_CONN_H

#include "base/attr.h"
#include "base/err.h"
#include "base/text.h"
#include "model/access.h"
#include "wire/frame.h"
#include "wire/reader.h"
#include "ws/outq.h"
#include "ws/roster.h"
#include "ws/transport.h"

#include <ev.h>
#include <stdbool.h>
#include <stdint.h>

struct server;
struct head; /* of opening.c: the request's head as far as it came */

enum conn_state { CONN_HEAD, CONN_ANSWERING, CONN_OPEN, CONN_CLOSING, CONN_DEAD };

struct conn {
	struct server *server;
	struct conn *prev, *next; /* all connections */
	struct conn *next_dirty;  /* those with something to do before the loop sleeps */
	ev_io io;
	ev_timer timer; /* the next deadline of the state */
	const struct transport *transport; /* once the request was read, if it is one to watch */
	struct outq out;
	struct reader reader;
	struct head *head;        /* owned; NULL once the head is read */
	struct member by_session; /* in a roster while OPEN */
	struct member by_user;
	struct group *by_address; /* counted there as long as it lives, once its address is known */
	int64_t session;      /* the session's row */
	int64_t revision;     /* the newest update that this client was given */
	int64_t expires;      /* of the token, seconds since 1970 */
	uint64_t key;         /* that verified the token */
	int64_t heard_ms;     /* when the client last sent anything, by the server's monotonic clock */
	int64_t heartbeat_ms; /* when the next heartbeat is due */
	uint32_t number;      /* for logs */
	uint32_t opened;      /* by the same clock, in seconds: likewise */
	uint16_t second;      /* the last digits of that of the frames counted below */
	uint16_t frames;      /* that the client sent in it */
	uint8_t state;        /* enum conn_state */
	uint8_t claimed;      /* enum role: what the token says */
	uint8_t encoding;     /* enum encoding: of its updates */
	bool replaying : 1;   /* older updates are still being read from the database */
	bool behind : 1;      /* the queue overflowed: only the newest update is kept */
	bool dirty : 1;
	bool deaf : 1;        /* what the client sends is thrown away */
	bool finished : 1;    /* both close frames are out, or none is awaited: say no more */
};

/* Takes the accepted descriptor; without memory it is closed at once. */
void conn_new(struct server *server, int fd);

/* Queues a frame (with a reference of its own), to be written before the loop sleeps. Without memory
 * the connection ends. Replaceable: see outq.h. */
void conn_send(struct conn *conn, struct frame *frame, bool replaceable);

/* Hands bytes of the client to the transport, unless nothing is to be heard any more. */
void conn_hear(struct conn *conn, uint8_t *data, size_t len);

/* Writes what is queued, as far as the socket takes it. The connection may be dead afterwards. */
void conn_flush(struct conn *conn);

/* Has conn_before_sleep look at it. */
void conn_mark(struct conn *conn);

/* Moves to a state and applies what it means: rosters, deadline. */
void conn_enter(struct conn *conn, enum conn_state state);

/* Sends the transport's last words and waits, for close_timeout at most, for the client's. */
void conn_close(struct conn *conn, enum close_code code, const char *reason);

/* The client ended it, and this was its code (CLOSE_NO_CODE: none): counts and logs that. */
void conn_left(struct conn *conn, unsigned code);

/* Ends it without a word; what for is logged as an unexpected end. */
void conn_lose(struct conn *conn, const char *why);

/* Sets the deadline, in milliseconds from now. */
void conn_deadline(struct conn *conn, int64_t ms);

/* Before the loop sleeps: writes what is queued everywhere and frees the dead. Returns whether some
 * connection wants another turn at once. */
bool conn_before_sleep(struct server *server);

#endif
