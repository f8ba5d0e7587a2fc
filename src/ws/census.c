/* census.c: one hash table a process, in a file: open addressing, entries that stay where they are. */
#include "ws/census.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* An entry whose count is 0 may be taken over for another user; a key of 0 ends a search. */
struct entry {
	uint64_t key;
	uint64_t count;
};

#define REGION_BYTES (sizeof(struct entry) * CENSUS_ENTRIES)
#define RUN 16u /* entries read at a time: one is enough nearly always */
#define USED_MAX (CENSUS_ENTRIES / 4 * 3) /* beyond it searches grow long */

struct census {
	int fd;
	unsigned region; /* ours */
	uint32_t used;   /* entries with a key, in ours */
	off_t size;      /* the file's, at looked_ms: regions up to there were taken once */
	int64_t looked_ms;
};

/* Lays or looks for a lock. That of a region's number says that its owner lives; that of its number and
 * CENSUS_REGIONS more, that somebody has taken it, and may still be emptying it. */
static int
region_lock(int fd, int command, unsigned number, struct flock *lock)
{
	*lock = (struct flock){ .l_type = F_WRLCK, .l_whence = SEEK_SET,
		.l_start = (off_t)number, .l_len = 1 };
	return fcntl(fd, command, lock);
}

static bool
is_alive(const struct census *census, unsigned region)
{
	struct flock lock;

	return region_lock(census->fd, F_OFD_GETLK, region, &lock) == 0 && lock.l_type != F_UNLCK;
}

static off_t
offset_of(unsigned region, uint32_t at)
{
	return (off_t)(region * REGION_BYTES + at * sizeof(struct entry));
}

/* Mixes all bits of the id (the finisher of MurmurHash3); never 0. */
static uint64_t
key_of(const struct id *user)
{
	uint64_t half[2], h;

	memcpy(half, user->bytes, sizeof(half));
	h = half[0] ^ (half[1] << 32 | half[1] >> 32);
	h = (h ^ (h >> 33)) * UINT64_C(0xff51afd7ed558ccd);
	h = (h ^ (h >> 33)) * UINT64_C(0xc4ceb9fe1a85ec53);
	h ^= h >> 33;
	return h != 0 ? h : 1;
}

static enum err
empty(const struct census *census)
{
	static const struct entry none[RUN];

	for (uint32_t at = 0; at < CENSUS_ENTRIES; at += RUN)
		if (pwrite(census->fd, none, sizeof(none), offset_of(census->region, at)) !=
		    (ssize_t)sizeof(none))
			return ERR_SYSTEM;
	return ERR_OK;
}

/* Takes a region that nobody holds. It is emptied before it is seen to live: what a dead process left there
 * must at no moment count as ours. */
static enum err
claim(struct census *census)
{
	struct flock lock;
	enum err err;

	for (census->region = 0; census->region < CENSUS_REGIONS; census->region++) {
		if (region_lock(census->fd, F_OFD_SETLK, CENSUS_REGIONS + census->region, &lock) != 0 ||
		    is_alive(census, census->region))
			continue;
		err = empty(census);
		if (err == ERR_OK &&
		    region_lock(census->fd, F_OFD_SETLK, census->region, &lock) != 0)
			err = ERR_SYSTEM;
		return err;
	}
	return ERR_FULL;
}

enum err
census_open(const char *database, struct census **out, struct buf *why)
{
	struct census *census = calloc(1, sizeof(*census));
	char path[4096];
	enum err err = ERR_NOMEM;

	if (census == NULL)
		goto fail;
	snprintf(path, sizeof(path), "%s-watchers", database);
	census->looked_ms = -1;
	census->fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0660);
	err = census->fd >= 0 ? claim(census) : ERR_SYSTEM;
	if (err == ERR_OK) {
		*out = census;
		return ERR_OK;
	}
fail:
	if (err == ERR_FULL)
		buf_printf(why, "%s-watchers: %d milepost-ws hold all places", database,
		    CENSUS_REGIONS);
	else
		buf_printf(why, "%s-watchers: %s", database,
		    err == ERR_NOMEM ? "no memory" : strerror(errno));
	census_close(&census);
	return err;
}

void
census_close(struct census **address)
{
	struct census *census = *address;

	*address = NULL;
	if (census == NULL)
		return;
	if (census->fd >= 0)
		close(census->fd);
	free(census);
}

/* Where a search stands. */
struct search {
	uint32_t at;          /* of the entry that was found */
	uint64_t count;
	bool found;
	bool has_free;        /* an entry that may be taken */
	bool fresh;           /* which never had a key */
	uint32_t free_at;
};

/* Looks at one entry. True: the search is over. */
static bool
look(struct search *search, const struct entry *entry, uint32_t at, uint64_t key)
{
	if (entry->key == key) {
		search->found = true;
		search->at = at;
		search->count = entry->count;
		return true;
	}
	if (!search->has_free && entry->count == 0) {
		search->has_free = true;
		search->fresh = entry->key == 0;
		search->free_at = at;
	}
	return entry->key == 0;
}

/* False: the region can't be read. */
static bool
find(const struct census *census, unsigned region, uint64_t key, struct search *out)
{
	uint32_t first = (uint32_t)key % CENSUS_ENTRIES;
	struct entry run[RUN];

	*out = (struct search){ .found = false };
	for (uint32_t done = 0; done < CENSUS_ENTRIES;) {
		uint32_t at = (first + done) % CENSUS_ENTRIES;
		uint32_t n = CENSUS_ENTRIES - at < RUN ? CENSUS_ENTRIES - at : RUN;

		if (pread(census->fd, run, n * sizeof(*run), offset_of(region, at)) !=
		    (ssize_t)(n * sizeof(*run)))
			return false;
		for (uint32_t i = 0; i < n; i++)
			if (look(out, &run[i], at + i, key))
				return true;
		done += n;
	}
	return true;
}

/* Writes an entry where the search for it has ended. */
static enum err
write_entry(struct census *census, const struct search *search, const struct entry *entry)
{
	off_t offset = offset_of(census->region, search->found ? search->at : search->free_at);

	if (pwrite(census->fd, entry, sizeof(*entry), offset) != (ssize_t)sizeof(*entry))
		return ERR_SYSTEM;
	census->used += !search->found && search->fresh;
	return ERR_OK;
}

/* Puts an entry where a search for it ends. */
static void
place(struct entry *table, struct entry entry)
{
	uint32_t at = (uint32_t)entry.key % CENSUS_ENTRIES;

	while (table[at].key != 0)
		at = (at + 1) % CENSUS_ENTRIES;
	table[at] = entry;
}

/* Writes our region anew with only the users that are there. Who reads meanwhile may miss some. */
static enum err
tidy(struct census *census)
{
	struct entry *old = malloc(REGION_BYTES), *table = calloc(1, REGION_BYTES);
	off_t offset = offset_of(census->region, 0);
	enum err err = old != NULL && table != NULL ? ERR_OK : ERR_NOMEM;

	if (err == ERR_OK && pread(census->fd, old, REGION_BYTES, offset) != (ssize_t)REGION_BYTES)
		err = ERR_SYSTEM;
	for (uint32_t i = 0; err == ERR_OK && i < CENSUS_ENTRIES; i++)
		if (old[i].count > 0)
			place(table, old[i]);
	if (err == ERR_OK && pwrite(census->fd, table, REGION_BYTES, offset) != (ssize_t)REGION_BYTES)
		err = ERR_SYSTEM;
	census->used = 0;
	for (uint32_t i = 0; err == ERR_OK && i < CENSUS_ENTRIES; i++)
		census->used += table[i].key != 0;
	free(old);
	free(table);
	return err;
}

enum err
census_set(struct census *census, const struct id *user, uint32_t count)
{
	struct entry entry = { .key = key_of(user), .count = count };
	struct search search;
	enum err err = ERR_OK;

	if (!find(census, census->region, entry.key, &search))
		return ERR_SYSTEM;
	if (!search.found && count == 0)
		return ERR_OK;
	if (!search.found && search.fresh && census->used >= USED_MAX) {
		err = tidy(census);
		if (err == ERR_OK && census->used >= USED_MAX)
			err = ERR_FULL;
		else if (err == ERR_OK && !find(census, census->region, entry.key, &search))
			err = ERR_SYSTEM;
	}
	return err == ERR_OK ? write_entry(census, &search, &entry) : err;
}

/* Looks for regions of processes that came later. */
static void
look_around(struct census *census, int64_t now_ms)
{
	struct stat st;

	if (census->looked_ms == now_ms)
		return;
	census->looked_ms = now_ms;
	if (fstat(census->fd, &st) == 0)
		census->size = st.st_size;
}

size_t
census_elsewhere(struct census *census, const struct id *user, int64_t now_ms)
{
	uint64_t key = key_of(user);
	struct search search;
	size_t sum = 0;

	look_around(census, now_ms);
	for (unsigned region = 0; offset_of(region, 0) < census->size; region++)
		if (region != census->region && find(census, region, key, &search) &&
		    search.found && search.count > 0 && is_alive(census, region))
			sum += (size_t)search.count;
	return sum;
}
