/* load.h: what the workloads share: the settings, and requests made from them. */
#ifndef BENCH_LOAD_H
#define BENCH_LOAD_H

#include "address.h"
#include "base/buf.h"
#include "loop.h"
#include "usage.h"
#include "watcher.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define SESSION_ID_LEN 36

/* What is posted. */
enum body {
	BODY_REPORT,  /* as a worker reports: status, progress, message, time remaining */
	BODY_MESSAGE, /* as watchers are to get it: the eight members */
};

struct load {
	struct loop loop;
	struct trees trees;
	struct address watch, post;
	const char *watch_path, *post_path; /* "{}" stands for the session's id */
	const char *post_header;            /* a whole line without its end; "" for none */
	enum body body;
	char (*sessions)[SESSION_ID_LEN + 1]; /* owned */
	size_t session_count;
	size_t posted_count;  /* sessions that updates go to, the first ones; 0: all */
	size_t watcher_count; /* spread over the sessions */
	size_t poster_count;
	size_t window;      /* updates that may be undelivered; 0: any number */
	size_t opening_max; /* handshakes under way */
	size_t lines;       /* of one batch */
	double rate;        /* updates a second; 0: as fast as the window lets */
	double warmup, seconds;
	const char *beside; /* a command to run while measuring; NULL: none */
	const char *bell;   /* a database at whose bell to listen; NULL: none */
	uint64_t first;     /* the number of the first update: none of an earlier run has it */
};

/* The workloads. Each prints one line of JSON on stdout. */
void connect_run(struct load *load);
void deliver_run(struct load *load);
void post_run(struct load *load);

/* Opens all watchers, opening_max at a time, and returns when all are open. The caller has filled
 * in on_text and its arg; the rest is set here. */
void load_open_watchers(struct load *load, struct watchers *watchers);

/* The session that update number n goes to: they go round. */
size_t load_session_of(const struct load *load, uint64_t n);

/* Writes a whole request that posts update number n. */
void load_write_post(const struct load *load, struct buf *out, uint64_t n);
/* The same for a batch of updates n, n + 1, ... */
void load_write_batch(const struct load *load, struct buf *out, uint64_t n);

/* The number of the update in a message; 0: it holds none, as a heartbeat. */
uint64_t load_update_number(struct text message);

/* Prints the members that every result has. */
void load_write_settings(const struct load *load, const char *workload);

#endif
