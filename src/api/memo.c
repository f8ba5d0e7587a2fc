/* memo.c: a small table, in which a hash has one place. */
#include "api/memo.h"

#include <string.h>

static unsigned
place_of(const uint8_t hash[SHA256_LEN])
{
	return hash[0] % MEMO_ENTRIES;
}

bool
memo_find(const struct memo *memo, const uint8_t hash[SHA256_LEN], enum scope *scope)
{
	const struct memo_entry *entry = &memo->entries[place_of(hash)];
	bool found = entry->used && memcmp(entry->hash, hash, SHA256_LEN) == 0;

	if (found)
		*scope = entry->scope;
	return found;
}

void
memo_put(struct memo *memo, const uint8_t hash[SHA256_LEN], enum scope scope)
{
	struct memo_entry *entry = &memo->entries[place_of(hash)];

	memcpy(entry->hash, hash, SHA256_LEN);
	entry->scope = scope;
	entry->used = true;
}

void
memo_clear(struct memo *memo)
{
	for (size_t i = 0; i < MEMO_ENTRIES; i++)
		memo->entries[i].used = false;
}
