/* test-census.c: counting users over processes: what others see, what the dead leave, a full table. */
#include "ws/census.h"

#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

struct bed {
	char dir[32];
	char database[64];
};

static int
setup(void **state)
{
	struct bed *bed = calloc(1, sizeof(*bed));

	strcpy(bed->dir, "/tmp/census.XXXXXX");
	if (mkdtemp(bed->dir) == NULL)
		return -1;
	snprintf(bed->database, sizeof(bed->database), "%s/m.db", bed->dir);
	*state = bed;
	return 0;
}

static int
teardown(void **state)
{
	struct bed *bed = *state;
	char path[80];

	snprintf(path, sizeof(path), "%s-watchers", bed->database);
	unlink(path);
	rmdir(bed->dir);
	free(bed);
	return 0;
}

static struct census *
open_census(const struct bed *bed)
{
	struct census *census = NULL;
	struct buf why = BUF_INIT(1024);

	if (census_open(bed->database, &census, &why) != ERR_OK)
		fail_msg("%s", buf_cstr(&why));
	buf_fini(&why);
	return census;
}

static struct id
user(uint32_t n)
{
	struct id id = { .bytes = { 0 } };

	memcpy(id.bytes + 4, &n, sizeof(n));
	return id;
}

static void
set(struct census *census, uint32_t n, uint32_t count)
{
	struct id id = user(n);

	assert_int_equal(census_set(census, &id, count), ERR_OK);
}

static size_t
elsewhere(struct census *census, uint32_t n)
{
	static int64_t now_ms;
	struct id id = user(n);

	return census_elsewhere(census, &id, ++now_ms);
}

static void
test_each_sees_the_others(void **state)
{
	struct census *a = open_census(*state), *b = open_census(*state), *c = open_census(*state);

	for (uint32_t n = 0; n < 1000; n++) {
		set(a, n, n + 1);
		set(b, n, 1);
	}
	for (uint32_t n = 0; n < 1000; n++) {
		assert_int_equal(elsewhere(a, n), 1);
		assert_int_equal(elsewhere(b, n), n + 1);
		assert_int_equal(elsewhere(c, n), n + 2);
	}
	assert_int_equal(elsewhere(a, 1000), 0);
	set(a, 7, 0);
	set(a, 5000, 0); /* was never there */
	assert_int_equal(elsewhere(c, 7), 1);
	set(a, 7, 3);
	assert_int_equal(elsewhere(c, 7), 4);
	census_close(&b);
	assert_int_equal(elsewhere(c, 7), 3);
	assert_null(b);
	census_close(&a);
	census_close(&c);
}

/* Within the millisecond that it last looked around it does not know who came. */
static void
test_newcomer(void **state)
{
	struct census *a = open_census(*state), *b;
	struct id id = user(1);

	assert_int_equal(census_elsewhere(a, &id, 1000), 0);
	b = open_census(*state);
	set(b, 1, 2);
	assert_int_equal(census_elsewhere(a, &id, 1001), 2);
	set(b, 1, 3);
	assert_int_equal(census_elsewhere(a, &id, 1001), 3);
	census_close(&a);
	census_close(&b);
}

/* A region that was left is empty for whoever takes it next. */
static void
test_taken_over(void **state)
{
	struct census *a = open_census(*state), *b = open_census(*state);

	set(a, 1, 5);
	census_close(&a);
	a = open_census(*state);
	assert_int_equal(elsewhere(b, 1), 0);
	set(a, 1, 2);
	assert_int_equal(elsewhere(b, 1), 2);
	census_close(&a);
	census_close(&b);
}

static void
test_killed(void **state)
{
	struct census *b = open_census(*state), *a;
	int ready[2];
	char byte;
	pid_t pid;

	assert_int_equal(pipe(ready), 0);
	pid = fork();
	if (pid == 0) {
		a = open_census(*state);
		set(a, 1, 5);
		if (write(ready[1], "x", 1) == 1)
			pause();
		_exit(1);
	}
	assert_int_equal(read(ready[0], &byte, 1), 1);
	assert_int_equal(elsewhere(b, 1), 5);
	kill(pid, SIGKILL);
	assert_int_equal(waitpid(pid, NULL, 0), pid);
	assert_int_equal(elsewhere(b, 1), 0);
	close(ready[0]);
	close(ready[1]);
	census_close(&b);
}

/* Who looks while a place is taken over never sees what was left there. */
static void
test_looked_at_while_taken_over(void **state)
{
	struct census *b = open_census(*state), *a;
	int status = 0;

	for (unsigned round = 0; round < 20; round++) {
		pid_t pid;

		a = open_census(*state);
		set(a, 1, 5);
		census_close(&a);
		pid = fork();
		if (pid == 0) {
			a = open_census(*state);
			_exit(0);
		}
		while (waitpid(pid, &status, WNOHANG) == 0)
			assert_int_equal(elsewhere(b, 1), 0);
		assert_int_equal(status, 0);
	}
	census_close(&b);
}

/* Many users over time are no trouble, as long as not too many are there at once. */
static void
test_full(void **state)
{
	struct census *a = open_census(*state), *b = open_census(*state);
	struct id id;
	uint32_t n = 0;

	for (uint32_t i = 0; i < 3 * CENSUS_ENTRIES; i++) {
		set(a, i, 1);
		set(a, i, 0);
	}
	do
		id = user(n++ + 4 * CENSUS_ENTRIES);
	while (census_set(a, &id, 1) == ERR_OK);
	assert_int_equal(n, CENSUS_ENTRIES / 4 * 3 + 1);
	assert_int_equal(elsewhere(b, 4 * CENSUS_ENTRIES), 1);
	set(a, 4 * CENSUS_ENTRIES, 9);
	assert_int_equal(elsewhere(b, 4 * CENSUS_ENTRIES), 9);
	census_close(&a);
	census_close(&b);
}

static void
test_places(void **state)
{
	struct census *all[CENSUS_REGIONS], *more = NULL;
	struct bed *bed = *state;
	struct buf why = BUF_INIT(1024);

	for (unsigned i = 0; i < CENSUS_REGIONS; i++)
		all[i] = open_census(bed);
	assert_int_equal(census_open(bed->database, &more, &why), ERR_FULL);
	assert_non_null(strstr(buf_cstr(&why), "-watchers: 64 milepost-ws hold all places"));
	census_close(&all[30]);
	all[30] = open_census(bed);
	for (unsigned i = 0; i < CENSUS_REGIONS; i++)
		census_close(&all[i]);
	buf_reset(&why);
	assert_int_equal(census_open("/nowhere/m.db", &more, &why), ERR_SYSTEM);
	assert_string_equal(buf_cstr(&why), "/nowhere/m.db-watchers: No such file or directory");
	buf_fini(&why);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_each_sees_the_others, setup, teardown),
		cmocka_unit_test_setup_teardown(test_newcomer, setup, teardown),
		cmocka_unit_test_setup_teardown(test_taken_over, setup, teardown),
		cmocka_unit_test_setup_teardown(test_killed, setup, teardown),
		cmocka_unit_test_setup_teardown(test_looked_at_while_taken_over, setup, teardown),
		cmocka_unit_test_setup_teardown(test_full, setup, teardown),
		cmocka_unit_test_setup_teardown(test_places, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
