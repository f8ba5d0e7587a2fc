/* backup.c: milepostctl backup. */
#include "ctl/args.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

static int
run(struct ctl *ctl)
{
	const char *path;
	struct stat st;
	enum err err;

	args_no_options(ctl);
	args_expect(ctl, 1, 1, "a file");
	path = args_at(ctl, 0);
	ctl_open(ctl, STORE_READ);
	err = store_backup(ctl->store, path);
	if (err == ERR_CONFLICT)
		ctl_fail("%s: exists already; remove it, or name another file", path);
	if (err != ERR_OK)
		ctl_fail("no backup was made: %s", store_error(ctl->store));
	if (stat(path, &st) == 0)
		printf("%s: %lld bytes\n", path, (long long)st.st_size);
	return EXIT_SUCCESS;
}

const struct command command_backup = {
	.name = "backup",
	.usage = "FILE",
	.summary = "write a whole, consistent copy of the database to a new file",
	.details = "The programs may go on meanwhile. An existing file is not overwritten.\n",
	.run = run,
};
