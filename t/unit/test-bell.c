/* test-bell.c: rings are heard, by all, from other processes, and after the file was taken away. */
#include "bell/bell.h"

#include <fcntl.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#define PATIENCE_MS 10000 /* only a failing test waits so long */

struct bed {
	char dir[32];
	char database[64]; /* never made: the bell needs its name only */
	char file[64];
};

static int
setup(void **state)
{
	struct bed *bed = calloc(1, sizeof(*bed));

	if (bed == NULL)
		return -1;
	strcpy(bed->dir, "/tmp/mp-bell-XXXXXX");
	if (mkdtemp(bed->dir) == NULL)
		return -1;
	snprintf(bed->database, sizeof(bed->database), "%s/db", bed->dir);
	snprintf(bed->file, sizeof(bed->file), "%s/db-bell", bed->dir);
	*state = bed;
	return 0;
}

static int
teardown(void **state)
{
	struct bed *bed = *state;

	unlink(bed->file);
	rmdir(bed->dir);
	free(bed);
	return 0;
}

static bool
readable(int fd, int timeout_ms)
{
	struct pollfd p = { .fd = fd, .events = POLLIN };

	return poll(&p, 1, timeout_ms) == 1;
}

static struct bell *
open_bell(const struct bed *bed)
{
	struct bell *bell = NULL;

	assert_int_equal(bell_open(bed->database, &bell), ERR_OK);
	return bell;
}

/* What there is to hear of before is heard first. */
static void
assert_rings(struct bell *ringer, struct bell *listener, int fd)
{
	while (readable(fd, 0))
		assert_true(bell_heard(listener));
	assert_int_equal(bell_ring(ringer), ERR_OK);
	assert_true(readable(fd, PATIENCE_MS));
	assert_true(bell_heard(listener));
	assert_false(readable(fd, 0));
}

static void
test_file(void **state)
{
	const struct bed *bed = *state;
	struct stat st;
	mode_t saved = umask(027);
	struct bell *bell = open_bell(bed), *again;

	umask(saved);
	assert_int_equal(stat(bed->file, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0640);
	assert_int_equal(st.st_size, 0);
	again = open_bell(bed); /* one that exists is taken as it is */
	bell_close(&again);
	bell_close(&bell);
	assert_null(bell);
	bell_close(&bell);
}

static void
test_no_directory(void **state)
{
	const struct bed *bed = *state;
	struct bell *bell = NULL;
	char path[96];

	snprintf(path, sizeof(path), "%s/none/db", bed->dir);
	assert_int_equal(bell_open(path, &bell), ERR_SYSTEM);
	assert_null(bell);
}

static void
test_ring(void **state)
{
	const struct bed *bed = *state;
	struct bell *ringer = open_bell(bed), *one = open_bell(bed), *two = open_bell(bed);
	int fd_one, fd_two;

	assert_false(bell_heard(one)); /* does not listen yet */
	assert_int_equal(bell_ring(ringer), ERR_OK); /* nobody is there: no harm */
	assert_int_equal(bell_listen(one, &fd_one), ERR_OK);
	assert_int_equal(bell_listen(two, &fd_two), ERR_OK);
	assert_false(readable(fd_one, 0));
	assert_int_equal(fcntl(fd_one, F_GETFD) & FD_CLOEXEC, FD_CLOEXEC);
	for (int i = 0; i < 3; i++) {
		assert_rings(ringer, one, fd_one);
		assert_true(readable(fd_two, PATIENCE_MS));
		assert_true(bell_heard(two));
	}
	/* Many rings are heard as one. */
	for (int i = 0; i < 1000; i++)
		assert_int_equal(bell_ring(ringer), ERR_OK);
	assert_true(readable(fd_one, PATIENCE_MS));
	assert_true(bell_heard(one));
	assert_false(readable(fd_one, 0));
	bell_close(&ringer);
	bell_close(&one);
	bell_close(&two);
}

static void
test_other_process(void **state)
{
	const struct bed *bed = *state;
	struct bell *bell = open_bell(bed);
	int fd, status;
	pid_t pid;

	assert_int_equal(bell_listen(bell, &fd), ERR_OK);
	pid = fork();
	if (pid == 0) {
		struct bell *own;

		_exit(bell_open(bed->database, &own) == ERR_OK && bell_ring(own) == ERR_OK ? 0 : 1);
	}
	assert_true(pid > 0);
	assert_true(readable(fd, PATIENCE_MS));
	assert_true(bell_heard(bell));
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
	bell_close(&bell);
}

/* Removed while a program still holds it open: then the inode lives on, and only its link count
 * tells. */
static void
test_removed(void **state)
{
	const struct bed *bed = *state;
	struct bell *ringer = open_bell(bed), *listener = open_bell(bed);
	int fd, held = open(bed->file, O_RDONLY | O_CLOEXEC);

	assert_true(held >= 0);
	assert_int_equal(bell_listen(listener, &fd), ERR_OK);
	for (int i = 0; i < 3; i++) {
		assert_int_equal(unlink(bed->file), 0);
		assert_true(readable(fd, PATIENCE_MS));
		assert_true(bell_heard(listener));
		assert_int_equal(access(bed->file, F_OK), 0);
		/* The old watch's farewell may come before it. */
		assert_rings(ringer, listener, fd);
	}
	close(held);
	bell_close(&ringer);
	bell_close(&listener);
}

/* The ringer finds the file gone before the listener has seen it. */
static void
test_removed_then_rung(void **state)
{
	const struct bed *bed = *state;
	struct bell *ringer = open_bell(bed), *listener = open_bell(bed);
	int fd;

	assert_int_equal(bell_listen(listener, &fd), ERR_OK);
	assert_int_equal(unlink(bed->file), 0);
	assert_int_equal(bell_ring(ringer), ERR_OK);
	assert_int_equal(access(bed->file, F_OK), 0);
	assert_rings(ringer, listener, fd);
	bell_close(&ringer);
	bell_close(&listener);
}

/* Another file is moved into its place. */
static void
test_replaced(void **state)
{
	const struct bed *bed = *state;
	struct bell *ringer = open_bell(bed), *listener = open_bell(bed);
	char other[96];
	int fd, made;

	snprintf(other, sizeof(other), "%s.new", bed->file);
	assert_int_equal(bell_listen(listener, &fd), ERR_OK);
	made = open(other, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
	assert_true(made >= 0);
	close(made);
	assert_int_equal(rename(other, bed->file), 0);
	assert_true(readable(fd, PATIENCE_MS));
	assert_rings(ringer, listener, fd);
	bell_close(&ringer);
	bell_close(&listener);
}

static void
test_directory_gone(void **state)
{
	const struct bed *bed = *state;
	struct bell *bell = open_bell(bed);
	int fd;

	assert_int_equal(bell_listen(bell, &fd), ERR_OK);
	assert_int_equal(unlink(bed->file), 0);
	assert_int_equal(rmdir(bed->dir), 0);
	assert_int_equal(bell_ring(bell), ERR_SYSTEM);
	assert_false(bell_heard(bell));
	assert_int_equal(mkdir(bed->dir, 0700), 0);
	assert_true(bell_heard(bell)); /* the listener's poll asks again: it is well again */
	while (readable(fd, 0))
		assert_true(bell_heard(bell));
	assert_rings(bell, bell, fd);
	bell_close(&bell);
}

int
main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		TEST(test_file),
		TEST(test_no_directory),
		TEST(test_ring),
		TEST(test_other_process),
		TEST(test_removed),
		TEST(test_removed_then_rung),
		TEST(test_replaced),
		TEST(test_directory_gone),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
