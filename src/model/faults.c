/* faults.c: collecting what is wrong with an input. */
#include "model/faults.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

/* Copies what fits, without cutting a UTF-8 character in two. */
static void
copy_member(char *out, size_t size, struct text member)
{
	size_t len = member.len < size - 1 ? member.len : size - 1;

	while (len > 0 && len < member.len && ((unsigned char)member.s[len] & 0xc0) == 0x80)
		len--;
	if (len > 0)
		memcpy(out, member.s, len);
	out[len] = '\0';
}

void
faults_add(struct faults *faults, struct text member, const char *fmt, ...)
{
	struct fault *fault;
	va_list ap;

	if (faults->count == FAULTS_MAX)
		return;
	fault = &faults->list[faults->count++];
	copy_member(fault->member, sizeof(fault->member), member);
	va_start(ap, fmt);
	vsnprintf(fault->detail, sizeof(fault->detail), fmt, ap);
	va_end(ap);
}
