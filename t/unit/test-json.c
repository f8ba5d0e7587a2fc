/* test-json.c: what is an acceptable object, how its members are read, and strings written. */
#include "wire/json.h"

#include "wire/utf8.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* Parses a copy without a NUL behind it, so that the sanitizer sees a byte too many. */
static enum err
parse(const char *data, size_t len, struct json **json, const char **why)
{
	char *copy = malloc(len > 0 ? len : 1);
	enum err err;

	memcpy(copy, data, len);
	err = json_parse((struct text){ copy, len }, json, why);
	free(copy);
	return err;
}

static struct json *
parsed(const char *data)
{
	struct json *json = NULL;
	const char *why;

	if (parse(data, strlen(data), &json, &why) != ERR_OK)
		fail_msg("%s: %s", data, why);
	return json;
}

static void
test_accepted(void **state)
{
	static const char *const rows[] = {
		"{}",
		" \t\r\n{ \t\r\n} \t\r\n",
		"{\"\":0}",
		"{\"a\":null,\"b\":true,\"c\":false,\"d\":[],\"e\":{},\"f\":\"\"}",
		"{\"a\":[1,[2,{\"b\":[]}],\"x:y,{\"]}",
		"{\"a\":[[1],[1],[1],[1],[1],[1],[1],[1],[1]]}", /* many, but not nested */
		"{\"a\":{\"a\":1},\"b\":[{\"a\":1},{\"a\":1}]}", /* one name in several objects */
		"{\"a:b\":\":\\\":\",\"c\":1}",
		"{\"a\":0,\"b\":-0,\"c\":0.0,\"d\":0e0,\"e\":1E+02}",
		"{\"f\":1.50e-07,\"g\":-10,\"h\":9.99}",
		"{\"a\":\"\\\"\\\\\\/\\b\\f\\n\\r\\t\\u00e9\"}",
		"{\"a\":\"\\\\u0000\",\"b\":\"\\\\\\\\u0000\"}", /* no escaped NUL */
		"{\"a\":\"'\",\"'\":1}",
		"{\"a\":\"\x7f\"}",
	};

	(void)state;
	for (size_t i = 0; i < countof(rows); i++) {
		struct json *json = parsed(rows[i]);

		json_free(&json);
		assert_null(json);
		json_free(&json);
	}
}

static void
test_refused(void **state)
{
	static const struct {
		const char *text, *why;
	} rows[] = {
		{ "", "the JSON is empty" },
		{ " \n", "the JSON is empty" },
		{ "[]", "not a JSON object" },
		{ "[{}]", "not a JSON object" },
		{ "\"x\"", "not a JSON object" },
		{ "1", "not a JSON object" },
		{ "null", "not a JSON object" },
		{ "NaN", "not a JSON object" },
		{ "\xef\xbb\xbf{}", "not a JSON object" }, /* a byte order mark */
		{ "{", "the JSON ends too early" },
		{ "{\"a", "the JSON ends too early" },
		{ "{\"a\\", "the JSON ends too early" },
		{ "{\"a\\\"", "the JSON ends too early" },
		{ "{\"a\":", "the JSON ends too early" },
		{ "{\"a\":1", "the JSON ends too early" },
		{ "{\"a\":[1", "the JSON ends too early" },
		{ "{}x", "something follows the JSON object" },
		{ "{} {}", "something follows the JSON object" },
		{ "{}}", "something follows the JSON object" },
		{ "{},", "something follows the JSON object" },
		{ "{}\f", "something follows the JSON object" },
		{ "{}{\"a\":1}", "something follows the JSON object" },
		{ "{\"a\":1,}", "malformed JSON" },
		{ "{\"a\":[1,]}", "malformed JSON" },
		{ "{,}", "malformed JSON" },
		{ "{\"a\"}", "malformed JSON" },
		{ "{\"a\"1}", "malformed JSON" },
		{ "{\"a\"::1}", "malformed JSON" },
		{ "{\"a\":}", "malformed JSON" },
		{ "{\"a\":1 \"b\":2}", "malformed JSON" },
		{ "{\"a\":1;\"b\":2}", "malformed JSON" },
		{ "{\"a\":[1 2]}", "malformed JSON" },
		{ "{a:1}", "malformed JSON" },
		{ "{1:1}", "malformed JSON" },
		{ "{'a':1}", "malformed JSON" },
		{ "{'\"':1}", "malformed JSON" }, /* hides the other kind of quote */
		{ "{\"a\":'x'}", "malformed JSON" },
		{ "{\"a\":/**/1}", "malformed JSON" },
		{ "{\"a\":1//x\n}", "malformed JSON" },
		{ "{\"a\":True}", "malformed JSON" },
		{ "{\"a\":nul}", "malformed JSON" },
		{ "{\"a\":nan}", "malformed JSON" },
		{ "{\"a\":undefined}", "malformed JSON" },
		{ "{\"a\":\v1}", "malformed JSON" },
		{ "{\"a\":\"\\x\"}", "malformed JSON" },
		{ "{\"a\":\"\\u12\"}", "malformed JSON" },
		{ "{\"a\":\"\\u12g4\"}", "malformed JSON" },
		{ "{\"a\":\"\n\"}", "a control character in a string" },
		{ "{\"a\":\"\x1f\"}", "a control character in a string" },
		{ "{\"a\tb\":1}", "a control character in a string" },
		{ "{\"a\":+1}", "malformed JSON" },
		{ "{\"a\":.5}", "malformed JSON" },
		{ "{\"a\":-}", "malformed JSON" },
		{ "{\"a\":--1}", "malformed JSON" },
		{ "{\"a\":1e}", "malformed JSON" },
		{ "{\"a\":1e+}", "malformed JSON" },
		{ "{\"a\":1.5.5}", "malformed JSON" },
		{ "{\"a\":0x10}", "malformed JSON" },
		{ "{\"a\":1_1}", "malformed JSON" },
		{ "{\"a\":01}", "a number begins with a superfluous zero" },
		{ "{\"a\":-01}", "a number begins with a superfluous zero" },
		{ "{\"a\":00}", "a number begins with a superfluous zero" },
		{ "{\"a\":1.}", "a number has no digit beside its point" },
		{ "{\"a\":-.5}", "a number has no digit beside its point" },
		{ "{\"a\":1.e5}", "a number has no digit beside its point" },
		{ "{\"a\":NaN}", "a number is not finite" },
		{ "{\"a\":Infinity}", "a number is not finite" },
		{ "{\"a\":-Infinity}", "a number is not finite" },
		{ "{\"a\":1e999}", "a number is not finite" },
		{ "{\"a\":[{\"b\":-1e999}]}", "a number is not finite" },
		{ "{\"a\":\"\\u0000\"}", "a string holds a NUL" },
		{ "{\"a\":\"\\\\\\u0000\"}", "a string holds a NUL" },
		{ "{\"a\\u0000b\":1}", "a string holds a NUL" },
		{ "{\"a\":[\"x\\u0000\"]}", "a string holds a NUL" },
		{ "{\"a\":1,\"a\":2}", "a member is given twice" },
		{ "{\"a\":1,\"a\":1}", "a member is given twice" },
		{ "{\"a\":1,\"b\":2,\"\\u0061\":3}", "a member is given twice" },
		{ "{\"a\":{\"b\":1,\"b\":2}}", "a member is given twice" },
		{ "{\"a\":[{\"b\":1,\"b\":2}]}", "a member is given twice" },
		{ "{\"a\":{\"b\":1},\"a\":{\"b\":1}}", "a member is given twice" },
		{ "{\"\":1,\"\":2}", "a member is given twice" },
		{ "{\"a\":]]]]]]]]]]", "malformed JSON" },
		{ "{\"a\":\"\xff\"}", "the JSON is not UTF-8" },
		{ "{\"\xc3\":1}", "the JSON is not UTF-8" },
		{ "{\"a\":\"\xed\xa0\x80\"}", "the JSON is not UTF-8" },
		{ "{}\xff", "the JSON is not UTF-8" },
	};

	(void)state;
	for (size_t i = 0; i < countof(rows); i++) {
		struct json *json = NULL;
		const char *why = "accepted";

		if (parse(rows[i].text, strlen(rows[i].text), &json, &why) != ERR_INPUT ||
		    strcmp(why, rows[i].why) != 0)
			fail_msg("%s: %s", rows[i].text, why);
		assert_null(json);
	}
}

/* A NUL anywhere in the text, which json-c takes for its end. */
static void
test_a_nul_in_the_text(void **state)
{
	static const char text[] = "{\"a\":\"bc\",\"d\":[12,true]}";

	(void)state;
	for (size_t at = 0; at <= strlen(text); at++) {
		char data[sizeof(text)];
		struct json *json = NULL;
		const char *why;

		memcpy(data, text, sizeof(text));
		data[at] = '\0';
		if (parse(data, sizeof(data), &json, &why) != ERR_INPUT)
			fail_msg("at %zu", at);
	}
}

/* Every beginning of a text ends too early, and nothing is read beyond it. */
static void
test_cut_short(void **state)
{
	static const char text[] =
	    "{\"a\":\"b\\u00e9\\\"c\",\"d\":[12.5e3,true,null,{\"e\":\"\xe2\x82\xac\"}]}";

	(void)state;
	for (size_t len = 0; len < strlen(text); len++) {
		struct json *json = NULL;
		const char *why;

		if (parse(text, len, &json, &why) != ERR_INPUT)
			fail_msg("at %zu", len);
	}
}

static void
test_depth(void **state)
{
	(void)state;
	for (int depth = JSON_DEPTH - 1; depth <= JSON_DEPTH + 1; depth++) {
		struct buf lists = BUF_INIT(256), objects = BUF_INIT(256);
		enum err expected = depth <= JSON_DEPTH ? ERR_OK : ERR_INPUT;
		struct json *json;
		const char *why;

		buf_puts(&lists, "{\"a\":");
		for (int i = 1; i < depth; i++)
			buf_puts(&lists, "[");
		buf_puts(&lists, "1");
		for (int i = 1; i < depth; i++)
			buf_puts(&lists, "]");
		buf_puts(&lists, "}");
		for (int i = 1; i < depth; i++)
			buf_puts(&objects, "{\"a\":");
		buf_puts(&objects, "{}");
		for (int i = 1; i < depth; i++)
			buf_puts(&objects, "}");
		for (int i = 0; i < 2; i++) {
			const struct buf *buf = i == 0 ? &lists : &objects;

			if (parse(buf->data, buf->len, &json, &why) != expected)
				fail_msg("%d: %.*s", depth, TEXT_ARG(buf_view(buf)));
			if (expected == ERR_OK)
				json_free(&json);
			else
				assert_string_equal(why, "the JSON is nested too deeply");
		}
		buf_fini(&lists);
		buf_fini(&objects);
	}
}

static void
test_kinds(void **state)
{
	static const struct {
		const char *member;
		enum json_kind kind;
	} rows[] = {
		{ "null", JSON_NULL },	  { "bool", JSON_BOOL },     { "int", JSON_INTEGER },
		{ "real", JSON_REAL },	  { "whole", JSON_REAL },    { "exponent", JSON_REAL },
		{ "string", JSON_STRING }, { "array", JSON_ARRAY },  { "object", JSON_OBJECT },
		{ "", JSON_INTEGER },	  { "absent", JSON_ABSENT }, { "Int", JSON_ABSENT },
	};
	struct json *json = parsed("{\"null\":null,\"bool\":true,\"int\":1,\"real\":1.5,"
				   "\"whole\":1.0,\"exponent\":1e2,\"string\":\"1\","
				   "\"array\":[1],\"object\":{\"absent\":1},\"\":0}");

	(void)state;
	for (size_t i = 0; i < countof(rows); i++)
		if (json_kind(json, rows[i].member) != rows[i].kind)
			fail_msg("%s", rows[i].member);
	assert_true(json_boolean(json, "bool"));
	json_free(&json);
}

static void
test_integers(void **state)
{
	static const struct {
		const char *text;
		int64_t n;
	} rows[] = {
		{ "0", 0 },
		{ "-0", 0 },
		{ "-1", -1 },
		{ "9223372036854775807", INT64_MAX },
		{ "9223372036854775808", INT64_MAX },
		{ "18446744073709551615", INT64_MAX },
		{ "18446744073709551616", INT64_MAX },
		{ "99999999999999999999999999", INT64_MAX },
		{ "-9223372036854775808", INT64_MIN },
		{ "-9223372036854775809", INT64_MIN },
		{ "-99999999999999999999999999", INT64_MIN },
	};

	(void)state;
	for (size_t i = 0; i < countof(rows); i++) {
		char text[64];
		struct json *json;

		snprintf(text, sizeof(text), "{\"n\":%s}", rows[i].text);
		json = parsed(text);
		assert_int_equal(json_kind(json, "n"), JSON_INTEGER);
		if (json_integer(json, "n") != rows[i].n)
			fail_msg("%s", rows[i].text);
		json_free(&json);
	}
}

static void
test_strings(void **state)
{
	static const struct {
		const char *text, *string;
	} rows[] = {
		{ "", "" },
		{ "a", "a" },
		{ "\\\"\\\\\\/\\b\\f\\n\\r\\t", "\"\\/\b\f\n\r\t" },
		{ "\\u0041\\u00e9\\u20AC", "A\xc3\xa9\xe2\x82\xac" },
		{ "\\ud83d\\ude00", "\xf0\x9f\x98\x80" },
		{ "\xf0\x9f\x98\x80", "\xf0\x9f\x98\x80" },
		/* Halves of a pair become the replacement character: never invalid UTF-8. */
		{ "\\ud83d", "\xef\xbf\xbd" },
		{ "\\ude00", "\xef\xbf\xbd" },
		{ "\\ud83dx", "\xef\xbf\xbdx" },
	};

	(void)state;
	for (size_t i = 0; i < countof(rows); i++) {
		char text[128];
		struct json *json;
		struct text string;

		snprintf(text, sizeof(text), "{\"s\":\"%s\"}", rows[i].text);
		json = parsed(text);
		string = json_string(json, "s");
		assert_true(utf8_valid(string.s, string.len));
		if (!text_is(string, rows[i].string))
			fail_msg("%s", rows[i].text);
		json_free(&json);
	}
}

static void
test_names(void **state)
{
	struct json *json = parsed("{\"one\":\"x\",\"many\":[1,null,\"y\",[\"z\"],\"x\"],"
				   "\"none\":[],\"int\":1,\"object\":{\"x\":\"x\"}}");

	(void)state;
	assert_true(json_names(json, "one", text_of("x")));
	assert_false(json_names(json, "one", text_of("y")));
	assert_true(json_names(json, "many", text_of("x")));
	assert_true(json_names(json, "many", text_of("y")));
	assert_false(json_names(json, "many", text_of("z")));
	assert_false(json_names(json, "many", text_of("1")));
	assert_false(json_names(json, "none", text_of("x")));
	assert_false(json_names(json, "int", text_of("1")));
	assert_false(json_names(json, "object", text_of("x")));
	assert_false(json_names(json, "absent", text_of("x")));
	json_free(&json);
}

static void
note(void *arg, struct text member)
{
	buf_text(arg, member);
	buf_puts(arg, "|");
}

static void
test_members(void **state)
{
	struct json *json = parsed("{\"z\":{\"inner\":1},\"a\":[],\"\":0,\"\\u00e9\":null}");
	struct buf names = BUF_INIT(256);

	(void)state;
	json_members(json, note, &names);
	assert_string_equal(buf_cstr(&names), "z|a||\xc3\xa9|");
	buf_fini(&names);
	json_free(&json);
}

static void
test_writing(void **state)
{
	static const struct {
		struct text text;
		const char *written;
	} rows[] = {
		{ { NULL, 0 }, "null" },
		{ { "", 0 }, "\"\"" },
		{ { "plain", 5 }, "\"plain\"" },
		{ { "\"\\/", 3 }, "\"\\\"\\\\/\"" },
		{ { "\b\f\n\r\t", 5 }, "\"\\b\\f\\n\\r\\t\"" },
		{ { "a\0b\x01\x0b\x1f\x7f", 7 }, "\"a\\u0000b\\u0001\\u000b\\u001f\x7f\"" },
		{ { "\n\n", 2 }, "\"\\n\\n\"" },
		{ { "a\nb", 3 }, "\"a\\nb\"" },
		{ { "caf\xc3\xa9 \xe2\x80\xa8 \xf0\x9f\x98\x80", 14 },
		  "\"caf\xc3\xa9 \xe2\x80\xa8 \xf0\x9f\x98\x80\"" },
		{ { "</script>", 9 }, "\"</script>\"" },
		/* No UTF-8: a stray byte, one of Latin-1, a surrogate, a character that is cut short. */
		{ { "\x80", 1 }, "\"\\ufffd\"" },
		{ { "\xfc" "bertragen", 10 }, "\"\\ufffdbertragen\"" },
		{ { "\xed\xa0\x80", 3 }, "\"\\ufffd\\ufffd\\ufffd\"" },
		{ { "\xc3\"\xff", 3 }, "\"\\ufffd\\\"\\ufffd\"" },
		{ { "x\xf0\x9f\x98\x80", 4 }, "\"x\\ufffd\\ufffd\\ufffd\"" },
		{ { "caf\xc3\xa9", 4 }, "\"caf\\ufffd\"" },
	};

	(void)state;
	for (size_t i = 0; i < countof(rows); i++) {
		struct buf out = BUF_INIT(256);

		json_write_string(&out, rows[i].text);
		assert_string_equal(buf_cstr(&out), rows[i].written);
		buf_fini(&out);
	}
}

/* What is written can be read, for every character but the NUL. */
static void
test_round_trip(void **state)
{
	(void)state;
	for (uint32_t c = 1; c < 0x3000; c++) {
		char plain[4];
		size_t len = c < 0x80 ? 1 : c < 0x800 ? 2 : 3;
		struct buf out = BUF_INIT(64);
		struct json *json;
		const char *why;

		plain[0] = (char)(len == 1 ? c : len == 2 ? 0xc0 | c >> 6 : 0xe0 | c >> 12);
		plain[1] = (char)(0x80 | (len == 2 ? c & 0x3f : c >> 6 & 0x3f));
		plain[2] = (char)(0x80 | (c & 0x3f));
		buf_puts(&out, "{\"s\":");
		json_write_string(&out, (struct text){ plain, len });
		buf_puts(&out, "}");
		if (parse(out.data, out.len, &json, &why) != ERR_OK)
			fail_msg("U+%04X: %s", c, why);
		assert_true(text_equal(json_string(json, "s"), (struct text){ plain, len }));
		json_free(&json);
		buf_fini(&out);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_accepted),
		cmocka_unit_test(test_refused),
		cmocka_unit_test(test_a_nul_in_the_text),
		cmocka_unit_test(test_cut_short),
		cmocka_unit_test(test_depth),
		cmocka_unit_test(test_kinds),
		cmocka_unit_test(test_integers),
		cmocka_unit_test(test_strings),
		cmocka_unit_test(test_names),
		cmocka_unit_test(test_members),
		cmocka_unit_test(test_writing),
		cmocka_unit_test(test_round_trip),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
