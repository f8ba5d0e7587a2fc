/* main.c: milepostctl: the table of commands. */
#include "base/sandbox.h"
#include "ctl/args.h"

#include <errno.h>
#include <locale.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const struct command *const commands[] = {
	&command_init,
	&command_check_config,
	&command_user,
	&command_session,
	&command_key,
	&command_token,
	&command_report,
	&command_watch,
	&command_status,
	&command_prune,
	&command_backup,
	&command_relay,
};

static void
print_usage(FILE *out)
{
	fputs("usage: milepostctl [-c FILE] COMMAND [ARGUMENT ...]\n\n", out);
	for (size_t i = 0; i < countof(commands); i++)
		fprintf(out, "  %-13s %s\n", commands[i]->name, commands[i]->summary);
	fputs("\n"
	      "  -c, --config FILE   the configuration (default $MILEPOST_CONFIG, else the\n"
	      "                      installed file)\n"
	      "  -h, --help          show this; milepostctl COMMAND --help says more\n"
	      "  -V, --version       show the versions of this program and of SQLite\n", out);
}

/* Whether the options alone were all that was wanted. */
static bool
read_options(struct ctl *ctl)
{
	static const struct option longs[] = {
		{ "config", required_argument, NULL, 'c' },
		{ "version", no_argument, NULL, 'V' },
		ARGS_END
	};
	int c;

	while ((c = args_option(ctl, "c:V", longs)) != -1) {
		switch (c) {
		case 'c':
			ctl->config_path = optarg;
			break;
		case 'V':
			printf("milepostctl " PACKAGE_VERSION " (SQLite %s)\n",
			    store_library_version());
			return true;
		default:
			print_usage(stdout);
			return true;
		}
	}
	return false;
}

static const struct command *
find(const struct ctl *ctl, const char *name)
{
	struct buf known = BUF_INIT(512);

	for (size_t i = 0; i < countof(commands); i++) {
		if (strcmp(commands[i]->name, name) == 0) {
			buf_fini(&known);
			return commands[i];
		}
		buf_printf(&known, "%s%s", i > 0 ? ", " : "", commands[i]->name);
	}
	ctl_usage(ctl, "unknown command \"%s\", the commands are %s", name, buf_cstr(&known));
}

static int
run(struct ctl *ctl)
{
	int at;

	if (read_options(ctl))
		return EXIT_SUCCESS;
	at = optind;
	if (at == ctl->argc) {
		print_usage(stderr);
		return EXIT_USAGE;
	}
	ctl->command = find(ctl, ctl->argv[at]);
	ctl->argc -= at;
	ctl->argv += at;
	optind = 0; /* getopt_long(3): begin anew */
	return ctl->command->run(ctl);
}

int
main(int argc, char **argv)
{
	struct ctl ctl = { .argc = argc, .argv = argv };
	int status;

	sandbox_leave_no_core();
	/* The encoding alone, whatever the environment says: what is stored is UTF-8. */
	setlocale(LC_CTYPE, "C.UTF-8");
	opterr = 0;
	status = run(&ctl);
	ctl_close(&ctl);
	/* A full disk behind a redirection must not look like success. */
	if (fflush(stdout) != 0 || ferror(stdout))
		ctl_fail("standard output: %s", strerror(errno));
	return status;
}
