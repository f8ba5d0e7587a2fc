/* sole.c: flock, which does not meet the locks of fcntl that SQLite takes. */
#include "store/sole.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

enum err
sole_take(const char *database_path)
{
	int fd = open(database_path, O_RDONLY | O_CLOEXEC);

	if (fd < 0)
		return errno == ENOENT ? ERR_ABSENT : ERR_SYSTEM;
	if (flock(fd, LOCK_EX | LOCK_NB) == 0)
		return ERR_OK;
	return errno == EWOULDBLOCK ? ERR_CONFLICT : ERR_SYSTEM;
}
