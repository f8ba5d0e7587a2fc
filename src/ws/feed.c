/* feed.c: from the bell to rows: "revision > cursor" has no gaps, since SQLite has one writer. */
#include "ws/feed.h"

#include "store/event.h"

#define BATCH 256u /* rows per turn, so that a burst does not keep heartbeats waiting */

struct batch {
	struct feed *feed;
	size_t count;
};

static bool
on_row(void *arg, const struct progress *progress)
{
	struct batch *batch = arg;

	batch->feed->revision = progress->revision;
	batch->feed->sink.on_update(batch->feed->sink.arg, progress);
	batch->count++;
	return true;
}

static enum err
pump_authority(struct feed *feed)
{
	enum err err = store_authority_since(feed->store, &feed->authority, feed->sink.on_authority,
	    feed->sink.arg);

	if (err == ERR_LIMIT) {
		feed->sink.on_authority_lost(feed->sink.arg);
		return ERR_OK;
	}
	return err;
}

/* Sets the cursors to the database's present end. */
static enum err
find_end(struct feed *feed)
{
	enum err err = store_authority_newest(feed->store, &feed->authority);

	if (err == ERR_OK)
		err = store_event_revision(feed->store, &feed->revision);
	feed->adrift = err != ERR_OK;
	return err;
}

/* Authority first: an update must not reach a watcher whose right ended before it. Both reads are
 * of one state of the database. */
static enum err
pump(struct feed *feed, struct batch *batch)
{
	enum err err = store_snapshot(feed->store);

	if (err != ERR_OK)
		return err;
	err = pump_authority(feed);
	if (err == ERR_OK)
		err = store_event_since(feed->store, feed->revision, BATCH, on_row, batch);
	store_snapshot_end(feed->store);
	return err;
}

static void
fail(struct feed *feed, enum err err)
{
	if (!feed->failing)
		feed->sink.on_error(feed->sink.arg, err);
	feed->failing = true;
	ev_idle_stop(feed->loop, &feed->more);
}

void
feed_pump(struct feed *feed)
{
	struct batch batch = { .feed = feed };
	enum err err;

	if (store_is_moved(feed->store)) {
		feed->sink.on_moved(feed->sink.arg);
		return;
	}
	err = feed->adrift ? find_end(feed) : ERR_OK;
	if (err == ERR_OK)
		err = pump(feed, &batch);
	if (err != ERR_OK) {
		fail(feed, err);
		return;
	}
	feed->failing = false;
	if (batch.count == BATCH) {
		ev_idle_start(feed->loop, &feed->more);
		return;
	}
	ev_idle_stop(feed->loop, &feed->more);
	feed->caught_up = ev_now(feed->loop);
}

static void
on_ring(struct ev_loop *loop, ev_io *w, int revents)
{
	struct feed *feed = w->data;

	(void)revents;
	feed->listening = bell_heard(feed->bell);
	if (!feed->listening)
		ev_io_stop(loop, w);
	feed_pump(feed);
}

/* Stands in where the bell can't: a lost ring, a removed file, inotify's limits. */
static void
on_poll(struct ev_loop *loop, ev_timer *w, int revents)
{
	struct feed *feed = w->data;

	(void)loop;
	(void)revents;
	if (feed->listening)
		feed->listening = bell_heard(feed->bell);
	feed_pump(feed);
}

static void
on_more(struct ev_loop *loop, ev_idle *w, int revents)
{
	(void)loop;
	(void)revents;
	feed_pump(w->data);
}

static void
listen_to_bell(struct feed *feed)
{
	int fd;

	feed->listening = bell_listen(feed->bell, &fd) == ERR_OK;
	if (!feed->listening)
		return;
	ev_io_init(&feed->ring, on_ring, fd, EV_READ);
	feed->ring.data = feed;
	ev_io_start(feed->loop, &feed->ring);
}

void
feed_restart(struct feed *feed, struct store *store)
{
	feed->store = store;
	feed->adrift = true;
	feed_pump(feed);
}

enum err
feed_start(struct feed *feed, struct ev_loop *loop, struct store *store, struct bell *bell,
    int64_t poll_ms, const struct feed_sink *sink)
{
	enum err err;

	*feed = (struct feed){ .loop = loop, .store = store, .bell = bell, .sink = *sink };
	/* Listening begins before the cursors are read, so nothing falls between. */
	ev_init(&feed->ring, on_ring);
	listen_to_bell(feed);
	err = find_end(feed);
	if (err != ERR_OK) {
		ev_io_stop(loop, &feed->ring);
		return err;
	}
	feed->caught_up = ev_now(loop);
	ev_idle_init(&feed->more, on_more);
	/* In every turn: what clients send in each must not keep the feed from going on. */
	ev_set_priority(&feed->more, EV_MAXPRI);
	feed->more.data = feed;
	ev_timer_init(&feed->poll, on_poll, 0, 1);
	feed->poll.data = feed;
	feed_set_poll(feed, poll_ms);
	return ERR_OK;
}

void
feed_set_poll(struct feed *feed, int64_t poll_ms)
{
	feed->poll.repeat = (double)poll_ms / 1000;
	ev_timer_again(feed->loop, &feed->poll);
}

void
feed_stop(struct feed *feed)
{
	ev_io_stop(feed->loop, &feed->ring);
	ev_timer_stop(feed->loop, &feed->poll);
	ev_idle_stop(feed->loop, &feed->more);
}

bool
feed_is_current(const struct feed *feed, double seconds)
{
	/* Where nothing happens it looks no more often than it polls. */
	return !feed->failing && ev_now(feed->loop) - feed->caught_up <= seconds + feed->poll.repeat;
}
