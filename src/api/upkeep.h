/*
 * upkeep.h: the write-ahead log's upkeep by whoever writes: checkpoints, and whether it may grow on.
 *
 * A reader that stays in an old state of the database keeps the WAL from being begun anew, so that it grows
 * with each commit. Once more than wal_max of it is in use and a checkpoint can't copy all of it, it is full:
 * nothing more is to be written, so that the disk does not fill up, until the reader is gone.
 */
#ifndef API_UPKEEP_H
#define API_UPKEEP_H

#include "store/store.h"

#include <stdbool.h>
#include <stdint.h>

struct upkeep_stats {
	int64_t wal_used; /* bytes, after the last look */
	bool wal_full;
	uint64_t checkpoints_whole, checkpoints_part, checkpoints_busy, checkpoints_failed;
};

/* The writer's alone, as the store that it is called with. */
struct upkeep {
	int64_t wal_max; /* bytes */
	int64_t look_ms; /* when a full WAL is to be looked at again, by clock_mono_ms */
	struct upkeep_stats stats;
};

/* After a commit, or to look if a full WAL still is: a checkpoint, if it is due. A failure is logged, and
 * tried again the next time. */
void upkeep_do(struct upkeep *upkeep, struct store *store);

/* Is the WAL full, and is it time to look if it still is? */
bool upkeep_is_due(const struct upkeep *upkeep);

/* There is no database to look at now: the next look is later. */
void upkeep_put_off(struct upkeep *upkeep);

/* The same as wal_full for a process of one request, which has no commit behind it to judge by: by a look. */
bool upkeep_finds_full(const struct upkeep *upkeep, struct store *store);

#endif
