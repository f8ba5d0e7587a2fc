/*
 * alloc.h: makes allocations fail, those within json-c, jansson, libjwt, libcrypto and libc included.
 * For a test program only: whoever links alloc.c gets its malloc.
 */
#ifndef UNIT_ALLOC_H
#define UNIT_ALLOC_H

#include <stdbool.h>

enum alloc_plan {
	ALLOC_ONE, /* only the n-th fails */
	ALLOC_ALL, /* the n-th and all after it */
};

/* From now on: the n-th allocation (1 is the next) fails by the plan, with errno ENOMEM. */
void alloc_fail(unsigned n, enum alloc_plan plan);

/* Whether what is allocated from now on may be lost, because a library loses it. */
void alloc_may_leak(bool may);

/* No further allocation fails. Returns whether one did. */
bool alloc_stop(void);

#endif
