/* ndjson.h: newline-delimited JSON: one text after the other out of a body. */
#ifndef WIRE_NDJSON_H
#define WIRE_NDJSON_H

#include "base/text.h"

#include <stdbool.h>

/*
 * Takes the next line off *rest, without its newline; those of white space alone are passed over, and
 * the last may lack the newline. False: there is none left.
 */
bool ndjson_next(struct text *rest, struct text *line);

#endif
