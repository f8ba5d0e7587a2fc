/* test-origins.c: what is missing is noticed, whichever sign of it comes first, and once. */
#include "relay/origins.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

static const struct text a = { "a", 1 }, b = { "b", 1 };

static void
test_gaps(void **state)
{
	struct origins origins = { NULL, 0 };

	(void)state;
	assert_false(origins_hear(&origins, a, 1, 0));
	assert_false(origins_hear(&origins, a, 4, 1)); /* nothing was left of 2 and 3 */
	assert_false(origins_hear(&origins, a, 2, 1)); /* once more */
	assert_int_equal(origins.list[0].n, 4);
	assert_null(origins_doubted(&origins));
	assert_true(origins_hear(&origins, a, 7, 6));
	assert_false(origins_hear(&origins, a, 9, 8)); /* known already */
	assert_string_equal(origins_doubted(&origins), "a");
	assert_true(origins_is_doubted(&origins, a));
	assert_true(origins_hear(&origins, b, 5, 4)); /* the first that is heard of it is not its first */
	origins_trust(&origins, text_of("x a"));
	assert_false(origins_is_doubted(&origins, a));
	assert_string_equal(origins_doubted(&origins), "b");
	origins_trust(&origins, text_of("b"));
	assert_null(origins_doubted(&origins));
	origins_fini(&origins);
}

/* What a host claims must be here once all that was there at that time was read. */
static void
test_claims(void **state)
{
	struct origins origins = { NULL, 0 };
	const struct entry_id none = { 0, 0 }, early = { 5, 0 }, at = { 6, 1 }, late = { 7, 0 };

	(void)state;
	assert_true(origins_claim(&origins, a, 3, &at, 100));
	assert_null(origins_check(&origins, &early, &late)); /* not read so far */
	assert_non_null(origins_check(&origins, &at, &late));
	assert_null(origins_check(&origins, &at, &late)); /* told once */
	origins_trust(&origins, a);
	assert_null(origins_check(&origins, &late, &late)); /* n is noted */
	assert_false(origins_hear(&origins, b, 8, 0));
	assert_true(origins_claim(&origins, b, 8, &late, 200));
	assert_null(origins_check(&origins, &late, &late));
	/* An empty stream is read to its end. */
	assert_true(origins_claim(&origins, b, 9, &late, 300));
	assert_null(origins_check(&origins, &none, &late));
	assert_string_equal(origins_check(&origins, &none, &none), "b");
	assert_int_equal(origins_seen(&origins, a), 100);
	assert_int_equal(origins_seen(&origins, b), 300);
	assert_int_equal(origins_seen(&origins, text_of("nobody")), 0);
	origins_fini(&origins);
}

/* Whoever writes names into Redis does not fill a host's memory and database. */
static void
test_too_many(void **state)
{
	struct origins origins = { NULL, 0 };
	const struct entry_id at = { 1, 0 };
	char name[16];

	(void)state;
	for (int i = 0; i < ORIGINS_MAX; i++) {
		snprintf(name, sizeof(name), "h%d", i);
		assert_true(origins_claim(&origins, text_of(name), 1, &at, 100));
	}
	assert_false(origins_claim(&origins, text_of("one-more"), 1, &at, 100));
	assert_false(origins_hear(&origins, text_of("one-more"), 2, 1));
	assert_true(origins_claim(&origins, text_of("h7"), 2, &at, 200));
	assert_int_equal(origins.count, ORIGINS_MAX);
	origins_fini(&origins);
}

static void
test_lists(void **state)
{
	struct origins origins = { NULL, 0 };
	struct buf out = BUF_INIT(256);

	(void)state;
	origins_doubt(&origins, text_of("no name"));
	assert_int_equal(origins.count, 0);
	assert_false(origins_hear(&origins, a, 1, 0));
	assert_false(origins_hear(&origins, b, 1, 0));
	origins_doubt(&origins, text_of("c"));
	buf_puts(&out, "self");
	origins_trusted(&origins, &out);
	assert_string_equal(buf_cstr(&out), "self a b");
	buf_fini(&out);
	origins_fini(&origins);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_gaps),
		cmocka_unit_test(test_claims),
		cmocka_unit_test(test_too_many),
		cmocka_unit_test(test_lists),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
