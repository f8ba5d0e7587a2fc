/*
 * test-alloc.c: every allocation of the pure code fails once, by itself and with all that follow it.
 * Each failure is told as what it is, and leaves nothing wrong, broken or (sanitizer) lost behind.
 */
#include "alloc.h"

#include "base/buf.h"
#include "base/config.h"
#include "base/digest.h"
#include "base/map.h"
#include "token/token.h"
#include "wire/http.h"
#include "wire/message.h"
#include "wire/ndjson.h"
#include "wire/reader.h"
#include "wire/sse.h"
#include "ws/broadcast.h"
#include "ws/outq.h"
#include "ws/request.h"
#include "ws/roster.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#define NOW 1766140200
#define USER "550e8400-e29b-41d4-a716-446655440000"
#define SECRET "an-example-secret-of-forty-bytes-exactly"
#define LONG_TEXT "a text that is longer than the 31 bytes that json-c begins with"

/* One run: which allocation fails, and whether the code came so far. */
struct run {
	unsigned n; /* 0: none fails */
	enum alloc_plan plan;
	bool failed;
};

static void
begin(const struct run *run)
{
	alloc_fail(run->n, run->plan);
}

static void
end(struct run *run)
{
	run->failed = alloc_stop();
}

static void
assert_text(struct text t, const char *expected)
{
	assert_int_equal(t.len, strlen(expected));
	assert_memory_equal(t.s, expected, t.len);
}

/* --- base --- */

static enum err
run_buf(struct run *run)
{
	struct buf buf = BUF_INIT(4096);
	enum err err;
	const char *s;

	begin(run);
	buf_puts(&buf, "begin ");
	buf_printf(&buf, "%0600d", 7); /* over the buffer on the stack: vasprintf */
	buf_int(&buf, 42);
	for (int i = 0; i < 100; i++)
		buf_text(&buf, text_of("0123456789"));
	s = buf_cstr(&buf);
	end(run);
	err = buf.err;
	assert_int_equal(s == NULL, err != ERR_OK);
	if (err == ERR_OK)
		assert_int_equal(buf.len, 6 + 600 + 2 + 1000);
	else
		assert_null(buf_room(&buf, 1));
	/* As good as new. */
	buf_reset(&buf);
	buf_puts(&buf, "again");
	assert_string_equal(buf_cstr(&buf), "again");
	buf_fini(&buf);
	return err;
}

#define KEYS 200

static enum err
run_map(struct run *run)
{
	static uint8_t keys[KEYS][MAP_KEY_LEN];
	struct map map;
	enum err err = ERR_OK;
	size_t n, pos = 0;

	map_init(&map, 42);
	begin(run);
	for (n = 0; n < KEYS && err == ERR_OK; n++) {
		keys[n][0] = (uint8_t)n;
		err = map_put(&map, keys[n]);
	}
	end(run);
	if (err != ERR_OK) {
		n--;
		assert_null(map_get(&map, keys[n]));
	}
	assert_int_equal(map.count, n);
	for (size_t i = 0; i < n; i++)
		assert_ptr_equal(map_get(&map, keys[i]), keys[i]);
	for (size_t i = 0; i < n; i++)
		assert_non_null(map_next(&map, &pos));
	assert_null(map_next(&map, &pos));
	assert_int_equal(map_put(&map, keys[n % KEYS]), ERR_OK);
	map_fini(&map);
	return err;
}

static enum err
run_config_default(struct run *run)
{
	struct config *config = NULL;
	enum err err;

	begin(run);
	err = config_default(&config);
	end(run);
	assert_int_equal(config != NULL, err == ERR_OK);
	config_free(&config);
	return err;
}

/* Writes a file of this content; the caller unlinks it. */
static void
write_file(char *path, const char *content)
{
	int fd = mkstemp(path);

	assert_true(fd >= 0);
	assert_int_equal(write(fd, content, strlen(content)), strlen(content));
	close(fd);
}

/* Loads this file, and compares what one key was read as. */
static enum err
load_config(struct run *run, const char *content, const char *line)
{
	char path[] = "/tmp/test-alloc-XXXXXX";
	struct config *config = NULL;
	struct buf why = BUF_INIT(1024), printed = BUF_INIT(8192);
	enum err err;

	write_file(path, content);
	begin(run);
	err = config_load(path, &config, &why);
	end(run);
	unlink(path);
	assert_int_equal(config != NULL, err == ERR_OK);
	if (config != NULL) {
		config_print(config, &printed);
		assert_non_null(strstr(buf_cstr(&printed), line));
	}
	/* One line that begins with the file, unless it found no memory itself. */
	if (err != ERR_OK && why.len > 0)
		assert_int_equal(strncmp(buf_cstr(&why), path, strlen(path)), 0);
	assert_true(err == ERR_OK || why.len > 0 || why.err == ERR_NOMEM);
	config_free(&config);
	buf_fini(&why);
	buf_fini(&printed);
	return err;
}

static enum err
run_config_load(struct run *run)
{
	return load_config(run,
	    "# a comment\norigins = https://a.example\n  https://b.example\njwt_issuer = me\n",
	    "origins = https://a.example https://b.example\n");
}

static enum err
run_config_wrong(struct run *run)
{
	return load_config(run, "jwt_issuer = me\nhead_max = much\n", "");
}

static enum err
run_config_print(struct run *run)
{
	struct config *config = NULL;
	struct buf out = BUF_INIT(8192);
	enum err err;

	assert_int_equal(config_default(&config), ERR_OK);
	begin(run);
	config_print(config, &out);
	end(run);
	err = out.err;
	if (err == ERR_OK)
		assert_non_null(strstr(buf_cstr(&out), "busy_timeout = 4000ms\n"));
	config_free(&config);
	buf_fini(&out);
	return err;
}

static enum err
run_digest(struct run *run)
{
	uint8_t one[SHA1_LEN], two[SHA256_LEN] = { 0 };
	char hex[2 * SHA256_LEN + 1];
	enum err err;

	begin(run);
	err = digest_sha1("abc", 3, one);
	if (err == ERR_OK)
		err = digest_sha256("abc", 3, two);
	end(run);
	digest_hex(one, sizeof(one), hex);
	if (err == ERR_OK)
		assert_string_equal(hex, "a9993e364706816aba3e25717850c26c9cd0d89d");
	digest_hex(two, sizeof(two), hex);
	if (err == ERR_OK)
		assert_string_equal(hex,
		    "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
	return err;
}

/* --- model and wire --- */

/* Reads an object whose texts outgrow json-c's buffers; nothing of it may be lost. */
static enum err
run_json(struct run *run)
{
	static const char text[] = "{\"" LONG_TEXT "\":\"" LONG_TEXT "\",\"b\":[1,2.5,true,null,\""
	    LONG_TEXT "\\n" LONG_TEXT "\"],\"c\":{\"d\":-7},\"e\":123456789012,\"f\":\"\","
	    "\"aud\":\"" LONG_TEXT LONG_TEXT LONG_TEXT "\"}";
	struct json *json = NULL;
	const char *why;
	enum err err;

	begin(run);
	err = json_parse(text_of(text), &json, &why);
	end(run);
	assert_int_equal(json != NULL, err == ERR_OK);
	if (err != ERR_OK)
		return err;
	assert_text(json_string(json, LONG_TEXT), LONG_TEXT);
	assert_true(json_names(json, "b", text_of(LONG_TEXT "\n" LONG_TEXT)));
	assert_int_equal(json_kind(json, "c"), JSON_OBJECT);
	assert_int_equal(json_integer(json, "e"), 123456789012);
	assert_text(json_string(json, "f"), "");
	assert_text(json_string(json, "aud"), LONG_TEXT LONG_TEXT LONG_TEXT);
	json_free(&json);
	return err;
}

/*
 * So many members that json-c's table grows. Where it can't, json-c before 0.17 drops the member and
 * loses its memory; and a number that follows would reset errno, by which we know of it.
 */
static enum err
run_json_members(struct run *run)
{
	struct buf text = BUF_INIT(4096);
	struct json *json = NULL;
	char name[8];
	const char *why;
	enum err err;

	for (int i = 0; i < 40; i++)
		buf_printf(&text, "%s\"m%d\":\"t\"", i == 0 ? "{" : ",", i);
	buf_puts(&text, "}");
	alloc_may_leak(true);
	begin(run);
	err = json_parse(buf_view(&text), &json, &why);
	end(run);
	alloc_may_leak(false);
	assert_int_equal(json != NULL, err == ERR_OK);
	for (int i = 0; err == ERR_OK && i < 40; i++) {
		snprintf(name, sizeof(name), "m%d", i);
		assert_text(json_string(json, name), "t");
	}
	json_free(&json);
	buf_fini(&text);
	return err;
}

/* What is wrong stays wrong: ERR_INPUT, or no memory to find it. */
static enum err
run_json_wrong(struct run *run)
{
	struct json *json = NULL;
	const char *why;
	enum err err;

	begin(run);
	err = json_parse(text_of("{\"a\":\"" LONG_TEXT "\",\"b\":{\"c\":[1,\"x\"]},\"a\":2}"), &json,
	    &why);
	end(run);
	assert_null(json);
	return err;
}

/* The lines of a batch, read as far as the memory lasts. */
static enum err
run_batch(struct run *run)
{
	struct text rest = text_of(
	    "{\"session_id\":\"" USER "\",\"status\":\"uploading\",\"message\":\"" LONG_TEXT "\"}\n\n"
	    "{\"session_id\":\"" USER "\",\"status\":\"failed\",\"error\":\"x\",\"progress\":5}\r\n");
	struct text line;
	enum err err = ERR_OK;
	size_t count = 0;

	begin(run);
	while (err == ERR_OK && ndjson_next(&rest, &line)) {
		struct faults faults = { 0 };
		struct json *json = NULL;
		struct update update;
		const char *why;

		err = json_parse(line, &json, &why);
		if (err == ERR_OK)
			err = message_read_update(json, true, &update, &faults);
		if (err == ERR_OK)
			count += text_is(update.message, LONG_TEXT) || update.progress == 5;
		json_free(&json);
	}
	end(run);
	if (err == ERR_OK)
		assert_int_equal(count, 2);
	return err;
}

/* Forms, decisions and faults hold all in what the caller gives: no allocation may happen. */
static enum err
run_update_form(struct run *run)
{
	static const struct stage stage = { .name = { "uploading", 9 }, .max = 20, .fallback = 0 };
	char data[] = "status=uploading&progress=99&message=" LONG_TEXT "&what=1";
	struct faults faults = { 0 }, others = { 0 };
	struct form form;
	struct update update;
	struct progress next;
	const char *why;
	enum decision decision = DECISION_STORE;
	enum err err;

	begin(run);
	err = form_parse(data, sizeof(data) - 1, &form);
	if (err == ERR_OK && message_read_update_form(&form, &update, &faults) == ERR_INPUT) {
		form.count--;
		err = message_read_update_form(&form, &update, &others);
	}
	if (err == ERR_OK)
		decision = progress_decide(&stage, NULL, &update, NOW, &next, &others, &why);
	end(run);
	assert_false(run->failed);
	assert_int_equal(decision, DECISION_INVALID);
	assert_string_equal(faults.list[0].member, "what");
	assert_string_equal(others.list[0].member, "progress");
	return err;
}

static struct progress
sample(void)
{
	struct progress p = { .revision = 7, .status = text_of("uploading"), .progress = 3,
		.message = text_of(LONG_TEXT "\"\n" LONG_TEXT), .eta = PROGRESS_ETA_NONE,
		.updated_at = NOW, .created_at = NOW };

	return p;
}

static enum err
run_message_write(struct run *run)
{
	struct buf out = BUF_INIT(MESSAGE_MAX);
	struct faults faults = { 0 };
	struct progress p = sample();
	enum err err;

	faults_add(&faults, text_of("status"), "is required");
	begin(run);
	for (int i = 0; i < 4; i++)
		message_write_progress(&out, &p, true);
	message_write_ping(&out, NOW);
	message_write_problem(&out, 422, "Unprocessable Content", text_of("x"), &faults,
	    text_of("\"current\":{}"));
	end(run);
	err = out.err;
	if (err == ERR_OK)
		assert_memory_equal(out.data + out.len - 13, "\"current\":{}}", 13);
	buf_fini(&out);
	return err;
}

static enum err
run_refresh(struct run *run)
{
	struct buf token = BUF_INIT(1024);
	bool is_refresh;

	begin(run);
	is_refresh = message_read_refresh(
	    text_of("{\"type\":\"refresh\",\"token\":\"" LONG_TEXT LONG_TEXT "\"}"), &token);
	end(run);
	if (is_refresh)
		assert_text(buf_view(&token), LONG_TEXT LONG_TEXT);
	buf_fini(&token);
	return is_refresh ? ERR_OK : ERR_NOMEM;
}

#define HEAD(target) "GET " target " HTTP/1.1\r\nHost: h\r\nUpgrade: websocket\r\n" \
	"Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\n" \
	"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"

/* From the head to the answer. */
static enum err
run_opening(struct run *run)
{
	static const char text[] = HEAD("/api/sessions/ws/" USER "?token=a%20b&since=5");
	struct buf scratch = BUF_INIT(4096), out = BUF_INIT(4096);
	struct request request;
	struct http_head head;
	const char *why;
	size_t scanned = 0;
	enum err err;

	begin(run);
	err = http_parse(text, http_head_end(text, strlen(text), &scanned), &head, &why);
	if (err == ERR_OK) {
		request_read(&head, "https://a.example", &scratch, &request);
		err = request.kind != REQUEST_REFUSED ? ERR_OK :
		    request.status == 503 ? ERR_NOMEM : ERR_INPUT;
	}
	if (err == ERR_OK)
		err = handshake_write(&out, &request.handshake, true);
	/* libcrypto's failures are one. */
	if (err == ERR_SYSTEM)
		err = ERR_NOMEM;
	if (err == ERR_OK)
		err = out.err;
	end(run);
	if (err == ERR_OK) {
		assert_text(request.token, "a b");
		assert_non_null(strstr(buf_cstr(&out), "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="));
	}
	buf_fini(&scratch);
	buf_fini(&out);
	return err;
}

static enum err
run_reply(struct run *run)
{
	struct buf out = BUF_INIT(4096);
	enum err err;

	begin(run);
	http_write_start(&out, 200);
	buf_puts(&out, "X-A: " LONG_TEXT LONG_TEXT "\r\n");
	http_write_body(&out, "text/plain",
	    text_of("{" LONG_TEXT LONG_TEXT LONG_TEXT LONG_TEXT LONG_TEXT LONG_TEXT "}"));
	end(run);
	err = out.err;
	if (err == ERR_OK)
		assert_int_equal(out.data[out.len - 1], '}');
	buf_fini(&out);
	return err;
}

static enum err
run_frames(struct run *run)
{
	struct frame *frames[6];
	enum err err = ERR_OK;

	begin(run);
	frames[0] = frame_new(OPCODE_TEXT, text_of("x"));
	frames[1] = frame_new_close(CLOSE_NORMAL, LONG_TEXT LONG_TEXT LONG_TEXT);
	frames[2] = frame_new_heartbeat(text_of("{}"));
	frames[3] = frame_new_raw(text_of("HTTP"));
	frames[4] = sse_new_event(1, "x", text_of(LONG_TEXT LONG_TEXT LONG_TEXT LONG_TEXT));
	frames[5] = sse_new_end(LONG_TEXT);
	end(run);
	for (size_t i = 0; i < countof(frames); i++) {
		if (frames[i] == NULL)
			err = ERR_NOMEM;
		frame_drop(&frames[i]);
	}
	return err;
}

/* A message in two fragments, a ping between them, a close. Zero masks, so it is as it reads. */
static enum err
run_reader(struct run *run)
{
	uint8_t data[] = "\x01\x82\0\0\0\0ab" "\x89\x81\0\0\0\0p" "\x80\x81\0\0\0\0" "c"
	    "\x88\x82\0\0\0\0\x03\xe8";
	struct reader reader;
	enum reader_event event;
	size_t at = 0, used, events = 0;

	reader_init(&reader, 4096);
	begin(run);
	do {
		event = reader_feed(&reader, data + at, sizeof(data) - 1 - at, &used);
		at += used;
		events++;
	} while (event != READER_CLOSE && event != READER_ERROR && event != READER_MORE);
	end(run);
	if (event == READER_ERROR) {
		assert_int_equal(reader_close_code(&reader), CLOSE_INTERNAL);
		assert_non_null(reader_error(&reader));
	} else {
		assert_int_equal(event, READER_CLOSE);
		assert_int_equal(events, 3);
		assert_int_equal(reader_close_code(&reader), CLOSE_NORMAL);
	}
	reader_fini(&reader);
	return event == READER_ERROR ? ERR_NOMEM : ERR_OK;
}

/* --- tokens --- */

static const struct token_rules rules = { "https://issuer.example", "milepost", 30 };

static struct token_keys *
some_keys(void)
{
	struct token_keys *keys = NULL;

	assert_int_equal(token_keys_new(text_of(SECRET), &keys), ERR_OK);
	return keys;
}

static struct token_claims
some_claims(void)
{
	struct token_claims claims = { .expires = NOW + 3600, .role = ROLE_PATIENT };

	assert_int_equal(id_parse(text_of(USER), &claims.user), ERR_OK);
	return claims;
}

static enum err
run_keys(struct run *run)
{
	char path[] = "/tmp/test-alloc-XXXXXX";
	struct token_keys *keys = NULL;
	struct buf why = BUF_INIT(1024);
	enum err err;

	write_file(path, SECRET "\n");
	begin(run);
	err = token_keys_load(path, "", &keys, &why);
	end(run);
	unlink(path);
	assert_int_equal(keys != NULL, err == ERR_OK);
	token_keys_free(&keys);
	buf_fini(&why);
	/* libcrypto's failures are one. */
	return err == ERR_SYSTEM ? ERR_NOMEM : err;
}

/* Whatever is minted without complaint is valid. */
static enum err
run_mint(struct run *run)
{
	struct token_keys *keys = some_keys();
	struct token_claims claims = some_claims(), read;
	struct buf out = BUF_INIT(TOKEN_MAX);
	enum err err;

	begin(run);
	err = token_mint(keys, &rules, &claims, NOW, &out);
	end(run);
	if (err == ERR_OK)
		assert_int_equal(token_verify(keys, &rules, buf_view(&out), NOW, &read), TOKEN_OK);
	token_keys_free(&keys);
	buf_fini(&out);
	return err;
}

/* Verifies a good token, or with this signature in the place of its own, as an enum err. */
static enum err
verify(struct run *run, const char *signature)
{
	struct token_keys *keys = some_keys();
	struct token_claims claims = some_claims(), read = { .expires = -1 };
	struct buf token = BUF_INIT(TOKEN_MAX);
	enum token_cause cause;

	assert_int_equal(token_mint(keys, &rules, &claims, NOW, &token), ERR_OK);
	if (signature != NULL) {
		token.len -= 43;
		buf_puts(&token, signature);
	}
	begin(run);
	cause = token_verify(keys, &rules, buf_view(&token), NOW, &read);
	end(run);
	assert_int_equal(read.expires, cause == TOKEN_OK ? NOW + 3600 : -1);
	token_keys_free(&keys);
	buf_fini(&token);
	switch ((int)cause) {
	case TOKEN_OK:
		return ERR_OK;
	case TOKEN_FAULT:
		return ERR_NOMEM;
	case TOKEN_SIGNATURE:
		return ERR_AUTH;
	default:
		fail_msg("%s", token_cause_name(cause));
		return ERR_SYSTEM;
	}
}

static enum err
run_verify(struct run *run)
{
	return verify(run, NULL);
}

/* 32 bytes of zero: see alloc.c's HMAC. */
static enum err
run_verify_forged(struct run *run)
{
	return verify(run, "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA");
}

static enum err
run_verify_unsigned(struct run *run)
{
	return verify(run, "");
}

/* --- ws --- */

#define FRAMES 40

static enum err
run_outq(struct run *run)
{
	struct frame *frame = frame_new_raw(text_of("frame "));
	struct outq q;
	enum err err = ERR_OK;
	char got[6 * FRAMES + 1];
	uint32_t count = 0;
	int fds[2];

	assert_non_null(frame);
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, fds), 0);
	outq_init(&q);
	begin(run);
	while (count < FRAMES && (err = outq_push(&q, frame, false)) == ERR_OK)
		count++;
	end(run);
	/* What was taken is sent, and nothing else; and then it takes again. */
	assert_int_equal(q.count, count);
	assert_int_equal(q.bytes, 6 * count);
	assert_int_equal(frame->refs, 1 + count);
	assert_int_equal(outq_flush(&q, fds[0]), ERR_OK);
	assert_int_equal(read(fds[1], got, sizeof(got)), 6 * count);
	assert_int_equal(outq_push(&q, frame, false), ERR_OK);
	outq_fini(&q);
	assert_int_equal(frame->refs, 1);
	frame_drop(&frame);
	close(fds[0]);
	close(fds[1]);
	return err;
}

#define MEMBERS 120

static enum err
run_roster(struct run *run)
{
	struct member members[MEMBERS] = { 0 };
	struct roster roster;
	enum err err = ERR_OK;
	unsigned joined = 0;

	roster_init(&roster, 42);
	begin(run);
	while (joined < MEMBERS && err == ERR_OK) {
		struct id id = { { (uint8_t)(joined / 2) } };

		err = roster_join(&roster, &id, &members[joined]);
		joined += err == ERR_OK;
	}
	end(run);
	assert_int_equal(roster.groups.count, (joined + 1) / 2);
	if (err != ERR_OK)
		assert_int_equal(roster_count(&roster, &(struct id){ { (uint8_t)(joined / 2) } }), 0);
	/* The one that did not join may leave all the same. */
	for (unsigned i = 0; i < MEMBERS; i++)
		roster_leave(&roster, &members[i]);
	assert_int_equal(roster.groups.count, 0);
	roster_fini(&roster);
	return err;
}

static enum err
run_broadcast(struct run *run)
{
	struct progress p = sample();
	struct broadcast b;
	bool plain, numbered, event;

	broadcast_init(&b, &p);
	begin(run);
	plain = broadcast_frame(&b, ENCODING_PLAIN) != NULL;
	numbered = broadcast_frame(&b, ENCODING_NUMBERED) != NULL;
	event = broadcast_frame(&b, ENCODING_EVENT) != NULL;
	end(run);
	/* The next watcher may be luckier. */
	assert_non_null(broadcast_frame(&b, ENCODING_PLAIN));
	assert_true(broadcast_frame(&b, ENCODING_NUMBERED)->len > broadcast_frame(&b, ENCODING_PLAIN)->len);
	assert_non_null(broadcast_frame(&b, ENCODING_EVENT));
	broadcast_fini(&b);
	return plain && numbered && event ? ERR_OK : ERR_NOMEM;
}

/* --- all of them --- */

static const struct scenario {
	const char *name;
	enum err (*run)(struct run *run);
	enum err fine, bad; /* what it answers without a failure, and with one */
	bool copes; /* libc or libcrypto do without some allocations, and the answer is right */
	bool idle;  /* allocates nothing */
} scenarios[] = {
	{ "buf", run_buf, ERR_OK, ERR_NOMEM, true, false },
	{ "map", run_map, ERR_OK, ERR_NOMEM, false, false },
	{ "config_default", run_config_default, ERR_OK, ERR_NOMEM, false, false },
	{ "config_load", run_config_load, ERR_OK, ERR_NOMEM, true, false },
	{ "config_load, wrong", run_config_wrong, ERR_INPUT, ERR_NOMEM, true, false },
	{ "config_print", run_config_print, ERR_OK, ERR_NOMEM, false, false },
	{ "digest", run_digest, ERR_OK, ERR_SYSTEM, true, false },
	{ "json", run_json, ERR_OK, ERR_NOMEM, true, false },
	{ "json, many members", run_json_members, ERR_OK, ERR_NOMEM, true, false },
	{ "json, wrong", run_json_wrong, ERR_INPUT, ERR_NOMEM, true, false },
	{ "batch", run_batch, ERR_OK, ERR_NOMEM, true, false },
	{ "form and decision", run_update_form, ERR_OK, ERR_OK, false, true },
	{ "messages", run_message_write, ERR_OK, ERR_NOMEM, false, false },
	{ "refresh", run_refresh, ERR_OK, ERR_NOMEM, true, false },
	{ "opening", run_opening, ERR_OK, ERR_NOMEM, true, false },
	{ "http reply", run_reply, ERR_OK, ERR_NOMEM, false, false },
	{ "frames", run_frames, ERR_OK, ERR_NOMEM, false, false },
	{ "reader", run_reader, ERR_OK, ERR_NOMEM, false, false },
	{ "keys", run_keys, ERR_OK, ERR_NOMEM, true, false },
	{ "mint", run_mint, ERR_OK, ERR_NOMEM, true, false },
	{ "verify", run_verify, ERR_OK, ERR_NOMEM, true, false },
	{ "verify, forged", run_verify_forged, ERR_AUTH, ERR_NOMEM, true, false },
	{ "verify, unsigned", run_verify_unsigned, ERR_AUTH, ERR_NOMEM, true, false },
	{ "outq", run_outq, ERR_OK, ERR_NOMEM, false, false },
	{ "roster", run_roster, ERR_OK, ERR_NOMEM, false, false },
	{ "broadcast", run_broadcast, ERR_OK, ERR_NOMEM, false, false },
};

/* The first, second, third ... allocation fails, until there is none left to. */
static unsigned
fail_each(const struct scenario *scenario, enum alloc_plan plan)
{
	struct run run = { .plan = plan };

	do {
		enum err err;

		run.n++;
		err = scenario->run(&run);
		if (err != scenario->fine && !(run.failed && err == scenario->bad))
			fail_msg("%s, allocation %u%s: %s", scenario->name, run.n,
			    plan == ALLOC_ALL ? " and on" : "", err_name(err));
		if (run.failed && err == scenario->fine && !scenario->copes)
			fail_msg("%s, allocation %u: nobody noticed", scenario->name, run.n);
	} while (run.failed);
	return run.n - 1;
}

static void
test_no_memory(void **state)
{
	const struct scenario *scenario = *state;
	struct run none = { 0 };
	unsigned one, all;

	/* What libraries allocate once for all is theirs to keep. */
	assert_int_equal(scenario->run(&none), scenario->fine);
	one = fail_each(scenario, ALLOC_ONE);
	all = fail_each(scenario, ALLOC_ALL);
	print_message("%s: %u and %u\n", scenario->name, one, all);
	assert_int_equal(one == 0, scenario->idle);
	assert_int_equal(scenario->run(&none), scenario->fine);
}

int
main(void)
{
	struct CMUnitTest tests[countof(scenarios)];

	for (size_t i = 0; i < countof(tests); i++)
		tests[i] = (struct CMUnitTest){ .name = scenarios[i].name,
			.test_func = test_no_memory,
			.initial_state = (void *)(uintptr_t)&scenarios[i] };
	return cmocka_run_group_tests(tests, NULL, NULL);
}
