/*
 * log.h: one line an event, on standard error, as key=value or as JSON.
 *
 * An event has a short dotted name and typed fields; text is quoted and escaped here, so nothing
 * that a client sends can forge a line. Callers never pass a token, a key, a password, a message
 * text or a URL's query. errno is preserved.
 *
 *     log_info("ws.open", LOG_INT("conn", id), LOG_STR("user", user));
 *     time=2025-12-19T10:30:00Z level=info program=milepost-ws event=ws.open conn=7 user=550e...
 */
#ifndef BASE_LOG_H
#define BASE_LOG_H

#include "base/text.h"

#include <stdbool.h>
#include <stdint.h>

enum log_level { LOG_LEVEL_ERROR, LOG_LEVEL_WARN, LOG_LEVEL_INFO, LOG_LEVEL_DEBUG };
enum log_format { LOG_FORMAT_KV, LOG_FORMAT_JSON };

struct log_field {
	const char *key; /* NULL ends the list */
	bool is_text;
	struct text text;
	int64_t number;
};

#define LOG_INT(k, n) { .key = (k), .number = (int64_t)(n) }
#define LOG_STR(k, str) { .key = (k), .is_text = true, .text = text_of(str) }
#define LOG_TEXT(k, t) { .key = (k), .is_text = true, .text = (t) }

/* Of the whole process; before it, the name is empty, the level info and the format key=value.
 * The name is borrowed for ever. Any thread may log meanwhile: of a reload it sees a part at worst. */
void log_setup(const char *program, enum log_level level, enum log_format format);

/* Would it be written? For who has to work for the fields. */
bool log_is_written(enum log_level level);

void log_write(enum log_level level, const char *event, const struct log_field *fields);

#define LOG_FIELDS(...) ((const struct log_field[]){ __VA_ARGS__ __VA_OPT__(,) { .key = NULL } })
#define log_error(event, ...) log_write(LOG_LEVEL_ERROR, event, LOG_FIELDS(__VA_ARGS__))
#define log_warn(event, ...) log_write(LOG_LEVEL_WARN, event, LOG_FIELDS(__VA_ARGS__))
#define log_info(event, ...) log_write(LOG_LEVEL_INFO, event, LOG_FIELDS(__VA_ARGS__))
#define log_debug(event, ...) log_write(LOG_LEVEL_DEBUG, event, LOG_FIELDS(__VA_ARGS__))

#endif
