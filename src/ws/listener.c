/* listener.c: the listening socket. */
#include "ws/listener.h"

#include "base/log.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define BATCH 64   /* per turn, so that a storm of handshakes leaves time for the others */
#define PAUSE 0.2  /* seconds without accepting when descriptors have run out */

static void
pause_accepting(struct listener *listener, const char *why)
{
	log_warn("ws.accept-paused", LOG_STR("reason", why));
	ev_io_stop(listener->loop, &listener->accept);
	ev_timer_again(listener->loop, &listener->again);
}

/* True: there may be more to accept. */
static bool
accept_one(struct listener *listener)
{
	int fd;

	if (!listener->has_room(listener->arg)) {
		pause_accepting(listener, "the limit of open files is near");
		return false;
	}
	fd = accept4(listener->fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
	if (fd >= 0) {
		listener->on_connection(listener->arg, fd);
		return true;
	}
	if (errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM)
		pause_accepting(listener, strerror(errno));
	return errno == ECONNABORTED || errno == EINTR;
}

static void
on_accept(struct ev_loop *loop, ev_io *w, int revents)
{
	(void)loop;
	(void)revents;
	for (int i = 0; i < BATCH; i++)
		if (!accept_one(w->data))
			return;
}

static void
on_again(struct ev_loop *loop, ev_timer *w, int revents)
{
	struct listener *listener = w->data;

	(void)revents;
	ev_timer_stop(loop, w);
	ev_io_start(loop, &listener->accept);
}

void
listener_start(struct listener *listener, struct ev_loop *loop, int fd)
{
	listener->loop = loop;
	listener->fd = fd;
	ev_io_init(&listener->accept, on_accept, fd, EV_READ);
	listener->accept.data = listener;
	ev_io_start(loop, &listener->accept);
	ev_timer_init(&listener->again, on_again, 0, PAUSE);
	listener->again.data = listener;
}

void
listener_stop(struct listener *listener)
{
	if (listener->fd < 0)
		return;
	ev_io_stop(listener->loop, &listener->accept);
	ev_timer_stop(listener->loop, &listener->again);
	close(listener->fd);
	listener->fd = -1;
}
