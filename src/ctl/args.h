/*
 * args.h: a command's verb, options and arguments. Whatever is wrong with them ends the program by
 * ctl_usage, before anything was opened.
 */
#ifndef CTL_ARGS_H
#define CTL_ARGS_H

#include "base/attr.h"
#include "ctl/ctl.h"
#include "model/access.h"
#include "model/id.h"

#include <getopt.h>
#include <stdint.h>

/* Ends every table of long options. Options without a letter count from ARGS_LONG. */
#define ARGS_END { "help", no_argument, NULL, 'h' }, { NULL, 0, NULL, 0 }
#define ARGS_LONG 256

/*
 * The next option of getopt_long(3), -1 at the end. shorts lists further letters than h, and may be
 * NULL. --help shows the command's help and exits 0. Options may stand behind arguments.
 */
int args_option(const struct ctl *ctl, const char *shorts, const struct option *longs);

/* The same for a command that has no options. */
void args_no_options(const struct ctl *ctl);

/* Once the options are read: there must be from min to max arguments; names says which. */
void args_expect(const struct ctl *ctl, int min, int max, const char *names);

/* For a command without options whose one argument is an id; names and what as here and below. */
struct id args_only_id(const struct ctl *ctl, const char *names, const char *what);

/* The i-th argument, from 0; NULL: it was left out. */
const char *args_at(const struct ctl *ctl, int i);

/* Runs the verb that the first argument names. The list ends with a name of NULL. */
struct verb {
	const char *name;
	int (*run)(struct ctl *ctl);
};
int args_verb(struct ctl *ctl, const struct verb *verbs);

/* Values. what names the argument or option in the message. */
struct id args_id(const struct ctl *ctl, const char *what, const char *value);
struct id args_id_or_new(const struct ctl *ctl, const char *what, const char *value); /* "-": new */
int64_t args_number(const struct ctl *ctl, const char *what, const char *value, int64_t min,
    int64_t max);
int64_t args_seconds(const struct ctl *ctl, const char *what, const char *value, int64_t min);
enum role args_role(const struct ctl *ctl, const char *value);
const char *args_text(const struct ctl *ctl, const char *what, const char *value); /* UTF-8 */

#endif
