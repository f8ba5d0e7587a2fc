/* bell.c: a file's attributes as a signal: utimensat rings, inotify listens. */
#include "bell/bell.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/inotify.h>
#include <sys/stat.h>
#include <unistd.h>

/* The file itself is watched, not its directory: the -wal file there is written all the time. */
#define RINGS (IN_ATTRIB | IN_DELETE_SELF | IN_MOVE_SELF)

struct bell {
	char *path;
	int inotify; /* -1: does not listen */
	int watch;
};

/* Makes the file; one that is there already is left alone. */
static enum err
create(const char *path)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0660);

	if (fd >= 0)
		close(fd);
	return fd >= 0 || errno == EEXIST ? ERR_OK : ERR_SYSTEM;
}

enum err
bell_open(const char *database_path, struct bell **out)
{
	struct bell *bell = malloc(sizeof(*bell));
	enum err err = ERR_NOMEM;

	if (bell == NULL)
		return ERR_NOMEM;
	*bell = (struct bell){ .inotify = -1, .watch = -1 };
	if (asprintf(&bell->path, "%s-bell", database_path) < 0)
		bell->path = NULL;
	else
		err = create(bell->path);
	if (err == ERR_OK)
		*out = bell;
	else
		bell_close(&bell);
	return err;
}

void
bell_close(struct bell **address)
{
	struct bell *bell = *address;
	int saved = errno;

	*address = NULL;
	if (bell == NULL)
		return;
	if (bell->inotify >= 0)
		close(bell->inotify);
	free(bell->path);
	free(bell);
	errno = saved;
}

static bool
touch(const char *path)
{
	return utimensat(AT_FDCWD, path, NULL, 0) == 0;
}

enum err
bell_ring(struct bell *bell)
{
	if (touch(bell->path))
		return ERR_OK;
	if (errno != ENOENT || create(bell->path) != ERR_OK)
		return ERR_SYSTEM;
	return touch(bell->path) ? ERR_OK : ERR_SYSTEM;
}

/* Watches what the path names now; for a file that is watched already this changes nothing. */
static bool
watch(struct bell *bell)
{
	int before = bell->watch;

	bell->watch = inotify_add_watch(bell->inotify, bell->path, RINGS);
	if (bell->watch < 0 && errno == ENOENT && create(bell->path) == ERR_OK)
		bell->watch = inotify_add_watch(bell->inotify, bell->path, RINGS);
	if (before >= 0 && before != bell->watch)
		inotify_rm_watch(bell->inotify, before);
	return bell->watch >= 0;
}

enum err
bell_listen(struct bell *bell, int *fd)
{
	int saved;

	bell->inotify = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
	if (bell->inotify < 0)
		return ERR_SYSTEM;
	if (!watch(bell)) {
		saved = errno;
		close(bell->inotify);
		bell->inotify = -1;
		errno = saved;
		return ERR_SYSTEM;
	}
	*fd = bell->inotify;
	return ERR_OK;
}

/*
 * Which events came does not matter. A file that was removed may tell of it late (somebody holds it
 * open) and one that replaced it tells nothing, so the path is looked up anew each time.
 */
bool
bell_heard(struct bell *bell)
{
	char events[4096];

	if (bell->inotify < 0)
		return false;
	while (read(bell->inotify, events, sizeof(events)) > 0)
		;
	return watch(bell);
}
