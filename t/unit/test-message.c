/* test-message.c: the contract's messages to the letter, and every fault of what workers send. */
#include "wire/message.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define SESSION "550e8400-e29b-41d4-a716-446655440000"

static struct progress
example(void)
{
	struct progress p = {
		.revision = 7,
		.status = text_of("transcribing"),
		.outcome = OUTCOME_RUNNING,
		.progress = 45,
		.message = text_of("Transcribing audio with Whisper..."),
		.eta = 30,
		.updated_at = 1766140200,
		.created_at = 1766140080,
	};

	assert_int_equal(id_parse(text_of(SESSION), &p.session), ERR_OK);
	return p;
}

static void
assert_writes(const struct progress *p, bool with_revision, const char *expected)
{
	struct buf out = BUF_INIT(MESSAGE_MAX);

	message_write_progress(&out, p, with_revision);
	assert_string_equal(buf_cstr(&out), expected);
	buf_fini(&out);
}

static void
test_progress(void **state)
{
	struct progress p = example();

	(void)state;
	assert_writes(&p, false,
	    "{\"session_id\":\"550e8400-e29b-41d4-a716-446655440000\","
	    "\"status\":\"transcribing\",\"progress\":45,"
	    "\"message\":\"Transcribing audio with Whisper...\","
	    "\"updated_at\":\"2025-12-19T10:30:00Z\",\"created_at\":\"2025-12-19T10:28:00Z\","
	    "\"estimated_time_remaining\":30,\"error\":null}");
	p.eta = PROGRESS_ETA_NONE;
	p.status = text_of("failed");
	p.progress = 0;
	p.message = text_of("");
	p.error = text_of("Whisper said \"no\"\n");
	p.revision = INT64_MAX;
	assert_writes(&p, true,
	    "{\"session_id\":\"550e8400-e29b-41d4-a716-446655440000\","
	    "\"status\":\"failed\",\"progress\":0,\"message\":\"\","
	    "\"updated_at\":\"2025-12-19T10:30:00Z\",\"created_at\":\"2025-12-19T10:28:00Z\","
	    "\"estimated_time_remaining\":null,\"error\":\"Whisper said \\\"no\\\"\\n\","
	    "\"revision\":9223372036854775807}");
}

/* The longest texts, escaped at their worst, fit into MESSAGE_MAX. */
static void
test_the_longest_message(void **state)
{
	static char texts[PROGRESS_MESSAGE_MAX > PROGRESS_ERROR_MAX ? PROGRESS_MESSAGE_MAX :
	    PROGRESS_ERROR_MAX];
	struct buf out = BUF_INIT(MESSAGE_MAX);
	struct progress p = example();

	(void)state;
	memset(texts, '\x01', sizeof(texts));
	p.status = (struct text){ texts, 64 };
	p.message = (struct text){ texts, PROGRESS_MESSAGE_MAX };
	p.error = (struct text){ texts, PROGRESS_ERROR_MAX };
	p.eta = PROGRESS_ETA_MAX;
	p.revision = INT64_MAX;
	p.progress = 100;
	message_write_progress(&out, &p, true);
	assert_int_equal(out.err, ERR_OK);
	buf_fini(&out);
}

static void
test_small_messages(void **state)
{
	struct buf out = BUF_INIT(256);

	(void)state;
	message_write_ping(&out, 1766140200);
	assert_string_equal(buf_cstr(&out),
	    "{\"type\":\"ping\",\"timestamp\":\"2025-12-19T10:30:00Z\"}");
	buf_fini(&out);
	assert_string_equal(message_ack, "{\"type\":\"ack\",\"message\":\"Message received\"}");
}

static void
test_problem(void **state)
{
	struct faults faults = { .count = 0 };
	struct buf out = BUF_INIT(4096);

	(void)state;
	message_write_problem(&out, 404, "Not Found", text_of("Session not found"), NULL,
	    text_of(NULL));
	assert_string_equal(buf_cstr(&out), "{\"type\":\"about:blank\",\"title\":\"Not Found\","
					    "\"status\":404,\"detail\":\"Session not found\"}");
	buf_reset(&out);
	message_write_problem(&out, 409, "Conflict", text_of("a \"b\""), &faults,
	    text_of("\"current\":{}"));
	assert_string_equal(buf_cstr(&out),
	    "{\"type\":\"about:blank\",\"title\":\"Conflict\",\"status\":409,"
	    "\"detail\":\"a \\\"b\\\"\",\"current\":{}}");
	buf_reset(&out);
	faults_add(&faults, text_of("status"), "is required");
	faults_add(&faults, text_of("\"x\""), "is not a known member");
	message_write_problem(&out, 422, "Unprocessable Content", text_of("d"), &faults,
	    text_of(NULL));
	assert_string_equal(buf_cstr(&out),
	    "{\"type\":\"about:blank\",\"title\":\"Unprocessable Content\",\"status\":422,"
	    "\"detail\":\"d\",\"errors\":[{\"member\":\"status\",\"detail\":\"is required\"},"
	    "{\"member\":\"\\\"x\\\"\",\"detail\":\"is not a known member\"}]}");
	buf_fini(&out);
}

/* An update as one line, for comparing: left-out members as "-". */
static void
describe(const struct update *u, struct buf *out)
{
	buf_printf(out, "%.*s %lld <%.*s> <%.*s> %lld%s",
	    TEXT_ARG(u->status.s != NULL ? u->status : text_of("-")), (long long)u->progress,
	    TEXT_ARG(u->message.s != NULL ? u->message : text_of("-")),
	    TEXT_ARG(u->error.s != NULL ? u->error : text_of("-")), (long long)u->eta,
	    u->restart ? " restart" : "");
}

static void
describe_faults(const struct faults *faults, struct buf *out)
{
	for (size_t i = 0; i < faults->count; i++)
		buf_printf(out, "%s%s %s", i > 0 ? "; " : "", faults->list[i].member,
		    faults->list[i].detail);
}

/* Reads an update and returns what came of it: the update, or the faults. */
static enum err
read_json(const char *text, bool with_session, struct update *update, struct buf *result)
{
	struct faults faults = { .count = 0 };
	struct json *json;
	const char *why;
	enum err err;

	if (json_parse(text_of(text), &json, &why) != ERR_OK)
		fail_msg("%s: %s", text, why);
	err = message_read_update(json, with_session, update, &faults);
	buf_reset(result);
	if (err == ERR_OK)
		describe(update, result);
	else
		describe_faults(&faults, result);
	json_free(&json);
	return err;
}

static enum err
read_form(const char *text, struct update *update, struct buf *result)
{
	struct faults faults = { .count = 0 };
	char *copy = strdup(text);
	struct form form;
	enum err err;

	if (form_parse(copy, strlen(copy), &form) != ERR_OK)
		fail_msg("%s", text);
	err = message_read_update_form(&form, update, &faults);
	buf_reset(result);
	if (err == ERR_OK)
		describe(update, result);
	else
		describe_faults(&faults, result);
	free(copy);
	return err;
}

struct row {
	const char *input;
	enum err err;
	const char *result; /* the update, or the faults */
};

static const struct row json_rows[] = {
	{ "{\"status\":\"processed\"}", ERR_OK, "processed -1 <-> <-> -1" },
	{ "{\"status\":\"transcribing\",\"progress\":45,\"message\":\"m\","
	  "\"estimated_time_remaining\":30,\"error\":\"e\",\"restart\":true}",
	  ERR_OK, "transcribing 45 <m> <e> 30 restart" },
	{ "{\"restart\":false,\"status\":\"x\",\"progress\":0,\"estimated_time_remaining\":0}",
	  ERR_OK, "x 0 <-> <-> 0" },
	{ "{\"status\":\"x\",\"progress\":null,\"message\":null,\"error\":null,\"restart\":null,"
	  "\"estimated_time_remaining\":null}", ERR_OK, "x -1 <-> <-> -1" },
	{ "{\"status\":\"x\",\"message\":\"\",\"error\":\"\"}", ERR_OK, "x -1 <> <> -1" },
	{ "{\"status\":\"x\",\"progress\":100,\"estimated_time_remaining\":2147483647}",
	  ERR_OK, "x 100 <-> <-> 2147483647" },

	{ "{}", ERR_INPUT, "status is required" },
	{ "{\"status\":null}", ERR_INPUT, "status is required" },
	{ "{\"status\":1}", ERR_INPUT, "status must be a string" },
	{ "{\"status\":[\"x\"]}", ERR_INPUT, "status must be a string" },
	{ "{\"status\":\"x\",\"message\":5}", ERR_INPUT, "message must be a string" },
	{ "{\"status\":\"x\",\"error\":{}}", ERR_INPUT, "error must be a string" },
	{ "{\"status\":\"x\",\"progress\":\"45\"}", ERR_INPUT, "progress must be an integer" },
	{ "{\"status\":\"x\",\"progress\":45.0}", ERR_INPUT, "progress must be an integer" },
	{ "{\"status\":\"x\",\"progress\":4e1}", ERR_INPUT, "progress must be an integer" },
	{ "{\"status\":\"x\",\"progress\":true}", ERR_INPUT, "progress must be an integer" },
	{ "{\"status\":\"x\",\"progress\":[]}", ERR_INPUT, "progress must be an integer" },
	{ "{\"status\":\"x\",\"progress\":-1}", ERR_INPUT, "progress must be from 0 to 100" },
	{ "{\"status\":\"x\",\"progress\":-9223372036854775808}", ERR_INPUT,
	  "progress must be from 0 to 100" },
	{ "{\"status\":\"x\",\"progress\":101}", ERR_INPUT, "progress must be from 0 to 100" },
	{ "{\"status\":\"x\",\"progress\":99999999999999999999}", ERR_INPUT,
	  "progress must be from 0 to 100" },
	{ "{\"status\":\"x\",\"estimated_time_remaining\":-1}", ERR_INPUT,
	  "estimated_time_remaining must be from 0 to 2147483647" },
	{ "{\"status\":\"x\",\"estimated_time_remaining\":2147483648}", ERR_INPUT,
	  "estimated_time_remaining must be from 0 to 2147483647" },
	{ "{\"status\":\"x\",\"estimated_time_remaining\":1.5}", ERR_INPUT,
	  "estimated_time_remaining must be an integer" },
	{ "{\"status\":\"x\",\"restart\":1}", ERR_INPUT, "restart must be true or false" },
	{ "{\"status\":\"x\",\"restart\":\"true\"}", ERR_INPUT, "restart must be true or false" },
	{ "{\"status\":\"x\",\"colour\":1}", ERR_INPUT, "colour is not a known member" },
	{ "{\"status\":\"x\",\"Progress\":1}", ERR_INPUT, "Progress is not a known member" },
	{ "{\"status\":\"x\",\"\":1}", ERR_INPUT, " is not a known member" },
	{ "{\"status\":\"x\",\"session_id\":\"" SESSION "\"}", ERR_INPUT,
	  "session_id is not a known member" },
	{ "{\"status\":\"x\",\"revision\":7,\"updated_at\":\"\"}", ERR_INPUT,
	  "revision is not a known member; updated_at is not a known member" },
	/* Several at once: each by its name. */
	{ "{\"status\":3,\"progress\":\"4\",\"message\":5,\"x\":6}", ERR_INPUT,
	  "x is not a known member; status must be a string; progress must be an integer; "
	  "message must be a string" },
	{ "{\"progress\":101,\"estimated_time_remaining\":-1}", ERR_INPUT,
	  "status is required; progress must be from 0 to 100; "
	  "estimated_time_remaining must be from 0 to 2147483647" },
};

static void
test_json(void **state)
{
	struct buf result = BUF_INIT(4096);

	(void)state;
	for (size_t i = 0; i < countof(json_rows); i++) {
		struct update update = { .progress = 4711 };
		enum err err = read_json(json_rows[i].input, false, &update, &result);

		assert_string_equal(buf_cstr(&result), json_rows[i].result);
		assert_int_equal(err, json_rows[i].err);
		if (err != ERR_OK)
			assert_int_equal(update.progress, 4711);
	}
	buf_fini(&result);
}

static const struct row form_rows[] = {
	{ "status=processed", ERR_OK, "processed -1 <-> <-> -1" },
	{ "status=transcribing&progress=45&message=a+b&estimated_time_remaining=30"
	  "&error=e&restart=1",
	  ERR_OK, "transcribing 45 <a b> <e> 30 restart" },
	{ "status=x&restart=true", ERR_OK, "x -1 <-> <-> -1 restart" },
	{ "status=x&restart=false", ERR_OK, "x -1 <-> <-> -1" },
	{ "status=x&restart=0&progress=0", ERR_OK, "x 0 <-> <-> -1" },
	{ "status=x&progress=&message=&estimated_time_remaining=&error=&restart=", ERR_OK,
	  "x -1 <-> <-> -1" },
	{ "status=x&progress=100&estimated_time_remaining=2147483647", ERR_OK,
	  "x 100 <-> <-> 2147483647" },
	{ "status=x&message=caf%C3%A9%0A", ERR_OK, "x -1 <caf\xc3\xa9\n> <-> -1" },

	{ "", ERR_INPUT, "status is required" },
	{ "status=", ERR_INPUT, "status is required" },
	{ "status", ERR_INPUT, "status is required" },
	{ "status=x&progress=4.5", ERR_INPUT, "progress must be an integer" },
	{ "status=x&progress=+5", ERR_INPUT, "progress must be an integer" },
	{ "status=x&progress=-5", ERR_INPUT, "progress must be an integer" },
	{ "status=x&progress=5%25", ERR_INPUT, "progress must be an integer" },
	{ "status=x&progress=0x5", ERR_INPUT, "progress must be an integer" },
	{ "status=x&progress=101", ERR_INPUT, "progress must be from 0 to 100" },
	{ "status=x&progress=9223372036854775807", ERR_INPUT, "progress must be from 0 to 100" },
	{ "status=x&estimated_time_remaining=2147483648", ERR_INPUT,
	  "estimated_time_remaining must be from 0 to 2147483647" },
	{ "status=x&restart=yes", ERR_INPUT, "restart must be true or false" },
	{ "status=x&restart=TRUE", ERR_INPUT, "restart must be true or false" },
	{ "status=x&restart=2", ERR_INPUT, "restart must be true or false" },
	{ "status=x&status=x", ERR_INPUT, "status is given more than once" },
	{ "status=x&progress=1&progress=2", ERR_INPUT, "progress is given more than once" },
	{ "status=x&message=&message=m", ERR_INPUT, "message is given more than once" },
	{ "status=x&colour=red", ERR_INPUT, "colour is not a known member" },
	{ "status=x&STATUS=x", ERR_INPUT, "STATUS is not a known member" },
	{ "status=x&session_id=" SESSION, ERR_INPUT, "session_id is not a known member" },
	{ "status=x&=1", ERR_INPUT, " is not a known member" },
	{ "progress=a&restart=b&c=d", ERR_INPUT,
	  "c is not a known member; progress must be an integer; restart must be true or false" },
};

static void
test_form(void **state)
{
	struct buf result = BUF_INIT(4096);

	(void)state;
	for (size_t i = 0; i < countof(form_rows); i++) {
		struct update update = { .progress = 4711 };
		enum err err = read_form(form_rows[i].input, &update, &result);

		assert_string_equal(buf_cstr(&result), form_rows[i].result);
		assert_int_equal(err, form_rows[i].err);
		if (err != ERR_OK)
			assert_int_equal(update.progress, 4711);
	}
	buf_fini(&result);
}

/* Texts at their longest and one byte more; bytes, not characters. */
static void
test_lengths(void **state)
{
	static const struct {
		const char *member;
		size_t max;
		const char *fault;
	} rows[] = {
		{ "status", 64, "status must be at most 64 bytes" },
		{ "message", PROGRESS_MESSAGE_MAX, "message must be at most 1024 bytes" },
		{ "error", PROGRESS_ERROR_MAX, "error must be at most 1024 bytes" },
	};
	struct buf json = BUF_INIT(8192), form = BUF_INIT(8192), result = BUF_INIT(8192);

	(void)state;
	for (size_t i = 0; i < countof(rows); i++) {
		for (size_t len = rows[i].max - 2; len <= rows[i].max + 2; len += 2) {
			const char *status = i == 0 ? "" : "\"status\":\"x\",";
			enum err expected = len <= rows[i].max ? ERR_OK : ERR_INPUT;
			struct update update;

			buf_reset(&json);
			buf_reset(&form);
			buf_printf(&json, "{%s\"%s\":\"", status, rows[i].member);
			buf_printf(&form, "%s%s=", i == 0 ? "" : "status=x&", rows[i].member);
			for (size_t n = 0; n < len; n += 2) {
				buf_puts(&json, "\xc3\xa9");
				buf_puts(&form, "%c3%a9");
			}
			buf_puts(&json, "\"}");
			assert_int_equal(read_json(buf_cstr(&json), false, &update, &result),
			    expected);
			if (expected != ERR_OK)
				assert_string_equal(buf_cstr(&result), rows[i].fault);
			assert_int_equal(read_form(buf_cstr(&form), &update, &result), expected);
			if (expected != ERR_OK)
				assert_string_equal(buf_cstr(&result), rows[i].fault);
		}
	}
	buf_fini(&json);
	buf_fini(&form);
	buf_fini(&result);
}

static void
test_batch_lines(void **state)
{
	static const struct row rows[] = {
		{ "{\"session_id\":\"" SESSION "\",\"status\":\"x\"}", ERR_OK, "x -1 <-> <-> -1" },
		{ "{\"session_id\":\"550E8400-E29B-41D4-A716-446655440000\",\"status\":\"x\"}",
		  ERR_OK, "x -1 <-> <-> -1" },
		{ "{\"status\":\"x\"}", ERR_INPUT, "session_id is required" },
		{ "{\"session_id\":null,\"status\":\"x\"}", ERR_INPUT, "session_id is required" },
		{ "{\"session_id\":7,\"status\":\"x\"}", ERR_INPUT, "session_id must be a string" },
		{ "{\"session_id\":\"7\",\"status\":\"x\"}", ERR_INPUT,
		  "session_id must be a UUID" },
		{ "{\"session_id\":\"\",\"status\":\"x\"}", ERR_INPUT,
		  "session_id must be a UUID" },
		{ "{\"session_id\":\"x\",\"status\":1}", ERR_INPUT,
		  "session_id must be a UUID; status must be a string" },
	};
	struct buf result = BUF_INIT(4096);
	struct id expected;

	(void)state;
	assert_int_equal(id_parse(text_of(SESSION), &expected), ERR_OK);
	for (size_t i = 0; i < countof(rows); i++) {
		struct update update;
		enum err err = read_json(rows[i].input, true, &update, &result);

		assert_string_equal(buf_cstr(&result), rows[i].result);
		assert_int_equal(err, rows[i].err);
		if (err == ERR_OK)
			assert_true(id_equal(&update.session, &expected));
	}
	buf_fini(&result);
}

/* Faults that were there before don't make the next update wrong. */
static void
test_faults_of_before(void **state)
{
	struct faults faults = { .count = 0 };
	struct update update;
	struct json *json;
	const char *why;

	(void)state;
	faults_add(&faults, text_of("x"), "was wrong before");
	assert_int_equal(json_parse(text_of("{\"status\":\"x\"}"), &json, &why), ERR_OK);
	assert_int_equal(message_read_update(json, false, &update, &faults), ERR_OK);
	assert_int_equal(faults.count, 1);
	json_free(&json);
}

static void
test_refresh(void **state)
{
	static const struct {
		const char *text, *token; /* NULL: it is none */
	} rows[] = {
		{ "{\"type\":\"refresh\",\"token\":\"a.b.c\"}", "a.b.c" },
		{ " {\"token\":\"\",\"type\":\"refresh\",\"more\":1} ", "" },
		{ "{\"type\":\"refresh\"}", NULL },
		{ "{\"type\":\"refresh\",\"token\":null}", NULL },
		{ "{\"type\":\"refresh\",\"token\":1}", NULL },
		{ "{\"type\":\"Refresh\",\"token\":\"a\"}", NULL },
		{ "{\"type\":[\"refresh\"],\"token\":\"a\"}", NULL },
		{ "{\"token\":\"a\"}", NULL },
		{ "{\"type\":\"refresh\",\"token\":\"a\",\"token\":\"b\"}", NULL },
		{ "[\"refresh\",\"a\"]", NULL },
		{ "refresh", NULL },
		{ "", NULL },
		{ "ping", NULL },
	};

	(void)state;
	for (size_t i = 0; i < countof(rows); i++) {
		struct buf token = BUF_INIT(16);

		if (message_read_refresh(text_of(rows[i].text), &token) != (rows[i].token != NULL))
			fail_msg("%s", rows[i].text);
		assert_true(text_is(buf_view(&token), rows[i].token != NULL ? rows[i].token : ""));
		buf_fini(&token);
	}
	/* A token that the buffer can't hold is none. */
	assert_false(message_read_refresh(text_of("{\"type\":\"refresh\",\"token\":\"abc\"}"),
	    &(struct buf)BUF_INIT(2)));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_progress),
		cmocka_unit_test(test_the_longest_message),
		cmocka_unit_test(test_small_messages),
		cmocka_unit_test(test_problem),
		cmocka_unit_test(test_json),
		cmocka_unit_test(test_form),
		cmocka_unit_test(test_lengths),
		cmocka_unit_test(test_batch_lines),
		cmocka_unit_test(test_faults_of_before),
		cmocka_unit_test(test_refresh),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
