/* fd.h: descriptors: listening unix sockets, inherited sockets, flags and limits. */
#ifndef BASE_FD_H
#define BASE_FD_H

#include "base/attr.h"
#include "base/buf.h"
#include "base/err.h"

#include <stdbool.h>
#include <stddef.h>

/*
 * Listens on a unix stream socket at the path, with exactly this mode (0660, say). A stale socket
 * file is replaced; one behind which a program still accepts is not: ERR_CONFLICT. The descriptor
 * is close-on-exec and non-blocking. ERR_LIMIT: the path is too long for a unix socket. ERR_SYSTEM:
 * anything else. On failure why gets one line. The caller closes *fd and unlinks the path.
 */
enum err fd_listen_at(const char *path, unsigned mode, int *fd, struct buf *why) MUST_USE;

/*
 * A listening socket handed over by whoever started us: systemd's LISTEN_FDS protocol (descriptor
 * 3), or descriptor 0 as spawn-fcgi leaves it. ERR_ABSENT if there is none. The descriptor is made
 * close-on-exec and non-blocking, and belongs to the caller.
 */
enum err fd_inherited(int *fd) MUST_USE;

/* Sets O_NONBLOCK and FD_CLOEXEC. ERR_SYSTEM: see errno. */
enum err fd_nonblocking(int fd) MUST_USE;

/* Raises the soft limit of open descriptors to the hard one; returns what it is then. */
size_t fd_raise_limit(void);

#endif
