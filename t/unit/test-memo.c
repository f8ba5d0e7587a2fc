/* test-memo.c: what a thread remembers of keys: only what it was told, and the last of those that share a place. */
#include "api/memo.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

/* A hash whose first byte chooses the place. */
#define HASH(first, last) ((uint8_t[SHA256_LEN]){ [0] = (first), [SHA256_LEN - 1] = (last) })

static void
test_empty(void **state)
{
	struct memo memo = { .entries[0].used = false };
	enum scope scope;

	(void)state;
	/* A hash of zeros is as good as any other, and not what an empty place holds. */
	assert_false(memo_find(&memo, HASH(0, 0), &scope));
	memo_clear(&memo);
	assert_false(memo_find(&memo, HASH(0, 0), &scope));
}

static void
test_put_and_clear(void **state)
{
	struct memo memo = { .entries[0].used = false };
	enum scope scope = SCOPE_WORKER;

	(void)state;
	for (unsigned i = 0; i < MEMO_ENTRIES; i++)
		memo_put(&memo, HASH((uint8_t)i, 1), i % 2 == 0 ? SCOPE_WORKER : SCOPE_ADMIN);
	for (unsigned i = 0; i < MEMO_ENTRIES; i++) {
		assert_true(memo_find(&memo, HASH((uint8_t)i, 1), &scope));
		assert_int_equal(scope, i % 2 == 0 ? SCOPE_WORKER : SCOPE_ADMIN);
		assert_false(memo_find(&memo, HASH((uint8_t)i, 2), &scope));
	}
	memo_clear(&memo);
	for (unsigned i = 0; i < MEMO_ENTRIES; i++)
		assert_false(memo_find(&memo, HASH((uint8_t)i, 1), &scope));
	memo_put(&memo, HASH(3, 1), SCOPE_ADMIN);
	assert_true(memo_find(&memo, HASH(3, 1), &scope));
}

static void
test_shared_place(void **state)
{
	struct memo memo = { .entries[0].used = false };
	enum scope scope;

	(void)state;
	memo_put(&memo, HASH(5, 1), SCOPE_WORKER);
	memo_put(&memo, HASH(5 + MEMO_ENTRIES, 1), SCOPE_ADMIN);
	assert_false(memo_find(&memo, HASH(5, 1), &scope));
	assert_true(memo_find(&memo, HASH(5 + MEMO_ENTRIES, 1), &scope));
	assert_int_equal(scope, SCOPE_ADMIN);
	memo_put(&memo, HASH(5 + MEMO_ENTRIES, 1), SCOPE_WORKER);
	assert_true(memo_find(&memo, HASH(5 + MEMO_ENTRIES, 1), &scope));
	assert_int_equal(scope, SCOPE_WORKER);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_empty),
		cmocka_unit_test(test_put_and_clear),
		cmocka_unit_test(test_shared_place),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
