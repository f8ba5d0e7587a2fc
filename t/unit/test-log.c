/* test-log.c: lines as they leave the process, and that no value can forge one. */
#include "base/log.h"

#include "base/attr.h"
#include "wire/json.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#define TIME_LEN (sizeof("2025-12-19T10:30:00Z") - 1)

/* Standard error led into a pipe. */
struct capture {
	int saved, pipe[2];
	char text[8192];
	size_t len;
};

static void
capture_begin(struct capture *capture)
{
	assert_int_equal(pipe2(capture->pipe, O_CLOEXEC | O_NONBLOCK), 0);
	capture->saved = dup(STDERR_FILENO);
	assert_true(dup2(capture->pipe[1], STDERR_FILENO) >= 0);
}

/* Puts standard error back; text is what was written to it, NUL-terminated. */
static void
capture_end(struct capture *capture)
{
	ssize_t n;

	dup2(capture->saved, STDERR_FILENO);
	close(capture->saved);
	close(capture->pipe[1]);
	capture->len = 0;
	while ((n = read(capture->pipe[0], capture->text + capture->len,
	    sizeof(capture->text) - 1 - capture->len)) > 0)
		capture->len += (size_t)n;
	capture->text[capture->len] = '\0';
	close(capture->pipe[0]);
}

/* Overwrites the line's time by dots, so that lines can be compared. */
static const char *
without_time(struct capture *capture, const char *before)
{
	size_t at = strlen(before);

	assert_memory_equal(capture->text, before, at);
	assert_int_equal(capture->text[at + 10], 'T');
	assert_int_equal(capture->text[at + TIME_LEN - 1], 'Z');
	memset(capture->text + at, '.', TIME_LEN);
	return capture->text + at + TIME_LEN;
}

static void
test_before_setup(void **state)
{
	struct capture capture;

	(void)state;
	capture_begin(&capture);
	log_debug("not.this");
	log_info("this");
	capture_end(&capture);
	assert_string_equal(without_time(&capture, "time="),
	    " level=info program=\"\" event=this\n");
}

static void
test_fields(void **state)
{
	struct capture capture;

	(void)state;
	log_setup("milepost-ws", LOG_LEVEL_INFO, LOG_FORMAT_KV);
	capture_begin(&capture);
	log_info("ws.open", LOG_INT("conn", 7), LOG_STR("user", "550e8400-e29b"),
	    LOG_TEXT("part", ((struct text){ "abcdef", 3 })), LOG_INT("low", INT64_MIN),
	    LOG_STR("empty", ""), LOG_STR("absent", NULL));
	capture_end(&capture);
	assert_string_equal(without_time(&capture, "time="),
	    " level=info program=milepost-ws event=ws.open conn=7 user=550e8400-e29b part=abc"
	    " low=-9223372036854775808 empty=\"\" absent=\"\"\n");
}

static void
test_json(void **state)
{
	struct capture capture;

	(void)state;
	log_setup("milepost-ws", LOG_LEVEL_INFO, LOG_FORMAT_JSON);
	capture_begin(&capture);
	log_warn("ws.close", LOG_INT("code", 1000), LOG_STR("reason", "a \"b\" \\ c\n"));
	capture_end(&capture);
	assert_string_equal(without_time(&capture, "{\"time\":\""),
	    "\",\"level\":\"warn\",\"program\":\"milepost-ws\",\"event\":\"ws.close\","
	    "\"code\":1000,\"reason\":\"a \\\"b\\\" \\\\ c\\u000a\"}\n");
}

static void
test_levels(void **state)
{
	static const char *const names[] = { "error", "warn", "info", "debug" };

	(void)state;
	for (int level = LOG_LEVEL_ERROR; level <= LOG_LEVEL_DEBUG; level++) {
		struct capture capture;
		size_t lines = 0;

		log_setup("t", (enum log_level)level, LOG_FORMAT_KV);
		capture_begin(&capture);
		log_error("e");
		log_warn("w");
		log_info("i");
		log_debug("d");
		capture_end(&capture);
		for (const char *at = capture.text; (at = strchr(at, '\n')) != NULL; at++)
			lines++;
		assert_int_equal(lines, level + 1);
		for (int i = 0; i < 4; i++) {
			char word[16];

			snprintf(word, sizeof(word), "level=%s ", names[i]);
			assert_int_equal(strstr(capture.text, word) != NULL, i <= level);
		}
	}
}

/* What a client might send to write lines of its own, and how it comes out as key=value. */
static void
test_forging(void **state)
{
	static const struct {
		const char *value;
		size_t len; /* 0: strlen */
		const char *written;
	} rows[] = {
		{ "a b", 0, "\"a b\"" },
		{ "x event=ws.open", 0, "\"x event=ws.open\"" },
		{ "x\ntime=now level=error", 0, "\"x\\u000atime=now level=error\"" },
		{ "x\r\n", 0, "\"x\\u000d\\u000a\"" },
		{ "x\" event=y z=\"", 0, "\"x\\\" event=y z=\\\"\"" },
		{ "x\\", 0, "\"x\\\\\"" },
		{ "x\\\" event=y", 0, "\"x\\\\\\\" event=y\"" },
		{ "a=b", 0, "\"a=b\"" },
		{ "a\tb", 0, "\"a\\u0009b\"" },
		{ "a\0b", 3, "\"a\\u0000b\"" },
		{ "\x1b[2J", 0, "\"\\u001b[2J\"" },
		{ "\x7f", 0, "\"\\u007f\"" },
		{ "caf\xc3\xa9", 0, "\"caf\\u00c3\\u00a9\"" },
		{ "\xe2\x80\xa8", 0, "\"\\u00e2\\u0080\\u00a8\"" },
		{ "\xff", 0, "\"\\u00ff\"" },
		{ "{\"a\":1}", 0, "\"{\\\"a\\\":1}\"" },
		{ "plain-word_1.2:3/4,5;6'7", 0, "plain-word_1.2:3/4,5;6'7" },
	};

	(void)state;
	log_setup("t", LOG_LEVEL_INFO, LOG_FORMAT_KV);
	for (size_t i = 0; i < countof(rows); i++) {
		struct capture capture;
		char expected[256];
		struct text value = { rows[i].value,
			rows[i].len > 0 ? rows[i].len : strlen(rows[i].value) };

		capture_begin(&capture);
		log_info("e", LOG_TEXT("k", value), LOG_INT("n", 1));
		capture_end(&capture);
		snprintf(expected, sizeof(expected), " level=info program=t event=e k=%s n=1\n",
		    rows[i].written);
		assert_string_equal(without_time(&capture, "time="), expected);
	}
}

/* Every byte, in both forms: one line of visible ASCII. */
static void
test_every_byte(void **state)
{
	(void)state;
	for (int format = LOG_FORMAT_KV; format <= LOG_FORMAT_JSON; format++) {
		log_setup("t", LOG_LEVEL_INFO, (enum log_format)format);
		for (int byte = 0; byte < 256; byte++) {
			struct capture capture;
			char value[] = { 'a', (char)byte, 'b' };

			capture_begin(&capture);
			log_info("e", LOG_TEXT("k", ((struct text){ value, sizeof(value) })));
			capture_end(&capture);
			for (size_t i = 0; i + 1 < capture.len; i++)
				assert_in_range(capture.text[i], ' ', '~');
			assert_int_equal(capture.text[capture.len - 1], '\n');
		}
	}
}

/* Values that are too long, at every length: one line below the limit, and as JSON a whole one. */
static void
test_long_values(void **state)
{
	static char value[3000];

	(void)state;
	memset(value, '\x01', sizeof(value)); /* six bytes each, as written */
	log_setup("t", LOG_LEVEL_INFO, LOG_FORMAT_JSON);
	for (size_t len = 0; len <= sizeof(value); len += len < 600 ? 1 : 50) {
		struct text t = { value, len };
		struct capture capture;
		struct json *json;
		const char *why;

		capture_begin(&capture);
		log_info("e", LOG_INT("first", 1), LOG_TEXT("a", t), LOG_TEXT("b", t),
		    LOG_TEXT("c", t), LOG_TEXT("d", t), LOG_INT("last", 2));
		capture_end(&capture);
		assert_true(capture.len <= 2048);
		assert_ptr_equal(strchr(capture.text, '\n'), capture.text + capture.len - 1);
		if (json_parse((struct text){ capture.text, capture.len }, &json, &why) != ERR_OK)
			fail_msg("length %zu: %s: %s", len, why, capture.text);
		/* A long value takes no room from those behind it. */
		assert_int_equal(json_integer(json, "first"), 1);
		assert_int_equal(json_kind(json, "a"), JSON_STRING);
		assert_int_equal(json_kind(json, "b"), JSON_STRING);
		assert_int_equal(json_integer(json, "last"), 2);
		json_free(&json);
	}
}

static void
test_long_words(void **state)
{
	static char word[3000], expected[600];
	struct capture capture;

	(void)state;
	memset(word, 'w', sizeof(word));
	log_setup("t", LOG_LEVEL_INFO, LOG_FORMAT_KV);
	capture_begin(&capture);
	log_info("e", LOG_TEXT("k", ((struct text){ word, sizeof(word) })), LOG_INT("n", 1));
	capture_end(&capture);
	snprintf(expected, sizeof(expected), " level=info program=t event=e k=%.512s n=1\n", word);
	assert_string_equal(without_time(&capture, "time="), expected);
}

static void
test_errno_is_preserved(void **state)
{
	struct capture capture;
	int full = open("/dev/full", O_WRONLY | O_CLOEXEC), seen;

	(void)state;
	assert_true(full >= 0);
	log_setup("t", LOG_LEVEL_INFO, LOG_FORMAT_KV);
	capture_begin(&capture);
	errno = EBADF;
	log_info("e");
	seen = errno;
	capture_end(&capture);
	assert_int_equal(seen, EBADF);

	/* A disk that is full stops nothing either. */
	capture_begin(&capture);
	dup2(full, STDERR_FILENO);
	errno = EBADF;
	log_info("e");
	seen = errno;
	capture_end(&capture);
	close(full);
	assert_int_equal(seen, EBADF);
	assert_string_equal(capture.text, "");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_before_setup),
		cmocka_unit_test(test_fields),
		cmocka_unit_test(test_json),
		cmocka_unit_test(test_levels),
		cmocka_unit_test(test_forging),
		cmocka_unit_test(test_every_byte),
		cmocka_unit_test(test_long_values),
		cmocka_unit_test(test_long_words),
		cmocka_unit_test(test_errno_is_preserved),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
