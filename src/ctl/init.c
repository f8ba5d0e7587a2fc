/* init.c: milepostctl init: the database, the bell and the secret of tokens. */
#include "base/digest.h"
#include "ctl/args.h"
#include "store/schema.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define SECRET_BYTES 48 /* a multiple of 3: base64 without padding */
#define SECRET_LEN (SECRET_BYTES / 3 * 4)

/* Directories are the administrator's, with their owners and modes. */
static void
need_directory(const char *path)
{
	struct buf directory = BUF_INIT(PATH_MAX);
	int cause = ctl_directory(path, &directory);

	if (cause != 0)
		ctl_fail("%.*s: %s; create it, for the user of the services",
		    TEXT_ARG(buf_view(&directory)), strerror(cause));
	buf_fini(&directory);
}

static void
make_database(struct ctl *ctl)
{
	struct buf why = BUF_INIT(2048);
	const char *path = ctl->config->database;
	int from, to;

	if (schema_init(path, &from, &to, &why) != ERR_OK)
		ctl_fail("%s", buf_cstr(&why));
	if (from == 0)
		printf("created %s (schema %d)\n", path, to);
	else if (from < to)
		printf("%s: brought from schema %d to %d\n", path, from, to);
	else
		printf("%s: schema %d is up to date\n", path, to);
	buf_fini(&why);
	ctl_ring(ctl); /* makes the bell, too */
}

/* A new secret in base64url and a newline. */
static void
draw_secret(char out[SECRET_LEN + 2])
{
	uint8_t random[SECRET_BYTES];

	if (digest_random(random, sizeof(random)) != ERR_OK)
		ctl_fail("the system gives no random bytes");
	digest_base64(random, sizeof(random), out);
	for (size_t i = 0; i < SECRET_LEN; i++)
		out[i] = out[i] == '+' ? '-' : out[i] == '/' ? '_' : out[i];
	memcpy(out + SECRET_LEN, "\n", 2);
	explicit_bzero(random, sizeof(random));
}

/* The mode is this one whatever the umask: the services' group reads it, nobody else. */
static bool
write_secret(int fd, const char *text)
{
	size_t len = strlen(text);
	ssize_t n = fchmod(fd, 0640) == 0 ? write(fd, text, len) : -1;

	if (n >= 0 && (size_t)n < len)
		errno = ENOSPC;
	return n == (ssize_t)len && fsync(fd) == 0;
}

static void
make_secret(const char *path)
{
	char text[SECRET_LEN + 2];
	int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);

	if (fd < 0 && errno == EEXIST) {
		printf("%s: kept\n", path);
		return;
	}
	if (fd < 0)
		ctl_fail("%s: can't be created: %s", path, strerror(errno));
	draw_secret(text);
	if (!write_secret(fd, text)) {
		int cause = errno;

		unlink(path); /* half a secret must not stay */
		ctl_fail("%s: can't be written: %s", path, strerror(cause));
	}
	explicit_bzero(text, sizeof(text));
	close(fd);
	printf("created %s (a new secret for tokens)\n", path);
}

static int
run(struct ctl *ctl)
{
	enum { NO_SECRET = ARGS_LONG };
	static const struct option longs[] = {
		{ "no-secret", no_argument, NULL, NO_SECRET },
		ARGS_END
	};
	bool secret = true;

	while (args_option(ctl, NULL, longs) != -1)
		secret = false;
	args_expect(ctl, 0, 0, "none");
	ctl_config(ctl);
	if (ctl->config->jwt_secret_file[0] == '\0') /* the keys are those of jwt_keys */
		secret = false;
	need_directory(ctl->config->database);
	if (secret)
		need_directory(ctl->config->jwt_secret_file);
	make_database(ctl);
	if (secret)
		make_secret(ctl->config->jwt_secret_file);
	return EXIT_SUCCESS;
}

const struct command command_init = {
	.name = "init",
	.usage = "[--no-secret]",
	.summary = "create the database, or bring its schema up to date",
	.details = "Where the file jwt_secret_file does not exist, a new secret is written to it,\n"
	    "unless --no-secret is given. Running it again changes nothing. Run it as the user of\n"
	    "the services.\n",
	.run = run,
};
