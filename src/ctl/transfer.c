/* transfer.c: HTTP by libcurl. */
#include "ctl/transfer.h"

#include <curl/curl.h>
#include <stdio.h>
#include <strings.h>

#define CONNECT_SECONDS 10L
#define BEARER_MAX 16384

static size_t
on_data(char *data, size_t size, size_t count, void *arg)
{
	struct buf *answer = arg;

	buf_add(answer, data, size * count);
	return answer->err == ERR_OK ? size * count : 0;
}

/* Failures of a server that starts, stops or is cut off, as opposed to a wrong address. */
static bool
is_passing(CURLcode code)
{
	return code == CURLE_COULDNT_CONNECT || code == CURLE_OPERATION_TIMEDOUT ||
	    code == CURLE_GOT_NOTHING || code == CURLE_SEND_ERROR || code == CURLE_RECV_ERROR ||
	    code == CURLE_PARTIAL_FILE;
}

/* NULL: no memory. */
static struct curl_slist *
make_headers(const struct transfer *transfer)
{
	struct curl_slist *list = curl_slist_append(NULL, "Content-Type: application/json");
	struct curl_slist *longer;
	struct buf bearer = BUF_INIT(BEARER_MAX);
	const char *line;

	if (list == NULL || transfer->bearer == NULL)
		return list;
	buf_printf(&bearer, "Authorization: Bearer %s", transfer->bearer);
	line = buf_cstr(&bearer);
	longer = line != NULL ? curl_slist_append(list, line) : NULL;
	if (longer == NULL)
		curl_slist_free_all(list);
	buf_fini(&bearer);
	return longer;
}

static void
set_options(CURL *curl, struct transfer *transfer, struct curl_slist *headers, char *error)
{
	curl_easy_setopt(curl, CURLOPT_URL, transfer->url);
	curl_easy_setopt(curl, CURLOPT_PROTOCOLS_STR, "http,https");
	curl_easy_setopt(curl, CURLOPT_USERAGENT, "milepostctl/" PACKAGE_VERSION);
	curl_easy_setopt(curl, CURLOPT_HTTPHEADER, headers);
	if (transfer->json != NULL)
		curl_easy_setopt(curl, CURLOPT_POSTFIELDS, transfer->json);
	if (transfer->ca_file != NULL)
		curl_easy_setopt(curl, CURLOPT_CAINFO, transfer->ca_file);
	if (transfer->socket != NULL)
		curl_easy_setopt(curl, CURLOPT_UNIX_SOCKET_PATH, transfer->socket);
	/* A proxy would read what goes unencrypted; to all else it opens a way. */
	if (transfer->socket != NULL || strncasecmp(transfer->url, "http:", 5) == 0)
		curl_easy_setopt(curl, CURLOPT_NOPROXY, "*");
	curl_easy_setopt(curl, CURLOPT_CONNECTTIMEOUT, CONNECT_SECONDS);
	curl_easy_setopt(curl, CURLOPT_TIMEOUT, transfer->timeout_s);
	curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, on_data);
	curl_easy_setopt(curl, CURLOPT_WRITEDATA, &transfer->answer);
	curl_easy_setopt(curl, CURLOPT_ERRORBUFFER, error);
}

void
transfer_run(struct transfer *transfer)
{
	CURL *curl = curl_easy_init();
	struct curl_slist *headers = make_headers(transfer);
	char error[CURL_ERROR_SIZE] = "";
	CURLcode code = CURLE_OUT_OF_MEMORY;
	curl_off_t after = 0;
	long status = 0;

	buf_reset(&transfer->answer);
	if (curl != NULL && headers != NULL) {
		set_options(curl, transfer, headers, error);
		code = curl_easy_perform(curl);
	}
	if (code == CURLE_OK) {
		curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, &status);
		curl_easy_getinfo(curl, CURLINFO_RETRY_AFTER, &after);
	}
	transfer->status = (int)status;
	transfer->retry_after_s = after;
	transfer->passing = is_passing(code);
	snprintf(transfer->error, sizeof(transfer->error), "%s",
	    error[0] != '\0' ? error : curl_easy_strerror(code));
	curl_slist_free_all(headers);
	curl_easy_cleanup(curl);
}
