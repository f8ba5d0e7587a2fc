/* test-outq.c: order, partial writes, conflation, memory, against a real socket pair. */
#include "ws/outq.h"

#include <errno.h>
#include <fcntl.h>
#include <malloc.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

struct pair {
	struct outq q;
	int ours, theirs;
};

static void
pair_init(struct pair *pair)
{
	int fds[2], small = 4096;

	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, fds), 0);
	assert_int_equal(setsockopt(fds[0], SOL_SOCKET, SO_SNDBUF, &small, sizeof(small)), 0);
	pair->ours = fds[0];
	pair->theirs = fds[1];
	outq_init(&pair->q);
}

static void
pair_fini(struct pair *pair)
{
	outq_fini(&pair->q);
	close(pair->ours);
	close(pair->theirs);
}

static void
push(struct pair *pair, const char *s, bool replaceable)
{
	struct frame *frame = frame_new_raw(text_of(s));

	assert_non_null(frame);
	assert_int_equal(outq_push(&pair->q, frame, replaceable), ERR_OK);
	frame_drop(&frame);
}

/* Flushes and reads until all is out; returns what came, NUL-terminated, for the caller to free. */
static char *
drain(struct pair *pair)
{
	size_t len = 0, cap = 1 << 20;
	char *got = malloc(cap);
	enum err err;

	assert_non_null(got);
	do {
		ssize_t n;

		err = outq_flush(&pair->q, pair->ours);
		assert_true(err == ERR_OK || err == ERR_AGAIN);
		while ((n = read(pair->theirs, got + len, cap - 1 - len)) > 0)
			len += (size_t)n;
		assert_int_equal(errno, EAGAIN);
	} while (err == ERR_AGAIN);
	got[len] = '\0';
	return got;
}

static void
test_order(void **state)
{
	struct pair pair;
	char *got;

	(void)state;
	pair_init(&pair);
	for (int i = 0; i < 3; i++) {
		push(&pair, "one ", false);
		push(&pair, "two ", true);
		push(&pair, "three ", false);
		got = drain(&pair);
		assert_string_equal(got, "one two three ");
		free(got);
		/* An empty queue holds no memory beyond itself. */
		assert_ptr_equal(pair.q.items, &pair.q.one);
		assert_int_equal(pair.q.bytes, 0);
	}
	pair_fini(&pair);
}

static void
test_more_than_the_socket_takes(void **state)
{
	struct pair pair;
	char *expected = calloc(1, 1 << 18), *got, piece[16];

	(void)state;
	pair_init(&pair);
	for (int i = 0; i < 10000; i++) {
		snprintf(piece, sizeof(piece), "%d,", i);
		push(&pair, piece, true);
		strcat(expected + (i > 100 ? strlen(expected) - 1 : 0), piece);
	}
	assert_int_equal(outq_flush(&pair.q, pair.ours), ERR_AGAIN);
	assert_true(pair.q.bytes > 0);
	got = drain(&pair);
	assert_string_equal(got, expected);
	free(got);
	free(expected);
	pair_fini(&pair);
}

static void
test_conflation(void **state)
{
	struct pair pair;
	char *got;

	(void)state;
	pair_init(&pair);
	push(&pair, "control1 ", false);
	push(&pair, "update1 ", true);
	push(&pair, "control2 ", false);
	push(&pair, "update2 ", true);
	assert_int_equal(outq_conflate(&pair.q), 2);
	assert_int_equal(pair.q.bytes, 18);
	push(&pair, "update3 ", true);
	got = drain(&pair);
	assert_string_equal(got, "control1 control2 update3 ");
	free(got);
	push(&pair, "only ", true);
	assert_int_equal(outq_conflate(&pair.q), 1);
	assert_int_equal(pair.q.bytes, 0);
	assert_int_equal(outq_flush(&pair.q, pair.ours), ERR_OK);
	pair_fini(&pair);
}

static size_t
heap(void)
{
	struct mallinfo2 info = mallinfo2();

	return info.uordblks + info.hblkhd;
}

/* However short the frames, what they cost is at least what they take of the heap. */
static void
test_cost(void **state)
{
	struct pair pair;
	size_t before;

	(void)state;
	pair_init(&pair);
	assert_int_equal(outq_cost(&pair.q), 0);
	before = heap();
	for (int i = 0; i < 10000; i++)
		push(&pair, "..", false);
	assert_in_range(outq_cost(&pair.q), 10000 * 2 + 1, 10000 * 100);
	/* Nothing, where a sanitizer has a heap of its own. */
	assert_true(heap() - before <= outq_cost(&pair.q));
	assert_int_equal(outq_conflate(&pair.q), 0);
	free(drain(&pair));
	assert_int_equal(outq_cost(&pair.q), 0);
	pair_fini(&pair);
}

/* A frame of which a part is out must be sent to its end, whatever its kind. */
static void
test_begun_frame_stays(void **state)
{
	struct pair pair;
	size_t len = 1 << 18;
	char *big = malloc(len + 1), *got;

	(void)state;
	memset(big, 'x', len);
	big[len] = '\0';
	pair_init(&pair);
	push(&pair, big, true);
	push(&pair, "old", true);
	assert_int_equal(outq_flush(&pair.q, pair.ours), ERR_AGAIN);
	assert_true(pair.q.sent > 0);
	assert_int_equal(outq_conflate(&pair.q), 1);
	push(&pair, "new", true);
	got = drain(&pair);
	assert_int_equal(strlen(got), len + 3);
	assert_memory_equal(got, big, len);
	assert_string_equal(got + len, "new");
	free(got);
	free(big);
	pair_fini(&pair);
}

static void
test_gone_peer(void **state)
{
	struct pair pair;

	(void)state;
	pair_init(&pair);
	close(pair.theirs);
	push(&pair, "into the void", false);
	assert_int_equal(outq_flush(&pair.q, pair.ours), ERR_SYSTEM);
	assert_int_equal(errno, EPIPE);
	pair.theirs = dup(pair.ours);
	pair_fini(&pair);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_order),
		cmocka_unit_test(test_more_than_the_socket_takes),
		cmocka_unit_test(test_conflation),
		cmocka_unit_test(test_cost),
		cmocka_unit_test(test_begun_frame_stays),
		cmocka_unit_test(test_gone_peer),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
