/*
 * census.h: how many connections each user has, over all milepost-ws of one database.
 *
 * The processes share a file beside the database, "<database>-watchers". Each writes only its own
 * region of it and reads the others', so nobody waits for anybody; a lock on the region, which the
 * kernel lets go when a process ends however it ends, tells the living from the dead. Users are told
 * apart by 64 bits of their id's hash. Nothing in the file is worth keeping: it may be removed while
 * no milepost-ws runs.
 */
#ifndef WS_CENSUS_H
#define WS_CENSUS_H

#include "base/attr.h"
#include "base/buf.h"
#include "base/err.h"
#include "model/id.h"

#include <stddef.h>
#include <stdint.h>

#define CENSUS_REGIONS 64     /* processes at a time */
#define CENSUS_ENTRIES 65536u /* of a region. Three quarters of them are users of one process at a time;
                               * of more, some are not counted elsewhere. */

struct census;

/* Takes a region. why gets one line: ERR_SYSTEM (the file can't be made or locked), ERR_FULL
 * (CENSUS_REGIONS processes run), ERR_NOMEM. */
enum err census_open(const char *database, struct census **out, struct buf *why) MUST_USE;

/* Gives the region back and sets the pointer to NULL. */
void census_close(struct census **census);

/* Tells the others how many connections the user has here. ERR_SYSTEM: it could not be written (see
 * errno); ERR_FULL: as many users are entered as may be; ERR_NOMEM. */
enum err census_set(struct census *census, const struct id *user, uint32_t count) MUST_USE;

/* How many connections the user has in the other living processes, of those that are known: once a
 * millisecond (now_ms, of any clock) it is looked for more. What can't be read counts as none. */
size_t census_elsewhere(struct census *census, const struct id *user, int64_t now_ms);

#endif
