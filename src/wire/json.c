/* json.c: json-c held to strictness, and a writer of strings. */
#include "wire/json.h"

#include "wire/utf8.h"

#include <errno.h>
#include <json-c/json.h>
#include <json-c/printbuf.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#define JSON_TEXT_MAX (16 << 20) /* bytes; far beyond any caller's limit, and safe as an int */

/* A struct json is json-c's object; the type exists so that nobody else sees json-c. */
static struct json_object *
object_of(const struct json *json)
{
	return (struct json_object *)(uintptr_t)json;
}

static bool
is_digit(char c)
{
	return c >= '0' && c <= '9';
}

/* --- what json-c lets pass and we don't, found in the text before json-c sees it --- */

/* What the text's lexemes tell. */
struct scan {
	size_t members;  /* colons outside strings: the members of all objects together */
	const char *why; /* NULL: nothing is wrong */
};

static bool
is_nul_escape(struct text text, size_t i)
{
	struct text rest = { text.s + i, text.len - i };

	return text_skip(&rest, "\\u0000");
}

/* Passes over the string that begins at i; returns the index of its closing quote, or the text's
 * length where it has none. json-c would take control characters, and names cut short by a NUL. */
static size_t
scan_string(struct text text, size_t i, struct scan *scan)
{
	for (i++; i < text.len && text.s[i] != '"'; i++) {
		if ((unsigned char)text.s[i] < 0x20)
			scan->why = "a control character in a string";
		else if (text.s[i] == '\\') {
			if (is_nul_escape(text, i))
				scan->why = "a string holds a NUL";
			i++;
		}
	}
	return i < text.len ? i : text.len;
}

/* Passes over the number that begins at i; returns the index of its last character. json-c would
 * take leading zeros, and a point without a digit on either side. */
static size_t
scan_number(struct text text, size_t i, struct scan *scan)
{
	size_t begin = text.s[i] == '-' ? i + 1 : i;

	for (i = begin; i < text.len && memchr("0123456789.eE+-", text.s[i], 15) != NULL; i++)
		if (text.s[i] == '.' && (i == begin || !is_digit(text.s[i - 1]) ||
		    i + 1 == text.len || !is_digit(text.s[i + 1])))
			scan->why = "a number has no digit beside its point";
	if (i - begin > 1 && text.s[begin] == '0' && is_digit(text.s[begin + 1]))
		scan->why = "a number begins with a superfluous zero";
	return i - 1;
}

static struct scan
scan_text(struct text text)
{
	struct scan scan = { 0, NULL };
	int depth = 0;

	for (size_t i = 0; i < text.len && scan.why == NULL; i++) {
		char c = text.s[i];

		if (c == '"')
			i = scan_string(text, i, &scan);
		else if (is_digit(c) || c == '-')
			i = scan_number(text, i, &scan);
		else if (c == ':')
			scan.members++;
		else if (c == '\'')
			scan.why = "malformed JSON";
		else if ((c == '{' || c == '[') && ++depth > JSON_DEPTH)
			scan.why = "the JSON is nested too deeply";
		else if (c == '}' || c == ']')
			depth--;
	}
	return scan;
}

/* --- and in what json-c made of it --- */

/* Counts the members of all objects; sets scan->why at a number that is none. */
static void
audit(struct json_object *value, struct scan *scan)
{
	switch (json_object_get_type(value)) {
	case json_type_double:
		if (!isfinite(json_object_get_double(value)))
			scan->why = "a number is not finite";
		break;
	case json_type_array:
		for (size_t i = 0; i < json_object_array_length(value); i++)
			audit(json_object_array_get_idx(value, i), scan);
		break;
	case json_type_object: {
		json_object_object_foreach(value, name, member) {
			(void)name;
			scan->members++;
			audit(member, scan);
		}
		break;
	}
	case json_type_null:
	case json_type_boolean:
	case json_type_int:
	case json_type_string:
		break;
	}
}

/* Of two members with one name json-c keeps the last: the object has fewer than the text. */
static const char *
audit_document(struct json_object *object, size_t members)
{
	struct scan found = { 0, NULL };

	audit(object, &found);
	if (found.why == NULL && found.members != members)
		return "a member is given twice";
	return found.why;
}

/* --- reading --- */

/* The index of the first character from i on that is no white space. */
static size_t
skip_space(struct text text, size_t i)
{
	while (i < text.len && memchr(" \t\r\n", text.s[i], 4) != NULL)
		i++;
	return i;
}

static const char *
explain(enum json_tokener_error error)
{
	switch ((int)error) {
	case json_tokener_continue:
	case json_tokener_error_parse_eof:
		return "the JSON ends too early";
	case json_tokener_error_parse_utf8_string:
		return "the JSON is not UTF-8";
	default:
		return "malformed JSON";
	}
}

/* Before 0.17 json-c shortens strings in silence where their buffer can't grow: so it has grown. */
static bool
make_room(struct json_tokener *tokener, size_t len)
{
#if JSON_C_VERSION_NUM < (17 << 8)
	if (printbuf_memset(tokener->pb, 0, 0, (int)len + 1) < 0)
		return false;
	printbuf_reset(tokener->pb);
#else
	(void)tokener;
	(void)len;
#endif
	return true;
}

static enum err
parse(struct json_tokener *tokener, struct text text, struct json_object **out, const char **why)
{
	struct scan scan = scan_text(text);
	struct json_object *object;
	enum json_tokener_error error;
	bool no_memory;

	if (scan.why != NULL) {
		*why = scan.why;
		return ERR_INPUT;
	}
	if (!make_room(tokener, text.len))
		return ERR_NOMEM;
	errno = 0;
	object = json_tokener_parse_ex(tokener, text.s, (int)text.len);
	no_memory = errno == ENOMEM;
	error = json_tokener_get_error(tokener);
	/* json-c tells it as success without an object, or as a member that is missing. */
	if (no_memory || (error == json_tokener_success && object == NULL)) {
		json_object_put(object);
		return ERR_NOMEM;
	}
	if (error != json_tokener_success)
		*why = explain(error);
	else if (skip_space(text, json_tokener_get_parse_end(tokener)) < text.len)
		*why = "something follows the JSON object";
	else
		*why = audit_document(object, scan.members);
	if (*why == NULL) {
		*out = object;
		return ERR_OK;
	}
	json_object_put(object);
	return ERR_INPUT;
}

/* What must hold of the text before anything is parsed. */
static const char *
check_text(struct text text)
{
	size_t begin = skip_space(text, 0);

	if (text.len > JSON_TEXT_MAX)
		return "the JSON is too long";
	if (begin == text.len)
		return "the JSON is empty";
	/* json-c checks values, but not member names in every version. */
	if (!utf8_valid(text.s, text.len))
		return "the JSON is not UTF-8";
	return text.s[begin] == '{' ? NULL : "not a JSON object";
}

enum err
json_parse(struct text text, struct json **out, const char **why)
{
	struct json_tokener *tokener;
	struct json_object *object;
	enum err err;

	*why = check_text(text);
	if (*why != NULL)
		return ERR_INPUT;
	/* json-c counts the values in the innermost object as a level too. */
	tokener = json_tokener_new_ex(JSON_DEPTH + 1);
	if (tokener == NULL)
		return ERR_NOMEM;
	json_tokener_set_flags(tokener, JSON_TOKENER_STRICT | JSON_TOKENER_ALLOW_TRAILING_CHARS |
	    JSON_TOKENER_VALIDATE_UTF8);
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

/* --- writing --- */

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
		snprintf(buffer, 8, "\\u%04x", c < 0x80 ? c : 0xfffd);
		return buffer;
	}
}

/* How many bytes can stay as they are at this place: a whole character, or none. */
static size_t
plain_len(const char *s, size_t len)
{
	unsigned char first = (unsigned char)s[0];
	uint32_t state = UTF8_ACCEPT;

	if (first < 0x80)
		return first >= 0x20 && first != '"' && first != '\\';
	for (size_t n = 0; n < len && state != UTF8_REJECT; n++) {
		state = utf8_step(state, s + n, 1);
		if (state == UTF8_ACCEPT)
			return n + 1;
	}
	return 0;
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
	for (size_t i = 0; i < t.len;) {
		size_t plain = plain_len(t.s + i, t.len - i);

		i += plain;
		if (plain > 0)
			continue;
		buf_add(out, t.s + done, i - done);
		buf_puts(out, escape_of((unsigned char)t.s[i], buffer));
		done = ++i;
	}
	buf_add(out, t.s + done, t.len - done);
	buf_puts(out, "\"");
}
