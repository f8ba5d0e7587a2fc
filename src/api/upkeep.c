/* upkeep.c: checkpoints, and what is said of them. */
#include "api/upkeep.h"

#include "base/clock.h"
#include "base/log.h"

#define LOOK_MS 1000 /* between two looks at a WAL that is full */

static void
log_full(int64_t bytes)
{
	log_error("api.wal-full", LOG_INT("bytes", bytes),
	    LOG_STR("reason", "a reader keeps an old state of the database open"));
}

/* Notes whether the WAL is full, and says so when that changes. */
static void
note_full(struct upkeep_stats *stats, bool full)
{
	if (full && !stats->wal_full)
		log_full(stats->wal_used);
	else if (!full && stats->wal_full)
		log_info("api.wal-recovered", LOG_INT("bytes", stats->wal_used));
	stats->wal_full = full;
}

static void
count(struct upkeep_stats *stats, enum err err, enum checkpoint result)
{
	stats->checkpoints_whole += err == ERR_OK && result == CHECKPOINT_WHOLE;
	stats->checkpoints_part += err == ERR_OK && result == CHECKPOINT_PART;
	stats->checkpoints_busy += err == ERR_BUSY;
	stats->checkpoints_failed += err != ERR_OK && err != ERR_BUSY;
}

void
upkeep_put_off(struct upkeep *upkeep)
{
	upkeep->look_ms = clock_mono_ms() + LOOK_MS;
}

void
upkeep_do(struct upkeep *upkeep, struct store *store)
{
	struct upkeep_stats *stats = &upkeep->stats;
	bool over = store_wal_used(store) > upkeep->wal_max;
	enum checkpoint result;
	enum err err = store_checkpoint(store, over, &result);

	upkeep_put_off(upkeep);
	stats->wal_used = store_wal_used(store);
	count(stats, err, result);
	if (err != ERR_OK && err != ERR_BUSY)
		log_error("api.checkpoint", LOG_STR("error", store_error(store)));
	/* If all of it was copied, nobody needs it: the next commit begins it anew. */
	note_full(stats, over && result != CHECKPOINT_WHOLE);
}

bool
upkeep_is_due(const struct upkeep *upkeep)
{
	return upkeep->stats.wal_full && clock_mono_ms() >= upkeep->look_ms;
}

bool
upkeep_finds_full(const struct upkeep *upkeep, struct store *store)
{
	int64_t bytes = store_wal_bytes(store);
	enum checkpoint result;

	/* That its file is long may be of an earlier time: a checkpoint tells. */
	if (bytes <= upkeep->wal_max || store_checkpoint(store, true, &result) != ERR_OK ||
	    result != CHECKPOINT_PART)
		return false;
	log_full(bytes);
	return true;
}
