/* cgi.c: one request from the environment. */
#include "api/cgi.h"

#include "api/route.h"
#include "wire/http.h"

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
	printf("Status: %d %s\r\n", reply->status, http_reason(reply->status));
	if (reply->content_type != NULL)
		printf("Content-Type: %s\r\nContent-Length: %zu\r\n", reply->content_type,
		    reply->body.len);
	fwrite(reply->headers.data, 1, reply->headers.len, stdout);
	fputs("\r\n", stdout);
	if (reply->content_type != NULL && !text_is(request->method, "HEAD"))
		fwrite(reply->body.data, 1, reply->body.len, stdout);
	fflush(stdout);
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
