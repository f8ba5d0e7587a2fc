/* line.h: an update as one line, for people and for pipes. */
#ifndef CTL_LINE_H
#define CTL_LINE_H

#include "base/buf.h"
#include "base/text.h"

#include <stdint.h>

/* "2025-12-19T10:30:00Z transcribing 45 Transcribing audio..." and a newline, with " error=..."
 * before it unless the error is absent. Texts are escaped. */
void line_write(struct buf *out, struct text time, struct text status, int64_t progress,
    struct text message, struct text error);

#endif
