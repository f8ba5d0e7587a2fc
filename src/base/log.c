/* log.c: formats an event into one line and writes it with one system call. */
#include "base/log.h"

#include "base/attr.h"
#include "base/clock.h"
#include "base/timestamp.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define LINE_MAX_BYTES 2048 /* below PIPE_BUF, so lines never interleave */
#define VALUE_MAX_BYTES 512 /* of a text, as written; more of it is cut off */

/* The only state of a whole process that is ours: where one looks when something went wrong. */
static struct {
	_Atomic(const char *) program;
	_Atomic enum log_level level;
	_Atomic enum log_format format;
} logger = { "", LOG_LEVEL_INFO, LOG_FORMAT_KV };

static const char *const level_names[] = { "error", "warn", "info", "debug" };

struct line {
	char data[LINE_MAX_BYTES];
	size_t len;
	bool full;
};

void
log_setup(const char *program, enum log_level level, enum log_format format)
{
	logger.program = program;
	logger.level = level;
	logger.format = format;
}

/* Leaves room for the closing brace and the newline. */
static void
put(struct line *line, const char *s, size_t len)
{
	line->full = line->full || len > sizeof(line->data) - 2 - line->len;
	if (line->full)
		return;
	memcpy(line->data + line->len, s, len);
	line->len += len;
}

static void
puts_line(struct line *line, const char *s)
{
	put(line, s, strlen(s));
}

/* Quoted, and escaped as JSON does it; bytes beyond ASCII are escaped too, so a line is ASCII. */
static void
put_quoted(struct line *line, struct text t)
{
	size_t begin = line->len;

	puts_line(line, "\"");
	for (size_t i = 0; i < t.len && line->len - begin < VALUE_MAX_BYTES; i++) {
		unsigned char c = (unsigned char)t.s[i];
		char escaped[8];

		if (c == '"' || c == '\\')
			put(line, (const char[]){ '\\', (char)c }, 2);
		else if (c >= 0x20 && c < 0x7f)
			put(line, (const char *)&c, 1);
		else
			put(line, escaped,
			    (size_t)snprintf(escaped, sizeof(escaped), "\\u%04x", c));
	}
	puts_line(line, "\"");
}

/* A word needs no quotes in key=value. */
static bool
is_word(struct text t)
{
	if (t.len == 0)
		return false;
	for (size_t i = 0; i < t.len; i++)
		if (t.s[i] <= ' ' || t.s[i] == '"' || t.s[i] == '\\' || t.s[i] == '=' ||
		    t.s[i] == 0x7f || (unsigned char)t.s[i] > 0x7f)
			return false;
	return true;
}

static void
put_value(struct line *line, const struct log_field *field)
{
	struct text t = field->text;
	char digits[24];

	if (!field->is_text) {
		put(line, digits,
		    (size_t)snprintf(digits, sizeof(digits), "%lld", (long long)field->number));
		return;
	}
	if (t.len > VALUE_MAX_BYTES)
		t.len = VALUE_MAX_BYTES;
	if (logger.format == LOG_FORMAT_KV && is_word(t))
		put(line, t.s, t.len);
	else
		put_quoted(line, t);
}

/* Whole or, where the line has no room for it, not at all: a program may read the line. */
static void
put_field(struct line *line, const struct log_field *field)
{
	bool json = logger.format == LOG_FORMAT_JSON;
	size_t before = line->len;

	if (line->len > 1)
		puts_line(line, json ? "," : " ");
	if (json)
		put_quoted(line, text_of(field->key));
	else
		puts_line(line, field->key);
	puts_line(line, json ? ":" : "=");
	put_value(line, field);
	if (line->full)
		line->len = before;
	line->full = false;
}

bool
log_is_written(enum log_level level)
{
	return level <= logger.level;
}

void
log_write(enum log_level level, const char *event, const struct log_field *fields)
{
	struct line line = { .len = 0 };
	char now[TIMESTAMP_LEN + 1];
	int saved = errno;
	ssize_t n;

	if (!log_is_written(level))
		return;
	timestamp_format(clock_wall(), now);
	if (logger.format == LOG_FORMAT_JSON)
		puts_line(&line, "{");
	put_field(&line, &(struct log_field)LOG_STR("time", now));
	put_field(&line, &(struct log_field)LOG_STR("level", level_names[level]));
	put_field(&line, &(struct log_field)LOG_STR("program", logger.program));
	put_field(&line, &(struct log_field)LOG_STR("event", event));
	for (; fields->key != NULL; fields++)
		put_field(&line, fields);
	if (logger.format == LOG_FORMAT_JSON)
		line.data[line.len++] = '}';
	line.data[line.len++] = '\n';
	/* A log that can't be written (a full disk) must not stop the work. */
	n = write(STDERR_FILENO, line.data, line.len);
	(void)n;
	errno = saved;
}
