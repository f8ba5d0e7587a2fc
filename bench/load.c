/* load.c: the load client: one process, one thread, thousands of watchers and some posters. */
#include "load.h"

#include "base/clock.h"
#include "base/fd.h"
#include "fatal.h"

#include <errno.h>
#include <getopt.h>
#include <signal.h>
#include <stddef.h>
#include <string.h>

/* How an option's value is read. */
enum kind { KIND_TREE, KIND_SESSIONS, KIND_ADDRESS, KIND_TEXT, KIND_BODY, KIND_COUNT, KIND_NUMBER };

#define AT(member) offsetof(struct load, member)

static const struct setting {
	const char *name;
	enum kind kind;
	size_t offset; /* of the member of struct load */
	const char *value, *help;
} settings[] = {
	{ "tree", KIND_TREE, AT(trees), "NAME=PID",
	    "a process and its children, whose use is told as NAME; several times" },
	{ "sessions", KIND_SESSIONS, AT(sessions), "FILE",
	    "the sessions' ids, one a line; watchers and updates go round" },
	{ "posted", KIND_COUNT, AT(posted_count), "N", "only the first N sessions get updates" },
	{ "watch", KIND_ADDRESS, AT(watch), "ADDRESS", "unix:PATH or tcp:ADDRESS:PORT" },
	{ "watch-path", KIND_TEXT, AT(watch_path), "PATH",
	    "of the WebSocket; {} stands for the session's id" },
	{ "watchers", KIND_COUNT, AT(watcher_count), "N", "connections (default 1)" },
	{ "opening", KIND_COUNT, AT(opening_max), "N", "handshakes under way (default 256)" },
	{ "post", KIND_ADDRESS, AT(post), "ADDRESS", "as --watch" },
	{ "post-path", KIND_TEXT, AT(post_path), "PATH", "as --watch-path" },
	{ "post-header", KIND_TEXT, AT(post_header), "LINE", "of each POST" },
	{ "posters", KIND_COUNT, AT(poster_count), "N", "connections that post (default 1)" },
	{ "body", KIND_BODY, AT(body), "report|message",
	    "what a worker reports (default), or what watchers are to get" },
	{ "lines", KIND_COUNT, AT(lines), "N", "post batches of N updates" },
	{ "window", KIND_COUNT, AT(window), "N", "updates that may be undelivered (default 1)" },
	{ "rate", KIND_NUMBER, AT(rate), "N", "updates a second, whatever is undelivered or unanswered" },
	{ "warmup", KIND_NUMBER, AT(warmup), "SECONDS", "before measuring (default 0.5)" },
	{ "seconds", KIND_NUMBER, AT(seconds), "SECONDS", "of measuring (default 3)" },
	{ "bell", KIND_TEXT, AT(bell), "DATABASE",
	    "deliver: listen at its bell, and tell the time from there, which is after the commit" },
	{ "beside", KIND_TEXT, AT(beside), "COMMAND",
	    "deliver: run it while measuring, which goes on until it has ended;\n"
	    "updates that are refused with 503 are counted then" },
};

static const struct workload {
	const char *name, *help;
	void (*run)(struct load *load);
	bool watches, posts;
} workloads[] = {
	{ "connect", "open all watchers; tell the CPU time of that, and the memory they take",
	    connect_run, true, false },
	{ "deliver", "open all watchers, post updates, tell what it costs until all have them",
	    deliver_run, true, true },
	{ "post", "post updates that nobody watches", post_run, false, true },
};

static void NORETURN
show_usage(FILE *out, int status)
{
	fputs("usage: load WORKLOAD OPTIONS\n\n", out);
	for (size_t i = 0; i < countof(workloads); i++)
		fprintf(out, "  %-9s %s\n", workloads[i].name, workloads[i].help);
	fputc('\n', out);
	for (size_t i = 0; i < countof(settings); i++)
		fprintf(out, "  --%s %s\n      %s\n", settings[i].name, settings[i].value,
		    settings[i].help);
	fputs("\nPrints one JSON object. CPU times are user and system time in microseconds.\n", out);
	exit(status);
}

static size_t
read_count(const char *text)
{
	unsigned long long n;

	if (!text_number(text_of(text), 10000000, &n) || n == 0)
		fatal("\"%s\" is not a number from 1 to 10000000", text);
	return (size_t)n;
}

static double
read_positive(const char *text)
{
	char *end;
	double n = strtod(text, &end);

	if (end == text || *end != '\0' || !(n > 0) || n > 1e6)
		fatal("\"%s\" is not a number above 0", text);
	return n;
}

static enum body
read_body(const char *text)
{
	if (strcmp(text, "report") == 0)
		return BODY_REPORT;
	if (strcmp(text, "message") == 0)
		return BODY_MESSAGE;
	fatal("\"%s\" is neither report nor message", text);
}

static void
read_sessions(struct load *load, const char *path)
{
	FILE *file = fopen(path, "re");
	size_t cap = 0;
	char line[64];

	if (file == NULL)
		fatal("%s: %s", path, strerror(errno));
	while (fgets(line, sizeof(line), file) != NULL) {
		line[strcspn(line, "\n")] = '\0';
		if (strlen(line) != SESSION_ID_LEN)
			fatal("%s: \"%s\" is not a session's id", path, line);
		if (load->session_count == cap) {
			cap = cap == 0 ? 1024 : 2 * cap;
			load->sessions = xrealloc(load->sessions, cap * sizeof(*load->sessions));
		}
		memcpy(load->sessions[load->session_count++], line, sizeof(load->sessions[0]));
	}
	fclose(file);
	if (load->session_count == 0)
		fatal("%s is empty", path);
}

static void
read_setting(struct load *load, const struct setting *setting, char *value)
{
	void *member = (char *)load + setting->offset;

	switch (setting->kind) {
	case KIND_TREE:
		trees_add(member, value);
		break;
	case KIND_SESSIONS:
		read_sessions(load, value);
		break;
	case KIND_ADDRESS:
		*(struct address *)member = address_parse(value);
		break;
	case KIND_TEXT:
		*(const char **)member = value;
		break;
	case KIND_BODY:
		*(enum body *)member = read_body(value);
		break;
	case KIND_COUNT:
		*(size_t *)member = read_count(value);
		break;
	case KIND_NUMBER:
		*(double *)member = read_positive(value);
		break;
	}
}

/* Returns the workload's name. */
static const char *
read_options(struct load *load, int argc, char **argv)
{
	struct option options[countof(settings) + 2] = { { .name = NULL } };
	int i;

	for (size_t n = 0; n < countof(settings); n++)
		options[n] = (struct option){ settings[n].name, required_argument, NULL, (int)n };
	options[countof(settings)] = (struct option){ "help", no_argument, NULL, countof(settings) };
	while ((i = getopt_long(argc, argv, "", options, NULL)) != -1) {
		if (i == '?')
			exit(2);
		if ((size_t)i == countof(settings))
			show_usage(stdout, EXIT_SUCCESS);
		read_setting(load, &settings[i], optarg);
	}
	if (optind != argc - 1)
		show_usage(stderr, 2);
	return argv[optind];
}

static const struct workload *
find_workload(const char *name)
{
	for (size_t i = 0; i < countof(workloads); i++)
		if (strcmp(workloads[i].name, name) == 0)
			return &workloads[i];
	fatal("there is no workload \"%s\"; see load --help", name);
}

static void
check(const struct load *load, const struct workload *workload)
{
	if (load->session_count == 0)
		fatal("--sessions is missing");
	if (workload->watches && (load->watch.len == 0 || load->watch_path == NULL))
		fatal("--watch or --watch-path is missing");
	if (workload->posts && (load->post.len == 0 || load->post_path == NULL))
		fatal("--post or --post-path is missing");
	if (load->posted_count > load->session_count)
		fatal("--posted is more than there are sessions");
	if (workload->watches && workload->posts && load->watcher_count < load->session_count)
		fatal("%zu watchers are too few for %zu sessions", load->watcher_count,
		    load->session_count);
}

void
load_write_settings(const struct load *load, const char *workload)
{
	printf("{\"workload\":\"%s\",\"sessions\":%zu,\"watchers\":%zu,\"posters\":%zu", workload,
	    load->session_count, load->watcher_count, load->poster_count);
}

int
main(int argc, char **argv)
{
	struct load load = { .watcher_count = 1, .opening_max = 256, .poster_count = 1, .window = 1,
		.post_header = "", .warmup = 0.5, .seconds = 3 };
	const struct workload *workload = find_workload(read_options(&load, argc, argv));

	check(&load, workload);
	signal(SIGPIPE, SIG_IGN);
	fd_raise_limit();
	loop_init(&load.loop);
	/* Ten digits hold it: no run of the same day begins where another one did. */
	load.first = (uint64_t)(clock_wall() % 86400 + 1) * 100000;
	workload->run(&load);
	free(load.sessions);
	loop_fini(&load.loop);
	return EXIT_SUCCESS;
}
