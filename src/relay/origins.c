/* origins.c: a short list, kept as rows of relay_host. */
#include "relay/origins.h"

#include "store/replica.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static struct origin *
find(const struct origins *origins, struct text name)
{
	for (size_t i = 0; i < origins->count; i++)
		if (text_is(name, origins->list[i].name))
			return &origins->list[i];
	return NULL;
}

/* One that is not known yet is made. NULL: there is no room for it. */
static struct origin *
get(struct origins *origins, struct text name)
{
	struct origin *origin = find(origins, name), *list;

	if (origin != NULL)
		return origin;
	if (origins->count == ORIGINS_MAX || !merge_is_host(name))
		return NULL;
	list = realloc(origins->list, (origins->count + 1) * sizeof(*list));
	if (list == NULL)
		return NULL;
	origins->list = list;
	origin = &list[origins->count++];
	*origin = (struct origin){ .dirty = true };
	snprintf(origin->name, sizeof(origin->name), "%.*s", TEXT_ARG(name));
	return origin;
}

static void
on_host(void *arg, const struct replica_host *host)
{
	struct origin *origin = get(arg, host->name);

	if (origin == NULL)
		return;
	origin->n = host->n;
	origin->doubt = host->doubt;
	origin->dirty = false;
}

enum err
origins_load(struct origins *origins, struct store *store)
{
	origins_fini(origins);
	return store_host_each(store, on_host, origins);
}

enum err
origins_save(struct origins *origins, struct store *store)
{
	for (size_t i = 0; i < origins->count; i++) {
		struct origin *origin = &origins->list[i];
		enum err err = ERR_OK;

		if (origin->dirty)
			err = store_host_heard(store, text_of(origin->name), origin->n, origin->doubt);
		if (err != ERR_OK)
			return err;
		origin->dirty = false;
	}
	return ERR_OK;
}

void
origins_fini(struct origins *origins)
{
	free(origins->list);
	*origins = (struct origins){ NULL, 0 };
}

static bool
note(struct origin *origin, int64_t n, bool is_missing)
{
	bool is_new = is_missing && !origin->doubt;

	if (n > origin->n) {
		origin->n = n;
		origin->dirty = true;
	}
	if (is_new)
		origin->doubt = origin->dirty = true;
	return is_new;
}

bool
origins_hear(struct origins *origins, struct text name, int64_t n, int64_t after)
{
	struct origin *origin = get(origins, name);

	return origin != NULL && note(origin, n, after > origin->n);
}

bool
origins_claim(struct origins *origins, struct text name, int64_t n, const struct entry_id *at,
    int64_t said_ms)
{
	struct origin *origin = get(origins, name);

	if (origin == NULL)
		return false;
	origin->claimed = n;
	origin->claimed_at = *at;
	origin->said_ms = said_ms;
	return true;
}

int64_t
origins_seen(const struct origins *origins, struct text name)
{
	const struct origin *origin = find(origins, name);

	return origin != NULL ? origin->said_ms : 0;
}

const char *
origins_check(struct origins *origins, const struct entry_id *position, const struct entry_id *last)
{
	bool is_end = entry_id_compare(position, last) >= 0;
	const char *found = NULL;

	for (size_t i = 0; i < origins->count; i++) {
		struct origin *origin = &origins->list[i];

		if ((is_end || entry_id_compare(position, &origin->claimed_at) >= 0) &&
		    note(origin, origin->claimed, origin->claimed > origin->n))
			found = origin->name;
	}
	return found;
}

void
origins_doubt(struct origins *origins, struct text name)
{
	struct origin *origin = get(origins, name);

	if (origin != NULL)
		(void)note(origin, origin->n, true);
}

bool
origins_is_doubted(const struct origins *origins, struct text name)
{
	const struct origin *origin = find(origins, name);

	return origin != NULL && origin->doubt;
}

const char *
origins_doubted(const struct origins *origins)
{
	for (size_t i = 0; i < origins->count; i++)
		if (origins->list[i].doubt)
			return origins->list[i].name;
	return NULL;
}

void
origins_trust(struct origins *origins, struct text names)
{
	while (names.len > 0) {
		const char *space = memchr(names.s, ' ', names.len);
		size_t len = space != NULL ? (size_t)(space - names.s) : names.len;
		struct origin *origin = find(origins, (struct text){ names.s, len });

		if (origin != NULL && origin->doubt) {
			origin->doubt = false;
			origin->dirty = true;
		}
		len += space != NULL;
		names.s += len;
		names.len -= len;
	}
}

void
origins_trusted(const struct origins *origins, struct buf *out)
{
	for (size_t i = 0; i < origins->count; i++)
		if (!origins->list[i].doubt)
			buf_printf(out, "%s%s", out->len > 0 ? " " : "", origins->list[i].name);
}
