/* test-progress.c: which update may follow which, for every pair of statuses. */
#include "model/progress.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#define NOW 2000
#define BEGUN 1000 /* when the current run began */

enum { UPLOADING, TRANSCRIBING, TRANSCRIBED, EXTRACTING, PROCESSED, FAILED, STAGES };

/* The contract's stages, with the ranks of the database. */
static const struct stage stages[STAGES] = {
	[UPLOADING] = { { "uploading", 9 }, 0, 0, 20, PROGRESS_NONE, OUTCOME_RUNNING, { "up", 2 } },
	[TRANSCRIBING] = { { "transcribing", 12 }, 10, 20, 60, PROGRESS_NONE, OUTCOME_RUNNING,
			   { "going", 5 } },
	[TRANSCRIBED] = { { "transcribed", 11 }, 20, 60, 60, 60, OUTCOME_RUNNING, { "text", 4 } },
	[EXTRACTING] = { { "extracting_notes", 16 }, 30, 60, 95, PROGRESS_NONE, OUTCOME_RUNNING,
			 { "notes", 5 } },
	[PROCESSED] = { { "processed", 9 }, 40, 100, 100, 100, OUTCOME_PROCESSED, { "done", 4 } },
	[FAILED] = { { "failed", 6 }, 50, 0, 100, PROGRESS_NONE, OUTCOME_FAILED, { "broken", 6 } },
};

static const struct id session = { { 1, 2, 3 } };

/* An update of this stage with this progress, and with an error where one is needed. */
static struct update
update_of(int stage, int progress)
{
	return (struct update){
		.session = session,
		.status = stages[stage].name,
		.progress = progress,
		.error = text_of(stage == FAILED ? "no audio" : NULL),
		.eta = PROGRESS_ETA_NONE,
	};
}

/* The current progress: the third update of run 5, of this stage with this progress. */
static struct progress
current_of(int stage, int progress)
{
	return (struct progress){
		.revision = 7,
		.run = 5,
		.session = session,
		.status = stages[stage].name,
		.rank = stages[stage].rank,
		.outcome = stages[stage].outcome,
		.progress = progress,
		.message = stages[stage].message,
		.error = text_of(stage == FAILED ? "no audio" : NULL),
		.eta = PROGRESS_ETA_NONE,
		.updated_at = BEGUN + 500,
		.created_at = BEGUN,
	};
}

struct result {
	enum decision decision;
	struct progress next;
	struct faults faults;
	const char *why;
};

static struct result
decide(int stage, const struct progress *current, const struct update *update)
{
	struct result result = { .why = NULL };

	result.decision = progress_decide(&stages[stage], current, update, NOW, &result.next,
	    &result.faults, &result.why);
	assert_int_equal(result.faults.count > 0, result.decision == DECISION_INVALID);
	assert_int_equal(result.why != NULL, result.decision == DECISION_CONFLICT);
	return result;
}

/* What happens, as a letter: New run, goes on (C), Same, conflict (X), Invalid. */
static char
letter(const struct result *result)
{
	switch (result->decision) {
	case DECISION_STORE:
		return result->next.run == 0 ? 'N' : 'C';
	case DECISION_SAME:
		return 'S';
	case DECISION_CONFLICT:
		return 'X';
	case DECISION_INVALID:
		break;
	}
	return 'I';
}

/* The same, where it is known how it ends. */
static struct result
expect(char expected, int stage, const struct progress *current, const struct update *update)
{
	struct result result = decide(stage, current, update);

	assert_int_equal(letter(&result), expected);
	return result;
}

/* A progress in the middle of each stage. */
static const int middles[STAGES] = { 10, 40, 60, 80, 100, 40 };

/* The rules in one picture: a row for what is current, a column for each update's status. */
static void
test_every_pair(void **state)
{
	static const struct {
		int current;
		const char *plain, *restart;
	} rows[] = {
		/*		  up tr td ex pr fa */
		{ -1,		 "NNNNNN", "NNNNNN" },
		{ UPLOADING,	 "CCCCCC", "NNNNNN" },
		{ TRANSCRIBING,	 "XCCCCC", "NNNNNN" },
		{ TRANSCRIBED,	 "XXCCCC", "NNNNNN" },
		{ EXTRACTING,	 "XXXCCC", "NNNNNN" },
		{ PROCESSED,	 "NXXXXX", "NNNNNN" },
		{ FAILED,	 "NNNNNN", "NNNNNN" },
	};

	(void)state;
	for (size_t i = 0; i < countof(rows); i++) {
		int of = rows[i].current;
		struct progress current = current_of(of < 0 ? 0 : of, middles[of < 0 ? 0 : of]);

		for (int to = 0; to < STAGES; to++) {
			struct update update = update_of(to, middles[to]);
			struct result plain, restart;

			update.message = text_of("another message"); /* so it is no retry */
			plain = decide(to, of < 0 ? NULL : &current, &update);
			update.restart = true;
			restart = decide(to, of < 0 ? NULL : &current, &update);
			if (letter(&plain) != rows[i].plain[to] ||
			    letter(&restart) != rows[i].restart[to])
				fail_msg("%d to %d: %c, %c with restart", of, to, letter(&plain),
				    letter(&restart));
		}
	}
}

/* Within a run, each progress of a stage after each other one: forward or equal, never back. */
static void
test_progress_never_goes_back(void **state)
{
	(void)state;
	for (int from = 20; from <= 60; from++) {
		for (int to = 20; to <= 60; to++) {
			struct progress current = current_of(TRANSCRIBING, from);
			struct update update = update_of(TRANSCRIBING, to);
			struct result result = decide(TRANSCRIBING, &current, &update);
			char expected = to > from ? 'C' : to == from ? 'S' : 'X';

			if (letter(&result) != expected)
				fail_msg("%d to %d: %c", from, to, letter(&result));
			update.message = text_of("another message");
			result = decide(TRANSCRIBING, &current, &update);
			if (letter(&result) != (to == from ? 'C' : expected))
				fail_msg("%d to %d with a message: %c", from, to, letter(&result));
		}
	}
}

static void
test_why(void **state)
{
	static const struct {
		int current, from, to, progress;
		const char *why;
	} rows[] = {
		{ TRANSCRIBED, 60, TRANSCRIBING, 60, "the status would go back" },
		{ TRANSCRIBING, 45, TRANSCRIBING, 44, "the progress would go back" },
		{ PROCESSED, 100, TRANSCRIBING, 45,
		  "the run has ended; only the first status or restart=true begins a new one" },
		{ PROCESSED, 100, FAILED, 100,
		  "the run has ended; only the first status or restart=true begins a new one" },
	};

	(void)state;
	for (size_t i = 0; i < countof(rows); i++) {
		struct progress current = current_of(rows[i].current, rows[i].from);
		struct update update = update_of(rows[i].to, rows[i].progress);
		struct result result = decide(rows[i].to, &current, &update);

		assert_int_equal(result.decision, DECISION_CONFLICT);
		assert_string_equal(result.why, rows[i].why);
	}
}

/* A stage whose bounds were set below those before it: the rank rises, the progress falls. */
static void
test_stages_of_an_installation(void **state)
{
	static const struct stage odd = { { "odd", 3 }, 15, 0, 100, 30, OUTCOME_RUNNING,
		{ "odd", 3 } };
	struct progress current = current_of(TRANSCRIBING, 45), next;
	struct update update = { .session = session, .status = odd.name,
		.progress = PROGRESS_NONE, .eta = PROGRESS_ETA_NONE };
	struct faults faults = { .count = 0 };
	const char *why = NULL;

	(void)state;
	assert_int_equal(progress_decide(&odd, &current, &update, NOW, &next, &faults, &why),
	    DECISION_CONFLICT);
	assert_string_equal(why, "the progress would go back");
	update.progress = 45;
	assert_int_equal(progress_decide(&odd, &current, &update, NOW, &next, &faults, &why),
	    DECISION_STORE);
	assert_int_equal(next.rank, 15);
}

static void
test_what_is_stored(void **state)
{
	struct progress current = current_of(TRANSCRIBING, 45);
	struct update update = update_of(EXTRACTING, 70);
	struct result result = decide(EXTRACTING, &current, &update);

	(void)state;
	assert_int_equal(result.decision, DECISION_STORE);
	assert_int_equal(result.next.run, 5);
	assert_true(id_equal(&result.next.session, &session));
	assert_true(text_is(result.next.status, "extracting_notes"));
	assert_int_equal(result.next.rank, 30);
	assert_int_equal(result.next.outcome, OUTCOME_RUNNING);
	assert_int_equal(result.next.progress, 70);
	assert_true(text_is(result.next.message, "notes"));
	assert_null(result.next.error.s);
	assert_int_equal(result.next.eta, PROGRESS_ETA_NONE);
	assert_int_equal(result.next.updated_at, NOW);
	assert_int_equal(result.next.created_at, BEGUN);

	update.message = text_of("m");
	update.eta = 30;
	update.restart = true;
	result = decide(EXTRACTING, &current, &update);
	assert_int_equal(result.decision, DECISION_STORE);
	assert_int_equal(result.next.run, 0);
	assert_true(text_is(result.next.message, "m"));
	assert_int_equal(result.next.eta, 30);
	assert_int_equal(result.next.created_at, NOW);

	/* An empty message is a message. */
	update.message = text_of("");
	result = decide(EXTRACTING, &current, &update);
	assert_true(text_is(result.next.message, ""));
}

static void
test_failing(void **state)
{
	struct progress current = current_of(TRANSCRIBING, 45);
	struct update update = update_of(FAILED, PROGRESS_NONE);
	struct result result = expect('C', FAILED, &current, &update);

	(void)state;
	assert_int_equal(result.next.progress, 45);
	assert_int_equal(result.next.outcome, OUTCOME_FAILED);
	assert_true(text_is(result.next.error, "no audio"));
	assert_true(text_is(result.next.message, "broken"));
	/* It may say any progress itself, a lower one included. */
	for (int progress = 0; progress <= 100; progress++) {
		update.progress = progress;
		result = expect('C', FAILED, &current, &update);
		assert_int_equal(result.next.progress, progress);
	}
}

/* Where a left-out progress comes from. */
static void
test_left_out_progress(void **state)
{
	static const struct {
		int current, from; /* -1: none */
		int to;
		bool restart;
		char letter;
		int progress;
	} rows[] = {
		{ TRANSCRIBING, 45, TRANSCRIBED, false, 'C', 60 },
		{ EXTRACTING, 95, PROCESSED, false, 'C', 100 },
		{ -1, 0, PROCESSED, false, 'N', 100 },
		{ -1, 0, FAILED, false, 'N', 0 },
		{ UPLOADING, 0, FAILED, false, 'C', 0 },
		{ TRANSCRIBING, 45, FAILED, false, 'C', 45 },
		{ EXTRACTING, 95, FAILED, false, 'C', 95 },
		{ TRANSCRIBING, 45, FAILED, true, 'N', 0 },
		{ PROCESSED, 100, FAILED, true, 'N', 0 },
		{ PROCESSED, 100, FAILED, false, 'X', 0 },
		{ -1, 0, UPLOADING, false, 'I', 0 },
		{ UPLOADING, 10, UPLOADING, false, 'I', 0 },
		{ UPLOADING, 10, TRANSCRIBING, false, 'I', 0 },
		{ TRANSCRIBED, 60, EXTRACTING, true, 'I', 0 },
	};

	(void)state;
	for (size_t i = 0; i < countof(rows); i++) {
		struct progress current = current_of(rows[i].current < 0 ? 0 : rows[i].current,
		    rows[i].from);
		struct update update = update_of(rows[i].to, PROGRESS_NONE);
		struct result result;

		update.restart = rows[i].restart;
		result = decide(rows[i].to, rows[i].current < 0 ? NULL : &current, &update);
		if (letter(&result) != rows[i].letter)
			fail_msg("row %zu: %c", i, letter(&result));
		if (result.decision == DECISION_STORE)
			assert_int_equal(result.next.progress, rows[i].progress);
	}
}

/* The very update that is current, sent again, is the same, whatever its status. */
static void
test_blind_retry(void **state)
{
	(void)state;
	for (int of = 0; of < STAGES; of++) {
		struct progress current = current_of(of, middles[of]);
		struct update update = update_of(of, middles[of]);

		expect('S', of, &current, &update);
		/* The default, written out, is the same as left out. */
		update.message = stages[of].message;
		expect('S', of, &current, &update);
		if (stages[of].fallback != PROGRESS_NONE) {
			update.progress = PROGRESS_NONE;
			expect('S', of, &current, &update);
		}
	}
}

/* A failure that left its progress out took the run's last one; so does its retry. */
static void
test_blind_retry_of_a_failure(void **state)
{
	struct progress running = current_of(TRANSCRIBING, 45), current;
	struct update update = update_of(FAILED, PROGRESS_NONE);
	struct result result = expect('C', FAILED, &running, &update);

	(void)state;
	current = result.next;
	current.revision = 8;
	result = expect('S', FAILED, &current, &update);
	update.progress = 45;
	result = expect('S', FAILED, &current, &update);
	/* Another error is another failure, of a new run that got nowhere. */
	update = update_of(FAILED, PROGRESS_NONE);
	update.error = text_of("no disk");
	result = expect('N', FAILED, &current, &update);
	assert_int_equal(result.next.progress, 0);
	/* And so is one that says another progress, or restart. */
	update = update_of(FAILED, 44);
	result = expect('N', FAILED, &current, &update);
	update = update_of(FAILED, PROGRESS_NONE);
	update.restart = true;
	result = expect('N', FAILED, &current, &update);
	assert_int_equal(result.next.progress, 0);
}

/* One member that differs, and it is no retry. */
static void
test_nearly_a_retry(void **state)
{
	struct progress current = current_of(TRANSCRIBING, 45);
	struct update update = update_of(TRANSCRIBING, 45);

	(void)state;
	current.eta = 30;
	expect('C', TRANSCRIBING, &current, &update);
	update.eta = 30;
	expect('S', TRANSCRIBING, &current, &update);
	update.eta = 29;
	expect('C', TRANSCRIBING, &current, &update);
	update.eta = 30;
	update.message = text_of("going ");
	expect('C', TRANSCRIBING, &current, &update);
	update.message = text_of("");
	expect('C', TRANSCRIBING, &current, &update);
	update.message = text_of(NULL);
	update.progress = 46;
	expect('C', TRANSCRIBING, &current, &update);
	/* Equal but for the status. */
	current = current_of(TRANSCRIBED, 60);
	update = update_of(EXTRACTING, 60);
	update.message = current.message;
	expect('C', EXTRACTING, &current, &update);
}

/* restart=true, sent again: the same only while the run that it began has but this update. */
static void
test_retry_of_a_restart(void **state)
{
	struct progress current = current_of(UPLOADING, 5);
	struct update update = update_of(UPLOADING, 5);

	(void)state;
	update.restart = true;
	expect('N', UPLOADING, &current, &update);
	current.run = current.revision;
	expect('S', UPLOADING, &current, &update);
	update.progress = 6;
	expect('N', UPLOADING, &current, &update);
}

static void
test_bounds(void **state)
{
	static const struct {
		int stage;
		const char *fault; /* of what lies outside */
	} rows[] = {
		{ UPLOADING, "must be from 0 to 20 for status uploading" },
		{ TRANSCRIBING, "must be from 20 to 60 for status transcribing" },
		{ TRANSCRIBED, "must be 60 for status transcribed" },
		{ EXTRACTING, "must be from 60 to 95 for status extracting_notes" },
		{ PROCESSED, "must be 100 for status processed" },
		{ FAILED, "must be from 0 to 100 for status failed" },
	};

	(void)state;
	for (size_t i = 0; i < countof(rows); i++) {
		const struct stage *stage = &stages[rows[i].stage];

		for (int progress = 0; progress <= 101; progress++) {
			struct update update = update_of(rows[i].stage, progress);
			struct result result = decide(rows[i].stage, NULL, &update);
			bool inside = progress >= stage->min && progress <= stage->max;

			if (letter(&result) != (inside ? 'N' : 'I'))
				fail_msg("%s %d: %c", stage->name.s, progress, letter(&result));
			if (inside)
				continue;
			assert_int_equal(result.faults.count, 1);
			assert_string_equal(result.faults.list[0].member, "progress");
			assert_string_equal(result.faults.list[0].detail, rows[i].fault);
		}
	}
}

/* Members that are wrong by themselves are told before what they contradict. */
static void
test_faults(void **state)
{
	static const struct {
		int stage, progress;
		const char *error;
		const char *faults[2]; /* member and detail, by a colon */
	} rows[] = {
		{ UPLOADING, PROGRESS_NONE, NULL,
		  { "progress:is required for status uploading", NULL } },
		{ FAILED, 10, NULL, { "error:is required for status failed", NULL } },
		{ FAILED, 10, "", { "error:is required for status failed", NULL } },
		{ PROCESSED, 100, "e",
		  { "error:is only for a status that ends in failure", NULL } },
		{ TRANSCRIBING, 30, "",
		  { "error:is only for a status that ends in failure", NULL } },
		{ TRANSCRIBING, 10, "e",
		  { "progress:must be from 20 to 60 for status transcribing",
		    "error:is only for a status that ends in failure" } },
	};
	struct progress current = current_of(PROCESSED, 100);

	(void)state;
	for (size_t i = 0; i < countof(rows); i++) {
		struct update update = update_of(rows[i].stage, rows[i].progress);
		struct result result;

		update.error = text_of(rows[i].error);
		result = decide(rows[i].stage, &current, &update);
		assert_int_equal(result.decision, DECISION_INVALID);
		assert_int_equal(result.faults.count, rows[i].faults[1] != NULL ? 2 : 1);
		for (size_t f = 0; f < result.faults.count; f++) {
			struct text expected = text_of(rows[i].faults[f]);

			assert_true(text_skip(&expected, result.faults.list[f].member));
			assert_true(text_skip(&expected, ":"));
			assert_string_equal(result.faults.list[f].detail, expected.s);
		}
	}
}

static void
test_outcomes(void **state)
{
	static const char *const names[] = { "running", "processed", "failed" };
	enum outcome outcome = OUTCOME_RUNNING;

	(void)state;
	for (int i = OUTCOME_RUNNING; i <= OUTCOME_FAILED; i++) {
		assert_string_equal(outcome_name((enum outcome)i), names[i]);
		assert_int_equal(outcome_parse(text_of(names[i]), &outcome), ERR_OK);
		assert_int_equal(outcome, i);
	}
	assert_int_equal(outcome_parse(text_of("Failed"), &outcome), ERR_INPUT);
	assert_int_equal(outcome_parse(text_of(""), &outcome), ERR_INPUT);
	assert_int_equal(outcome_parse(text_of(NULL), &outcome), ERR_INPUT);
	assert_int_equal(outcome, OUTCOME_FAILED);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_every_pair),
		cmocka_unit_test(test_progress_never_goes_back),
		cmocka_unit_test(test_why),
		cmocka_unit_test(test_stages_of_an_installation),
		cmocka_unit_test(test_what_is_stored),
		cmocka_unit_test(test_failing),
		cmocka_unit_test(test_left_out_progress),
		cmocka_unit_test(test_blind_retry),
		cmocka_unit_test(test_blind_retry_of_a_failure),
		cmocka_unit_test(test_nearly_a_retry),
		cmocka_unit_test(test_retry_of_a_restart),
		cmocka_unit_test(test_bounds),
		cmocka_unit_test(test_faults),
		cmocka_unit_test(test_outcomes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
