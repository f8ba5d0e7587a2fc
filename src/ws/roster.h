/*
 * roster.h: which connections belong to an id: those that watch a session, those of a user.
 *
 * A member is embedded in its connection, so joining costs no memory beyond the group, which exists
 * as long as somebody is in it.
 */
#ifndef WS_ROSTER_H
#define WS_ROSTER_H

#include "base/attr.h"
#include "base/err.h"
#include "base/map.h"
#include "model/id.h"

#include <stddef.h>
#include <stdint.h>

struct group; /* all members of one id */

struct member {
	struct group *group; /* NULL: in none */
	struct member *prev, *next;
};

struct roster {
	struct map groups;
};

void roster_init(struct roster *roster, uint64_t seed);
/* All must have left. */
void roster_fini(struct roster *roster);

/* The member (zeroed, or having left) joins the id's group. ERR_NOMEM: it did not. */
enum err roster_join(struct roster *roster, const struct id *id, struct member *member) MUST_USE;

/* Nothing happens if it is in no group. */
void roster_leave(struct roster *roster, struct member *member);

/* The same for who need not be found, only counted: *out is the group, until roster_exit. */
enum err roster_enter(struct roster *roster, const struct id *id, struct group **out) MUST_USE;
/* Sets the pointer to NULL; nothing happens if it is. */
void roster_exit(struct roster *roster, struct group **group);

/* How many the id has, members or not. */
size_t roster_count(const struct roster *roster, const struct id *id);

/* The id of the member's group; valid while it is in it. */
const struct id *roster_id(const struct member *member);

/* Calls fn for each member of the id; fn may make its own member leave, but no other. */
typedef void (*roster_fn)(void *arg, struct member *member);
void roster_each(struct roster *roster, const struct id *id, roster_fn fn, void *arg);

#endif
