/* timestamp.c: seconds since 1970 to a date and back, by arithmetic alone (no locale, no time zone). */
#include "base/timestamp.h"

#include <string.h>

#define DAY 86400
#define LAST 253402300799   /* 9999-12-31T23:59:59Z */
#define DAYS_TO_1970 719468 /* from 0000-03-01 */

static char *
put_digits(char *out, int64_t n, int width)
{
	for (int i = width - 1; i >= 0; i--) {
		out[i] = (char)('0' + n % 10);
		n /= 10;
	}
	return out + width;
}

void
timestamp_format(int64_t seconds, char out[TIMESTAMP_LEN + 1])
{
	int64_t days, second, era, day_of_era, year_of_era, day_of_year, month, day, year;

	if (seconds < 0)
		seconds = 0;
	if (seconds > LAST)
		seconds = LAST;
	/* Counted from 0000-03-01, so that the leap day is the last of its year; 400 years (an era)
	 * have 146097 days. */
	days = seconds / DAY + DAYS_TO_1970;
	second = seconds % DAY;
	era = days / 146097;
	day_of_era = days % 146097;
	year_of_era =
	    (day_of_era - day_of_era / 1460 + day_of_era / 36524 - day_of_era / 146096) / 365;
	day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
	month = (5 * day_of_year + 2) / 153;
	day = day_of_year - (153 * month + 2) / 5 + 1;
	month = month < 10 ? month + 3 : month - 9;
	year = year_of_era + era * 400 + (month <= 2 ? 1 : 0);

	out = put_digits(out, year, 4);
	*out++ = '-';
	out = put_digits(out, month, 2);
	*out++ = '-';
	out = put_digits(out, day, 2);
	*out++ = 'T';
	out = put_digits(out, second / 3600, 2);
	*out++ = ':';
	out = put_digits(out, second / 60 % 60, 2);
	*out++ = ':';
	out = put_digits(out, second % 60, 2);
	*out++ = 'Z';
	*out = '\0';
}

/* Anything: what is no digit shows when the result is written again. */
static int64_t
get_digits(const char *s, int width)
{
	int64_t n = 0;

	for (int i = 0; i < width; i++)
		n = n * 10 + (s[i] - '0');
	return n;
}

/* The days from 1970-01-01; again by years that begin with March. */
static int64_t
days_to(int64_t year, int64_t month, int64_t day)
{
	int64_t y = month <= 2 ? year - 1 : year;
	int64_t m = month <= 2 ? month + 9 : month - 3;

	return 365 * y + y / 4 - y / 100 + y / 400 + (153 * m + 2) / 5 + day - 1 - DAYS_TO_1970;
}

bool
timestamp_parse(struct text t, int64_t *seconds)
{
	char again[TIMESTAMP_LEN + 1];
	int64_t n;

	if (t.s == NULL || t.len != TIMESTAMP_LEN)
		return false;
	n = days_to(get_digits(t.s, 4), get_digits(t.s + 5, 2), get_digits(t.s + 8, 2)) * DAY +
	    get_digits(t.s + 11, 2) * 3600 + get_digits(t.s + 14, 2) * 60 +
	    get_digits(t.s + 17, 2);
	timestamp_format(n, again);
	if (memcmp(again, t.s, TIMESTAMP_LEN) != 0)
		return false;
	*seconds = n;
	return true;
}
