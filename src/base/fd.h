/* fd.h: descriptors: listening unix sockets, inherited sockets, flags and limits. */
#ifndef BASE_FD_H
#define BASE_FD_H

#include "base/attr.h"
#include "base/buf.h"
#include "base/err.h"

#include <stdbool.h>
#include <stddef.h>

/*
 * A program's listening socket, close-on-exec and non-blocking, which the caller closes. If no path is
 * given, it is the one that whoever started us handed over: by systemd's LISTEN_FDS protocol (descriptor
 * 3), or as descriptor 0, as spawn-fcgi leaves it. If nobody did, the configured path counts.
 *
 * At a path we listen ourselves on a unix stream socket with exactly this mode (0660, say); *own is a
 * copy of the path then, else NULL. The caller unlinks and frees it. A stale socket file is replaced; one
 * behind which a program still accepts is not: ERR_CONFLICT. ERR_LIMIT: the path is too long for a unix
 * socket. ERR_SYSTEM: anything else. On failure why gets one line.
 */
enum err fd_listen(const char *given, const char *configured, unsigned mode, int *fd, char **own,
    struct buf *why) MUST_USE;

/* Sets O_NONBLOCK and FD_CLOEXEC. ERR_SYSTEM: see errno. */
enum err fd_nonblocking(int fd) MUST_USE;

/* Raises the soft limit of open descriptors to the hard one; returns what it is then. */
size_t fd_raise_limit(void);

#endif
