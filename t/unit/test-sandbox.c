/* test-sandbox.c: what a process in the sandbox may no longer do, and what it still may. */
#include "base/sandbox.h"

#include "base/attr.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/inotify.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/random.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/timerfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

/* Runs it in a process of its own, in the sandbox, which can't be left again. It returns 0, or the
 * line where it was disappointed. */
static int
in_sandbox(int (*run)(enum sandbox))
{
	pid_t pid = fork();
	int status;

	assert_true(pid >= 0);
	if (pid == 0)
		_exit(run(sandbox_enter()));
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	return WEXITSTATUS(status);
}

/* A line is below 256 here, so that it fits into an exit status. */
#define EXPECT(condition) \
	do { \
		if (!(condition)) \
			return __LINE__; \
	} while (0)

static bool
is_refused(long rc)
{
	return rc == -1 && errno == EPERM;
}

static int
run_always(enum sandbox sandbox)
{
	struct rlimit limit;

	(void)sandbox;
	EXPECT(prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) == 1);
	EXPECT(getrlimit(RLIMIT_CORE, &limit) == 0);
	EXPECT(limit.rlim_cur == 0 && limit.rlim_max == 0);
	EXPECT(umask(0) == 037);
	return 0;
}

static void
test_always(void **state)
{
	mode_t saved = umask(030);

	(void)state;
	assert_int_equal(in_sandbox(run_always), 0);
	umask(saved);
}

static int
run_refused(enum sandbox sandbox)
{
	char *const none[] = { NULL };

	if (sandbox != SANDBOX_ON)
		return 0;
	EXPECT(prctl(PR_GET_DUMPABLE, 0, 0, 0, 0) == 0);
	EXPECT(is_refused(execve("/bin/true", none, none)));
	EXPECT(is_refused(syscall(SYS_execveat, AT_FDCWD, "/bin/true", none, none, 0)));
	EXPECT(is_refused(fork()));
	EXPECT(system("true") != 0);
	EXPECT(is_refused(syscall(SYS_clone, SIGCHLD, 0, 0, 0, 0)));
	EXPECT(syscall(SYS_clone3, NULL, 0) == -1 && errno == ENOSYS);
	/* Those that need no privilege at all, or that would fail otherwise if they came through. */
	EXPECT(is_refused(ptrace(PTRACE_TRACEME, 0, NULL, NULL)));
	EXPECT(is_refused(syscall(SYS_process_vm_readv, getpid(), NULL, 0, NULL, 0, 0)));
	EXPECT(is_refused(mount(NULL, "/nonexistent", NULL, 0, NULL)));
	EXPECT(is_refused(unshare(0)));
	EXPECT(is_refused(syscall(SYS_setns, -1, 0)));
	EXPECT(is_refused(setuid(getuid())));
	EXPECT(is_refused(setgid(getgid())));
	EXPECT(is_refused(chroot("/nonexistent")));
	EXPECT(is_refused(syscall(SYS_personality, 0xffffffff)));
	EXPECT(is_refused(syscall(SYS_keyctl, 0, 0, 0, 0, 0)));
	EXPECT(is_refused(syscall(SYS_bpf, -1, NULL, 0)));
	EXPECT(is_refused(syscall(SYS_perf_event_open, NULL, 0, 0, 0, 0)));
	EXPECT(is_refused(syscall(SYS_userfaultfd, -1)));
	EXPECT(is_refused(syscall(SYS_finit_module, -1, "", 0)));
	EXPECT(is_refused(syscall(SYS_kexec_load, 0, 0, NULL, -1L)));
	EXPECT(is_refused(syscall(SYS_reboot, 0, 0, 0, NULL)));
	EXPECT(is_refused(syscall(SYS_swapon, NULL, 0)));
	EXPECT(is_refused(syscall(SYS_io_uring_setup, 0, NULL)));
	EXPECT(is_refused(socket(AF_INET, SOCK_STREAM, 0)));
	EXPECT(is_refused(socket(AF_INET6, SOCK_DGRAM, 0)));
	EXPECT(is_refused(socket(AF_NETLINK, SOCK_RAW, 0)));
	EXPECT(is_refused(socket(AF_PACKET, SOCK_RAW, 0)));
	return 0;
}

static void
test_refused(void **state)
{
	(void)state;
	assert_int_equal(in_sandbox(run_refused), 0);
}

/* The network's variant lets TCP and UDP through, and no other family, known or not. */
static int
run_network(enum sandbox sandbox)
{
	enum sandbox again = sandbox_enter_network();

	/* A second filter only takes: what the first refuses stays refused. */
	EXPECT(again == sandbox);
	if (sandbox == SANDBOX_ON)
		EXPECT(is_refused(socket(AF_INET, SOCK_STREAM, 0)));
	return 0;
}

static int
run_in_network(void)
{
	if (sandbox_enter_network() != SANDBOX_ON)
		return 0;
	EXPECT(socket(AF_INET, SOCK_STREAM, 0) >= 0);
	EXPECT(socket(AF_INET, SOCK_DGRAM, 0) >= 0);
	EXPECT(socket(AF_INET6, SOCK_STREAM, 0) >= 0 || errno == EAFNOSUPPORT);
	EXPECT(socket(AF_UNIX, SOCK_STREAM, 0) >= 0);
	for (int family = 0; family < 50; family++)
		if (family != AF_UNIX && family != AF_INET && family != AF_INET6)
			EXPECT(is_refused(socket(family, SOCK_RAW, 0)));
	EXPECT(is_refused(fork()));
	return 0;
}

static void
test_network(void **state)
{
	pid_t pid = fork();
	int status;

	(void)state;
	assert_true(pid >= 0);
	if (pid == 0)
		_exit(run_in_network());
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), 0);
	assert_int_equal(in_sandbox(run_network), 0);
}

/* Threads share the filter. */
static void *
try_socket(void *arg)
{
	enum sandbox *sandbox = arg;
	int fd = socket(AF_INET, SOCK_STREAM, 0);
	bool as_expected = *sandbox == SANDBOX_ON ? fd < 0 : fd >= 0 || errno == EAFNOSUPPORT;

	return as_expected ? arg : NULL;
}

static int
run_allowed(enum sandbox sandbox)
{
	char path[] = "/tmp/test-sandbox.XXXXXX";
	struct rlimit limit;
	pthread_t thread;
	void *result = NULL;
	char byte;
	int fds[2];

	EXPECT(pthread_create(&thread, NULL, try_socket, &sandbox) == 0);
	EXPECT(pthread_join(thread, &result) == 0 && result == &sandbox);
	EXPECT(socket(AF_UNIX, SOCK_STREAM, 0) >= 0);
	EXPECT(socketpair(AF_UNIX, SOCK_DGRAM, 0, fds) == 0);
	EXPECT(send(fds[0], "x", 1, 0) == 1 && recv(fds[1], &byte, 1, 0) == 1);
	EXPECT(mkstemp(path) >= 0 && unlink(path) == 0);
	EXPECT(inotify_init1(IN_CLOEXEC) >= 0);
	EXPECT(epoll_create1(EPOLL_CLOEXEC) >= 0);
	EXPECT(timerfd_create(CLOCK_MONOTONIC, 0) >= 0);
	EXPECT(getrandom(&byte, 1, 0) == 1);
	EXPECT(getrlimit(RLIMIT_NOFILE, &limit) == 0 && setrlimit(RLIMIT_NOFILE, &limit) == 0);
	EXPECT(open("/dev/null", O_RDONLY) >= 0);
	return 0;
}

static void
test_allowed(void **state)
{
	(void)state;
	assert_int_equal(in_sandbox(run_allowed), 0);
}

/* A process may be in it already. */
static int
run_twice(enum sandbox sandbox)
{
	EXPECT(sandbox_enter() == sandbox);
	return 0;
}

static void
test_twice(void **state)
{
	(void)state;
	assert_int_equal(in_sandbox(run_twice), 0);
}

static void
test_names(void **state)
{
	(void)state;
	assert_string_equal(sandbox_name(SANDBOX_ON), "on");
	assert_string_equal(sandbox_name(SANDBOX_ABSENT), "absent");
	assert_string_equal(sandbox_name(SANDBOX_REFUSED), "refused");
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_always),
		cmocka_unit_test(test_refused),
		cmocka_unit_test(test_allowed),
		cmocka_unit_test(test_network),
		cmocka_unit_test(test_twice),
		cmocka_unit_test(test_names),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
