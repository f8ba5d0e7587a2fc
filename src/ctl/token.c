/* token.c: milepostctl token: a token for a user, as the login would give it. */
#include "token/token.h"

#include "base/clock.h"
#include "ctl/args.h"
#include "store/account.h"

#include <stdio.h>
#include <stdlib.h>

/* The role that counts, by the rule that milepost-ws goes by; fails where there is none. */
static enum role
find_role(struct ctl *ctl, const struct id *id, enum role claimed)
{
	bool trusted = ctl->config->users == USERS_TOKEN;
	struct user user = { .active = false };
	enum err err = store_user_find(ctl->store, id, &user);
	enum role role = access_role(err == ERR_OK, user.active, user.role, trusted, claimed);
	char text[ID_TEXT_LEN + 1];

	if (err != ERR_ABSENT)
		ctl_check(ctl, err);
	id_format(id, text);
	if (role == ROLE_NONE && err == ERR_OK)
		ctl_fail("the user %s is inactive; change it with: milepostctl user set --active",
		    text);
	if (role == ROLE_NONE)
		ctl_fail("no user %s; %s", text, trusted ? "say with --role what the token claims" :
		    "add one with: milepostctl user add");
	return role;
}

static void
mint(struct ctl *ctl, const struct token_claims *claims, int64_t now)
{
	const struct token_rules rules = {
		.issuer = ctl->config->jwt_issuer,
		.audience = ctl->config->jwt_audience,
	};
	struct buf why = BUF_INIT(2048), token = BUF_INIT(TOKEN_MAX);
	struct token_keys *keys;
	enum err err;

	if (token_keys_load(ctl->config->jwt_secret_file, ctl->config->jwt_keys, &keys, &why) !=
	    ERR_OK)
		ctl_fail("%s", buf_cstr(&why));
	err = token_mint(keys, &rules, claims, now, &token);
	if (err == ERR_ABSENT)
		ctl_fail("no HS256 key to sign with; only who has the private keys can issue tokens");
	if (err != ERR_OK)
		ctl_fail("no memory for the token");
	puts(buf_cstr(&token));
	token_keys_free(&keys);
	buf_fini(&token);
	buf_fini(&why);
}

static int
run(struct ctl *ctl)
{
	enum { LIFETIME = ARGS_LONG, ROLE };
	static const struct option longs[] = {
		{ "lifetime", required_argument, NULL, LIFETIME },
		{ "role", required_argument, NULL, ROLE },
		ARGS_END
	};
	struct token_claims claims = { .role = ROLE_NONE };
	int64_t now = clock_wall(), lifetime = 0;
	int c;

	while ((c = args_option(ctl, NULL, longs)) != -1) {
		if (c == LIFETIME)
			lifetime = args_seconds(ctl, "--lifetime", optarg, 1);
		else
			claims.role = args_role(ctl, optarg);
	}
	args_expect(ctl, 1, 1, "a user's id");
	claims.user = args_id(ctl, "the user", args_at(ctl, 0));
	ctl_open(ctl, STORE_READ);
	if (claims.role != ROLE_NONE && ctl->config->users != USERS_TOKEN)
		ctl_fail("--role counts for nothing here: the configuration says users = database");
	claims.role = find_role(ctl, &claims.user, claims.role);
	if (lifetime == 0)
		lifetime = ctl->config->token_lifetime_ms / 1000;
	claims.expires = now + lifetime;
	mint(ctl, &claims, now);
	return EXIT_SUCCESS;
}

const struct command command_token = {
	.name = "token",
	.usage = "USER [--lifetime TIME] [--role ROLE]",
	.summary = "print a new token for a user",
	.details = "TIME is one such as 30m, 12h or 7d (default: the configured token_lifetime).\n"
	    "ROLE is patient, therapist or admin, for a user without a row, where users = token.\n",
	.run = run,
};
