/*
 * merge.h: which of two states wins, where several hosts changed the same thing (docs/relay.md).
 *
 * Both orders are total, and look at nothing but what travels with a state: no clock, no order of
 * arrival. Every change that the contract allows on one host makes the state greater. So each host
 * may simply keep the greater of what it has and what arrives: whatever the order, and however
 * often, all end with the greatest.
 */
#ifndef MODEL_MERGE_H
#define MODEL_MERGE_H

#include "base/attr.h"
#include "base/err.h"
#include "base/text.h"
#include "model/progress.h"

#include <stdbool.h>
#include <stdint.h>

#define MERGE_HOST_MAX 64
/* Far beyond what the programs let in: a shell may have written more. */
#define MERGE_LABEL_MAX 1024
#define MERGE_PASSWORD_MAX 1024

enum thing_kind { THING_USER, THING_SESSION, THING_KEY };

/* "user", "session", "key". */
const char *thing_kind_name(enum thing_kind kind);
enum err thing_kind_parse(struct text t, enum thing_kind *out) MUST_USE;

/* The state of a user, session or key. Borrowed texts. */
struct thing {
	enum thing_kind kind;
	struct text id;   /* lower-case UUID; of a key, its hash in lower-case hex */
	int64_t life;     /* which of its lives, from 1 */
	bool deleted;     /* this life has ended; then what follows version and host is empty */
	int64_t version;  /* counts its changes */
	struct text host; /* where the last one was made */

	struct text detail; /* role; patient's id or absent; scope */
	bool active;        /* of a user; else true */
	struct text label;  /* e-mail or absent; of a key, its name */
	struct text password;
	int64_t created_at;
};

/*
 * Below, equal to or above 0, as a is less than, the same as or greater than b (of one kind and
 * id). By life; within it the end is final; then by the number of changes; between equally many the
 * stricter one (inactive) wins, so that a revocation is never undone by chance; then by host and
 * content.
 */
int thing_compare(const struct thing *a, const struct thing *b);

/* The part of it that a change changes: all but life, deleted, version and host. */
bool thing_same_content(const struct thing *a, const struct thing *b);

/* An update of a session, and what it weighs. */
struct weighed {
	struct progress progress; /* revision, run and stored_ms are of no account */
	int64_t generation; /* the number of its run within the session's life, from 1 */
	int64_t seq;        /* one more than that of the update that was current when it was stored */
	struct text host;   /* where it was stored */
};

/*
 * The same for two updates of one life of a session. By generation, for a new run is begun on
 * purpose; within it by what the contract lets not go back: running, failed, processed; rank;
 * progress. Then by seq: of equal ones, the later of those that knew of each other; then by host
 * and content.
 *
 * Two hosts that begin a run from the same state begin the same one, so that the updates of one
 * worker may come by different hosts. Processed wins over failed in one run: there is a result.
 */
int weighed_compare(const struct weighed *a, const struct weighed *b);

/* What travels between hosts: the state of a thing, and, of a session, one of its updates. The
 * whole of it is in each, so that nothing depends on what came before. */
struct change {
	struct thing thing;
	bool has_update;
	struct weighed update;
};

/* May a host be called so? 1 to 64 letters, digits, dots, hyphens, underscores. */
bool merge_is_host(struct text t);

#endif
