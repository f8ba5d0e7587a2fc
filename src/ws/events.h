/* events.h: watching by Server-Sent Events: an HTTP answer that goes on until the run ends. */
#ifndef WS_EVENTS_H
#define WS_EVENTS_H

#include "ws/transport.h"

extern const struct transport events_transport;

/* Answers a browser that asks, for a page of another origin, whether it may send what it wants to. */
void events_preflight(struct conn *conn, const struct request *request);

#endif
