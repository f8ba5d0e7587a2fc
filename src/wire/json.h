/*
 * json.h: reading one JSON object strictly, and writing JSON strings. The only module that sees
 * json-c.
 *
 * Accepted is an object after RFC 8259's grammar in valid UTF-8, nested at most JSON_DEPTH deep,
 * with nothing but white space around it, no member name twice in any object, no NUL in a string,
 * and no number that is not finite.
 */
#ifndef WIRE_JSON_H
#define WIRE_JSON_H

#include "base/attr.h"
#include "base/buf.h"
#include "base/err.h"
#include "base/text.h"

#include <stdbool.h>
#include <stdint.h>

#define JSON_DEPTH 8

struct json; /* a parsed object */

enum json_kind {
	JSON_ABSENT,
	JSON_NULL,
	JSON_BOOL,
	JSON_INTEGER, /* written without fraction and exponent */
	JSON_REAL,
	JSON_STRING,
	JSON_ARRAY,
	JSON_OBJECT,
};

/*
 * ERR_INPUT: not an acceptable object; *why is a static sentence that says what is wrong.
 * ERR_NOMEM. The caller frees *out.
 */
enum err json_parse(struct text text, struct json **out, const char **why) MUST_USE;

/* Frees and sets the pointer to NULL. */
void json_free(struct json **json);

/* What kind of value the member has; the readers below may be called only for their type. */
enum json_kind json_kind(const struct json *json, const char *member);
bool json_boolean(const struct json *json, const char *member);
/* Values beyond 64 bits come out as the nearest that fits. */
int64_t json_integer(const struct json *json, const char *member);
/* Valid until json_free. */
struct text json_string(const struct json *json, const char *member);

/* True if the member is this string, or an array of which one element is it (JWT's aud). */
bool json_names(const struct json *json, const char *member, struct text wanted);

/* Calls fn for each member's name, in the order of the text. */
void json_members(const struct json *json, void (*fn)(void *arg, struct text member), void *arg);

/* Appends the text as a JSON string with its quotes. A byte that is no UTF-8, as another program
 * may have stored it, is written as U+FFFD; an absent text as null. */
void json_write_string(struct buf *out, struct text t);

#endif
