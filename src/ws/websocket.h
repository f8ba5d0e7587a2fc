/* websocket.h: watching by WebSocket (RFC 6455): the upgrade, and what the client says. */
#ifndef WS_WEBSOCKET_H
#define WS_WEBSOCKET_H

#include "ws/transport.h"

extern const struct transport websocket_transport;

#endif
