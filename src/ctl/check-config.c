/* check-config.c: milepostctl check-config: the configuration, and what it names. */
#include "ctl/args.h"
#include "token/token.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/un.h>

#define BUSY_MS 1000

static bool
check_keys(const struct config *config)
{
	struct buf why = BUF_INIT(2048);
	struct token_keys *keys = NULL;
	bool ok = token_keys_load(config->jwt_secret_file, config->jwt_keys, &keys, &why) ==
	          ERR_OK;

	if (!ok)
		ctl_warn("%s", buf_cstr(&why));
	token_keys_free(&keys);
	buf_fini(&why);
	return ok;
}

static bool
check_database(const struct config *config)
{
	struct buf why = BUF_INIT(2048);
	struct store *store = NULL;
	bool ok = store_open(config->database, STORE_READ, BUSY_MS, &store, &why) == ERR_OK;

	if (!ok)
		ctl_warn("%s", buf_cstr(&why));
	store_close(&store);
	buf_fini(&why);
	return ok;
}

/* The directory of a socket must exist before a program can listen there. */
static bool
check_socket(const char *key, const char *path)
{
	struct buf directory = BUF_INIT(PATH_MAX);
	struct sockaddr_un addr;
	int cause = ctl_directory(path, &directory);
	bool fits = strlen(path) < sizeof(addr.sun_path);

	if (!fits)
		ctl_warn("%s: %s: longer than a unix socket's path may be (%zu bytes)", key, path,
		    sizeof(addr.sun_path) - 1);
	else if (cause != 0)
		ctl_warn("%s: %.*s: %s; the service's unit makes it, or create it yourself", key,
		    TEXT_ARG(buf_view(&directory)), strerror(cause));
	buf_fini(&directory);
	return fits && cause == 0;
}

static void
print_all(const struct config *config)
{
	struct buf text = BUF_INIT(CTL_OUTPUT_MAX);

	config_print(config, &text);
	ctl_print(&text);
	buf_fini(&text);
}

static int
run(struct ctl *ctl)
{
	enum { PRINT = ARGS_LONG };
	static const struct option longs[] = {
		{ "print", no_argument, NULL, PRINT },
		ARGS_END
	};
	bool print = false, ok;

	while (args_option(ctl, NULL, longs) != -1)
		print = true;
	args_expect(ctl, 0, 0, "none");
	ctl_config(ctl);
	if (print)
		print_all(ctl->config);
	/* All problems, not only the first. */
	ok = check_keys(ctl->config);
	ok = check_database(ctl->config) && ok;
	ok = check_socket("ws_socket", ctl->config->ws_socket) && ok;
	ok = check_socket("api_socket", ctl->config->api_socket) && ok;
	if (ok && !print)
		puts("ok");
	return ok ? EXIT_SUCCESS : EXIT_FAILURE;
}

const struct command command_check_config = {
	.name = "check-config",
	.usage = "[--print]",
	.summary = "check the configuration, and what it names",
	.details = "Every problem is a line; \"ok\" if there is none. --print shows every key\n"
	    "with its effective value instead of \"ok\".\n",
	.run = run,
};
