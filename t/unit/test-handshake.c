/* test-handshake.c: opening handshakes with every header wrong in turn, and the answer. */
#include "wire/handshake.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#define KEY "dGhlIHNhbXBsZSBub25jZQ=="

/* The handshake of RFC 6455 section 1.2, less what a row replaces. */
#define UPGRADE "Upgrade: websocket\r\n"
#define CONNECTION "Connection: Upgrade\r\n"
#define WS_VERSION "Sec-WebSocket-Version: 13\r\n"
#define KEYED "Sec-WebSocket-Key: " KEY "\r\n"
#define PROTOCOL "Sec-WebSocket-Protocol: "

static enum err
read_handshake(const char *headers, char text[1024], struct handshake *out, const char **why)
{
	struct http_head head;
	int len = snprintf(text, 1024, "GET /x HTTP/1.1\r\nHost: h\r\n%s\r\n", headers);

	*why = NULL;
	assert_int_equal(http_parse(text, (size_t)len, &head, why), ERR_OK);
	return handshake_read(&head, out, why);
}

static void
test_headers(void **state)
{
	static const struct {
		const char *headers;
		enum err err;
	} rows[] = {
		{ UPGRADE CONNECTION WS_VERSION KEYED, ERR_OK },
		{ KEYED WS_VERSION CONNECTION UPGRADE, ERR_OK },
		{ "upgrade: WebSocket\r\nconnection: keep-alive, UPGRADE\r\n"
		  "sec-websocket-version: 13\r\nsec-websocket-key: " KEY "\r\n", ERR_OK },
		{ "Upgrade: h2c, websocket\r\n" CONNECTION WS_VERSION KEYED, ERR_OK },
		{ UPGRADE "Connection: a\r\nConnection: upgrade\r\n" WS_VERSION KEYED, ERR_OK },
		{ UPGRADE CONNECTION WS_VERSION KEYED
		  "Sec-WebSocket-Extensions: permessage-deflate\r\n", ERR_OK },
		{ UPGRADE CONNECTION WS_VERSION KEYED "Origin: https://a.example\r\n", ERR_OK },
		/* No WebSocket of our version. */
		{ "", ERR_ABSENT },
		{ CONNECTION WS_VERSION KEYED, ERR_ABSENT },
		{ "Upgrade: h2c\r\n" CONNECTION WS_VERSION KEYED, ERR_ABSENT },
		{ "Upgrade: websockets\r\n" CONNECTION WS_VERSION KEYED, ERR_ABSENT },
		{ UPGRADE CONNECTION KEYED, ERR_ABSENT },
		{ UPGRADE CONNECTION "Sec-WebSocket-Version: 8\r\n" KEYED, ERR_ABSENT },
		{ UPGRADE CONNECTION "Sec-WebSocket-Version: 8, 13\r\n" KEYED, ERR_ABSENT },
		{ UPGRADE CONNECTION "Sec-WebSocket-Version: 013\r\n" KEYED, ERR_ABSENT },
		{ UPGRADE CONNECTION "Sec-WebSocket-Version:\r\n" KEYED, ERR_ABSENT },
		/* One, but malformed. */
		{ UPGRADE WS_VERSION KEYED, ERR_INPUT },
		{ UPGRADE "Connection: close\r\n" WS_VERSION KEYED, ERR_INPUT },
		{ UPGRADE CONNECTION WS_VERSION WS_VERSION KEYED, ERR_INPUT },
		{ UPGRADE CONNECTION WS_VERSION, ERR_INPUT },
		{ UPGRADE CONNECTION WS_VERSION KEYED KEYED, ERR_INPUT },
		{ UPGRADE CONNECTION WS_VERSION KEYED PROTOCOL "a b\r\n", ERR_INPUT },
		{ UPGRADE CONNECTION WS_VERSION KEYED PROTOCOL "bearer, a=b\r\n", ERR_INPUT },
		{ UPGRADE CONNECTION WS_VERSION KEYED PROTOCOL "caf\xc3\xa9\r\n", ERR_INPUT },
	};

	(void)state;
	for (size_t i = 0; i < countof(rows); i++) {
		struct handshake handshake = { .key = text_of("untouched") };
		const char *why;
		char text[1024];
		enum err err = read_handshake(rows[i].headers, text, &handshake, &why);

		if (err != rows[i].err)
			fail_msg("row %zu: %s", i, err_name(err));
		assert_true(text_is(handshake.key, err == ERR_OK ? KEY : "untouched"));
		if (err == ERR_INPUT)
			assert_non_null(why);
	}
}

/* Sixteen bytes in base64: 22 characters, the last of which has four bits of zero, and "==". */
static void
test_keys(void **state)
{
	static const struct {
		const char *key;
		bool ok;
	} rows[] = {
		{ KEY, true },
		{ "AAAAAAAAAAAAAAAAAAAAAA==", true },
		{ "AZaz09+/AZaz09+/AZaz0w==", true }, /* the ends of the alphabet's ranges */
		{ "/////////////////////w==", true },
		{ "+/+/+/+/+/+/+/+/+/+/+A==", true },
		{ "AQIDBAUGBwgJCgsMDQ4PEA==", true },
		{ "AQIDBAUGBwgJCgsMDQ4PEC==", false }, /* so in section 4.1; bits too many */
		{ "", false },
		{ "AAAAAAAAAAAAAAAAAAAAAA", false },
		{ "AAAAAAAAAAAAAAAAAAAAAA=", false },
		{ "AAAAAAAAAAAAAAAAAAAAAAA=", false }, /* 17 bytes */
		{ "AAAAAAAAAAAAAAAAAAAAAAAA", false }, /* 18 */
		{ "AAAAAAAAAAAAAAAAAAAA", false },     /* 15 */
		{ "AAAAAAAAAAAAAAAAAAAAA===", false },
		{ "AAAAAAAAAAA=AAAAAAAAAA==", false },
		{ "AAAAAAAAAAA AAAAAAAAAA==", false },
		{ "AAAAAAAAAAA-AAAAAAAAAA==", false }, /* of base64url */
		{ "AAAAAAAAAAA_AAAAAAAAAA==", false },
		{ "AAAAAAAAAAAAAAAAAAAAAA==, " KEY, false },
	};

	(void)state;
	for (size_t i = 0; i < countof(rows); i++) {
		struct handshake handshake;
		char headers[256], text[1024];
		const char *why;

		snprintf(headers, sizeof(headers),
		    UPGRADE CONNECTION WS_VERSION "Sec-WebSocket-Key: %s\r\n", rows[i].key);
		if (read_handshake(headers, text, &handshake, &why) !=
		    (rows[i].ok ? ERR_OK : ERR_INPUT))
			fail_msg("%s", rows[i].key);
	}
}

static void
test_bearer(void **state)
{
	static const struct {
		const char *headers, *bearer; /* NULL: absent */
	} rows[] = {
		{ "", NULL },
		{ PROTOCOL "bearer, aaa.bbb.ccc\r\n", "aaa.bbb.ccc" },
		{ PROTOCOL "bearer,aaa.bbb.ccc\r\n", "aaa.bbb.ccc" },
		{ PROTOCOL "bearer\r\n" PROTOCOL "aaa.bbb.ccc\r\n", "aaa.bbb.ccc" },
		{ PROTOCOL ", bearer,, a ,\r\n", "a" },
		{ PROTOCOL "bearer, bearer\r\n", "bearer" },
		{ PROTOCOL "bearer\r\n", NULL },
		{ PROTOCOL "bearer, \r\n", NULL },
		{ PROTOCOL "\r\n", NULL },
		{ PROTOCOL "a, bearer\r\n", NULL },
		{ PROTOCOL "Bearer, a\r\n", NULL },
		{ PROTOCOL "bearer, a, b\r\n", NULL },
		{ PROTOCOL "chat, superchat\r\n", NULL },
	};

	(void)state;
	for (size_t i = 0; i < countof(rows); i++) {
		struct handshake handshake;
		char headers[512], text[1024];
		const char *why;

		snprintf(headers, sizeof(headers), UPGRADE CONNECTION WS_VERSION KEYED "%s",
		    rows[i].headers);
		assert_int_equal(read_handshake(headers, text, &handshake, &why), ERR_OK);
		if (!text_equal(handshake.bearer, text_of(rows[i].bearer)))
			fail_msg("%s", rows[i].headers);
	}
}

/* The key and the answer of RFC 6455 section 1.3. */
static void
test_answer(void **state)
{
	struct handshake handshake = { .key = text_of(KEY) };
	struct buf out = BUF_INIT(1024);

	(void)state;
	assert_int_equal(handshake_write(&out, &handshake, false), ERR_OK);
	assert_string_equal(buf_cstr(&out), "HTTP/1.1 101 Switching Protocols\r\n"
					    "Upgrade: websocket\r\n"
					    "Connection: Upgrade\r\n"
					    "Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n"
					    "\r\n");
	buf_reset(&out);
	assert_int_equal(handshake_write(&out, &handshake, true), ERR_OK);
	assert_string_equal(buf_cstr(&out), "HTTP/1.1 101 Switching Protocols\r\n"
					    "Upgrade: websocket\r\n"
					    "Connection: Upgrade\r\n"
					    "Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n"
					    "Sec-WebSocket-Protocol: bearer\r\n"
					    "\r\n");
	buf_fini(&out);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_headers),
		cmocka_unit_test(test_keys),
		cmocka_unit_test(test_bearer),
		cmocka_unit_test(test_answer),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
