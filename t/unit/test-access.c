/* test-access.c: the names of roles and scopes, and who may watch what. */
#include "model/access.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

/* What is no role and no scope, however near. */
static const char *const strangers[] = { "", "none", "Admin", "admin ", " admin", "admi", "admins",
	"root", "*" };

static void
test_roles(void **state)
{
	static const enum role roles[] = { ROLE_PATIENT, ROLE_THERAPIST, ROLE_ADMIN };
	static const char *const names[] = { "patient", "therapist", "admin" };
	enum role role = ROLE_NONE;

	(void)state;
	for (size_t i = 0; i < countof(roles); i++) {
		assert_int_equal(role_parse(text_of(names[i]), &role), ERR_OK);
		assert_int_equal(role, roles[i]);
		assert_string_equal(role_name(role), names[i]);
	}
	role = ROLE_NONE;
	for (size_t i = 0; i < countof(strangers); i++)
		assert_int_equal(role_parse(text_of(strangers[i]), &role), ERR_INPUT);
	assert_int_equal(role_parse(text_of(NULL), &role), ERR_INPUT);
	assert_int_equal(role_parse(text_of("worker"), &role), ERR_INPUT);
	assert_int_equal(role, ROLE_NONE);
	assert_string_equal(role_name(ROLE_NONE), "none");
}

static void
test_scopes(void **state)
{
	enum scope scope = SCOPE_ADMIN;

	(void)state;
	assert_int_equal(scope_parse(text_of("worker"), &scope), ERR_OK);
	assert_int_equal(scope, SCOPE_WORKER);
	for (size_t i = 0; i < countof(strangers); i++)
		assert_int_equal(scope_parse(text_of(strangers[i]), &scope), ERR_INPUT);
	assert_int_equal(scope_parse(text_of("patient"), &scope), ERR_INPUT);
	assert_int_equal(scope, SCOPE_WORKER);
	assert_int_equal(scope_parse(text_of("admin"), &scope), ERR_OK);
	assert_int_equal(scope, SCOPE_ADMIN);
	assert_string_equal(scope_name(SCOPE_WORKER), "worker");
	assert_string_equal(scope_name(SCOPE_ADMIN), "admin");
}

static void
test_watching(void **state)
{
	static const struct id user = { { 1 } }, stranger = { { 2 } };
	static const struct {
		enum role role;
		bool has_patient, is_patient;
		bool may;
	} rows[] = {
		{ ROLE_NONE, true, true, false },
		{ ROLE_NONE, true, false, false },
		{ ROLE_NONE, false, false, false },
		{ ROLE_NONE, false, true, false },
		{ ROLE_PATIENT, true, true, true },
		{ ROLE_PATIENT, true, false, false },
		{ ROLE_PATIENT, false, false, false },
		{ ROLE_PATIENT, false, true, false }, /* nobody's, whatever the bytes hold */
		{ ROLE_THERAPIST, true, true, true },
		{ ROLE_THERAPIST, true, false, true },
		{ ROLE_THERAPIST, false, false, true },
		{ ROLE_THERAPIST, false, true, true },
		{ ROLE_ADMIN, true, true, true },
		{ ROLE_ADMIN, true, false, true },
		{ ROLE_ADMIN, false, false, true },
		{ ROLE_ADMIN, false, true, true },
	};

	(void)state;
	for (size_t i = 0; i < countof(rows); i++)
		if (access_may_watch(rows[i].role, &user, rows[i].has_patient,
		    rows[i].is_patient ? &user : &stranger) != rows[i].may)
			fail_msg("row %zu", i);
	assert_false(access_may_watch_any(ROLE_NONE));
	assert_false(access_may_watch_any(ROLE_PATIENT));
	assert_true(access_may_watch_any(ROLE_THERAPIST));
	assert_true(access_may_watch_any(ROLE_ADMIN));
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_roles),
		cmocka_unit_test(test_scopes),
		cmocka_unit_test(test_watching),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
