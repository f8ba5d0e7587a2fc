/* ctl.c: failing, opening, and reading arguments. */
#include "ctl/ctl.h"

#include "base/digest.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <termios.h>
#include <unistd.h>

#define BUSY_MS 10000 /* a person waits longer than a worker */

static const char *config_path;

static void
complain(const char *fmt, va_list ap)
{
	fputs("milepostctl: ", stderr);
	vfprintf(stderr, fmt, ap);
	fputs("\n", stderr);
}

void
ctl_fail(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	complain(fmt, ap);
	va_end(ap);
	exit(EXIT_FAILURE);
}

void
ctl_usage(const struct command *self, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	complain(fmt, ap);
	va_end(ap);
	fprintf(stderr, "usage: milepostctl %s %s\n", self->name, self->usage);
	exit(EXIT_USAGE);
}

const char *
ctl_config_path(void)
{
	return config_path != NULL ? config_path : config_default_path();
}

void
ctl_set_config_path(const char *path)
{
	config_path = path;
}

struct config *
ctl_config(void)
{
	struct buf why = BUF_INIT(2048);
	struct config *config;

	if (config_load(ctl_config_path(), &config, &why) != ERR_OK)
		ctl_fail("%s", buf_cstr(&why));
	buf_fini(&why);
	return config;
}

struct store *
ctl_open(const struct config *config, enum store_mode mode)
{
	struct buf why = BUF_INIT(2048);
	struct store *store;

	if (store_open(config->database, mode, BUSY_MS, &store, &why) != ERR_OK)
		ctl_fail("%s", buf_cstr(&why));
	buf_fini(&why);
	return store;
}

void
ctl_check(const struct store *store, enum err err, const char *doing)
{
	if (err != ERR_OK)
		ctl_fail("%s: %s (%s)", doing, store_error(store), err_name(err));
}

void
ctl_ring(const struct config *config)
{
	struct bell *bell;

	/* Not heard, the change is found by the next poll. */
	if (bell_open(config->database, &bell) != ERR_OK || bell_ring(bell) != ERR_OK)
		fprintf(stderr, "milepostctl: %s-bell: %s; running programs will notice within their "
		    "poll_interval\n", config->database, strerror(errno));
	else
		bell_close(&bell);
}

struct id
ctl_id(const struct command *self, const char *what, const char *text)
{
	struct id id;

	if (id_parse(text_of(text), &id) != ERR_OK)
		ctl_usage(self, "%s \"%s\" is not a UUID", what, text);
	return id;
}

struct id
ctl_id_or_new(const struct command *self, const char *what, const char *text)
{
	struct id id;

	if (strcmp(text, "-") != 0)
		return ctl_id(self, what, text);
	if (digest_random(id.bytes, sizeof(id.bytes)) != ERR_OK)
		ctl_fail("the system gives no random numbers");
	/* RFC 9562 section 5.4: version 4, variant 10. */
	id.bytes[6] = (uint8_t)((id.bytes[6] & 0x0f) | 0x40);
	id.bytes[8] = (uint8_t)((id.bytes[8] & 0x3f) | 0x80);
	return id;
}

int64_t
ctl_duration(const struct command *self, const char *what, const char *text)
{
	int64_t ms;

	if (!config_read_time(text, &ms))
		ctl_usage(self, "%s \"%s\" is not a time such as 30s, 10m, 1h or 7d", what, text);
	return ms / 1000;
}

int64_t
ctl_number(const struct command *self, const char *what, const char *text, int64_t max)
{
	unsigned long long n;

	if (!text_number(text_of(text), (unsigned long long)max, &n))
		ctl_usage(self, "%s \"%s\" is not a whole number from 0 to %lld", what, text,
		    (long long)max);
	return (int64_t)n;
}

/* Switches the terminal's echo. */
static void
set_echo(bool on)
{
	struct termios t;

	if (tcgetattr(STDIN_FILENO, &t) < 0)
		return;
	t.c_lflag = on ? t.c_lflag | ECHO : t.c_lflag & ~(tcflag_t)ECHO;
	tcsetattr(STDIN_FILENO, TCSAFLUSH, &t);
}

char *
ctl_read_secret(const char *prompt)
{
	bool terminal = isatty(STDIN_FILENO) != 0;
	char *line = NULL;
	size_t cap = 0;
	ssize_t len;

	if (terminal) {
		fprintf(stderr, "%s: ", prompt);
		set_echo(false);
	}
	len = getline(&line, &cap, stdin);
	if (terminal) {
		set_echo(true);
		fputs("\n", stderr);
	}
	if (len < 0)
		ctl_fail("standard input has no line with the %s", prompt);
	line[strcspn(line, "\r\n")] = '\0';
	return line;
}

void
ctl_print_text(struct text t)
{
	for (size_t i = 0; i < t.len; i++) {
		unsigned char c = (unsigned char)t.s[i];

		/* C1 controls come as 0xc2 0x80..0x9f in UTF-8. */
		bool c1 = c == 0xc2 && i + 1 < t.len && (unsigned char)t.s[i + 1] < 0xa0;

		if (c < 0x20 || c == 0x7f || c1)
			printf("\\x%02x", c);
		else
			putchar(c);
	}
}
