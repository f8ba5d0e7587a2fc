/* prune.c: milepostctl prune: old updates are of no use for ever. */
#include "base/clock.h"
#include "ctl/args.h"
#include "store/event.h"

#include <stdio.h>
#include <stdlib.h>

#define BATCH 2000
#define BATCH_MAX 1000000

/* In short transactions, so that no worker waits for long. Returns how many were deleted. */
static unsigned long long
prune(struct ctl *ctl, int64_t before, size_t batch)
{
	unsigned long long total = 0;
	size_t deleted;

	do {
		enum checkpoint checkpoint;
		enum err err = store_event_prune(ctl->store, before, batch, &deleted);

		if (err != ERR_OK && total > 0)
			ctl_warn("%llu updates are deleted, the rest is not", total);
		ctl_check(ctl, err);
		total += deleted;
		/* Where it can't be done now, milepost-api's next one does it. */
		err = store_checkpoint(ctl->store, false, &checkpoint);
		(void)err;
	} while (deleted == batch);
	return total;
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
	.details = "TIME is one such as 12h or 30d. N updates (default 2000) are deleted in one\n"
	    "transaction.\n",
	.run = run,
};
