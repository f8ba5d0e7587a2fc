/* report.c: milepostctl report: posts progress as a worker would. The only module that sees libcurl. */
#include "base/clock.h"
#include "base/digest.h"
#include "ctl/ctl.h"
#include "model/progress.h"
#include "wire/json.h"

#include <curl/curl.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define DEFAULT_URL "http://localhost"
#define ANSWER_MAX 65536
#define FIRST_DELAY_MS 200
#define LAST_DELAY_MS 5000

struct options {
	const char *url, *key_file, *ca;
	const char *message, *error;
	int64_t eta; /* PROGRESS_ETA_NONE: not given */
	bool restart;
	int64_t retry_for; /* seconds */
};

static struct options
read_options(const struct command *self, int argc, char **argv)
{
	static const struct option longs[] = {
		{ "message", required_argument, NULL, 'm' },
		{ "eta", required_argument, NULL, 't' },
		{ "error", required_argument, NULL, 'e' },
		{ "restart", no_argument, NULL, 'r' },
		{ "url", required_argument, NULL, 'u' },
		{ "key-file", required_argument, NULL, 'k' },
		{ "cacert", required_argument, NULL, 'a' },
		{ "retry-for", required_argument, NULL, 'f' },
		{ NULL, 0, NULL, 0 },
	};
	struct options options = { .url = getenv("MILEPOST_URL"), .eta = PROGRESS_ETA_NONE,
		.retry_for = 30 };
	int c;

	while ((c = getopt_long(argc, argv, "m:", longs, NULL)) != -1) {
		switch (c) {
		case 'm':
			options.message = optarg;
			break;
		case 't':
			options.eta = ctl_number(self, "--eta", optarg, PROGRESS_ETA_MAX);
			break;
		case 'e':
			options.error = optarg;
			break;
		case 'r':
			options.restart = true;
			break;
		case 'u':
			options.url = optarg;
			break;
		case 'k':
			options.key_file = optarg;
			break;
		case 'a':
			options.ca = optarg;
			break;
		case 'f':
			options.retry_for = ctl_duration(self, "--retry-for", optarg);
			break;
		default:
			exit(EXIT_USAGE);
		}
	}
	if (options.url == NULL || options.url[0] == '\0')
		options.url = DEFAULT_URL;
	return options;
}

/* The key from the file or the environment: never an argument, which others could see. */
static void
read_key(const struct options *options, struct buf *key)
{
	FILE *file;
	char line[256];

	if (options->key_file == NULL) {
		if (getenv("MILEPOST_KEY") == NULL)
			ctl_fail("no key: set MILEPOST_KEY, or name its file with --key-file");
		buf_puts(key, getenv("MILEPOST_KEY"));
		return;
	}
	file = fopen(options->key_file, "re");
	if (file == NULL || fgets(line, sizeof(line), file) == NULL)
		ctl_fail("%s: no key can be read from it", options->key_file);
	fclose(file);
	buf_add(key, line, strcspn(line, "\r\n"));
	explicit_bzero(line, sizeof(line));
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
write_body(struct buf *out, const struct options *options, const char *status,
    int64_t progress)
{
	buf_puts(out, "{\"status\":");
	json_write_string(out, text_of(status));
	if (progress != PROGRESS_NONE)
		buf_printf(out, ",\"progress\":%lld", (long long)progress);
	write_member(out, "message", options->message);
	if (options->eta != PROGRESS_ETA_NONE)
		buf_printf(out, ",\"estimated_time_remaining\":%lld", (long long)options->eta);
	write_member(out, "error", options->error);
	if (options->restart)
		buf_puts(out, ",\"restart\":true");
	buf_puts(out, "}");
}

static size_t
on_data(char *data, size_t size, size_t count, void *arg)
{
	struct buf *answer = arg;

	buf_add(answer, data, size * count);
	return answer->err == ERR_OK ? size * count : 0;
}

/* One attempt: the HTTP status, or 0 with the reason in error. */
static long
post(CURL *curl, struct buf *answer, char error[CURL_ERROR_SIZE])
{
	long status = 0;

	buf_reset(answer);
	error[0] = '\0';
	curl_easy_setopt(curl, CURLOPT_ERRORBUFFER, error);
	curl_easy_setopt(curl, CURLOPT_WRITEDATA, answer);
	if (curl_easy_perform(curl) == CURLE_OK)
		curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, &status);
	return status;
}

/* Half of the delay is drawn, so that many workers do not come back at once. */
static void
pause_for(int64_t ms)
{
	uint16_t random = 0;
	struct timespec t;

	if (digest_random(&random, sizeof(random)) == ERR_OK)
		ms = ms / 2 + ms / 2 * random / UINT16_MAX;
	t = (struct timespec){ ms / 1000, ms % 1000 * 1000000 };
	nanosleep(&t, NULL);
}

/* A retry is harmless: an update that is stored already is stored once. */
static long
post_with_retries(CURL *curl, const struct options *options, struct buf *answer,
    char error[CURL_ERROR_SIZE])
{
	int64_t until = clock_mono_ms() + options->retry_for * 1000;
	long status;

	for (int64_t delay = FIRST_DELAY_MS;; delay = delay * 2 < LAST_DELAY_MS ? delay * 2 : LAST_DELAY_MS) {
		status = post(curl, answer, error);
		if ((status != 0 && status != 503 && status != 429) ||
		    clock_mono_ms() + delay > until)
			return status;
		pause_for(delay);
	}
}

static void
print_stored(const struct json *json)
{
	ctl_print_text(json_string(json, "status"));
	printf(" %lld %% ", (long long)json_integer(json, "progress"));
	ctl_print_text(json_string(json, "message"));
	puts("");
}

static void NORETURN
fail_with(long status, const struct json *json, const char *error)
{
	struct text detail = { NULL, 0 };

	if (status == 0)
		ctl_fail("%s", error[0] != '\0' ? error : "the request failed");
	if (json != NULL && json_kind(json, "detail") == JSON_STRING)
		detail = json_string(json, "detail");
	ctl_fail("refused with %ld: %.*s", status,
	    TEXT_ARG(detail.s != NULL ? detail : text_of("no reason was given")));
}

static CURL *
prepare(const struct options *options, const char *session, const char *body,
    struct curl_slist **headers)
{
	struct buf url = BUF_INIT(4096), bearer = BUF_INIT(512);
	CURL *curl = curl_easy_init();

	buf_puts(&bearer, "Authorization: Bearer ");
	read_key(options, &bearer);
	buf_printf(&url, "%s/api/sessions/%s/progress", options->url, session);
	*headers = curl_slist_append(NULL, "Content-Type: application/json");
	*headers = curl_slist_append(*headers, buf_cstr(&bearer));
	if (curl == NULL || *headers == NULL || url.err != ERR_OK)
		ctl_fail("out of memory");
	curl_easy_setopt(curl, CURLOPT_URL, buf_cstr(&url));
	curl_easy_setopt(curl, CURLOPT_PROTOCOLS_STR, "http,https");
	curl_easy_setopt(curl, CURLOPT_HTTPHEADER, *headers);
	curl_easy_setopt(curl, CURLOPT_COPYPOSTFIELDS, body);
	curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, on_data);
	curl_easy_setopt(curl, CURLOPT_TIMEOUT, 30L);
	if (options->ca != NULL)
		curl_easy_setopt(curl, CURLOPT_CAINFO, options->ca);
	buf_fini(&url);
	buf_fini(&bearer);
	return curl;
}

static int
run(const struct command *self, int argc, char **argv)
{
	struct options options = read_options(self, argc, argv);
	struct buf body = BUF_INIT(65536), answer = BUF_INIT(ANSWER_MAX);
	struct curl_slist *headers;
	struct json *json = NULL;
	int64_t progress = PROGRESS_NONE;
	char session[ID_TEXT_LEN + 1], error[CURL_ERROR_SIZE];
	const char *why;
	struct id id;
	long status;
	CURL *curl;

	if (argc - optind < 2 || argc - optind > 3)
		ctl_usage(self, "report takes a session, a status, and perhaps a progress");
	id = ctl_id(self, "the session", argv[optind]);
	id_format(&id, session);
	if (argc - optind == 3)
		progress = ctl_number(self, "the progress", argv[optind + 2], 100);
	write_body(&body, &options, argv[optind + 1], progress);
	curl = prepare(&options, session, buf_cstr(&body), &headers);
	status = post_with_retries(curl, &options, &answer, error);
	if (json_parse(buf_view(&answer), &json, &why) != ERR_OK)
		json = NULL;
	if (status != 200 || json == NULL)
		fail_with(status, json, error);
	print_stored(json);
	json_free(&json);
	curl_easy_cleanup(curl);
	curl_slist_free_all(headers);
	buf_fini(&answer);
	buf_fini(&body);
	return EXIT_SUCCESS;
}

const struct command command_report = {
	.name = "report",
	.usage = "SESSION STATUS [PROGRESS] [-m MESSAGE] [--eta SECONDS] [--error TEXT]\n"
	    "                          [--restart] [--url URL] [--key-file FILE] [--cacert FILE]\n"
	    "                          [--retry-for TIME]",
	.summary = "report progress over HTTP, as a worker would",
	.details = "The key comes from --key-file or $MILEPOST_KEY, the URL from --url or $MILEPOST_URL\n"
	    "(default http://localhost). Where the server is away, it is tried again for --retry-for\n"
	    "(default 30s).\n",
	.run = run,
};
