/* load.c: the load client: one process, one thread, thousands of watchers and some posters. */
#include "load.h"

#include "base/clock.h"
#include "base/fd.h"
#include "fatal.h"

#include <errno.h>
#include <getopt.h>
#include <signal.h>
#include <string.h>

static const char usage[] =
    "usage: load connect|deliver|post OPTIONS\n"
    "\n"
    "  connect   open all watchers; tell the CPU time of that, and the memory they take\n"
    "  deliver   open all watchers, post updates, tell what it costs until all watchers have them\n"
    "  post      post updates that nobody watches\n"
    "\n"
    "  --tree NAME=PID    a process and its children, whose use is told as NAME; several times\n"
    "  --sessions FILE    the sessions' ids, one a line; watchers and updates go round\n"
    "  --posted N         only the first N sessions get updates\n"
    "  --watch ADDRESS    unix:PATH or tcp:ADDRESS:PORT\n"
    "  --watch-path PATH  of the WebSocket; {} stands for the session's id\n"
    "  --watchers N       connections (default 1)\n"
    "  --opening N        handshakes under way (default 256)\n"
    "  --post ADDRESS, --post-path PATH, --post-header LINE\n"
    "  --posters N        connections that post (default 1)\n"
    "  --body report|message   what a worker reports (default), or what watchers are to get\n"
    "  --lines N          post batches of N updates\n"
    "  --window N         updates that may be undelivered (default 1)\n"
    "  --rate N           updates a second, whatever is undelivered\n"
    "  --warmup S, --seconds S   before measuring (default 0.5), and measuring (default 3)\n"
    "  --beside COMMAND   deliver: run it while measuring, which goes on until it has ended;\n"
    "                     updates that are refused with 503 meanwhile are counted\n"
    "\n"
    "Prints one JSON object. CPU times are user and system time in microseconds.\n";

enum option_id { BESIDE = 1, TREE, SESSIONS, POSTED, WATCH, WATCH_PATH, WATCHERS, OPENING, POST, POST_PATH,
	POST_HEADER, POSTERS, BODY, LINES, WINDOW, RATE, WARMUP, SECONDS, HELP };

static const struct option options[] = {
	{ "beside", required_argument, NULL, BESIDE },
	{ "tree", required_argument, NULL, TREE },
	{ "sessions", required_argument, NULL, SESSIONS },
	{ "posted", required_argument, NULL, POSTED },
	{ "watch", required_argument, NULL, WATCH },
	{ "watch-path", required_argument, NULL, WATCH_PATH },
	{ "watchers", required_argument, NULL, WATCHERS },
	{ "opening", required_argument, NULL, OPENING },
	{ "post", required_argument, NULL, POST },
	{ "post-path", required_argument, NULL, POST_PATH },
	{ "post-header", required_argument, NULL, POST_HEADER },
	{ "posters", required_argument, NULL, POSTERS },
	{ "body", required_argument, NULL, BODY },
	{ "lines", required_argument, NULL, LINES },
	{ "window", required_argument, NULL, WINDOW },
	{ "rate", required_argument, NULL, RATE },
	{ "warmup", required_argument, NULL, WARMUP },
	{ "seconds", required_argument, NULL, SECONDS },
	{ "help", no_argument, NULL, HELP },
	{ NULL, 0, NULL, 0 },
};

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
			load->sessions = realloc(load->sessions, cap * sizeof(*load->sessions));
			if (load->sessions == NULL)
				fatal("no memory");
		}
		memcpy(load->sessions[load->session_count++], line, sizeof(load->sessions[0]));
	}
	fclose(file);
	if (load->session_count == 0)
		fatal("%s is empty", path);
}

static void
read_option(struct load *load, enum option_id id, char *value)
{
	switch (id) {
	case BESIDE: load->beside = value; break;
	case TREE: trees_add(&load->trees, value); break;
	case SESSIONS: read_sessions(load, value); break;
	case POSTED: load->posted_count = read_count(value); break;
	case WATCH: load->watch = address_parse(value); break;
	case WATCH_PATH: load->watch_path = value; break;
	case WATCHERS: load->watcher_count = read_count(value); break;
	case OPENING: load->opening_max = read_count(value); break;
	case POST: load->post = address_parse(value); break;
	case POST_PATH: load->post_path = value; break;
	case POST_HEADER: load->post_header = value; break;
	case POSTERS: load->poster_count = read_count(value); break;
	case BODY: load->body = read_body(value); break;
	case LINES: load->lines = read_count(value); break;
	case WINDOW: load->window = read_count(value); break;
	case RATE: load->rate = read_positive(value); break;
	case WARMUP: load->warmup = read_positive(value); break;
	case SECONDS: load->seconds = read_positive(value); break;
	case HELP: fputs(usage, stdout); exit(EXIT_SUCCESS);
	}
}

static void
check(const struct load *load, bool watches, bool posts)
{
	if (load->session_count == 0)
		fatal("--sessions is missing");
	if (watches && (load->watch.len == 0 || load->watch_path == NULL))
		fatal("--watch or --watch-path is missing");
	if (posts && (load->post.len == 0 || load->post_path == NULL))
		fatal("--post or --post-path is missing");
	if (load->posted_count > load->session_count)
		fatal("--posted is more than there are sessions");
	if (watches && posts && load->watcher_count < load->session_count)
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
	const char *workload;
	int id;

	signal(SIGPIPE, SIG_IGN);
	while ((id = getopt_long(argc, argv, "", options, NULL)) != -1)
		if (id == '?')
			exit(2);
		else
			read_option(&load, (enum option_id)id, optarg);
	fd_raise_limit();
	loop_init(&load.loop);
	/* Ten digits hold it: no run of the same day begins where another one did. */
	load.first = (uint64_t)(clock_wall() % 86400 + 1) * 100000;
	if (optind != argc - 1) {
		fputs(usage, stderr);
		exit(2);
	}
	workload = argv[optind];
	check(&load, strcmp(workload, "post") != 0, strcmp(workload, "connect") != 0);
	if (strcmp(workload, "connect") == 0)
		connect_run(&load);
	else if (strcmp(workload, "deliver") == 0)
		deliver_run(&load);
	else if (strcmp(workload, "post") == 0)
		post_run(&load);
	else
		fatal("unknown workload \"%s\"", workload);
	free(load.sessions);
	loop_fini(&load.loop);
	return EXIT_SUCCESS;
}
