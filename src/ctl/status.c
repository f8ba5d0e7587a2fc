/* status.c: milepostctl status and prune: how the installation stands, and its upkeep. */
#include "base/clock.h"
#include "ctl/ctl.h"
#include "store/event.h"

#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

#define ANSWER_SECONDS 2

static int
connect_to(const char *path)
{
	struct sockaddr_un addr = { .sun_family = AF_UNIX };
	const struct timeval patience = { .tv_sec = ANSWER_SECONDS };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (fd < 0 || strlen(path) >= sizeof(addr.sun_path)) {
		if (fd >= 0)
			close(fd);
		return -1;
	}
	memcpy(addr.sun_path, path, strlen(path));
	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
	if (connect(fd, (const struct sockaddr *)&addr, sizeof(addr)) == 0)
		return fd;
	close(fd);
	return -1;
}

/* Asks milepost-ws's readyz for its status line. */
static bool
ask_ready(int fd)
{
	static const char request[] =
	    "GET /milepost/ws/readyz HTTP/1.1\r\nHost: localhost\r\n\r\n";
	char answer[64] = "";

	if (write(fd, request, sizeof(request) - 1) != (ssize_t)sizeof(request) - 1 ||
	    read(fd, answer, sizeof(answer) - 1) <= 0)
		return false;
	return strncmp(answer, "HTTP/1.1 200 ", 13) == 0;
}

static bool
print_socket(const char *name, const char *path, bool (*ready)(int fd))
{
	int fd = connect_to(path);
	bool ok = fd >= 0 && (ready == NULL || ready(fd));

	printf("%-14s %s at %s\n", name, fd < 0 ? "not running" : ok ? "running" : "not ready", path);
	if (fd >= 0)
		close(fd);
	return ok;
}

static int
run_status(const struct command *self, int argc, char **argv UNUSED)
{
	struct config *config;
	struct store *store;
	struct store_stats stats;
	bool ok;

	if (argc != 1)
		ctl_usage(self, "status takes no argument");
	config = ctl_config();
	store = ctl_open(config, STORE_READ);
	ctl_check(store, store_stats(store, &stats), "status");
	printf("database       %s\n", config->database);
	printf("schema         %d (SQLite %s)\n", stats.schema, store_library_version());
	printf("users          %lld\n", (long long)stats.users);
	printf("sessions       %lld, %lld of them running\n", (long long)stats.sessions,
	    (long long)stats.running);
	printf("keys           %lld\n", (long long)stats.keys);
	printf("updates        %lld kept, newest revision %lld\n", (long long)stats.events,
	    (long long)stats.newest);
	printf("write-ahead    %lld bytes\n", (long long)stats.wal_bytes);
	ok = print_socket("milepost-ws", config->ws_socket, ask_ready);
	ok = print_socket("milepost-api", config->api_socket, NULL) && ok;
	store_close(&store);
	config_free(&config);
	return ok ? EXIT_SUCCESS : EXIT_FAILURE;
}

const struct command command_status = {
	.name = "status",
	.usage = "",
	.summary = "show what the database holds, and whether the programs run",
	.details = "Ends with 1 if one of the programs does not run or is not ready.\n",
	.run = run_status,
};

static int
run_prune(const struct command *self, int argc, char **argv)
{
	static const struct option longs[] = {
		{ "older-than", required_argument, NULL, 'o' },
		{ "batch", required_argument, NULL, 'b' },
		{ NULL, 0, NULL, 0 },
	};
	int64_t age = -1, batch = 2000;
	unsigned long long total = 0;
	size_t deleted;
	struct config *config;
	struct store *store;
	int c;

	while ((c = getopt_long(argc, argv, "", longs, NULL)) != -1) {
		if (c == 'o')
			age = ctl_duration(self, "--older-than", optarg);
		else if (c == 'b')
			batch = ctl_number(self, "--batch", optarg, 1000000);
		else
			return EXIT_USAGE;
	}
	if (age < 0 || batch == 0 || optind < argc)
		ctl_usage(self, "prune needs --older-than TIME, and a batch of at least 1");
	config = ctl_config();
	store = ctl_open(config, STORE_BRIEF);
	/* In small transactions, so that workers never wait for long. */
	do {
		ctl_check(store, store_event_prune(store, clock_wall() - age, (size_t)batch, &deleted),
		    "prune");
		total += deleted;
		/* One that is busy is done by the next, or by milepost-api. */
		(void)!store_checkpoint(store);
	} while (deleted == (size_t)batch);
	printf("deleted %llu updates\n", total);
	store_close(&store);
	config_free(&config);
	return EXIT_SUCCESS;
}

const struct command command_prune = {
	.name = "prune",
	.usage = "--older-than TIME [--batch N]",
	.summary = "delete old updates, save the newest of each session",
	.details = "TIME is one such as 12h or 30d. N updates (default 2000) go in one transaction.\n",
	.run = run_prune,
};
