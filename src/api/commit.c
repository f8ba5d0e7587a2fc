/* commit.c: a queue of waiting requests, and one leader at a time. */
#include "api/commit.h"

#include "api/reply.h"
#include "base/clock.h"
#include "base/log.h"

#include <errno.h>
#include <pthread.h>
#include <semaphore.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define GATHER_US 60  /* the kernel adds some 50 */
#define PROBE_MS 1000 /* between transactions while the WAL is over its limit */

/* One waiting request, on its thread's stack. */
struct ticket {
	commit_fn fn;
	void *arg;
	size_t weight;
	enum err err;
	bool done;    /* answered; else, once it is woken, it is to lead */
	sem_t wake;
	struct ticket *next;
};

struct commit {
	pthread_mutex_t lock; /* of all below but store */
	struct store *store;  /* the leader's */
	struct bell *bell;
	struct commit_options options;
	int64_t probe_ms; /* when the next transaction is tried although the WAL is full */
	bool wal_full;
	bool company; /* the leader's: the last group was more than one request */
	bool led;
	struct ticket *first, **last;
	struct commit_stats stats;
	int64_t began_ms;
};

enum err
commit_new(const char *database, const struct commit_options *options, struct commit **out,
    struct buf *why)
{
	struct commit *commit = calloc(1, sizeof(*commit));
	enum err err = ERR_NOMEM;

	if (commit == NULL) {
		buf_puts(why, "no memory");
		return err;
	}
	pthread_mutex_init(&commit->lock, NULL);
	commit->options = *options;
	commit->last = &commit->first;
	err = store_open(database, options->mode, options->busy_ms, &commit->store, why);
	if (err == ERR_OK && (err = bell_open(database, &commit->bell)) != ERR_OK)
		buf_printf(why, "%s-bell: %s", database, strerror(errno));
	if (err != ERR_OK) {
		commit_free(&commit);
		return err;
	}
	*out = commit;
	return ERR_OK;
}

void
commit_free(struct commit **address)
{
	struct commit *commit = *address;

	*address = NULL;
	if (commit == NULL)
		return;
	if (commit->bell != NULL)
		bell_close(&commit->bell);
	if (commit->store != NULL)
		store_close(&commit->store);
	pthread_mutex_destroy(&commit->lock);
	free(commit);
}

/* Requests rarely have company by chance: where the last group was more than one, others are on their way.
 * A moment's patience then lets them share the fsync, which costs less and brings more to an end; who
 * comes alone waits for nobody. */
static void
gather(const struct commit *commit)
{
	const struct timespec moment = { .tv_nsec = GATHER_US * 1000 };

	if (commit->company)
		nanosleep(&moment, NULL);
}

/* Takes a group off the queue. */
static struct ticket *
take_group(struct commit *commit)
{
	struct ticket *group = commit->first, *last = group;
	size_t weight = group->weight;

	while (last->next != NULL && weight + last->next->weight <= commit->options.group_max) {
		last = last->next;
		weight += last->weight;
	}
	commit->company = last != group || last->next != NULL;
	commit->first = last->next;
	if (commit->first == NULL)
		commit->last = &commit->first;
	last->next = NULL;
	return group;
}

static enum err
write_group(struct store *store, struct ticket *group)
{
	enum err err = store_begin(store);

	if (err != ERR_OK)
		return err;
	for (struct ticket *ticket = group; ticket != NULL; ticket = ticket->next) {
		ticket->err = ticket->fn(ticket->arg, store);
		if (reply_is_failure(ticket->err)) {
			store_rollback(store);
			return ticket->err;
		}
	}
	return store_commit(store);
}

static void
answer_all(struct ticket *group, enum err err)
{
	for (; group != NULL; group = group->next)
		group->err = err;
}

/* Makes sure that the store is on the file that is there. */
static enum err
renew(struct commit *commit)
{
	struct buf why = BUF_INIT(1024);
	bool renewed;
	enum err err = store_renew(&commit->store, &renewed, &why);

	if (err != ERR_OK)
		log_error("api.database", LOG_TEXT("error", buf_view(&why)));
	else if (renewed)
		log_warn("api.database-replaced");
	buf_fini(&why);
	return err == ERR_OK ? ERR_OK : ERR_BUSY;
}

/* Writes the group to the file that is there, before and after. */
static enum err
write_safely(struct commit *commit, struct ticket *group)
{
	enum err err = renew(commit);

	if (err == ERR_OK)
		err = write_group(commit->store, group);
	return err == ERR_OK && store_is_moved(commit->store) ? ERR_BUSY : err;
}

/* As the leader, without the lock: writes the group and sets everybody's answer. */
static bool
lead(struct commit *commit, struct ticket *group)
{
	enum err err = write_safely(commit, group);

	if (err == ERR_OK) {
		/* A ring that is not heard costs latency only. */
		if (bell_ring(commit->bell) != ERR_OK)
			log_warn("api.bell", LOG_STR("error", strerror(errno)));
		return true;
	}
	log_error("api.commit", LOG_STR("err", err_name(err)),
	    LOG_STR("error", store_error(commit->store)));
	answer_all(group, err);
	return false;
}

static void
log_wal_full(int64_t bytes)
{
	log_error("api.wal-full", LOG_INT("bytes", bytes),
	    LOG_STR("reason", "a reader keeps an old state of the database open"));
}

/* Notes whether the WAL is over its limit, and says so when that changes. */
static void
judge_wal(struct commit *commit)
{
	int64_t used = store_wal_used(commit->store);
	bool full = used > commit->options.wal_max;

	if (full)
		commit->probe_ms = clock_mono_ms() + PROBE_MS;
	if (full && !commit->wal_full)
		log_wal_full(used);
	else if (!full && commit->wal_full)
		log_info("api.wal-recovered", LOG_INT("bytes", used));
	commit->wal_full = full;
}

/* As the leader, without the lock, after a commit. A failure is tried again at the next one. */
static void
tidy(struct commit *commit)
{
	enum checkpoint result;
	enum err err = store_checkpoint(commit->store, commit->wal_full, &result);
	struct commit_stats *stats = &commit->stats;

	judge_wal(commit);
	if (err != ERR_OK && err != ERR_BUSY)
		log_error("api.checkpoint", LOG_STR("error", store_error(commit->store)));
	pthread_mutex_lock(&commit->lock);
	stats->checkpoints_whole += err == ERR_OK && result == CHECKPOINT_WHOLE;
	stats->checkpoints_part += err == ERR_OK && result == CHECKPOINT_PART;
	stats->checkpoints_busy += err == ERR_BUSY;
	stats->checkpoints_failed += err != ERR_OK && err != ERR_BUSY;
	stats->wal_used = store_wal_used(commit->store);
	pthread_mutex_unlock(&commit->lock);
}

/* Wakes a group whose answers are set, without a lock that those who wake would run into. A ticket but
 * the leader's own is gone as soon as its thread is awake. */
static void
answer(struct ticket *group, const struct ticket *own)
{
	while (group != NULL) {
		struct ticket *next = group->next;

		group->done = true;
		if (group != own)
			sem_post(&group->wake);
		group = next;
	}
}

/* As the leader, without the lock: one transaction, from the answers on to the checkpoint, for which of
 * this group only the leader waits. */
static void
transact(struct commit *commit, struct ticket *group, const struct ticket *own)
{
	int64_t began_us = clock_mono_us();
	bool ok = lead(commit, group);

	pthread_mutex_lock(&commit->lock);
	commit->stats.groups++;
	commit->stats.failures += !ok;
	histogram_observe(&commit->stats.times, clock_mono_us() - began_us);
	pthread_mutex_unlock(&commit->lock);
	answer(group, own);
	if (ok)
		tidy(commit);
}

/* A process of one request has no transaction behind it to judge by. That the WAL's file is long may be of
 * an earlier time: a checkpoint tells. */
static bool
is_held_before_us(const struct commit *commit)
{
	enum checkpoint result;
	int64_t bytes;

	if (commit->options.mode != STORE_BRIEF)
		return false;
	bytes = store_wal_bytes(commit->store);
	if (bytes <= commit->options.wal_max ||
	    store_checkpoint(commit->store, true, &result) != ERR_OK || result != CHECKPOINT_PART)
		return false;
	log_wal_full(bytes);
	return true;
}

/* As the leader: serves the group that begins with the own ticket. */
static void
serve_group(struct commit *commit, const struct ticket *own)
{
	struct ticket *group;
	int64_t now_ms;
	bool refused;

	gather(commit);
	now_ms = clock_mono_ms();
	refused = (commit->wal_full && now_ms < commit->probe_ms) || is_held_before_us(commit);
	pthread_mutex_lock(&commit->lock);
	group = take_group(commit);
	commit->began_ms = now_ms;
	commit->stats.wal_refusals += refused;
	pthread_mutex_unlock(&commit->lock);
	if (refused) {
		answer_all(group, ERR_FULL);
		answer(group, own);
	} else {
		transact(commit, group, own);
	}
}

/* Appends the ticket. True: nobody leads, so its thread does. */
static bool
enqueue(struct commit *commit, struct ticket *ticket)
{
	bool first;

	pthread_mutex_lock(&commit->lock);
	*commit->last = ticket;
	commit->last = &ticket->next;
	first = !commit->led;
	commit->led = true;
	commit->stats.requests++;
	pthread_mutex_unlock(&commit->lock);
	return first;
}

/* The next in line leads from here, if there is one. */
static void
hand_over(struct commit *commit)
{
	struct ticket *next;

	pthread_mutex_lock(&commit->lock);
	commit->began_ms = 0;
	next = commit->first;
	commit->led = next != NULL;
	pthread_mutex_unlock(&commit->lock);
	if (next != NULL)
		sem_post(&next->wake);
}

enum err
commit_run(struct commit *commit, commit_fn fn, void *arg, size_t weight)
{
	struct ticket ticket = { .fn = fn, .arg = arg, .weight = weight };
	bool leads;

	sem_init(&ticket.wake, 0, 0);
	leads = enqueue(commit, &ticket);
	while (!leads && sem_wait(&ticket.wake) != 0)
		continue; /* interrupted by a signal */
	if (!ticket.done) {
		serve_group(commit, &ticket);
		hand_over(commit);
	}
	sem_destroy(&ticket.wake);
	return ticket.err;
}

void
commit_stats(struct commit *commit, struct commit_stats *out)
{
	pthread_mutex_lock(&commit->lock);
	*out = commit->stats;
	out->running_ms = commit->began_ms != 0 ? clock_mono_ms() - commit->began_ms : 0;
	pthread_mutex_unlock(&commit->lock);
}
