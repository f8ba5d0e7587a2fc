/* key.c: milepostctl key: the keys of workers and backends. */
#include "base/timestamp.h"
#include "ctl/args.h"
#include "ctl/escape.h"
#include "store/key.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *
read_name(const struct ctl *ctl)
{
	const char *name;

	args_expect(ctl, 1, 1, "a name");
	name = args_text(ctl, "the name", args_at(ctl, 0));
	if (name[0] == '\0' || strlen(name) > KEY_NAME_MAX)
		ctl_usage(ctl, "a key's name has 1 to %d bytes", KEY_NAME_MAX);
	return name;
}

static int
add(struct ctl *ctl)
{
	enum { SCOPE = ARGS_LONG };
	static const struct option longs[] = {
		{ "scope", required_argument, NULL, SCOPE },
		ARGS_END
	};
	enum scope scope = SCOPE_WORKER;
	char text[KEY_TEXT_LEN + 1];
	struct key_row row;
	const char *name;
	enum err err;

	while (args_option(ctl, NULL, longs) != -1)
		if (scope_parse(text_of(optarg), &scope) != ERR_OK)
			ctl_usage(ctl, "--scope \"%s\" is neither worker nor admin", optarg);
	name = read_name(ctl);
	ctl_open(ctl, STORE_BRIEF);
	ctl_begin(ctl);
	err = store_key_new(ctl->store, scope, text_of(name), text, &row);
	if (err == ERR_CONFLICT)
		ctl_fail("there is a key \"%s\" already; delete it, or choose another name", name);
	ctl_check(ctl, err);
	ctl_commit(ctl);
	puts(text);
	explicit_bzero(text, sizeof(text));
	ctl_warn("keep the key: it can't be shown again, only its hash is stored");
	return EXIT_SUCCESS;
}

static int
delete(struct ctl *ctl)
{
	const char *name;
	enum err err;

	args_no_options(ctl);
	name = read_name(ctl);
	ctl_open(ctl, STORE_BRIEF);
	ctl_begin(ctl);
	err = store_key_delete(ctl->store, text_of(name));
	if (err == ERR_ABSENT)
		ctl_fail("no key \"%s\"; milepostctl key list shows all", name);
	ctl_check(ctl, err);
	ctl_commit(ctl);
	return EXIT_SUCCESS;
}

static void
write_row(void *arg, const struct key_row *key)
{
	struct buf *out = arg;
	char created[TIMESTAMP_LEN + 1];

	timestamp_format(key->created_at, created);
	buf_printf(out, "%-6s  %s  ", scope_name(key->scope), created);
	escape_text(out, key->name, SIZE_MAX);
	buf_puts(out, "\n");
}

static int
list(struct ctl *ctl)
{
	struct buf out = BUF_INIT(CTL_OUTPUT_MAX);

	args_no_options(ctl);
	args_expect(ctl, 0, 0, "none");
	ctl_open(ctl, STORE_READ);
	ctl_check(ctl, store_key_each(ctl->store, write_row, &out));
	ctl_print(&out);
	buf_fini(&out);
	return EXIT_SUCCESS;
}

static int
run(struct ctl *ctl)
{
	static const struct verb verbs[] = {
		{ "add", add },
		{ "delete", delete },
		{ "list", list },
		{ NULL, NULL },
	};

	return args_verb(ctl, verbs);
}

const struct command command_key = {
	.name = "key",
	.usage = "add NAME [--scope worker|admin]\n"
	    "       milepostctl key delete NAME\n"
	    "       milepostctl key list",
	.summary = "add, delete or list the keys of workers and backends",
	.details = "add prints the key, once. A worker's key (the default) may report progress;\n"
	    "an admin's may administer users and sessions too.\n",
	.run = run,
};
