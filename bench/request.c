/* request.c: the requests of watchers and posters, and the updates in them. */
#include "fatal.h"
#include "load.h"

#include <string.h>

#define HEAD_MAX 8192
#define BODY_MAX (1u << 20)
/* Ten digits behind the only "#" tell one update from another. */
#define NUMBER_DIGITS 10
#define MEMBERS                                                                                    \
	"\"status\":\"transcribing\",\"progress\":45,"                                             \
	"\"message\":\"Transcribing audio with Whisper... #%010llu\""

static void
write_path(struct buf *out, const char *path, const char *session)
{
	const char *hole = strstr(path, "{}");

	if (hole == NULL) {
		buf_puts(out, path);
		return;
	}
	buf_add(out, path, (size_t)(hole - path));
	buf_puts(out, session);
	buf_puts(out, hole + 2);
}

static void
write_update(const struct load *load, struct buf *out, const char *session, uint64_t n)
{
	const unsigned long long number = n;

	if (load->body == BODY_MESSAGE)
		buf_printf(out,
		    "{\"session_id\":\"%s\"," MEMBERS ",\"updated_at\":\"2026-01-02T03:04:05Z\","
		    "\"created_at\":\"2026-01-02T03:04:05Z\",\"estimated_time_remaining\":30,"
		    "\"error\":null}",
		    session, number);
	else
		buf_printf(out, "{" MEMBERS ",\"estimated_time_remaining\":30}", number);
}

static void
write_request(const struct load *load, struct buf *out, const char *session, const char *type,
    struct text body)
{
	buf_puts(out, "POST ");
	write_path(out, load->post_path, session);
	buf_printf(out,
	    " HTTP/1.1\r\nHost: localhost\r\n%s%sContent-Type: %s\r\nContent-Length: %zu\r\n\r\n",
	    load->post_header, load->post_header[0] != '\0' ? "\r\n" : "", type, body.len);
	buf_text(out, body);
}

size_t
load_session_of(const struct load *load, uint64_t n)
{
	return (size_t)(n % (load->posted_count > 0 ? load->posted_count : load->session_count));
}

void
load_write_post(const struct load *load, struct buf *out, uint64_t n)
{
	const char *id = load->sessions[load_session_of(load, n)];
	char memory[1024];
	struct buf body = BUF_INIT(sizeof(memory));

	write_update(load, &body, id, n);
	write_request(load, out, id, "application/json", buf_view(&body));
	buf_fini(&body);
}

void
load_write_batch(const struct load *load, struct buf *out, uint64_t n)
{
	struct buf body = BUF_INIT(BODY_MAX);

	for (size_t i = 0; i < load->lines; i++)
		buf_printf(&body,
		    "{\"session_id\":\"%s\"," MEMBERS ",\"estimated_time_remaining\":30}\n",
		    load->sessions[load_session_of(load, n + i)], (unsigned long long)(n + i));
	if (body.err != ERR_OK)
		fatal("a batch of %zu lines is too long", load->lines);
	write_request(load, out, "", "application/x-ndjson", buf_view(&body));
	buf_fini(&body);
}

uint64_t
load_update_number(struct text message)
{
	const char *mark = memchr(message.s, '#', message.len);
	uint64_t n = 0;

	if (mark == NULL || (size_t)(message.s + message.len - mark) <= NUMBER_DIGITS)
		return 0;
	for (int i = 1; i <= NUMBER_DIGITS; i++) {
		if (mark[i] < '0' || mark[i] > '9')
			return 0;
		n = n * 10 + (uint64_t)(mark[i] - '0');
	}
	return n;
}

/* --- watchers --- */

static void
write_upgrade(const struct load *load, struct buf *out, size_t number)
{
	buf_reset(out);
	buf_puts(out, "GET ");
	write_path(out, load->watch_path, load->sessions[number % load->session_count]);
	buf_puts(out,
	    " HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
	    "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n");
}

void
load_open_watchers(struct load *load, struct watchers *watchers)
{
	struct buf request = BUF_INIT(HEAD_MAX);
	size_t started = 0;

	watchers->loop = &load->loop;
	watchers->address = load->watch;
	watchers_init(watchers, load->watcher_count);
	while (watchers->open < watchers->count) {
		while (started < watchers->count && watchers->opening < load->opening_max) {
			write_upgrade(load, &request, started);
			watchers_start(watchers, started++, buf_view(&request));
		}
		loop_turn(&load->loop, -1);
	}
	buf_fini(&request);
}
