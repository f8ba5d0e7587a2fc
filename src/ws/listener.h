/* listener.h: accepting connections; it pauses when descriptors run out, and recovers by itself. */
#ifndef WS_LISTENER_H
#define WS_LISTENER_H

#include <ev.h>
#include <stdbool.h>

struct listener {
	struct ev_loop *loop;
	int fd; /* -1: stopped */
	void *arg;
	bool (*has_room)(void *arg);             /* for one more descriptor */
	void (*on_connection)(void *arg, int fd); /* takes the descriptor */
	ev_io accept;
	ev_timer again; /* runs while it pauses */
};

/* Begins to accept on a listening, non-blocking socket, which it takes over. arg and the functions are
 * filled in by the caller; the struct must not move. */
void listener_start(struct listener *listener, struct ev_loop *loop, int fd);

/* Accepts no more, and closes the socket. Nothing happens if it is stopped. */
void listener_stop(struct listener *listener);

#endif
