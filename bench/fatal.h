/* fatal.h: the one way in which a program of the bench gives up. */
#ifndef BENCH_FATAL_H
#define BENCH_FATAL_H

#include "base/attr.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

/* Writes a line to stderr, and exits with 1. */
static inline void NORETURN PRINTF(1, 2)
fatal(const char *format, ...)
{
	va_list args;

	fprintf(stderr, "%s: ", program_invocation_short_name);
	va_start(args, format);
	vfprintf(stderr, format, args);
	va_end(args);
	fputc('\n', stderr);
	exit(EXIT_FAILURE);
}

/* As calloc and realloc, but never NULL. */
static inline void *
xcalloc(size_t count, size_t size)
{
	void *data = calloc(count, size);

	if (data == NULL)
		fatal("no memory");
	return data;
}

static inline void *
xrealloc(void *data, size_t size)
{
	data = realloc(data, size);
	if (data == NULL)
		fatal("no memory");
	return data;
}

#endif
