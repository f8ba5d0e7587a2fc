/* pages.h: health and metrics of milepost-ws, which nginx shows to its own host alone. */
#ifndef WS_PAGES_H
#define WS_PAGES_H

#include "ws/conn.h"

/* The process turns. */
void pages_healthz(struct conn *conn);

/* 200 if it can serve: the database can be read and the feed is not behind. Else 503 and why. */
void pages_readyz(struct conn *conn);

/* Prometheus text. */
void pages_metrics(struct conn *conn);

#endif
