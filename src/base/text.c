/* text.c: comparing and picking apart borrowed runs of bytes. */
#include "base/text.h"

#include <string.h>
#include <strings.h>

struct text
text_of(const char *s)
{
	return (struct text){ s, s != NULL ? strlen(s) : 0 };
}

bool
text_equal(struct text a, struct text b)
{
	if (a.s == NULL || b.s == NULL)
		return a.s == b.s;
	return a.len == b.len && (a.len == 0 || memcmp(a.s, b.s, a.len) == 0);
}

bool
text_is(struct text t, const char *s)
{
	return text_equal(t, text_of(s));
}

bool
text_is_nocase(struct text t, const char *s)
{
	return t.s != NULL && t.len == strlen(s) && strncasecmp(t.s, s, t.len) == 0;
}

bool
text_skip(struct text *t, const char *prefix)
{
	size_t n = strlen(prefix);

	if (t->s == NULL || t->len < n || memcmp(t->s, prefix, n) != 0)
		return false;
	t->s += n;
	t->len -= n;
	return true;
}

bool
text_number(struct text t, unsigned long long max, unsigned long long *out)
{
	unsigned long long n = 0;

	if (t.s == NULL || t.len == 0)
		return false;
	for (size_t i = 0; i < t.len; i++) {
		unsigned digit = (unsigned)(unsigned char)t.s[i] - '0';

		if (digit > 9 || digit > max || n > (max - digit) / 10)
			return false;
		n = n * 10 + digit;
	}
	*out = n;
	return true;
}

int
text_hex_value(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	if (c >= 'A' && c <= 'F')
		return c - 'A' + 10;
	return -1;
}

struct text
text_trim(struct text t)
{
	while (t.len > 0 && (t.s[0] == ' ' || t.s[0] == '\t')) {
		t.s++;
		t.len--;
	}
	while (t.len > 0 && (t.s[t.len - 1] == ' ' || t.s[t.len - 1] == '\t'))
		t.len--;
	return t;
}

struct text
text_cut(struct text t, size_t max)
{
	if (t.len <= max)
		return t;
	t.len = max;
	while (t.len > 0 && ((unsigned char)t.s[t.len] & 0xc0) == 0x80)
		t.len--;
	return t;
}
