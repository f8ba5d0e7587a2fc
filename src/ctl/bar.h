/* bar.h: an update as one line of a terminal, with a bar. */
#ifndef CTL_BAR_H
#define CTL_BAR_H

#include "base/buf.h"
#include "model/progress.h"

#include <stddef.h>
#include <stdint.h>

/*
 * "[########------]  45 %  transcribing  Transcribing audio...  ~30 s", at most `columns` wide:
 * first the message is cut, then the rest. Of the estimate, what has passed until now is taken off.
 */
void bar_write(struct buf *out, const struct progress *p, int64_t now, size_t columns);

#endif
