/* test-entry.c: entries are read as they were written, and nothing that is no entry is taken for
 * one. */
#include "relay/entry.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#define HASH "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff"
#define UUID "550e8400-e29b-41d4-a716-446655440000"

static struct entry
full(void)
{
	return (struct entry){
		.kind = ENTRY_CHANGE,
		.host = text_of("a"),
		.n = 7,
		.after = 5,
		.change = {
			.thing = { .kind = THING_SESSION, .id = text_of(UUID), .life = 2, .version = 3,
				.host = text_of("b"), .detail = text_of(UUID), .active = true,
				.created_at = 1766140200 },
			.has_update = true,
			.update = { .generation = 4, .seq = 9, .host = text_of("c"), .progress = {
				.status = text_of("failed"), .rank = 50, .outcome = OUTCOME_FAILED,
				.progress = 45, .message = text_of("caf\303\251"), .error = text_of("why"),
				.eta = 30, .updated_at = 1766140201, .created_at = 1766140200 } },
		},
	};
}

static void
assert_same(const struct entry *a, const struct entry *b)
{
	assert_int_equal(a->kind, b->kind);
	assert_true(text_equal(a->host, b->host));
	assert_int_equal(a->n, b->n);
	assert_int_equal(a->after, b->after);
	assert_true(text_equal(a->nonce, b->nonce));
	assert_true(text_equal(a->of, b->of));
	assert_int_equal(a->change.has_update, b->change.has_update);
	assert_int_equal(a->change.thing.kind, b->change.thing.kind);
	assert_true(text_equal(a->change.thing.id, b->change.thing.id));
	assert_int_equal(thing_compare(&a->change.thing, &b->change.thing), 0);
	assert_int_equal(weighed_compare(&a->change.update, &b->change.update), 0);
}

static void
expect_back(const struct entry *entry)
{
	struct entry_args args = { .count = 0 };
	struct entry back;
	const char *why = NULL;

	entry_write(entry, &args);
	assert_int_equal(args.count % 2, 0);
	if (entry_read(args.args, args.count, &back, &why) != ERR_OK)
		fail_msg("%s", why);
	assert_same(entry, &back);
}

static void
test_back(void **state)
{
	struct entry entry = full();

	(void)state;
	expect_back(&entry);
	entry.n = entry.after = 0;
	entry.change.update.progress.error = (struct text){ NULL, 0 };
	entry.change.update.progress.outcome = OUTCOME_RUNNING;
	entry.change.update.progress.eta = PROGRESS_ETA_NONE;
	entry.change.thing.detail = (struct text){ NULL, 0 };
	expect_back(&entry);
	entry = (struct entry){ .host = text_of("a"), .change.thing = { .kind = THING_USER,
		.id = text_of(UUID), .life = 1, .version = 1, .host = text_of("a"),
		.detail = text_of("patient"), .label = text_of("x@example.org"),
		.password = text_of("$2b$12$x"), .active = false } };
	expect_back(&entry);
	entry.change.thing = (struct thing){ .kind = THING_KEY, .id = text_of(HASH), .life = 1,
		.version = 1, .host = text_of("a"), .detail = text_of("worker"),
		.label = text_of("pipeline"), .active = true, .created_at = 5 };
	expect_back(&entry);
	entry.change.thing = (struct thing){ .kind = THING_KEY, .id = text_of(HASH), .life = 1,
		.version = 2, .host = text_of("a"), .deleted = true, .active = true };
	expect_back(&entry);
	entry = (struct entry){ .kind = ENTRY_ASK, .host = text_of("a"), .nonce = text_of("00ff"),
		.of = text_of("b") };
	expect_back(&entry);
	entry.kind = ENTRY_END;
	entry.of = text_of("b c");
	expect_back(&entry);
}

/* Each name is needed as it is, or may be left out; what must not be in it is found. */
static void
test_wrong_values(void **state)
{
	static const struct {
		const char *name, *value; /* NULL: left out */
	} wrong[] = {
		{ "kind", NULL }, { "kind", "Stage" }, { "kind", "" }, { "host", NULL }, { "host", "a b" },
		{ "n", "-1" }, { "n", "x" }, { "n", "99999999999999999999" }, { "after", "1.5" },
		{ "id", NULL }, { "id", "x" }, { "id", "550E8400-e29b-41d4-a716-446655440000" },
		{ "id", HASH }, { "life", NULL }, { "life", "0" }, { "deleted", "2" },
		{ "version", "0" }, { "by", "" }, { "detail", "nobody" }, { "active", "yes" },
		{ "created", "-3" }, { "generation", "0" }, { "seq", NULL }, { "from", "\377" },
		{ "status", "Up" }, { "status", "" }, { "rank", "2147483648" }, { "outcome", "won" },
		{ "progress", "101" }, { "message", NULL }, { "message", "\377" }, { "error", "\300\200" },
		{ "eta", "2147483648" }, { "updated", "253402300800" }, { "begun", NULL },
	};
	struct entry entry = full(), back;

	(void)state;
	for (size_t i = 0; i < countof(wrong); i++) {
		struct entry_args args = { .count = 0 };
		const char *why = NULL;
		size_t count = 0;

		entry_write(&entry, &args);
		entry_arg(&args, text_of("deleted"));
		entry_arg(&args, text_of("0"));
		entry_arg(&args, text_of("active"));
		entry_arg(&args, text_of("1"));
		for (size_t j = 0; j < args.count; j += 2) {
			bool is_it = text_is(args.args[j], wrong[i].name);

			if (is_it && wrong[i].value == NULL)
				continue;
			args.args[count++] = args.args[j];
			args.args[count++] = is_it ? text_of(wrong[i].value) : args.args[j + 1];
		}
		if (entry_read(args.args, count, &back, &why) != ERR_INPUT)
			fail_msg("%s = %s", wrong[i].name, wrong[i].value);
		assert_string_equal(why, wrong[i].name);
	}
}

/* In any order, with names that a newer one may have added, cut anywhere. */
static void
test_any_order(void **state)
{
	struct entry entry = full(), back;
	struct entry_args args = { .count = 0 };
	struct text turned[ENTRY_ARGS_MAX + 2];
	const char *why = NULL;
	size_t count = 0;

	(void)state;
	entry_write(&entry, &args);
	turned[count++] = text_of("news");
	turned[count++] = text_of("of a later one");
	for (size_t i = args.count; i > 0; i -= 2) {
		turned[count++] = args.args[i - 2];
		turned[count++] = args.args[i - 1];
	}
	assert_int_equal(entry_read(turned, count, &back, &why), ERR_OK);
	assert_same(&entry, &back);
	for (size_t i = 0; i + 2 < args.count; i++)
		assert_int_equal(entry_read(args.args, i, &back, &why), ERR_INPUT);
	turned[3] = (struct text){ NULL, 0 }; /* no text at all */
	assert_int_equal(entry_read(turned, count, &back, &why), ERR_INPUT);
}

/* A newer relay's is counted, whatever it is about. */
static void
test_other_kind(void **state)
{
	const struct text fields[] = {
		text_of("kind"), text_of("stage"), text_of("host"), text_of("a"), text_of("n"), text_of("7"),
		text_of("after"), text_of("6"), text_of("id"), text_of("no id"), text_of("life"), text_of("x"),
	};
	struct entry back;
	const char *why = NULL;

	(void)state;
	assert_int_equal(entry_read(fields, countof(fields), &back, &why), ERR_OK);
	assert_int_equal(back.kind, ENTRY_OTHER);
	assert_true(text_is(back.host, "a"));
	assert_int_equal(back.n, 7);
	assert_int_equal(back.after, 6);
}

static void
test_limits(void **state)
{
	static char message[PROGRESS_MESSAGE_MAX + 1];
	struct entry entry = full(), back;
	struct entry_args args = { .count = 0 };
	const char *why;

	(void)state;
	memset(message, 'x', sizeof(message));
	entry.change.update.progress.message = (struct text){ message, PROGRESS_MESSAGE_MAX };
	expect_back(&entry);
	entry.change.update.progress.message.len++;
	entry_write(&entry, &args);
	assert_int_equal(entry_read(args.args, args.count, &back, &why), ERR_INPUT);
	assert_string_equal(why, "message");
}

static void
test_ids(void **state)
{
	struct entry_id a, b;

	(void)state;
	assert_int_equal(entry_id_read(text_of("1766140200000-3"), &a), ERR_OK);
	assert_int_equal(a.ms, 1766140200000);
	assert_int_equal(a.seq, 3);
	assert_int_equal(entry_id_read(text_of("1766140200000-10"), &b), ERR_OK);
	assert_true(entry_id_compare(&a, &b) < 0);
	assert_true(entry_id_compare(&b, &a) > 0);
	assert_int_equal(entry_id_compare(&a, &a), 0);
	assert_int_equal(entry_id_read(text_of("1766140200001-0"), &b), ERR_OK);
	assert_true(entry_id_compare(&a, &b) < 0);
	assert_int_equal(entry_id_read(text_of(""), &b), ERR_INPUT);
	assert_int_equal(entry_id_read(text_of(NULL), &b), ERR_INPUT);
	assert_int_equal(entry_id_read(text_of("12"), &b), ERR_INPUT);
	assert_int_equal(entry_id_read(text_of("-"), &b), ERR_INPUT);
	assert_int_equal(entry_id_read(text_of("1-"), &b), ERR_INPUT);
	assert_int_equal(entry_id_read(text_of("1-x"), &b), ERR_INPUT);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_back),
		cmocka_unit_test(test_wrong_values),
		cmocka_unit_test(test_any_order),
		cmocka_unit_test(test_other_kind),
		cmocka_unit_test(test_limits),
		cmocka_unit_test(test_ids),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
