/* main.c: milepost-ws: options, a linear start, signals. Where a connection's life begins: conn.h. */
#include "base/attr.h"
#include "base/config.h"
#include "base/fd.h"
#include "base/log.h"
#include "base/options.h"
#include "base/sandbox.h"
#include "base/service.h"
#include "store/store.h"
#include "token/token.h"
#include "ws/server.h"

#include <ev.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define PROGRAM "milepost-ws"

static const char usage[] =
    "usage: milepost-ws [-c FILE] [-s SOCKET] [-t]\n"
    "\n"
    "Shows the progress of sessions to watchers, by WebSocket and Server-Sent Events, behind nginx.\n"
    "\n"
    "  -c, --config FILE    the configuration (default $MILEPOST_CONFIG or the installed file)\n"
    "  -s, --socket PATH    listen here instead of at the configured ws_socket\n"
    "  -t, --test           check configuration, keys and database, and exit\n"
    "  -h, --help           show this\n"
    "  -V, --version        show the versions of this program and of SQLite\n";

static void NORETURN
fatal(const char *why)
{
	fprintf(stderr, PROGRAM ": %s\n", why);
	exit(EXIT_FAILURE);
}

/* Reads configuration and keys. On failure why says what is wrong and nothing is taken. */
static enum err
load(const char *path, struct config **config, struct token_keys **keys, struct buf *why)
{
	struct config *loaded;
	enum err err = config_load(path, &loaded, why);

	if (err != ERR_OK)
		return err;
	err = token_keys_load(loaded->jwt_secret_file, loaded->jwt_keys, keys, why);
	if (err != ERR_OK) {
		config_free(&loaded);
		return err;
	}
	log_setup(PROGRAM, (enum log_level)loaded->log_level, (enum log_format)loaded->log_format);
	*config = loaded;
	return ERR_OK;
}

/* What the signal handlers need. */
struct process {
	struct server *server;
	const struct options *options;
	char *own_path; /* the socket's, to be unlinked by us; NULL: it is not ours */
};

static void
on_stop_signal(struct ev_loop *loop, ev_signal *w, int revents)
{
	struct process *process = w->data;

	(void)loop;
	(void)revents;
	service_stopping();
	/* At once, so that a successor can take the place while we drain. */
	if (process->own_path != NULL)
		unlink(process->own_path);
	free(process->own_path);
	process->own_path = NULL;
	server_stop(process->server);
}

static void
on_reload_signal(struct ev_loop *loop, ev_signal *w, int revents)
{
	struct process *process = w->data;
	struct config *config;
	struct token_keys *keys;
	struct buf why = BUF_INIT(1024);

	(void)loop;
	(void)revents;
	service_reloading();
	if (load(process->options->config, &config, &keys, &why) == ERR_OK) {
		server_reload(process->server, config, keys);
		log_info("ws.reload");
	} else {
		log_error("ws.reload-failed", LOG_TEXT("error", buf_view(&why)));
	}
	buf_fini(&why);
	service_ready();
}

/* A start without the filter of system calls is worth a warning. */
static void
log_start(enum sandbox sandbox)
{
	log_write(sandbox == SANDBOX_ON ? LOG_LEVEL_INFO : LOG_LEVEL_WARN, "ws.start",
	    LOG_FIELDS(LOG_INT("pid", getpid()), LOG_STR("version", PACKAGE_VERSION),
	        LOG_STR("sqlite", store_library_version()),
	        LOG_STR("sandbox", sandbox_name(sandbox))));
}

static void
run(struct process *process)
{
	struct ev_loop *loop = process->server->loop;
	ev_signal signals[3];
	sigset_t set;

	ev_signal_init(&signals[0], on_stop_signal, SIGTERM);
	ev_signal_init(&signals[1], on_stop_signal, SIGINT);
	ev_signal_init(&signals[2], on_reload_signal, SIGHUP);
	for (size_t i = 0; i < countof(signals); i++) {
		signals[i].data = process;
		ev_signal_start(loop, &signals[i]);
	}
	log_start(sandbox_enter());
	service_ready();
	server_run(process->server);
	/* A second TERM must not interrupt what is left to do; libev would restore its default. */
	sigemptyset(&set);
	for (size_t i = 0; i < countof(signals); i++)
		sigaddset(&set, signals[i].signum);
	sigprocmask(SIG_BLOCK, &set, NULL);
	for (size_t i = 0; i < countof(signals); i++)
		ev_signal_stop(loop, &signals[i]);
}

/* -t: everything but the socket. */
static void
test(const struct config *config, struct buf *why)
{
	struct store *store;

	if (store_open(config->database, STORE_READ, 1000, &store, why) != ERR_OK)
		fatal(buf_cstr(why));
	store_close(&store);
	puts("ok");
}

/* Serves until stopped; takes config and keys. */
static void
serve(const struct options *options, struct config *config, struct token_keys *keys,
    struct buf *why)
{
	struct process process = { .options = options };
	int fd;

	if (fd_listen(options->socket, config->ws_socket, (unsigned)config->socket_mode, &fd,
	    &process.own_path, why) != ERR_OK)
		fatal(buf_cstr(why));
	if (server_new(config, keys, fd, &process.server, why) != ERR_OK) {
		if (process.own_path != NULL)
			unlink(process.own_path);
		fatal(buf_cstr(why));
	}
	run(&process);
	server_free(&process.server);
	log_info("ws.stopped");
}

int
main(int argc, char **argv)
{
	char version[64];
	struct options options;
	struct buf why = BUF_INIT(2048);
	struct config *config;
	struct token_keys *keys;

	snprintf(version, sizeof(version), PROGRAM " " PACKAGE_VERSION " (SQLite %s)",
	    store_library_version());
	options = options_read(argc, argv, usage, version);
	signal(SIGPIPE, SIG_IGN);
	log_setup(PROGRAM, LOG_LEVEL_INFO, LOG_FORMAT_KV);
	if (load(options.config, &config, &keys, &why) != ERR_OK)
		fatal(buf_cstr(&why));
	if (options.test) {
		test(config, &why);
		token_keys_free(&keys);
		config_free(&config);
	} else {
		serve(&options, config, keys, &why);
	}
	buf_fini(&why);
	return EXIT_SUCCESS;
}
