/* id.c: UUIDs as text and as bytes. */
#include "model/id.h"

#include <string.h>

/* Does a hyphen stand at this place of the text? 8-4-4-4-12. */
static bool
is_hyphen(size_t at)
{
	return at == 8 || at == 13 || at == 18 || at == 23;
}

enum err
id_parse(struct text t, struct id *out)
{
	struct id id;
	size_t digits = 0;

	if (t.s == NULL || t.len != ID_TEXT_LEN)
		return ERR_INPUT;
	memset(&id, 0, sizeof(id));
	for (size_t i = 0; i < ID_TEXT_LEN; i++) {
		int value = text_hex_value(t.s[i]);

		if (is_hyphen(i)) {
			if (t.s[i] != '-')
				return ERR_INPUT;
			continue;
		}
		if (value < 0)
			return ERR_INPUT;
		id.bytes[digits / 2] = (uint8_t)(id.bytes[digits / 2] << 4 | value);
		digits++;
	}
	*out = id;
	return ERR_OK;
}

void
id_format(const struct id *id, char out[ID_TEXT_LEN + 1])
{
	static const char digits[] = "0123456789abcdef";
	size_t n = 0;

	for (size_t i = 0; i < ID_TEXT_LEN; i++) {
		if (is_hyphen(i)) {
			out[i] = '-';
			continue;
		}
		out[i] = digits[n % 2 == 0 ? id->bytes[n / 2] >> 4 : id->bytes[n / 2] & 15];
		n++;
	}
	out[ID_TEXT_LEN] = '\0';
}

bool
id_equal(const struct id *a, const struct id *b)
{
	return memcmp(a->bytes, b->bytes, ID_LEN) == 0;
}
