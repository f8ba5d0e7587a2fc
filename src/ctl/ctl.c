/* ctl.c: failing, and opening what the configuration names. */
#include "ctl/ctl.h"

#include "bell/bell.h"
#include "ctl/escape.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#define BUSY_MS 10000 /* a person waits longer than a worker */
#define LINE_MAX_BYTES 65536

/* Arguments, paths and answers of servers are in these lines: none may command the terminal. */
static void PRINTF(2, 0)
complain(const char *prefix, const char *fmt, va_list ap, const char *hint)
{
	struct buf line = BUF_INIT(LINE_MAX_BYTES);
	char *text;

	fflush(stdout); /* what was printed before comes before, where both go to one place */
	if (vasprintf(&text, fmt, ap) < 0)
		text = NULL;
	escape_text(&line, text_of(text != NULL ? text : "no memory"), SIZE_MAX);
	fprintf(stderr, "milepostctl: %s%.*s%s\n", prefix, TEXT_ARG(buf_view(&line)), hint);
	buf_fini(&line);
	free(text);
}

void
ctl_warn(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	complain("", fmt, ap, "");
	va_end(ap);
}

void
ctl_fail(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	complain("", fmt, ap, "");
	va_end(ap);
	exit(EXIT_FAILURE);
}

void
ctl_usage(const struct ctl *ctl, const char *fmt, ...)
{
	char prefix[64] = "", hint[64] = "; see: milepostctl --help";
	const char *name = ctl->command != NULL ? ctl->command->name : "";
	bool has_verb = ctl->command != NULL && strcmp(ctl->argv[0], name) != 0;
	va_list ap;

	if (ctl->command != NULL) {
		snprintf(prefix, sizeof(prefix), "%s%s%s: ", name, has_verb ? " " : "",
		    has_verb ? ctl->argv[0] : "");
		snprintf(hint, sizeof(hint), "; see: milepostctl %s --help", name);
	}
	va_start(ap, fmt);
	complain(prefix, fmt, ap, hint);
	va_end(ap);
	exit(EXIT_USAGE);
}

void
ctl_config(struct ctl *ctl)
{
	struct buf why = BUF_INIT(2048);
	const char *path = ctl->config_path != NULL ? ctl->config_path : config_default_path();

	if (config_load(path, &ctl->config, &why) != ERR_OK)
		ctl_fail("%s", buf_cstr(&why));
	buf_fini(&why);
}

void
ctl_open(struct ctl *ctl, enum store_mode mode)
{
	struct buf why = BUF_INIT(2048);

	ctl_config(ctl);
	if (store_open(ctl->config->database, mode, BUSY_MS, &ctl->store, &why) != ERR_OK)
		ctl_fail("%s", buf_cstr(&why));
	buf_fini(&why);
}

void
ctl_close(struct ctl *ctl)
{
	store_close(&ctl->store);
	config_free(&ctl->config);
}

void
ctl_check(const struct ctl *ctl, enum err err)
{
	const char *advice = "";

	if (err == ERR_OK)
		return;
	if (err == ERR_BUSY)
		advice = "; another program is writing, try again";
	if (err == ERR_FULL)
		advice = "; is the disk full, or the file read-only?";
	ctl_fail("%s: %s%s", ctl->config->database, store_error(ctl->store), advice);
}

void
ctl_check_found(const struct ctl *ctl, enum err err, const struct id *id)
{
	const char *kind = ctl->command->name;
	char text[ID_TEXT_LEN + 1];

	id_format(id, text);
	if (err == ERR_ABSENT)
		ctl_fail("no %s %s; add one with: milepostctl %s add", kind, text, kind);
	ctl_check(ctl, err);
}

void
ctl_check_new(const struct ctl *ctl, enum err err, const struct id *id)
{
	const char *kind = ctl->command->name;
	char text[ID_TEXT_LEN + 1];

	id_format(id, text);
	if (err == ERR_OK)
		ctl_fail("there is a %s %s already; change it with: milepostctl %s set", kind, text,
		    kind);
	if (err != ERR_ABSENT)
		ctl_check(ctl, err);
}

int
ctl_directory(const char *path, struct buf *name)
{
	const char *slash = strrchr(path, '/');
	const char *directory;
	struct stat st;

	if (slash == NULL)
		buf_puts(name, ".");
	else
		buf_add(name, path, slash == path ? 1 : (size_t)(slash - path));
	directory = buf_cstr(name);
	if (directory == NULL)
		return ENAMETOOLONG;
	if (stat(directory, &st) < 0)
		return errno;
	return S_ISDIR(st.st_mode) ? 0 : ENOTDIR;
}

void
ctl_begin(struct ctl *ctl)
{
	ctl_check(ctl, store_begin(ctl->store));
}

void
ctl_commit(struct ctl *ctl)
{
	ctl_check(ctl, store_commit(ctl->store));
	ctl_ring(ctl);
}

void
ctl_ring(const struct ctl *ctl)
{
	struct bell *bell = NULL;

	/* What is not heard is found by the next poll: the change is made all the same. */
	if (bell_open(ctl->config->database, &bell) != ERR_OK || bell_ring(bell) != ERR_OK)
		ctl_warn("%s-bell: %s; running programs notice within their poll_interval",
		    ctl->config->database, strerror(errno));
	bell_close(&bell);
}

void
ctl_print(const struct buf *out)
{
	if (out->err != ERR_OK)
		ctl_fail("no memory for the output");
	if (out->len > 0)
		fwrite(out->data, 1, out->len, stdout);
}
