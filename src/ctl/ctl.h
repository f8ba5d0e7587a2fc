/*
 * ctl.h: what the commands of milepostctl share. A command is a row of main.c's table; it runs once
 * and the process ends, so failures end it at once, with one line that says what, where, and what to
 * do.
 */
#ifndef CTL_CTL_H
#define CTL_CTL_H

#include "base/attr.h"
#include "base/config.h"
#include "base/text.h"
#include "bell/bell.h"
#include "model/id.h"
#include "store/store.h"

#include <stdbool.h>
#include <stdint.h>

#define EXIT_USAGE 2

struct command {
	const char *name;
	const char *usage;   /* the arguments, as in the manual */
	const char *summary; /* one line */
	const char *details; /* shown by --help below the summary; may be "" */
	/* Gets its own name as argv[0]; returns the exit status. */
	int (*run)(const struct command *self, int argc, char **argv);
};

extern const struct command command_init, command_check_config, command_user, command_session,
    command_key, command_token, command_report, command_watch, command_status, command_prune,
    command_backup;

/* "milepostctl: ..." on standard error, and exit 1. */
void ctl_fail(const char *fmt, ...) PRINTF(1, 2) NORETURN;

/* The same with the command's usage, and exit 2. */
void ctl_usage(const struct command *self, const char *fmt, ...) PRINTF(2, 3) NORETURN;

/* The path given by -c, or the default one. */
const char *ctl_config_path(void);
void ctl_set_config_path(const char *path);

/* The loaded configuration; the caller frees it. */
struct config *ctl_config(void);

/* The configured database; the caller closes it. */
struct store *ctl_open(const struct config *config, enum store_mode mode);

/* Fails with what the store said, unless err is ERR_OK. */
void ctl_check(const struct store *store, enum err err, const char *doing);

/* Tells the running programs that something changed. */
void ctl_ring(const struct config *config);

/* A UUID argument; what names it in the message. */
struct id ctl_id(const struct command *self, const char *what, const char *text);

/* The same, or a new random one for "-". */
struct id ctl_id_or_new(const struct command *self, const char *what, const char *text);

/* "30s", "10m", "1h", "7d": seconds. */
int64_t ctl_duration(const struct command *self, const char *what, const char *text);

int64_t ctl_number(const struct command *self, const char *what, const char *text, int64_t max);

/* The first line of standard input, asked for without echo at a terminal. Owned by the caller. */
char *ctl_read_secret(const char *prompt);

/* Prints text with control characters escaped: what is stored may try to command the terminal. */
void ctl_print_text(struct text t);

#endif
