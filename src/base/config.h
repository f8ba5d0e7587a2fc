/*
 * config.h: the one configuration file of all programs, as a struct.
 *
 * The file is "key = value" lines with # comments (read by inih); the value of a text goes on in
 * lines that begin with white space. A table in config.c names every
 * key with its type, default and bounds; whoever wants a new key adds a row there, a paragraph in
 * milepost.conf(5) and a line in etc/milepost.conf, and a test compares the three. Secrets are
 * given by the path of a file, never by value.
 */
#ifndef BASE_CONFIG_H
#define BASE_CONFIG_H

#include "base/attr.h"
#include "base/buf.h"
#include "base/err.h"
#include "base/log.h"

#include <stdbool.h>
#include <stdint.h>

enum config_users { USERS_DATABASE, USERS_TOKEN };
enum config_replies { REPLIES_IGNORE, REPLIES_ACK };

/* All strings are owned by the config and never NULL ("" where a key is unset). Times are in
 * milliseconds, sizes in bytes. */
struct config {
	char *database;

	int64_t log_level;  /* enum log_level */
	int64_t log_format; /* enum log_format */

	int64_t users; /* enum config_users */
	char *jwt_secret_file;
	char *jwt_keys; /* for token_keys_load */
	char *jwt_issuer;
	char *jwt_audience;
	int64_t jwt_leeway_ms;
	int64_t token_lifetime_ms;

	int64_t socket_mode; /* permission bits */

	char *ws_socket;
	char *origins; /* separated by spaces; "" allows any */
	int64_t client_messages; /* enum config_replies */
	int64_t heartbeat_interval_ms;
	int64_t poll_interval_ms;
	int64_t head_timeout_ms;
	int64_t close_timeout_ms;
	int64_t head_max;
	int64_t send_queue_max;
	int64_t max_connections;
	int64_t max_connections_per_user;
	int64_t max_connections_per_address;
	int64_t message_max;
	int64_t message_rate_max; /* a second */
	int64_t drain_time_ms;

	char *api_socket;
	int64_t api_threads;
	int64_t commit_group_max; /* updates in one transaction */
	int64_t busy_timeout_ms;
	int64_t wal_max;

	char *relay_redis; /* addresses separated by spaces */
	char *relay_host;  /* "": the host's own name */
	char *relay_user;
	char *relay_password_file;
	char *relay_prefix;
	int64_t relay_stream_max; /* entries */
	int64_t relay_stream_age_ms;
	int64_t relay_timeout_ms;
};

/* All keys at their defaults. ERR_NOMEM. Free with config_free. */
enum err config_default(struct config **out) MUST_USE;

/*
 * Reads the file over the defaults. On failure *out is untouched and why says, in one line that
 * begins with the file and the line number (if it is of one line), what is wrong: ERR_ABSENT (no
 * such file), ERR_INPUT (unknown or repeated key, bad value, a line of more than 198 bytes),
 * ERR_SYSTEM (unreadable), ERR_NOMEM.
 */
enum err config_load(const char *path, struct config **out, struct buf *why) MUST_USE;

/* Frees and sets the pointer to NULL. */
void config_free(struct config **config);

/* Where a program looks when no -c was given: $MILEPOST_CONFIG or the installed file. */
const char *config_default_path(void);

/* Reads "500ms", "30s", "10m", "1h" or "7d" as a number of milliseconds, as the file's keys do. */
bool config_read_time(const char *text, int64_t *ms);

/* Every key with its effective value, one "key = value" line each, sorted by the table. */
void config_print(const struct config *config, struct buf *out);

/* Walks the table's keys: the i-th key's name, or NULL past the end. */
const char *config_key(size_t i);

#endif
