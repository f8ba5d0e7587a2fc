/* merge.c: two total orders, each a chain of comparisons. */
#include "model/merge.h"

#include <string.h>

static const char *const kinds[] = {
	[THING_USER] = "user",
	[THING_SESSION] = "session",
	[THING_KEY] = "key",
};

const char *
thing_kind_name(enum thing_kind kind)
{
	return kinds[kind];
}

enum err
thing_kind_parse(struct text t, enum thing_kind *out)
{
	for (size_t i = 0; i < countof(kinds); i++) {
		if (text_is(t, kinds[i])) {
			*out = (enum thing_kind)i;
			return ERR_OK;
		}
	}
	return ERR_INPUT;
}

static int
by_number(int64_t a, int64_t b)
{
	return (a > b) - (a < b);
}

/* Absent before empty, then byte by byte. */
static int
by_text(struct text a, struct text b)
{
	size_t len = a.len < b.len ? a.len : b.len;
	int order = len > 0 ? memcmp(a.s, b.s, len) : 0;

	if (order == 0)
		order = by_number((int64_t)a.len, (int64_t)b.len);
	return order != 0 ? order : by_number(a.s != NULL, b.s != NULL);
}

/* The first that decides. */
static int
first_of(const int orders[], size_t count)
{
	for (size_t i = 0; i < count; i++)
		if (orders[i] != 0)
			return orders[i];
	return 0;
}

static int
by_content(const struct thing *a, const struct thing *b)
{
	const int orders[] = {
		by_number(b->active, a->active),
		by_text(a->detail, b->detail),
		by_text(a->label, b->label),
		by_text(a->password, b->password),
		by_number(a->created_at, b->created_at),
	};

	return first_of(orders, countof(orders));
}

int
thing_compare(const struct thing *a, const struct thing *b)
{
	const int orders[] = {
		by_number(a->life, b->life),
		by_number(a->deleted, b->deleted),
		by_number(a->version, b->version),
		by_number(b->active, a->active),
		by_text(a->host, b->host),
		by_content(a, b),
	};

	return first_of(orders, countof(orders));
}

bool
thing_same_content(const struct thing *a, const struct thing *b)
{
	return by_content(a, b) == 0;
}

/* How final an outcome is within its run. */
static int
finality(enum outcome outcome)
{
	switch (outcome) {
	case OUTCOME_RUNNING:
		return 0;
	case OUTCOME_FAILED:
		return 1;
	case OUTCOME_PROCESSED:
		break;
	}
	return 2;
}

int
weighed_compare(const struct weighed *a, const struct weighed *b)
{
	const struct progress *p = &a->progress, *q = &b->progress;
	const int orders[] = {
		by_number(a->generation, b->generation),
		by_number(finality(p->outcome), finality(q->outcome)),
		by_number(p->rank, q->rank),
		by_number(p->progress, q->progress),
		by_number(a->seq, b->seq),
		by_text(a->host, b->host),
		by_text(p->status, q->status),
		by_text(p->message, q->message),
		by_text(p->error, q->error),
		by_number(p->eta, q->eta),
		by_number(p->updated_at, q->updated_at),
		by_number(p->created_at, q->created_at),
	};

	return first_of(orders, countof(orders));
}

bool
merge_is_host(struct text t)
{
	if (t.len < 1 || t.len > MERGE_HOST_MAX)
		return false;
	for (size_t i = 0; i < t.len; i++) {
		char c = t.s[i];

		if (!((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
		    c == '.' || c == '-' || c == '_'))
			return false;
	}
	return true;
}
