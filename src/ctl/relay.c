/* relay.c: milepostctl relay: ending that this host shares with others. It begins by starting milepost-relay. */
#include "ctl/args.h"
#include "store/replica.h"

#include <stdio.h>
#include <stdlib.h>

static int
leave(struct ctl *ctl)
{
	enum err err;

	args_no_options(ctl);
	args_expect(ctl, 0, 0, "none");
	ctl_open(ctl, STORE_BRIEF);
	err = store_replica_leave(ctl->store);
	if (err == ERR_ABSENT)
		ctl_fail("%s: shares nothing with other hosts", ctl->config->database);
	ctl_check(ctl, err);
	printf("%s: shares nothing with other hosts any more; all that it holds stays\n",
	    ctl->config->database);
	return EXIT_SUCCESS;
}

static int
run(struct ctl *ctl)
{
	static const struct verb verbs[] = { { "leave", leave }, { NULL, NULL } };

	return args_verb(ctl, verbs);
}

const struct command command_relay = {
	.name = "relay",
	.usage = "leave",
	.summary = "end sharing the progress with other hosts",
	.details = "To be used once milepost-relay was stopped for good, or before it is to run under\n"
	    "another name. It is the start of milepost-relay that begins the sharing.\n",
	.run = run,
};
