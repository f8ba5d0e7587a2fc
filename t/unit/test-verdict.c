/* test-verdict.c: every refusal of the contract's table, and that they are checked in its order. */
#include "ws/verdict.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static const struct id ann = { { 1 } }, bob = { { 2 } };

/* Facts of a patient who may watch her own session. */
static struct facts
good(void)
{
	return (struct facts){ .has_token = true, .cause = TOKEN_OK, .user = ann,
		.user_active = true, .role = ROLE_PATIENT, .session_exists = true,
		.has_patient = true, .patient = ann, .user_connections_max = 2,
		.connections_max = 2 };
}

/* Spoils the facts from the given verdict's on, so that only the order tells which one comes. */
static struct facts
spoiled_from(enum verdict first)
{
	struct facts facts = good();

	if (first <= VERDICT_NO_TOKEN)
		facts.has_token = false;
	if (first <= VERDICT_BAD_TOKEN)
		facts.cause = TOKEN_EXPIRED;
	if (first <= VERDICT_NO_SESSION)
		facts.session_exists = false;
	if (first <= VERDICT_FORBIDDEN)
		facts.patient = bob;
	if (first <= VERDICT_TOO_MANY)
		facts.user_connections = facts.user_connections_max;
	if (first <= VERDICT_FULL)
		facts.connections = facts.connections_max;
	return facts;
}

static void
test_order(void **state)
{
	(void)state;
	for (int v = VERDICT_NO_TOKEN; v < VERDICT__MAX; v++) {
		struct facts facts = spoiled_from((enum verdict)v);

		assert_int_equal(verdict_of(&facts), v);
	}
}

static void
test_admitted(void **state)
{
	static const struct {
		enum role role;
		bool has_patient;
		const struct id *patient;
		enum verdict expected;
	} rows[] = {
		{ ROLE_PATIENT, true, &ann, VERDICT_ADMIT },
		{ ROLE_PATIENT, true, &bob, VERDICT_FORBIDDEN },
		{ ROLE_PATIENT, false, &ann, VERDICT_FORBIDDEN },
		{ ROLE_THERAPIST, true, &bob, VERDICT_ADMIT },
		{ ROLE_THERAPIST, false, &bob, VERDICT_ADMIT },
		{ ROLE_ADMIN, true, &bob, VERDICT_ADMIT },
		{ ROLE_NONE, true, &ann, VERDICT_FORBIDDEN },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct facts facts = good();

		facts.role = rows[i].role;
		facts.has_patient = rows[i].has_patient;
		facts.patient = *rows[i].patient;
		assert_int_equal(verdict_of(&facts), rows[i].expected);
	}
}

static void
test_inactive(void **state)
{
	struct facts facts = good();

	(void)state;
	facts.user_active = false;
	assert_int_equal(verdict_of(&facts), VERDICT_BAD_TOKEN);
}

static void
test_limits(void **state)
{
	struct facts facts = good();

	(void)state;
	facts.user_connections = 1;
	facts.connections = 1;
	assert_int_equal(verdict_of(&facts), VERDICT_ADMIT);
	facts.connections = 2;
	assert_int_equal(verdict_of(&facts), VERDICT_FULL);
	facts.user_connections = 2;
	assert_int_equal(verdict_of(&facts), VERDICT_TOO_MANY);
}

static void
test_words(void **state)
{
	static const struct {
		enum verdict verdict;
		unsigned code;
		int status;
		const char *reason;
	} rows[] = {
		{ VERDICT_NO_TOKEN, 1008, 401, "Authentication required" },
		{ VERDICT_BAD_TOKEN, 1008, 401, "Invalid authentication" },
		{ VERDICT_NO_SESSION, 1008, 404, "Session not found" },
		{ VERDICT_FORBIDDEN, 1008, 403, "Not authorized to access this session" },
		{ VERDICT_TOO_MANY, 1008, 429, "Too many connections" },
		{ VERDICT_FULL, 1013, 503, "Try again later" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		assert_int_equal(verdict_code(rows[i].verdict), rows[i].code);
		assert_int_equal(verdict_status(rows[i].verdict), rows[i].status);
		assert_string_equal(verdict_reason(rows[i].verdict), rows[i].reason);
	}
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_order),
		cmocka_unit_test(test_admitted),
		cmocka_unit_test(test_inactive),
		cmocka_unit_test(test_limits),
		cmocka_unit_test(test_words),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
