/* options.h: the command line of the two daemons, which is the same. */
#ifndef BASE_OPTIONS_H
#define BASE_OPTIONS_H

#include <stdbool.h>

#define EXIT_USAGE 2

struct options {
	const char *config;
	const char *socket; /* NULL: as configured */
	bool test;
};

/*
 * Reads -c, -s and -t. Does not return after --help (which prints usage), --version (version: one
 * line without its newline), and where something is wrong: then with one line on standard error and
 * EXIT_USAGE.
 */
struct options options_read(int argc, char **argv, const char *usage, const char *version);

#endif
