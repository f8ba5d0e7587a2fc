/* cgi.c: one request from the environment. */
#include "api/cgi.h"

#include "api/route.h"

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

static size_t
read_stdin(void *arg, char *data, size_t len)
{
	return fread(data, 1, len, arg);
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

void
cgi_serve(struct worker *worker)
{
	struct request request;
	struct reply reply;

	request_from_cgi(&request, get_env, NULL);
	request.read = read_stdin;
	request.read_arg = stdin;
	reply_init(&reply);
	route_serve(worker, &request, &reply);
	write_reply(&request, &reply);
	reply_fini(&reply);
}

void
cgi_fail(void)
{
	struct request request;
	struct reply reply;

	request_from_cgi(&request, get_env, NULL);
	reply_init(&reply);
	reply_failure(&reply, ERR_BUSY);
	write_reply(&request, &reply);
	reply_fini(&reply);
}
