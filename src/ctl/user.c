/* user.c: milepostctl user: who may watch. */
#include "ctl/args.h"
#include "ctl/escape.h"
#include "ctl/prompt.h"
#include "store/account.h"
#include "token/password.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define HASH_MAX 1024

enum { ROLE = ARGS_LONG, EMAIL, PASSWORD, ACTIVE, INACTIVE };

struct changes {
	enum role role;    /* ROLE_NONE: not given */
	const char *email; /* NULL: not given; "": none */
	bool has_active, active;
	bool password;     /* is to be read */
	struct buf hash;   /* its hash */
};

/* Both reading and hashing take their time: before any transaction. */
static void
read_password(struct changes *changes)
{
	struct buf password = BUF_INIT(1024);
	enum err err;

	if (!changes->password)
		return;
	prompt_password(&password);
	err = password_hash(buf_view(&password), &changes->hash);
	if (password.data != NULL)
		explicit_bzero(password.data, password.cap);
	buf_fini(&password);
	if (err == ERR_INPUT)
		ctl_fail("a password has %d to %d bytes; nothing is changed", PASSWORD_MIN,
		    PASSWORD_MAX);
	if (err != ERR_OK)
		ctl_fail("the password can't be hashed; nothing is changed");
}

static const char *
read_email(const struct ctl *ctl, const char *value)
{
	bool plausible = strchr(value, '@') != NULL && strpbrk(value, " \t\r\n") == NULL;

	if (value[0] != '\0' && !plausible)
		ctl_usage(ctl, "--email \"%s\" is no e-mail address", value);
	return args_text(ctl, "--email", value);
}

static void
read_changes(const struct ctl *ctl, const struct option *longs, struct changes *out)
{
	int c;

	*out = (struct changes){ .role = ROLE_NONE, .hash = BUF_INIT(HASH_MAX) };
	while ((c = args_option(ctl, NULL, longs)) != -1) {
		switch (c) {
		case ROLE:
			out->role = args_role(ctl, optarg);
			break;
		case EMAIL:
			out->email = read_email(ctl, optarg);
			break;
		case PASSWORD:
			out->password = true;
			break;
		default:
			if (out->has_active && out->active != (c == ACTIVE))
				ctl_usage(ctl, "--active and --inactive exclude each other");
			out->has_active = true;
			out->active = c == ACTIVE;
			break;
		}
	}
	args_expect(ctl, 1, 1, "a user's id");
}

/* Inside a transaction. */
static void
put(const struct ctl *ctl, struct user *user, const struct changes *changes)
{
	bool created;
	enum err err;

	if (changes->role != ROLE_NONE)
		user->role = changes->role;
	if (changes->email != NULL)
		user->email = text_of(changes->email[0] != '\0' ? changes->email : NULL);
	if (changes->has_active)
		user->active = changes->active;
	if (changes->password)
		user->password = buf_view(&changes->hash);
	err = store_user_put(ctl->store, user, &created);
	if (err == ERR_CONFLICT)
		ctl_fail("the e-mail address %s is another user's; nothing is changed",
		    changes->email);
	ctl_check(ctl, err);
}

static int
add(struct ctl *ctl)
{
	static const struct option longs[] = {
		{ "role", required_argument, NULL, ROLE },
		{ "email", required_argument, NULL, EMAIL },
		{ "password-stdin", no_argument, NULL, PASSWORD },
		{ "inactive", no_argument, NULL, INACTIVE },
		ARGS_END
	};
	struct changes changes;
	struct user user = { .active = true }, old;
	char text[ID_TEXT_LEN + 1];

	read_changes(ctl, longs, &changes);
	if (changes.role == ROLE_NONE)
		ctl_usage(ctl, "--role is missing");
	user.id = args_id_or_new(ctl, "the user", args_at(ctl, 0));
	id_format(&user.id, text);
	ctl_open(ctl, STORE_BRIEF);
	read_password(&changes);
	ctl_begin(ctl);
	ctl_check_new(ctl, store_user_find(ctl->store, &user.id, &old), &user.id);
	put(ctl, &user, &changes);
	ctl_commit(ctl);
	puts(text);
	buf_fini(&changes.hash);
	return EXIT_SUCCESS;
}

static int
set(struct ctl *ctl)
{
	static const struct option longs[] = {
		{ "role", required_argument, NULL, ROLE },
		{ "email", required_argument, NULL, EMAIL },
		{ "password-stdin", no_argument, NULL, PASSWORD },
		{ "active", no_argument, NULL, ACTIVE },
		{ "inactive", no_argument, NULL, INACTIVE },
		ARGS_END
	};
	struct changes changes;
	struct user user;
	struct id id;

	read_changes(ctl, longs, &changes);
	if (changes.role == ROLE_NONE && changes.email == NULL && !changes.has_active &&
	    !changes.password)
		ctl_usage(ctl, "nothing to change, no option is given");
	id = args_id(ctl, "the user", args_at(ctl, 0));
	ctl_open(ctl, STORE_BRIEF);
	read_password(&changes);
	ctl_begin(ctl);
	ctl_check_found(ctl, store_user_find(ctl->store, &id, &user), &id);
	put(ctl, &user, &changes);
	ctl_commit(ctl);
	buf_fini(&changes.hash);
	return EXIT_SUCCESS;
}

static int
show(struct ctl *ctl)
{
	struct buf out = BUF_INIT(CTL_OUTPUT_MAX);
	char text[ID_TEXT_LEN + 1];
	struct user user;
	struct id id = args_only_id(ctl, "a user's id", "the user");

	ctl_open(ctl, STORE_READ);
	ctl_check_found(ctl, store_user_find(ctl->store, &id, &user), &id);
	id_format(&user.id, text);
	buf_printf(&out, "id        %s\n", text);
	buf_printf(&out, "role      %s\n", role_name(user.role));
	buf_printf(&out, "active    %s\n", user.active ? "yes" : "no");
	buf_puts(&out, "email     ");
	escape_text(&out, user.email.s != NULL ? user.email : text_of("none"), SIZE_MAX);
	buf_printf(&out, "\npassword  %s\n", user.password.s != NULL ? "set" : "none");
	ctl_print(&out);
	buf_fini(&out);
	return EXIT_SUCCESS;
}

static int
delete(struct ctl *ctl)
{
	struct id id = args_only_id(ctl, "a user's id", "the user");

	ctl_open(ctl, STORE_BRIEF);
	ctl_begin(ctl);
	ctl_check_found(ctl, store_user_delete(ctl->store, &id), &id);
	ctl_commit(ctl);
	return EXIT_SUCCESS;
}

static void
write_row(void *arg, const struct user *user)
{
	struct buf *out = arg;
	char id[ID_TEXT_LEN + 1];

	id_format(&user->id, id);
	buf_printf(out, "%s  %-9s  %-8s  ", id, role_name(user->role),
	    user->active ? "active" : "inactive");
	escape_text(out, user->email.s != NULL ? user->email : text_of("-"), SIZE_MAX);
	buf_puts(out, "\n");
}

static int
list(struct ctl *ctl)
{
	struct buf out = BUF_INIT(CTL_OUTPUT_MAX);

	args_no_options(ctl);
	args_expect(ctl, 0, 0, "none");
	ctl_open(ctl, STORE_READ);
	ctl_check(ctl, store_user_each(ctl->store, write_row, &out));
	ctl_print(&out);
	buf_fini(&out);
	return EXIT_SUCCESS;
}

static int
run(struct ctl *ctl)
{
	static const struct verb verbs[] = {
		{ "add", add },
		{ "set", set },
		{ "show", show },
		{ "delete", delete },
		{ "list", list },
		{ NULL, NULL },
	};

	return args_verb(ctl, verbs);
}

const struct command command_user = {
	.name = "user",
	.usage = "add ID|- --role ROLE [--email E] [--password-stdin] [--inactive]\n"
	    "       milepostctl user set ID [--role ROLE] [--email E] [--password-stdin]\n"
	    "                               [--active | --inactive]\n"
	    "       milepostctl user show ID\n"
	    "       milepostctl user delete ID\n"
	    "       milepostctl user list",
	.summary = "add, change, show, delete or list users",
	.details = "ROLE is patient, therapist or admin. \"-\" draws a new id; add prints the id.\n"
	    "An empty E removes the address. The password is the first line of standard input,\n"
	    "asked for at a terminal. Every change acts on open connections at once.\n",
	.run = run,
};
