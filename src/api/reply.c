/* reply.c: answers. */
#include "api/reply.h"

#include "wire/http.h"
#include "wire/message.h"

#define BODY_MAX (64u << 20) /* a long history or a batch's answers */
#define HEADERS_MAX 2048
#define NO_STORE "no-store"

void
reply_init(struct reply *reply)
{
	*reply = (struct reply){ .status = 200, .cache_control = NO_STORE };
	buf_init(&reply->headers, HEADERS_MAX);
	buf_init(&reply->body, BODY_MAX);
}

void
reply_fini(struct reply *reply)
{
	buf_fini(&reply->headers);
	buf_fini(&reply->body);
}

void
reply_json(struct reply *reply, int status)
{
	reply->status = status;
	reply->content_type = "application/json";
}

void
reply_header(struct reply *reply, const char *name, const char *value)
{
	buf_printf(&reply->headers, "%s: %s\r\n", name, value);
}

void
reply_take_body(struct reply *reply, struct buf *body)
{
	buf_fini(&reply->body);
	reply->body = *body;
	buf_init(body, reply->body.max);
}

static void
problem(struct reply *reply, int status, struct text detail, const struct faults *faults,
    struct text extra)
{
	reply->status = status;
	reply->content_type = "application/problem+json";
	reply->cache_control = NO_STORE;
	buf_reset(&reply->body);
	message_write_problem(&reply->body, status, http_reason(status), detail, faults, extra);
}

void
reply_problem(struct reply *reply, int status, const char *detail)
{
	problem(reply, status, text_of(detail), NULL, text_of(NULL));
}

void
reply_problem_extra(struct reply *reply, int status, const char *detail, struct text extra)
{
	problem(reply, status, text_of(detail), NULL, extra);
}

void
reply_sum_up(struct buf *out, const struct faults *faults)
{
	for (size_t i = 0; i < faults->count; i++)
		buf_printf(out, "%s%s %s", i > 0 ? "; " : "", faults->list[i].member,
		    faults->list[i].detail);
}

void
reply_faults(struct reply *reply, const struct faults *faults)
{
	struct buf detail = BUF_INIT(sizeof(struct faults) + 64);

	reply_sum_up(&detail, faults);
	problem(reply, 422, buf_view(&detail), faults, text_of(NULL));
	buf_fini(&detail);
}

bool
reply_is_failure(enum err err)
{
	switch (err) {
	case ERR_BUSY:
	case ERR_FULL:
	case ERR_NOMEM:
	case ERR_SYSTEM:
		return true;
	case ERR_OK:
	case ERR_AGAIN:
	case ERR_INPUT:
	case ERR_LIMIT:
	case ERR_AUTH:
	case ERR_DENIED:
	case ERR_ABSENT:
	case ERR_CONFLICT:
		break;
	}
	return false;
}

int
reply_status_of(enum err err)
{
	return err == ERR_AUTH ? 401 : err == ERR_SYSTEM ? 500 : 503;
}

void
reply_failure(struct reply *reply, enum err err)
{
	int status = reply_status_of(err);

	if (err == ERR_AUTH) {
		reply_header(reply, "WWW-Authenticate", "Bearer error=\"invalid_token\"");
		reply_problem(reply, 401, "Invalid authentication");
		return;
	}
	if (status == 503)
		reply_header(reply, "Retry-After", "1");
	reply_problem(reply, status, status == 503 ? "The database can't take this now; try again" :
	    "Internal server error");
}

void
reply_write_head(const struct reply *reply, struct buf *out)
{
	buf_printf(out, "Status: %d %s\r\nCache-Control: %s\r\n", reply->status,
	    http_reason(reply->status), reply->cache_control);
	if (reply->content_type != NULL)
		buf_printf(out, "Content-Type: %s\r\nContent-Length: %zu\r\n",
		    reply->content_type, reply->body.len);
	buf_text(out, buf_view(&reply->headers));
	buf_puts(out, "\r\n");
}

struct text
reply_body(const struct reply *reply, struct text method)
{
	if (reply->content_type == NULL || text_is(method, "HEAD"))
		return text_of("");
	return buf_view(&reply->body);
}
