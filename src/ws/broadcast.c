/* broadcast.c: encodes an update when the first watcher needs it. */
#include "ws/broadcast.h"

#include "base/attr.h"
#include "base/buf.h"
#include "wire/message.h"
#include "wire/sse.h"

void
broadcast_init(struct broadcast *b, const struct progress *progress)
{
	*b = (struct broadcast){ .progress = progress };
}

void
broadcast_fini(struct broadcast *b)
{
	for (size_t i = 0; i < countof(b->frames); i++)
		frame_drop(&b->frames[i]);
}

static struct frame *
encode(const struct progress *progress, enum encoding encoding)
{
	struct buf message = BUF_INIT(MESSAGE_MAX);
	struct frame *frame = NULL;

	message_write_progress(&message, progress, encoding == ENCODING_NUMBERED);
	if (message.err == ERR_OK)
		frame = encoding == ENCODING_EVENT ?
		    sse_new_event(progress->revision, "progress", buf_view(&message)) :
		    frame_new(OPCODE_TEXT, buf_view(&message));
	buf_fini(&message);
	return frame;
}

struct frame *
broadcast_frame(struct broadcast *b, enum encoding encoding)
{
	struct frame **frame = &b->frames[encoding];

	if (*frame == NULL)
		*frame = encode(b->progress, encoding);
	return *frame;
}
