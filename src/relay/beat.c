/* beat.c: once a second, what the hosts tell each other of how they are, and upkeep. */
#include "base/clock.h"
#include "base/digest.h"
#include "base/log.h"
#include "relay/relay.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SECOND 1.0
#define UPKEEP 10     /* beats between */
#define SILENT_MS 5000 /* a host that was not heard of for so long is called silent */
#define TRIM_MAX 5000
#define RIVAL_MS 10000 /* who was heard of so lately may be there */
#define TWINS 2        /* sightings, as one may be late, and of a process before this one */
_Static_assert(REPLICA_TEXT_MAX == 64, "the formats say so");

bool
beat_read(struct text t, struct said *out)
{
	char line[400], entry[80], position[80];
	struct said said = { .at_ms = 0 };
	int count;

	if (t.s == NULL || t.len >= sizeof(line))
		return false;
	snprintf(line, sizeof(line), "%.*s", TEXT_ARG(t));
	count = sscanf(line, "%64s %" SCNd64 " %" SCNd64 " %79s %79s %" SCNd64 " %64s", said.token,
	    &said.at_ms, &said.sent, entry, position, &said.waiting, said.instance);
	if (count < 6 || entry_id_read(text_of(entry), &said.entry) != ERR_OK ||
	    entry_id_read(text_of(position), &said.position) != ERR_OK)
		return false;
	*out = said;
	return true;
}

bool
beat_is_fresh(const struct relay *relay, const struct said *said)
{
	return llabs(relay_redis_ms(relay) - said->at_ms) < RIVAL_MS;
}

/* How old the stream's end is that a host has yet to reach. */
static int64_t
lag_of(const struct relay *relay, const struct entry_id *position)
{
	struct entry_id last;

	if (entry_id_read(text_of(relay->beat.last), &last) != ERR_OK ||
	    entry_id_compare(position, &last) >= 0)
		return 0;
	return position->ms == 0 ? relay_redis_ms(relay) - (int64_t)last.ms :
	    (int64_t)(last.ms - position->ms);
}

/* Somebody says under our name how he is, again and again after we did: a copy of this database takes
 * part, and what it wrote we took for ours. */
static void
look_for_twin(struct relay *relay, const struct said *said)
{
	struct relay_beat *beat = &relay->beat;

	if (!beat->is_told || said->at_ms == beat->twin_ms || !beat_is_fresh(relay, said) ||
	    said->instance[0] == '\0' || strcmp(said->instance, beat->instance) == 0)
		return;
	beat->twin_ms = said->at_ms;
	beat->twins++;
	if (beat->twins >= TWINS)
		origins_doubt(&relay->origins, text_of(relay->replica.host));
}

static enum err
note_host(struct relay *relay, struct text name, struct text text)
{
	struct said beat;
	struct replica_host host = { .name = name };
	int64_t silent_ms;

	if (!merge_is_host(name) || !beat_read(text, &beat))
		return ERR_OK;
	silent_ms = relay_redis_ms(relay) - beat.at_ms;
	host.state = text_of(silent_ms > SILENT_MS ? "silent" : "here");
	host.lag_ms = lag_of(relay, &beat.position);
	host.waiting = beat.waiting;
	host.seen_at = clock_wall() - silent_ms / 1000;
	if (text_is(name, relay->replica.host))
		look_for_twin(relay, &beat);
	else if (!origins_claim(&relay->origins, name, beat.sent, &beat.entry, beat.at_ms))
		return ERR_OK; /* so many are no hosts, and would fill the database */
	return store_host_seen(relay->store, &host);
}

static enum err
note_hosts(struct relay *relay, void *arg, bool *ring UNUSED)
{
	const redisReply *reply = arg;
	enum err err = store_replica_state(relay->store, relay->link.is_up,
	    relay->link.is_up ? "" : relay->link.why, clock_wall());

	for (size_t i = 0; reply != NULL && i + 1 < reply->elements && err == ERR_OK; i += 2)
		err = note_host(relay, redis_text(redis_element(reply, i)),
		    redis_text(redis_element(reply, i + 1)));
	if (err == ERR_OK)
		err = origins_save(&relay->origins, relay->store);
	return err == ERR_OK ? store_replica_save(relay->store, &relay->replica) : err;
}

static void
on_hosts(void *arg, const redisReply *reply)
{
	struct relay *relay = arg;
	void *hosts = (void *)(uintptr_t)reply;

	/* What could not be written down is in the next beat again. */
	if (link_refused(relay, reply))
		return;
	if (relay_transact(relay, note_hosts, hosts) != ERR_OK)
		log_warn("relay.beat-late");
	if (relay->beat.twins < TWINS)
		return;
	relay->link.is_doubled = true;
	link_down(relay, "a copy of this database takes part under this relay_host");
}

/* TIME: seconds and microseconds, as texts. */
static void
on_clock(void *arg, const redisReply *reply)
{
	struct relay *relay = arg;
	struct text seconds = redis_text(redis_element(reply, 0));
	struct text micros = redis_text(redis_element(reply, 1));
	unsigned long long s, us;

	if (!link_refused(relay, reply) && text_number(seconds, INT64_MAX / 2000, &s) &&
	    text_number(micros, 999999, &us))
		relay->link.ahead_ms = (int64_t)(s * 1000 + us / 1000) - clock_wall_us() / 1000;
}

/* The stream's end, asked for after what the hosts claim to have written. */
static void
on_end(void *arg, const redisReply *reply)
{
	struct relay *relay = arg;
	struct text id = redis_text(redis_element(redis_element(reply, 0), 0));
	struct entry_id position, last = { 0, 0 };
	const char *gap;

	if (link_refused(relay, reply))
		return;
	snprintf(relay->beat.last, sizeof(relay->beat.last), "%.*s", TEXT_ARG(id));
	if (entry_id_read(text_of(relay->replica.position), &position) != ERR_OK ||
	    (id.s != NULL && entry_id_read(id, &last) != ERR_OK))
		return;
	gap = origins_check(&relay->origins, &position, &last);
	if (gap != NULL)
		log_warn("relay.gap", LOG_STR("host", gap));
	snapshot_want(relay);
}

static void
on_told(void *arg, const redisReply *reply)
{
	struct relay *relay = arg;

	if (!link_refused(relay, reply))
		relay->beat.is_told = true;
}

void
beat_reset(struct relay *relay)
{
	relay->beat.is_told = false;
	relay->beat.twins = 0;
	relay->beat.twin_ms = 0;
}

/* Two processes of one database are told apart by it. */
static void
draw_instance(struct relay_beat *beat)
{
	uint8_t random[16];

	beat->instance[0] = '\0';
	if (digest_random(random, sizeof(random)) == ERR_OK)
		digest_hex(random, sizeof(random), beat->instance);
}

static void
tell(struct relay *relay)
{
	const struct replica *replica = &relay->replica;
	struct relay_beat *beat = &relay->beat;
	char line[400];
	struct text say[] = { text_of("HSET"), text_of(relay->keys.hosts), text_of(replica->host),
		{ NULL, 0 } };
	struct text end[] = { text_of("XREVRANGE"), text_of(relay->keys.stream), text_of("+"),
		text_of("-"), text_of("COUNT"), text_of("1") };
	struct text all[] = { text_of("HGETALL"), text_of(relay->keys.hosts) };

	snprintf(line, sizeof(line), "%s %" PRId64 " %" PRId64 " %s %s %" PRId64 " %s",
	    replica->token, relay_redis_ms(relay), replica->sent, replica->sent_entry,
	    replica->position, replica->newest - replica->sent, beat->instance);
	say[3] = text_of(line);
	redis_command(relay->link.command, &beat->clock, "TIME");
	/* Before we say anything, as it shows whether somebody else did under our name. */
	redis_send(relay->link.command, &beat->hosts, all, countof(all));
	redis_send(relay->link.command, &beat->told, say, countof(say));
	redis_send(relay->link.command, &beat->end, end, countof(end));
}

/* By age; by length each entry does it. Our own changes are kept for as long. */
static void
trim(struct relay *relay)
{
	const struct config *config = relay->config;
	const struct replica *replica = &relay->replica;
	char least[32];
	struct text args[] = { text_of("XTRIM"), text_of(relay->keys.stream), text_of("MINID"),
		text_of("~"), { NULL, 0 } };
	enum err err;

	if (relay->link.is_up) {
		snprintf(least, sizeof(least), "%" PRId64,
		    relay_redis_ms(relay) - config->relay_stream_age_ms);
		args[4] = text_of(least);
		redis_send(relay->link.command, &relay->link.ignored, args, countof(args));
	}
	err = store_out_trim(relay->store, replica->sent,
	    clock_wall() - config->relay_stream_age_ms / 1000,
	    replica->newest - config->relay_stream_max, TRIM_MAX);
	if (err != ERR_BUSY)
		relay_note_failure(relay, err);
}

static void
on_beat(struct ev_loop *loop, ev_timer *w, int revents)
{
	struct relay *relay = w->data;

	(void)revents;
	if (store_is_moved(relay->store)) {
		log_error("relay.database-moved");
		relay->failed = true;
		ev_break(loop, EVBREAK_ALL);
		return;
	}
	if (relay->link.is_up)
		tell(relay);
	else if (relay_transact(relay, note_hosts, NULL) != ERR_OK)
		return;
	if (relay->beat.count++ % UPKEEP == 0)
		trim(relay);
}

void
beat_start(struct relay *relay)
{
	struct relay_beat *beat = &relay->beat;

	beat->clock = (struct redis_handler){ on_clock, relay };
	beat->end = (struct redis_handler){ on_end, relay };
	beat->hosts = (struct redis_handler){ on_hosts, relay };
	beat->told = (struct redis_handler){ on_told, relay };
	draw_instance(beat);
	ev_timer_init(&beat->timer, on_beat, 0, SECOND);
	beat->timer.data = relay;
	ev_timer_start(relay->loop, &beat->timer);
}

void
beat_stop(struct relay *relay)
{
	ev_timer_stop(relay->loop, &relay->beat.timer);
}
