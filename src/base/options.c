/* options.c: getopt for the two daemons. */
#include "base/options.h"

#include "base/config.h"

#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>

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

	while ((c = getopt_long(argc, argv, "c:s:thV", longs, NULL)) != -1) {
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
			exit(EXIT_USAGE);
		}
	}
	if (optind < argc) {
		fprintf(stderr, "%s: unexpected argument \"%s\"\n", argv[0], argv[optind]);
		exit(EXIT_USAGE);
	}
	return options;
}
