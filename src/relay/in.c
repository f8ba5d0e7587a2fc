/* in.c: follows the stream, and the snapshot that is waited for. */
#include "base/clock.h"
#include "base/log.h"
#include "relay/relay.h"

#include <stdio.h>
#include <string.h>

#define COUNT "400"  /* entries in one transaction */
#define BLOCK "1000" /* ms; shorter than relay_timeout, which is the time of any answer */
#define AGAIN 0.05   /* seconds */
#define MANY 100     /* entries after which others get a turn at the database */
#define FIELDS_MAX 128

/* One answer, while it is worked through. */
struct batch {
	const redisReply *reply;
	size_t count;
	bool ended; /* the snapshot did */
};

void
in_follow(struct relay *relay)
{
	const struct relay_snapshot *snapshot = &relay->snapshot;
	struct text args[12] = { text_of("XREAD"), text_of("COUNT"), text_of(COUNT), text_of("BLOCK"),
		text_of(BLOCK), text_of("STREAMS"), text_of(relay->keys.stream) };
	size_t count = 7;

	if (relay->link.follow == NULL)
		return;
	if (snapshot->nonce[0] != '\0')
		args[count++] = text_of(relay->keys.snapshot);
	args[count++] = text_of(relay->replica.position);
	if (snapshot->nonce[0] != '\0')
		args[count++] = text_of(snapshot->position);
	redis_send(relay->link.follow, &relay->in.read, args, count);
}

/* Do we still know what we wrote as our n-th? */
static bool
is_known(const struct relay *relay, int64_t n)
{
	return n <= relay->replica.newest &&
	    (n <= relay->in.forgotten_after || n > relay->in.forgotten_until);
}

/* Our numbers go on from beyond n. */
static enum err
level(struct relay *relay, int64_t n)
{
	enum err err = n > relay->replica.newest ? store_replica_level(relay->store, n) : ERR_OK;

	if (err == ERR_OK && n > relay->replica.newest)
		relay->replica.newest = n;
	return err;
}

/* Something of ours that we don't know: this database is older than what it once said. */
static void
hear_ourselves(struct relay *relay, int64_t n)
{
	if (n <= relay->replica.newest || level(relay, n) != ERR_OK)
		return;
	if (!origins_is_doubted(&relay->origins, text_of(relay->replica.host)))
		log_warn("relay.restored", LOG_INT("n", n));
	origins_doubt(&relay->origins, text_of(relay->replica.host));
}

enum err
in_forgot(struct relay *relay, int64_t known, int64_t n)
{
	enum err err = level(relay, n);

	if (err != ERR_OK)
		return err;
	relay->in.forgotten_after = known;
	relay->in.forgotten_until = n;
	return ERR_OK;
}

static enum err
apply(struct relay *relay, const struct entry *entry, bool *ring)
{
	bool is_own = text_is(entry->host, relay->replica.host);

	if (entry->kind == ENTRY_ASK && !is_own)
		snapshot_asked(relay, entry);
	if (entry->kind == ENTRY_ASK || entry->kind == ENTRY_END || (is_own && is_known(relay, entry->n)))
		return ERR_OK;
	if (is_own)
		hear_ourselves(relay, entry->n);
	else if (entry->n > 0 &&
	    origins_hear(&relay->origins, entry->host, entry->n, entry->after))
		log_warn("relay.gap", LOG_TEXT("host", entry->host), LOG_INT("n", entry->n));
	return entry->kind == ENTRY_CHANGE ? store_apply(relay->store, &entry->change, ring) : ERR_OK;
}

/* What can't be applied is told, and passed over. */
static enum err
apply_or_tell(struct relay *relay, struct text id, const struct entry *entry, bool *ring)
{
	enum err err = apply(relay, entry, ring);

	if (entry->kind == ENTRY_OTHER && !relay->in.is_newer_told) {
		log_warn("relay.newer-entry", LOG_TEXT("entry", id), LOG_TEXT("host", entry->host));
		relay->in.is_newer_told = true;
	}
	if (err != ERR_INPUT)
		return err;
	log_warn("relay.odd-entry", LOG_TEXT("entry", id),
	    LOG_STR("refused", store_error(relay->store)));
	return ERR_OK;
}

/* One entry of a stream: its id, and names and values. What is none is told, and passed over. */
static enum err
take(struct relay *relay, const redisReply *item, bool of_snapshot, struct batch *batch, bool *ring)
{
	struct text fields[FIELDS_MAX], id = redis_text(redis_element(item, 0));
	const redisReply *list = redis_element(item, 1);
	struct entry entry;
	const char *why;
	size_t count = 0;
	char *position = of_snapshot ? relay->snapshot.position : relay->replica.position;

	batch->count++;
	snprintf(position, REPLICA_TEXT_MAX + 1, "%.*s", TEXT_ARG(id));
	for (; list != NULL && count < list->elements && count < FIELDS_MAX; count++)
		fields[count] = redis_text(redis_element(list, count));
	if (entry_read(fields, count, &entry, &why) != ERR_OK) {
		log_warn("relay.odd-entry", LOG_TEXT("entry", id), LOG_STR("field", why));
		return ERR_OK;
	}
	if (of_snapshot && entry.kind == ENTRY_END) {
		origins_trust(&relay->origins, entry.of);
		batch->ended = true;
	}
	return apply_or_tell(relay, id, &entry, ring);
}

static enum err
take_stream(struct relay *relay, const redisReply *stream, struct batch *batch, bool *ring)
{
	const redisReply *items = redis_element(stream, 1);
	bool of_snapshot = !text_is(redis_text(redis_element(stream, 0)), relay->keys.stream);
	enum err err = ERR_OK;

	for (size_t i = 0; items != NULL && i < items->elements && err == ERR_OK; i++)
		err = take(relay, redis_element(items, i), of_snapshot, batch, ring);
	if (of_snapshot)
		relay->snapshot.heard = ev_now(relay->loop);
	return err;
}

static enum err
take_batch(struct relay *relay, void *arg, bool *ring)
{
	struct batch *batch = arg;
	enum err err = ERR_OK;

	for (size_t i = 0; i < batch->reply->elements && err == ERR_OK; i++)
		err = take_stream(relay, redis_element(batch->reply, i), batch, ring);
	if (err == ERR_OK)
		err = origins_save(&relay->origins, relay->store);
	/* Saves the positions as well. */
	return err == ERR_OK ? store_replica_skip(relay->store, &relay->replica) : err;
}

/* Returns after how many seconds to read on. Batch on batch would leave a worker who waits for the
 * database, and looks for it only now and then, no moment in which it is free. */
static double
work_through(struct relay *relay, const redisReply *reply)
{
	struct batch batch = { .reply = reply };
	char before[REPLICA_TEXT_MAX + 1];
	int64_t began_us = clock_mono_us();

	memcpy(before, relay->snapshot.position, sizeof(before));
	if (relay_transact(relay, take_batch, &batch) != ERR_OK) {
		memcpy(relay->snapshot.position, before, sizeof(before));
		return AGAIN;
	}
	if (batch.ended)
		snapshot_ended(relay);
	snapshot_want(relay);
	return batch.count < MANY ? 0 : (double)(clock_mono_us() - began_us) / 2e6;
}

static void
on_read(void *arg, const redisReply *reply)
{
	struct relay *relay = arg;
	double pause = 0;

	if (link_refused(relay, reply))
		return;
	if (reply->type == REDIS_REPLY_ARRAY)
		pause = work_through(relay, reply);
	if (pause > 0)
		relay_timer_restart(relay, &relay->in.again, pause);
	else
		in_follow(relay);
}

static void
on_again(struct ev_loop *loop, ev_timer *w, int revents)
{
	(void)loop;
	(void)revents;
	in_follow(w->data);
}

void
in_start(struct relay *relay)
{
	relay->in.read = (struct redis_handler){ on_read, relay };
	ev_timer_init(&relay->in.again, on_again, 0, 0);
	relay->in.again.data = relay;
}

void
in_stop(struct relay *relay)
{
	ev_timer_stop(relay->loop, &relay->in.again);
}
