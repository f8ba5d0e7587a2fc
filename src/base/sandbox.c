/* sandbox.c: no core files, no new privileges, and a seccomp filter of what is never needed. */
#include "base/sandbox.h"

#include "base/attr.h"

#include <errno.h>
#include <sched.h>
#include <stdbool.h>
#include <stddef.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>

/* LeakSanitizer looks for leaks, at exit, from a process of its own that traces this one. */
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define IS_SANITIZED 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer) || \
    __has_feature(memory_sanitizer) || __has_feature(leak_sanitizer)
#define IS_SANITIZED 1
#endif
#endif
#ifndef IS_SANITIZED
#define IS_SANITIZED 0
#endif

void
sandbox_leave_no_core(void)
{
	const struct rlimit none = { 0, 0 };

	/* Both: a pipe in core_pattern does not ask for the limit, and who may raise it could. */
	(void)setrlimit(RLIMIT_CORE, &none);
	if (!IS_SANITIZED)
		(void)prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
}

/* Takes from what whoever started us allows, and gives nothing: 077 stays 077. */
static void
hide_files(void)
{
	mode_t given = umask(0777);

	umask(given | S_IRWXO);
}

#if defined(HAVE_SECCOMP) && !IS_SANITIZED
#include <seccomp.h>

#ifdef __s390__
#define CLONE_FLAGS_ARG 1
#else
#define CLONE_FLAGS_ARG 0
#endif

/* By name, as neither every machine nor every libseccomp has all of them. */
static const char *const refused[] = {
	/* programs and processes */
	"execve", "execveat", "fork", "vfork",
	/* the inside of other processes */
	"ptrace", "process_vm_readv", "process_vm_writev", "process_madvise", "pidfd_getfd", "kcmp",
	/* file systems */
	"mount", "umount", "umount2", "mount_setattr", "move_mount", "open_tree", "fsopen", "fsconfig",
	"fsmount", "fspick", "chroot", "pivot_root", "swapon", "swapoff", "quotactl", "quotactl_fd",
	"mknod", "mknodat", "open_by_handle_at", "fanotify_init",
	/* namespaces, users, capabilities, keys */
	"unshare", "setns", "setuid", "setuid32", "setgid", "setgid32", "setreuid", "setreuid32",
	"setregid", "setregid32", "setresuid", "setresuid32", "setresgid", "setresgid32", "setfsuid",
	"setfsuid32", "setfsgid", "setfsgid32", "setgroups", "setgroups32", "capset", "add_key",
	"request_key", "keyctl",
	/* the kernel and the machine */
	"kexec_load", "kexec_file_load", "create_module", "init_module", "finit_module",
	"delete_module", "bpf", "perf_event_open", "reboot", "acct", "syslog", "iopl", "ioperm",
	"settimeofday", "stime", "clock_settime", "clock_settime64", "clock_adjtime",
	"clock_adjtime64", "adjtimex", "sethostname", "setdomainname", "vhangup", "lookup_dcookie",
	/* what exploits are fond of; by a new ring, calls would get around this filter */
	"personality", "userfaultfd", "modify_ldt", "io_uring_setup",
};

static bool
add_refused(scmp_filter_ctx filter)
{
	for (size_t i = 0; i < countof(refused); i++) {
		int number = seccomp_syscall_resolve_name(refused[i]);

		if (number != __NR_SCMP_ERROR &&
		    seccomp_rule_add(filter, SCMP_ACT_ERRNO(EPERM), number, 0) < 0)
			return false;
	}
	return true;
}

/* Threads only. The flags of clone3 are where no filter can read them, so libc is told that there is
 * none and takes clone, as on an older kernel. */
static bool
add_clone(scmp_filter_ctx filter)
{
	int clone3 = seccomp_syscall_resolve_name("clone3");

	if (clone3 != __NR_SCMP_ERROR &&
	    seccomp_rule_add(filter, SCMP_ACT_ERRNO(ENOSYS), clone3, 0) < 0)
		return false;
	return seccomp_rule_add(filter, SCMP_ACT_ERRNO(EPERM), SCMP_SYS(clone), 1,
	    SCMP_CMP(CLONE_FLAGS_ARG, SCMP_CMP_MASKED_EQ, CLONE_THREAD, 0)) == 0;
}

/* Unix sockets only: sd_notify's, and the one that looks whether a socket file is alive. Exact, as
 * where sockets come by socketcall (i386) an inexact rule would refuse these too; there it is left
 * out. */
static bool
refuse_socket(scmp_filter_ctx filter, struct scmp_arg_cmp families)
{
	int rc = seccomp_rule_add_exact(filter, SCMP_ACT_ERRNO(EPERM), SCMP_SYS(socket), 1, families);

	return rc == 0 || rc == -EINVAL;
}

/* All but those of unix, and in a network of IPv4 and IPv6: a rule can't say "none of these three", so
 * they are named. */
static bool
add_socket(scmp_filter_ctx filter, bool network)
{
	if (!network) /* the last is for ranges */
		return refuse_socket(filter, SCMP_CMP(0, SCMP_CMP_NE, AF_UNIX, 0));
	for (unsigned family = 0; family < AF_INET6; family++)
		if (family != AF_UNIX && family != AF_INET &&
		    !refuse_socket(filter, SCMP_CMP(0, SCMP_CMP_EQ, family, 0)))
			return false;
	return refuse_socket(filter, SCMP_CMP(0, SCMP_CMP_GT, AF_INET6, 0));
}

static enum sandbox
filter_calls(bool network)
{
	scmp_filter_ctx filter = seccomp_init(SCMP_ACT_ALLOW);
	bool done;

	if (filter == NULL)
		return SANDBOX_REFUSED;
	/* Another machine's calls, such as i386's on amd64, would get around it. */
	done = seccomp_attr_set(filter, SCMP_FLTATR_ACT_BADARCH, SCMP_ACT_ERRNO(EPERM)) == 0 &&
	    seccomp_attr_set(filter, SCMP_FLTATR_CTL_TSYNC, 1) == 0 && add_refused(filter) &&
	    add_clone(filter) && add_socket(filter, network) && seccomp_load(filter) == 0;
	seccomp_release(filter);
	return done ? SANDBOX_ON : SANDBOX_REFUSED;
}
#else
static enum sandbox
filter_calls(bool network UNUSED)
{
	return SANDBOX_ABSENT;
}
#endif

static enum sandbox
enter(bool network)
{
	sandbox_leave_no_core();
	hide_files();
	(void)prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
	return filter_calls(network);
}

enum sandbox
sandbox_enter(void)
{
	return enter(false);
}

enum sandbox
sandbox_enter_network(void)
{
	return enter(true);
}

const char *
sandbox_name(enum sandbox sandbox)
{
	switch (sandbox) {
	case SANDBOX_ON:
		return "on";
	case SANDBOX_ABSENT:
		return "absent";
	case SANDBOX_REFUSED:
		return "refused";
	}
	return "?";
}
