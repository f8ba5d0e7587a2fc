/* test-merge.c: the two orders are total, every legal step goes up, and no permutation matters. */
#include "model/merge.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define TEXT(literal) { literal, sizeof(literal) - 1 }
#define HASH "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff"

static const struct stage stages[] = {
	{ TEXT("uploading"), 0, 0, 20, PROGRESS_NONE, OUTCOME_RUNNING, TEXT("up") },
	{ TEXT("transcribing"), 10, 20, 60, PROGRESS_NONE, OUTCOME_RUNNING, TEXT("going") },
	{ TEXT("transcribed"), 20, 60, 60, 60, OUTCOME_RUNNING, TEXT("text") },
	{ TEXT("extracting_notes"), 30, 60, 95, PROGRESS_NONE, OUTCOME_RUNNING, TEXT("notes") },
	{ TEXT("processed"), 40, 100, 100, 100, OUTCOME_PROCESSED, TEXT("done") },
	{ TEXT("failed"), 50, 0, 100, PROGRESS_NONE, OUTCOME_FAILED, TEXT("broken") },
};

static const struct text hosts[] = { TEXT("a"), TEXT("b"), TEXT("c") };
static const struct text messages[] = { TEXT("one"), TEXT("two"), TEXT("three") };

static struct weighed
update_of(int64_t generation, size_t stage, int progress, int64_t seq, size_t host)
{
	return (struct weighed){
		.generation = generation,
		.seq = seq,
		.host = hosts[host],
		.progress = {
			.status = stages[stage].name,
			.rank = stages[stage].rank,
			.outcome = stages[stage].outcome,
			.progress = progress,
			.message = stages[stage].message,
			.error = text_of(stages[stage].outcome == OUTCOME_FAILED ? "why" : NULL),
			.eta = PROGRESS_ETA_NONE,
		},
	};
}

/* What weighs more than what, the least first. */
static void
test_order_of_updates(void **state)
{
	const struct weighed rising[] = {
		update_of(1, 0, 0, 9, 2), update_of(1, 0, 20, 1, 0), update_of(1, 1, 20, 1, 0),
		update_of(1, 1, 45, 2, 2), update_of(1, 1, 45, 3, 0), update_of(1, 1, 45, 3, 1),
		update_of(1, 2, 60, 1, 0), update_of(1, 3, 60, 1, 0), update_of(1, 5, 10, 1, 0),
		update_of(1, 4, 100, 1, 0), update_of(2, 0, 0, 1, 0),
	};

	(void)state;
	for (size_t i = 0; i < countof(rising); i++) {
		for (size_t j = 0; j < countof(rising); j++) {
			int order = weighed_compare(&rising[i], &rising[j]);

			assert_int_equal((order > 0) - (order < 0), (i > j) - (i < j));
		}
	}
}

/* Nothing but the very same update is equal: each member decides where all before it are the same.
 * */
static void
test_only_the_same_is_equal(void **state)
{
	struct weighed a = update_of(1, 1, 45, 3, 0), b = a;

	(void)state;
	assert_int_equal(weighed_compare(&a, &b), 0);
	b.progress.message = messages[0];
	assert_int_not_equal(weighed_compare(&a, &b), 0);
	assert_int_equal(weighed_compare(&a, &b), -weighed_compare(&b, &a));
	b = a;
	b.progress.eta = 7;
	assert_true(weighed_compare(&a, &b) < 0);
	b = a;
	b.progress.error = (struct text){ "", 0 };
	assert_true(weighed_compare(&a, &b) < 0); /* absent is not empty */
	b = a;
	b.progress.updated_at = 1;
	assert_true(weighed_compare(&a, &b) < 0);
	b = a;
	b.progress.created_at = 1;
	assert_true(weighed_compare(&a, &b) < 0);
}

/* As capture.c weighs what the contract's rules let pass. */
static bool
step(const struct weighed *current, bool any, size_t stage, int progress, bool restart, size_t host,
    struct weighed *next)
{
	struct progress before = current->progress, after;
	struct update update = {
		.status = stages[stage].name,
		.progress = progress,
		.error = text_of(stages[stage].outcome == OUTCOME_FAILED ? "why" : NULL),
		.message = messages[(size_t)progress % 3],
		.eta = PROGRESS_ETA_NONE,
		.restart = restart,
	};
	struct faults faults = { 0 };
	const char *why;

	if (progress_decide(&stages[stage], any ? &before : NULL, &update, 0, &after, &faults, &why) !=
	    DECISION_STORE)
		return false;
	*next = (struct weighed){
		.progress = after,
		.generation = !any ? 1 : current->generation + (after.run == 0),
		.seq = any ? current->seq + 1 : 1,
		.host = hosts[host],
	};
	next->progress.run = next->generation; /* not 0, and another for each */
	next->progress.revision = next->seq;
	return true;
}

/* Whatever the contract lets follow on anything weighs more than that. */
static void
test_every_legal_step_goes_up(void **state)
{
	struct weighed current, next;
	unsigned checked = 0;

	(void)state;
	for (size_t from = 0; from < countof(stages); from++) {
		for (size_t to = 0; to < countof(stages); to++) {
			for (int p = stages[from].min; p <= stages[from].max; p++) {
				current = update_of(3, from, p, 5, 2);
				current.progress.run = 3;
				for (int q = stages[to].min; q <= stages[to].max; q++) {
					if (!step(&current, true, to, q, q % 7 == 0, 0, &next))
						continue;
					assert_true(weighed_compare(&next, &current) > 0);
					checked++;
				}
			}
		}
	}
	assert_true(checked > 5000);
}

/* Heap's algorithm: calls fn with every order of the numbers 0 .. n-1. */
static void
permute(size_t *order, size_t k, size_t n, void (*fn)(void *arg, const size_t *order), void *arg)
{
	if (k <= 1) {
		fn(arg, order);
		return;
	}
	for (size_t i = 0; i < k; i++) {
		size_t j = k % 2 == 0 ? i : 0, swap;

		permute(order, k - 1, n, fn, arg);
		swap = order[j];
		order[j] = order[k - 1];
		order[k - 1] = swap;
	}
}

#define DELIVERED 7

struct deliveries {
	struct weighed updates[DELIVERED];
	const struct weighed *greatest;
	unsigned orders;
};

/* One host gets them in this order, the first once more at the end. */
static void
deliver(void *arg, const size_t *order)
{
	struct deliveries *all = arg;
	const struct weighed *top = &all->updates[order[0]];

	for (size_t i = 1; i <= DELIVERED; i++) {
		const struct weighed *next = &all->updates[order[i % DELIVERED]];

		if (weighed_compare(next, top) > 0)
			top = next;
	}
	assert_int_equal(weighed_compare(top, all->greatest), 0);
	all->orders++;
}

/* Hosts that know part of each other's updates post on: every order of what they posted ends alike.
 * */
static void
test_every_permutation_ends_alike(void **state)
{
	unsigned seed = 1;

	(void)state;
	for (int round = 0; round < 40; round++) {
		struct deliveries all = { .orders = 0 };
		struct weighed here[countof(hosts)];
		bool any[countof(hosts)] = { false };
		size_t order[DELIVERED], count = 0;

		while (count < DELIVERED) {
			size_t host = (size_t)rand_r(&seed) % countof(hosts);
			size_t other = (size_t)rand_r(&seed) % countof(hosts);
			size_t stage = (size_t)rand_r(&seed) % countof(stages);
			int range = stages[stage].max - stages[stage].min + 1;
			int progress = stages[stage].min + rand_r(&seed) % range;
			struct weighed next;

			/* Now and then one host hears of another's. */
			if (rand_r(&seed) % 3 == 0 && any[other] &&
			    (!any[host] || weighed_compare(&here[other], &here[host]) > 0)) {
				here[host] = here[other];
				any[host] = true;
			}
			memset(&next, 0, sizeof(next));
			if (!any[host])
				memset(&here[host], 0, sizeof(here[host]));
			if (!step(&here[host], any[host], stage, progress, rand_r(&seed) % 5 == 0, host,
			    &next))
				continue;
			here[host] = next;
			any[host] = true;
			order[count] = count;
			all.updates[count++] = next;
		}
		all.greatest = &all.updates[0];
		for (size_t i = 1; i < DELIVERED; i++)
			if (weighed_compare(&all.updates[i], all.greatest) > 0)
				all.greatest = &all.updates[i];
		permute(order, DELIVERED, DELIVERED, deliver, &all);
		assert_int_equal(all.orders, 5040);
	}
}

static struct thing
thing_of(int64_t life, bool deleted, int64_t version, bool active, size_t host)
{
	return (struct thing){ .kind = THING_KEY, .id = TEXT(HASH), .life = life, .deleted = deleted,
		.version = version, .active = active, .host = hosts[host] };
}

static void
test_order_of_things(void **state)
{
	const struct thing rising[] = {
		thing_of(1, false, 1, true, 0), thing_of(1, false, 1, true, 1),
		thing_of(1, false, 1, false, 0), /* the stricter of two at once */
		thing_of(1, false, 2, true, 0), thing_of(1, false, 9, true, 0),
		thing_of(1, true, 2, true, 0), /* the end is final, whoever changed it more often */
		thing_of(1, true, 3, true, 0), thing_of(2, false, 1, true, 0),
	};

	(void)state;
	for (size_t i = 0; i < countof(rising); i++) {
		for (size_t j = 0; j < countof(rising); j++) {
			int order = thing_compare(&rising[i], &rising[j]);

			assert_int_equal((order > 0) - (order < 0), (i > j) - (i < j));
		}
	}
}

static void
test_content(void **state)
{
	struct thing a = thing_of(1, false, 1, true, 0), b = thing_of(2, false, 7, true, 1);

	(void)state;
	assert_true(thing_same_content(&a, &b));
	b.label = text_of("x");
	assert_false(thing_same_content(&a, &b));
	b = a;
	b.password = text_of("x");
	assert_false(thing_same_content(&a, &b));
	b = a;
	b.created_at = 1;
	assert_false(thing_same_content(&a, &b));
	b = a;
	b.active = false;
	assert_false(thing_same_content(&a, &b));
	b = a;
	b.detail = text_of("");
	assert_false(thing_same_content(&a, &b));
}

static void
test_names(void **state)
{
	char longest[MERGE_HOST_MAX + 1];
	enum thing_kind kind;

	(void)state;
	memset(longest, 'h', sizeof(longest));
	assert_true(merge_is_host(text_of("web-1.example_org")));
	assert_false(merge_is_host(text_of("")));
	assert_false(merge_is_host(text_of("a b")));
	assert_false(merge_is_host(text_of("a:b")));
	assert_true(merge_is_host((struct text){ longest, MERGE_HOST_MAX }));
	assert_false(merge_is_host((struct text){ longest, MERGE_HOST_MAX + 1 }));
	for (int i = THING_USER; i <= THING_KEY; i++) {
		assert_int_equal(thing_kind_parse(text_of(thing_kind_name((enum thing_kind)i)), &kind),
		    ERR_OK);
		assert_int_equal(kind, i);
	}
	assert_int_equal(thing_kind_parse(text_of("stage"), &kind), ERR_INPUT);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_order_of_updates),
		cmocka_unit_test(test_only_the_same_is_equal),
		cmocka_unit_test(test_every_legal_step_goes_up),
		cmocka_unit_test(test_every_permutation_ends_alike),
		cmocka_unit_test(test_order_of_things),
		cmocka_unit_test(test_content),
		cmocka_unit_test(test_names),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
