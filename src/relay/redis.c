/* redis.c: hiredis on libev, with the timeouts that it lacks. */
#include "relay/redis.h"

#include <hiredis/adapters/libev.h>
#include <hiredis/async.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define ARGS_MAX 96

struct redis {
	struct ev_loop *loop;
	redisAsyncContext *context; /* NULL once it is down */
	struct redis_options options;
	struct redis_hooks hooks;
	ev_timer watch;
	ev_timer fall; /* takes us down from the loop, not from where it was noticed */
	double heard;  /* when the last answer came, or the first command that waits was sent */
	size_t waiting;
	bool up;
	char why[160];
};

/* Lets go of the context. Within a callback of hiredis it lives on until that returns. */
static void
let_go(struct redis *redis, bool is_freed)
{
	redisAsyncContext *context = redis->context;

	redis->context = NULL;
	redis->up = false;
	ev_timer_stop(redis->loop, &redis->watch);
	if (context == NULL)
		return;
	context->data = NULL;
	if (!is_freed)
		redisAsyncFree(context);
}

static void
go_down(struct redis *redis, const char *why, bool is_freed)
{
	if (redis->context == NULL)
		return;
	snprintf(redis->why, sizeof(redis->why), "%s", why);
	let_go(redis, is_freed);
	ev_timer_start(redis->loop, &redis->fall);
}

static void
on_fall(struct ev_loop *loop, ev_timer *w, int revents)
{
	struct redis *redis = w->data;

	(void)loop;
	(void)revents;
	redis->hooks.on_down(redis->hooks.arg, redis->why);
}

void
redis_fail(struct redis *redis, const char *why)
{
	go_down(redis, why, false);
}

static void
on_watch(struct ev_loop *loop, ev_timer *w, int revents)
{
	struct redis *redis = w->data;

	(void)revents;
	if ((redis->waiting > 0 || !redis->up) &&
	    (ev_now(loop) - redis->heard) * 1000 > (double)redis->options.timeout_ms)
		redis_fail(redis, redis->up ? "no answer in time" : "no connection in time");
}

static void
on_auth(void *arg, const redisReply *reply)
{
	struct redis *redis = arg;
	char why[160] = "not let in: ";
	size_t len = strlen(why);

	if (reply->type != REDIS_REPLY_ERROR) {
		redis->up = true;
		redis->hooks.on_up(redis->hooks.arg);
		return;
	}
	redis_why(reply, why + len, sizeof(why) - len);
	redis_fail(redis, why);
}

static void
on_reply(redisAsyncContext *context, void *reply, void *privdata)
{
	struct redis *redis = context->data;
	const struct redis_handler *handler = privdata;

	/* Without a reply the connection is lost; on_disconnect says why. */
	if (redis == NULL || reply == NULL)
		return;
	redis->waiting--;
	redis->heard = ev_now(redis->loop);
	if (handler == NULL)
		on_auth(redis, reply);
	else
		handler->fn(handler->arg, reply);
}

static void
send_args(struct redis *redis, const struct redis_handler *handler, const struct text *args,
    size_t count)
{
	const char *argv[ARGS_MAX];
	size_t lengths[ARGS_MAX];

	if (redis->context == NULL || count > ARGS_MAX)
		return;
	for (size_t i = 0; i < count; i++) {
		argv[i] = args[i].s != NULL ? args[i].s : "";
		lengths[i] = args[i].len;
	}
	if (redis->waiting == 0)
		redis->heard = ev_now(redis->loop);
	redis->waiting++;
	/* hiredis takes the address back as it was given. */
	if (redisAsyncCommandArgv(redis->context, on_reply, (void *)(uintptr_t)handler, (int)count,
	    argv, lengths) != REDIS_OK)
		redis_fail(redis, "no memory");
}

void
redis_send(struct redis *redis, const struct redis_handler *handler, const struct text *args,
    size_t count)
{
	send_args(redis, handler, args, count);
}

void
redis_command(struct redis *redis, const struct redis_handler *handler, const char *command)
{
	struct text args[ARGS_MAX];
	size_t count = 0;

	for (;;) {
		size_t len = strcspn(command, " ");

		args[count++] = (struct text){ command, len };
		if (command[len] == '\0' || count == ARGS_MAX)
			break;
		command += len + 1;
	}
	send_args(redis, handler, args, count);
}

/* Says who we are; a server without passwords is asked for no more than a sign of life. */
static void
on_connect(const redisAsyncContext *context, int status)
{
	struct redis *redis = context->data;
	struct text args[3] = { text_of("AUTH") };
	size_t count = 1;

	if (redis == NULL)
		return;
	if (status != REDIS_OK) {
		go_down(redis, context->errstr, true);
		return;
	}
	if (redis->options.password[0] == '\0') {
		args[0] = text_of("PING");
	} else {
		if (redis->options.user[0] != '\0')
			args[count++] = text_of(redis->options.user);
		args[count++] = text_of(redis->options.password);
	}
	redis->heard = ev_now(redis->loop);
	send_args(redis, NULL, args, count);
}

static void
on_disconnect(const redisAsyncContext *context, int status)
{
	struct redis *redis = context->data;

	if (redis != NULL)
		go_down(redis, status == REDIS_OK || context->errstr[0] == '\0' ?
		        "the connection was closed" : context->errstr, true);
}

/* "host:port" without the port's colon and the brackets of an IPv6 address. */
static redisAsyncContext *
connect_to(const char *address, struct buf *why)
{
	const char *colon = strrchr(address, ':');
	char host[256];
	unsigned long long port;
	size_t len;

	if (address[0] == '/')
		return redisAsyncConnectUnix(address);
	len = colon != NULL ? (size_t)(colon - address) : 0;
	if (len > 1 && address[0] == '[' && address[len - 1] == ']') {
		address++;
		len -= 2;
	}
	if (colon == NULL || len == 0 || len >= sizeof(host) ||
	    !text_number(text_of(colon + 1), 65535, &port) || port == 0) {
		buf_puts(why, "neither host:port nor the path of a socket");
		return NULL;
	}
	snprintf(host, sizeof(host), "%.*s", (int)len, address);
	return redisAsyncConnect(host, (int)port);
}

static enum err
attach(struct redis *redis, struct buf *why)
{
	redisAsyncContext *context = connect_to(redis->options.address, why);

	if (context == NULL || context->err != 0) {
		if (why->len == 0)
			buf_puts(why, context != NULL ? context->errstr : "no memory");
		if (context != NULL)
			redisAsyncFree(context);
		return ERR_SYSTEM;
	}
	context->data = redis;
	redis->context = context;
	/* Finds out about a peer that vanished while we have nothing to say. */
	if (redis->options.address[0] != '/')
		(void)redisEnableKeepAlive(&context->c);
	if (redisLibevAttach(redis->loop, context) != REDIS_OK ||
	    redisAsyncSetConnectCallback(context, on_connect) != REDIS_OK ||
	    redisAsyncSetDisconnectCallback(context, on_disconnect) != REDIS_OK) {
		buf_puts(why, "no memory");
		return ERR_NOMEM;
	}
	return ERR_OK;
}

enum err
redis_open(struct ev_loop *loop, const struct redis_options *options, const struct redis_hooks *hooks,
    struct redis **out, struct buf *why)
{
	struct redis *redis = calloc(1, sizeof(*redis));
	enum err err;

	if (redis == NULL) {
		buf_puts(why, "no memory");
		return ERR_NOMEM;
	}
	redis->loop = loop;
	redis->options = *options;
	redis->hooks = *hooks;
	redis->heard = ev_now(loop);
	ev_timer_init(&redis->fall, on_fall, 0, 0);
	redis->fall.data = redis;
	ev_timer_init(&redis->watch, on_watch, 0.25, 0.25);
	redis->watch.data = redis;
	ev_timer_start(loop, &redis->watch);
	err = attach(redis, why);
	if (err == ERR_OK)
		*out = redis;
	else
		redis_close(&redis);
	return err;
}

void
redis_close(struct redis **address)
{
	struct redis *redis = *address;

	*address = NULL;
	if (redis == NULL)
		return;
	let_go(redis, false);
	ev_timer_stop(redis->loop, &redis->fall);
	free(redis);
}

void
redis_why(const redisReply *reply, char *out, size_t size)
{
	const char *repeated = strstr(reply->str, ", with args");
	int len = (int)(repeated != NULL ? (size_t)(repeated - reply->str) : reply->len);

	snprintf(out, size, "%.*s", len, reply->str);
}

struct text
redis_text(const redisReply *reply)
{
	if (reply == NULL || (reply->type != REDIS_REPLY_STRING && reply->type != REDIS_REPLY_STATUS))
		return (struct text){ NULL, 0 };
	return (struct text){ reply->str, reply->len };
}

const redisReply *
redis_element(const redisReply *reply, size_t i)
{
	if (reply == NULL || reply->type != REDIS_REPLY_ARRAY || i >= reply->elements)
		return NULL;
	return reply->element[i];
}
