/*
 * ctl.h: what the commands of milepostctl share. A command runs once and the process ends, so a
 * failure ends it at once, with one line that says what is wrong, where, and what to do.
 */
#ifndef CTL_CTL_H
#define CTL_CTL_H

#include "base/attr.h"
#include "base/buf.h"
#include "base/config.h"
#include "base/err.h"
#include "model/id.h"
#include "store/store.h"

#define EXIT_USAGE 2

struct ctl;

struct command {
	const char *name;
	const char *usage;   /* the arguments, as in the manual */
	const char *summary; /* one line */
	const char *details; /* shown by --help below the summary; may be "" */
	int (*run)(struct ctl *ctl); /* returns the exit status */
};

extern const struct command command_init, command_check_config, command_user, command_session,
    command_key, command_token, command_report, command_watch, command_status, command_prune,
    command_backup, command_relay;

/* One run of the program. */
struct ctl {
	const struct command *command; /* NULL until it is known */
	int argc;
	char **argv;             /* argv[0] is the command's name, or its verb */
	const char *config_path; /* NULL: the default one */
	struct config *config;   /* owned; NULL until ctl_config */
	struct store *store;     /* owned; NULL until ctl_open */
};

/* Closes and frees what the run opened. */
void ctl_close(struct ctl *ctl);

/* One line on standard error, "milepostctl: ...", with control characters escaped. */
void ctl_warn(const char *fmt, ...) PRINTF(1, 2);

/* The same, and exit 1. */
void ctl_fail(const char *fmt, ...) PRINTF(1, 2) NORETURN;

/* The same with the command before it and a pointer to its help behind it, and exit 2. */
void ctl_usage(const struct ctl *ctl, const char *fmt, ...) PRINTF(2, 3) NORETURN;

/* Loads the configuration. */
void ctl_config(struct ctl *ctl);

/* Loads the configuration and opens the database. */
void ctl_open(struct ctl *ctl, enum store_mode mode);

/* Fails with what the store said, unless err is ERR_OK. */
void ctl_check(const struct ctl *ctl, enum err err);

/* The same for what was to be found, or not to be there, of the kind that the command is named after: a
 * user or a session with this id. */
void ctl_check_found(const struct ctl *ctl, enum err err, const struct id *id);
void ctl_check_new(const struct ctl *ctl, enum err err, const struct id *id);

/* The directory that a path lies in, appended to name. Returns 0, or the errno that tells why there
 * is no such directory. */
int ctl_directory(const char *path, struct buf *name);

/* A transaction for what changes the database. Its end tells the running programs. */
void ctl_begin(struct ctl *ctl);
void ctl_commit(struct ctl *ctl);

/* Tells the running programs that something changed. */
void ctl_ring(const struct ctl *ctl);

/* Prints what was gathered, once all was read: a pager that stands still must not hold up the
 * database. Fails if not all went in. */
void ctl_print(const struct buf *out);
#define CTL_OUTPUT_MAX (1u << 30)

#endif
