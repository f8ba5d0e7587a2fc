/* commit.c: a queue of waiting requests, and one leader at a time. */
#include "api/commit.h"

#include "api/reply.h"
#include "base/clock.h"
#include "base/log.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

/* One waiting request, on its thread's stack. */
struct ticket {
	commit_fn fn;
	void *arg;
	enum err err;
	bool done;
	pthread_cond_t wake;
	struct ticket *next;
};

struct commit {
	pthread_mutex_t lock; /* of all below but store */
	struct store *store;  /* the leader's */
	struct bell *bell;
	size_t group_max;
	bool led;
	struct ticket *first, **last;
	struct commit_stats stats;
	int64_t began_ms;
};

enum err
commit_new(const char *database, enum store_mode mode, int busy_ms, size_t group_max,
    struct commit **out, struct buf *why)
{
	struct commit *commit = calloc(1, sizeof(*commit));
	enum err err = ERR_NOMEM;

	if (commit == NULL) {
		buf_puts(why, "no memory");
		return err;
	}
	pthread_mutex_init(&commit->lock, NULL);
	commit->group_max = group_max;
	commit->last = &commit->first;
	err = store_open(database, mode, busy_ms, &commit->store, why);
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

/* Takes a group off the queue. */
static struct ticket *
take_group(struct commit *commit)
{
	struct ticket *group = commit->first, *last = group;

	for (size_t n = 1; n < commit->group_max && last->next != NULL; n++)
		last = last->next;
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

/* As the leader, without the lock: writes the group and sets everybody's answer. */
static bool
lead(struct commit *commit, struct ticket *group)
{
	enum err err = write_group(commit->store, group);

	if (err == ERR_OK) {
		/* A ring that is not heard costs latency only. */
		if (bell_ring(commit->bell) != ERR_OK)
			log_warn("api.bell", LOG_STR("error", strerror(errno)));
		return true;
	}
	log_error("api.commit", LOG_STR("err", err_name(err)),
	    LOG_STR("error", store_error(commit->store)));
	for (struct ticket *ticket = group; ticket != NULL; ticket = ticket->next)
		ticket->err = err;
	return false;
}

/* Wakes a group whose answers are set. A ticket is gone as soon as its thread saw done. */
static void
answer(struct commit *commit, struct ticket *group)
{
	while (group != NULL) {
		struct ticket *next = group->next;

		commit->stats.requests++;
		group->done = true;
		pthread_cond_signal(&group->wake);
		group = next;
	}
}

/* One transaction as the leader; called and left with the lock held. */
static void
lead_once(struct commit *commit)
{
	struct ticket *group = take_group(commit);
	bool ok;

	commit->led = true;
	commit->began_ms = clock_mono_ms();
	pthread_mutex_unlock(&commit->lock);
	ok = lead(commit, group);
	pthread_mutex_lock(&commit->lock);
	commit->stats.groups++;
	commit->stats.failures += !ok;
	commit->stats.busy_ms += (uint64_t)(clock_mono_ms() - commit->began_ms);
	answer(commit, group);
	/* Nobody waits for the checkpoint but those who come after it; a failed one is tried again at
	 * the next commit. */
	pthread_mutex_unlock(&commit->lock);
	if (ok && store_checkpoint(commit->store) == ERR_SYSTEM)
		log_error("api.checkpoint", LOG_STR("error", store_error(commit->store)));
	pthread_mutex_lock(&commit->lock);
	commit->began_ms = 0;
	commit->led = false;
	/* The next in line leads from here. */
	if (commit->first != NULL)
		pthread_cond_signal(&commit->first->wake);
}

enum err
commit_run(struct commit *commit, commit_fn fn, void *arg)
{
	struct ticket ticket = { .fn = fn, .arg = arg };

	pthread_cond_init(&ticket.wake, NULL);
	pthread_mutex_lock(&commit->lock);
	*commit->last = &ticket;
	commit->last = &ticket.next;
	while (!ticket.done) {
		if (commit->led)
			pthread_cond_wait(&ticket.wake, &commit->lock);
		else
			lead_once(commit);
	}
	pthread_mutex_unlock(&commit->lock);
	pthread_cond_destroy(&ticket.wake);
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
