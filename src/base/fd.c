/* fd.c: sockets and limits. */
#include "base/fd.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#define BACKLOG 4096      /* the kernel holds it to net.core.somaxconn */
#define LISTEN_FDS_FIRST 3 /* sd_listen_fds(3) */

enum err
fd_nonblocking(int fd)
{
	int flags = fcntl(fd, F_GETFL);

	if (flags < 0 || fcntl(fd, F_SETFL, flags | O_NONBLOCK) < 0 ||
	    fcntl(fd, F_SETFD, FD_CLOEXEC) < 0)
		return ERR_SYSTEM;
	return ERR_OK;
}

/* True if somebody accepts behind the socket file: then it is not ours to replace. */
static bool
is_alive(const struct sockaddr_un *addr)
{
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	bool alive;

	if (fd < 0)
		return false;
	alive = connect(fd, (const struct sockaddr *)addr, sizeof(*addr)) == 0 || errno == EAGAIN;
	close(fd);
	return alive;
}

/* Binds under a umask that leaves no moment in which the socket is open to others. */
static int
bind_private(int fd, const struct sockaddr_un *addr)
{
	mode_t saved = umask(0177);
	int rc = bind(fd, (const struct sockaddr *)addr, sizeof(*addr));

	umask(saved);
	return rc;
}

/* Removes what a dead program left; never a file that is no socket. */
static int
remove_socket(const char *path)
{
	struct stat st;

	if (lstat(path, &st) < 0)
		return errno == ENOENT ? 0 : -1;
	if (!S_ISSOCK(st.st_mode)) {
		errno = EEXIST;
		return -1;
	}
	return unlink(path) < 0 && errno != ENOENT ? -1 : 0;
}

static enum err
listen_unix(const char *path, unsigned mode, int *out)
{
	struct sockaddr_un addr = { .sun_family = AF_UNIX };
	int fd, saved;

	if (strlen(path) >= sizeof(addr.sun_path))
		return ERR_LIMIT;
	memcpy(addr.sun_path, path, strlen(path));
	if (is_alive(&addr))
		return ERR_CONFLICT;
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return ERR_SYSTEM;
	if (remove_socket(path) < 0)
		goto fail;
	if (bind_private(fd, &addr) < 0 || chmod(path, (mode_t)mode) < 0 || listen(fd, BACKLOG) < 0)
		goto fail;
	*out = fd;
	return ERR_OK;
fail:
	saved = errno;
	close(fd);
	errno = saved;
	return ERR_SYSTEM;
}

/* What is wrong with a path that can't be listened at, and what to do. */
static const char *
advice_on(enum err err, int cause)
{
	if (err == ERR_LIMIT)
		return "the path is too long for a unix socket (107 bytes); name a shorter one";
	if (err == ERR_CONFLICT)
		return "another program listens there already; end it, or name another socket by -s";
	switch (cause) {
	case ENOENT:
		return "its directory is not there; make it, for the user of the services";
	case EACCES:
		return "can't be made: this user needs the right to write to its directory";
	case EEXIST:
		return "a file of that name is there; remove it, or name another socket by -s";
	default:
		return strerror(cause);
	}
}

static bool
is_listening(int fd)
{
	int yes = 0;
	socklen_t len = sizeof(yes);

	return getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &yes, &len) == 0 && yes != 0;
}

/* LISTEN_PID guards against variables that were meant for a parent of ours. */
static bool
is_socket_activated(void)
{
	const char *pid = getenv("LISTEN_PID");
	const char *count = getenv("LISTEN_FDS");

	return pid != NULL && count != NULL && atol(pid) == (long)getpid() && atoi(count) >= 1;
}

static bool
is_inherited(int *out)
{
	*out = is_socket_activated() ? LISTEN_FDS_FIRST : STDIN_FILENO;
	return is_listening(*out) && fd_nonblocking(*out) == ERR_OK;
}

enum err
fd_listen(const char *given, const char *configured, unsigned mode, int *fd, char **own, struct buf *why)
{
	const char *path = given != NULL ? given : configured;
	enum err err;

	*own = NULL;
	if (given == NULL && is_inherited(fd))
		return ERR_OK;
	err = listen_unix(path, mode, fd);
	if (err != ERR_OK)
		buf_printf(why, "%s: %s", path, advice_on(err, errno));
	else
		*own = strdup(path);
	return err;
}

size_t
fd_raise_limit(void)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit) < 0)
		return 1024;
	limit.rlim_cur = limit.rlim_max;
	if (setrlimit(RLIMIT_NOFILE, &limit) < 0)
		getrlimit(RLIMIT_NOFILE, &limit);
	return (size_t)limit.rlim_cur;
}
