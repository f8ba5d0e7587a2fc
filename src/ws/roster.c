/* roster.c: groups of connections by id. */
#include "ws/roster.h"

#include <stdlib.h>

struct group {
	struct id id; /* first, for the map */
	struct member *first;
	size_t count;
};

void
roster_init(struct roster *roster, uint64_t seed)
{
	map_init(&roster->groups, seed);
}

void
roster_fini(struct roster *roster)
{
	map_fini(&roster->groups);
}

static struct group *
group_new(struct roster *roster, const struct id *id)
{
	struct group *group = calloc(1, sizeof(*group));

	if (group == NULL)
		return NULL;
	group->id = *id;
	if (map_put(&roster->groups, group) != ERR_OK) {
		free(group);
		return NULL;
	}
	return group;
}

enum err
roster_enter(struct roster *roster, const struct id *id, struct group **out)
{
	struct group *group = map_get(&roster->groups, id->bytes);

	if (group == NULL && (group = group_new(roster, id)) == NULL)
		return ERR_NOMEM;
	group->count++;
	*out = group;
	return ERR_OK;
}

void
roster_exit(struct roster *roster, struct group **address)
{
	struct group *group = *address;

	*address = NULL;
	if (group == NULL || --group->count > 0)
		return;
	map_remove(&roster->groups, group->id.bytes);
	free(group);
}

enum err
roster_join(struct roster *roster, const struct id *id, struct member *member)
{
	struct group *group;
	enum err err = roster_enter(roster, id, &group);

	if (err != ERR_OK)
		return err;
	*member = (struct member){ .group = group, .next = group->first };
	if (group->first != NULL)
		group->first->prev = member;
	group->first = member;
	return ERR_OK;
}

void
roster_leave(struct roster *roster, struct member *member)
{
	struct group *group = member->group;

	if (group == NULL)
		return;
	if (member->prev != NULL)
		member->prev->next = member->next;
	else
		group->first = member->next;
	if (member->next != NULL)
		member->next->prev = member->prev;
	*member = (struct member){ .group = NULL };
	roster_exit(roster, &group);
}

size_t
roster_count(const struct roster *roster, const struct id *id)
{
	const struct group *group = map_get(&roster->groups, id->bytes);

	return group != NULL ? group->count : 0;
}

const struct id *
roster_id(const struct member *member)
{
	return &member->group->id;
}

void
roster_each(struct roster *roster, const struct id *id, roster_fn fn, void *arg)
{
	const struct group *group = map_get(&roster->groups, id->bytes);
	struct member *member = group != NULL ? group->first : NULL;

	while (member != NULL) {
		/* Read before the call: the group is gone once its last member left. */
		struct member *next = member->next;

		fn(arg, member);
		member = next;
	}
}
