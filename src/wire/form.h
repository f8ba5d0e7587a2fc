/* form.h: application/x-www-form-urlencoded, in a body or behind the ? of a URL. */
#ifndef WIRE_FORM_H
#define WIRE_FORM_H

#include "base/attr.h"
#include "base/err.h"
#include "base/text.h"

#include <stddef.h>

#define FORM_FIELDS_MAX 32

struct form_field {
	struct text name, value; /* decoded, valid UTF-8 without NUL */
};

struct form {
	size_t count;
	struct form_field fields[FORM_FIELDS_MAX];
};

/*
 * Splits at &, decodes %XX and + in place; the fields point into data, which the caller keeps.
 * Empty pieces ("a=1&&b=2") are passed over. ERR_INPUT: a bad percent sequence, bytes that are not
 * UTF-8, a NUL. ERR_LIMIT: more than FORM_FIELDS_MAX fields.
 */
enum err form_parse(char *data, size_t len, struct form *out) MUST_USE;

/* The value of the field; absent if there is none. ERR_INPUT: it is given more than once. */
enum err form_value(const struct form *form, const char *name, struct text *out) MUST_USE;

#endif
