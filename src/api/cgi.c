/* cgi.c: one request from the environment. */
#include "api/cgi.h"

#include "api/route.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

bool
cgi_is_asked(void)
{
	return getenv("GATEWAY_INTERFACE") != NULL && getenv("REQUEST_METHOD") != NULL;
}

static const char *
get_env(void *arg, const char *name)
{
	(void)arg;
	return getenv(name);
}

/* Standard input may stay open after the announced length, so no more than that is read. */
static size_t
read_stdin(void *arg, char *data, size_t len)
{
	uint64_t *left = arg;
	size_t n = fread(data, 1, len < *left ? len : (size_t)*left, stdin);

	*left -= n;
	return n;
}

/* To be called before the answer is written: a server that speaks to us by a socket, as mod_cgid does, sends
 * the whole body first, and loses the answer if we end with some of it unread. */
static void
drain_stdin(uint64_t *left)
{
	char rest[4096];

	while (read_stdin(left, rest, sizeof(rest)) > 0)
		continue;
}

static uint64_t
announced(const struct request *request)
{
	return request->content_length > 0 ? (uint64_t)request->content_length : 0;
}

static void
write_reply(const struct request *request, const struct reply *reply)
{
	struct text body = reply_body(reply, request->method);
	struct buf head = BUF_INIT(REPLY_HEAD_MAX);

	reply_write_head(reply, &head);
	fwrite(buf_view(&head).s, 1, head.len, stdout);
	fwrite(body.s, 1, body.len, stdout);
	fflush(stdout);
	buf_fini(&head);
}

/* There is no other thread: once route_serve has returned the reply is made. */
static void
on_finished(struct call *call UNUSED)
{
}

void
cgi_serve(struct worker *worker)
{
	struct request request;
	struct reply reply;
	struct call call = { .worker = worker, .request = &request, .reply = &reply,
		.finished = on_finished };
	uint64_t left;

	request_from_cgi(&request, get_env, NULL);
	left = announced(&request);
	request.read = read_stdin;
	request.read_arg = &left;
	reply_init(&reply);
	route_serve(&call);
	write_reply(&request, &reply);
	reply_fini(&reply);
}

void
cgi_fail(void)
{
	struct request request;
	struct reply reply;
	uint64_t left;

	request_from_cgi(&request, get_env, NULL);
	left = announced(&request);
	drain_stdin(&left);
	reply_init(&reply);
	reply_failure(&reply, ERR_BUSY);
	write_reply(&request, &reply);
	reply_fini(&reply);
}
