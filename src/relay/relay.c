/* relay.c: a relay's transactions, and what wakes it. */
#include "relay/relay.h"

#include "base/clock.h"
#include "base/log.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#define CAPTURE_MAX 2000 /* updates in one transaction, so that no worker waits for long */

void
relay_timer_restart(struct relay *relay, ev_timer *timer, double seconds)
{
	ev_timer_stop(relay->loop, timer);
	ev_timer_set(timer, seconds, 0);
	ev_timer_start(relay->loop, timer);
}

int64_t
relay_redis_ms(const struct relay *relay)
{
	return clock_wall_us() / 1000 + relay->link.ahead_ms;
}

void
relay_note_failure(const struct relay *relay, enum err err)
{
	if (err != ERR_OK)
		log_write(err == ERR_BUSY ? LOG_LEVEL_WARN : LOG_LEVEL_ERROR, "relay.database",
		    LOG_FIELDS(LOG_STR("err", err_name(err)),
		        LOG_STR("error", store_error(relay->store))));
}

static enum err
capture_and(struct relay *relay, relay_fn fn, void *arg, bool *ring, bool *whole)
{
	enum err err = store_begin(relay->store);

	if (err != ERR_OK)
		return err;
	err = store_capture(relay->store, &relay->replica, clock_wall(), CAPTURE_MAX, whole);
	if (err == ERR_OK && *whole && fn != NULL)
		err = fn(relay, arg, ring);
	if (err == ERR_OK)
		return store_commit(relay->store);
	store_rollback(relay->store);
	return err;
}

/* What is in memory was ahead of what is stored. */
static void
go_back(struct relay *relay, const struct replica *before, enum err err)
{
	relay->replica = *before;
	relay_note_failure(relay, err);
	relay_note_failure(relay, origins_load(&relay->origins, relay->store));
}

/* Whoever only reads here never checkpoints, so we do. What fails is tried again after the next
 * one. */
static void
tidy(struct relay *relay)
{
	enum checkpoint result;
	enum err err = store_checkpoint(relay->store, false, &result);

	if (err != ERR_OK && err != ERR_BUSY)
		log_error("relay.checkpoint", LOG_STR("error", store_error(relay->store)));
}

enum err
relay_transact(struct relay *relay, relay_fn fn, void *arg)
{
	bool whole = false, ring = false;

	while (!whole) {
		struct replica before = relay->replica;
		enum err err = capture_and(relay, fn, arg, &ring, &whole);

		if (err != ERR_OK) {
			go_back(relay, &before, err);
			return err;
		}
		tidy(relay);
	}
	/* A ring that is not heard costs latency only. */
	if (ring && bell_ring(relay->bell) != ERR_OK)
		log_warn("relay.bell", LOG_STR("error", strerror(errno)));
	out_pump(relay);
	return ERR_OK;
}

/* Is there something new of our own? */
static void
look(struct relay *relay)
{
	bool due = true;

	if (store_capture_due(relay->store, &relay->replica, &due) == ERR_OK && !due)
		return;
	if (relay_transact(relay, NULL, NULL) != ERR_OK)
		ev_timer_again(relay->loop, &relay->poll); /* tried again then */
}

static void
on_ring(struct ev_loop *loop, ev_io *w, int revents)
{
	struct relay *relay = w->data;

	(void)revents;
	if (!bell_heard(relay->bell))
		ev_io_stop(loop, w);
	look(relay);
}

static void
on_poll(struct ev_loop *loop, ev_timer *w, int revents)
{
	struct relay *relay = w->data;

	(void)loop;
	(void)revents;
	(void)bell_heard(relay->bell);
	look(relay);
}

static void
listen_to_bell(struct relay *relay)
{
	int fd;

	if (bell_listen(relay->bell, &fd) != ERR_OK) {
		log_warn("relay.bell", LOG_STR("error", strerror(errno)));
		ev_init(&relay->ring, on_ring);
		return;
	}
	ev_io_init(&relay->ring, on_ring, fd, EV_READ);
	relay->ring.data = relay;
	ev_io_start(relay->loop, &relay->ring);
}

void
relay_start(struct relay *relay)
{
	const char *prefix = relay->config->relay_prefix;
	double seconds = (double)relay->config->poll_interval_ms / 1000;

	snprintf(relay->keys.stream, sizeof(relay->keys.stream), "%s:stream", prefix);
	snprintf(relay->keys.hosts, sizeof(relay->keys.hosts), "%s:hosts", prefix);
	listen_to_bell(relay);
	ev_timer_init(&relay->poll, on_poll, seconds, seconds);
	relay->poll.data = relay;
	ev_timer_start(relay->loop, &relay->poll);
	out_start(relay);
	in_start(relay);
	snapshot_start(relay);
	vouch_start(relay);
	link_start(relay);
	beat_start(relay);
	look(relay);
}

static enum err
write_down(struct relay *relay, void *arg UNUSED, bool *ring UNUSED)
{
	enum err err = store_replica_save(relay->store, &relay->replica);

	if (err == ERR_OK)
		err = store_replica_state(relay->store, false, "stopped", clock_wall());
	return err;
}

void
relay_stop(struct relay *relay)
{
	link_stop(relay);
	/* What could not be written is done again after the next start. */
	if (relay_transact(relay, write_down, NULL) != ERR_OK)
		log_warn("relay.stopped-late");
	beat_stop(relay);
	vouch_stop(relay);
	snapshot_stop(relay);
	in_stop(relay);
	out_stop(relay);
	ev_io_stop(relay->loop, &relay->ring);
	ev_timer_stop(relay->loop, &relay->poll);
	origins_fini(&relay->origins);
}
