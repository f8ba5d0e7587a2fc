/*
 * vouch.c: what a host wrote that is not there any more, and Redis lost before all had read it.
 *
 * Each relay writes its own changes again. For a host that does not come back within a while those
 * do that had read them: all that is its last word on something, as entries that are not counted.
 * Several may do so at once, and again; who knows it already loses nothing by that.
 */
#include "base/log.h"
#include "relay/relay.h"

#include <inttypes.h>
#include <stdio.h>

#define PATIENCE 10.0 /* seconds in which a host may come back and speak for itself */
#define PACE 0.05     /* between pieces, so that all else goes on */
#define CHUNK 500

/* One piece. */
struct piece {
	struct relay *relay;
	size_t count;
};

static bool
is_silent(const struct relay *relay, struct text host)
{
	return !text_is(host, relay->replica.host) &&
	    relay_redis_ms(relay) - origins_seen(&relay->origins, host) > (int64_t)(PATIENCE * 1000);
}

static bool
on_thing(void *arg, int64_t n UNUSED, const struct change *change)
{
	struct piece *piece = arg;
	struct relay *relay = piece->relay;
	struct relay_vouch *vouch = &relay->vouch;
	struct entry entry = { .host = text_of(relay->replica.host) };

	piece->count++;
	vouch->kind = change->thing.kind;
	snprintf(vouch->id, sizeof(vouch->id), "%.*s", TEXT_ARG(change->thing.id));
	if (!is_silent(relay, change->thing.host) &&
	    !(change->has_update && is_silent(relay, change->update.host)))
		return true;
	entry.change = *change;
	out_write(relay, &entry);
	vouch->count++;
	return true;
}

static void
wait(struct relay *relay, double seconds)
{
	relay_timer_restart(relay, &relay->vouch.due, seconds);
}

static void
on_due(struct ev_loop *loop UNUSED, ev_timer *w, int revents UNUSED)
{
	struct relay *relay = w->data;
	struct relay_vouch *vouch = &relay->vouch;
	struct piece piece = { relay, 0 };
	enum err err;

	if (!relay->link.is_up || !out_has_room(relay, CHUNK)) {
		wait(relay, PACE);
		return;
	}
	err = store_things_after(relay->store, vouch->kind, text_of(vouch->id), CHUNK, on_thing, &piece);
	relay_note_failure(relay, err);
	if (err != ERR_OK || piece.count == CHUNK)
		wait(relay, PACE);
	else if (vouch->count > 0)
		log_info("relay.vouched", LOG_INT("changes", vouch->count));
}

void
vouch_begin(struct relay *relay)
{
	struct relay_vouch *vouch = &relay->vouch;

	vouch->kind = THING_KEY;
	vouch->id[0] = '\0';
	vouch->count = 0;
	wait(relay, PATIENCE);
}

void
vouch_start(struct relay *relay)
{
	ev_timer_init(&relay->vouch.due, on_due, 0, 0);
	relay->vouch.due.data = relay;
}

void
vouch_stop(struct relay *relay)
{
	ev_timer_stop(relay->loop, &relay->vouch.due);
}
