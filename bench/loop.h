/* loop.h: epoll, thinly. A source lies inside whatever waits for a descriptor. */
#ifndef BENCH_LOOP_H
#define BENCH_LOOP_H

#include <stdint.h>

struct source {
	void (*on_ready)(struct source *source, uint32_t events);
};

struct loop {
	int epoll_fd;
};

/* Every failure ends the program: there is nothing to measure then. */
void loop_init(struct loop *loop);
void loop_fini(struct loop *loop);

/* The source must stay where it is until the descriptor is closed. Level-triggered. */
void loop_add(struct loop *loop, int fd, struct source *source, uint32_t events);
void loop_change(struct loop *loop, int fd, struct source *source, uint32_t events);

/* Waits for at most timeout_ms (-1: for ever), then calls whoever is ready. A source whose turn is
 * still to come in the same call must not be freed. */
void loop_turn(struct loop *loop, int timeout_ms);

#endif
