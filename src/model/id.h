/* id.h: UUIDs, the identifiers of sessions and users: 36 characters outside, 16 bytes inside. */
#ifndef MODEL_ID_H
#define MODEL_ID_H

#include "base/attr.h"
#include "base/err.h"
#include "base/text.h"

#include <stdbool.h>
#include <stdint.h>

#define ID_LEN 16
#define ID_TEXT_LEN 36

struct id {
	uint8_t bytes[ID_LEN];
};

/* RFC 9562 section 4's text form, either case, any version. ERR_INPUT: anything else. */
enum err id_parse(struct text t, struct id *out) MUST_USE;

/* Lower case, ID_TEXT_LEN characters and a NUL. */
void id_format(const struct id *id, char out[ID_TEXT_LEN + 1]);

bool id_equal(const struct id *a, const struct id *b);

#endif
