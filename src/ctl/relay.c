/* relay.c: milepostctl relay: ending that this host shares with others, or that it waits for one.
 * */
#include "ctl/args.h"
#include "store/replica.h"
#include "store/sole.h"

#include <stdio.h>
#include <stdlib.h>

/* It would go on with what it knew before. */
static void
expect_no_relay(struct ctl *ctl)
{
	if (sole_take(ctl->config->database) == ERR_CONFLICT)
		ctl_fail("%s: milepost-relay runs on it: stop it first (systemctl stop milepost-relay)",
		    ctl->config->database);
}

static int
leave(struct ctl *ctl)
{
	enum err err;

	args_no_options(ctl);
	args_expect(ctl, 0, 0, "none");
	ctl_open(ctl, STORE_BRIEF);
	expect_no_relay(ctl);
	err = store_replica_leave(ctl->store);
	if (err == ERR_ABSENT)
		ctl_fail("%s: shares nothing with other hosts", ctl->config->database);
	ctl_check(ctl, err);
	printf("%s: shares nothing with other hosts any more; all that it holds stays\n",
	    ctl->config->database);
	return EXIT_SUCCESS;
}

static int
forget(struct ctl *ctl)
{
	const char *name;
	enum err err;

	args_no_options(ctl);
	args_expect(ctl, 1, 1, "HOST");
	name = args_at(ctl, 0);
	ctl_open(ctl, STORE_BRIEF);
	expect_no_relay(ctl);
	err = store_host_forget(ctl->store, text_of(name));
	if (err == ERR_ABSENT)
		ctl_fail("%s: knows no host \"%s\"", ctl->config->database, name);
	ctl_check(ctl, err);
	printf("%s: forgot host %s\n", ctl->config->database, name);
	return EXIT_SUCCESS;
}

static int
run(struct ctl *ctl)
{
	static const struct verb verbs[] = { { "leave", leave }, { "forget", forget }, { NULL, NULL } };

	return args_verb(ctl, verbs);
}

const struct command command_relay = {
	.name = "relay",
	.usage = "leave | forget HOST",
	.summary = "end sharing the progress with other hosts, or with one that is gone",
	.details = "While milepost-relay does not run: leave, when it was stopped for good, or is to run\n"
	    "under another name; forget, when another host will never come back, and its name was\n"
	    "taken out of Redis (HDEL milepost:hosts HOST). It is the start of milepost-relay that\n"
	    "begins the sharing.\n",
	.run = run,
};
