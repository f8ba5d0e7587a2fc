/* ndjson.c: splitting at newlines. */
#include "wire/ndjson.h"

#include <string.h>

static bool
is_blank(struct text line)
{
	line = text_trim(line);
	return line.len == 0 || text_is(line, "\r");
}

bool
ndjson_next(struct text *rest, struct text *line)
{
	while (rest->len > 0) {
		const char *end = memchr(rest->s, '\n', rest->len);
		size_t len = end != NULL ? (size_t)(end - rest->s) : rest->len;
		size_t step = end != NULL ? len + 1 : len;

		*line = (struct text){ rest->s, len };
		rest->s += step;
		rest->len -= step;
		if (!is_blank(*line))
			return true;
	}
	return false;
}
