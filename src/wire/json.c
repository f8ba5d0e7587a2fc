/* json.c: json-c held to strictness, and a writer of strings. */
#include "wire/json.h"

#include "wire/utf8.h"

#include <json-c/json.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

/* A struct json is json-c's object; the type exists so that nobody else sees json-c. */
static struct json_object *
object_of(const struct json *json)
{
	return (struct json_object *)(uintptr_t)json;
}

/* Passes over the string that begins at i; returns the index of its closing quote. The text was
 * parsed before, so there is one. */
static size_t
skip_string(struct text text, size_t i)
{
	for (i++; text.s[i] != '"'; i++)
		if (text.s[i] == '\\')
			i++;
	return i;
}

/* How many members all objects of a valid text have, by its colons outside strings. */
static size_t
count_colons(struct text text)
{
	size_t colons = 0;

	for (size_t i = 0; i < text.len; i++) {
		if (text.s[i] == '"')
			i = skip_string(text, i);
		else if (text.s[i] == ':')
			colons++;
	}
	return colons;
}

/* What json-c lets pass and we don't. */
struct audit {
	size_t members;
	const char *why; /* NULL: nothing found */
};

static void
audit_string(struct audit *audit, const char *s, size_t len)
{
	if (memchr(s, '\0', len) != NULL)
		audit->why = "a string holds a NUL";
}

static void
audit_value(struct audit *audit, struct json_object *value)
{
	switch (json_object_get_type(value)) {
	case json_type_string:
		audit_string(audit, json_object_get_string(value),
		    (size_t)json_object_get_string_len(value));
		break;
	case json_type_double:
		if (!isfinite(json_object_get_double(value)))
			audit->why = "NaN and Infinity are no JSON";
		break;
	case json_type_array:
		for (size_t i = 0; i < json_object_array_length(value); i++)
			audit_value(audit, json_object_array_get_idx(value, i));
		break;
	case json_type_object: {
		json_object_object_foreach(value, name, member) {
			(void)name;
			audit->members++;
			audit_value(audit, member);
		}
		break;
	}
	case json_type_null:
	case json_type_boolean:
	case json_type_int:
		break;
	}
}

/* json-c keeps the last of two members of one name, so the text has more colons than it members. A
 * NUL in a name would cut it short: its escape is looked for in the text. */
static const char *
audit_document(struct text text, struct json_object *object)
{
	struct audit audit = { 0, NULL };

	if (memmem(text.s, text.len, "\\u0000", 6) != NULL)
		return "a string holds a NUL";
	audit_value(&audit, object);
	if (audit.why == NULL && audit.members != count_colons(text))
		return "a member is given twice";
	return audit.why;
}

static bool
only_space(struct text text, size_t from)
{
	for (size_t i = from; i < text.len; i++)
		if (memchr(" \t\r\n", text.s[i], 4) == NULL)
			return false;
	return true;
}

static const char *
explain(enum json_tokener_error error)
{
	switch ((int)error) {
	case json_tokener_continue:
	case json_tokener_error_parse_eof:
		return "the JSON ends too early";
	case json_tokener_error_depth:
		return "the JSON is nested too deeply";
	case json_tokener_error_parse_utf8_string:
		return "the JSON is not UTF-8";
	default:
		return "malformed JSON";
	}
}

static enum err
parse(struct json_tokener *tokener, struct text text, struct json_object **out, const char **why)
{
	struct json_object *object = json_tokener_parse_ex(tokener, text.s, (int)text.len);
	enum json_tokener_error error = json_tokener_get_error(tokener);

	if (error != json_tokener_success)
		*why = explain(error);
	else if (!json_object_is_type(object, json_type_object))
		*why = "not a JSON object";
	else if (!only_space(text, json_tokener_get_parse_end(tokener)))
		*why = "something follows the JSON object";
	else
		*why = audit_document(text, object);
	if (*why == NULL) {
		*out = object;
		return ERR_OK;
	}
	json_object_put(object);
	return ERR_INPUT;
}

enum err
json_parse(struct text text, struct json **out, const char **why)
{
	struct json_tokener *tokener;
	struct json_object *object;
	enum err err;

	if (text.len == 0 || text.len > INT32_MAX) {
		*why = "the JSON is empty";
		return ERR_INPUT;
	}
	/* json-c checks strings only, and not those of member names in every version. */
	if (!utf8_valid(text.s, text.len)) {
		*why = "the JSON is not UTF-8";
		return ERR_INPUT;
	}
	tokener = json_tokener_new_ex(JSON_DEPTH);
	if (tokener == NULL)
		return ERR_NOMEM;
	json_tokener_set_flags(tokener, JSON_TOKENER_STRICT | JSON_TOKENER_VALIDATE_UTF8);
	*why = NULL;
	err = parse(tokener, text, &object, why);
	json_tokener_free(tokener);
	if (err == ERR_OK)
		*out = (struct json *)(uintptr_t)object;
	return err;
}

void
json_free(struct json **json)
{
	if (*json != NULL)
		json_object_put(object_of(*json));
	*json = NULL;
}

enum json_kind
json_kind(const struct json *json, const char *member)
{
	struct json_object *value;

	if (!json_object_object_get_ex(object_of(json), member, &value))
		return JSON_ABSENT;
	switch (json_object_get_type(value)) {
	case json_type_null:
		return JSON_NULL;
	case json_type_boolean:
		return JSON_BOOL;
	case json_type_int:
		return JSON_INTEGER;
	case json_type_double:
		return JSON_REAL;
	case json_type_string:
		return JSON_STRING;
	case json_type_array:
		return JSON_ARRAY;
	case json_type_object:
		break;
	}
	return JSON_OBJECT;
}

static struct json_object *
get(const struct json *json, const char *member)
{
	return json_object_object_get(object_of(json), member);
}

bool
json_boolean(const struct json *json, const char *member)
{
	return json_object_get_boolean(get(json, member)) != 0;
}

int64_t
json_integer(const struct json *json, const char *member)
{
	return json_object_get_int64(get(json, member));
}

static struct text
string_of(struct json_object *value)
{
	return (struct text){ json_object_get_string(value),
		(size_t)json_object_get_string_len(value) };
}

struct text
json_string(const struct json *json, const char *member)
{
	return string_of(get(json, member));
}

bool
json_names(const struct json *json, const char *member, struct text wanted)
{
	struct json_object *value = get(json, member);

	if (json_object_is_type(value, json_type_string))
		return text_equal(string_of(value), wanted);
	if (!json_object_is_type(value, json_type_array))
		return false;
	for (size_t i = 0; i < json_object_array_length(value); i++) {
		struct json_object *element = json_object_array_get_idx(value, i);

		if (json_object_is_type(element, json_type_string) &&
		    text_equal(string_of(element), wanted))
			return true;
	}
	return false;
}

void
json_members(const struct json *json, void (*fn)(void *arg, struct text member), void *arg)
{
	json_object_object_foreach(object_of(json), name, value) {
		(void)value;
		fn(arg, text_of(name));
	}
}

/* RFC 8259 section 7: what must be escaped, and how. */
static const char *
escape_of(unsigned char c, char buffer[8])
{
	switch (c) {
	case '"':
		return "\\\"";
	case '\\':
		return "\\\\";
	case '\b':
		return "\\b";
	case '\f':
		return "\\f";
	case '\n':
		return "\\n";
	case '\r':
		return "\\r";
	case '\t':
		return "\\t";
	default:
		snprintf(buffer, 8, "\\u%04x", c);
		return buffer;
	}
}

void
json_write_string(struct buf *out, struct text t)
{
	size_t done = 0;
	char buffer[8];

	if (t.s == NULL) {
		buf_puts(out, "null");
		return;
	}
	buf_puts(out, "\"");
	for (size_t i = 0; i < t.len; i++) {
		unsigned char c = (unsigned char)t.s[i];

		if (c >= 0x20 && c != '"' && c != '\\')
			continue;
		buf_add(out, t.s + done, i - done);
		buf_puts(out, escape_of(c, buffer));
		done = i + 1;
	}
	buf_add(out, t.s + done, t.len - done);
	buf_puts(out, "\"");
}
