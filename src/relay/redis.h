/*
 * redis.h: one connection to a Redis server, once: it comes up, carries commands, and goes down.
 * Whoever wants another opens another. Commands are answered in order.
 *
 * hiredis's asynchronous interface knows no timeouts; here, who does not answer is down.
 */
#ifndef RELAY_REDIS_H
#define RELAY_REDIS_H

#include "base/attr.h"
#include "base/buf.h"
#include "base/err.h"
#include "base/text.h"

#include <ev.h>
#include <hiredis/hiredis.h>
#include <stddef.h>
#include <stdint.h>

struct redis;

/* All borrowed for the connection's life. */
struct redis_options {
	const char *address;  /* "host:port", "[v6]:port", or the path of a unix socket */
	const char *user;     /* "": the default one */
	const char *password; /* "": none */
	int64_t timeout_ms;   /* of connecting, and of any answer */
};

/* on_down is called once, at any time but from within redis_open and redis_close, and nothing after
 * it; the connection remains to be closed. why is valid during the call. */
struct redis_hooks {
	void *arg;
	void (*on_up)(void *arg);
	void (*on_down)(void *arg, const char *why);
};

/* What becomes of an answer. The reply is valid during the call. */
struct redis_handler {
	void (*fn)(void *arg, const redisReply *reply);
	void *arg;
};

/* Begins to connect. ERR_SYSTEM: it can't be begun (a name that is not known, say; names are looked
 * up here, which may take its time); why gets one line. The caller closes *out. */
enum err redis_open(struct ev_loop *loop, const struct redis_options *options,
    const struct redis_hooks *hooks, struct redis **out, struct buf *why) MUST_USE;
void redis_close(struct redis **redis);

/* Sends a command of count arguments, once up. The handler must outlive the connection. */
void redis_send(struct redis *redis, const struct redis_handler *handler, const struct text *args,
    size_t count);

/* The same with the arguments as a string, separated by single spaces. */
void redis_command(struct redis *redis, const struct redis_handler *handler, const char *command);

/* Takes the connection down. */
void redis_fail(struct redis *redis, const char *why);

/* The error that a reply is, without what Redis repeats of the command in some: that may be a password,
 * or what patients are told. */
void redis_why(const redisReply *reply, char *out, size_t size);

/* A reply's text; absent if it is none. And its i-th element; NULL if it has none. */
struct text redis_text(const redisReply *reply);
const redisReply *redis_element(const redisReply *reply, size_t i);

#endif
