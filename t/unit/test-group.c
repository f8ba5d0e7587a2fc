/* test-group.c: what those are answered whom one transaction is for, and what is stored of them. */
#include "api/commit.h"
#include "database.h"
#include "store/account.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

#define WISHES_MAX 8

/* A request: writes a session, then answers as it was told. */
struct wish {
	struct commit_ticket ticket;
	struct id id;
	enum err err;
	unsigned calls;
	bool created; /* by the last call */
	unsigned answers;
};

struct bed {
	struct database database;
	struct commit *commit;
	struct store *other; /* locks the database as soon as all wait; NULL: nobody does */
	struct wish wishes[WISHES_MAX];
	size_t count;
};

static enum err
write_wish(void *arg, struct store *store)
{
	struct wish *wish = arg;
	const struct session session = { .id = wish->id };
	enum err err = store_session_put(store, &session, &wish->created);

	wish->calls++;
	return err == ERR_OK ? wish->err : err;
}

static void
on_answer(struct commit_ticket *ticket)
{
	struct wish *wish = (struct wish *)(void *)ticket; /* its first member */

	wish->answers++;
}

static void
make_wishes(struct bed *bed, const enum err *errs, size_t count)
{
	bed->count = count;
	for (size_t i = 0; i < count; i++)
		bed->wishes[i] = (struct wish){ .err = errs[i], .id.bytes[0] = (uint8_t)(i + 1) };
}

static enum err
run(struct bed *bed, struct wish *wish)
{
	return commit_run(bed->commit, write_wish, wish, 1);
}

/* A commit_fn that brings all wishes: as the queue has its writer by then, they wait together. */
static enum err
bring(void *arg, struct store *store)
{
	struct bed *bed = arg;

	(void)store;
	for (size_t i = 0; i < bed->count; i++) {
		struct wish *wish = &bed->wishes[i];

		wish->ticket = (struct commit_ticket){ .fn = write_wish, .arg = wish, .weight = 1,
			.answer = on_answer };
		commit_submit(bed->commit, &wish->ticket);
	}
	return ERR_OK;
}

static void
on_brought(struct commit_ticket *ticket)
{
	struct bed *bed = ticket->arg;

	assert_int_equal(ticket->err, ERR_OK);
	if (bed->other != NULL)
		assert_int_equal(store_begin(bed->other), ERR_OK);
}

/* Has all wishes answered. */
static void
run_group(struct bed *bed)
{
	struct commit_ticket ticket = { .fn = bring, .arg = bed, .weight = 1, .answer = on_brought };

	commit_submit(bed->commit, &ticket);
}

static struct store *
open_store(const struct bed *bed, enum store_mode mode)
{
	struct buf why = BUF_INIT(1024);
	struct store *store = NULL;

	if (store_open(bed->database.path, mode, 0, &store, &why) != ERR_OK)
		fail_msg("%s", buf_cstr(&why));
	buf_fini(&why);
	return store;
}

static bool
is_stored(const struct bed *bed, const struct wish *wish)
{
	struct store *store = open_store(bed, STORE_READ);
	struct session session;
	enum err err = store_session_find(store, &wish->id, &session);

	store_close(&store);
	return err == ERR_OK;
}

static int
setup_with(void **state, size_t group_max, int64_t wal_max)
{
	const struct commit_options options = { .mode = STORE_WRITE, .group_max = group_max,
		.wal_max = wal_max };
	struct bed *bed = calloc(1, sizeof(*bed));
	struct buf why = BUF_INIT(1024);

	*state = bed;
	if (database_make(&bed->database) != 0)
		return -1;
	return commit_new(bed->database.path, &options, &bed->commit, &why) == ERR_OK ? 0 : -1;
}

static int
setup(void **state)
{
	return setup_with(state, 1000, INT64_MAX);
}

static int
setup_pairs(void **state)
{
	return setup_with(state, 2, INT64_MAX);
}

static int
setup_narrow(void **state)
{
	return setup_with(state, 1000, 1);
}

static int
teardown(void **state)
{
	struct bed *bed = *state;

	commit_free(&bed->commit);
	database_remove(&bed->database);
	free(bed);
	return 0;
}

/* What is no failure harms nobody; who fails does so alone, however many they are, and the others are
 * stored. */
static void
test_failures(void **state)
{
	static const enum err errs[] = { ERR_OK, ERR_SYSTEM, ERR_CONFLICT, ERR_NOMEM, ERR_OK,
		ERR_SYSTEM };
	struct bed *bed = *state;
	struct commit_stats stats;

	make_wishes(bed, errs, countof(errs));
	run_group(bed);
	for (size_t i = 0; i < countof(errs); i++) {
		const struct wish *wish = &bed->wishes[i];
		bool fails = errs[i] == ERR_SYSTEM || errs[i] == ERR_NOMEM;

		assert_int_equal(wish->ticket.err, errs[i]);
		assert_int_equal(wish->answers, 1);
		assert_true(wish->created);
		assert_int_equal(is_stored(bed, wish), !fails);
	}
	assert_int_equal(bed->wishes[0].calls, 4);
	commit_stats(bed->commit, &stats);
	assert_int_equal(stats.requests, 1 + countof(errs));
	assert_int_equal(stats.failures, 3);
}

/* A group of nothing but failures ends, too. */
static void
test_all_fail(void **state)
{
	static const enum err errs[] = { ERR_NOMEM, ERR_SYSTEM, ERR_NOMEM };
	struct bed *bed = *state;

	make_wishes(bed, errs, countof(errs));
	run_group(bed);
	for (size_t i = 0; i < countof(errs); i++)
		assert_int_equal(bed->wishes[i].ticket.err, errs[i]);
	bed->wishes[0].err = ERR_OK;
	assert_int_equal(run(bed, &bed->wishes[0]), ERR_OK);
	assert_true(is_stored(bed, &bed->wishes[0]));
}

/* Where there can be no transaction that is told, and nothing is tried. */
static void
test_busy(void **state)
{
	struct bed *bed = *state;
	struct store *other = open_store(bed, STORE_WRITE);

	make_wishes(bed, (const enum err[]){ ERR_OK }, 1);
	assert_int_equal(store_begin(other), ERR_OK);
	assert_int_equal(run(bed, &bed->wishes[0]), ERR_BUSY);
	assert_int_equal(bed->wishes[0].calls, 0);
	store_close(&other);
	assert_int_equal(run(bed, &bed->wishes[0]), ERR_OK);
}

/* All who were there as a group waited for the lock in vain have waited as long: they don't wait once
 * more, group by group. */
static void
test_busy_queue(void **state)
{
	struct bed *bed = *state;
	struct commit_stats stats;

	make_wishes(bed, (const enum err[WISHES_MAX]){ ERR_OK }, WISHES_MAX);
	bed->other = open_store(bed, STORE_WRITE);
	run_group(bed);
	for (size_t i = 0; i < WISHES_MAX; i++) {
		assert_int_equal(bed->wishes[i].ticket.err, ERR_BUSY);
		assert_int_equal(bed->wishes[i].answers, 1);
	}
	commit_stats(bed->commit, &stats);
	assert_int_equal(stats.failures, 1);
	store_close(&bed->other);
	run_group(bed);
	for (size_t i = 0; i < WISHES_MAX; i++)
		assert_int_equal(bed->wishes[i].ticket.err, ERR_OK);
}

/* A WAL over its limit keeps nobody from writing, unless a reader keeps it: then until that is gone. */
static void
test_wal(void **state)
{
	struct bed *bed = *state;
	struct store *reader = open_store(bed, STORE_READ);
	struct commit_stats stats;
	struct session session;
	enum err err;

	make_wishes(bed, (const enum err[WISHES_MAX]){ ERR_OK }, WISHES_MAX);
	for (size_t i = 0; i < 3; i++)
		assert_int_equal(run(bed, &bed->wishes[i]), ERR_OK);
	assert_int_equal(store_snapshot(reader), ERR_OK);
	assert_int_equal(store_session_find(reader, &bed->wishes[2].id, &session), ERR_OK);
	/* It is of the newest state: only what comes now makes it an old one. */
	assert_int_equal(run(bed, &bed->wishes[3]), ERR_OK);
	assert_int_equal(run(bed, &bed->wishes[4]), ERR_FULL);
	assert_int_equal(bed->wishes[4].calls, 0);
	commit_stats(bed->commit, &stats);
	assert_true(stats.upkeep.wal_full && stats.wal_refusals == 1);
	store_close(&reader);
	while ((err = run(bed, &bed->wishes[4])) == ERR_FULL)
		continue;
	assert_int_equal(err, ERR_OK);
	commit_stats(bed->commit, &stats);
	assert_false(stats.upkeep.wal_full);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_failures, setup, teardown),
		cmocka_unit_test_setup_teardown(test_all_fail, setup, teardown),
		cmocka_unit_test_setup_teardown(test_busy, setup, teardown),
		cmocka_unit_test_setup_teardown(test_busy_queue, setup_pairs, teardown),
		cmocka_unit_test_setup_teardown(test_wal, setup_narrow, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
