/* user.c: milepostctl user: who may watch. */
#include "ctl/ctl.h"
#include "store/account.h"
#include "token/password.h"

#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct options {
	enum role role;     /* ROLE_NONE: not given */
	const char *email;  /* NULL: not given; "": none */
	bool password;      /* to be read */
	int active;         /* -1: not given */
};

static struct options
read_options(const struct command *self, int argc, char **argv)
{
	static const struct option longs[] = {
		{ "role", required_argument, NULL, 'r' },
		{ "email", required_argument, NULL, 'e' },
		{ "password-stdin", no_argument, NULL, 'p' },
		{ "active", no_argument, NULL, 'a' },
		{ "inactive", no_argument, NULL, 'i' },
		{ NULL, 0, NULL, 0 },
	};
	struct options options = { .role = ROLE_NONE, .active = -1 };
	int c;

	while ((c = getopt_long(argc, argv, "", longs, NULL)) != -1) {
		switch (c) {
		case 'r':
			if (role_parse(text_of(optarg), &options.role) != ERR_OK)
				ctl_usage(self, "--role \"%s\" is not patient, therapist or admin",
				    optarg);
			break;
		case 'e':
			options.email = optarg;
			break;
		case 'p':
			options.password = true;
			break;
		case 'a':
		case 'i':
			options.active = c == 'a';
			break;
		default:
			exit(EXIT_USAGE);
		}
	}
	return options;
}

/* Reads a password and appends its hash. */
static void
hash_password(struct buf *hash)
{
	char *password = ctl_read_secret("password");
	enum err err = password_hash(text_of(password), hash);

	explicit_bzero(password, strlen(password));
	free(password);
	if (err == ERR_INPUT)
		ctl_fail("a password has %d to %d bytes", PASSWORD_MIN, PASSWORD_MAX);
	if (err != ERR_OK)
		ctl_fail("the password can't be hashed");
}

/* Applies the options to what there is, and stores it. */
static void
put(struct store *store, struct user *user, const struct options *options)
{
	struct buf hash = BUF_INIT(1024);
	bool created;
	enum err err;

	if (options->role != ROLE_NONE)
		user->role = options->role;
	if (options->email != NULL)
		user->email = text_of(options->email[0] != '\0' ? options->email : NULL);
	if (options->active >= 0)
		user->active = options->active != 0;
	if (options->password) {
		hash_password(&hash);
		user->password = buf_view(&hash);
	}
	err = store_user_put(store, user, &created);
	if (err == ERR_CONFLICT)
		ctl_fail("the e-mail address %s is another user's", options->email);
	ctl_check(store, err, "user");
	buf_fini(&hash);
}

static void
add(const struct command *self, struct store *store, const char *arg, const struct options *options)
{
	struct user user = { .id = ctl_id_or_new(self, "the user", arg), .active = true };
	struct user old;
	char text[ID_TEXT_LEN + 1];

	if (options->role == ROLE_NONE)
		ctl_usage(self, "user add needs --role");
	id_format(&user.id, text);
	if (store_user_find(store, &user.id, &old) == ERR_OK)
		ctl_fail("there is a user %s already; change it with: milepostctl user set", text);
	put(store, &user, options);
	puts(text);
}

static void
find(const struct command *self, struct store *store, const char *arg, struct user *out)
{
	struct id id = ctl_id(self, "the user", arg);
	enum err err = store_user_find(store, &id, out);

	if (err == ERR_ABSENT)
		ctl_fail("no user %s", arg);
	ctl_check(store, err, "user");
}

static void
print(void *arg, const struct user *user)
{
	char text[ID_TEXT_LEN + 1];

	(void)arg;
	id_format(&user->id, text);
	printf("%s  %-9s  %-8s  ", text, role_name(user->role), user->active ? "active" : "inactive");
	ctl_print_text(user->email.s != NULL ? user->email : text_of("-"));
	puts(user->password.s != NULL ? "  (password)" : "");
}

static void
delete(const struct command *self, struct store *store, const char *arg)
{
	struct id id = ctl_id(self, "the user", arg);
	enum err err = store_user_delete(store, &id);

	if (err == ERR_ABSENT)
		ctl_fail("no user %s", arg);
	ctl_check(store, err, "user delete");
}

static int
run(const struct command *self, int argc, char **argv)
{
	struct options options = read_options(self, argc, argv);
	const char *verb = optind < argc ? argv[optind] : "";
	const char *arg = optind + 1 < argc ? argv[optind + 1] : NULL;
	bool list = strcmp(verb, "list") == 0;
	struct config *config;
	struct store *store;
	struct user user;

	if (argc - optind != (list ? 1 : 2))
		ctl_usage(self, "user takes a verb%s", list ? " list alone" : " and a user's id");
	config = ctl_config();
	store = ctl_open(config, STORE_BRIEF);
	if (list) {
		ctl_check(store, store_user_each(store, print, NULL), "user list");
	} else if (strcmp(verb, "add") == 0) {
		add(self, store, arg, &options);
	} else if (strcmp(verb, "set") == 0) {
		find(self, store, arg, &user);
		put(store, &user, &options);
	} else if (strcmp(verb, "show") == 0) {
		find(self, store, arg, &user);
		print(NULL, &user);
	} else if (strcmp(verb, "delete") == 0) {
		delete(self, store, arg);
	} else {
		ctl_usage(self, "user has no verb \"%s\"", verb);
	}
	ctl_ring(config);
	store_close(&store);
	config_free(&config);
	return EXIT_SUCCESS;
}

const struct command command_user = {
	.name = "user",
	.usage = "add ID|- --role ROLE [--email E] [--password-stdin] [--inactive]\n"
	    "       milepostctl user set ID [--role ROLE] [--email E] [--password-stdin]\n"
	    "                               [--active | --inactive]\n"
	    "       milepostctl user show|delete ID\n"
	    "       milepostctl user list",
	.summary = "add, change, show, delete or list users",
	.details = "ROLE is patient, therapist or admin. \"-\" draws a new id; add prints the id. An empty\n"
	    "E removes the address. The password is the first line of standard input. Every change\n"
	    "acts on open connections at once.\n",
	.run = run,
};
