/* answer.h: plain HTTP answers of milepost-ws, after each of which the connection ends. */
#ifndef WS_ANSWER_H
#define WS_ANSWER_H

#include "base/buf.h"
#include "ws/conn.h"

/* An error; why is a static sentence for whoever reads it, and for the log. */
void answer_refusal(struct conn *conn, int status, const char *why);

/* A page that is never stored. The body is freed. */
void answer_page(struct conn *conn, int status, const char *type, struct buf *body);

#endif
