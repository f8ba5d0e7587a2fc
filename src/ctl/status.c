/* status.c: milepostctl status: what the database holds, and whether the programs run. */
#include "ctl/args.h"
#include "base/clock.h"
#include "ctl/transfer.h"
#include "store/replica.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

#define PATIENCE_SECONDS 5
#define ANSWER_MAX 65536

static void
print_host(void *arg UNUSED, const struct replica_host *host)
{
	printf("  %-11.*s %.*s, lag %lld ms, %lld waiting%s, heard of %lld s ago\n",
	    TEXT_ARG(host->name), TEXT_ARG(host->state), (long long)host->lag_ms,
	    (long long)host->waiting, host->doubt ? ", a snapshot of it is needed" : "",
	    (long long)(clock_wall() - host->seen_at));
}

/* The other hosts, where there are any. One alone has nothing to tell. */
static bool
print_relay(struct ctl *ctl)
{
	struct replica_status status;
	enum err err = store_replica_status(ctl->store, &status);
	const char *trouble;

	if (err == ERR_ABSENT)
		return true;
	ctl_check(ctl, err);
	trouble = replica_trouble(&status, clock_wall());
	printf("relay         %s: %s%s%s%s, %lld waiting\n", status.host,
	    trouble == NULL ? "here" : trouble, status.error[0] != '\0' ? " (" : "", status.error,
	    status.error[0] != '\0' ? ")" : "", (long long)status.waiting);
	ctl_check(ctl, store_host_each(ctl->store, print_host, NULL));
	return trouble == NULL;
}

static bool
print_database(struct ctl *ctl)
{
	struct buf why = BUF_INIT(2048);
	struct store_stats stats;

	printf("database      %s\n", ctl->config->database);
	printf("SQLite        %s\n", store_library_version());
	if (store_open(ctl->config->database, STORE_READ, PATIENCE_SECONDS * 1000, &ctl->store,
	    &why) != ERR_OK) {
		ctl_warn("%s", buf_cstr(&why));
		buf_fini(&why);
		return false;
	}
	if (store_stats(ctl->store, &stats) != ERR_OK) {
		ctl_warn("%s: %s", ctl->config->database, store_error(ctl->store));
		return false;
	}
	printf("schema        %d\n", stats.schema);
	printf("users         %lld\n", (long long)stats.users);
	printf("keys          %lld\n", (long long)stats.keys);
	printf("sessions      %lld, of which %lld running\n", (long long)stats.sessions,
	    (long long)stats.running);
	printf("updates       %lld kept, newest revision %lld\n", (long long)stats.events,
	    (long long)stats.newest);
	printf("WAL           %lld bytes\n", (long long)stats.wal_bytes);
	return print_relay(ctl);
}

/* 0, or the errno that tells why nobody accepts there. */
static int
try_connect(const char *path)
{
	struct sockaddr_un addr = { .sun_family = AF_UNIX };
	const struct timeval patience = { .tv_sec = PATIENCE_SECONDS };
	int fd, cause = 0;

	if (strlen(path) >= sizeof(addr.sun_path))
		return ENAMETOOLONG;
	memcpy(addr.sun_path, path, strlen(path));
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return errno;
	setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof(patience));
	if (connect(fd, (const struct sockaddr *)&addr, sizeof(addr)) < 0)
		cause = errno;
	close(fd);
	return cause;
}

/* FastCGI's side is asked no more than to accept. */
static bool
print_socket(const char *name, const char *path, bool (*ask)(const char *path))
{
	int cause = try_connect(path);

	printf("%-13s %s: ", name, path);
	if (cause != 0)
		printf("nobody accepts: %s\n", strerror(cause));
	else if (ask == NULL)
		printf("accepts\n");
	return cause == 0 && (ask == NULL || ask(path));
}

/* Is milepost-ws ready? It looks at the database, and at how far behind it is. */
static bool
ask_ready(const char *path)
{
	struct transfer transfer = { .url = "http://localhost/milepost/ws/readyz", .socket = path,
		.timeout_s = PATIENCE_SECONDS, .answer = BUF_INIT(ANSWER_MAX) };

	transfer_run(&transfer);
	if (transfer.status == 0)
		printf("no answer: %s\n", transfer.error);
	else
		printf("%s (status %d)\n", transfer.status == 200 ? "ready" : "not ready",
		    transfer.status);
	buf_fini(&transfer.answer);
	return transfer.status == 200;
}

static int
run(struct ctl *ctl)
{
	bool ok;

	args_no_options(ctl);
	args_expect(ctl, 0, 0, "none");
	ctl_config(ctl);
	ok = print_database(ctl);
	ok = print_socket("milepost-ws", ctl->config->ws_socket, ask_ready) && ok;
	ok = print_socket("milepost-api", ctl->config->api_socket, NULL) && ok;
	return ok ? EXIT_SUCCESS : EXIT_FAILURE;
}

const struct command command_status = {
	.name = "status",
	.usage = "",
	.summary = "show what the database holds, and whether the programs run",
	.details = "Ends with 1 if the database can't be read, or one of the programs does not\n"
	    "run or is not ready. Where several hosts share their progress, the lag of a host\n"
	    "is how old what it shows is.\n",
	.run = run,
};
