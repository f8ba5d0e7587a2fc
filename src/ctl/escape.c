/* escape.c: one character at a time, by what the C library knows of its width. */
#include "ctl/escape.h"

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <wchar.h>

#define ESCAPED_MAX 12 /* \U0010ffff and its NUL */

/* Marks that change the direction of what follows: they can make a line read as another one. */
static bool
is_reordering(wchar_t c)
{
	return (c >= 0x202a && c <= 0x202e) || (c >= 0x2066 && c <= 0x2069) || c == 0x200e ||
	    c == 0x200f || c == 0x061c;
}

/* The next character's length in bytes; *c is WEOF where there is only a stray byte. */
static size_t
decode(struct text t, wint_t *c)
{
	mbstate_t state;
	wchar_t wide;
	size_t n;

	memset(&state, 0, sizeof(state));
	n = mbrtowc(&wide, t.s, t.len, &state);
	if (n == (size_t)-1 || n == (size_t)-2) {
		*c = WEOF;
		return 1;
	}
	*c = (wint_t)wide;
	return n > 0 ? n : 1; /* 0: a NUL */
}

static void
spell(wint_t c, unsigned char first, char out[ESCAPED_MAX])
{
	if (c == L'\n' || c == L'\r' || c == L'\t')
		snprintf(out, ESCAPED_MAX, "\\%c", c == L'\n' ? 'n' : c == L'\r' ? 'r' : 't');
	else if (c == WEOF || c < 0x80)
		snprintf(out, ESCAPED_MAX, "\\x%02x", first);
	else
		snprintf(out, ESCAPED_MAX, c > 0xffff ? "\\U%08x" : "\\u%04x", (unsigned)c);
}

size_t
escape_text(struct buf *out, struct text t, size_t columns)
{
	size_t used = 0;

	while (t.len > 0) {
		char escaped[ESCAPED_MAX];
		wint_t c;
		struct text piece = { t.s, decode(t, &c) };
		int width = c == WEOF ? -1 : wcwidth((wchar_t)c);

		t.s += piece.len;
		t.len -= piece.len;
		/* wcwidth calls a NUL nothing wide. */
		if (width < 0 || c == 0 || is_reordering((wchar_t)c)) {
			spell(c, (unsigned char)piece.s[0], escaped);
			piece = text_of(escaped);
			width = (int)piece.len;
		}
		if ((size_t)width > columns - used)
			break;
		buf_text(out, piece);
		used += (size_t)width;
	}
	return used;
}
