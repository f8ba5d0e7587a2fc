/* link.c: up and down, and what Redis may have lost in between. */
#include "base/clock.h"
#include "base/log.h"
#include "relay/relay.h"
#include "relay/retry.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define YIELD_MAX 4      /* failures that count when another is there: it may be gone in seconds */
#define SEARCH "500"     /* entries that are looked through at a time */

static void
forget(struct relay *relay)
{
	relay->link.is_up = false;
	redis_close(&relay->link.command);
	redis_close(&relay->link.follow);
	in_stop(relay);
	out_reset(relay);
	snapshot_reset(relay);
	beat_reset(relay);
}

void
link_down(struct relay *relay, const char *why)
{
	struct relay_link *link = &relay->link;
	double seconds = retry_delay(link->failures, (double)random() / (double)RAND_MAX);

	snprintf(link->why, sizeof(link->why), "%s", why);
	if (!link->told)
		log_warn("relay.away", LOG_STR("error", link->why));
	link->told = true;
	link->failures++;
	link->address++; /* the next of relay_redis, if there are several */
	forget(relay);
	relay_timer_restart(relay, &link->retry, seconds);
}

bool
link_refused(struct relay *relay, const redisReply *reply)
{
	char why[160];

	if (reply->type != REDIS_REPLY_ERROR)
		return false;
	redis_why(reply, why, sizeof(why));
	link_down(relay, why);
	return true;
}

static void
on_ignored(void *arg, const redisReply *reply)
{
	(void)link_refused(arg, reply);
}

static void
on_down(void *arg, const char *why)
{
	char copy[160];

	snprintf(copy, sizeof(copy), "%s", why); /* it goes with the connection */
	link_down(arg, copy);
}

/* The n-th address of the list, round and round. */
static bool
choose(const char *list, size_t n, char *out, size_t size)
{
	size_t count = 0;

	for (const char *at = list + strspn(list, " "); *at != '\0'; at += strspn(at, " ")) {
		count++;
		at += strcspn(at, " ");
	}
	if (count == 0)
		return false;
	n %= count;
	for (const char *at = list + strspn(list, " ");; at += strspn(at, " ")) {
		size_t len = strcspn(at, " ");

		if (n-- == 0) {
			snprintf(out, size, "%.*s", (int)len, at);
			return len < size;
		}
		at += len;
	}
}

static struct redis *
open_one(struct relay *relay, void (*on_up)(void *arg))
{
	const struct redis_hooks hooks = { relay, on_up, on_down };
	struct buf why = BUF_INIT(256);
	struct redis *redis = NULL;
	char address[256];
	struct redis_options options = {
		.address = address,
		.user = relay->config->relay_user,
		.password = relay->password,
		.timeout_ms = relay->config->relay_timeout_ms,
	};

	if (!choose(relay->config->relay_redis, relay->link.address, address, sizeof(address)))
		link_down(relay, "relay_redis names no server");
	else if (redis_open(relay->loop, &options, &hooks, &redis, &why) != ERR_OK)
		link_down(relay, buf_cstr(&why) != NULL ? buf_cstr(&why) : "no memory");
	buf_fini(&why);
	return redis;
}

static void
on_follow_up(void *arg)
{
	struct relay *relay = arg;
	struct relay_link *link = &relay->link;

	link->is_up = true;
	link->failures = 0;
	link->told = false;
	snprintf(relay->replica.server, sizeof(relay->replica.server), "%s", link->server);
	log_info("relay.here");
	in_follow(relay);
	out_pump(relay);
	snapshot_want(relay);
	ev_feed_event(relay->loop, &relay->beat.timer, EV_TIMER); /* at once */
}

/* The command side is clear about the past: now the stream may be followed. */
static void
go_on(struct relay *relay)
{
	out_reset(relay);
	relay->link.follow = open_one(relay, on_follow_up);
}

static void
search(struct relay *relay, struct text before)
{
	struct text args[] = {
		text_of("XREVRANGE"), text_of(relay->keys.stream), before, text_of("-"),
		text_of("COUNT"), text_of(SEARCH),
	};

	redis_send(relay->link.command, &relay->link.own, args, countof(args));
}

/* Is the entry one of ours that counts? */
static bool
is_own(const struct relay *relay, const redisReply *item, int64_t *n)
{
	const redisReply *list = redis_element(item, 1);
	bool own = false;
	unsigned long long number = 0;

	for (size_t i = 0; list != NULL && i + 1 < list->elements; i += 2) {
		struct text name = redis_text(redis_element(list, i));
		struct text value = redis_text(redis_element(list, i + 1));

		if (text_is(name, "host"))
			own = text_is(value, relay->replica.host);
		else if (text_is(name, "n"))
			(void)text_number(value, INT64_MAX, &number);
	}
	*n = (int64_t)number;
	return own && number > 0;
}

/* Goes back through the stream for our last entry that was not lost, and from there on sends again.
 * */
static void
on_own(void *arg, const redisReply *reply)
{
	struct relay *relay = arg;
	struct replica *replica = &relay->replica;
	struct text id = { NULL, 0 };
	char before[REPLICA_TEXT_MAX + 2];
	int64_t n = 0;

	if (link_refused(relay, reply))
		return;
	for (size_t i = 0; i < reply->elements; i++) {
		id = redis_text(redis_element(redis_element(reply, i), 0));
		if (is_own(relay, redis_element(reply, i), &n) && n <= replica->newest)
			break;
		n = 0;
	}
	if (n == 0 && id.s != NULL) {
		snprintf(before, sizeof(before), "(%.*s", TEXT_ARG(id));
		search(relay, text_of(before));
		return;
	}
	log_warn("relay.lost", LOG_INT("sent", replica->sent), LOG_INT("again_from", n));
	replica->sent = n;
	snprintf(replica->sent_entry, sizeof(replica->sent_entry), "%.*s",
	    TEXT_ARG(n > 0 ? id : text_of("0-0")));
	go_on(relay);
}

static int
compare(const char *a, const char *b)
{
	struct entry_id x = { 0, 0 }, y = { 0, 0 };

	/* What can't be read is from before the first. */
	if (entry_id_read(text_of(a), &x) != ERR_OK)
		x = (struct entry_id){ 0, 0 };
	if (entry_id_read(text_of(b), &y) != ERR_OK)
		y = (struct entry_id){ 0, 0 };
	return entry_id_compare(&x, &y);
}

/* Did Redis lose what this host had read? Then others may not have read it. */
static bool
is_read_lost(const struct relay *relay)
{
	const struct relay_link *link = &relay->link;
	const struct replica *replica = &relay->replica;

	return compare(replica->position, link->last) > 0 ||
	    (compare(replica->position, "0-0") > 0 && !link->is_position_found &&
	        strcmp(replica->server, link->server) != 0);
}

/*
 * All is known. A position behind the stream's end was in what Redis lost: then all that is there
 * is read again, which changes nothing that is known. An entry of ours that is not there any more
 * was trimmed, or lost, which only a Redis can do that was started anew, or whose stream ends
 * before it.
 */
static void
judge(struct relay *relay)
{
	struct relay_link *link = &relay->link;
	struct replica *replica = &relay->replica;

	if (is_read_lost(relay)) {
		log_warn("relay.lost-read", LOG_STR("position", replica->position));
		vouch_begin(relay);
	}
	if (compare(replica->position, link->last) > 0)
		snprintf(replica->position, sizeof(replica->position), "0-0");
	if (replica->sent > 0 && !link->entry_found &&
	    (strcmp(replica->server, link->server) != 0 ||
	        compare(replica->sent_entry, link->last) > 0))
		search(relay, text_of("+"));
	else
		go_on(relay);
}

/* "run_id:..." among the lines of INFO. Who may not ask knows no run: then only the stream's end
 * tells. */
static void
on_info(void *arg, const redisReply *reply)
{
	struct relay *relay = arg;
	const char *at = reply->type == REDIS_REPLY_STRING ? strstr(reply->str, "run_id:") : NULL;
	size_t len = at != NULL ? strcspn(at + 7, "\r\n") : 0;

	snprintf(relay->link.server, sizeof(relay->link.server), "%.*s", (int)len,
	    at != NULL ? at + 7 : "");
}

static void
on_entry(void *arg, const redisReply *reply)
{
	struct relay *relay = arg;
	int64_t n;

	if (!link_refused(relay, reply))
		relay->link.entry_found = is_own(relay, redis_element(reply, 0), &n) &&
		    n == relay->replica.sent;
}

static void
on_position(void *arg, const redisReply *reply)
{
	struct relay *relay = arg;

	if (!link_refused(relay, reply))
		relay->link.is_position_found = reply->elements > 0;
}

static void
on_end(void *arg, const redisReply *reply)
{
	struct relay *relay = arg;

	if (!link_refused(relay, reply))
		snprintf(relay->link.last, sizeof(relay->link.last), "%.*s",
		    TEXT_ARG(redis_text(redis_element(redis_element(reply, 0), 0))));
}

/* What was said under our name last, and by how many others there is anything. */
struct past {
	bool any;
	struct said said;
	size_t others;
};

static void
read_hosts(const struct relay *relay, const redisReply *reply, struct past *out)
{
	*out = (struct past){ .any = false };
	for (size_t i = 0; i + 1 < reply->elements; i += 2) {
		if (!text_is(redis_text(redis_element(reply, i)), relay->replica.host))
			out->others++;
		else
			out->any = beat_read(redis_text(redis_element(reply, i + 1)), &out->said);
	}
}

static bool
is_rival(struct relay *relay, const struct past *past)
{
	const struct said *said = &past->said;

	if (!past->any || !beat_is_fresh(relay, said)) {
		relay->link.is_doubled = false;
		return false;
	}
	return strcmp(said->token, relay->replica.token) != 0 ||
	    (relay->link.is_doubled && strcmp(said->instance, relay->beat.instance) != 0);
}

/* Until the other is gone, which is soon known: it may have been this host before it left. */
static void
yield(struct relay *relay)
{
	struct relay_link *link = &relay->link;

	if (link->failures > YIELD_MAX)
		link->failures = YIELD_MAX;
	link_down(relay, link->is_doubled ? "a copy of this database takes part under this relay_host" :
	        "another database takes part under this relay_host");
}

/* This host was more than its database knows: it left and came back, lost its database, or was given
 * back an older one. The stream may not hold all of that any more; other hosts do. */
static enum err
recall(struct relay *relay, void *arg, bool *ring UNUSED)
{
	const struct past *past = arg;
	bool is_other = strcmp(past->said.token, relay->replica.token) != 0;
	int64_t newest = relay->replica.newest;
	enum err err = in_forgot(relay, is_other ? 0 : newest,
	    past->said.sent > newest ? past->said.sent : newest);

	if (err != ERR_OK || past->others == 0)
		return err;
	origins_doubt(&relay->origins, text_of(relay->replica.host));
	return origins_save(&relay->origins, relay->store);
}

/* Is anything forgotten? Then the link has to wait for that to be written down. */
static enum err
look_back(struct relay *relay, struct past *past)
{
	if (!past->any || (strcmp(past->said.token, relay->replica.token) == 0 &&
	                      past->said.sent <= relay->replica.newest))
		return ERR_OK;
	log_warn("relay.forgot", LOG_INT("sent", past->said.sent),
	    LOG_INT("known", relay->replica.newest));
	return relay_transact(relay, recall, past);
}

/* What the hosts say of themselves, as beat.c reads it. */
static void
on_hosts(void *arg, const redisReply *reply)
{
	struct relay *relay = arg;
	struct past past;

	if (link_refused(relay, reply))
		return;
	read_hosts(relay, reply, &past);
	if (is_rival(relay, &past))
		yield(relay);
	else if (look_back(relay, &past) != ERR_OK)
		link_down(relay, "the database can't be written");
	else
		judge(relay);
}

/* The answers come in order; the last one decides. */
static void
on_command_up(void *arg)
{
	struct relay *relay = arg;
	struct relay_link *link = &relay->link;
	const char *stream = relay->keys.stream, *entry = relay->replica.sent_entry;
	struct text range[] = { text_of("XRANGE"), text_of(stream), text_of(entry), text_of(entry) };
	struct text last[] = { text_of("XREVRANGE"), text_of(stream), text_of("+"), text_of("-"),
		text_of("COUNT"), text_of("1") };
	struct text hosts[] = { text_of("HGETALL"), text_of(relay->keys.hosts) };

	struct text position[] = { text_of("XRANGE"), text_of(stream), text_of(relay->replica.position),
		text_of(relay->replica.position) };

	link->entry_found = link->is_position_found = false;
	redis_command(link->command, &link->info, "INFO server");
	redis_command(link->command, &relay->beat.clock, "TIME");
	redis_send(link->command, &link->entry, range, countof(range));
	redis_send(link->command, &link->position, position, countof(position));
	redis_send(link->command, &link->end, last, countof(last));
	redis_send(link->command, &link->hosts, hosts, countof(hosts));
}

static void
on_retry(struct ev_loop *loop, ev_timer *w, int revents)
{
	struct relay *relay = w->data;

	(void)loop;
	(void)revents;
	relay->link.command = open_one(relay, on_command_up);
}

void
link_start(struct relay *relay)
{
	struct relay_link *link = &relay->link;

	srandom((unsigned)clock_mono_us());
	snprintf(link->why, sizeof(link->why), "connecting");
	link->info = (struct redis_handler){ on_info, relay };
	link->entry = (struct redis_handler){ on_entry, relay };
	link->position = (struct redis_handler){ on_position, relay };
	link->end = (struct redis_handler){ on_end, relay };
	link->hosts = (struct redis_handler){ on_hosts, relay };
	link->own = (struct redis_handler){ on_own, relay };
	link->ignored = (struct redis_handler){ on_ignored, relay };
	ev_timer_init(&link->retry, on_retry, 0, 0);
	link->retry.data = relay;
	ev_timer_start(relay->loop, &link->retry);
}

void
link_stop(struct relay *relay)
{
	ev_timer_stop(relay->loop, &relay->link.retry);
	forget(relay);
}
