/* watch.c: milepostctl watch: follows a session straight from the database and the bell. */
#include "base/timestamp.h"
#include "ctl/ctl.h"
#include "store/event.h"

#include <getopt.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#define BAR_WIDTH 24
#define COLUMNS 80 /* where the terminal does not say */

struct watch {
	bool terminal; /* draw a bar instead of printing lines */
	int64_t revision;
	enum outcome outcome;
};

static int
columns(void)
{
	struct winsize size;

	return ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0 ? size.ws_col : COLUMNS;
}

/* As many bytes of the text as fit, without cutting a character in two. */
static struct text
fit(struct text t, int room)
{
	size_t len = room > 0 ? (size_t)room : 0;

	if (t.len <= len)
		return t;
	while (len > 0 && ((unsigned char)t.s[len] & 0xc0) == 0x80)
		len--;
	t.len = len;
	return t;
}

static void
draw(const struct progress *p)
{
	int filled = p->progress * BAR_WIDTH / 100;
	char eta[32] = "";
	int used;

	if (p->eta != PROGRESS_ETA_NONE)
		snprintf(eta, sizeof(eta), "  ~%lld s", (long long)p->eta);
	printf("\r\033[K["); /* back to the first column, and clear the line */
	for (int i = 0; i < BAR_WIDTH; i++)
		putchar(i < filled ? '#' : '-');
	used = BAR_WIDTH + 2 + printf("] %3d %%  %.*s  ", p->progress, TEXT_ARG(p->status)) +
	    (int)strlen(eta);
	ctl_print_text(fit(p->error.s != NULL ? p->error : p->message, columns() - used - 1));
	fputs(eta, stdout);
	if (p->outcome != OUTCOME_RUNNING)
		puts("");
	fflush(stdout);
}

static void
print_line(const struct progress *p)
{
	char when[TIMESTAMP_LEN + 1];

	timestamp_format(p->updated_at, when);
	printf("%s %.*s %d ", when, TEXT_ARG(p->status), p->progress);
	ctl_print_text(p->message);
	if (p->eta != PROGRESS_ETA_NONE)
		printf(" eta=%lld", (long long)p->eta);
	if (p->error.s != NULL) {
		fputs(" error=", stdout);
		ctl_print_text(p->error);
	}
	puts("");
	fflush(stdout);
}

static bool
on_update(void *arg, const struct progress *p)
{
	struct watch *watch = arg;

	watch->revision = p->revision;
	watch->outcome = p->outcome;
	if (watch->terminal)
		draw(p);
	else
		print_line(p);
	return true;
}

/* Waits for a ring, or for the poll's interval where rings can't be heard. */
static void
wait_for_ring(struct bell *bell, int fd, int64_t poll_ms)
{
	struct pollfd pfd = { .fd = fd, .events = POLLIN };

	if (poll(&pfd, 1, (int)poll_ms) > 0)
		bell_heard(bell);
}

static void
follow(struct store *store, const struct config *config, int64_t session, struct watch *watch)
{
	struct bell *bell;
	int fd = -1;

	if (bell_open(config->database, &bell) != ERR_OK)
		ctl_fail("%s-bell can't be opened", config->database);
	if (bell_listen(bell, &fd) != ERR_OK)
		fd = -1;
	for (;;) {
		ctl_check(store, store_event_of_session(store, session, watch->revision, SIZE_MAX,
		    on_update, watch), "watch");
		if (watch->outcome != OUTCOME_RUNNING)
			break;
		wait_for_ring(bell, fd, config->poll_interval_ms);
	}
	bell_close(&bell);
}

/* Without --since, watching begins with the newest update. */
static int64_t
begin_at(struct store *store, int64_t session)
{
	struct progress newest;
	enum err err = store_event_newest(store, session, &newest);

	if (err == ERR_ABSENT)
		return 0;
	ctl_check(store, err, "watch");
	return newest.revision - 1;
}

static int
run(const struct command *self, int argc, char **argv)
{
	static const struct option longs[] = {
		{ "since", required_argument, NULL, 's' },
		{ NULL, 0, NULL, 0 },
	};
	struct watch watch = { .terminal = isatty(STDOUT_FILENO) != 0, .revision = -1 };
	struct config *config;
	struct store *store;
	struct session session;
	struct id id;
	enum err err;
	int c;

	while ((c = getopt_long(argc, argv, "", longs, NULL)) != -1) {
		if (c != 's')
			return EXIT_USAGE;
		watch.revision = ctl_number(self, "--since", optarg, INT64_MAX);
	}
	if (argc - optind != 1)
		ctl_usage(self, "watch takes one session's id");
	id = ctl_id(self, "the session", argv[optind]);
	config = ctl_config();
	store = ctl_open(config, STORE_READ);
	err = store_session_find(store, &id, &session);
	if (err == ERR_ABSENT)
		ctl_fail("no session %s", argv[optind]);
	ctl_check(store, err, "watch");
	if (watch.revision < 0)
		watch.revision = begin_at(store, session.number);
	follow(store, config, session.number, &watch);
	store_close(&store);
	config_free(&config);
	return watch.outcome == OUTCOME_PROCESSED ? EXIT_SUCCESS : EXIT_FAILURE;
}

const struct command command_watch = {
	.name = "watch",
	.usage = "SESSION [--since REVISION]",
	.summary = "show a session's progress as it comes",
	.details = "A bar in a terminal, a line an update in a pipe. Ends with 0 after the run is\n"
	    "processed, with 1 after it failed. It reads the database itself, so it needs no token.\n",
	.run = run,
};
