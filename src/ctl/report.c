/* report.c: milepostctl report: posts progress as a worker would. */
#include "base/clock.h"
#include "base/digest.h"
#include "ctl/args.h"
#include "ctl/line.h"
#include "ctl/transfer.h"
#include "model/progress.h"
#include "wire/json.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <time.h>

#define DEFAULT_URL "http://localhost"
#define BODY_MAX 65536
#define ANSWER_MAX 65536
#define KEY_MAX 8192 /* an admin's token does as well */
#define ATTEMPT_SECONDS 30
#define RETRY_SECONDS 30
#define FIRST_DELAY_MS 250
#define LAST_DELAY_MS 5000

struct report {
	const char *url, *key_file, *ca_file;
	struct id session;
	const char *status, *message, *error;
	int64_t progress; /* PROGRESS_NONE: not given */
	int64_t eta;      /* PROGRESS_ETA_NONE: not given */
	bool restart;
	int64_t retry_for; /* seconds */
};

enum { ETA = ARGS_LONG, ERROR, RESTART, URL, KEY_FILE, CACERT, RETRY_FOR };

static void
read_option(const struct ctl *ctl, int c, struct report *out)
{
	switch (c) {
	case 'm':
		out->message = args_text(ctl, "the message", optarg);
		break;
	case ETA:
		out->eta = args_number(ctl, "--eta", optarg, 0, PROGRESS_ETA_MAX);
		break;
	case ERROR:
		out->error = args_text(ctl, "--error", optarg);
		break;
	case RESTART:
		out->restart = true;
		break;
	case URL:
		out->url = optarg;
		break;
	case KEY_FILE:
		out->key_file = optarg;
		break;
	case CACERT:
		out->ca_file = optarg;
		break;
	default:
		out->retry_for = args_seconds(ctl, "--retry-for", optarg, 0);
		break;
	}
}

/* Without a scheme libcurl would guess one, which encrypts nothing; and messages tell the URL. */
static void
check_url(const struct ctl *ctl, const char *url)
{
	if (strpbrk(url, "@?#") != NULL)
		ctl_usage(ctl, "the URL has more than a scheme, a host, a port and a path");
	if (strncasecmp(url, "http://", 7) != 0 && strncasecmp(url, "https://", 8) != 0)
		ctl_usage(ctl, "the URL \"%s\" does not begin with http:// or https://", url);
}

static struct report
read_args(const struct ctl *ctl)
{
	static const struct option longs[] = {
		{ "message", required_argument, NULL, 'm' },
		{ "eta", required_argument, NULL, ETA },
		{ "error", required_argument, NULL, ERROR },
		{ "restart", no_argument, NULL, RESTART },
		{ "url", required_argument, NULL, URL },
		{ "key-file", required_argument, NULL, KEY_FILE },
		{ "cacert", required_argument, NULL, CACERT },
		{ "retry-for", required_argument, NULL, RETRY_FOR },
		ARGS_END
	};
	struct report report = { .url = getenv("MILEPOST_URL"), .progress = PROGRESS_NONE,
		.eta = PROGRESS_ETA_NONE, .retry_for = RETRY_SECONDS };
	int c;

	while ((c = args_option(ctl, "m:", longs)) != -1)
		read_option(ctl, c, &report);
	args_expect(ctl, 2, 3, "a session's id and a status");
	report.session = args_id(ctl, "the session", args_at(ctl, 0));
	report.status = args_text(ctl, "the status", args_at(ctl, 1));
	if (args_at(ctl, 2) != NULL)
		report.progress = args_number(ctl, "the progress", args_at(ctl, 2), 0, 100);
	if (report.url == NULL || report.url[0] == '\0')
		report.url = DEFAULT_URL;
	check_url(ctl, report.url);
	return report;
}

static void
read_key_file(const char *path, char key[KEY_MAX])
{
	FILE *file = fopen(path, "re");
	struct stat st;

	if (file == NULL || fstat(fileno(file), &st) != 0)
		ctl_fail("%s: %s", path, strerror(errno));
	if ((st.st_mode & S_IRWXO) != 0)
		ctl_fail("%s: the key is open to others; close it with: chmod o-rwx %s", path, path);
	if (fgets(key, KEY_MAX, file) == NULL)
		ctl_fail("%s: no key in it", path);
	fclose(file);
	key[strcspn(key, "\r\n")] = '\0';
}

/* From a file or the environment: never from an argument, which every user of the machine sees. */
static void
read_key(const struct report *report, char key[KEY_MAX])
{
	const char *from = report->key_file != NULL ? report->key_file : "MILEPOST_KEY";
	const char *value = getenv("MILEPOST_KEY");

	if (report->key_file != NULL)
		read_key_file(report->key_file, key);
	else if (value == NULL)
		ctl_fail("no key: set MILEPOST_KEY, or name a file with --key-file");
	else
		snprintf(key, KEY_MAX, "%s", value);
	if (key[0] == '\0')
		ctl_fail("%s: the key is empty", from);
	/* It becomes a header: a line's end in it would become another. */
	for (const char *c = key; *c != '\0'; c++)
		if (*c <= ' ' || *c > '~')
			ctl_fail("%s: not a key: it has a character that none has", from);
}

static void
write_member(struct buf *out, const char *name, const char *value)
{
	if (value == NULL)
		return;
	buf_printf(out, ",\"%s\":", name);
	json_write_string(out, text_of(value));
}

static void
write_body(struct buf *out, const struct report *report)
{
	buf_puts(out, "{\"status\":");
	json_write_string(out, text_of(report->status));
	if (report->progress != PROGRESS_NONE)
		buf_printf(out, ",\"progress\":%lld", (long long)report->progress);
	write_member(out, "message", report->message);
	if (report->eta != PROGRESS_ETA_NONE)
		buf_printf(out, ",\"estimated_time_remaining\":%lld", (long long)report->eta);
	write_member(out, "error", report->error);
	if (report->restart)
		buf_puts(out, ",\"restart\":true");
	buf_puts(out, "}");
}

static void
write_url(struct buf *out, const struct report *report)
{
	char session[ID_TEXT_LEN + 1];
	size_t len = strlen(report->url);

	while (len > 0 && report->url[len - 1] == '/')
		len--;
	id_format(&report->session, session);
	buf_add(out, report->url, len);
	buf_printf(out, "/api/sessions/%s/progress", session);
}

/* Half of the delay is drawn, so that many workers don't come back at one moment. */
static int64_t
draw_delay(int64_t ms)
{
	uint16_t random = 0;

	if (digest_random(&random, sizeof(random)) != ERR_OK)
		return ms;
	return ms / 2 + ms / 2 * random / UINT16_MAX;
}

static void
sleep_ms(int64_t ms)
{
	struct timespec t = { ms / 1000, ms % 1000 * 1000000 };

	while (nanosleep(&t, &t) < 0)
		;
}

/* nginx answers 502 and 504 while milepost-api is being restarted. */
static bool
may_pass(const struct transfer *transfer)
{
	switch (transfer->status) {
	case 0:
		return transfer->passing;
	case 429:
	case 502:
	case 503:
	case 504:
		return true;
	default:
		return false;
	}
}

static const char *
summary(const struct transfer *transfer, char *out, size_t size)
{
	if (transfer->status == 0)
		return transfer->error;
	snprintf(out, size, "status %d", transfer->status);
	return out;
}

/* Tried again, because that is harmless: an update that is stored already is stored once. */
static void
post(struct transfer *transfer, int64_t retry_for)
{
	int64_t until = clock_mono_ms() + retry_for * 1000, delay = FIRST_DELAY_MS, pause;
	char text[32];

	for (;; delay = delay * 2 < LAST_DELAY_MS ? delay * 2 : LAST_DELAY_MS) {
		transfer_run(transfer);
		pause = draw_delay(delay);
		/* Which may be any number: only what is waited for is counted with. */
		if (!may_pass(transfer) || transfer->retry_after_s > retry_for)
			return;
		if (transfer->retry_after_s > 0)
			pause += transfer->retry_after_s * 1000;
		if (clock_mono_ms() + pause > until)
			return;
		if (delay == FIRST_DELAY_MS)
			ctl_warn("%s: %s; trying again for up to %llds", transfer->url,
			    summary(transfer, text, sizeof(text)), (long long)retry_for);
		sleep_ms(pause);
	}
}

/* The member, or absent where it is no string. */
static struct text
string_of(const struct json *json, const char *member)
{
	if (json == NULL || json_kind(json, member) != JSON_STRING)
		return (struct text){ NULL, 0 };
	return json_string(json, member);
}

/* Milepost's problems have a detail that says all, the members that are wrong included. */
static void NORETURN
refuse(const struct transfer *transfer, const struct json *json)
{
	struct text detail = string_of(json, "detail");
	char text[32];
	const char *advice = "";

	if (transfer->status == 401)
		advice = "; is it the right key? See: milepostctl key";
	if (transfer->status >= 300 && transfer->status < 400)
		advice = "; a redirection is not followed: give the final address with --url";
	ctl_fail("%s: %s%s%.*s%s", transfer->url, summary(transfer, text, sizeof(text)),
	    detail.s != NULL ? ": " : "", TEXT_ARG(detail), advice);
}

static void
print_stored(const struct transfer *transfer, const struct json *json)
{
	struct buf line = BUF_INIT(BODY_MAX);

	if (string_of(json, "status").s == NULL || string_of(json, "message").s == NULL ||
	    string_of(json, "updated_at").s == NULL || json_kind(json, "progress") != JSON_INTEGER)
		ctl_fail("%s: the answer is not Milepost's; is it the right --url?", transfer->url);
	line_write(&line, string_of(json, "updated_at"), string_of(json, "status"),
	    json_integer(json, "progress"), string_of(json, "message"), string_of(json, "error"));
	ctl_print(&line);
	buf_fini(&line);
}

static int
run(struct ctl *ctl)
{
	struct report report = read_args(ctl);
	struct buf url = BUF_INIT(4096), body = BUF_INIT(BODY_MAX);
	struct transfer transfer = { .ca_file = report.ca_file, .timeout_s = ATTEMPT_SECONDS,
		.answer = BUF_INIT(ANSWER_MAX) };
	struct json *json = NULL;
	char key[KEY_MAX];
	const char *why;

	read_key(&report, key);
	write_url(&url, &report);
	write_body(&body, &report);
	transfer.url = buf_cstr(&url);
	transfer.json = buf_cstr(&body);
	transfer.bearer = key;
	if (transfer.url == NULL || transfer.json == NULL)
		ctl_fail("the URL or the texts are too long");
	post(&transfer, report.retry_for);
	if (json_parse(buf_view(&transfer.answer), &json, &why) != ERR_OK)
		json = NULL; /* an answer of nginx itself */
	if (transfer.status != 200)
		refuse(&transfer, json);
	print_stored(&transfer, json);
	explicit_bzero(key, sizeof(key));
	json_free(&json);
	buf_fini(&transfer.answer);
	buf_fini(&body);
	buf_fini(&url);
	return EXIT_SUCCESS;
}

const struct command command_report = {
	.name = "report",
	.usage = "SESSION STATUS [PROGRESS] [-m MESSAGE] [--eta SECONDS] [--error TEXT]\n"
	    "                          [--restart] [--url URL] [--key-file FILE] [--cacert FILE]\n"
	    "                          [--retry-for TIME]",
	.summary = "report progress over HTTP, as a worker would",
	.details = "The key comes from --key-file or $MILEPOST_KEY, the address from --url or\n"
	    "$MILEPOST_URL (default http://localhost). While the server is away or busy, it is\n"
	    "tried again for up to TIME (default 30s).\n",
	.run = run,
};
