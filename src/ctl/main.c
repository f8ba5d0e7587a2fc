/* main.c: milepostctl: the table of commands. */
#include "base/log.h"
#include "ctl/ctl.h"

#include <getopt.h>
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
};

static void
print_usage(FILE *out)
{
	fputs("usage: milepostctl [-c FILE] COMMAND [ARGUMENT ...]\n\n", out);
	for (size_t i = 0; i < countof(commands); i++)
		fprintf(out, "  %-13s %s\n", commands[i]->name, commands[i]->summary);
	fputs("\n"
	      "  -c, --config FILE   the configuration (default $MILEPOST_CONFIG or the installed file)\n"
	      "  -h, --help          show this; milepostctl COMMAND --help says more\n"
	      "  -V, --version       show the versions of this program and of SQLite\n", out);
}

/* Returns the index of the command in argv. */
static int
read_options(int argc, char **argv)
{
	static const struct option longs[] = {
		{ "config", required_argument, NULL, 'c' },
		{ "help", no_argument, NULL, 'h' },
		{ "version", no_argument, NULL, 'V' },
		{ NULL, 0, NULL, 0 },
	};
	int c;

	/* +: the options behind the command are the command's. */
	while ((c = getopt_long(argc, argv, "+c:hV", longs, NULL)) != -1) {
		switch (c) {
		case 'c':
			ctl_set_config_path(optarg);
			break;
		case 'h':
			print_usage(stdout);
			exit(EXIT_SUCCESS);
		case 'V':
			printf("milepostctl " PACKAGE_VERSION " (SQLite %s)\n",
			    store_library_version());
			exit(EXIT_SUCCESS);
		default:
			exit(EXIT_USAGE);
		}
	}
	return optind;
}

static const struct command *
find(const char *name)
{
	for (size_t i = 0; i < countof(commands); i++)
		if (strcmp(commands[i]->name, name) == 0)
			return commands[i];
	return NULL;
}

static bool
wants_help(int argc, char **argv)
{
	for (int i = 1; i < argc && strcmp(argv[i], "--") != 0; i++)
		if (strcmp(argv[i], "--help") == 0 || strcmp(argv[i], "-h") == 0)
			return true;
	return false;
}

int
main(int argc, char **argv)
{
	const struct command *command;
	int at = read_options(argc, argv);

	log_setup("milepostctl", LOG_LEVEL_INFO, LOG_FORMAT_KV);
	if (at == argc) {
		print_usage(stderr);
		return EXIT_USAGE;
	}
	command = find(argv[at]);
	if (command == NULL) {
		fprintf(stderr, "milepostctl: no command \"%s\"\n", argv[at]);
		print_usage(stderr);
		return EXIT_USAGE;
	}
	if (wants_help(argc - at, argv + at)) {
		printf("usage: milepostctl %s %s\n\n%s\n%s%s", command->name, command->usage,
		    command->summary, command->details[0] != '\0' ? "\n" : "", command->details);
		return EXIT_SUCCESS;
	}
	optind = 0; /* glibc: begin anew */
	return command->run(command, argc - at, argv + at);
}
