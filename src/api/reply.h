/* reply.h: an answer under construction, and the one table from errors to statuses. */
#ifndef API_REPLY_H
#define API_REPLY_H

#include "base/attr.h"
#include "base/buf.h"
#include "base/err.h"
#include "base/text.h"
#include "model/faults.h"

#define REPLY_HEAD_MAX 4096

struct reply {
	int status;
	const char *content_type;  /* static; NULL: no body */
	const char *cache_control; /* static; "no-store" unless said otherwise */
	struct buf headers;        /* further ones, each with its CRLF */
	struct buf body;
};

void reply_init(struct reply *reply);
void reply_fini(struct reply *reply);

/* A JSON answer, whose body the caller appends. */
void reply_json(struct reply *reply, int status);

/* A header line of static name and value. */
void reply_header(struct reply *reply, const char *name, const char *value);

/* Makes it an application/problem+json of this status, whatever it was before. */
void reply_problem(struct reply *reply, int status, const char *detail);

/* The same with the members that are wrong (422), or with further members ("current":{...}). */
void reply_faults(struct reply *reply, const struct faults *faults);
void reply_problem_extra(struct reply *reply, int status, const char *detail, struct text extra);

/* Appends what is wrong as one sentence: "status is required; progress must be an integer". */
void reply_sum_up(struct buf *out, const struct faults *faults);

/* Is this a failure of ours or of the database, as opposed to an answer? */
bool reply_is_failure(enum err err);

/* The status of a failure: 503 (come back) or 500. */
int reply_status_of(enum err err);

/* A problem of that status, with Retry-After where coming back helps. */
void reply_failure(struct reply *reply, enum err err);

/* Takes the bytes over, which leaves *body empty. Can't fail: for what is already stored. */
void reply_take_body(struct reply *reply, struct buf *body);

/* Appends the head as CGI has it (RFC 3875 section 6). */
void reply_write_head(const struct reply *reply, struct buf *out);

/* The body to be sent; empty where there is none, or the method is HEAD. */
struct text reply_body(const struct reply *reply, struct text method);

#endif
