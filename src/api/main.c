/* main.c: milepost-api: options, a linear start, FastCGI or CGI. */
#include "api/app.h"
#include "api/cgi.h"
#include "api/fcgi.h"
#include "base/fd.h"
#include "base/log.h"
#include "base/options.h"
#include "base/sandbox.h"
#include "base/service.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define PROGRAM "milepost-api"

static const char usage[] =
    "usage: milepost-api [-c FILE] [-s SOCKET] [-t]\n"
    "\n"
    "Takes the progress of sessions from workers, by FastCGI, or by CGI where a web server starts it\n"
    "for one request.\n"
    "\n"
    "  -c, --config FILE    the configuration (default $MILEPOST_CONFIG or the installed file)\n"
    "  -s, --socket PATH    listen here instead of at the configured api_socket\n"
    "  -t, --test           check configuration, keys and database, and exit\n"
    "  -h, --help           show this\n"
    "  -V, --version        show the versions of this program and of SQLite\n";

static void NORETURN
fatal(const char *why)
{
	fprintf(stderr, PROGRAM ": %s\n", why);
	exit(EXIT_FAILURE);
}

/* What the hooks need. */
struct process {
	struct app *app;
	const struct options *options;
	char *own_path; /* the socket's, to be unlinked by us; NULL: it is not ours */
	enum sandbox sandbox;
};

static void
on_ready(void *arg)
{
	const struct process *process = arg;

	/* A start without the filter of system calls is worth a warning. */
	log_write(process->sandbox == SANDBOX_ON ? LOG_LEVEL_INFO : LOG_LEVEL_WARN, "api.start",
	    LOG_FIELDS(LOG_INT("pid", getpid()), LOG_STR("version", PACKAGE_VERSION),
	        LOG_STR("sqlite", store_library_version()),
	        LOG_STR("sandbox", sandbox_name(process->sandbox))));
	service_ready();
}

static void
on_reload(void *arg)
{
	struct process *process = arg;
	struct buf why = BUF_INIT(1024);
	struct settings *settings;

	service_reloading();
	if (settings_load(process->options->config, &settings, &why) == ERR_OK) {
		app_reload(process->app, settings);
		log_info("api.reload");
	} else {
		log_error("api.reload-failed", LOG_TEXT("error", buf_view(&why)));
	}
	buf_fini(&why);
	service_ready();
}

static void
on_stop(void *arg)
{
	struct process *process = arg;

	service_stopping();
	log_info("api.stop");
	/* At once, so that a successor can take the place while we finish. */
	if (process->own_path != NULL)
		unlink(process->own_path);
}

/* Before any thread begins: all of them inherit it, and fcgi_serve waits for the signals. Not in CGI,
 * where the web server must be able to end us. */
static void
block_signals(void)
{
	sigset_t signals;

	sigemptyset(&signals);
	sigaddset(&signals, SIGTERM);
	sigaddset(&signals, SIGINT);
	sigaddset(&signals, SIGUSR1);
	sigaddset(&signals, SIGHUP);
	pthread_sigmask(SIG_BLOCK, &signals, NULL);
	signal(SIGPIPE, SIG_IGN);
}

static void
serve_fcgi(struct process *process, int fd, struct buf *why)
{
	const struct fcgi_hooks hooks = { process, on_ready, on_reload, on_stop };
	enum err err = fcgi_serve(process->app, fd, &hooks, why);

	if (err != ERR_OK && process->own_path != NULL)
		unlink(process->own_path);
	if (err != ERR_OK)
		fatal(buf_cstr(why));
	log_info("api.stopped");
}

static void
serve_cgi(struct process *process, struct buf *why)
{
	struct worker worker;

	if (worker_init(&worker, process->app, why) != ERR_OK) {
		cgi_fail();
		fatal(buf_cstr(why));
	}
	cgi_serve(&worker);
	worker_fini(&worker);
}

static void
start(struct process *process, struct settings *settings, enum store_mode mode, struct buf *why)
{
	if (app_new(settings, mode, &process->app, why) == ERR_OK)
		return;
	if (process->own_path != NULL)
		unlink(process->own_path);
	if (mode == STORE_BRIEF)
		cgi_fail();
	fatal(buf_cstr(why));
}

/* Serves in whichever way it was started; takes settings. */
static void
serve(const struct options *options, struct settings *settings, struct buf *why)
{
	struct process process = { .options = options };

	if (cgi_is_asked()) {
		start(&process, settings, STORE_BRIEF, why);
		/* Without a word of it, which the web server's log would have for each request. */
		(void)sandbox_enter();
		serve_cgi(&process, why);
	} else {
		const struct config *config = settings->config;
		int fd;

		block_signals();
		if (fd_listen(options->socket, config->api_socket, (unsigned)config->socket_mode, &fd,
		    &process.own_path, why) != ERR_OK)
			fatal(buf_cstr(why));
		start(&process, settings, STORE_WRITE, why);
		process.sandbox = sandbox_enter();
		serve_fcgi(&process, fd, why);
		close(fd);
	}
	free(process.own_path);
	app_free(&process.app);
}

/* -t: everything but the socket. */
static void
test(struct settings *settings, struct buf *why)
{
	struct app *app;

	if (app_new(settings, STORE_BRIEF, &app, why) != ERR_OK)
		fatal(buf_cstr(why));
	app_free(&app);
	puts("ok");
}

int
main(int argc, char **argv)
{
	char version[64];
	struct options options;
	struct buf why = BUF_INIT(2048);
	struct settings *settings;

	snprintf(version, sizeof(version), PROGRAM " " PACKAGE_VERSION " (SQLite %s)",
	    store_library_version());
	/* Under CGI the arguments are words of the query (RFC 3875 section 4.4): a stranger's. */
	options = options_read(cgi_is_asked() ? 1 : argc, argv, usage, version);
	log_setup(PROGRAM, LOG_LEVEL_INFO, LOG_FORMAT_KV);
	if (settings_load(options.config, &settings, &why) != ERR_OK) {
		if (cgi_is_asked())
			cgi_fail();
		fatal(buf_cstr(&why));
	}
	if (options.test)
		test(settings, &why);
	else
		serve(&options, settings, &why);
	buf_fini(&why);
	return EXIT_SUCCESS;
}
