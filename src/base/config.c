/* config.c: the table of keys, and reading a file by it. The only module that sees inih. */
#include "base/config.h"

#include <errno.h>
#include <ini.h>
#include <limits.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum kind { KIND_TEXT, KIND_COUNT, KIND_BYTES, KIND_TIME, KIND_MODE, KIND_WORD };

struct key {
	const char *name;
	enum kind kind;
	size_t offset;
	const char *fallback; /* the default, as one would write it */
	int64_t min, max;     /* in the unit of the struct */
	const char *words;    /* KIND_WORD: the values 0, 1, ... separated by '|' */
};

#define AT(member) offsetof(struct config, member)
#define SECOND INT64_C(1000)
#define HOUR (3600 * SECOND)
#define DAY (24 * HOUR)
#define MIB (INT64_C(1) << 20)

static const struct key keys[] = {
	{ "database", KIND_TEXT, AT(database), LOCALSTATEDIR "/lib/milepost/milepost.db", 0, 0, NULL },
	{ "log_level", KIND_WORD, AT(log_level), "info", 0, 0, "error|warn|info|debug" },
	{ "log_format", KIND_WORD, AT(log_format), "kv", 0, 0, "kv|json" },

	{ "users", KIND_WORD, AT(users), "database", 0, 0, "database|token" },
	{ "jwt_secret_file", KIND_TEXT, AT(jwt_secret_file), SYSCONFDIR "/milepost/jwt.secret", 0, 0,
	  NULL },
	{ "jwt_keys", KIND_TEXT, AT(jwt_keys), "", 0, 0, NULL },
	{ "jwt_issuer", KIND_TEXT, AT(jwt_issuer), "", 0, 0, NULL },
	{ "jwt_audience", KIND_TEXT, AT(jwt_audience), "", 0, 0, NULL },
	{ "jwt_leeway", KIND_TIME, AT(jwt_leeway_ms), "30s", 0, HOUR, NULL },
	{ "token_lifetime", KIND_TIME, AT(token_lifetime_ms), "1h", SECOND, 366 * DAY, NULL },

	{ "socket_mode", KIND_MODE, AT(socket_mode), "0660", 0, 0777, NULL },

	{ "ws_socket", KIND_TEXT, AT(ws_socket), RUNSTATEDIR "/milepost/ws.sock", 0, 0, NULL },
	{ "origins", KIND_TEXT, AT(origins), "", 0, 0, NULL },
	{ "client_messages", KIND_WORD, AT(client_messages), "ignore", 0, 0, "ignore|ack" },
	{ "heartbeat_interval", KIND_TIME, AT(heartbeat_interval_ms), "30s", 50, HOUR, NULL },
	{ "poll_interval", KIND_TIME, AT(poll_interval_ms), "1s", 10, 60 * SECOND, NULL },
	{ "head_timeout", KIND_TIME, AT(head_timeout_ms), "10s", 50, HOUR, NULL },
	{ "close_timeout", KIND_TIME, AT(close_timeout_ms), "5s", 50, HOUR, NULL },
	{ "head_max", KIND_BYTES, AT(head_max), "16k", 1024, MIB, NULL },
	{ "send_queue_max", KIND_BYTES, AT(send_queue_max), "64k", 1024, 16 * MIB, NULL },
	{ "max_connections", KIND_COUNT, AT(max_connections), "10000", 1, 10000000, NULL },
	{ "max_connections_per_user", KIND_COUNT, AT(max_connections_per_user), "20", 1, 10000000, NULL },
	{ "max_connections_per_address", KIND_COUNT, AT(max_connections_per_address), "1000", 1, 10000000,
	  NULL },
	{ "message_max", KIND_BYTES, AT(message_max), "4k", 128, 65535, NULL },
	{ "message_rate_max", KIND_COUNT, AT(message_rate_max), "50", 1, 65534, NULL },
	{ "drain_time", KIND_TIME, AT(drain_time_ms), "5s", 0, HOUR, NULL },

	{ "api_socket", KIND_TEXT, AT(api_socket), RUNSTATEDIR "/milepost/api.sock", 0, 0, NULL },
	{ "api_threads", KIND_COUNT, AT(api_threads), "16", 1, 1024, NULL },
	{ "commit_group_max", KIND_COUNT, AT(commit_group_max), "64", 1, 10000, NULL },
	{ "busy_timeout", KIND_TIME, AT(busy_timeout_ms), "4s", 0, 60 * SECOND, NULL },
	{ "wal_max", KIND_BYTES, AT(wal_max), "1024m", 8 * MIB, INT64_C(1) << 46, NULL },

	{ "relay_redis", KIND_TEXT, AT(relay_redis), "", 0, 0, NULL },
	{ "relay_host", KIND_TEXT, AT(relay_host), "", 0, 0, NULL },
	{ "relay_user", KIND_TEXT, AT(relay_user), "", 0, 0, NULL },
	{ "relay_password_file", KIND_TEXT, AT(relay_password_file), "", 0, 0, NULL },
	{ "relay_prefix", KIND_TEXT, AT(relay_prefix), "milepost", 0, 0, NULL },
	{ "relay_stream_max", KIND_COUNT, AT(relay_stream_max), "1000000", 10, 1000000000, NULL },
	{ "relay_stream_age", KIND_TIME, AT(relay_stream_age_ms), "1d", SECOND, 366 * DAY, NULL },
	{ "relay_timeout", KIND_TIME, AT(relay_timeout_ms), "5s", 2 * SECOND, 60 * SECOND, NULL },
};

const char *
config_key(size_t i)
{
	return i < countof(keys) ? keys[i].name : NULL;
}

static int64_t *
number_at(struct config *config, const struct key *key)
{
	return (int64_t *)(void *)((char *)config + key->offset);
}

static char **
text_at(struct config *config, const struct key *key)
{
	return (char **)(void *)((char *)config + key->offset);
}

/* Splits "64k" into 64 and "k". Returns the unit, or NULL if there is no number. */
static const char *
read_number(const char *value, int base, int64_t *n)
{
	char *end;

	if (value[0] < '0' || value[0] > '9')
		return NULL;
	errno = 0;
	*n = strtoll(value, &end, base);
	return errno == 0 ? end : NULL;
}

struct unit {
	const char *name;
	int64_t factor;
};

static const struct unit time_units[] = {
	{ "ms", 1 }, { "s", SECOND }, { "m", 60 * SECOND }, { "h", HOUR }, { "d", DAY },
	{ NULL, 0 },
};
static const struct unit byte_units[] = { { "", 1 }, { "k", 1024 }, { "m", MIB }, { NULL, 0 } };
static const struct unit no_units[] = { { "", 1 }, { NULL, 0 } };

/* What a value of the kind looks like, for messages. */
static const char *
expectation(const struct key *key)
{
	switch (key->kind) {
	case KIND_COUNT:
		return "a whole number";
	case KIND_BYTES:
		return "a size such as 4096, 16k or 1m";
	case KIND_TIME:
		return "a time such as 500ms, 30s, 10m, 1h or 7d";
	case KIND_MODE:
		return "an octal mode such as 0660";
	case KIND_WORD:
		return key->words;
	case KIND_TEXT:
		break;
	}
	return "text";
}

static bool
read_scaled(const char *value, int base, const struct unit *unit, int64_t *out)
{
	int64_t n;
	const char *name = read_number(value, base, &n);

	if (name == NULL)
		return false;
	while (unit->name != NULL && strcmp(unit->name, name) != 0)
		unit++;
	if (unit->name == NULL || n > INT64_MAX / unit->factor)
		return false;
	*out = n * unit->factor;
	return true;
}

bool
config_read_time(const char *text, int64_t *ms)
{
	return read_scaled(text, 10, time_units, ms);
}

static bool
read_word(const char *value, const char *words, int64_t *out)
{
	size_t len = strlen(value);

	for (int64_t i = 0; words != NULL; i++) {
		const char *bar = strchr(words, '|');
		size_t n = bar != NULL ? (size_t)(bar - words) : strlen(words);

		if (n == len && memcmp(words, value, n) == 0) {
			*out = i;
			return true;
		}
		words = bar != NULL ? bar + 1 : NULL;
	}
	return false;
}

static bool
read_value(const struct key *key, const char *value, int64_t *n)
{
	switch (key->kind) {
	case KIND_COUNT:
		return read_scaled(value, 10, no_units, n);
	case KIND_BYTES:
		return read_scaled(value, 10, byte_units, n);
	case KIND_TIME:
		return read_scaled(value, 10, time_units, n);
	case KIND_MODE:
		return read_scaled(value, 8, no_units, n);
	case KIND_WORD:
		return read_word(value, key->words, n);
	case KIND_TEXT:
		break;
	}
	return false;
}

/* Sets one key. On failure, why (if any) gets what is wrong, without file and line. */
static enum err
assign(struct config *config, const struct key *key, const char *value, struct buf *why)
{
	int64_t n;

	if (key->kind == KIND_TEXT) {
		char *copy = strdup(value);

		if (copy == NULL)
			return ERR_NOMEM;
		free(*text_at(config, key));
		*text_at(config, key) = copy;
		return ERR_OK;
	}
	if (!read_value(key, value, &n)) {
		buf_printf(why, "%s: \"%s\" is not %s%s", key->name, value,
		    key->kind == KIND_WORD ? "one of " : "", expectation(key));
		return ERR_INPUT;
	}
	if (key->kind != KIND_WORD && (n < key->min || n > key->max)) {
		buf_printf(why, "%s: %s is out of range (%lld to %lld%s)", key->name, value,
		    (long long)key->min, (long long)key->max,
		    key->kind == KIND_TIME ? " ms" : key->kind == KIND_BYTES ? " bytes" : "");
		return ERR_INPUT;
	}
	*number_at(config, key) = n;
	return ERR_OK;
}

void
config_free(struct config **config)
{
	if (*config == NULL)
		return;
	for (size_t i = 0; i < countof(keys); i++)
		if (keys[i].kind == KIND_TEXT)
			free(*text_at(*config, &keys[i]));
	free(*config);
	*config = NULL;
}

enum err
config_default(struct config **out)
{
	struct config *config = calloc(1, sizeof(*config));
	struct buf why = BUF_INIT(512);
	enum err err = ERR_OK;

	if (config == NULL)
		return ERR_NOMEM;
	for (size_t i = 0; i < countof(keys) && err == ERR_OK; i++)
		err = assign(config, &keys[i], keys[i].fallback, &why);
	buf_fini(&why);
	if (err != ERR_OK) {
		config_free(&config);
		return err;
	}
	*out = config;
	return ERR_OK;
}

/* What travels through inih's callbacks. */
struct reading {
	FILE *file;
	struct config *config;
	struct buf *why;
	enum err err; /* the first error of ours; inih finds others by itself */
	int line;     /* the last one that was read */
	bool indented;
	bool seen[countof(keys)];
};

/* fgets for inih. Ends at the first error, and refuses a line that inih would cut in two. */
static char *
on_inih_line(char *out, int size, void *arg)
{
	struct reading *reading = arg;

	if (reading->err != ERR_OK)
		return NULL;
	if (fgets(out, size, reading->file) == NULL) {
		if (ferror(reading->file)) {
			reading->err = ERR_SYSTEM;
			buf_puts(reading->why, strerror(errno));
		}
		return NULL;
	}
	reading->line++;
	reading->indented = out[0] == ' ' || out[0] == '\t';
	if (strchr(out, '\n') == NULL && !feof(reading->file)) {
		reading->err = ERR_INPUT;
		buf_printf(reading->why, "longer than %d bytes, or not a text", size - 2);
		return NULL;
	}
	return out;
}

/* A line that begins with white space goes on with the value above it. */
static enum err
go_on(struct reading *reading, const struct key *key, const char *value)
{
	char *longer;
	enum err err;

	if (!reading->indented || key->kind != KIND_TEXT) {
		buf_printf(reading->why, "%s is given twice", key->name);
		return ERR_INPUT;
	}
	if (asprintf(&longer, "%s %s", *text_at(reading->config, key), value) < 0)
		return ERR_NOMEM;
	err = assign(reading->config, key, longer, reading->why);
	free(longer);
	return err;
}

static enum err
on_pair(struct reading *reading, const char *section, const char *name, const char *value)
{
	if (section[0] != '\0') {
		buf_printf(reading->why, "[%s]: this file has no sections", section);
		return ERR_INPUT;
	}
	for (size_t i = 0; i < countof(keys); i++) {
		if (strcmp(keys[i].name, name) != 0)
			continue;
		if (reading->seen[i])
			return go_on(reading, &keys[i], value);
		reading->seen[i] = true;
		return assign(reading->config, &keys[i], value, reading->why);
	}
	buf_printf(reading->why, "unknown key \"%s\"", name);
	return ERR_INPUT;
}

static int
on_inih_pair(void *arg, const char *section, const char *name, const char *value)
{
	struct reading *reading = arg;

	reading->err = on_pair(reading, section, name, value);
	return reading->err == ERR_OK;
}

/* Calls inih; fills in text (what is wrong) and the line number (0: not of one line). */
static enum err
parse(FILE *file, struct config *config, struct buf *text, int *line)
{
	struct reading reading = { .file = file, .config = config, .why = text };
	int first = ini_parse_stream(on_inih_line, &reading, on_inih_pair, &reading);

	if (first < 0) /* where inih was built to allocate its line */
		return ERR_NOMEM;
	/* inih reads on after a line that it can't make out: an error of ours may be the later. */
	if (first > 0 && (reading.err == ERR_OK || first < reading.line)) {
		*line = first;
		buf_reset(text);
		buf_puts(text, "neither \"key = value\" nor a comment");
		return ERR_INPUT;
	}
	*line = reading.line;
	return reading.err;
}

/* "file:line: text", as compilers have it. */
static void
explain(struct buf *why, const char *path, int line, const struct buf *text)
{
	buf_puts(why, path);
	if (line > 0)
		buf_printf(why, ":%d", line);
	buf_printf(why, ": %.*s", TEXT_ARG(text->len > 0 ? buf_view(text) : text_of("no memory")));
}

enum err
config_load(const char *path, struct config **out, struct buf *why)
{
	struct config *config = NULL;
	struct buf text = BUF_INIT(1024);
	FILE *file = fopen(path, "re");
	enum err err;
	int line = 0;

	if (file == NULL) {
		err = errno == ENOENT ? ERR_ABSENT : errno == ENOMEM ? ERR_NOMEM : ERR_SYSTEM;
		buf_printf(why, "%s: %s; %s", path, strerror(errno),
		    errno == EACCES ? "this user needs the right to read the configuration" :
		                      "name the configuration by -c or MILEPOST_CONFIG");
		return err;
	}
	err = config_default(&config);
	if (err == ERR_OK)
		err = parse(file, config, &text, &line);
	fclose(file);
	if (err == ERR_OK) {
		*out = config;
	} else {
		explain(why, path, line, &text);
		config_free(&config);
	}
	buf_fini(&text);
	return err;
}

const char *
config_default_path(void)
{
	const char *path = getenv("MILEPOST_CONFIG");

	return path != NULL && path[0] != '\0' ? path : SYSCONFDIR "/milepost/milepost.conf";
}

static void
print_word(const char *words, int64_t n, struct buf *out)
{
	while (n-- > 0)
		words = strchr(words, '|') + 1;
	buf_add(out, words, strcspn(words, "|"));
}

void
config_print(const struct config *config, struct buf *out)
{
	for (size_t i = 0; i < countof(keys); i++) {
		const struct key *key = &keys[i];
		const char *at = (const char *)config + key->offset;
		int64_t n = key->kind == KIND_TEXT ? 0 : *(const int64_t *)(const void *)at;

		buf_printf(out, "%s = ", key->name);
		if (key->kind == KIND_TEXT)
			buf_puts(out, *(char *const *)(const void *)at);
		else if (key->kind == KIND_WORD)
			print_word(key->words, n, out);
		else if (key->kind == KIND_MODE)
			buf_printf(out, "%04llo", (unsigned long long)n);
		else
			buf_printf(out, "%lld%s", (long long)n, key->kind == KIND_TIME ? "ms" : "");
		buf_puts(out, "\n");
	}
}
