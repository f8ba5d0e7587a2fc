/* commit.c: a queue of waiting requests, and whoever writes for them. */
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

#define GATHER_US 60      /* the kernel adds some 50 */
#define COMPANY_GROUPS 16 /* how long company is expected after there was some */

struct commit {
	pthread_mutex_t lock; /* of the queue, of who writes, of the figures, and of stopping */
	pthread_t thread;
	bool started;
	bool stopping;
	pthread_cond_t wake; /* the thread: it is needed, or shall stop */
	sem_t room;          /* for so many more in the queue */
	struct commit_ticket *first, **last;
	bool writing;        /* somebody is the writer, until the queue is empty */
	bool left_to_thread; /* ... that is to be the thread */
	struct commit_stats stats;
	int64_t began_ms;
	/* What follows is the writer's. */
	struct store *store;
	struct bell *bell;
	struct commit_options options;
	struct upkeep upkeep;
	unsigned company; /* in so many groups more than one request is expected */
	struct commit_ticket **old; /* the queue's end as the last group was taken off */
};

enum err
commit_new(const char *database, const struct commit_options *options, struct commit **out,
    struct buf *why)
{
	struct commit *commit = calloc(1, sizeof(*commit));
	pthread_condattr_t monotonic;
	enum err err = ERR_NOMEM;

	if (commit == NULL) {
		buf_puts(why, "no memory");
		return err;
	}
	pthread_mutex_init(&commit->lock, NULL);
	pthread_condattr_init(&monotonic);
	pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
	pthread_cond_init(&commit->wake, &monotonic);
	pthread_condattr_destroy(&monotonic);
	sem_init(&commit->room, 0, COMMIT_WAITING_MAX);
	commit->options = *options;
	commit->upkeep.wal_max = options->wal_max;
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
	sem_destroy(&commit->room);
	pthread_cond_destroy(&commit->wake);
	pthread_mutex_destroy(&commit->lock);
	free(commit);
}

/* Requests rarely have company by chance: where there was some in the last groups, others are on their way.
 * A moment's patience then lets them share the fsync, which costs less and brings more to an end; who
 * always comes alone waits for nobody. */
static void
gather(const struct commit *commit)
{
	const struct timespec moment = { .tv_nsec = GATHER_US * 1000 };

	if (commit->company > 0)
		nanosleep(&moment, NULL);
}

/* Has the queue begin with what follows there. */
static void
cut_off(struct commit *commit, struct commit_ticket **end)
{
	commit->first = *end;
	if (commit->first == NULL)
		commit->last = &commit->first;
	*end = NULL;
}

/* Takes a group off the queue. */
static struct commit_ticket *
take_group(struct commit *commit)
{
	struct commit_ticket *group = commit->first, *last = group;
	size_t weight = group->weight;

	while (last->next != NULL && weight + last->next->weight <= commit->options.group_max) {
		last = last->next;
		weight += last->weight;
	}
	if (last != group || last->next != NULL)
		commit->company = COMPANY_GROUPS;
	else if (commit->company > 0)
		commit->company--;
	cut_off(commit, &last->next);
	commit->old = commit->last;
	return group;
}

/* Takes all off the queue that was in it as the last group was taken off; NULL: nothing was. */
static struct commit_ticket *
take_old(struct commit *commit)
{
	struct commit_ticket *old = NULL;

	pthread_mutex_lock(&commit->lock);
	if (commit->old != &commit->first) {
		old = commit->first;
		cut_off(commit, commit->old);
	}
	pthread_mutex_unlock(&commit->lock);
	return old;
}

static enum err
write_group(struct store *store, struct commit_ticket *group, struct commit_ticket **culprit)
{
	enum err err = store_begin(store);

	if (err != ERR_OK)
		return err;
	for (struct commit_ticket *ticket = group; ticket != NULL; ticket = ticket->next) {
		ticket->err = ticket->fn(ticket->arg, store);
		if (reply_is_failure(ticket->err)) {
			*culprit = ticket;
			store_rollback(store);
			return ticket->err;
		}
	}
	return store_commit(store);
}

static void
answer_all(struct commit_ticket *group, enum err err)
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
write_safely(struct commit *commit, struct commit_ticket *group, struct commit_ticket **culprit)
{
	enum err err = renew(commit);

	if (err == ERR_OK)
		err = write_group(commit->store, group, culprit);
	return err == ERR_OK && store_is_moved(commit->store) ? ERR_BUSY : err;
}

/* Writes the group and sets everybody's answer. */
static bool
write_and_ring(struct commit *commit, struct commit_ticket *group, struct commit_ticket **culprit)
{
	enum err err = write_safely(commit, group, culprit);

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
keep_up(struct commit *commit)
{
	upkeep_do(&commit->upkeep, commit->store);
	pthread_mutex_lock(&commit->lock);
	commit->stats.upkeep = commit->upkeep.stats;
	pthread_mutex_unlock(&commit->lock);
}

/* Looks, if it is time to, whether the reader is gone that keeps the WAL full. */
static void
look_at_wal(struct commit *commit)
{
	if (!upkeep_is_due(&commit->upkeep))
		return;
	if (renew(commit) == ERR_OK)
		keep_up(commit);
	else
		upkeep_put_off(&commit->upkeep);
}

/* Tells a group its answers. A ticket is its owner's as soon as that is done. */
static void
answer(struct commit *commit, struct commit_ticket *group)
{
	while (group != NULL) {
		struct commit_ticket *next = group->next;

		group->answer(group);
		sem_post(&commit->room);
		group = next;
	}
}

/* One transaction. *culprit: whose own request it is that failed it; NULL: nobody's. */
static bool
transact(struct commit *commit, struct commit_ticket *group, struct commit_ticket **culprit)
{
	int64_t began_us = clock_mono_us();
	bool ok;

	*culprit = NULL;
	ok = write_and_ring(commit, group, culprit);

	pthread_mutex_lock(&commit->lock);
	commit->stats.failures += !ok;
	histogram_observe(&commit->stats.times, clock_mono_us() - began_us);
	pthread_mutex_unlock(&commit->lock);
	return ok;
}

/* Leaves *group without the one, and that one alone. */
static void
take_out(struct commit_ticket **group, struct commit_ticket *ticket)
{
	while (*group != ticket)
		group = &(*group)->next;
	*group = ticket->next;
	ticket->next = NULL;
}

/* Writes for the group, from the answers on to the checkpoint, for which none of it waits. Whose own
 * request fails, for a row that is damaged, say, fails alone: the others begin anew without it. Where
 * another process was waited for in vain, all have waited for it that were there: they don't begin to wait
 * once more. */
static void
write_for(struct commit *commit, struct commit_ticket *group)
{
	struct commit_ticket *culprit, *old = NULL;
	bool ok;

	do {
		ok = transact(commit, group, &culprit);
		if (culprit == NULL)
			break;
		take_out(&group, culprit);
		answer(commit, culprit);
	} while (group != NULL);
	if (group != NULL && group->err == ERR_BUSY)
		old = take_old(commit);
	answer_all(old, ERR_BUSY);
	answer(commit, group);
	answer(commit, old);
	if (ok)
		keep_up(commit);
}

/* Is nothing to be written? */
static bool
is_full(struct commit *commit)
{
	if (commit->options.mode == STORE_BRIEF)
		return upkeep_finds_full(&commit->upkeep, commit->store);
	look_at_wal(commit);
	return commit->upkeep.stats.wal_full;
}

/* Serves those that wait, or as many as one transaction takes: at least one. */
static void
serve_group(struct commit *commit)
{
	struct commit_ticket *group;
	bool refused;

	gather(commit);
	refused = is_full(commit);
	pthread_mutex_lock(&commit->lock);
	group = take_group(commit);
	commit->began_ms = clock_mono_ms();
	commit->stats.wal_refusals += refused;
	pthread_mutex_unlock(&commit->lock);
	if (refused) {
		answer_all(group, ERR_FULL);
		answer(commit, group);
	} else {
		write_for(commit, group);
	}
}

/* --- who writes --- */

/* Appends the ticket. True: nobody writes, so whoever brings it is to see to it. */
static bool
enqueue(struct commit *commit, struct commit_ticket *ticket)
{
	bool nobody;

	while (sem_wait(&commit->room) != 0)
		continue; /* interrupted by a signal */
	ticket->next = NULL;
	pthread_mutex_lock(&commit->lock);
	nobody = !commit->writing;
	commit->writing = true;
	*commit->last = ticket;
	commit->last = &ticket->next;
	commit->stats.requests++;
	pthread_mutex_unlock(&commit->lock);
	return nobody;
}

/* Does the writer go on? Where nothing waits it is none any more. */
static bool
goes_on(struct commit *commit)
{
	bool left;

	pthread_mutex_lock(&commit->lock);
	left = commit->first != NULL;
	commit->writing = left;
	commit->began_ms = 0;
	if (!left && commit->upkeep.stats.wal_full)
		pthread_cond_signal(&commit->wake);
	pthread_mutex_unlock(&commit->lock);
	return left;
}

static void
serve_all(struct commit *commit)
{
	do
		serve_group(commit);
	while (goes_on(commit));
}

void
commit_submit(struct commit *commit, struct commit_ticket *ticket)
{
	if (enqueue(commit, ticket))
		serve_all(commit);
}

/* --- the thread, which writes where who brings the first request waits for the answer --- */

/* Where somebody writes it is told at the end if the WAL is full then. */
static void
wait_once(struct commit *commit)
{
	int64_t look_ms = commit->upkeep.look_ms;
	struct timespec until = { look_ms / 1000, look_ms % 1000 * 1000000 };

	if (commit->writing || !commit->upkeep.stats.wal_full)
		pthread_cond_wait(&commit->wake, &commit->lock);
	else
		pthread_cond_timedwait(&commit->wake, &commit->lock, &until);
}

/* Waits until it is the writer, whose things it looks at only while nobody is. False: it is to stop. */
static bool
wait_for_work(struct commit *commit)
{
	bool needed = false;

	pthread_mutex_lock(&commit->lock);
	while (!commit->stopping && !needed) {
		needed = commit->left_to_thread || (!commit->writing && upkeep_is_due(&commit->upkeep));
		if (!needed)
			wait_once(commit);
	}
	commit->writing |= needed;
	commit->left_to_thread = false;
	pthread_mutex_unlock(&commit->lock);
	return needed;
}

static void *
write_when_needed(void *arg)
{
	struct commit *commit = arg;

	while (wait_for_work(commit)) {
		look_at_wal(commit);
		if (goes_on(commit))
			serve_all(commit);
	}
	return NULL;
}

/* Has the thread be the writer, as the caller should be. */
static void
leave_to_thread(struct commit *commit)
{
	pthread_mutex_lock(&commit->lock);
	commit->left_to_thread = true;
	pthread_mutex_unlock(&commit->lock);
	pthread_cond_signal(&commit->wake);
}

enum err
commit_start(struct commit *commit)
{
	commit->started = pthread_create(&commit->thread, NULL, write_when_needed, commit) == 0;
	return commit->started ? ERR_OK : ERR_SYSTEM;
}

void
commit_stop(struct commit *commit)
{
	if (!commit->started)
		return;
	pthread_mutex_lock(&commit->lock);
	commit->stopping = true;
	pthread_mutex_unlock(&commit->lock);
	pthread_cond_signal(&commit->wake);
	pthread_join(commit->thread, NULL);
	commit->started = false;
}

/* A ticket on the stack of a thread that waits for its answer. */
struct waiting {
	struct commit_ticket ticket;
	sem_t answered;
};

static void
on_answer(struct commit_ticket *ticket)
{
	struct waiting *waiting = (struct waiting *)(void *)ticket; /* its first member */

	sem_post(&waiting->answered);
}

enum err
commit_run(struct commit *commit, commit_fn fn, void *arg, size_t weight)
{
	struct waiting waiting = {
		.ticket = { .fn = fn, .arg = arg, .weight = weight, .answer = on_answer }
	};

	sem_init(&waiting.answered, 0, 0);
	/* As the writer it might write for others long after its own answer is there. */
	if (enqueue(commit, &waiting.ticket)) {
		if (commit->started)
			leave_to_thread(commit);
		else
			serve_all(commit);
	}
	while (sem_wait(&waiting.answered) != 0)
		continue; /* interrupted by a signal */
	sem_destroy(&waiting.answered);
	return waiting.ticket.err;
}

void
commit_stats(struct commit *commit, struct commit_stats *out)
{
	pthread_mutex_lock(&commit->lock);
	*out = commit->stats;
	out->running_ms = commit->began_ms != 0 ? clock_mono_ms() - commit->began_ms : 0;
	pthread_mutex_unlock(&commit->lock);
}
