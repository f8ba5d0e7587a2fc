/* map.c: open addressing with linear probing; removal shifts back, so there are no tombstones. */
#include "base/map.h"

#include <stdlib.h>
#include <string.h>

#define FIRST_CAP 64u

void
map_init(struct map *map, uint64_t seed)
{
	*map = (struct map){ .seed = seed };
}

void
map_fini(struct map *map)
{
	free(map->slots);
	map_init(map, map->seed);
}

/* Two rounds of multiply-and-fold over the seeded halves: even and unpredictable without the seed. */
static size_t
hash(const struct map *map, const uint8_t *key)
{
	uint64_t halves[2];
	unsigned __int128 product;

	memcpy(halves, key, sizeof(halves));
	product = (unsigned __int128)(halves[0] ^ map->seed) *
	    (halves[1] ^ (map->seed * 0x9e3779b97f4a7c15u) ^ 0xa0761d6478bd642fu);
	return (size_t)((uint64_t)product ^ (uint64_t)(product >> 64));
}

/* The slot that holds the key, or the empty one where it would go. Needs cap > count. */
static void **
locate(const struct map *map, const uint8_t *key)
{
	size_t i = hash(map, key) & (map->cap - 1);

	while (map->slots[i] != NULL && memcmp(map->slots[i], key, MAP_KEY_LEN) != 0)
		i = (i + 1) & (map->cap - 1);
	return &map->slots[i];
}

void *
map_get(const struct map *map, const uint8_t *key)
{
	return map->count > 0 ? *locate(map, key) : NULL;
}

static enum err
grow(struct map *map)
{
	struct map bigger = { .seed = map->seed, .count = map->count };

	bigger.cap = map->cap > 0 ? map->cap * 2 : FIRST_CAP;
	bigger.slots = calloc(bigger.cap, sizeof(*bigger.slots));
	if (bigger.slots == NULL)
		return ERR_NOMEM;
	for (size_t i = 0; i < map->cap; i++)
		if (map->slots[i] != NULL)
			*locate(&bigger, map->slots[i]) = map->slots[i];
	free(map->slots);
	*map = bigger;
	return ERR_OK;
}

enum err
map_put(struct map *map, void *value)
{
	void **slot;
	enum err err;

	if (map->count * 4 >= map->cap * 3 && (err = grow(map)) != ERR_OK)
		return err;
	slot = locate(map, value);
	if (*slot == NULL)
		map->count++;
	*slot = value;
	return ERR_OK;
}

void
map_remove(struct map *map, const uint8_t *key)
{
	size_t hole, i;

	if (map->count == 0)
		return;
	hole = (size_t)(locate(map, key) - map->slots);
	if (map->slots[hole] == NULL)
		return;
	map->count--;
	for (i = (hole + 1) & (map->cap - 1); map->slots[i] != NULL;
	    i = (i + 1) & (map->cap - 1)) {
		size_t home = hash(map, map->slots[i]) & (map->cap - 1);

		/* Entry i may fill the hole unless its home lies behind the hole (cyclically). */
		if (((i - home) & (map->cap - 1)) >= ((i - hole) & (map->cap - 1))) {
			map->slots[hole] = map->slots[i];
			hole = i;
		}
	}
	map->slots[hole] = NULL;
}

void *
map_next(const struct map *map, size_t *pos)
{
	while (*pos < map->cap) {
		void *value = map->slots[(*pos)++];

		if (value != NULL)
			return value;
	}
	return NULL;
}
