/* main.c: milepost-relay: options, a linear start, signals. What it is for: docs/relay.md. */
#include "base/clock.h"
#include "base/log.h"
#include "base/options.h"
#include "base/sandbox.h"
#include "base/service.h"
#include "relay/relay.h"
#include "store/sole.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define PROGRAM "milepost-relay"
#define BUSY_MS 2000
#define PREFIX_MAX 64
#define PASSWORD_MAX 512

static const char usage[] =
    "usage: milepost-relay [-c FILE] [-t]\n"
    "\n"
    "Shares the progress of sessions, the users and the keys with other hosts, through Redis.\n"
    "\n"
    "  -c, --config FILE    the configuration (default $MILEPOST_CONFIG or the installed file)\n"
    "  -t, --test           check configuration and database, and exit\n"
    "  -h, --help           show this\n"
    "  -V, --version        show the versions of this program, of hiredis and of SQLite\n";

static void NORETURN
fatal(const char *why)
{
	fprintf(stderr, PROGRAM ": %s\n", why);
	exit(EXIT_FAILURE);
}

/* The first line of the file, which others may not read. */
static enum err
read_password(const char *path, char out[PASSWORD_MAX], struct buf *why)
{
	struct stat st;
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t n = fd >= 0 && fstat(fd, &st) == 0 ? read(fd, out, PASSWORD_MAX) : -1;
	enum err err = ERR_INPUT;

	if (n < 0) {
		buf_printf(why, "relay_password_file: %s: %s", path, strerror(errno));
		err = ERR_SYSTEM;
	} else if ((st.st_mode & S_IRWXO) != 0) {
		buf_printf(why, "relay_password_file: %s: open to others; close it with: chmod o-rwx %s",
		    path, path);
	} else if (n == PASSWORD_MAX) {
		buf_printf(why, "relay_password_file: %s: longer than %d bytes", path,
		    PASSWORD_MAX - 1);
	} else {
		out[n] = '\0';
		out[strcspn(out, "\r\n")] = '\0';
		err = out[0] != '\0' ? ERR_OK : ERR_INPUT;
		if (err != ERR_OK)
			buf_printf(why, "relay_password_file: %s: is empty", path);
	}
	if (fd >= 0)
		close(fd);
	return err;
}

/* The name under which this host takes part. */
static enum err
name_host(const struct config *config, char out[MERGE_HOST_MAX + 1], struct buf *why)
{
	const char *name = config->relay_host;
	char own[256] = "";

	if (name[0] == '\0') {
		(void)gethostname(own, sizeof(own) - 1);
		name = own;
	}
	if (!merge_is_host(text_of(name))) {
		buf_printf(why, "relay_host: \"%s\" is no name of 1 to %d letters, digits, dots, hyphens "
		    "and underscores", name, MERGE_HOST_MAX);
		return ERR_INPUT;
	}
	snprintf(out, MERGE_HOST_MAX + 1, "%s", name);
	return ERR_OK;
}

static enum err
check_config(const struct config *config, struct buf *why)
{
	if (config->relay_redis[strspn(config->relay_redis, " ")] == '\0')
		buf_puts(why, "relay_redis is not set: the address of a Redis server, host:port or "
		    "the path of its socket");
	else if (config->relay_prefix[0] == '\0' || strlen(config->relay_prefix) > PREFIX_MAX)
		buf_printf(why, "relay_prefix: has 1 to %d bytes", PREFIX_MAX);
	else
		return ERR_OK;
	return ERR_INPUT;
}

/* Loads this host's part, which is made where there is none, unless this is only a test. */
static void
take_part(struct relay *relay, const char *host, bool is_test)
{
	struct buf why = BUF_INIT(1024);
	enum err err = store_replica_load(relay->store, &relay->replica);

	if (err == ERR_ABSENT && is_test)
		return;
	if (err == ERR_ABSENT) {
		err = store_replica_join(relay->store, text_of(host), clock_wall());
		if (err == ERR_OK)
			err = store_replica_load(relay->store, &relay->replica);
	}
	if (err == ERR_OK)
		err = origins_load(&relay->origins, relay->store);
	if (err != ERR_OK)
		buf_printf(&why, "%s: %s", relay->config->database, store_error(relay->store));
	else if (strcmp(relay->replica.host, host) != 0)
		buf_printf(&why, "%s: takes part as host \"%s\", not as \"%s\": if it is a copy, or the host "
		    "has another name now, first: milepostctl relay leave", relay->config->database,
		    relay->replica.host, host);
	if (why.len > 0)
		fatal(buf_cstr(&why));
	buf_fini(&why);
}

static void
open_all(struct relay *relay, char password[PASSWORD_MAX], char host[MERGE_HOST_MAX + 1])
{
	const struct config *config = relay->config;
	struct buf why = BUF_INIT(2048);

	password[0] = '\0';
	if (check_config(config, &why) != ERR_OK || name_host(config, host, &why) != ERR_OK ||
	    (config->relay_password_file[0] != '\0' &&
	        read_password(config->relay_password_file, password, &why) != ERR_OK) ||
	    store_open(config->database, STORE_LIGHT, BUSY_MS, &relay->store, &why) != ERR_OK)
		fatal(buf_cstr(&why));
	relay->password = password;
	if (bell_open(config->database, &relay->bell) != ERR_OK) {
		buf_printf(&why, "%s-bell: %s", config->database, strerror(errno));
		fatal(buf_cstr(&why));
	}
	buf_fini(&why);
}

/* Two that know how far they are each by itself would take each other's work for new. */
static void
be_the_only_one(const char *database)
{
	struct buf why = BUF_INIT(1024);
	enum err err = sole_take(database);

	if (err == ERR_CONFLICT)
		buf_printf(&why, "%s: another milepost-relay runs on it, or milepostctl relay", database);
	else if (err != ERR_OK)
		buf_printf(&why, "%s: can't be locked: %s", database, strerror(errno));
	if (why.len > 0)
		fatal(buf_cstr(&why));
	buf_fini(&why);
}

static void
on_stop_signal(struct ev_loop *loop, ev_signal *w, int revents)
{
	(void)w;
	(void)revents;
	service_stopping();
	ev_break(loop, EVBREAK_ALL);
}

static void
serve(struct relay *relay)
{
	static const int numbers[] = { SIGTERM, SIGINT };
	ev_signal signals[countof(numbers)];
	enum sandbox sandbox;

	for (size_t i = 0; i < countof(numbers); i++) {
		ev_signal_init(&signals[i], on_stop_signal, numbers[i]);
		ev_signal_start(relay->loop, &signals[i]);
	}
	relay_start(relay);
	sandbox = sandbox_enter_network();
	/* A start without the filter of system calls is worth a warning. */
	log_write(sandbox == SANDBOX_ON ? LOG_LEVEL_INFO : LOG_LEVEL_WARN, "relay.start",
	    LOG_FIELDS(LOG_INT("pid", getpid()), LOG_STR("version", PACKAGE_VERSION),
	        LOG_STR("host", relay->replica.host), LOG_STR("sqlite", store_library_version()),
	        LOG_STR("sandbox", sandbox_name(sandbox))));
	service_ready();
	ev_run(relay->loop, 0);
	relay_stop(relay);
	for (size_t i = 0; i < countof(numbers); i++)
		ev_signal_stop(relay->loop, &signals[i]);
	log_info("relay.stopped");
}

int
main(int argc, char **argv)
{
	char version[96], password[PASSWORD_MAX], host[MERGE_HOST_MAX + 1];
	struct relay relay = { .failed = false };
	struct buf why = BUF_INIT(2048);
	struct options options;
	struct config *config;

	snprintf(version, sizeof(version), PROGRAM " " PACKAGE_VERSION " (hiredis %d.%d.%d, SQLite %s)",
	    HIREDIS_MAJOR, HIREDIS_MINOR, HIREDIS_PATCH, store_library_version());
	options = options_read(argc, argv, usage, version);
	if (options.socket != NULL)
		fatal("listens nowhere, so there is no --socket");
	signal(SIGPIPE, SIG_IGN);
	signal(SIGHUP, SIG_IGN);
	log_setup(PROGRAM, LOG_LEVEL_INFO, LOG_FORMAT_KV);
	if (config_load(options.config, &config, &why) != ERR_OK)
		fatal(buf_cstr(&why));
	log_setup(PROGRAM, (enum log_level)config->log_level, (enum log_format)config->log_format);
	relay.config = config;
	open_all(&relay, password, host);
	if (!options.test)
		be_the_only_one(config->database);
	take_part(&relay, host, options.test);
	if (options.test) {
		puts("ok");
	} else {
		relay.loop = ev_default_loop(0);
		if (relay.loop == NULL)
			fatal("no event loop");
		serve(&relay);
		ev_loop_destroy(relay.loop);
	}
	explicit_bzero(password, sizeof(password));
	origins_fini(&relay.origins);
	bell_close(&relay.bell);
	store_close(&relay.store);
	config_free(&config);
	buf_fini(&why);
	return relay.failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
