/* test-feed.c: when the feed counts as current, and that it goes on whatever else happens; what it reads
 * and passes on is tested end to end. */
#include "ws/feed.h"

#include "database.h"
#include "store/event.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

#define ALLOWED 10.0  /* seconds */
#define UPDATES 2000u /* eight batches of the feed */
#define TURNS 20u     /* enough for them */

static const char session_id[] = "11111111-2222-4333-8444-555555555555";

/* One that last stood at the end so many seconds ago, and polls so rarely. */
static struct feed
feed_of(struct ev_loop *loop, double ago, double poll)
{
	struct feed feed = { .loop = loop, .caught_up = ev_now(loop) - ago };

	feed.poll.repeat = poll;
	return feed;
}

static void
test_is_current(void **state)
{
	static const struct {
		double ago, poll;
		bool current;
	} rows[] = {
		{ 0, 1, true }, { 10.5, 1, true }, { 11.5, 1, false }, { 3600, 1, false },
		/* Between two polls nothing happened: it is no more behind than it ever is. */
		{ 11.5, 60, true }, { 69, 60, true }, { 71, 60, false },
	};
	struct ev_loop *loop = ev_loop_new(EVFLAG_AUTO);

	(void)state;
	for (size_t i = 0; i < countof(rows); i++) {
		struct feed feed = feed_of(loop, rows[i].ago, rows[i].poll);

		assert_int_equal(feed_is_current(&feed, ALLOWED), rows[i].current);
		feed.failing = true;
		assert_false(feed_is_current(&feed, ALLOWED));
	}
	ev_loop_destroy(loop);
}

/* --- a database that is far ahead, and a loop that has always something else to do --- */

struct bed {
	struct database database;
	struct store *store;
	struct bell *bell;
	struct ev_loop *loop;
	unsigned updates; /* that the sink got */
	int pipe[2];
};

static int
setup(void **state)
{
	struct bed *bed = calloc(1, sizeof(*bed));
	struct buf why = BUF_INIT(1024);

	bed->loop = ev_loop_new(EVFLAG_AUTO);
	*state = bed;
	if (database_make(&bed->database) != 0 ||
	    store_open(bed->database.path, STORE_WRITE, 0, &bed->store, &why) != ERR_OK)
		return -1;
	return bell_open(bed->database.path, &bed->bell) == ERR_OK && pipe(bed->pipe) == 0 ? 0 : -1;
}

static int
teardown(void **state)
{
	struct bed *bed = *state;

	bell_close(&bed->bell);
	store_close(&bed->store);
	ev_loop_destroy(bed->loop);
	close(bed->pipe[0]);
	close(bed->pipe[1]);
	database_remove(&bed->database);
	free(bed);
	return 0;
}

static void
add_updates(struct store *store)
{
	struct update update = { .status = text_of("transcribing"), .eta = PROGRESS_ETA_NONE };
	struct session session = { .has_patient = false };
	struct faults faults = { .count = 0 };
	struct progress result;
	enum decision decision;
	const char *why;
	bool created;

	assert_int_equal(id_parse(text_of(session_id), &session.id), ERR_OK);
	assert_int_equal(store_session_put(store, &session, &created), ERR_OK);
	update.session = session.id;
	assert_int_equal(store_begin(store), ERR_OK);
	for (unsigned i = 0; i < UPDATES; i++) {
		char message[16];

		snprintf(message, sizeof(message), "%u", i);
		update.message = text_of(message);
		update.progress = 20;
		assert_int_equal(store_report(store, &update, 1, &decision, &result, &faults, &why), ERR_OK);
		assert_int_equal(decision, DECISION_STORE);
	}
	assert_int_equal(store_commit(store), ERR_OK);
}

static void
on_update(void *arg, const struct progress *progress)
{
	struct bed *bed = arg;
	char expected[16];

	snprintf(expected, sizeof(expected), "%u", bed->updates++);
	assert_true(text_is(progress->message, expected));
}

static void
on_authority(void *arg, enum authority_kind kind, const struct id *id)
{
	(void)arg;
	(void)kind;
	(void)id;
}

static void
on_nothing(void *arg)
{
	(void)arg;
	fail();
}

static void
on_error(void *arg, enum err err)
{
	(void)arg;
	assert_int_equal(err, ERR_OK);
}

/* As a client who sends without end, faster than it is read. */
static void
on_readable(struct ev_loop *loop, ev_io *w, int revents)
{
	(void)loop;
	(void)w;
	(void)revents;
}

static void
test_goes_on_in_every_turn(void **state)
{
	struct bed *bed = *state;
	const struct feed_sink sink = { bed, on_update, on_authority, on_nothing, on_error, on_nothing };
	struct feed feed;
	ev_io busy;

	assert_int_equal(feed_start(&feed, bed->loop, bed->store, bed->bell, 60000, &sink), ERR_OK);
	add_updates(bed->store);
	ev_io_init(&busy, on_readable, bed->pipe[0], EV_READ);
	ev_io_start(bed->loop, &busy);
	assert_int_equal(write(bed->pipe[1], "x", 1), 1);
	feed_pump(&feed);
	assert_in_range(bed->updates, 1, UPDATES / 2); /* a burst is not passed on all at once */
	for (unsigned turn = 0; turn < TURNS; turn++)
		ev_run(bed->loop, EVRUN_ONCE);
	assert_int_equal(bed->updates, UPDATES);
	ev_io_stop(bed->loop, &busy);
	feed_stop(&feed);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_is_current),
		cmocka_unit_test_setup_teardown(test_goes_on_in_every_turn, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
