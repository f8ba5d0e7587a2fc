/* watch.h: what an open connection is told, by whatever transport: updates, heartbeats; its rights. */
#ifndef WS_WATCH_H
#define WS_WATCH_H

#include "ws/admission.h"
#include "ws/broadcast.h"
#include "ws/conn.h"

#include <stdbool.h>
#include <stdint.h>

/* Is there nothing to tell to one who has all up to since? So it is where the session's run has ended.
 * Errors are the store's. */
enum err watch_is_over(struct server *server, int64_t session, int64_t since, bool *over) MUST_USE;

/* The connection was admitted and accepted: joins the rosters, sends what there is, by the turn's
 * snapshot. */
void watch_begin(struct conn *conn, const struct admission *admission, bool has_since, int64_t since);

/* A roster_fn over a session's members: hands the update (arg: struct broadcast) to each. */
void watch_update(void *arg, struct member *by_session);

/* A roster_fn: checks anew whether the connection may go on. arg is not used. */
void watch_review_session(void *arg, struct member *by_session);
void watch_review_user(void *arg, struct member *by_user);
void watch_review(struct conn *conn);

/* The queue ran empty: goes on with a replay, if one is under way. */
void watch_drained(struct conn *conn);

/* The client shows another token, to take the place of the one that it came with. */
void watch_refresh(struct conn *conn, struct text token);

/* A heartbeat is due, or the token expires. */
void watch_deadline(struct conn *conn);

#endif
