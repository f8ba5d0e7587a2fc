/* test-roster.c: joining, leaving (also while walking), counting; many ids. */
#include "ws/roster.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#define IDS 1000

static struct id
id_of(unsigned n)
{
	struct id id = { { (uint8_t)n, (uint8_t)(n >> 8), 7 } };

	return id;
}

static void
count_one(void *arg, struct member *member)
{
	(void)member;
	++*(size_t *)arg;
}

static size_t
walk(struct roster *roster, unsigned n)
{
	struct id id = id_of(n);
	size_t seen = 0;

	roster_each(roster, &id, count_one, &seen);
	return seen;
}

static void
test_join_and_leave(void **state)
{
	struct roster roster;
	struct member a = { 0 }, b = { 0 }, c = { 0 };
	struct id one = id_of(1), two = id_of(2);

	(void)state;
	roster_init(&roster, 42);
	assert_int_equal(walk(&roster, 1), 0);
	assert_int_equal(roster_join(&roster, &one, &a), ERR_OK);
	assert_int_equal(roster_join(&roster, &one, &b), ERR_OK);
	assert_int_equal(roster_join(&roster, &two, &c), ERR_OK);
	assert_int_equal(walk(&roster, 1), 2);
	assert_int_equal(roster_count(&roster, &one), 2);
	assert_int_equal(roster_count(&roster, &two), 1);
	assert_memory_equal(roster_id(&c), &two, sizeof(two));
	roster_leave(&roster, &a);
	roster_leave(&roster, &a); /* a second time: nothing */
	assert_int_equal(walk(&roster, 1), 1);
	roster_leave(&roster, &b);
	roster_leave(&roster, &c);
	assert_int_equal(roster_count(&roster, &one), 0);
	assert_int_equal(walk(&roster, 2), 0);
	assert_int_equal(roster.groups.count, 0);
	roster_fini(&roster);
}

/* Who is only counted is counted with the members, and not met. */
static void
test_enter_and_exit(void **state)
{
	struct roster roster;
	struct member a = { 0 };
	struct group *first, *second;
	struct id one = id_of(1);

	(void)state;
	roster_init(&roster, 42);
	assert_int_equal(roster_enter(&roster, &one, &first), ERR_OK);
	assert_int_equal(roster_enter(&roster, &one, &second), ERR_OK);
	assert_int_equal(roster_join(&roster, &one, &a), ERR_OK);
	assert_int_equal(roster_count(&roster, &one), 3);
	assert_int_equal(walk(&roster, 1), 1);
	roster_exit(&roster, &first);
	assert_null(first);
	roster_exit(&roster, &first); /* a second time: nothing */
	roster_leave(&roster, &a);
	assert_int_equal(roster_count(&roster, &one), 1);
	roster_exit(&roster, &second);
	assert_int_equal(roster_count(&roster, &one), 0);
	assert_int_equal(roster.groups.count, 0);
	roster_fini(&roster);
}

static void
leave_at_once(void *arg, struct member *member)
{
	roster_leave(arg, member);
}

static void
test_leave_while_walking(void **state)
{
	struct roster roster;
	struct member members[5] = { 0 };
	struct id one = id_of(1);

	(void)state;
	roster_init(&roster, 42);
	for (size_t i = 0; i < 5; i++)
		assert_int_equal(roster_join(&roster, &one, &members[i]), ERR_OK);
	roster_each(&roster, &one, leave_at_once, &roster);
	assert_int_equal(roster_count(&roster, &one), 0);
	assert_int_equal(roster.groups.count, 0);
	roster_fini(&roster);
}

static void
test_many_ids(void **state)
{
	static struct member members[IDS];
	struct roster roster;

	(void)state;
	roster_init(&roster, 42);
	for (unsigned i = 0; i < IDS; i++) {
		struct id id = id_of(i);

		assert_int_equal(roster_join(&roster, &id, &members[i]), ERR_OK);
	}
	for (unsigned i = 0; i < IDS; i += 2)
		roster_leave(&roster, &members[i]);
	for (unsigned i = 0; i < IDS; i++)
		assert_int_equal(walk(&roster, i), i % 2);
	for (unsigned i = 1; i < IDS; i += 2)
		roster_leave(&roster, &members[i]);
	assert_int_equal(roster.groups.count, 0);
	roster_fini(&roster);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_join_and_leave),
		cmocka_unit_test(test_enter_and_exit),
		cmocka_unit_test(test_leave_while_walking),
		cmocka_unit_test(test_many_ids),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
