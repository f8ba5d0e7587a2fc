/* key.h: the keys of workers and backends. Only their SHA-256 is stored. */
#ifndef STORE_KEY_H
#define STORE_KEY_H

#include "base/attr.h"
#include "base/buf.h"
#include "base/digest.h"
#include "base/err.h"
#include "base/text.h"
#include "model/access.h"
#include "store/store.h"

#include <stdint.h>

/* "mpw_" or "mpa_" and 43 characters of base64url: 256 random bits. The prefix tells the scope to
 * people and to secret scanners; what counts is the row. */
#define KEY_TEXT_LEN 47
#define KEY_NAME_MAX 64

struct key_row {
	int64_t number;
	enum scope scope;
	struct text name; /* borrowed until the next call on the store */
	int64_t created_at;
};

/* Makes a key and stores its hash. text gets the key, which can't be had again. ERR_CONFLICT: the
 * name is taken. */
enum err store_key_new(struct store *store, enum scope scope, struct text name,
    char text[KEY_TEXT_LEN + 1], struct key_row *out) MUST_USE;

/* What is stored of a key, and found again. ERR_SYSTEM: libcrypto refuses. */
enum err store_key_hash(struct text key, uint8_t hash[SHA256_LEN]) MUST_USE;

/* Whose key is this? ERR_ABSENT: nobody's. */
enum err store_key_find(struct store *store, const uint8_t hash[SHA256_LEN], struct key_row *out)
    MUST_USE;

/* ERR_ABSENT: no key of this name. */
enum err store_key_delete(struct store *store, struct text name) MUST_USE;

typedef void (*store_key_fn)(void *arg, const struct key_row *key);
enum err store_key_each(struct store *store, store_key_fn fn, void *arg) MUST_USE;

#endif
