/* broadcast.h: one update on its way to all who watch it, encoded at most once per form. */
#ifndef WS_BROADCAST_H
#define WS_BROADCAST_H

#include "model/progress.h"
#include "wire/frame.h"

enum encoding {
	ENCODING_PLAIN,    /* a WebSocket's text frame, of eight members */
	ENCODING_NUMBERED, /* the same with the revision as the ninth */
	ENCODING_EVENT,    /* a Server-Sent Event, of eight: its id is the revision */
	ENCODING__MAX
};

struct broadcast {
	const struct progress *progress; /* borrowed */
	struct frame *frames[ENCODING__MAX]; /* NULL until somebody needs it */
};

void broadcast_init(struct broadcast *b, const struct progress *progress);
void broadcast_fini(struct broadcast *b);

/* The frame in the wanted form, borrowed: hold it to keep it. NULL: no memory. */
struct frame *broadcast_frame(struct broadcast *b, enum encoding encoding);

#endif
