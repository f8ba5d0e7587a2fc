/* session.c: milepostctl session: what is watched. */
#include "base/timestamp.h"
#include "ctl/ctl.h"
#include "store/account.h"
#include "store/event.h"

#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct options {
	const char *patient; /* NULL: not given; "none": nobody's */
	bool running;
};

static struct options
read_options(int argc, char **argv)
{
	static const struct option longs[] = {
		{ "patient", required_argument, NULL, 'p' },
		{ "running", no_argument, NULL, 'r' },
		{ NULL, 0, NULL, 0 },
	};
	struct options options = { .patient = NULL };
	int c;

	while ((c = getopt_long(argc, argv, "", longs, NULL)) != -1) {
		switch (c) {
		case 'p':
			options.patient = optarg;
			break;
		case 'r':
			options.running = true;
			break;
		default:
			exit(EXIT_USAGE);
		}
	}
	return options;
}

static void
put(const struct command *self, struct store *store, struct session *session, const char *patient)
{
	bool created;

	session->has_patient = patient != NULL && strcmp(patient, "none") != 0;
	if (session->has_patient)
		session->patient = ctl_id(self, "the patient", patient);
	ctl_check(store, store_session_put(store, session, &created), "session");
}

static void
add(const struct command *self, struct store *store, const char *arg, const char *patient)
{
	struct session session = { .id = ctl_id_or_new(self, "the session", arg) };
	struct session old;
	char text[ID_TEXT_LEN + 1];

	id_format(&session.id, text);
	if (store_session_find(store, &session.id, &old) == ERR_OK)
		ctl_fail("there is a session %s already; change it with: milepostctl session set", text);
	put(self, store, &session, patient);
	puts(text);
}

static void
find(const struct command *self, struct store *store, const char *arg, struct session *out)
{
	struct id id = ctl_id(self, "the session", arg);
	enum err err = store_session_find(store, &id, out);

	if (err == ERR_ABSENT)
		ctl_fail("no session %s", arg);
	ctl_check(store, err, "session");
}

static void
print(const struct session *session)
{
	char id[ID_TEXT_LEN + 1], patient[ID_TEXT_LEN + 1], created[TIMESTAMP_LEN + 1];

	id_format(&session->id, id);
	id_format(&session->patient, patient);
	timestamp_format(session->created_at, created);
	printf("%s  patient %s  since %s", id, session->has_patient ? patient : "-", created);
}

static void
show(struct store *store, const struct session *session)
{
	struct progress progress;
	enum err err = store_event_newest(store, session->number, &progress);
	char when[TIMESTAMP_LEN + 1];

	print(session);
	if (err == ERR_OK) {
		timestamp_format(progress.updated_at, when);
		printf("  %.*s %d %% at %s, revision %lld", TEXT_ARG(progress.status),
		    progress.progress, when, (long long)progress.revision);
	} else if (err != ERR_ABSENT) {
		ctl_check(store, err, "session");
	}
	puts(err == ERR_OK ? "" : "  no progress yet");
}

struct listing {
	struct session *sessions; /* owned */
	size_t count, cap;
};

static void
collect(void *arg, const struct session *session)
{
	struct listing *listing = arg;

	if (listing->count == listing->cap) {
		listing->cap = listing->cap > 0 ? 2 * listing->cap : 64;
		listing->sessions = realloc(listing->sessions,
		    listing->cap * sizeof(*listing->sessions));
		if (listing->sessions == NULL)
			ctl_fail("out of memory");
	}
	listing->sessions[listing->count++] = *session;
}

static bool
is_running(struct store *store, const struct session *session)
{
	struct progress progress;

	return store_event_newest(store, session->number, &progress) == ERR_OK &&
	    progress.outcome == OUTCOME_RUNNING;
}

static void
list(struct store *store, bool running)
{
	struct listing listing = { NULL, 0, 0 };

	ctl_check(store, store_session_each(store, collect, &listing), "session list");
	for (size_t i = 0; i < listing.count; i++)
		if (!running || is_running(store, &listing.sessions[i]))
			show(store, &listing.sessions[i]);
	free(listing.sessions);
}

static int
run(const struct command *self, int argc, char **argv)
{
	struct options options = read_options(argc, argv);
	const char *verb = optind < argc ? argv[optind] : "";
	const char *arg = optind + 1 < argc ? argv[optind + 1] : NULL;
	bool listing = strcmp(verb, "list") == 0;
	struct config *config;
	struct store *store;
	struct session session;

	if (argc - optind != (listing ? 1 : 2))
		ctl_usage(self, "session takes a verb%s",
		    listing ? " list alone" : " and a session's id");
	config = ctl_config();
	store = ctl_open(config, STORE_BRIEF);
	if (listing) {
		list(store, options.running);
	} else if (strcmp(verb, "add") == 0) {
		add(self, store, arg, options.patient);
	} else if (strcmp(verb, "set") == 0) {
		if (options.patient == NULL)
			ctl_usage(self, "session set needs --patient");
		find(self, store, arg, &session);
		put(self, store, &session, options.patient);
	} else if (strcmp(verb, "show") == 0) {
		find(self, store, arg, &session);
		show(store, &session);
	} else if (strcmp(verb, "delete") == 0) {
		find(self, store, arg, &session);
		ctl_check(store, store_session_delete(store, &session.id), "session delete");
	} else {
		ctl_usage(self, "session has no verb \"%s\"", verb);
	}
	ctl_ring(config);
	store_close(&store);
	config_free(&config);
	return EXIT_SUCCESS;
}

const struct command command_session = {
	.name = "session",
	.usage = "add ID|- [--patient USER]\n"
	    "       milepostctl session set ID --patient USER|none\n"
	    "       milepostctl session show|delete ID\n"
	    "       milepostctl session list [--running]",
	.summary = "add, change, show, delete or list sessions",
	.details = "\"-\" draws a new id; add prints the id. A patient watches only sessions that are\n"
	    "theirs. delete takes the session's updates with it.\n",
	.run = run,
};
