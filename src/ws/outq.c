/* outq.c: a queue of frame references, written with as few system calls as the socket allows. */
#include "ws/outq.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>

#define FIRST_CAP 8u
#define FRAME_COST 64u /* of each frame beside its bytes: its head, its item, and what the allocator adds */
#define IOV_PER_WRITE 64u /* 64 progress messages are about the kernel's unix socket buffer / 10 */

void
outq_init(struct outq *q)
{
	*q = (struct outq){ .cap = 1 };
	q->items = &q->one;
}

/* Back to the state without memory of its own. */
static void
forget_items(struct outq *q)
{
	if (q->items != &q->one)
		free(q->items);
	outq_init(q);
}

void
outq_fini(struct outq *q)
{
	for (uint32_t i = 0; i < q->count; i++)
		frame_drop(&q->items[q->first + i].frame);
	forget_items(q);
}

/* Makes room behind the last item: moves the items to the front, or into a larger array. */
static enum err
make_room(struct outq *q)
{
	struct outq_item *items = q->items;
	uint32_t cap = q->cap;

	if (q->count == cap) {
		cap = cap < FIRST_CAP ? FIRST_CAP : cap * 2;
		items = malloc(cap * sizeof(*items));
		if (items == NULL)
			return ERR_NOMEM;
	}
	memmove(items, q->items + q->first, q->count * sizeof(*items));
	if (items != q->items && q->items != &q->one)
		free(q->items);
	q->items = items;
	q->cap = cap;
	q->first = 0;
	return ERR_OK;
}

enum err
outq_push(struct outq *q, struct frame *frame, bool replaceable)
{
	enum err err;

	if (q->first + q->count == q->cap && (err = make_room(q)) != ERR_OK)
		return err;
	q->items[q->first + q->count] = (struct outq_item){ frame_hold(frame), replaceable };
	q->count++;
	q->bytes += frame->len;
	return ERR_OK;
}

size_t
outq_cost(const struct outq *q)
{
	return q->bytes + (size_t)q->count * FRAME_COST;
}

size_t
outq_conflate(struct outq *q)
{
	uint32_t kept = 0;
	size_t dropped = 0;

	for (uint32_t i = 0; i < q->count; i++) {
		struct outq_item item = q->items[q->first + i];

		if (item.replaceable && !(i == 0 && q->sent > 0)) {
			q->bytes -= item.frame->len;
			frame_drop(&item.frame);
			dropped++;
		} else {
			q->items[q->first + kept++] = item;
		}
	}
	q->count = kept;
	if (kept == 0)
		forget_items(q);
	return dropped;
}

/* Takes n bytes that the socket accepted off the front. */
static void
advance(struct outq *q, size_t n)
{
	n += q->sent;
	while (q->count > 0 && n >= q->items[q->first].frame->len) {
		struct frame *frame = q->items[q->first].frame;

		n -= frame->len;
		q->bytes -= frame->len;
		frame_drop(&frame);
		q->first++;
		q->count--;
	}
	q->sent = (uint32_t)n;
	if (q->count == 0)
		forget_items(q);
}

static ssize_t
send_some(const struct outq *q, int fd)
{
	struct iovec iov[IOV_PER_WRITE];
	size_t n = q->count < IOV_PER_WRITE ? q->count : IOV_PER_WRITE;

	for (size_t i = 0; i < n; i++) {
		struct frame *frame = q->items[q->first + i].frame;
		size_t skip = i == 0 ? q->sent : 0;

		iov[i] = (struct iovec){ frame->bytes + skip, frame->len - skip };
	}
	if (n == 1)
		return send(fd, iov[0].iov_base, iov[0].iov_len, MSG_NOSIGNAL);
	return sendmsg(fd, &(struct msghdr){ .msg_iov = iov, .msg_iovlen = n }, MSG_NOSIGNAL);
}

enum err
outq_flush(struct outq *q, int fd)
{
	while (q->count > 0) {
		ssize_t n = send_some(q, fd);

		if (n >= 0)
			advance(q, (size_t)n);
		else if (errno == EAGAIN || errno == EWOULDBLOCK)
			return ERR_AGAIN;
		else if (errno != EINTR)
			return ERR_SYSTEM;
	}
	return ERR_OK;
}
