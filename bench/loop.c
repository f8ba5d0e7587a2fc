/* loop.c: epoll, thinly. */
#include "loop.h"

#include "fatal.h"

#include <errno.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

#define EVENTS_MAX 512

void
loop_init(struct loop *loop)
{
	loop->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	if (loop->epoll_fd < 0)
		fatal("epoll_create1: %s", strerror(errno));
}

void
loop_fini(struct loop *loop)
{
	close(loop->epoll_fd);
}

static void
control(struct loop *loop, int op, int fd, struct source *source, uint32_t events)
{
	struct epoll_event event = { .events = events, .data.ptr = source };

	if (epoll_ctl(loop->epoll_fd, op, fd, &event) != 0)
		fatal("epoll_ctl: %s", strerror(errno));
}

void
loop_add(struct loop *loop, int fd, struct source *source, uint32_t events)
{
	control(loop, EPOLL_CTL_ADD, fd, source, events);
}

void
loop_change(struct loop *loop, int fd, struct source *source, uint32_t events)
{
	control(loop, EPOLL_CTL_MOD, fd, source, events);
}

void
loop_turn(struct loop *loop, int timeout_ms)
{
	struct epoll_event events[EVENTS_MAX];
	int n = epoll_wait(loop->epoll_fd, events, EVENTS_MAX, timeout_ms);

	if (n < 0 && errno != EINTR)
		fatal("epoll_wait: %s", strerror(errno));
	for (int i = 0; i < n; i++) {
		struct source *source = events[i].data.ptr;

		source->on_ready(source, events[i].events);
	}
}
