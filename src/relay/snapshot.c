/*
 * snapshot.c: all that another host knows, for one that has missed something.
 *
 * Who asks writes that into the stream; so whoever reads it there has read all before it. The host
 * that something is missing of answers at once; any other that misses nothing of it, after a while.
 * One alone gets the right to, and writes to a stream of the snapshot's own, which the asking host
 * reads beside the shared one. Both are merged by the same rule, so nothing has to be waited for.
 */
#include "base/digest.h"
#include "base/log.h"
#include "relay/relay.h"

#include <stdio.h>
#include <string.h>

#define CHUNK 200        /* things at a time */
#define PATIENCE_MIN 10.0 /* seconds without a sign of it until another is asked for */
#define PATIENCE_MAX 300.0
#define STAND_IN 3.0     /* seconds after which others answer for a host */
#define STALE_MS 120000  /* so old a question is somebody's who asked again */
#define KEPT_SECONDS "600"

void
snapshot_want(struct relay *relay)
{
	struct relay_snapshot *snapshot = &relay->snapshot;
	const char *of = origins_doubted(&relay->origins);
	struct entry ask = { .kind = ENTRY_ASK, .host = text_of(relay->replica.host) };
	uint8_t random[ENTRY_NONCE_LEN / 2];
	double now = ev_now(relay->loop);
	bool again = snapshot->nonce[0] != '\0';

	if (of == NULL || !relay->link.is_up || (again && now - snapshot->heard < snapshot->patience))
		return;
	if (digest_random(random, sizeof(random)) != ERR_OK)
		return;
	digest_hex(random, sizeof(random), snapshot->nonce);
	snprintf(relay->keys.snapshot, sizeof(relay->keys.snapshot), "%s:snapshot:%s",
	    relay->config->relay_prefix, snapshot->nonce);
	snprintf(snapshot->position, sizeof(snapshot->position), "0-0");
	snapshot->heard = now;
	snapshot->patience = again ? snapshot->patience * 2 : PATIENCE_MIN;
	if (snapshot->patience > PATIENCE_MAX)
		snapshot->patience = PATIENCE_MAX;
	ask.nonce = text_of(snapshot->nonce);
	ask.of = text_of(of);
	log_info("relay.snapshot-wanted", LOG_STR("of", of));
	out_write(relay, &ask);
}

void
snapshot_ended(struct relay *relay)
{
	struct text args[] = { text_of("DEL"), text_of(relay->keys.snapshot) };

	log_info("relay.snapshot-taken");
	relay->snapshot.nonce[0] = '\0';
	redis_send(relay->link.command, &relay->link.ignored, args, countof(args));
}

/* --- giving one --- */

static void
drop_answer(struct relay *relay)
{
	struct relay_snapshot *snapshot = &relay->snapshot;

	if (snapshot->answer_count == 0)
		return;
	snapshot->answer_count--;
	memmove(&snapshot->answers[0], &snapshot->answers[1],
	    snapshot->answer_count * sizeof(snapshot->answers[0]));
	snapshot->answering = false;
}

static void
set_due(struct relay *relay)
{
	struct relay_snapshot *snapshot = &relay->snapshot;
	double delay;

	ev_timer_stop(relay->loop, &snapshot->due);
	if (snapshot->answering || snapshot->answer_count == 0)
		return;
	delay = snapshot->answers[0].due - ev_now(relay->loop);
	relay_timer_restart(relay, &snapshot->due, delay > 0 ? delay : 0);
}

void
snapshot_asked(struct relay *relay, const struct entry *ask)
{
	struct relay_snapshot *snapshot = &relay->snapshot;
	bool is_ours = text_is(ask->of, relay->replica.host);
	struct relay_answer *answer;
	struct entry_id id;

	if (entry_id_read(text_of(relay->replica.position), &id) != ERR_OK ||
	    relay_redis_ms(relay) - (int64_t)id.ms > STALE_MS ||
	    snapshot->answer_count == RELAY_ANSWERS_MAX ||
	    (!is_ours && origins_is_doubted(&relay->origins, ask->of)))
		return;
	answer = &snapshot->answers[snapshot->answer_count++];
	snprintf(answer->nonce, sizeof(answer->nonce), "%.*s", TEXT_ARG(ask->nonce));
	answer->due = ev_now(relay->loop) + (is_ours ? 0 : STAND_IN);
	set_due(relay);
}

/* Where the answer under way goes. */
static void
answer_key(const struct relay *relay, const char *what, char *out, size_t size)
{
	snprintf(out, size, "%s:%s:%s", relay->config->relay_prefix, what,
	    relay->snapshot.answers[0].nonce);
}

static void
add(struct relay *relay, const struct entry *entry)
{
	struct entry_args args;
	char key[256];

	answer_key(relay, "snapshot", key, sizeof(key));
	out_command(&args, key, 0);
	entry_write(entry, &args);
	relay->snapshot.waiting++;
	redis_send(relay->link.command, &relay->snapshot.added, args.args, args.count);
}

/* None is void: an update that is not there is left out. */
static bool
on_thing(void *arg, int64_t n UNUSED, const struct change *change)
{
	struct relay *relay = arg;
	struct relay_snapshot *snapshot = &relay->snapshot;
	struct entry entry = { .host = text_of(relay->replica.host) };

	entry.change = *change;
	add(relay, &entry);
	snapshot->kind = change->thing.kind;
	snprintf(snapshot->id, sizeof(snapshot->id), "%.*s", TEXT_ARG(change->thing.id));
	return true;
}

static void
finish(struct relay *relay)
{
	struct buf sound = BUF_INIT(1u << 17);
	struct entry end = { .kind = ENTRY_END, .host = text_of(relay->replica.host),
		.nonce = text_of(relay->snapshot.answers[0].nonce) };

	buf_puts(&sound, relay->replica.host);
	origins_trusted(&relay->origins, &sound);
	end.of = buf_view(&sound);
	relay->snapshot.ended = true;
	add(relay, &end);
	buf_fini(&sound);
}

/* It is kept for a while from its newest entry on. */
static void
keep_it(struct relay *relay)
{
	struct text args[] = { text_of("EXPIRE"), { NULL, 0 }, text_of(KEPT_SECONDS) };
	char key[256];

	answer_key(relay, "snapshot", key, sizeof(key));
	args[1] = text_of(key);
	redis_send(relay->link.command, &relay->link.ignored, args, countof(args));
}

static void
next_chunk(struct relay *relay)
{
	struct relay_snapshot *snapshot = &relay->snapshot;
	struct text id = text_of(snapshot->id);
	enum err err = store_things_after(relay->store, snapshot->kind, id, CHUNK, on_thing, relay);

	if (err != ERR_OK) {
		relay_note_failure(relay, err);
		drop_answer(relay); /* who waits for it asks again */
		set_due(relay);
		return;
	}
	if (snapshot->waiting == 0)
		finish(relay);
	keep_it(relay);
}

static void
on_added(void *arg, const redisReply *reply)
{
	struct relay *relay = arg;
	struct relay_snapshot *snapshot = &relay->snapshot;

	if (link_refused(relay, reply) || --snapshot->waiting > 0)
		return;
	if (!snapshot->ended) {
		next_chunk(relay);
		return;
	}
	log_info("relay.snapshot-given");
	drop_answer(relay);
	set_due(relay);
}

/* OK: the right to answer is ours; nothing: somebody else's. */
static void
on_taken(void *arg, const redisReply *reply)
{
	struct relay *relay = arg;
	struct relay_snapshot *snapshot = &relay->snapshot;

	if (link_refused(relay, reply))
		return;
	if (reply->type == REDIS_REPLY_NIL) {
		drop_answer(relay);
		set_due(relay);
		return;
	}
	snapshot->ended = false;
	snapshot->waiting = 0;
	snapshot->kind = THING_KEY;
	snapshot->id[0] = '\0';
	next_chunk(relay);
}

static void
on_due(struct ev_loop *loop, ev_timer *w, int revents)
{
	struct relay *relay = w->data;
	char key[256];
	struct text args[] = { text_of("SET"), { NULL, 0 }, text_of(relay->replica.host), text_of("NX"),
		text_of("EX"), text_of(KEPT_SECONDS) };

	(void)loop;
	(void)revents;
	if (!relay->link.is_up)
		return;
	relay->snapshot.answering = true;
	answer_key(relay, "answer", key, sizeof(key));
	args[1] = text_of(key);
	redis_send(relay->link.command, &relay->snapshot.taken, args, countof(args));
}

void
snapshot_reset(struct relay *relay)
{
	relay->snapshot.nonce[0] = '\0';
	relay->snapshot.answer_count = 0;
	relay->snapshot.answering = false;
	ev_timer_stop(relay->loop, &relay->snapshot.due);
}

void
snapshot_start(struct relay *relay)
{
	struct relay_snapshot *snapshot = &relay->snapshot;

	snapshot->taken = (struct redis_handler){ on_taken, relay };
	snapshot->added = (struct redis_handler){ on_added, relay };
	ev_timer_init(&snapshot->due, on_due, 0, 0);
	snapshot->due.data = relay;
}

void
snapshot_stop(struct relay *relay)
{
	snapshot_reset(relay);
}
