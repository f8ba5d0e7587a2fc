/* prune.c: milepostctl prune: old updates are of no use for ever. */
#include "base/clock.h"
#include "ctl/args.h"
#include "store/event.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#define BATCH 2000
#define BATCH_MAX 1000000
#define BATCH_FIRST 100
#define HOLD_US 10000 /* that a transaction may take, about */
#define REST_US 20000 /* between two of them */

/* Who waits for the writer's place asks for it again and again, after pauses that grow: without a rest,
 * milepost-api would find it free once in seconds, by chance. */
static void
rest(void)
{
	const struct timespec pause = { .tv_nsec = REST_US * 1000L };

	nanosleep(&pause, NULL);
}

/* The size of the next batch, by how long this one took. */
static size_t
adapt(size_t batch, size_t batch_max, int64_t took_us)
{
	if (took_us > HOLD_US)
		return batch > 1 ? batch / 2 : 1;
	return took_us < HOLD_US / 2 && batch * 2 <= batch_max ? batch * 2 : batch;
}

/* In short transactions, so that no worker waits for long. Returns how many were deleted. */
static unsigned long long
prune(struct ctl *ctl, int64_t before, size_t batch_max)
{
	unsigned long long total = 0;
	size_t batch = batch_max < BATCH_FIRST ? batch_max : BATCH_FIRST, deleted;
	int64_t cursor = 0;

	for (;;) {
		int64_t began_us = clock_mono_us();
		enum checkpoint checkpoint;
		enum err err = store_event_prune(ctl->store, before, batch, &cursor, &deleted);

		if (err == ERR_ABSENT)
			return total;
		if (err != ERR_OK && total > 0)
			ctl_warn("%llu updates are deleted, the rest is not", total);
		ctl_check(ctl, err);
		total += deleted;
		/* Where it can't be done now, milepost-api's next one does it. */
		err = store_checkpoint(ctl->store, false, &checkpoint);
		(void)err;
		batch = adapt(batch, batch_max, clock_mono_us() - began_us);
		rest();
	}
}

static int
run(struct ctl *ctl)
{
	enum { OLDER_THAN = ARGS_LONG, BATCH_SIZE };
	static const struct option longs[] = {
		{ "older-than", required_argument, NULL, OLDER_THAN },
		{ "batch", required_argument, NULL, BATCH_SIZE },
		ARGS_END
	};
	int64_t age = -1, batch = BATCH;
	unsigned long long total;
	int c;

	while ((c = args_option(ctl, NULL, longs)) != -1) {
		if (c == OLDER_THAN)
			age = args_seconds(ctl, "--older-than", optarg, 0);
		else
			batch = args_number(ctl, "--batch", optarg, 1, BATCH_MAX);
	}
	args_expect(ctl, 0, 0, "none");
	if (age < 0)
		ctl_usage(ctl, "--older-than is missing");
	ctl_open(ctl, STORE_BRIEF);
	total = prune(ctl, clock_wall() - age, (size_t)batch);
	ctl_ring(ctl);
	printf("deleted %llu update%s\n", total, total == 1 ? "" : "s");
	return EXIT_SUCCESS;
}

const struct command command_prune = {
	.name = "prune",
	.usage = "--older-than TIME [--batch N]",
	.summary = "delete old updates, but not the newest of a session",
	.details = "TIME is one such as 12h or 30d. At most N updates (default 2000) are looked at in one\n"
	    "transaction; between two, others have their turn.\n",
	.run = run,
};
