/* broadcast.h: one update on its way to all who watch it, encoded at most once per form. */
#ifndef WS_BROADCAST_H
#define WS_BROADCAST_H

#include "model/progress.h"
#include "wire/frame.h"

#include <stdbool.h>

struct broadcast {
	const struct progress *progress; /* borrowed */
	struct frame *plain;    /* eight members; NULL until somebody needs it */
	struct frame *numbered; /* with the revision as the ninth */
};

void broadcast_init(struct broadcast *b, const struct progress *progress);
void broadcast_fini(struct broadcast *b);

/* The frame in the wanted form, borrowed: hold it to keep it. NULL: no memory. */
struct frame *broadcast_frame(struct broadcast *b, bool numbered);

#endif
