/*
 * map.h: a hash table of values that begin with their key of 16 bytes (a UUID).
 *
 * It does not own the values, and has of each only its address: a slot costs 8 bytes. Keys are hashed
 * with a seed drawn at map_init, so that nobody can choose ids that collide.
 */
#ifndef BASE_MAP_H
#define BASE_MAP_H

#include "base/attr.h"
#include "base/err.h"

#include <stddef.h>
#include <stdint.h>

#define MAP_KEY_LEN 16

struct map {
	void **slots; /* owned; a power of two of them; NULL: an empty one */
	size_t cap;
	size_t count;
	uint64_t seed;
};

/* An empty map; allocates nothing. */
void map_init(struct map *map, uint64_t seed);

/* Frees the table, not the values. */
void map_fini(struct map *map);

/* The value, or NULL. */
void *map_get(const struct map *map, const uint8_t *key);

/* Adds the value, or puts it in the place of the one with its key. It must stay where it is, and keep its
 * key, until map_remove. ERR_NOMEM: nothing changed. */
enum err map_put(struct map *map, void *value) MUST_USE;

/* Removes the entry, if there is one. */
void map_remove(struct map *map, const uint8_t *key);

/*
 * Walks all entries: start with *pos = 0 and call until NULL. The map must not change between, save
 * that nothing is removed or added.
 */
void *map_next(const struct map *map, size_t *pos);

#endif
