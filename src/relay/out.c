/*
 * out.c: this host's changes on their way into the stream, in order, many at a time.
 *
 * In a backlog, after Redis was away, what is changed now does not wait for its turn: it is sent at
 * once, behind what waits of the same session, as entries that are not counted. When their turn
 * comes they are sent again; who has them already loses nothing by that.
 */
#include "base/log.h"
#include "model/id.h"
#include "relay/relay.h"

#include <stdlib.h>
#include <string.h>

#define WINDOW 512     /* under way at a time in order, so that a live one never waits for long */
#define BACKLOG 1000   /* from so many on, live ones overtake */
#define LIVE_MAX 200   /* looked at in one turn */

/* How much of a session was sent out of its turn. */
struct early {
	uint8_t key[MAP_KEY_LEN]; /* first, for the map */
	int64_t n;
};

static void
forget_early(struct relay_out *out)
{
	struct early *early;
	size_t pos = 0;

	while ((early = map_next(&out->sent, &pos)) != NULL)
		free(early);
	map_fini(&out->sent);
	map_init(&out->sent, 0);
	out->draining = false;
}

/* Room that only live ones may fill is not for those that wait for their turn. */
static size_t
room(const struct relay_out *out, size_t limit)
{
	return out->count < limit ? limit - out->count : 0;
}

static void
take_off(struct relay_out *out, int64_t n)
{
	out->flight[(out->head + out->count) % RELAY_FLIGHT_MAX] = n;
	out->count++;
}

/* All of them are answered in the order in which they were sent. */
static void
on_added(void *arg, const redisReply *reply)
{
	struct relay *relay = arg;
	struct relay_out *out = &relay->out;
	struct text id = redis_text(reply);
	int64_t n;

	if (link_refused(relay, reply))
		return;
	n = out->flight[out->head];
	out->head = (out->head + 1) % RELAY_FLIGHT_MAX;
	out->count--;
	if (n > 0) {
		relay->replica.sent = n;
		snprintf(relay->replica.sent_entry, sizeof(relay->replica.sent_entry), "%.*s",
		    TEXT_ARG(id));
	}
	if (out->count <= WINDOW / 2 && out->cursor < relay->replica.newest)
		out_pump(relay);
}

void
out_command(struct entry_args *args, const char *key, int64_t limit)
{
	args->count = args->number_count = 0;
	entry_arg(args, text_of("XADD"));
	entry_arg(args, text_of(key));
	if (limit > 0) {
		entry_arg(args, text_of("MAXLEN"));
		entry_arg(args, text_of("~"));
		entry_number(args, limit);
	}
	entry_arg(args, text_of("*"));
}

static void
write_entry(struct relay *relay, const struct entry *entry)
{
	struct entry_args args;

	out_command(&args, relay->keys.stream, relay->config->relay_stream_max);
	entry_write(entry, &args);
	take_off(&relay->out, entry->n);
	redis_send(relay->link.command, &relay->out.added, args.args, args.count);
}

bool
out_has_room(const struct relay *relay, size_t count)
{
	return room(&relay->out, RELAY_FLIGHT_MAX) >= count;
}

void
out_write(struct relay *relay, const struct entry *entry)
{
	if (room(&relay->out, RELAY_FLIGHT_MAX) > 0)
		write_entry(relay, entry);
}

/* In its turn. Numbers that are missing were trimmed; of a void one nothing is left. */
static bool
on_turn(void *arg, int64_t n, const struct change *change)
{
	struct relay *relay = arg;
	struct relay_out *out = &relay->out;
	struct entry entry = { .host = text_of(relay->replica.host), .n = n };

	if (n != out->cursor + 1)
		out->chain = n - 1;
	out->cursor = n;
	if (change == NULL)
		return true;
	entry.after = out->chain;
	entry.change = *change;
	write_entry(relay, &entry);
	out->chain = n;
	return true;
}

static void
pump_in_turn(struct relay *relay)
{
	size_t count = room(&relay->out, WINDOW);

	if (count > 0 && relay->out.cursor < relay->replica.newest)
		relay_note_failure(relay,
		    store_out_after(relay->store, relay->out.cursor, count, on_turn, relay));
}

/* Sending those of one session. */
struct sending {
	struct relay *relay;
	struct early *early;
};

static bool
on_early(void *arg, int64_t n, const struct change *change)
{
	const struct sending *sending = arg;
	struct relay *relay = sending->relay;
	struct entry entry = { .host = text_of(relay->replica.host) };

	if (room(&relay->out, RELAY_FLIGHT_MAX) == 0)
		return false;
	if (change != NULL) {
		entry.change = *change;
		write_entry(relay, &entry);
	}
	sending->early->n = n;
	return true;
}

/* What is remembered of the thing; NULL: nothing can be, and it is sent in its turn alone. */
static struct early *
remember(struct relay_out *out, struct text id)
{
	struct early *early;
	struct id key;

	if (id_parse(id, &key) != ERR_OK)
		return NULL;
	early = map_get(&out->sent, key.bytes);
	if (early != NULL)
		return early;
	early = calloc(1, sizeof(*early));
	if (early == NULL)
		return NULL;
	memcpy(early->key, key.bytes, sizeof(early->key));
	if (map_put(&out->sent, early) != ERR_OK) {
		free(early);
		return NULL;
	}
	return early;
}

static bool
on_live(void *arg, int64_t n, struct text id)
{
	struct relay *relay = arg;
	struct relay_out *out = &relay->out;
	struct sending sending = { relay, remember(out, id) };

	if (sending.early != NULL && sending.early->n < out->cursor)
		sending.early->n = out->cursor;
	if (sending.early != NULL && sending.early->n < n)
		relay_note_failure(relay,
		    store_out_of(relay->store, id, sending.early->n, n, on_early, &sending));
	/* If there was no room for all, the rest goes first as soon as there is: a later one that came before
	 * it would make it count for nothing. */
	if (sending.early != NULL && sending.early->n < n)
		return false;
	out->live = n;
	return true;
}

/* Begins or ends to let live ones overtake. */
static void
judge_backlog(struct relay *relay)
{
	struct relay_out *out = &relay->out;
	bool is_backlog = relay->replica.newest - out->cursor > BACKLOG;

	if (is_backlog && !out->draining) {
		out->draining = true;
		out->live = relay->replica.newest;
		log_info("relay.backlog", LOG_INT("changes", relay->replica.newest - out->cursor));
	} else if (!is_backlog && out->draining) {
		forget_early(out);
	}
}

void
out_pump(struct relay *relay)
{
	struct relay_out *out = &relay->out;

	if (!relay->link.is_up)
		return;
	judge_backlog(relay);
	if (out->draining && out->live < relay->replica.newest)
		relay_note_failure(relay,
		    store_out_ids(relay->store, out->live, LIVE_MAX, on_live, relay));
	pump_in_turn(relay);
}

void
out_reset(struct relay *relay)
{
	struct relay_out *out = &relay->out;

	forget_early(out);
	out->cursor = out->chain = relay->replica.sent;
	out->head = out->count = 0;
}

void
out_start(struct relay *relay)
{
	relay->out.added = (struct redis_handler){ on_added, relay };
	map_init(&relay->out.sent, 0);
	out_reset(relay);
}

void
out_stop(struct relay *relay)
{
	forget_early(&relay->out);
	map_fini(&relay->out.sent);
}
