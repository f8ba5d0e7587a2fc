/* prompt.h: passwords by standard input, never by an argument, which every user of the machine
 * sees. */
#ifndef CTL_PROMPT_H
#define CTL_PROMPT_H

#include "base/buf.h"

#include <stddef.h>

/*
 * Appends the first line of standard input, without its end; at a terminal it is asked for, without
 * echo, and twice. Ends the program if there is none or the two differ. The caller wipes it.
 */
void prompt_password(struct buf *out);

#endif
