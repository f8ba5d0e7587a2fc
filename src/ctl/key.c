/* key.c: milepostctl key and token: credentials. */
#include "base/clock.h"
#include "base/timestamp.h"
#include "ctl/ctl.h"
#include "store/account.h"
#include "store/key.h"
#include "token/token.h"

#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void
add(struct store *store, const char *name, enum scope scope)
{
	char text[KEY_TEXT_LEN + 1];
	struct key_row row;
	enum err err = store_key_new(store, scope, text_of(name), text, &row);

	if (err == ERR_CONFLICT)
		ctl_fail("there is a key \"%s\" already", name);
	if (err == ERR_INPUT)
		ctl_fail("a key's name has 1 to %d bytes", KEY_NAME_MAX);
	ctl_check(store, err, "key add");
	puts(text);
	fprintf(stderr, "This is the only time that the key is shown: only its hash is stored.\n");
	explicit_bzero(text, sizeof(text));
}

static void
delete(struct store *store, const char *name)
{
	enum err err = store_key_delete(store, text_of(name));

	if (err == ERR_ABSENT)
		ctl_fail("no key \"%s\"", name);
	ctl_check(store, err, "key delete");
}

static void
print(void *arg, const struct key_row *key)
{
	char created[TIMESTAMP_LEN + 1];

	(void)arg;
	timestamp_format(key->created_at, created);
	printf("%-6s  %s  ", scope_name(key->scope), created);
	ctl_print_text(key->name);
	puts("");
}

static enum scope
read_scope(const struct command *self, int argc, char **argv)
{
	static const struct option longs[] = {
		{ "scope", required_argument, NULL, 's' },
		{ NULL, 0, NULL, 0 },
	};
	enum scope scope = SCOPE_WORKER;
	int c;

	while ((c = getopt_long(argc, argv, "", longs, NULL)) != -1) {
		if (c != 's')
			exit(EXIT_USAGE);
		if (scope_parse(text_of(optarg), &scope) != ERR_OK)
			ctl_usage(self, "--scope \"%s\" is not worker or admin", optarg);
	}
	return scope;
}

static int
run_key(const struct command *self, int argc, char **argv)
{
	enum scope scope = read_scope(self, argc, argv);
	const char *verb = optind < argc ? argv[optind] : "";
	const char *name = optind + 1 < argc ? argv[optind + 1] : NULL;
	bool list = strcmp(verb, "list") == 0;
	struct config *config;
	struct store *store;

	if (argc - optind != (list ? 1 : 2))
		ctl_usage(self, "key takes a verb%s", list ? " list alone" : " and a name");
	config = ctl_config();
	store = ctl_open(config, STORE_BRIEF);
	if (list)
		ctl_check(store, store_key_each(store, print, NULL), "key list");
	else if (strcmp(verb, "add") == 0)
		add(store, name, scope);
	else if (strcmp(verb, "delete") == 0)
		delete(store, name);
	else
		ctl_usage(self, "key has no verb \"%s\"", verb);
	ctl_ring(config);
	store_close(&store);
	config_free(&config);
	return EXIT_SUCCESS;
}

const struct command command_key = {
	.name = "key",
	.usage = "add NAME [--scope worker|admin]\n"
	    "       milepostctl key delete NAME\n"
	    "       milepostctl key list",
	.summary = "add, delete or list the keys of workers and backends",
	.details = "add prints the key once; only its hash is stored. A worker's key (the default) may\n"
	    "report progress; an admin's may administer users and sessions too.\n",
	.run = run_key,
};

/* The user's role, where the user may have a token at all. */
static void
check_user(const struct config *config, struct token_claims *claims, const char *arg)
{
	struct store *store = ctl_open(config, STORE_READ);
	struct user user;
	enum err err = store_user_find(store, &claims->user, &user);

	if (err == ERR_OK && !user.active)
		ctl_fail("the user %s is inactive", arg);
	if (err == ERR_OK)
		claims->role = user.role;
	else if (err != ERR_ABSENT)
		ctl_check(store, err, "token");
	else if (config->users != USERS_TOKEN)
		ctl_fail("no user %s; add one with: milepostctl user add", arg);
	else if (claims->role == ROLE_NONE)
		ctl_fail("no user %s; with users = token, --role says what the token claims", arg);
	store_close(&store);
}

static void
mint(const struct config *config, const struct token_claims *claims, int64_t now)
{
	const struct token_rules rules = { .issuer = config->jwt_issuer,
		.audience = config->jwt_audience };
	struct buf why = BUF_INIT(1024), token = BUF_INIT(TOKEN_MAX);
	struct token_keys *keys;

	if (token_keys_load(config->jwt_secret_file, &keys, &why) != ERR_OK)
		ctl_fail("%s", buf_cstr(&why));
	if (token_mint(keys, &rules, claims, now, &token) != ERR_OK)
		ctl_fail("the token can't be made");
	puts(buf_cstr(&token));
	token_keys_free(&keys);
	buf_fini(&token);
	buf_fini(&why);
}

static int
run_token(const struct command *self, int argc, char **argv)
{
	static const struct option longs[] = {
		{ "lifetime", required_argument, NULL, 'l' },
		{ "role", required_argument, NULL, 'r' },
		{ NULL, 0, NULL, 0 },
	};
	struct token_claims claims = { .role = ROLE_NONE };
	int64_t lifetime = 0, now = clock_wall();
	struct config *config;
	int c;

	while ((c = getopt_long(argc, argv, "", longs, NULL)) != -1) {
		if (c == 'l')
			lifetime = ctl_duration(self, "--lifetime", optarg);
		else if (c != 'r')
			return EXIT_USAGE;
		else if (role_parse(text_of(optarg), &claims.role) != ERR_OK)
			ctl_usage(self, "--role \"%s\" is not patient, therapist or admin", optarg);
	}
	if (argc - optind != 1)
		ctl_usage(self, "token takes one user's id");
	claims.user = ctl_id(self, "the user", argv[optind]);
	config = ctl_config();
	check_user(config, &claims, argv[optind]);
	claims.expires = now + (lifetime > 0 ? lifetime : config->token_lifetime_ms / 1000);
	mint(config, &claims, now);
	config_free(&config);
	return EXIT_SUCCESS;
}

const struct command command_token = {
	.name = "token",
	.usage = "USER [--lifetime TIME] [--role ROLE]",
	.summary = "mint a token for a user",
	.details = "TIME is one such as 30m, 12h or 7d (default: token_lifetime). --role is for users that\n"
	    "have no row, where users = token.\n",
	.run = run_token,
};
