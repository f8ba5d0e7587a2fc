/*
 * sandbox.h: giving up, for good, what a program that is set up never needs again. The only module
 * that sees libseccomp.
 *
 * The filter names what is refused and lets all else pass. The other way round, a list of what is
 * allowed, refuses more on the day that it is written, and ends or cripples a program on the day that
 * libc, SQLite, OpenSSL or libev begins to use a system call that nobody thought of: for us an update
 * of the system must never be an outage. The units in systemd/ have such a list; who maintains the
 * calls that systemd's groups contain is who maintains the system. What is refused fails with EPERM,
 * never by a signal, so that a library that merely tries has its fallback.
 */
#ifndef BASE_SANDBOX_H
#define BASE_SANDBOX_H

enum sandbox {
	SANDBOX_ON,
	SANDBOX_ABSENT,  /* built without libseccomp, or with a sanitizer */
	SANDBOX_REFUSED, /* by the kernel, or by a sandbox around us */
};

/*
 * To be called once sockets, database and log are open, and before there are threads. From then on the
 * process, all its threads and whatever it could start:
 *
 * - leaves no core file, and can't be read by other processes of its user (not with a sanitizer);
 * - gains no privileges, and has a umask that leaves nothing to others (SQLite, which gives -wal and
 *   -shm the database's mode, is beyond it);
 * - starts no program and no process, only threads; has no sockets but unix ones; can't trace, mount,
 *   load, change its user, or use the rest of what src/base/sandbox.c lists. This is the filter, and
 *   what the result is about: without it the rest holds all the same.
 *
 * Opening files, databases, unix sockets, timers and threads stays as it was.
 */
enum sandbox sandbox_enter(void);

/* The part of it that a program needs which has secrets, but is none of the daemons: no core file, which would
 * hold keys, tokens and what patients are told, and nothing for other processes of its user to read. */
void sandbox_leave_no_core(void);

/* The same for a program that connects to servers: sockets of TCP and UDP stay, for the server and to
 * find its name. */
enum sandbox sandbox_enter_network(void);

/* As a log line says it: on, absent, refused. */
const char *sandbox_name(enum sandbox sandbox);

#endif
