/* fuzz-query.c: a query: fields that lie within the bytes, decoded, in UTF-8 and without NUL. */
#include "fuzz.h"

#include "wire/form.h"
#include "wire/utf8.h"

#include <string.h>

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const char *const names[] = { "token", "since", "a", "" };
	char *copy = malloc(size > 0 ? size : 1);
	struct form form;
	struct text value;

	MUST(copy != NULL);
	memcpy(copy, data, size);
	if (form_parse(copy, size, &form) == ERR_OK) {
		MUST(form.count <= FORM_FIELDS_MAX);
		for (size_t i = 0; i < form.count; i++) {
			value = form.fields[i].value;
			MUST(value.len == 0 || (value.s >= copy && value.s + value.len <= copy + size));
			MUST(utf8_valid(value.s, value.len));
			MUST(value.len == 0 || memchr(value.s, '\0', value.len) == NULL);
		}
		for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
			MUST(form_value(&form, names[i], &value) == ERR_OK || form.count > 1);
	}
	free(copy);
	return 0;
}
