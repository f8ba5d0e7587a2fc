/* line.c: the one-line form of an update. */
#include "ctl/line.h"

#include "ctl/escape.h"

void
line_write(struct buf *out, struct text time, struct text status, int64_t progress,
    struct text message, struct text error)
{
	escape_text(out, time, SIZE_MAX);
	buf_puts(out, " ");
	escape_text(out, status, SIZE_MAX);
	buf_printf(out, " %lld ", (long long)progress);
	escape_text(out, message, SIZE_MAX);
	if (error.s != NULL) {
		buf_puts(out, " error=");
		escape_text(out, error, SIZE_MAX);
	}
	buf_puts(out, "\n");
}
