/*
 * thing.h: rows of relay_thing, and the rows of user, session and key that are made from them.
 * Inside src/store only; replica.c, capture.c and apply.c build on it.
 */
#ifndef STORE_THING_H
#define STORE_THING_H

#include "base/attr.h"
#include "base/digest.h"
#include "base/err.h"
#include "model/merge.h"
#include "store/statement.h"

#include <stdbool.h>
#include <stdint.h>

/* A row of relay_thing. */
struct kept {
	struct thing thing;
	struct text shown; /* the label that this host shows */
	int64_t number;    /* session.number, else 0 */
};

/* Reads a thing from eleven columns of a row, from `at` on. */
void thing_read(struct statement *st, int at, struct thing *out);

/* The kept row, borrowed from the statement until its statement_done. False: none, or an error. */
bool thing_find(struct statement *st, enum thing_kind kind, struct text id, struct kept *out);

/* Inserts or replaces it. */
enum err thing_put(struct store *store, const struct kept *kept) MUST_USE;

/* Decides anew who of those that claim this label shows it, and changes their rows where they
 * differ. Does nothing with an absent label. */
enum err thing_settle(struct store *store, enum thing_kind kind, struct text label) MUST_USE;

/* Of a key's id, which is the hash in hex. ERR_INPUT: it is none. */
enum err thing_key_hash(struct text id, uint8_t out[SHA256_LEN]) MUST_USE;

#endif
