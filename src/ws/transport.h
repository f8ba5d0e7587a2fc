/*
 * transport.h: how a watcher is told things, which is all that differs between a WebSocket and a stream
 * of Server-Sent Events. Who may watch, what is sent when, and who is too slow, is the same for both.
 */
#ifndef WS_TRANSPORT_H
#define WS_TRANSPORT_H

#include "ws/admission.h"
#include "ws/request.h"
#include "ws/verdict.h"
#include "wire/frame.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct conn;

enum transport_kind { TRANSPORT_WEBSOCKET, TRANSPORT_EVENTS, TRANSPORT__MAX };

struct transport {
	enum transport_kind kind;
	const char *name; /* for logs */
	int beats;        /* heartbeats in a heartbeat_interval */
	/* The client answers heartbeats and closes. One that does not is not missed, and leaves by ending
	 * its connection. */
	bool answers;

	/* Answers an admitted request. True: the connection is open, and its form is chosen. False: it was
	 * answered otherwise, or there was no memory; it is ending. */
	bool (*accept)(struct conn *conn, const struct request *request,
	    const struct admission *admission);

	/* Answers any other verdict; the connection ends. */
	void (*refuse)(struct conn *conn, const struct request *request, enum verdict verdict);

	/* A heartbeat of this second, for all whose turn it is; the last words of a connection. NULL: no
	 * memory. */
	struct frame *(*new_heartbeat)(int64_t now);
	struct frame *(*new_close)(enum close_code code, const char *reason);

	/* Bytes of the client, while it is open or closing. NULL: all its connections are deaf. */
	void (*hear)(struct conn *conn, uint8_t *data, size_t len);
};

#endif
