/* options.c: getopt for the two daemons. */
#include "base/options.h"

#include "base/attr.h"
#include "base/config.h"

#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Says what is wrong with the option that getopt stopped at. */
static void NORETURN
refuse(int c, const char *word)
{
	char letter[] = { '-', (char)optopt, '\0' };

	fprintf(stderr, "%s: %s \"%s\"; see: %s --help\n", program_invocation_short_name,
	    c == ':' ? "there is no value for" : "unknown option",
	    strncmp(word, "--", 2) == 0 ? word : letter, program_invocation_short_name);
	exit(EXIT_USAGE);
}

struct options
options_read(int argc, char **argv, const char *usage, const char *version)
{
	static const struct option longs[] = {
		{ "config", required_argument, NULL, 'c' },
		{ "socket", required_argument, NULL, 's' },
		{ "test", no_argument, NULL, 't' },
		{ "help", no_argument, NULL, 'h' },
		{ "version", no_argument, NULL, 'V' },
		{ NULL, 0, NULL, 0 },
	};
	struct options options = { .config = config_default_path() };
	int c;

	opterr = 0; /* which would not say what to do */
	while ((c = getopt_long(argc, argv, ":c:s:thV", longs, NULL)) != -1) {
		switch (c) {
		case 'c':
			options.config = optarg;
			break;
		case 's':
			options.socket = optarg;
			break;
		case 't':
			options.test = true;
			break;
		case 'h':
			fputs(usage, stdout);
			exit(EXIT_SUCCESS);
		case 'V':
			puts(version);
			exit(EXIT_SUCCESS);
		default:
			refuse(c, argv[optind - 1]);
		}
	}
	if (optind < argc) {
		fprintf(stderr, "%s: unexpected argument \"%s\"; see: %s --help\n",
		    program_invocation_short_name, argv[optind], program_invocation_short_name);
		exit(EXIT_USAGE);
	}
	return options;
}
