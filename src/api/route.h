/* route.h: which handler serves which method and path; 404, 405, 411, 413 and 415 fall out of it. */
#ifndef API_ROUTE_H
#define API_ROUTE_H

#include "api/app.h"
#include "api/auth.h"
#include "api/reply.h"
#include "api/request.h"
#include "base/text.h"
#include "wire/form.h"

#include <stdint.h>

struct route;

/* What a handler is called with. */
struct call {
	/* Filled in for route_serve. */
	struct worker *worker; /* of the thread that serves it; from another thread only its app */
	const struct request *request;
	struct reply *reply;
	/* The reply is made, and all of the request read: the call is done with. */
	void (*finished)(struct call *call);
	/* By route_serve. */
	uint64_t number; /* of the request in this process, for the log */
	const struct route *route; /* NULL: none fits */
	struct settings *settings; /* held until route_finish */
	struct text id; /* the path's {id}, unchecked; absent where the route has none */
	struct principal principal; /* once auth_identify has answered true */
};

/*
 * Reads the request's body into *body (which the caller frees), if it is of one of the route's
 * content types and not longer than max bytes. False: the reply is made.
 */
enum content { CONTENT_JSON = 1, CONTENT_FORM = 2, CONTENT_NDJSON = 4 };
bool route_read_body(struct call *call, unsigned contents, size_t max, struct buf *body,
    enum content *content) MUST_USE;

/* Logs a read that failed, and makes the reply. */
void route_read_failure(struct call *call, enum err err);

/* Splits the request's query; the fields point into *copy, which the caller frees. False: the reply is
 * made. */
#define QUERY_MAX 4096 /* bytes */
bool route_read_query(struct call *call, struct buf *copy, struct form *out) MUST_USE;

/* Runs a reading handler in one state of the database: who may see something is not decided in one and
 * shown in another. */
void route_in_snapshot(struct call *call, void (*handle)(struct call *call));

/* Serves one request, up to finished, which may be called later, by another thread, or before this
 * returns: from then on the call must not be looked at. */
void route_serve(struct call *call);

/* For a handler that answers later: the reply is made. */
void route_finish(struct call *call);

#endif
