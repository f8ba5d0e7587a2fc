/* test-config.c: every key at its default and at its bounds, every complaint with its file:line. */
#include "base/config.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

/* All keys, in the table's order, as config_print writes their defaults, and another value each. */
static const struct {
	const char *key, *fallback;
	const char *given, *printed;
} keys[] = {
	{ "database", LOCALSTATEDIR "/lib/milepost/milepost.db", "/x y/z.db", "/x y/z.db" },
	{ "log_level", "info", "debug", "debug" },
	{ "log_format", "kv", "json", "json" },
	{ "users", "database", "token", "token" },
	{ "jwt_secret_file", SYSCONFDIR "/milepost/jwt.secret", "secret", "secret" },
	{ "jwt_keys", "", "kid=a alg=RS256 file=a.pem", "kid=a alg=RS256 file=a.pem" },
	{ "jwt_issuer", "", "https://issuer.example", "https://issuer.example" },
	{ "jwt_audience", "", "milepost", "milepost" },
	{ "jwt_leeway", "30000ms", "0s", "0ms" },
	{ "token_lifetime", "3600000ms", "7d", "604800000ms" },
	{ "socket_mode", "0660", "600", "0600" },
	{ "ws_socket", RUNSTATEDIR "/milepost/ws.sock", "ws.sock", "ws.sock" },
	{ "origins", "", "https://a.example https://b.example",
	  "https://a.example https://b.example" },
	{ "client_messages", "ignore", "ack", "ack" },
	{ "heartbeat_interval", "30000ms", "50ms", "50ms" },
	{ "poll_interval", "1000ms", "10ms", "10ms" },
	{ "head_timeout", "10000ms", "1m", "60000ms" },
	{ "close_timeout", "5000ms", "1h", "3600000ms" },
	{ "head_max", "16384", "1024", "1024" },
	{ "send_queue_max", "65536", "1m", "1048576" },
	{ "max_connections", "10000", "1", "1" },
	{ "max_connections_per_user", "20", "21", "21" },
	{ "max_connections_per_address", "1000", "31", "31" },
	{ "message_max", "4096", "8k", "8192" },
	{ "message_rate_max", "50", "7", "7" },
	{ "drain_time", "5000ms", "0s", "0ms" },
	{ "api_socket", RUNSTATEDIR "/milepost/api.sock", "api.sock", "api.sock" },
	{ "api_threads", "16", "8", "8" },
	{ "commit_group_max", "64", "1", "1" },
	{ "busy_timeout", "4000ms", "1500ms", "1500ms" },
	{ "wal_max", "1073741824", "64m", "67108864" },
	{ "relay_redis", "", "a:6379 /b.sock", "a:6379 /b.sock" },
	{ "relay_host", "", "host1", "host1" },
	{ "relay_user", "", "milepost", "milepost" },
	{ "relay_password_file", "", "/x", "/x" },
	{ "relay_prefix", "milepost", "other", "other" },
	{ "relay_stream_max", "1000000", "10", "10" },
	{ "relay_stream_age", "86400000ms", "2d", "172800000ms" },
	{ "relay_timeout", "5000ms", "2s", "2000ms" },
};

/* Loads this text as a file; why gets what follows the file's name. */
static enum err
load(const char *content, size_t len, struct config **out, struct buf *why)
{
	char path[] = "/tmp/test-config-XXXXXX";
	int fd = mkstemp(path);
	struct buf full = BUF_INIT(4096);
	enum err err;

	assert_true(fd >= 0);
	assert_int_equal(write(fd, content, len), len);
	close(fd);
	err = config_load(path, out, &full);
	unlink(path);
	buf_reset(why);
	if (err != ERR_OK) {
		struct text text = buf_view(&full);

		assert_true(text_skip(&text, path));
		buf_text(why, text);
	}
	buf_fini(&full);
	return err;
}

/* What this text is read as. */
static struct config *
loaded(const char *content)
{
	struct buf why = BUF_INIT(4096);
	struct config *config = NULL;

	if (load(content, strlen(content), &config, &why) != ERR_OK)
		fail_msg("%s", buf_cstr(&why));
	buf_fini(&why);
	return config;
}

static void
assert_prints(const struct config *config, bool given)
{
	struct buf expected = BUF_INIT(8192), printed = BUF_INIT(8192);

	for (size_t i = 0; i < countof(keys); i++)
		buf_printf(&expected, "%s = %s\n", keys[i].key,
		    given ? keys[i].printed : keys[i].fallback);
	config_print(config, &printed);
	assert_string_equal(buf_cstr(&printed), buf_cstr(&expected));
	buf_fini(&expected);
	buf_fini(&printed);
}

static void
test_defaults(void **state)
{
	struct config *config = NULL;
	size_t count = 0;

	(void)state;
	while (config_key(count) != NULL) {
		assert_true(count < countof(keys));
		assert_string_equal(config_key(count), keys[count].key);
		count++;
	}
	assert_int_equal(count, countof(keys));
	assert_int_equal(config_default(&config), ERR_OK);
	assert_prints(config, false);
	config_free(&config);
	assert_null(config);
	config_free(&config);
}

static void
test_no_file_content_is_all_defaults(void **state)
{
	static const char *const contents[] = { "", "\n\n", "# comment\n; comment\n  # indented\n",
		"\xef\xbb\xbf# after a byte order mark\n" };

	(void)state;
	for (size_t i = 0; i < countof(contents); i++) {
		struct config *config = loaded(contents[i]);

		assert_prints(config, false);
		config_free(&config);
	}
}

static void
test_every_key_can_be_set(void **state)
{
	struct buf file = BUF_INIT(8192), printed = BUF_INIT(8192);
	struct config *config, *again;

	(void)state;
	for (size_t i = 0; i < countof(keys); i++)
		buf_printf(&file, "%s = %s\n", keys[i].key, keys[i].given);
	config = loaded(buf_cstr(&file));
	assert_prints(config, true);

	/* What is printed can be read, and is the same. */
	config_print(config, &printed);
	again = loaded(buf_cstr(&printed));
	assert_prints(again, true);
	config_free(&config);
	config_free(&again);
	buf_fini(&file);
	buf_fini(&printed);
}

/* The values as the programs use them: numbers in milliseconds and bytes, words as enums. */
static void
test_members(void **state)
{
	static const char content[] = "log_level = error\nusers=token\nclient_messages = ack\n"
	    "log_format=json\nheartbeat_interval = 2m\nhead_max = 2k\nsend_queue_max=1m\n"
	    "socket_mode = 0600\napi_threads = 3\njwt_leeway = 1500ms\ntoken_lifetime = 2h\r\n"
	    "database = /var/lib/x";
	struct config *config = loaded(content);

	(void)state;
	assert_int_equal(config->log_level, LOG_LEVEL_ERROR);
	assert_int_equal(config->log_format, LOG_FORMAT_JSON);
	assert_int_equal(config->users, USERS_TOKEN);
	assert_int_equal(config->client_messages, REPLIES_ACK);
	assert_int_equal(config->heartbeat_interval_ms, 120000);
	assert_int_equal(config->head_max, 2048);
	assert_int_equal(config->send_queue_max, 1 << 20);
	assert_int_equal(config->socket_mode, 0600);
	assert_int_equal(config->api_threads, 3);
	assert_int_equal(config->jwt_leeway_ms, 1500);
	assert_int_equal(config->token_lifetime_ms, 7200000);
	assert_string_equal(config->database, "/var/lib/x");
	config_free(&config);
}

/* An entry a line, the first of them below the key's own. */
static void
test_keys_on_several_lines(void **state)
{
	static const char content[] = "jwt_secret_file =\njwt_keys =\n# the old one\n"
	    "\tkid=a alg=RS256 file=a.pem\n\n    kid=b alg=ES256\n; the new one\n\tfile=b.pem\n"
	    "users = token\n";
	struct config *config = loaded(content);

	(void)state;
	assert_string_equal(config->jwt_secret_file, "");
	assert_string_equal(config->jwt_keys,
	    " kid=a alg=RS256 file=a.pem kid=b alg=ES256 file=b.pem");
	assert_int_equal(config->users, USERS_TOKEN);
	config_free(&config);
}

static void
test_bounds(void **state)
{
	static const struct {
		const char *key, *below, *least, *most, *above;
	} rows[] = {
		{ "jwt_leeway", NULL, "0s", "1h", "3600001ms" },
		{ "token_lifetime", "999ms", "1s", "366d", "367d" },
		{ "socket_mode", NULL, "0", "0777", "01000" },
		{ "heartbeat_interval", "49ms", "50ms", "1h", "3601s" },
		{ "poll_interval", "9ms", "10ms", "60s", "60001ms" },
		{ "head_timeout", "49ms", "50ms", "1h", "61m" },
		{ "close_timeout", "49ms", "50ms", "1h", "61m" },
		{ "head_max", "1023", "1k", "1m", "1048577" },
		{ "send_queue_max", "1023", "1024", "16m", "16777217" },
		{ "max_connections", "0", "1", "10000000", "10000001" },
		{ "max_connections_per_user", "0", "1", "10000000", "10000001" },
		{ "max_connections_per_address", "0", "1", "10000000", "10000001" },
		{ "message_max", "127", "128", "65535", "64k" },
		{ "message_rate_max", "0", "1", "65534", "65535" },
		{ "drain_time", NULL, "0s", "1h", "61m" },
		{ "api_threads", "0", "1", "1024", "1025" },
		{ "commit_group_max", "0", "1", "10000", "10001" },
		{ "busy_timeout", NULL, "0s", "1m", "60001ms" },
		{ "wal_max", "8191k", "8m", "70368744177664", "70368744177665" },
		{ "relay_stream_max", "9", "10", "1000000000", "1000000001" },
		{ "relay_stream_age", "999ms", "1s", "366d", "367d" },
		{ "relay_timeout", "1999ms", "2s", "60s", "60001ms" },
	};
	struct buf why = BUF_INIT(4096);

	(void)state;
	for (size_t i = 0; i < countof(rows); i++) {
		const char *values[] = { rows[i].below, rows[i].least, rows[i].most,
			rows[i].above };

		for (size_t v = 0; v < countof(values); v++) {
			struct config *config = NULL;
			char line[128];
			bool inside = v == 1 || v == 2;
			int len = snprintf(line, sizeof(line), "%s = %s\n", rows[i].key, values[v]);

			if (values[v] == NULL)
				continue;
			if (load(line, (size_t)len, &config, &why) != (inside ? ERR_OK : ERR_INPUT))
				fail_msg("%s", line);
			if (!inside)
				assert_non_null(strstr(buf_cstr(&why), " is out of range ("));
			config_free(&config);
		}
	}
	buf_fini(&why);
}

/* Every complaint there is, with the line it is about. */
static void
test_complaints(void **state)
{
	static const struct {
		const char *content, *why;
	} rows[] = {
		{ "colour = red\n", ":1: unknown key \"colour\"" },
		{ "# c\n\nLOG_LEVEL = info\n", ":3: unknown key \"LOG_LEVEL\"" },
		{ "= 5\n", ":1: unknown key \"\"" },
		{ "users = token\nusers = token\n", ":2: users is given twice" },
		{ "users = token\n  token\n", ":2: users is given twice" },
		{ "api_threads = 1\n  2\n", ":2: api_threads is given twice" },
		{ "log_level = loud\n",
		  ":1: log_level: \"loud\" is not one of error|warn|info|debug" },
		{ "log_level = \n", ":1: log_level: \"\" is not one of error|warn|info|debug" },
		{ "log_level = inf\n",
		  ":1: log_level: \"inf\" is not one of error|warn|info|debug" },
		{ "log_level = error|warn\n",
		  ":1: log_level: \"error|warn\" is not one of error|warn|info|debug" },
		{ "api_threads = many\n", ":1: api_threads: \"many\" is not a whole number" },
		{ "api_threads = -1\n", ":1: api_threads: \"-1\" is not a whole number" },
		{ "api_threads = +1\n", ":1: api_threads: \"+1\" is not a whole number" },
		{ "api_threads = 1.5\n", ":1: api_threads: \"1.5\" is not a whole number" },
		{ "api_threads = 4k\n", ":1: api_threads: \"4k\" is not a whole number" },
		{ "api_threads = 99999999999999999999\n",
		  ":1: api_threads: \"99999999999999999999\" is not a whole number" },
		{ "api_threads = 2000\n", ":1: api_threads: 2000 is out of range (1 to 1024)" },
		{ "head_max = 4g\n", ":1: head_max: \"4g\" is not a size such as 4096, 16k or 1m" },
		{ "head_max = 9223372036854775807m\n",
		  ":1: head_max: \"9223372036854775807m\" is not a size such as 4096, 16k or 1m" },
		{ "head_max = 100\n", ":1: head_max: 100 is out of range (1024 to 1048576 bytes)" },
		{ "head_timeout = 10\n",
		  ":1: head_timeout: \"10\" is not a time such as 500ms, 30s, 10m, 1h or 7d" },
		{ "head_timeout = 1 s\n",
		  ":1: head_timeout: \"1 s\" is not a time such as 500ms, 30s, 10m, 1h or 7d" },
		{ "head_timeout = 2h\n",
		  ":1: head_timeout: 2h is out of range (50 to 3600000 ms)" },
		{ "socket_mode = rw\n",
		  ":1: socket_mode: \"rw\" is not an octal mode such as 0660" },
		{ "socket_mode = 0668\n",
		  ":1: socket_mode: \"0668\" is not an octal mode such as 0660" },
		{ "\n[ws]\nlog_level = info\n", ":3: [ws]: this file has no sections" },
		{ "log_level\n", ":1: neither \"key = value\" nor a comment" },
		{ "users = token\n\nwhat is this\n", ":3: neither \"key = value\" nor a comment" },
		{ "[open\n", ":1: neither \"key = value\" nor a comment" },
		/* Of two errors, the first one. */
		{ "what is this\nlog_level = loud\n", ":1: neither \"key = value\" nor a comment" },
		{ "log_level = loud\nwhat is this\n",
		  ":1: log_level: \"loud\" is not one of error|warn|info|debug" },
		{ "colour = red\nshape = round\n", ":1: unknown key \"colour\"" },
	};
	struct buf why = BUF_INIT(4096);

	(void)state;
	for (size_t i = 0; i < countof(rows); i++) {
		struct config *config = NULL;

		assert_int_equal(load(rows[i].content, strlen(rows[i].content), &config, &why),
		    ERR_INPUT);
		assert_null(config);
		assert_string_equal(buf_cstr(&why), rows[i].why);
	}
	buf_fini(&why);
}

/* inih reads lines into 200 bytes; what is longer must not become two lines. */
static void
test_long_lines(void **state)
{
	struct buf why = BUF_INIT(4096);
	char content[400] = "# first\norigins = ";
	size_t begin = strlen("# first\n"), from = strlen(content);

	(void)state;
	for (size_t len = 196; len <= 202; len++) {
		struct config *config = NULL;
		size_t end = begin + len;

		memset(content + from, 'x', end - from);
		content[end] = '\n';
		if (len <= 198) {
			assert_int_equal(load(content, end + 1, &config, &why), ERR_OK);
			assert_int_equal(strlen(config->origins), end - from);
			config_free(&config);
			continue;
		}
		assert_int_equal(load(content, end + 1, &config, &why), ERR_INPUT);
		assert_string_equal(buf_cstr(&why), ":2: longer than 198 bytes, or not a text");
	}
	assert_int_equal(load("database = /x\0y\n", 16, &(struct config *){ NULL }, &why),
	    ERR_INPUT);
	assert_string_equal(buf_cstr(&why), ":1: longer than 198 bytes, or not a text");
	buf_fini(&why);
}

static void
test_continued_lines(void **state)
{
	static const char content[] = "origins = https://a.example\n"
				      "\thttps://b.example\n"
				      "  https://c.example   https://d.example\n"
				      "users = token\n";
	struct config *config = loaded(content);

	(void)state;
	assert_string_equal(config->origins,
	    "https://a.example https://b.example https://c.example   https://d.example");
	assert_int_equal(config->users, USERS_TOKEN);
	config_free(&config);
}

static void
test_unreadable(void **state)
{
	struct config *config = NULL;
	struct buf why = BUF_INIT(4096);

	(void)state;
	assert_int_equal(config_load("/nonexistent/milepost.conf", &config, &why), ERR_ABSENT);
	assert_string_equal(buf_cstr(&why),
	    "/nonexistent/milepost.conf: No such file or directory; "
	    "name the configuration by -c or MILEPOST_CONFIG");
	buf_reset(&why);
	assert_int_equal(config_load("/", &config, &why), ERR_SYSTEM);
	assert_string_equal(buf_cstr(&why), "/: Is a directory");
	assert_null(config);
	buf_fini(&why);
}

static void
test_default_path(void **state)
{
	(void)state;
	unsetenv("MILEPOST_CONFIG");
	assert_string_equal(config_default_path(), SYSCONFDIR "/milepost/milepost.conf");
	setenv("MILEPOST_CONFIG", "", 1);
	assert_string_equal(config_default_path(), SYSCONFDIR "/milepost/milepost.conf");
	setenv("MILEPOST_CONFIG", "/x/y.conf", 1);
	assert_string_equal(config_default_path(), "/x/y.conf");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_defaults),
		cmocka_unit_test(test_no_file_content_is_all_defaults),
		cmocka_unit_test(test_every_key_can_be_set),
		cmocka_unit_test(test_members),
		cmocka_unit_test(test_keys_on_several_lines),
		cmocka_unit_test(test_bounds),
		cmocka_unit_test(test_complaints),
		cmocka_unit_test(test_long_lines),
		cmocka_unit_test(test_continued_lines),
		cmocka_unit_test(test_unreadable),
		cmocka_unit_test(test_default_path),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
