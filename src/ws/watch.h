/* watch.h: what an open WebSocket hears and says: updates, heartbeats, messages, its rights. */
#ifndef WS_WATCH_H
#define WS_WATCH_H

#include "ws/admission.h"
#include "ws/broadcast.h"
#include "ws/conn.h"

#include <stdbool.h>
#include <stdint.h>

/* The connection was admitted and its 101 is queued: joins the rosters, sends what there is, by the store's
 * snapshot that is open. */
void watch_begin(struct conn *conn, const struct admission *admission, bool has_since, int64_t since);

/* A roster_fn over a session's members: hands the update (arg: struct broadcast) to each. */
void watch_update(void *arg, struct member *by_session);

/* A roster_fn: checks anew whether the connection may go on. arg is not used. */
void watch_review_session(void *arg, struct member *by_session);
void watch_review_user(void *arg, struct member *by_user);
void watch_review(struct conn *conn);

/* The queue ran empty: goes on with a replay, if one is under way. */
void watch_drained(struct conn *conn);

/* So many frames were read, of which the event is the last. False: they are too many in a second, and the
 * connection is closed. */
bool watch_frames(struct conn *conn, enum reader_event event, uint32_t count);

/* A whole event of the client: a text message, ping, pong or close. */
void watch_event(struct conn *conn, enum reader_event event);

/* A heartbeat is due, or the token expires. */
void watch_deadline(struct conn *conn);

#endif
