/* timestamp.h: how a time is written: UTC, YYYY-MM-DDTHH:MM:SSZ. */
#ifndef BASE_TIMESTAMP_H
#define BASE_TIMESTAMP_H

#include "base/text.h"

#include <stdbool.h>
#include <stdint.h>

#define TIMESTAMP_LEN 20

/* Writes TIMESTAMP_LEN characters and a NUL. From 1970 to 9999; other times are held to these. */
void timestamp_format(int64_t seconds, char out[TIMESTAMP_LEN + 1]);

/* Reads what timestamp_format writes, and nothing else. False, with *seconds untouched: another form,
 * no day of the calendar, before 1970, or a leap second. */
bool timestamp_parse(struct text t, int64_t *seconds);

#endif
