/* watch.c: milepostctl watch: follows a session straight from the database and the bell. */
#include "base/clock.h"
#include "base/timestamp.h"
#include "bell/bell.h"
#include "ctl/args.h"
#include "ctl/bar.h"
#include "ctl/line.h"
#include "ctl/screen.h"
#include "store/account.h"
#include "store/event.h"

#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define BATCH 256
#define TEXTS_MAX (1u << 20)

struct watch {
	struct ctl *ctl;
	struct session session;
	struct bell *bell;     /* NULL: it can't be opened; the poll must do */
	int bell_fd;           /* -1: it can't be heard */
	struct screen *screen; /* NULL: no terminal, one line per update */
	int64_t cursor;        /* all up to this revision was shown */
	bool ended;
	enum outcome outcome;
	struct buf lines;      /* to be printed when the reading is over */
	bool any;
	struct progress last;  /* what the terminal shows; its texts are in texts */
	struct buf texts;
};

/* The copy's text, once all texts are in place. */
static void
borrow(struct text *t, const char **at)
{
	if (t->s == NULL)
		return;
	t->s = *at;
	*at += t->len;
}

/* Copies the update, for drawing it again when the terminal's size or the time has changed. */
static void
keep(struct watch *watch, const struct progress *p)
{
	const char *at;

	buf_reset(&watch->texts);
	buf_text(&watch->texts, p->status);
	buf_text(&watch->texts, p->message);
	buf_text(&watch->texts, p->error);
	if (watch->texts.err != ERR_OK)
		return;
	at = watch->texts.data;
	watch->last = *p;
	watch->any = true;
	borrow(&watch->last.status, &at);
	borrow(&watch->last.message, &at);
	borrow(&watch->last.error, &at);
}

/* Stops at the first end: a run that was begun anew behind it is another watcher's. */
static bool
on_update(void *arg, const struct progress *p)
{
	struct watch *watch = arg;
	char time[TIMESTAMP_LEN + 1];

	timestamp_format(p->updated_at, time);
	if (watch->screen != NULL)
		keep(watch, p);
	else
		line_write(&watch->lines, text_of(time), p->status, p->progress, p->message,
		    p->error);
	watch->cursor = p->revision;
	watch->outcome = p->outcome;
	watch->ended = p->outcome != OUTCOME_RUNNING;
	return !watch->ended;
}

static void
draw(struct watch *watch)
{
	struct buf line = BUF_INIT(TEXTS_MAX);

	if (watch->any)
		bar_write(&line, &watch->last, clock_wall(), screen_columns(watch->screen));
	else
		buf_puts(&line, "waiting for the first update");
	screen_draw(watch->screen, buf_view(&line));
	buf_fini(&line);
}

/* After the reading, as ctl_print says. */
static void
show(struct watch *watch)
{
	if (watch->screen != NULL) {
		draw(watch);
		return;
	}
	ctl_print(&watch->lines);
	fflush(stdout);
	buf_reset(&watch->lines);
}

/* ERR_ABSENT: the session was deleted (and perhaps made anew: then it is another one). */
static enum err
check_session(struct watch *watch)
{
	struct session now;
	enum err err = store_session_find(watch->ctl->store, &watch->session.id, &now);

	if (err == ERR_OK && now.number != watch->session.number)
		err = ERR_ABSENT;
	return err;
}

/* All there is now. */
static enum err
read_updates(struct watch *watch)
{
	int64_t before;
	enum err err;

	do {
		before = watch->cursor;
		err = store_event_of_session(watch->ctl->store, watch->session.number, before,
		    BATCH, on_update, watch);
		show(watch);
	} while (err == ERR_OK && !watch->ended && watch->cursor != before);
	return err;
}

/* Waits for a ring, a signal, or the poll's interval. */
static void
wait_for_more(struct watch *watch)
{
	struct pollfd fds[] = {
		{ .fd = watch->bell_fd, .events = POLLIN },
		{ .fd = watch->screen != NULL ? screen_fd(watch->screen) : -1, .events = POLLIN },
	};

	if (poll(fds, countof(fds), (int)watch->ctl->config->poll_interval_ms) <= 0)
		return;
	if (fds[0].revents != 0 && !bell_heard(watch->bell))
		watch->bell_fd = -1;
	if (fds[1].revents != 0)
		screen_signal(&watch->screen);
}

static enum err
follow(struct watch *watch)
{
	enum err err;

	for (;;) {
		err = read_updates(watch);
		if (err == ERR_OK && !watch->ended)
			err = check_session(watch);
		if (err != ERR_OK || watch->ended)
			return err;
		wait_for_more(watch);
	}
}

/* Where to begin: with the newest update, or behind `since`, but within the present run; and who
 * comes after its end is shown the end. */
static int64_t
begin_after(const struct watch *watch, int64_t since)
{
	struct progress newest;
	enum err err = store_event_newest(watch->ctl->store, watch->session.number, &newest);

	if (err == ERR_ABSENT)
		return 0;
	ctl_check(watch->ctl, err);
	if (since < 0 || (newest.outcome != OUTCOME_RUNNING && since >= newest.revision))
		return newest.revision - 1;
	return since > newest.run - 1 ? since : newest.run - 1;
}

/* Who may not make the bell's file, or has no inotify left, watches by the poll. */
static void
listen(struct watch *watch)
{
	watch->bell_fd = -1;
	if (bell_open(watch->ctl->config->database, &watch->bell) != ERR_OK)
		watch->bell = NULL;
	else if (bell_listen(watch->bell, &watch->bell_fd) != ERR_OK)
		watch->bell_fd = -1;
}

static void
find_session(struct watch *watch, const struct id *id)
{
	char text[ID_TEXT_LEN + 1];
	enum err err = store_session_find(watch->ctl->store, id, &watch->session);

	id_format(id, text);
	if (err == ERR_ABSENT)
		ctl_fail("no session %s; milepostctl session list shows all", text);
	ctl_check(watch->ctl, err);
}

/* With the terminal in order again. */
static int
finish(struct watch *watch, enum err err)
{
	char id[ID_TEXT_LEN + 1];

	id_format(&watch->session.id, id);
	if (err == ERR_ABSENT)
		ctl_fail("the session %s was deleted", id);
	ctl_check(watch->ctl, err);
	if (watch->any && watch->last.error.s != NULL)
		ctl_warn("failed: %.*s", TEXT_ARG(watch->last.error));
	bell_close(&watch->bell);
	buf_fini(&watch->lines);
	buf_fini(&watch->texts);
	return watch->outcome == OUTCOME_PROCESSED ? EXIT_SUCCESS : EXIT_FAILURE;
}

static int
run(struct ctl *ctl)
{
	enum { SINCE = ARGS_LONG };
	static const struct option longs[] = {
		{ "since", required_argument, NULL, SINCE },
		ARGS_END
	};
	struct watch watch = { .ctl = ctl, .lines = BUF_INIT(CTL_OUTPUT_MAX),
		.texts = BUF_INIT(TEXTS_MAX) };
	int64_t since = -1;
	struct id id;
	enum err err;

	while (args_option(ctl, NULL, longs) != -1)
		since = args_number(ctl, "--since", optarg, 0, INT64_MAX);
	args_expect(ctl, 1, 1, "a session's id");
	id = args_id(ctl, "the session", args_at(ctl, 0));
	ctl_open(ctl, STORE_READ);
	find_session(&watch, &id);
	watch.cursor = begin_after(&watch, since);
	listen(&watch);
	watch.screen = screen_open();
	err = follow(&watch);
	screen_close(&watch.screen);
	return finish(&watch, err);
}

const struct command command_watch = {
	.name = "watch",
	.usage = "SESSION [--since REVISION]",
	.summary = "show a session's progress as it comes",
	.details = "A bar in a terminal; one line for each update elsewhere. --since shows every\n"
	    "update of the run that is kept and later than that, 0 all of them. Ends with 0 when\n"
	    "the run is processed, with 1 when it failed. Reads the database itself, so it needs\n"
	    "no token.\n",
	.run = run,
};
