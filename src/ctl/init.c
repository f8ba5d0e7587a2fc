/* init.c: milepostctl init, check-config and backup: the database and the configuration as files. */
#include "base/digest.h"
#include "ctl/ctl.h"
#include "store/schema.h"
#include "token/token.h"

#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define SECRET_BYTES 48

/* Writes a new secret, unless there is one already. */
static void
make_secret(const char *path)
{
	uint8_t random[SECRET_BYTES];
	char text[SECRET_BYTES / 3 * 4 + 2];
	int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0640);

	if (fd < 0 && errno == EEXIST)
		return;
	if (fd < 0)
		ctl_fail("%s: %s", path, strerror(errno));
	if (digest_random(random, sizeof(random)) != ERR_OK)
		ctl_fail("the system gives no random numbers");
	digest_base64(random, sizeof(random), text);
	strcat(text, "\n");
	if (write(fd, text, strlen(text)) != (ssize_t)strlen(text) || fsync(fd) < 0)
		ctl_fail("%s: %s", path, strerror(errno));
	close(fd);
	printf("drew a secret for tokens: %s\n", path);
}

static int
run_init(const struct command *self, int argc, char **argv)
{
	static const struct option longs[] = {
		{ "no-secret", no_argument, NULL, 'n' },
		{ NULL, 0, NULL, 0 },
	};
	struct config *config;
	struct buf why = BUF_INIT(2048);
	bool secret = true;
	int c, from, to;

	while ((c = getopt_long(argc, argv, "", longs, NULL)) != -1) {
		if (c != 'n')
			return EXIT_USAGE;
		secret = false;
	}
	if (optind < argc)
		ctl_usage(self, "unexpected argument \"%s\"", argv[optind]);
	config = ctl_config();
	if (schema_init(config->database, &from, &to, &why) != ERR_OK)
		ctl_fail("%s", buf_cstr(&why));
	if (from == 0)
		printf("created %s (schema %d)\n", config->database, to);
	else if (from < to)
		printf("brought %s from schema %d to %d\n", config->database, from, to);
	else
		printf("%s is up to date (schema %d)\n", config->database, to);
	ctl_ring(config);
	if (secret)
		make_secret(config->jwt_secret_file);
	buf_fini(&why);
	config_free(&config);
	return EXIT_SUCCESS;
}

const struct command command_init = {
	.name = "init",
	.usage = "[--no-secret]",
	.summary = "create the database, or bring its schema up to date",
	.details = "Where the file jwt_secret_file does not exist, a secret is drawn into it, unless\n"
	    "--no-secret is given. Running it again changes nothing.\n",
	.run = run_init,
};

/* The folder of a socket must exist before a program can listen there. */
static bool
check_folder(const char *path)
{
	char *copy = strdup(path), *slash = copy != NULL ? strrchr(copy, '/') : NULL;
	struct stat st;
	bool ok = true;

	if (slash != NULL && slash != copy) {
		*slash = '\0';
		ok = stat(copy, &st) == 0 && S_ISDIR(st.st_mode);
		if (!ok)
			printf("%s: the folder of a socket does not exist\n", copy);
	}
	free(copy);
	return ok;
}

static bool
check_secret(const struct config *config)
{
	struct buf why = BUF_INIT(1024);
	struct token_keys *keys = NULL;
	bool ok = token_keys_load(config->jwt_secret_file, &keys, &why) == ERR_OK;

	if (!ok)
		printf("%s\n", buf_cstr(&why));
	token_keys_free(&keys);
	buf_fini(&why);
	return ok;
}

static bool
check_database(const struct config *config)
{
	struct buf why = BUF_INIT(1024);
	struct store *store = NULL;
	bool ok = store_open(config->database, STORE_READ, 1000, &store, &why) == ERR_OK;

	if (!ok)
		printf("%s\n", buf_cstr(&why));
	store_close(&store);
	buf_fini(&why);
	return ok;
}

static int
run_check_config(const struct command *self, int argc, char **argv)
{
	static const struct option longs[] = {
		{ "print", no_argument, NULL, 'p' },
		{ NULL, 0, NULL, 0 },
	};
	struct buf text = BUF_INIT(65536);
	struct config *config;
	bool print = false, ok;
	int c;

	while ((c = getopt_long(argc, argv, "", longs, NULL)) != -1) {
		if (c != 'p')
			return EXIT_USAGE;
		print = true;
	}
	if (optind < argc)
		ctl_usage(self, "unexpected argument \"%s\"", argv[optind]);
	config = ctl_config();
	if (print) {
		config_print(config, &text);
		fputs(buf_cstr(&text), stdout);
	}
	/* All problems, each on a line of its own. */
	ok = check_secret(config);
	ok = check_database(config) && ok;
	ok = check_folder(config->ws_socket) && ok;
	ok = check_folder(config->api_socket) && ok;
	if (ok && !print)
		puts("ok");
	buf_fini(&text);
	config_free(&config);
	return ok ? EXIT_SUCCESS : EXIT_FAILURE;
}

const struct command command_check_config = {
	.name = "check-config",
	.usage = "[--print]",
	.summary = "check the configuration, and what it names",
	.details = "--print shows every key with its effective value.\n",
	.run = run_check_config,
};

static int
run_backup(const struct command *self, int argc, char **argv)
{
	struct config *config;
	struct store *store;
	struct stat st;

	if (argc != 2)
		ctl_usage(self, "backup takes one file");
	config = ctl_config();
	store = ctl_open(config, STORE_READ);
	ctl_check(store, store_backup(store, argv[1]), "backup");
	store_close(&store);
	config_free(&config);
	if (stat(argv[1], &st) == 0)
		printf("%s: %lld bytes\n", argv[1], (long long)st.st_size);
	return EXIT_SUCCESS;
}

const struct command command_backup = {
	.name = "backup",
	.usage = "FILE",
	.summary = "write a consistent copy of the database to a new file",
	.details = "The programs may go on meanwhile. An existing file is not overwritten.\n",
	.run = run_backup,
};
