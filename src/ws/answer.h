/* answer.h: plain HTTP answers of milepost-ws, after each of which the connection ends. */
#ifndef WS_ANSWER_H
#define WS_ANSWER_H

#include "base/buf.h"
#include "ws/conn.h"
#include "ws/request.h"

/* Has the browser show the answer to the page that asks, if it may see it. */
void answer_write_origin(struct buf *headers, const struct conn *conn, const struct request *request);

/* The request of the errors below is NULL where none could be read. */

/* An error, as problem+json, with further headers, each with its CRLF. */
void answer_problem(struct conn *conn, const struct request *request, int status, const char *detail,
    struct text headers);

/* An error that is logged here; why is a static sentence for whoever reads it, and for the log. */
void answer_refusal(struct conn *conn, const struct request *request, int status, const char *why);

/* 503, and a line in the log, for this error of the database, of which it said why. */
void answer_no_database(struct conn *conn, const struct request *request, enum err err,
    const char *why);

/* 204, with further headers. */
void answer_nothing(struct conn *conn, struct text headers);

/* A page that is never stored. The body is freed. */
void answer_page(struct conn *conn, int status, const char *type, struct buf *body);

#endif
