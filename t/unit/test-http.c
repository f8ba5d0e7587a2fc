/* test-http.c: request heads, right and wrong in every way that matters, and responses. */
#include "wire/http.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* Parses a copy without a NUL behind it, so that the sanitizer sees a byte too many. */
struct parsed {
	char *data;
	struct http_head head;
	const char *why;
	enum err err;
};

static void
parse(struct parsed *parsed, const char *data, size_t len)
{
	size_t scanned = 0, end;

	parsed->data = malloc(len);
	memcpy(parsed->data, data, len);
	end = http_head_end(parsed->data, len, &scanned);
	assert_true(end > 0);
	parsed->err = http_parse(parsed->data, end, &parsed->head, &parsed->why);
	if (parsed->err == ERR_OK)
		assert_null(parsed->why);
	else
		assert_non_null(parsed->why);
}

static void
test_a_head(void **state)
{
	static const char data[] = "GET /api/x%20y?token=a?b&c= HTTP/1.1\r\nHost: h:8000\r\n"
	    "X-Empty:\r\nX-Space: \t a b\t \r\nX-Space:2\r\nX-Latin: caf\xe9\r\n\r\nrest";
	struct text value = { NULL, 0 };
	struct parsed parsed;

	(void)state;
	parse(&parsed, data, strlen(data));
	assert_int_equal(parsed.err, ERR_OK);
	assert_true(text_is(parsed.head.method, "GET"));
	assert_true(text_is(parsed.head.path, "/api/x%20y"));
	assert_true(text_is(parsed.head.query, "token=a?b&c="));
	assert_int_equal(parsed.head.header_count, 5);
	assert_int_equal(http_header(&parsed.head, "x-empty", &value), 1);
	assert_true(text_is(value, ""));
	assert_int_equal(http_header(&parsed.head, "X-SPACE", &value), 2);
	assert_true(text_is(value, "a b"));
	assert_int_equal(http_header(&parsed.head, "X-Latin", &value), 1);
	assert_true(text_is(value, "caf\xe9"));
	value = text_of("untouched");
	assert_int_equal(http_header(&parsed.head, "X-Spac", &value), 0);
	assert_true(text_is(value, "untouched"));
	free(parsed.data);
}

/* Each row is a head without its last CRLF pair. */
static const struct {
	const char *head;
	bool ok;
} heads[] = {
	{ "GET / HTTP/1.1\r\nHost: h", true },
	{ "GET / HTTP/1.1\r\nHost:h", true },
	{ "GET / HTTP/1.1\r\nHost:", true },
	{ "get / HTTP/1.1\r\nHost: h", true }, /* a method of its own */
	{ "M-SEARCH /! HTTP/1.1\r\nHost: h", true },
	{ "GET /? HTTP/1.1\r\nHost: h", true },
	{ "GET //x HTTP/1.1\r\nHost: h", true },
	{ "GET / HTTP/1.1\r\nhOST: h", true },
	{ "GET / HTTP/1.1\r\nHost: h\r\nContent-Length: 0", true },
	{ "GET / HTTP/1.1\r\nHost: h\r\n!#$%&'*+-.^_`|~09azAZ: x", true },
	/* The request line. */
	{ "", false },
	{ "GET", false },
	{ "GET /", false },
	{ "GET  / HTTP/1.1\r\nHost: h", false },
	{ "GET /  HTTP/1.1\r\nHost: h", false },
	{ "GET / HTTP/1.1 \r\nHost: h", false },
	{ " GET / HTTP/1.1\r\nHost: h", false },
	{ "\r\nGET / HTTP/1.1\r\nHost: h", false },
	{ " / HTTP/1.1\r\nHost: h", false },
	{ "G(T / HTTP/1.1\r\nHost: h", false },
	{ "GET\t/ HTTP/1.1\r\nHost: h", false },
	{ "G\xc3\x89T / HTTP/1.1\r\nHost: h", false },
	{ "GET x HTTP/1.1\r\nHost: h", false },
	{ "GET * HTTP/1.1\r\nHost: h", false },
	{ "GET http://h/ HTTP/1.1\r\nHost: h", false },
	{ "CONNECT h:80 HTTP/1.1\r\nHost: h", false },
	{ "GET /a b HTTP/1.1\r\nHost: h", false },
	{ "GET /a\tb HTTP/1.1\r\nHost: h", false },
	{ "GET /#x HTTP/1.1\r\nHost: h", false },
	{ "GET /\x01 HTTP/1.1\r\nHost: h", false },
	{ "GET /\x7f HTTP/1.1\r\nHost: h", false },
	{ "GET /caf\xc3\xa9 HTTP/1.1\r\nHost: h", false },
	{ "GET /\rx HTTP/1.1\r\nHost: h", false },
	{ "GET /\nx HTTP/1.1\r\nHost: h", false },
	{ "GET / HTTP/1.0\r\nHost: h", false },
	{ "GET / HTTP/1.2\r\nHost: h", false },
	{ "GET / HTTP/2\r\nHost: h", false },
	{ "GET / HTTP/1.10\r\nHost: h", false },
	{ "GET / http/1.1\r\nHost: h", false },
	{ "GET / HTTP/1.1\nHost: h", false },
	/* Headers. */
	{ "GET / HTTP/1.1", false },
	{ "GET / HTTP/1.1\r\nHost: h\r\nHost: h", false },
	{ "GET / HTTP/1.1\r\nHost: h\r\nhost: i", false },
	{ "GET / HTTP/1.1\r\nHosts: h", false },
	{ "GET / HTTP/1.1\r\nHost : h", false },
	{ "GET / HTTP/1.1\r\nHost: h\r\nX : 1", false },
	{ "GET / HTTP/1.1\r\nHost: h\r\n: 1", false },
	{ "GET / HTTP/1.1\r\nHost: h\r\nX", false },
	{ "GET / HTTP/1.1\r\n Host: h", false },
	{ "GET / HTTP/1.1\r\nHost: h\r\n folded", false },
	{ "GET / HTTP/1.1\r\nHost: h\r\n folded: x", false },
	{ "GET / HTTP/1.1\r\nHost: h\r\n\tfolded: x", false },
	{ "GET / HTTP/1.1\r\nHost: h\nX: 1", false },
	{ "GET / HTTP/1.1\r\nHost: h\rX: 1", false },
	{ "GET / HTTP/1.1\r\nHost: h\r\r\nX: 1", false },
	{ "GET / HTTP/1.1\r\nHost: h\r\nX: a\x01", false },
	{ "GET / HTTP/1.1\r\nHost: h\r\nX: a\x7f", false },
	{ "GET / HTTP/1.1\r\nHost: h\r\nX\xc3\xa9: a", false },
	{ "GET / HTTP/1.1\r\nHost: h\r\nX(: a", false },
};

static void
test_heads(void **state)
{
	(void)state;
	for (size_t i = 0; i < countof(heads); i++) {
		struct parsed parsed;
		char data[256];
		int len = snprintf(data, sizeof(data), "%s\r\n\r\n", heads[i].head);

		parse(&parsed, data, (size_t)len);
		if (parsed.err != (heads[i].ok ? ERR_OK : ERR_INPUT))
			fail_msg("%s: %s", heads[i].head, parsed.err ? parsed.why : "ok");
		free(parsed.data);
	}
}

/* Every byte in every place of the grammar; a NUL, too. */
static void
test_every_byte(void **state)
{
	static const char token_marks[] = "!#$%&'*+-.^_`|~";
	static const char template[] = "G?T /? HTTP/1.1\r\nHost: h\r\nX?Y: a?b\r\n\r\n";

	(void)state;
	for (size_t place = 0; place < 4; place++) {
		for (int c = 0; c < 256; c++) {
			bool alnum = (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') ||
			    (c >= 'a' && c <= 'z');
			bool token = alnum || (c != 0 && strchr(token_marks, c) != NULL);
			bool ok = place == 1 ? c > ' ' && c < 0x7f && c != '#' :
			    place == 3	     ? c == '\t' || (c >= ' ' && c != 0x7f) : token;
			char data[sizeof(template)];
			struct parsed parsed;
			size_t at = 0;

			/* The other places get what is right in all of them. */
			for (size_t i = 0; i < sizeof(template); i++)
				data[i] = template[i] != '?' ? template[i] :
				    at++ == place	     ? (char)c : 'x';
			/* "X:Y: a" is a header X. */
			ok = ok || (place == 2 && c == ':');
			parse(&parsed, data, sizeof(template) - 1);
			if ((parsed.err == ERR_OK) != ok)
				fail_msg("place %zu, byte %02x", place, (unsigned)c);
			free(parsed.data);
		}
	}
}

/* A head that comes byte by byte, and at every split, ends where a whole one does. */
static void
test_end(void **state)
{
	static const struct {
		const char *data;
		size_t end;
	} rows[] = {
		{ "GET / HTTP/1.1\r\nHost: h\r\n\r\nrest\r\n\r\n", 27 },
		{ "\r\n\r\n", 4 },
		{ "a\r\n\r\n\r\n", 5 },
		{ "a\r\r\n\r\n", 6 },
		{ "a\n\n", 0 },
		{ "a\r\n\n\r\n", 0 },
		{ "a\r\n\r", 0 },
	};

	(void)state;
	for (size_t i = 0; i < countof(rows); i++) {
		size_t len = strlen(rows[i].data), scanned = 0, end = 0;

		for (size_t n = 0; n <= len && end == 0; n++) {
			end = http_head_end(rows[i].data, n, &scanned);
			if (end != 0)
				assert_int_equal(n, rows[i].end);
		}
		assert_int_equal(end, rows[i].end);
		for (size_t split = 0; split <= len; split++) {
			scanned = 0;
			end = http_head_end(rows[i].data, split, &scanned);
			if (end == 0)
				end = http_head_end(rows[i].data, len, &scanned);
			assert_int_equal(end, rows[i].end);
		}
	}
}

static void
test_how_many_headers(void **state)
{
	(void)state;
	for (size_t count = HTTP_HEADERS_MAX - 1; count <= HTTP_HEADERS_MAX + 1; count++) {
		struct buf data = BUF_INIT(4096);
		struct parsed parsed;

		buf_puts(&data, "GET / HTTP/1.1\r\nHost: h\r\n");
		for (size_t i = 1; i < count; i++)
			buf_puts(&data, "X: y\r\n");
		buf_puts(&data, "\r\n");
		parse(&parsed, data.data, data.len);
		assert_int_equal(parsed.err, count <= HTTP_HEADERS_MAX ? ERR_OK : ERR_LIMIT);
		if (parsed.err == ERR_OK)
			assert_int_equal(parsed.head.header_count, count);
		free(parsed.data);
		buf_fini(&data);
	}
}

static void
test_lists(void **state)
{
	static const struct {
		const char *value; /* of Connection; a bar parts two headers */
		bool upgrade;
	} rows[] = {
		{ "upgrade", true },
		{ "Upgrade", true },
		{ "keep-alive, Upgrade", true },
		{ "keep-alive,Upgrade,close", true },
		{ " ,, upgrade\t,", true },
		{ "keep-alive|upgrade", true },
		{ "upgrade|keep-alive", true },
		{ "", false },
		{ ",", false },
		{ "upgrades", false },
		{ "up grade", false },
		{ "keep-alive; upgrade", false },
		{ "keep-alive", false },
	};

	(void)state;
	for (size_t i = 0; i < countof(rows); i++) {
		struct http_head head = { .header_count = 0 };
		const char *bar = strchr(rows[i].value, '|');
		size_t first = bar != NULL ? (size_t)(bar - rows[i].value) : strlen(rows[i].value);

		head.headers[head.header_count++] =
		    (struct http_header){ text_of("connection"), { rows[i].value, first } };
		if (bar != NULL)
			head.headers[head.header_count++] =
			    (struct http_header){ text_of("Connection"), text_of(bar + 1) };
		if (http_header_lists(&head, "Connection", "upgrade") != rows[i].upgrade)
			fail_msg("%s", rows[i].value);
		assert_false(http_header_lists(&head, "Upgrade", "upgrade"));
	}
}

static void
test_elements(void **state)
{
	struct text list = text_of(" a ,b,, \t,c d , "), element;

	(void)state;
	assert_true(http_next_element(&list, &element));
	assert_true(text_is(element, "a"));
	assert_true(http_next_element(&list, &element));
	assert_true(text_is(element, "b"));
	assert_true(http_next_element(&list, &element));
	assert_true(text_is(element, "c d"));
	assert_false(http_next_element(&list, &element));
	assert_null(list.s);
	assert_false(http_next_element(&list, &element));
	assert_false(http_is_token(text_of("")));
	assert_false(http_is_token(text_of(NULL)));
	assert_true(http_is_token(text_of("eyJh.eyJz.c2ln-_")));
}

static void
test_reply(void **state)
{
	struct buf out = BUF_INIT(4096);

	(void)state;
	http_write_start(&out, 426);
	buf_puts(&out, "Sec-WebSocket-Version: 13\r\n");
	http_write_body(&out, "text/plain", text_of("no\n"));
	assert_string_equal(buf_cstr(&out), "HTTP/1.1 426 Upgrade Required\r\n"
					    "Connection: close\r\n"
					    "Sec-WebSocket-Version: 13\r\n"
					    "Content-Type: text/plain\r\n"
					    "Content-Length: 3\r\n"
					    "\r\n"
					    "no\n");
	buf_reset(&out);
	http_write_start(&out, 200);
	http_write_body(&out, "a/b", text_of(NULL));
	assert_string_equal(buf_cstr(&out), "HTTP/1.1 200 OK\r\n"
					    "Connection: close\r\n"
					    "Content-Type: a/b\r\n"
					    "Content-Length: 0\r\n"
					    "\r\n");
	buf_reset(&out);
	http_write_start(&out, 204);
	http_write_no_body(&out);
	assert_string_equal(buf_cstr(&out), "HTTP/1.1 204 No Content\r\n"
					    "Connection: close\r\n"
					    "\r\n");
	buf_fini(&out);
}

/* Every status of the contract has its phrase (RFC 9110 section 15). */
static void
test_reasons(void **state)
{
	static const struct {
		int status;
		const char *reason;
	} rows[] = {
		{ 200, "OK" }, { 201, "Created" }, { 204, "No Content" }, { 304, "Not Modified" },
		{ 400, "Bad Request" }, { 401, "Unauthorized" }, { 403, "Forbidden" },
		{ 404, "Not Found" }, { 405, "Method Not Allowed" }, { 408, "Request Timeout" },
		{ 409, "Conflict" }, { 411, "Length Required" }, { 413, "Content Too Large" },
		{ 415, "Unsupported Media Type" }, { 422, "Unprocessable Content" },
		{ 426, "Upgrade Required" }, { 429, "Too Many Requests" },
		{ 431, "Request Header Fields Too Large" }, { 500, "Internal Server Error" },
		{ 503, "Service Unavailable" }, { 299, "Error" }, { 0, "Error" },
	};

	(void)state;
	for (size_t i = 0; i < countof(rows); i++)
		assert_string_equal(http_reason(rows[i].status), rows[i].reason);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_a_head),
		cmocka_unit_test(test_heads),
		cmocka_unit_test(test_every_byte),
		cmocka_unit_test(test_end),
		cmocka_unit_test(test_how_many_headers),
		cmocka_unit_test(test_lists),
		cmocka_unit_test(test_elements),
		cmocka_unit_test(test_reply),
		cmocka_unit_test(test_reasons),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
