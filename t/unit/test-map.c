/* test-map.c: adding, replacing and removing against a plain array as the model. */
#include "base/map.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#define ITEMS 500

struct item {
	uint8_t key[MAP_KEY_LEN];
	bool present;
	unsigned seen;
};

/* A linear congruential generator: the same steps in every run. */
static uint32_t
next_random(uint64_t *random)
{
	*random = *random * 6364136223846793005u + 1442695040888963407u;
	return (uint32_t)(*random >> 33);
}

static void
fill_keys(struct item *items, size_t count, uint64_t *random)
{
	memset(items, 0, count * sizeof(*items));
	for (size_t i = 0; i < count; i++)
		for (size_t n = 0; n < MAP_KEY_LEN; n++)
			items[i].key[n] = (uint8_t)next_random(random);
}

static void
test_basics(void **state)
{
	uint8_t a[MAP_KEY_LEN] = { 1 }, same[MAP_KEY_LEN] = { 1 }, b[MAP_KEY_LEN] = { 2 };
	struct item one = { .key = { 1 } }, two = { .key = { 1 } };
	struct map map;

	(void)state;
	map_init(&map, 42);
	assert_null(map.slots);
	assert_null(map_get(&map, a));
	map_remove(&map, a);
	assert_int_equal(map_put(&map, &one), ERR_OK);
	assert_ptr_equal(map_get(&map, same), &one);
	assert_null(map_get(&map, b));
	assert_int_equal(map_put(&map, &two), ERR_OK);
	assert_int_equal(map.count, 1);
	assert_ptr_equal(map_get(&map, a), &two);
	map_remove(&map, b);
	assert_int_equal(map.count, 1);
	map_remove(&map, a);
	assert_int_equal(map.count, 0);
	assert_null(map_get(&map, a));
	map_fini(&map);
	assert_null(map.slots);
	assert_int_equal(map.seed, 42);
	/* As good as new. */
	assert_int_equal(map_put(&map, &one), ERR_OK);
	assert_ptr_equal(map_get(&map, a), &one);
	map_fini(&map);
}

/* The map holds what the array says, no more, and walks over each entry once. */
static void
check(const struct map *map, struct item *items)
{
	size_t pos = 0, present = 0, walked = 0;
	struct item *item;

	for (size_t i = 0; i < ITEMS; i++) {
		struct item *found = map_get(map, items[i].key);

		if (found != (items[i].present ? &items[i] : NULL))
			fail_msg("item %zu", i);
		present += items[i].present ? 1 : 0;
		items[i].seen = 0;
	}
	assert_int_equal(map->count, present);
	while ((item = map_next(map, &pos)) != NULL) {
		assert_int_equal(item->seen++, 0);
		walked++;
	}
	assert_int_equal(walked, present);
	assert_null(map_next(map, &pos));
}

/* Steps at random. Removal moves entries back, so it is the step that can break the others. */
static void
churn(uint64_t seed, size_t steps, uint64_t *random)
{
	static struct item items[ITEMS];
	struct map map;

	fill_keys(items, ITEMS, random);
	map_init(&map, seed);
	for (size_t step = 0; step < steps; step++) {
		struct item *item = &items[next_random(random) % ITEMS];

		/* The balance tips to and fro, so that the map grows and empties. */
		item->present = next_random(random) % 100 < (step / 2000 % 2 ? 20 : 80);
		if (item->present)
			assert_int_equal(map_put(&map, item), ERR_OK);
		else
			map_remove(&map, item->key);
		if (step % 97 == 0)
			check(&map, items);
	}
	for (size_t i = 0; i < ITEMS; i++) {
		map_remove(&map, items[i].key);
		items[i].present = false;
	}
	check(&map, items);
	map_fini(&map);
}

static void
test_churn(void **state)
{
	static const uint64_t seeds[] = { 0, 1, UINT64_MAX, 0x9e3779b97f4a7c15u };
	uint64_t random = 1;

	(void)state;
	for (size_t i = 0; i < countof(seeds); i++)
		churn(seeds[i], 10000, &random);
}

/* Keys that differ in one byte only, as counted ids do, must not make long chains. */
static void
test_similar_keys(void **state)
{
	static struct item items[256 * MAP_KEY_LEN];
	struct map map;

	(void)state;
	memset(items, 0, sizeof(items));
	map_init(&map, 7);
	for (size_t i = 0; i < countof(items); i++) {
		items[i].key[i / 256] = (uint8_t)(i % 256);
		items[i].key[(i / 256 + 1) % MAP_KEY_LEN] ^= 0x80;
		assert_int_equal(map_put(&map, &items[i]), ERR_OK);
	}
	for (size_t i = 0; i < countof(items); i++) {
		struct item *found = map_get(&map, items[i].key);

		assert_non_null(found);
		assert_memory_equal(found->key, items[i].key, MAP_KEY_LEN);
	}
	assert_true(map.count * 4 <= map.cap * 3);
	map_fini(&map);
}

/* Two maps with different seeds place the same keys differently. */
static void
test_the_seed_matters(void **state)
{
	static struct item items[48];
	uint64_t random = 3;
	struct map one, two;
	size_t differ = 0;

	(void)state;
	fill_keys(items, countof(items), &random);
	map_init(&one, 1);
	map_init(&two, 2);
	for (size_t i = 0; i < countof(items); i++) {
		assert_int_equal(map_put(&one, &items[i]), ERR_OK);
		assert_int_equal(map_put(&two, &items[i]), ERR_OK);
	}
	assert_int_equal(one.cap, two.cap);
	for (size_t i = 0; i < one.cap; i++)
		differ += one.slots[i] != two.slots[i] ? 1 : 0;
	assert_true(differ > countof(items) / 2);
	map_fini(&one);
	map_fini(&two);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_basics),
		cmocka_unit_test(test_churn),
		cmocka_unit_test(test_similar_keys),
		cmocka_unit_test(test_the_seed_matters),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
