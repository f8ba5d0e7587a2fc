/*
 * memo.h: the keys that one thread found lately: what they were then, without asking the database. Of a
 * key only its hash is kept. For one thread at a time.
 */
#ifndef API_MEMO_H
#define API_MEMO_H

#include "base/digest.h"
#include "model/access.h"

#include <stdbool.h>
#include <stdint.h>

#define MEMO_ENTRIES 16 /* installations have a few keys; two that share a place take turns */

struct memo {
	struct memo_entry {
		uint8_t hash[SHA256_LEN];
		enum scope scope;
		bool used;
	} entries[MEMO_ENTRIES];
};

/* Is the key with this hash remembered? Then *scope is what it had. */
bool memo_find(const struct memo *memo, const uint8_t hash[SHA256_LEN], enum scope *scope);

/* Remembers it, in the place of whatever stood there. */
void memo_put(struct memo *memo, const uint8_t hash[SHA256_LEN], enum scope scope);

/* Forgets all. */
void memo_clear(struct memo *memo);

#endif
