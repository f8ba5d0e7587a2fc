/* broadcast.c: encodes an update when the first watcher needs it. */
#include "ws/broadcast.h"

#include "base/buf.h"
#include "wire/message.h"

void
broadcast_init(struct broadcast *b, const struct progress *progress)
{
	*b = (struct broadcast){ .progress = progress };
}

void
broadcast_fini(struct broadcast *b)
{
	if (b->plain != NULL)
		frame_drop(&b->plain);
	if (b->numbered != NULL)
		frame_drop(&b->numbered);
}

static struct frame *
encode(const struct progress *progress, bool numbered)
{
	struct buf message = BUF_INIT(MESSAGE_MAX);
	struct frame *frame = NULL;

	message_write_progress(&message, progress, numbered);
	if (message.err == ERR_OK)
		frame = frame_new(OPCODE_TEXT, buf_view(&message));
	buf_fini(&message);
	return frame;
}

struct frame *
broadcast_frame(struct broadcast *b, bool numbered)
{
	struct frame **frame = numbered ? &b->numbered : &b->plain;

	if (*frame == NULL)
		*frame = encode(b->progress, numbered);
	return *frame;
}
