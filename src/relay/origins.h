/* origins.h: of each host, how much has arrived here, and whether something before it is missing.
 * */
#ifndef RELAY_ORIGINS_H
#define RELAY_ORIGINS_H

#include "base/attr.h"
#include "base/buf.h"
#include "base/err.h"
#include "model/merge.h"
#include "relay/entry.h"
#include "store/store.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define ORIGINS_MAX 1024

struct origin {
	char name[MERGE_HOST_MAX + 1];
	int64_t n;
	bool doubt;
	bool dirty; /* differs from its row */
	int64_t claimed;          /* what it says to have written, up to */
	struct entry_id claimed_at; /* this entry */
	int64_t said_ms;          /* when it said so, by Redis's clock */
};

struct origins {
	struct origin *list; /* owned */
	size_t count;
};

/* Reads all of them anew from the database. */
enum err origins_load(struct origins *origins, struct store *store) MUST_USE;

/* Writes those that changed, within the caller's transaction. */
enum err origins_save(struct origins *origins, struct store *store) MUST_USE;

void origins_fini(struct origins *origins);

/* Something numbered n came from there, and before it `after`. Returns whether that shows for the
 * first time that something is missing. */
bool origins_hear(struct origins *origins, struct text name, int64_t n, int64_t after);

/* The host says, at that time by Redis's clock, that all up to n is in the stream, n itself as this
 * entry. False: there are ORIGINS_MAX already, and this is none of them. */
bool origins_claim(struct origins *origins, struct text name, int64_t n, const struct entry_id *at,
    int64_t said_ms);

/* When it said something last, as far as it was heard; 0: never. */
int64_t origins_seen(const struct origins *origins, struct text name);

/* The stream was read up to position, and its last entry (zero: it has none) was not before any of
 * those that were claimed, unless these are gone. Returns one of which something turns out to be
 * missing. */
const char *origins_check(struct origins *origins, const struct entry_id *position,
    const struct entry_id *last);

void origins_doubt(struct origins *origins, struct text name);
bool origins_is_doubted(const struct origins *origins, struct text name);

/* The name of one of which something is missing; NULL: of none. Valid until the next change. */
const char *origins_doubted(const struct origins *origins);

/* A snapshot came that holds all of these, names separated by spaces. */
void origins_trust(struct origins *origins, struct text names);

/* The names of those that are not in doubt, separated by spaces, behind what is in out. */
void origins_trusted(const struct origins *origins, struct buf *out);

#endif
