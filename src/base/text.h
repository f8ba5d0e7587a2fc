/*
 * text.h: a borrowed run of bytes.
 *
 * A struct text owns nothing and need not end in NUL; whoever hands one out says until when it is
 * valid. s == NULL means "absent", which is not the same as empty.
 */
#ifndef BASE_TEXT_H
#define BASE_TEXT_H

#include <stdbool.h>
#include <stddef.h>

struct text {
	const char *s;
	size_t len;
};

/* For printf's "%.*s". */
#define TEXT_ARG(t) (int)(t).len, (t).s ? (t).s : ""

/* The text of a NUL-terminated string; text_of(NULL) is absent. */
struct text text_of(const char *s);

/* Byte by byte; absent equals only absent. */
bool text_equal(struct text a, struct text b);

/* Equality with a NUL-terminated string, with or without regard to ASCII case. */
bool text_is(struct text t, const char *s);
bool text_is_nocase(struct text t, const char *s);

/* If t begins with the prefix, steps over it and returns true; otherwise t is untouched. */
bool text_skip(struct text *t, const char *prefix);

/*
 * Reads a decimal number without sign: at least one digit, nothing else, at most max. Returns
 * false, with *out untouched, on anything else.
 */
bool text_number(struct text t, unsigned long long max, unsigned long long *out);

/* The value of a hexadecimal digit of either case; -1 if c is none. */
int text_hex_value(char c);

/* Without leading and trailing spaces and tabs. */
struct text text_trim(struct text t);

/* Its first max bytes, less those of a character of UTF-8 that would be cut in two. */
struct text text_cut(struct text t, size_t max);

#endif
