/*
 * escape.h: text from outside, made fit for a terminal. What is stored may hold control characters
 * that would command it (move, recolour, answer, retitle) or reverse what a reader sees.
 */
#ifndef CTL_ESCAPE_H
#define CTL_ESCAPE_H

#include "base/buf.h"
#include "base/text.h"

#include <stddef.h>

/*
 * Appends as much of the text as is at most `columns` wide, with everything escaped that is no
 * printable character of UTF-8: \n, \t, \r, \x1b, \u009b, \U0010ffff, and \xff for a stray byte.
 * Returns the width of what was appended. Needs LC_CTYPE to be of UTF-8; in any other locale all
 * that is not ASCII is escaped.
 */
size_t escape_text(struct buf *out, struct text t, size_t columns);

#endif
