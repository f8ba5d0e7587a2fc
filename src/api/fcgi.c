/*
 * fcgi.c: libfcgi's requests by threads. The only file that sees fcgiapp.h.
 *
 * The listening socket may be shared with other processes, so it is neither shut down nor waited for
 * in accept: each thread waits in an epoll of its own, which wakes one thread per connection, and
 * which an eventfd ends.
 */
#include "api/fcgi.h"

#include "api/route.h"
#include "base/log.h"

#include <errno.h>
#include <fcgiapp.h>
#include <pthread.h>
#include <signal.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

#define BACK_OFF_MS 100 /* when descriptors have run out */

struct thread {
	pthread_t id;
	struct worker worker;
	int listen_fd;
	int epoll_fd;
	int stop_fd; /* borrowed: readable once all shall stop */
};

/* One request on its way, which another thread may end than has read it. */
struct exchange {
	FCGX_Request fcgi;
	struct request request;
	struct reply reply;
	struct call call;
};

static const char *
get_param(void *arg, const char *name)
{
	const FCGX_Request *request = arg;

	return FCGX_GetParam(name, request->envp);
}

static size_t
read_body(void *arg, char *data, size_t len)
{
	FCGX_Request *request = arg;
	int n = FCGX_GetStr(data, len > INT32_MAX ? INT32_MAX : (int)len, request->in);

	return n > 0 ? (size_t)n : 0;
}

static void
write_reply(FCGX_Request *fcgi, const struct request *request, const struct reply *reply)
{
	struct text body = reply_body(reply, request->method);
	struct buf head = BUF_INIT(REPLY_HEAD_MAX);

	reply_write_head(reply, &head);
	FCGX_PutStr(buf_view(&head).s, (int)head.len, fcgi->out);
	FCGX_PutStr(body.s, (int)body.len, fcgi->out);
	buf_fini(&head);
}

static struct exchange *
exchange_new(int listen_fd)
{
	struct exchange *exchange = calloc(1, sizeof(*exchange));

	if (exchange != NULL)
		FCGX_InitRequest(&exchange->fcgi, listen_fd, FCGI_FAIL_ACCEPT_ON_INTR);
	return exchange;
}

static void
exchange_free(struct exchange **address)
{
	struct exchange *exchange = *address;

	*address = NULL;
	if (exchange == NULL)
		return;
	FCGX_Free(&exchange->fcgi, 1);
	free(exchange);
}

/* Sends the answer, and closes. All of the request was read by now: a server that sends the whole body first, as
 * mod_fcgid does, would wait for us, and we for it to read a long answer. A report's may be sent by another thread,
 * the writer; it does not wait, as a socket takes so short an answer at once. */
static void
on_finished(struct call *call)
{
	struct exchange *exchange =
	    (struct exchange *)(void *)((char *)call - offsetof(struct exchange, call));

	write_reply(&exchange->fcgi, &exchange->request, &exchange->reply);
	reply_fini(&exchange->reply);
	/* Else libfcgi would wait, up to two seconds, for the peer to close first, lest bytes that lie unread have
	 * the answer reset; and there are none. */
	FCGX_Detach(&exchange->fcgi);
	/* A peer may ask to keep the connection; but we wait for new ones only. */
	FCGX_Finish_r(&exchange->fcgi);
	exchange_free(&exchange);
}

/* Takes the exchange. */
static void
serve(struct thread *thread, struct exchange *exchange)
{
	request_from_cgi(&exchange->request, get_param, &exchange->fcgi);
	exchange->request.read = read_body;
	exchange->request.read_arg = &exchange->fcgi;
	reply_init(&exchange->reply);
	exchange->call = (struct call){ .worker = &thread->worker, .request = &exchange->request,
		.reply = &exchange->reply, .finished = on_finished };
	route_serve(&exchange->call);
}

static void
back_off(void)
{
	const struct timespec pause = { .tv_nsec = BACK_OFF_MS * 1000000L };

	nanosleep(&pause, NULL);
}

/* Waits for a connection. False: it is time to stop. */
static bool
wait_for_request(const struct thread *thread)
{
	struct epoll_event event;
	int n;

	do {
		n = epoll_wait(thread->epoll_fd, &event, 1, -1);
	} while (n < 0 && errno == EINTR);
	return n == 1 && event.data.fd == thread->listen_fd;
}

/* Takes a connection, if there is one, and serves its request. *spare is the exchange for the next one. */
static void
accept_one(struct thread *thread, struct exchange **spare)
{
	struct exchange *exchange = *spare != NULL ? *spare : exchange_new(thread->listen_fd);
	int rc = exchange != NULL ? FCGX_Accept_r(&exchange->fcgi) : -ENOMEM;

	*spare = rc != 0 ? exchange : NULL;
	if (rc == 0) {
		serve(thread, exchange);
	} else if (rc == -EMFILE || rc == -ENFILE || rc == -ENOMEM) {
		log_warn("api.accept", LOG_STR("error", strerror(-rc)));
		back_off();
	}
	/* Else another thread was faster (-EAGAIN), or the peer is gone already. */
}

static void *
run(void *arg)
{
	struct thread *thread = arg;
	struct exchange *spare = NULL;

	while (wait_for_request(thread))
		accept_one(thread, &spare);
	exchange_free(&spare);
	return NULL;
}

static enum err
watch(int epoll_fd, int fd, uint32_t events)
{
	struct epoll_event event = { .events = events, .data.fd = fd };

	return epoll_ctl(epoll_fd, EPOLL_CTL_ADD, fd, &event) == 0 ? ERR_OK : ERR_SYSTEM;
}

static void
thread_fini(struct thread *thread)
{
	worker_fini(&thread->worker);
	if (thread->epoll_fd >= 0)
		close(thread->epoll_fd);
}

static enum err
thread_init(struct thread *thread, struct app *app, int listen_fd, int stop_fd, struct buf *why)
{
	enum err err;

	*thread = (struct thread){ .listen_fd = listen_fd, .stop_fd = stop_fd, .epoll_fd = -1 };
	err = worker_init(&thread->worker, app, why);
	if (err != ERR_OK)
		return err;
	thread->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	if (thread->epoll_fd < 0 || watch(thread->epoll_fd, stop_fd, EPOLLIN) != ERR_OK ||
	    watch(thread->epoll_fd, listen_fd, EPOLLIN | EPOLLEXCLUSIVE) != ERR_OK) {
		buf_printf(why, "a thread can't wait for requests: %s", strerror(errno));
		thread_fini(thread);
		return ERR_SYSTEM;
	}
	return ERR_OK;
}

static enum err
thread_start(struct thread *thread, struct buf *why)
{
	int rc = pthread_create(&thread->id, NULL, run, thread);

	if (rc == 0)
		return ERR_OK;
	buf_printf(why, "a thread can't be started: %s", strerror(rc));
	return ERR_SYSTEM;
}

/* Takes signals until one says stop. */
static void
wait_for_stop(const struct fcgi_hooks *hooks)
{
	sigset_t signals;
	int sig;

	sigemptyset(&signals);
	sigaddset(&signals, SIGTERM);
	sigaddset(&signals, SIGINT);
	sigaddset(&signals, SIGUSR1);
	sigaddset(&signals, SIGHUP);
	for (;;) {
		if (sigwait(&signals, &sig) != 0)
			continue;
		if (sig != SIGHUP)
			return;
		hooks->on_reload(hooks->arg);
	}
}

enum err
fcgi_serve(struct app *app, int listen_fd, const struct fcgi_hooks *hooks, struct buf *why)
{
	size_t wanted = app->threads, ready = 0, started = 0;
	struct thread *threads = calloc(wanted, sizeof(*threads));
	int stop_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	enum err err = ERR_OK;

	if (threads == NULL || stop_fd < 0 || FCGX_Init() != 0) {
		buf_puts(why, "FastCGI can't be set up");
		err = ERR_SYSTEM;
	}
	if (err == ERR_OK && (err = commit_start(app->commit)) != ERR_OK)
		buf_puts(why, "a thread can't be started");
	/* Nothing is served before everything is open. */
	while (err == ERR_OK && ready < wanted) {
		err = thread_init(&threads[ready], app, listen_fd, stop_fd, why);
		ready += err == ERR_OK;
	}
	while (err == ERR_OK && started < wanted) {
		err = thread_start(&threads[started], why);
		started += err == ERR_OK;
	}
	if (err == ERR_OK) {
		hooks->on_ready(hooks->arg);
		wait_for_stop(hooks);
		hooks->on_stop(hooks->arg);
	}
	if (stop_fd >= 0)
		eventfd_write(stop_fd, 1);
	for (size_t i = 0; i < started; i++)
		pthread_join(threads[i].id, NULL);
	commit_stop(app->commit);
	for (size_t i = 0; i < ready; i++)
		thread_fini(&threads[i]);
	if (stop_fd >= 0)
		close(stop_fd);
	free(threads);
	return err;
}
