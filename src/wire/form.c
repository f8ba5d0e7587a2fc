/* form.c: decodes a form in place. */
#include "wire/form.h"

#include "wire/utf8.h"

#include <string.h>

/* Decodes data[0..len) in place; the text is shorter or as long. */
static enum err
decode(char *data, size_t len, struct text *out)
{
	size_t n = 0;

	for (size_t i = 0; i < len; i++) {
		char c = data[i] == '+' ? ' ' : data[i];

		if (c == '%') {
			int high = i + 2 < len ? text_hex_value(data[i + 1]) : -1;
			int low = i + 2 < len ? text_hex_value(data[i + 2]) : -1;

			if (high < 0 || low < 0)
				return ERR_INPUT;
			c = (char)(high << 4 | low);
			i += 2;
		}
		if (c == '\0')
			return ERR_INPUT;
		data[n++] = c;
	}
	*out = (struct text){ data, n };
	return utf8_valid(data, n) ? ERR_OK : ERR_INPUT;
}

static enum err
add(struct form *form, char *data, size_t len)
{
	struct form_field *field;
	char *equals = memchr(data, '=', len);
	size_t name_len = equals != NULL ? (size_t)(equals - data) : len;
	enum err err;

	if (form->count == FORM_FIELDS_MAX)
		return ERR_LIMIT;
	field = &form->fields[form->count++];
	field->value = (struct text){ "", 0 };
	err = decode(data, name_len, &field->name);
	if (err == ERR_OK && equals != NULL)
		err = decode(equals + 1, len - name_len - 1, &field->value);
	return err;
}

enum err
form_parse(char *data, size_t len, struct form *out)
{
	struct form form = { .count = 0 };

	while (len > 0) {
		char *end = memchr(data, '&', len);
		size_t piece = end != NULL ? (size_t)(end - data) : len;
		size_t step = end != NULL ? piece + 1 : piece;
		enum err err = piece > 0 ? add(&form, data, piece) : ERR_OK;

		if (err != ERR_OK)
			return err;
		data += step;
		len -= step;
	}
	*out = form;
	return ERR_OK;
}

enum err
form_value(const struct form *form, const char *name, struct text *out)
{
	struct text found = { NULL, 0 };

	for (size_t i = 0; i < form->count; i++) {
		if (!text_is(form->fields[i].name, name))
			continue;
		if (found.s != NULL)
			return ERR_INPUT;
		found = form->fields[i].value;
	}
	*out = found;
	return ERR_OK;
}
