/* args.c: reading the command line. */
#include "ctl/args.h"

#include "base/config.h"
#include "base/digest.h"
#include "wire/utf8.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SHORTS_MAX 16
#define SECONDS_MAX (INT64_C(100) * 366 * 86400) /* a century: sums stay far from any end */

static void NORETURN
show_help(const struct command *command)
{
	printf("usage: milepostctl %s%s%s\n\n%s\n%s%s", command->name,
	    command->usage[0] != '\0' ? " " : "", command->usage, command->summary,
	    command->details[0] != '\0' ? "\n" : "", command->details);
	exit(fflush(stdout) == 0 ? EXIT_SUCCESS : EXIT_FAILURE);
}

static void NORETURN
refuse_option(const struct ctl *ctl, bool lacks_value)
{
	/* getopt has stepped over a long option, but not always over a group of letters. */
	const char *given = ctl->argv[optind - 1];

	if (lacks_value)
		ctl_usage(ctl, "option \"%s\" needs a value", given);
	if (optopt == 0)
		ctl_usage(ctl, "unknown option \"%s\"", given);
	if (optopt >= ARGS_LONG)
		ctl_usage(ctl, "option \"%s\" takes no value", given);
	ctl_usage(ctl, "unknown option \"-%c\"", optopt);
}

int
args_option(const struct ctl *ctl, const char *shorts, const struct option *longs)
{
	char all[SHORTS_MAX];
	int c;

	/* + (for milepostctl itself): what follows the command is the command's. */
	snprintf(all, sizeof(all), "%s:h%s", ctl->command == NULL ? "+" : "",
	    shorts != NULL ? shorts : "");
	c = getopt_long(ctl->argc, ctl->argv, all, longs, NULL);
	if (c == '?' || c == ':')
		refuse_option(ctl, c == ':');
	if (c == 'h' && ctl->command != NULL)
		show_help(ctl->command);
	return c;
}

void
args_no_options(const struct ctl *ctl)
{
	static const struct option longs[] = { ARGS_END };

	while (args_option(ctl, NULL, longs) != -1)
		;
}

void
args_expect(const struct ctl *ctl, int min, int max, const char *names)
{
	int count = ctl->argc - optind;

	if (count < min)
		ctl_usage(ctl, "missing argument, needs %s", names);
	if (count > max)
		ctl_usage(ctl, "unexpected argument \"%s\"", ctl->argv[optind + max]);
}

struct id
args_only_id(const struct ctl *ctl, const char *names, const char *what)
{
	args_no_options(ctl);
	args_expect(ctl, 1, 1, names);
	return args_id(ctl, what, args_at(ctl, 0));
}

const char *
args_at(const struct ctl *ctl, int i)
{
	return optind + i < ctl->argc ? ctl->argv[optind + i] : NULL;
}

static void NORETURN
refuse_verb(const struct ctl *ctl, const struct verb *verbs, const char *given)
{
	struct buf known = BUF_INIT(256);

	for (; verbs->name != NULL; verbs++)
		buf_printf(&known, "%s%s", known.len > 0 ? ", " : "", verbs->name);
	if (given == NULL)
		ctl_usage(ctl, "missing verb, there are %s", buf_cstr(&known));
	ctl_usage(ctl, "unknown verb \"%s\", there are %s", given, buf_cstr(&known));
}

int
args_verb(struct ctl *ctl, const struct verb *verbs)
{
	const char *given = ctl->argc > 1 ? ctl->argv[1] : NULL;

	if (given != NULL && (strcmp(given, "--help") == 0 || strcmp(given, "-h") == 0))
		show_help(ctl->command);
	for (const struct verb *verb = verbs; given != NULL && verb->name != NULL; verb++) {
		if (strcmp(verb->name, given) == 0) {
			ctl->argc--;
			ctl->argv++;
			return verb->run(ctl);
		}
	}
	refuse_verb(ctl, verbs, given);
}

struct id
args_id(const struct ctl *ctl, const char *what, const char *value)
{
	struct id id;

	if (id_parse(text_of(value), &id) != ERR_OK)
		ctl_usage(ctl, "%s \"%s\" is not a UUID", what, value);
	return id;
}

struct id
args_id_or_new(const struct ctl *ctl, const char *what, const char *value)
{
	struct id id;

	if (strcmp(value, "-") != 0)
		return args_id(ctl, what, value);
	if (digest_random(id.bytes, sizeof(id.bytes)) != ERR_OK)
		ctl_fail("the system gives no random bytes");
	/* RFC 9562 section 5.4: version 4, variant 10. */
	id.bytes[6] = (uint8_t)((id.bytes[6] & 0x0f) | 0x40);
	id.bytes[8] = (uint8_t)((id.bytes[8] & 0x3f) | 0x80);
	return id;
}

int64_t
args_number(const struct ctl *ctl, const char *what, const char *value, int64_t min, int64_t max)
{
	unsigned long long n;

	if (!text_number(text_of(value), (unsigned long long)max, &n) || (int64_t)n < min)
		ctl_usage(ctl, "%s \"%s\" is not a whole number from %lld to %lld", what, value,
		    (long long)min, (long long)max);
	return (int64_t)n;
}

int64_t
args_seconds(const struct ctl *ctl, const char *what, const char *value, int64_t min)
{
	int64_t ms;

	if (!config_read_time(value, &ms))
		ctl_usage(ctl, "%s \"%s\" is not a time such as 30s, 10m, 1h or 7d", what, value);
	if (ms / 1000 < min || ms / 1000 > SECONDS_MAX)
		ctl_usage(ctl, "%s %s is out of range (%llds to %lldd)", what, value,
		    (long long)min, (long long)(SECONDS_MAX / 86400));
	return ms / 1000;
}

enum role
args_role(const struct ctl *ctl, const char *value)
{
	enum role role;

	if (role_parse(text_of(value), &role) != ERR_OK)
		ctl_usage(ctl, "--role \"%s\" is none of patient, therapist, admin", value);
	return role;
}

const char *
args_text(const struct ctl *ctl, const char *what, const char *value)
{
	if (!utf8_valid(value, strlen(value)))
		ctl_usage(ctl, "%s \"%s\" is not UTF-8", what, value);
	return value;
}
