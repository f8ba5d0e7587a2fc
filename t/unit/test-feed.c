/* test-feed.c: when the feed counts as current; what it reads and passes on is tested end to end. */
#include "ws/feed.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#define ALLOWED 10.0 /* seconds */

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

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_is_current),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
