/* test-commit.c: who writes for whom. What becomes of failures is in test-group.c. */
#include "api/commit.h"

#include "database.h"

#include <pthread.h>
#include <semaphore.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#define THREADS 8u
#define EACH 500u /* requests of a thread: more than may wait in all */

struct bed {
	struct database database;
	struct commit *commit;
	atomic_uint runs;    /* of count_run */
	atomic_uint answers; /* of all tickets */
	atomic_bool enough;
	sem_t done;
};

static int
setup(void **state)
{
	const struct commit_options options = { .mode = STORE_WRITE, .group_max = 64, .wal_max = 1 << 30 };
	struct bed *bed = calloc(1, sizeof(*bed));
	struct buf why = BUF_INIT(1024);

	sem_init(&bed->done, 0, 0);
	*state = bed;
	if (database_make(&bed->database) != 0)
		return -1;
	return commit_new(bed->database.path, &options, &bed->commit, &why) == ERR_OK ? 0 : -1;
}

static int
teardown(void **state)
{
	struct bed *bed = *state;

	commit_stop(bed->commit);
	commit_free(&bed->commit);
	database_remove(&bed->database);
	sem_destroy(&bed->done);
	free(bed);
	return 0;
}

static enum err
count_run(void *arg, struct store *store)
{
	struct bed *bed = arg;

	(void)store;
	atomic_fetch_add(&bed->runs, 1);
	return ERR_ABSENT; /* an answer of its own, which leaves the transaction sound */
}

/* --- many at once --- */

static void
count_answer(struct commit_ticket *ticket)
{
	struct bed *bed = ticket->arg;

	if (ticket->err == ERR_ABSENT)
		atomic_fetch_add(&bed->answers, 1);
	free(ticket);
}

static void *
submit_many(void *arg)
{
	struct bed *bed = arg;

	for (unsigned i = 0; i < EACH; i++) {
		struct commit_ticket *ticket = malloc(sizeof(*ticket));

		*ticket = (struct commit_ticket){ .fn = count_run, .arg = bed, .weight = 1,
			.answer = count_answer };
		commit_submit(bed->commit, ticket);
	}
	return NULL;
}

static void *
run_many(void *arg)
{
	struct bed *bed = arg;

	for (unsigned i = 0; i < EACH; i++)
		if (commit_run(bed->commit, count_run, bed, 1) == ERR_ABSENT)
			atomic_fetch_add(&bed->answers, 1);
	return NULL;
}

/* Whoever is the writer: each request runs once and is answered once, by the time that all have returned. */
static void
test_each_is_answered_once(void **state)
{
	struct bed *bed = *state;
	pthread_t threads[THREADS];
	struct commit_stats stats;

	assert_int_equal(commit_start(bed->commit), ERR_OK);
	for (unsigned i = 0; i < THREADS; i++)
		pthread_create(&threads[i], NULL, i % 2 == 0 ? submit_many : run_many, bed);
	for (unsigned i = 0; i < THREADS; i++)
		pthread_join(threads[i], NULL);
	assert_int_equal(atomic_load(&bed->runs), THREADS * EACH);
	assert_int_equal(atomic_load(&bed->answers), THREADS * EACH);
	commit_stats(bed->commit, &stats);
	assert_int_equal(stats.requests, THREADS * EACH);
	assert_int_equal(stats.failures, 0);
	assert_int_equal(stats.running_ms, 0);
}

/* --- a queue that is never empty --- */

/* Comes again with each answer, until it is enough. */
static void
come_again(struct commit_ticket *ticket)
{
	struct bed *bed = ticket->arg;

	atomic_fetch_add(&bed->answers, 1);
	if (atomic_load(&bed->enough))
		sem_post(&bed->done);
	else
		commit_submit(bed->commit, ticket);
}

static void *
submit_endless(void *arg)
{
	commit_submit(((struct bed *)((struct commit_ticket *)arg)->arg)->commit, arg);
	return NULL;
}

/* What waits returns with its answer, though others are never done: it is not made to write for them. */
static void
test_who_waits_returns(void **state)
{
	struct bed *bed = *state;
	struct commit_ticket endless = { .fn = count_run, .arg = bed, .weight = 1, .answer = come_again };
	pthread_t thread;

	assert_int_equal(commit_start(bed->commit), ERR_OK);
	pthread_create(&thread, NULL, submit_endless, &endless);
	for (unsigned i = 0; i < EACH; i++)
		assert_int_equal(commit_run(bed->commit, count_run, bed, 1), ERR_ABSENT);
	atomic_store(&bed->enough, true);
	sem_wait(&bed->done);
	pthread_join(thread, NULL);
}

/* A commit_fn that brings the endless ticket: by then the queue has its writer. */
static enum err
bring(void *arg, struct store *store)
{
	struct commit_ticket *endless = arg;

	(void)store;
	commit_submit(((struct bed *)endless->arg)->commit, endless);
	return ERR_OK;
}

/* Nor is the first one on the queue. */
static void
test_who_waits_first_returns(void **state)
{
	struct bed *bed = *state;
	struct commit_ticket endless = { .fn = count_run, .arg = bed, .weight = 1, .answer = come_again };

	assert_int_equal(commit_start(bed->commit), ERR_OK);
	assert_int_equal(commit_run(bed->commit, bring, &endless, 1), ERR_OK);
	atomic_store(&bed->enough, true);
	sem_wait(&bed->done);
}

/* --- alone, as by CGI --- */

static void
test_without_thread(void **state)
{
	struct bed *bed = *state;

	run_many(bed);
	submit_many(bed);
	assert_int_equal(atomic_load(&bed->runs), 2 * EACH);
	assert_int_equal(atomic_load(&bed->answers), 2 * EACH);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_each_is_answered_once, setup, teardown),
		cmocka_unit_test_setup_teardown(test_who_waits_returns, setup, teardown),
		cmocka_unit_test_setup_teardown(test_who_waits_first_returns, setup, teardown),
		cmocka_unit_test_setup_teardown(test_without_thread, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
