/* fcgi.h: serving requests that come by FastCGI, by a number of threads. */
#ifndef API_FCGI_H
#define API_FCGI_H

#include "api/app.h"
#include "base/attr.h"
#include "base/err.h"

/*
 * Serves on a listening, non-blocking socket until SIGTERM, SIGINT or SIGUSR1 (FastCGI's word for a
 * planned stop), which the caller has blocked in all threads, as SIGHUP, at which on_reload is called.
 * libfcgi's own handler of SIGUSR1 would end all accepting and nothing else. on_ready is called once
 * all threads accept.
 * Requests under way are finished. Errors and why: what keeps it from starting.
 */
struct fcgi_hooks {
	void *arg;
	void (*on_ready)(void *arg);
	void (*on_reload)(void *arg);
	void (*on_stop)(void *arg);
};
enum err fcgi_serve(struct app *app, int listen_fd, const struct fcgi_hooks *hooks,
    struct buf *why) MUST_USE;

#endif
