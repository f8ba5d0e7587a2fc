/*
 * bell.h: the hint that something was committed: a small file that writers touch and milepost-ws
 * watches with inotify.
 *
 * A lost ring costs latency, never data: the listener's slow poll stands behind it. The file lies
 * beside the database ("<database>-bell"); any number may ring and listen, short-lived processes
 * included.
 */
#ifndef BELL_BELL_H
#define BELL_BELL_H

#include "base/attr.h"
#include "base/err.h"

#include <stdbool.h>

struct bell;

/* Makes the file (mode 0660, less the umask) if it is missing. The caller frees *out. ERR_NOMEM;
 * ERR_SYSTEM: see errno. */
enum err bell_open(const char *database_path, struct bell **out) MUST_USE;
void bell_close(struct bell **bell);

/* Rings, after a commit. A removed file is made anew. ERR_SYSTEM: nobody was told; the listeners'
 * poll will find it. Safe from several threads at once. */
enum err bell_ring(struct bell *bell) MUST_USE;

/* Begins to listen. The descriptor becomes readable at a ring; it belongs to the bell. ERR_SYSTEM:
 * see errno (inotify's limits are reached, say): go on with the poll alone. */
enum err bell_listen(struct bell *bell, int *fd) MUST_USE;

/* Takes all rings so far; makes and watches the file anew if it was removed. Returns whether the
 * bell still listens. */
bool bell_heard(struct bell *bell);

#endif
