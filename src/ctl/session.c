/* session.c: milepostctl session: what is watched. */
#include "base/timestamp.h"
#include "ctl/args.h"
#include "ctl/escape.h"
#include "store/account.h"
#include "store/event.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { PATIENT = ARGS_LONG, RUNNING };

static const struct option patient_longs[] = {
	{ "patient", required_argument, NULL, PATIENT },
	ARGS_END
};

/* Fills in the patient, if the option is given; returns whether it was. */
static bool
read_patient(const struct ctl *ctl, struct session *session)
{
	bool given = false;

	while (args_option(ctl, NULL, patient_longs) != -1) {
		given = true;
		session->has_patient = strcmp(optarg, "none") != 0;
		if (session->has_patient)
			session->patient = args_id(ctl, "the patient", optarg);
	}
	args_expect(ctl, 1, 1, "a session's id");
	return given;
}

static int
add(struct ctl *ctl)
{
	struct session session = { .has_patient = false }, old;
	char text[ID_TEXT_LEN + 1];
	bool created;

	read_patient(ctl, &session);
	session.id = args_id_or_new(ctl, "the session", args_at(ctl, 0));
	id_format(&session.id, text);
	ctl_open(ctl, STORE_BRIEF);
	ctl_begin(ctl);
	ctl_check_new(ctl, store_session_find(ctl->store, &session.id, &old), &session.id);
	ctl_check(ctl, store_session_put(ctl->store, &session, &created));
	ctl_commit(ctl);
	puts(text);
	return EXIT_SUCCESS;
}

static int
set(struct ctl *ctl)
{
	struct session session = { .has_patient = false }, old;
	bool created;

	if (!read_patient(ctl, &session))
		ctl_usage(ctl, "--patient is missing");
	session.id = args_id(ctl, "the session", args_at(ctl, 0));
	ctl_open(ctl, STORE_BRIEF);
	ctl_begin(ctl);
	ctl_check_found(ctl, store_session_find(ctl->store, &session.id, &old), &session.id);
	ctl_check(ctl, store_session_put(ctl->store, &session, &created));
	ctl_commit(ctl);
	return EXIT_SUCCESS;
}

static int
delete(struct ctl *ctl)
{
	struct id id = args_only_id(ctl, "a session's id", "the session");

	ctl_open(ctl, STORE_BRIEF);
	ctl_begin(ctl);
	ctl_check_found(ctl, store_session_delete(ctl->store, &id), &id);
	ctl_commit(ctl);
	return EXIT_SUCCESS;
}

/* The session's newest update; false if there is none yet. Texts as store_event_newest's. */
static bool
find_newest(const struct ctl *ctl, const struct session *session, struct progress *out)
{
	enum err err = store_event_newest(ctl->store, session->number, out);

	if (err != ERR_ABSENT)
		ctl_check(ctl, err);
	return err == ERR_OK;
}

static void
write_field(struct buf *out, const char *name, struct text value)
{
	buf_printf(out, "%-11s ", name);
	escape_text(out, value, SIZE_MAX);
	buf_puts(out, "\n");
}

static void
write_time(struct buf *out, const char *name, int64_t seconds)
{
	char text[TIMESTAMP_LEN + 1];

	timestamp_format(seconds, text);
	write_field(out, name, text_of(text));
}

static void
write_session(struct buf *out, const struct session *session)
{
	char id[ID_TEXT_LEN + 1], patient[ID_TEXT_LEN + 1];

	id_format(&session->id, id);
	id_format(&session->patient, patient);
	write_field(out, "id", text_of(id));
	write_field(out, "patient", text_of(session->has_patient ? patient : "none"));
	write_time(out, "created", session->created_at);
}

static void
write_progress(struct buf *out, const struct progress *p)
{
	write_field(out, "status", p->status);
	buf_printf(out, "progress    %d\n", p->progress);
	write_field(out, "message", p->message);
	if (p->error.s != NULL)
		write_field(out, "error", p->error);
	if (p->eta != PROGRESS_ETA_NONE)
		buf_printf(out, "remaining   %lld s\n", (long long)p->eta);
	write_time(out, "updated", p->updated_at);
	write_time(out, "run began", p->created_at);
	buf_printf(out, "revision    %lld\n", (long long)p->revision);
}

static int
show(struct ctl *ctl)
{
	struct buf out = BUF_INIT(CTL_OUTPUT_MAX);
	struct session session;
	struct progress progress;
	struct id id = args_only_id(ctl, "a session's id", "the session");

	ctl_open(ctl, STORE_READ);
	ctl_check_found(ctl, store_session_find(ctl->store, &id, &session), &id);
	write_session(&out, &session);
	if (find_newest(ctl, &session, &progress))
		write_progress(&out, &progress);
	else
		write_field(&out, "status", text_of("none yet"));
	ctl_print(&out);
	buf_fini(&out);
	return EXIT_SUCCESS;
}

static void
write_row(struct buf *out, const struct session *session, const struct progress *newest)
{
	char id[ID_TEXT_LEN + 1], patient[ID_TEXT_LEN + 1], created[TIMESTAMP_LEN + 1];

	id_format(&session->id, id);
	id_format(&session->patient, patient);
	timestamp_format(session->created_at, created);
	buf_printf(out, "%s  %-*s  %s  ", id, ID_TEXT_LEN, session->has_patient ? patient : "-",
	    created);
	if (newest == NULL) {
		buf_puts(out, "-\n");
		return;
	}
	escape_text(out, newest->status, SIZE_MAX);
	buf_printf(out, " %d\n", newest->progress);
}

static void
collect(void *arg, const struct session *session)
{
	buf_add(arg, session, sizeof(*session));
}

static int
list(struct ctl *ctl)
{
	static const struct option longs[] = {
		{ "running", no_argument, NULL, RUNNING },
		ARGS_END
	};
	struct buf all = BUF_INIT(CTL_OUTPUT_MAX), out = BUF_INIT(CTL_OUTPUT_MAX);
	const struct session *sessions;
	bool only_running = false;

	while (args_option(ctl, NULL, longs) != -1)
		only_running = true;
	args_expect(ctl, 0, 0, "none");
	ctl_open(ctl, STORE_READ);
	ctl_check(ctl, store_session_each(ctl->store, collect, &all));
	if (all.err != ERR_OK)
		ctl_fail("no memory for the list");
	sessions = (const void *)all.data;
	for (size_t i = 0; i < all.len / sizeof(*sessions); i++) {
		struct progress newest;
		bool any = find_newest(ctl, &sessions[i], &newest);

		if (!only_running || (any && newest.outcome == OUTCOME_RUNNING))
			write_row(&out, &sessions[i], any ? &newest : NULL);
	}
	ctl_print(&out);
	buf_fini(&out);
	buf_fini(&all);
	return EXIT_SUCCESS;
}

static int
run(struct ctl *ctl)
{
	static const struct verb verbs[] = {
		{ "add", add },
		{ "set", set },
		{ "show", show },
		{ "delete", delete },
		{ "list", list },
		{ NULL, NULL },
	};

	return args_verb(ctl, verbs);
}

const struct command command_session = {
	.name = "session",
	.usage = "add ID|- [--patient USER|none]\n"
	    "       milepostctl session set ID --patient USER|none\n"
	    "       milepostctl session show ID\n"
	    "       milepostctl session delete ID\n"
	    "       milepostctl session list [--running]",
	.summary = "add, change, show, delete or list sessions",
	.details = "\"-\" draws a new id; add prints the id. A patient may watch only sessions of\n"
	    "their own. delete takes the session's updates with it.\n",
	.run = run,
};
