/* test-request.c: what a head asks for: paths, methods, the token's places, since, origins. */
#include "ws/request.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#define SESSION "550e8400-e29b-41d4-a716-446655440000"
#define WATCH "/api/sessions/ws/" SESSION
#define EVENTS "/api/sessions/" SESSION "/events"
#define UPGRADE "Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n" \
	"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"

struct asked {
	char text[4096];
	struct buf scratch;
	struct request request;
};

/* Parses "METHOD target" with these headers as milepost-ws would. */
static void
ask(struct asked *asked, const char *line, const char *headers, const char *origins)
{
	struct http_head head;
	const char *why;
	int len = snprintf(asked->text, sizeof(asked->text), "%s HTTP/1.1\r\nHost: h\r\n%s\r\n", line,
	    headers);

	assert_int_equal(http_parse(asked->text, (size_t)len, &head, &why), ERR_OK);
	buf_init(&asked->scratch, 4096);
	request_read(&head, origins, &asked->scratch, &asked->request);
}

static void
done(struct asked *asked)
{
	buf_fini(&asked->scratch);
}

static void
test_statuses(void **state)
{
	static const struct {
		const char *line, *headers;
		int status; /* 0: accepted */
	} rows[] = {
		{ "GET " WATCH, UPGRADE, 0 },
		{ "GET " WATCH "?token=x&since=5&other=1", UPGRADE, 0 },
		{ "GET /api/sessions/ws/no-uuid", UPGRADE, 0 },
		{ "GET /api/sessions/ws/", UPGRADE, 404 },
		{ "GET /api/sessions/ws", UPGRADE, 404 },
		{ "GET " WATCH "/", UPGRADE, 404 },
		{ "GET /", UPGRADE, 404 },
		{ "GET /milepost/ws/healthz/x", "", 404 },
		{ "POST " WATCH, UPGRADE, 405 },
		{ "POST /milepost/ws/healthz", "", 405 },
		{ "GET " WATCH, "", 426 },
		{ "GET " WATCH "?since=-1", UPGRADE, 400 },
		{ "GET " WATCH "?since=", UPGRADE, 400 },
		{ "GET " WATCH "?since=1x", UPGRADE, 400 },
		{ "GET " WATCH "?since=9223372036854775807", UPGRADE, 0 },
		{ "GET " WATCH "?since=9223372036854775808", UPGRADE, 400 },
		{ "GET " WATCH "?token=a&token=b", UPGRADE, 400 },
		{ "GET " WATCH "?token=%zz", UPGRADE, 400 },
		{ "GET " WATCH "?token=%00", UPGRADE, 400 },
		{ "GET " WATCH, UPGRADE "Origin: a\r\nOrigin: a\r\n", 400 },
		{ "GET " EVENTS, "", 0 },
		{ "GET " EVENTS, UPGRADE, 0 },
		{ "GET " EVENTS "?token=x&since=5&lastEventId=&other=1", "Last-Event-ID:\r\n", 0 },
		{ "GET /api/sessions/no-uuid/events", "", 0 },
		{ "GET /api/sessions//events", "", 404 },
		{ "GET /api/sessions/events", "", 404 },
		{ "GET /api/sessions/ws/x/events", "", 404 },
		{ "GET " EVENTS "/", "", 404 },
		{ "GET " EVENTS "x", "", 404 },
		{ "GET /api/sessions/" SESSION "/event", "", 404 },
		{ "POST " EVENTS, "", 405 },
		{ "OPTIONS " EVENTS, "", 0 },
		{ "OPTIONS " EVENTS, "Origin: a\r\nOrigin: a\r\n", 400 },
		{ "OPTIONS " WATCH, "", 405 },
		{ "HEAD " EVENTS, "", 405 },
		{ "GET " EVENTS "?token=%zz", "", 400 },
		{ "GET " EVENTS "?token=a&token=b", "", 400 },
		{ "GET " EVENTS "?since=x", "", 400 },
		{ "GET " EVENTS "?lastEventId=x", "", 400 },
		{ "GET " EVENTS "?lastEventId=1&lastEventId=1", "", 400 },
		{ "GET " EVENTS, "Last-Event-ID: -1\r\n", 400 },
		{ "GET " EVENTS, "Last-Event-ID: 9223372036854775807\r\n", 0 },
		{ "GET " EVENTS, "Last-Event-ID: 9223372036854775808\r\n", 400 },
		{ "GET " EVENTS, "Last-Event-ID: 1\r\nLast-Event-ID: 1\r\n", 400 },
		{ "GET " EVENTS, "Origin: a\r\nOrigin: a\r\n", 400 },
		/* A body is read by nobody; but what is wrong first is said first. */
		{ "GET " EVENTS, "Content-Length: 0\r\n", 0 },
		{ "GET " EVENTS, "Content-Length: 1\r\n", 400 },
		{ "GET " EVENTS, "Content-Length: 00\r\n", 400 },
		{ "GET " EVENTS, "Content-Length: -0\r\n", 400 },
		{ "GET " EVENTS, "Content-Length: 0, 0\r\n", 400 },
		{ "GET " EVENTS, "Content-Length:\r\n", 400 },
		{ "GET " EVENTS, "Content-Length: 0\r\ncontent-length: 5\r\n", 400 },
		{ "GET " EVENTS, "Transfer-Encoding: chunked\r\n", 400 },
		{ "GET " EVENTS, "Transfer-Encoding: identity\r\n", 400 },
		{ "GET " EVENTS, "Transfer-Encoding:\r\n", 400 },
		{ "GET " WATCH, UPGRADE "Content-Length: 5\r\n", 400 },
		{ "GET /milepost/ws/healthz", "Content-Length: 5\r\n", 400 },
		{ "POST " EVENTS, "Content-Length: 5\r\n", 405 },
		{ "POST " WATCH, UPGRADE "Transfer-Encoding: chunked\r\n", 405 },
		{ "POST /", "Content-Length: 5\r\n", 404 },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct asked asked;

		ask(&asked, rows[i].line, rows[i].headers, "");
		if (asked.request.status != rows[i].status)
			fail_msg("%s: %d, not %d", rows[i].line, asked.request.status, rows[i].status);
		assert_int_equal(asked.request.kind == REQUEST_REFUSED, rows[i].status != 0);
		done(&asked);
	}
}

static void
test_pages(void **state)
{
	static const struct {
		const char *line;
		enum request_kind kind;
	} rows[] = {
		{ "GET /milepost/ws/healthz", REQUEST_HEALTHZ },
		{ "GET /milepost/ws/readyz?x=1", REQUEST_READYZ },
		{ "GET /milepost/ws/metrics", REQUEST_METRICS },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct asked asked;

		ask(&asked, rows[i].line, "", "");
		assert_int_equal(asked.request.kind, rows[i].kind);
		done(&asked);
	}
}

static void
test_token_places(void **state)
{
	static const struct {
		const char *line, *headers, *token; /* NULL: none */
		bool with_bearer;
	} rows[] = {
		{ "GET " WATCH, UPGRADE, NULL, false },
		{ "GET " WATCH "?token=", UPGRADE, NULL, false },
		{ "GET " WATCH "?token=q", UPGRADE, "q", false },
		{ "GET " WATCH "?token=q%2Er", UPGRADE, "q.r", false },
		{ "GET " WATCH, UPGRADE "Authorization: Bearer h\r\n", "h", false },
		{ "GET " WATCH, UPGRADE "authorization: bearer  h\r\n", "h", false },
		{ "GET " WATCH, UPGRADE "Authorization: Basic h\r\n", NULL, false },
		{ "GET " WATCH, UPGRADE "Sec-WebSocket-Protocol: bearer, p\r\n", "p", true },
		{ "GET " WATCH "?token=q", UPGRADE "Authorization: Bearer h\r\n"
		  "Sec-WebSocket-Protocol: bearer, p\r\n", "q", true },
		{ "GET " WATCH, UPGRADE "Authorization: Bearer h\r\n"
		  "Sec-WebSocket-Protocol: bearer, p\r\n", "h", true },
		{ "GET " WATCH "?token=", UPGRADE "Authorization: Bearer h\r\n", "h", false },
		{ "GET " WATCH, UPGRADE "Sec-WebSocket-Protocol: chat, p\r\n", NULL, false },
		{ "GET " EVENTS, "", NULL, false },
		{ "GET " EVENTS "?token=q", "", "q", false },
		{ "GET " EVENTS, "Authorization: Bearer h\r\n", "h", false },
		{ "GET " EVENTS "?token=q", "Authorization: Bearer h\r\n", "q", false },
		{ "GET " EVENTS "?token=", "Authorization: Bearer h\r\n", "h", false },
		{ "GET " EVENTS, "Sec-WebSocket-Protocol: bearer, p\r\n", NULL, false },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct asked asked;

		ask(&asked, rows[i].line, rows[i].headers, "");
		assert_int_equal(asked.request.kind,
		    strstr(rows[i].line, "/events") != NULL ? REQUEST_EVENTS : REQUEST_WATCH);
		if (!text_equal(asked.request.token, text_of(rows[i].token)))
			fail_msg("row %zu: %.*s", i, TEXT_ARG(asked.request.token));
		assert_int_equal(asked.request.with_bearer, rows[i].with_bearer);
		assert_true(text_is(asked.request.session, SESSION));
		done(&asked);
	}
}

static void
test_since(void **state)
{
	struct asked asked;

	(void)state;
	ask(&asked, "GET " WATCH "?since=0", UPGRADE, "");
	assert_true(asked.request.has_since);
	assert_int_equal(asked.request.since, 0);
	done(&asked);
	ask(&asked, "GET " WATCH "?token=x&since=123456789012", UPGRADE, "");
	assert_int_equal(asked.request.since, 123456789012);
	done(&asked);
	ask(&asked, "GET " WATCH, UPGRADE, "");
	assert_false(asked.request.has_since);
	done(&asked);
}

/* A client of events that comes back says where it was behind what its URL has always said. */
static void
test_last_event(void **state)
{
	static const struct {
		const char *line, *headers;
		int64_t since; /* -1: none */
	} rows[] = {
		{ "GET " EVENTS, "", -1 },
		{ "GET " EVENTS "?lastEventId=", "Last-Event-ID: \r\n", -1 },
		{ "GET " EVENTS "?since=0", "", 0 },
		{ "GET " EVENTS, "last-event-id: 7\r\n", 7 },
		{ "GET " EVENTS "?lastEventId=7", "", 7 },
		{ "GET " EVENTS "?since=9&lastEventId=7", "", 7 },
		{ "GET " EVENTS "?since=9&lastEventId=8", "Last-Event-ID: 7\r\n", 7 },
		{ "GET " EVENTS "?since=9&lastEventId=", "Last-Event-ID:\r\n", 9 },
		/* A WebSocket knows nothing of it. */
		{ "GET " WATCH "?lastEventId=x", UPGRADE "Last-Event-ID: x\r\n", -1 },
		{ "GET " WATCH "?since=9&lastEventId=8", UPGRADE "Last-Event-ID: 7\r\n", 9 },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct asked asked;

		ask(&asked, rows[i].line, rows[i].headers, "");
		assert_int_equal(asked.request.status, 0);
		assert_int_equal(asked.request.has_since, rows[i].since >= 0);
		if (rows[i].since >= 0)
			assert_int_equal(asked.request.since, rows[i].since);
		done(&asked);
	}
}

static void
test_origins(void **state)
{
	static const struct {
		const char *origins, *headers;
		bool allowed;
	} rows[] = {
		{ "", UPGRADE "Origin: https://evil.example\r\n", true },
		{ "https://a.example", UPGRADE, true },
		{ "https://a.example", UPGRADE "Origin: https://a.example\r\n", true },
		{ "https://a.example", UPGRADE "Origin: https://a.example.evil\r\n", false },
		{ "https://a.example", UPGRADE "Origin: https://a.exampl\r\n", false },
		{ "https://a.example", UPGRADE "Origin: null\r\n", false },
		{ "https://a.example  https://b.example", UPGRADE "Origin: https://b.example\r\n",
		  true },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct asked asked;

		ask(&asked, "GET " WATCH, rows[i].headers, rows[i].origins);
		if ((asked.request.status == 403) == rows[i].allowed)
			fail_msg("row %zu: status %d", i, asked.request.status);
		done(&asked);
		ask(&asked, "GET " EVENTS, rows[i].headers, rows[i].origins);
		if ((asked.request.status == 403) == rows[i].allowed)
			fail_msg("events, row %zu: status %d", i, asked.request.status);
		done(&asked);
		ask(&asked, "OPTIONS " EVENTS, rows[i].headers, rows[i].origins);
		if ((asked.request.kind == REQUEST_PREFLIGHT) != rows[i].allowed)
			fail_msg("preflight, row %zu: status %d", i, asked.request.status);
		done(&asked);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_statuses),
		cmocka_unit_test(test_pages),
		cmocka_unit_test(test_token_places),
		cmocka_unit_test(test_since),
		cmocka_unit_test(test_last_event),
		cmocka_unit_test(test_origins),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
