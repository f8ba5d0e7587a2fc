/*
 * test-replica.c: several hosts' databases, by their real files: what is captured, how it is merged
 * in whatever order, and that nothing comes back as an echo.
 */
#include "base/text.h"
#include "store/account.h"
#include "store/event.h"
#include "store/key.h"
#include "store/replica.h"
#include "store/schema.h"
#include "store/statement.h" /* to look into the tables, and to change them as an operator does */

#include <setjmp.h>
#include <sqlite3.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#define NOW 1766140200
#define HOSTS 3
#define CHANGES 64
#define TEXTS 1024

static const char *const names[HOSTS] = { "a", "b", "c" };
static const char one[] = "550e8400-e29b-41d4-a716-446655440000";
static const char two[] = "6ba7b810-9dad-11d1-80b4-00c04fd430c8";
static const char ann[] = "00000000-0000-4000-8000-00000000000a";
static const char bob[] = "00000000-0000-4000-8000-00000000000b";

struct host {
	char path[64];
	struct store *store;
	struct replica replica;
};

struct bed {
	char dir[32];
	struct host hosts[HOSTS];
	struct change changes[CHANGES]; /* what was sent, with texts of its own */
	size_t count;
	char *texts[TEXTS];
	size_t text_count;
};

static void
ok(struct host *host, enum err err)
{
	if (err != ERR_OK)
		fail_msg("%s: %s", err_name(err), store_error(host->store));
}

static void
begin(struct host *host)
{
	ok(host, store_begin(host->store));
}

static void
commit(struct host *host)
{
	ok(host, store_commit(host->store));
}

static void
sql(struct host *host, const char *text)
{
	char *why = NULL;

	if (sqlite3_exec(host->store->db, text, NULL, NULL, &why) != SQLITE_OK)
		fail_msg("%s: %s", text, why);
}

static void
make(struct bed *bed, struct host *host, const char *name)
{
	struct buf why = BUF_INIT(1024);
	int from, to;

	snprintf(host->path, sizeof(host->path), "%s/%s.db", bed->dir, name);
	if (schema_init(host->path, &from, &to, &why) != ERR_OK ||
	    store_open(host->path, STORE_LIGHT, 0, &host->store, &why) != ERR_OK)
		fail_msg("%s", buf_cstr(&why));
	buf_fini(&why);
}

static void
join(struct host *host, const char *name)
{
	ok(host, store_replica_join(host->store, text_of(name), NOW));
	ok(host, store_replica_load(host->store, &host->replica));
}

static int
setup(void **state)
{
	struct bed *bed = calloc(1, sizeof(*bed));

	if (bed == NULL)
		return -1;
	strcpy(bed->dir, "/tmp/mp.XXXXXX");
	if (mkdtemp(bed->dir) == NULL)
		return -1;
	for (size_t i = 0; i < HOSTS; i++) {
		make(bed, &bed->hosts[i], names[i]);
		join(&bed->hosts[i], names[i]);
	}
	*state = bed;
	return 0;
}

static int
teardown(void **state)
{
	static const char *const suffixes[] = { "", "-wal", "-shm" };
	struct bed *bed = *state;

	for (size_t i = 0; i < HOSTS; i++) {
		store_close(&bed->hosts[i].store);
		for (size_t j = 0; j < countof(suffixes); j++) {
			char path[96];

			snprintf(path, sizeof(path), "%s%s", bed->hosts[i].path, suffixes[j]);
			unlink(path);
		}
	}
	rmdir(bed->dir);
	for (size_t i = 0; i < bed->text_count; i++)
		free(bed->texts[i]);
	free(bed);
	return 0;
}

static struct id
id_of(const char *text)
{
	struct id id;

	assert_int_equal(id_parse(text_of(text), &id), ERR_OK);
	return id;
}

static void
report(struct host *host, const char *session, const char *status, int progress, const char *message)
{
	struct update update = { .session = id_of(session), .status = text_of(status),
		.progress = progress, .message = text_of(message), .eta = PROGRESS_ETA_NONE,
		.error = text_of(strcmp(status, "failed") == 0 ? "why" : NULL) };
	struct faults faults = { 0 };
	struct progress result;
	enum decision decision;
	const char *why = NULL;

	begin(host);
	ok(host, store_report(host->store, &update, NOW, &decision, &result, &faults, &why));
	if (decision != DECISION_STORE)
		fail_msg("%s %d: %s", status, progress, why);
	commit(host);
}

static void
put_session(struct host *host, const char *session, const char *patient)
{
	struct session row = { .id = id_of(session), .has_patient = patient != NULL };
	bool created;

	if (patient != NULL)
		row.patient = id_of(patient);
	ok(host, store_session_put(host->store, &row, &created));
	/* One second on all hosts: else what wins between equals is chance. */
	sql(host, "UPDATE session SET created_at = 1 WHERE created_at <> 1");
}

static void
put_user(struct host *host, const char *user, enum role role, const char *email, bool active)
{
	struct user row = { .id = id_of(user), .role = role, .active = active,
		.email = text_of(email) };
	bool created;

	ok(host, store_user_put(host->store, &row, &created));
}

/* --- travelling --- */

static struct text
keep_text(struct bed *bed, struct text t)
{
	char *copy;

	if (t.s == NULL)
		return t;
	assert_true(bed->text_count < TEXTS);
	copy = strndup(t.s, t.len);
	assert_non_null(copy);
	bed->texts[bed->text_count++] = copy;
	return (struct text){ copy, t.len };
}

static bool
on_out(void *arg, int64_t n, const struct change *change)
{
	struct bed *bed = arg;
	struct change *copy = &bed->changes[bed->count];
	struct text *const texts[] = {
		&copy->thing.id, &copy->thing.host, &copy->thing.detail, &copy->thing.label,
		&copy->thing.password, &copy->update.host, &copy->update.progress.status,
		&copy->update.progress.message, &copy->update.progress.error,
	};

	(void)n;
	if (change == NULL)
		return true;
	assert_true(bed->count < CHANGES);
	*copy = *change;
	for (size_t i = 0; i < countof(texts); i++)
		*texts[i] = keep_text(bed, *texts[i]);
	bed->count++;
	return true;
}

static void
capture(struct host *host)
{
	bool whole;

	begin(host);
	ok(host, store_capture(host->store, &host->replica, NOW, 1000, &whole));
	assert_true(whole);
	commit(host);
}

/* Captures, and takes what the host has to send along. Returns how much that is. */
static size_t
collect(struct bed *bed, struct host *host)
{
	size_t before = bed->count;

	capture(host);
	ok(host, store_out_after(host->store, host->replica.sent, 1000, on_out, bed));
	host->replica.sent = host->replica.newest;
	begin(host);
	ok(host, store_replica_save(host->store, &host->replica));
	commit(host);
	return bed->count - before;
}

/* In one transaction, as milepost-relay does it. Returns how many changed anything. */
static size_t
deliver(struct bed *bed, struct host *host, size_t from, size_t to)
{
	size_t count = 0;
	bool whole;

	begin(host);
	ok(host, store_capture(host->store, &host->replica, NOW, 1000, &whole));
	for (size_t i = from; i < to; i++) {
		bool changed = false;

		ok(host, store_apply(host->store, &bed->changes[i], &changed));
		count += changed;
	}
	ok(host, store_replica_skip(host->store, &host->replica));
	commit(host);
	return count;
}

/* --- looking --- */

/* What the hosts must agree on, as one text that the caller frees. */
static char *
dump(struct host *host)
{
	static const char query[] =
	    "SELECT group_concat(line, char(10)) FROM (SELECT concat AS line FROM ("
	    "SELECT 'thing ' || kind || ' ' || id || ' ' || life || ' ' || is_deleted || ' ' || version"
	    "  || ' ' || host || ' ' || ifnull(detail, '-') || ' ' || is_active || ' ' ||"
	    "  ifnull(label, '-') || ' ' || ifnull(shown, '-') AS concat FROM relay_thing"
	    " UNION ALL SELECT 'user ' || id || ' ' || role || ' ' || is_active || ' ' ||"
	    "  ifnull(email, '-') || ' ' || ifnull(password, '-') FROM user"
	    " UNION ALL SELECT 'key ' || hex(hash) || ' ' || scope || ' ' || name FROM key"
	    " UNION ALL SELECT 'session ' || id || ' ' || ifnull(patient_id, '-') FROM session"
	    " UNION ALL SELECT 'update ' || s.id || ' ' || p.generation || ' ' || p.seq || ' ' || p.host"
	    "  || ' ' || e.status || ' ' || e.progress || ' ' || e.message FROM session s"
	    "  JOIN relay_top p ON p.session = s.number"
	    "  JOIN event e ON e.revision = (SELECT max(revision) FROM event WHERE session = s.number)"
	    ") ORDER BY 1)";
	sqlite3_stmt *stmt;
	char *text;

	assert_int_equal(sqlite3_prepare_v2(host->store->db, query, -1, &stmt, NULL), SQLITE_OK);
	assert_int_equal(sqlite3_step(stmt), SQLITE_ROW);
	text = strdup((const char *)sqlite3_column_text(stmt, 0) != NULL ?
	        (const char *)sqlite3_column_text(stmt, 0) : "");
	sqlite3_finalize(stmt);
	assert_non_null(text);
	return text;
}

static void
expect_same(struct host *a, struct host *b)
{
	char *x = dump(a), *y = dump(b);

	assert_string_equal(x, y);
	free(x);
	free(y);
}

/* All to the first two hosts, which then show the same. */
static void
deliver_to_both(struct bed *bed)
{
	for (size_t i = 0; i < 2; i++)
		deliver(bed, &bed->hosts[i], 0, bed->count);
	expect_same(&bed->hosts[0], &bed->hosts[1]);
}

static int64_t
number(struct host *host, const char *query)
{
	sqlite3_stmt *stmt;
	int64_t n;

	assert_int_equal(sqlite3_prepare_v2(host->store->db, query, -1, &stmt, NULL), SQLITE_OK);
	assert_int_equal(sqlite3_step(stmt), SQLITE_ROW);
	n = sqlite3_column_int64(stmt, 0);
	sqlite3_finalize(stmt);
	return n;
}

static void
expect_current(struct host *host, const char *session, const char *status, int progress)
{
	struct session row;
	struct id id = id_of(session);
	struct progress p;

	ok(host, store_session_find(host->store, &id, &row));
	ok(host, store_event_newest(host->store, row.number, &p));
	assert_true(text_is(p.status, status));
	assert_int_equal(p.progress, progress);
}

/* --- tests --- */

/* Every kind of change, by the functions and by an operator's shell, is found once. */
static void
test_capture(void **state)
{
	struct bed *bed = *state;
	struct host *a = &bed->hosts[0];
	struct key_row key;
	char text[KEY_TEXT_LEN + 1];

	put_user(a, ann, ROLE_PATIENT, "ann@example.org", true);
	put_session(a, one, ann);
	ok(a, store_key_new(a->store, SCOPE_WORKER, text_of("pipeline"), text, &key));
	report(a, one, "uploading", 10, NULL);
	report(a, one, "uploading", 20, NULL);
	assert_int_equal(collect(bed, a), 5);
	assert_int_equal(collect(bed, a), 0);
	assert_int_equal(bed->changes[4].update.generation, 1);
	assert_int_equal(bed->changes[4].update.seq, 2);
	assert_true(text_is(bed->changes[4].update.host, "a"));
	assert_true(text_is(bed->changes[4].thing.detail, ann)); /* an update brings its session */

	sql(a, "UPDATE user SET is_active = 0");
	sql(a, "UPDATE key SET scope = 'admin'");
	sql(a, "UPDATE session SET patient_id = NULL");
	assert_int_equal(collect(bed, a), 3);
	sql(a, "UPDATE user SET is_active = 1; UPDATE user SET is_active = 0"); /* as it was */
	assert_int_equal(collect(bed, a), 0);
	sql(a, "DELETE FROM key; DELETE FROM user; DELETE FROM session");
	assert_int_equal(collect(bed, a), 3);
	assert_true(bed->changes[bed->count - 1].thing.deleted);
}

/* What was applied is not sent on; the other's next change is an answer to it. */
static void
test_no_echo(void **state)
{
	struct bed *bed = *state;
	struct host *a = &bed->hosts[0], *b = &bed->hosts[1];
	size_t count;

	put_user(a, ann, ROLE_PATIENT, "ann@example.org", true);
	put_session(a, one, ann);
	report(a, one, "uploading", 10, NULL);
	count = collect(bed, a);
	assert_int_equal(count, 3);
	assert_int_equal(deliver(bed, b, 0, count), 3);
	expect_same(a, b);
	assert_int_equal(collect(bed, b), 0);
	assert_int_equal(deliver(bed, b, 0, count), 0); /* twice is once */

	report(b, one, "transcribing", 30, NULL);
	assert_int_equal(collect(bed, b), 1);
	assert_int_equal(deliver(bed, a, count, count + 1), 1);
	assert_int_equal(bed->changes[count].update.seq, 2);
	expect_same(a, b);
	expect_current(a, one, "transcribing", 30);
	/* One run on both, numbered by each as its own revisions are. */
	assert_int_equal(number(a, "SELECT count(DISTINCT run) FROM event"), 1);
	assert_int_equal(number(b, "SELECT count(DISTINCT run) FROM event"), 1);
}

/* A local update that lost is followed by the winner as a new row, so that watchers see it. */
static void
test_loser_is_corrected(void **state)
{
	struct bed *bed = *state;
	struct host *a = &bed->hosts[0], *b = &bed->hosts[1];
	int64_t shown;

	put_session(a, one, NULL);
	deliver(bed, b, 0, collect(bed, a));
	report(a, one, "transcribing", 40, NULL);
	report(b, one, "transcribing", 50, NULL);
	shown = number(a, "SELECT max(revision) FROM event");
	collect(bed, a);
	collect(bed, b);
	assert_int_equal(deliver(bed, a, 1, bed->count), 1);
	assert_int_equal(deliver(bed, b, 1, bed->count), 0); /* its own is the winner already */
	expect_same(a, b);
	expect_current(a, one, "transcribing", 50);
	assert_true(number(a, "SELECT max(revision) FROM event") > shown);
}

/* Ended runs stay ended; processed is more final than failed; a new run beats both. */
static void
test_ends(void **state)
{
	struct bed *bed = *state;
	struct host *a = &bed->hosts[0], *b = &bed->hosts[1], *c = &bed->hosts[2];

	put_session(a, one, NULL);
	report(a, one, "transcribing", 40, NULL);
	collect(bed, a);
	deliver(bed, b, 0, bed->count);
	deliver(bed, c, 0, bed->count);
	report(a, one, "failed", PROGRESS_NONE, NULL);
	report(b, one, "processed", 100, NULL);
	report(c, one, "extracting_notes", 90, NULL);
	for (size_t i = 0; i < HOSTS; i++)
		collect(bed, &bed->hosts[i]);
	for (size_t i = 0; i < HOSTS; i++) {
		deliver(bed, &bed->hosts[i], 0, bed->count);
		expect_current(&bed->hosts[i], one, "processed", 100);
		expect_same(a, &bed->hosts[i]);
	}
	report(c, one, "uploading", 0, NULL); /* the first stage begins a run anew */
	collect(bed, c);
	assert_int_equal(bed->changes[bed->count - 1].update.generation, 2);
	deliver(bed, a, 0, bed->count);
	deliver(bed, b, 0, bed->count);
	expect_current(a, one, "uploading", 0);
	expect_same(a, b);
	expect_same(a, c);
	assert_int_equal(number(b, "SELECT count(DISTINCT run) FROM event"), 2);
}

/* A session that was deleted and made again is another one: late updates of the first are nothing.
 * */
static void
test_lives(void **state)
{
	struct bed *bed = *state;
	struct host *a = &bed->hosts[0], *b = &bed->hosts[1];
	size_t count;

	put_session(a, one, NULL);
	report(a, one, "uploading", 10, NULL);
	collect(bed, a);
	deliver(bed, b, 0, bed->count);
	report(b, one, "transcribing", 50, NULL); /* on its way, while ... */
	collect(bed, b);
	sql(a, "DELETE FROM session");
	put_session(a, one, ann);
	report(a, one, "uploading", 5, NULL);
	count = bed->count;
	collect(bed, a);
	assert_int_equal(bed->changes[count].thing.life, 2);
	assert_int_equal(deliver(bed, a, 0, count), 0);
	deliver(bed, b, count, bed->count);
	expect_current(a, one, "uploading", 5);
	expect_same(a, b);
	assert_int_equal(number(b, "SELECT count(*) FROM event"), 1);

	/* The end of a life is final, whatever was changed in it elsewhere. */
	sql(a, "DELETE FROM session");
	sql(b, "UPDATE session SET patient_id = NULL");
	sql(b, "UPDATE session SET patient_id = '00000000-0000-4000-8000-00000000000b'");
	report(b, one, "uploading", 20, NULL);
	count = bed->count;
	collect(bed, a);
	collect(bed, b);
	deliver(bed, a, count, bed->count);
	deliver(bed, b, count, bed->count);
	expect_same(a, b);
	assert_int_equal(number(b, "SELECT count(*) FROM session"), 0);
	assert_int_equal(number(b, "SELECT count(*) FROM event"), 0);
}

/* One e-mail for two users, one name for two keys, given on two hosts at once. */
static void
test_labels(void **state)
{
	struct bed *bed = *state;
	struct host *a = &bed->hosts[0], *b = &bed->hosts[1];
	struct key_row key;
	char text[KEY_TEXT_LEN + 1];
	size_t count;

	put_user(a, bob, ROLE_PATIENT, "x@example.org", true);
	put_user(b, ann, ROLE_PATIENT, "X@example.org", true);
	ok(a, store_key_new(a->store, SCOPE_WORKER, text_of("pipeline"), text, &key));
	ok(b, store_key_new(b->store, SCOPE_WORKER, text_of("pipeline"), text, &key));
	collect(bed, a);
	collect(bed, b);
	deliver_to_both(bed);
	assert_int_equal(number(a, "SELECT count(*) FROM user WHERE email IS NULL"), 1);
	assert_int_equal(number(a, "SELECT count(*) FROM key WHERE name = 'pipeline'"), 1);
	assert_int_equal(number(a, "SELECT count(*) FROM key WHERE name GLOB 'pipeline~*'"), 1);
	assert_int_equal(collect(bed, a), 0);

	/* Who yielded may be changed otherwise, and has the label again once it is free. */
	sql(b, "UPDATE user SET role = 'therapist' WHERE email IS NULL");
	sql(b, "DELETE FROM user WHERE email IS NOT NULL; DELETE FROM key WHERE name = 'pipeline'");
	count = bed->count;
	assert_int_equal(collect(bed, b), 3);
	deliver(bed, a, count, bed->count);
	expect_same(a, b);
	assert_int_equal(number(a, "SELECT count(*) FROM user WHERE email = 'x@example.org'"
	    " AND role = 'therapist'"), 1);
	assert_int_equal(number(b, "SELECT count(*) FROM key WHERE name = 'pipeline'"), 1);
}

struct permuting {
	struct bed *bed;
	size_t from, count;
	char *expected; /* of the first order */
	unsigned orders;
};

/* On the third host, which forgets it again. */
static void
try_order(struct permuting *p, const size_t *order)
{
	struct host *c = &p->bed->hosts[2];
	char *text;
	bool changed;

	begin(c);
	for (size_t i = 0; i < p->count; i++)
		ok(c, store_apply(c->store, &p->bed->changes[p->from + order[i]], &changed));
	text = dump(c);
	store_rollback(c->store);
	if (p->expected == NULL) {
		p->expected = text;
	} else {
		assert_string_equal(text, p->expected);
		free(text);
	}
	p->orders++;
}

static void
permute(struct permuting *p, size_t *order, size_t k)
{
	if (k <= 1)
		try_order(p, order);
	for (size_t i = 0; i < k && k > 1; i++) {
		size_t j = k % 2 == 0 ? i : 0, swap;

		permute(p, order, k - 1);
		swap = order[j];
		order[j] = order[k - 1];
		order[k - 1] = swap;
	}
}

static void
expect_all_orders_alike(struct bed *bed, size_t from)
{
	struct permuting p = { .bed = bed, .from = from, .count = bed->count - from };
	size_t order[8];
	unsigned factorial = 1;

	assert_true(p.count >= 5 && p.count <= countof(order));
	for (size_t i = 0; i < p.count; i++) {
		order[i] = i;
		factorial *= (unsigned)i + 1;
	}
	permute(&p, order, p.count);
	assert_int_equal(p.orders, factorial);
	free(p.expected);
}

/* Two hosts change the same at once; a third gets that in every possible order. */
static void
test_permutations_of_updates(void **state)
{
	struct bed *bed = *state;
	struct host *a = &bed->hosts[0], *b = &bed->hosts[1];

	put_session(a, one, NULL);
	put_session(b, one, ann);
	report(a, one, "uploading", 10, "of a");
	report(b, one, "uploading", 10, "of b");
	report(a, one, "failed", PROGRESS_NONE, NULL);
	report(a, one, "uploading", 0, NULL);
	report(b, one, "processed", 100, NULL);
	collect(bed, a);
	collect(bed, b);
	assert_int_equal(bed->count, 7);
	expect_all_orders_alike(bed, 0);
	/* And the two agree with each other. */
	deliver_to_both(bed);
	expect_current(a, one, "uploading", 0);
}

static void
test_permutations_of_lives(void **state)
{
	struct bed *bed = *state;
	struct host *a = &bed->hosts[0], *b = &bed->hosts[1];

	put_session(a, one, NULL);
	report(a, one, "transcribing", 40, NULL);
	collect(bed, a);
	deliver(bed, b, 0, bed->count);
	report(b, one, "extracting_notes", 80, NULL);
	collect(bed, b);
	sql(a, "DELETE FROM session");
	collect(bed, a);
	put_session(a, one, bob);
	report(a, one, "uploading", 1, NULL);
	collect(bed, a);
	sql(b, "UPDATE session SET patient_id = '00000000-0000-4000-8000-00000000000a'");
	collect(bed, b);
	assert_int_equal(bed->count, 7);
	expect_all_orders_alike(bed, 1);
	deliver_to_both(bed);
	expect_current(b, one, "uploading", 1);
}

static void
test_permutations_of_labels(void **state)
{
	struct bed *bed = *state;
	struct host *a = &bed->hosts[0], *b = &bed->hosts[1];
	struct key_row key;
	char text[KEY_TEXT_LEN + 1];

	put_user(a, ann, ROLE_PATIENT, "x@example.org", true);
	put_user(b, bob, ROLE_PATIENT, "x@example.org", true);
	put_user(b, ann, ROLE_THERAPIST, "y@example.org", true);
	ok(a, store_key_new(a->store, SCOPE_WORKER, text_of("k"), text, &key));
	ok(b, store_key_new(b->store, SCOPE_ADMIN, text_of("k"), text, &key));
	collect(bed, a);
	collect(bed, b);
	sql(a, "UPDATE user SET email = 'y@example.org'");
	put_user(a, two, ROLE_PATIENT, "x@example.org", false);
	collect(bed, a);
	assert_int_equal(bed->count, 7);
	expect_all_orders_alike(bed, 1);
	deliver_to_both(bed);
}

/* More changes than the authority log keeps: then everything is compared. */
static void
test_log_overrun(void **state)
{
	struct bed *bed = *state;
	struct host *a = &bed->hosts[0];

	put_user(a, ann, ROLE_PATIENT, NULL, true);
	put_user(a, bob, ROLE_PATIENT, NULL, true);
	assert_int_equal(collect(bed, a), 2);
	sql(a, "DELETE FROM user WHERE id LIKE '%a'");
	sql(a, "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 11000)"
	    " INSERT INTO authority (kind) SELECT 'key' FROM n");
	put_session(a, one, NULL);
	assert_int_equal(collect(bed, a), 2);
	assert_int_equal(collect(bed, a), 0);
}

/* What was pruned before it was sent leaves a number without a change. */
static void
test_pruned(void **state)
{
	struct bed *bed = *state;
	struct host *a = &bed->hosts[0];
	size_t deleted;

	put_session(a, one, NULL);
	for (int i = 0; i < 5; i++)
		report(a, one, "uploading", i, NULL);
	capture(a);
	ok(a, store_event_prune(a->store, NOW + 1, 100, &(int64_t){ 0 }, &deleted));
	assert_int_equal(deleted, 4);
	assert_int_equal(collect(bed, a), 2);
	assert_int_equal(a->replica.newest, 6);
	/* Sent ones are forgotten by age or number, others not. */
	ok(a, store_out_trim(a->store, 5, NOW + 1, 0, 100));
	assert_int_equal(number(a, "SELECT min(n) FROM relay_out"), 6);
}

static bool
on_thing(void *arg, int64_t n, const struct change *change)
{
	assert_int_equal(n, 0);
	return on_out(arg, n, change);
}

/* A host that had a life of its own takes part: what it has reaches others, piece by piece. */
static void
test_join_with_a_past(void **state)
{
	struct bed *bed = *state;
	struct host *a = &bed->hosts[0], *b = &bed->hosts[1];
	struct replica replica;
	enum thing_kind kind = THING_KEY;
	char id[80] = "";

	ok(a, store_replica_leave(a->store));
	assert_int_equal(store_replica_load(a->store, &replica), ERR_ABSENT);
	assert_int_equal(store_replica_leave(a->store), ERR_ABSENT);
	put_user(a, ann, ROLE_PATIENT, "ann@example.org", true);
	put_session(a, one, ann);
	put_session(a, two, NULL);
	report(a, one, "uploading", 10, NULL);
	report(a, one, "transcribing", 20, NULL);
	assert_int_equal(number(a, "SELECT count(*) FROM relay_out"), 0);
	join(a, "a");
	assert_int_equal(store_replica_join(a->store, text_of("a"), NOW), ERR_CONFLICT);
	assert_int_equal(collect(bed, a), 4); /* the newest update alone */

	/* The same as a snapshot, one at a time. */
	bed->count = 0;
	for (;;) {
		size_t before = bed->count;

		ok(a, store_things_after(a->store, kind, text_of(id), 1, on_thing, bed));
		if (bed->count == before)
			break;
		kind = bed->changes[before].thing.kind;
		snprintf(id, sizeof(id), "%.*s", TEXT_ARG(bed->changes[before].thing.id));
	}
	assert_int_equal(bed->count, 3);
	assert_int_equal(deliver(bed, b, 0, 3), 3);
	expect_same(a, b);
	expect_current(b, one, "transcribing", 20);
}

static void
on_host(void *arg, const struct replica_host *host)
{
	struct replica_host *out = arg;

	assert_true(text_is(host->name, "b"));
	*out = *host;
}

/* What a program says of itself a minute later. */
static void
assert_ready(struct host *host, const char *why_not, const char *line)
{
	struct buf out = BUF_INIT(256);

	store_write_ready(host->store, why_not, NOW + 60, &out);
	assert_string_equal(buf_cstr(&out), line);
	buf_fini(&out);
}

static void
test_status(void **state)
{
	struct bed *bed = *state;
	struct host *a = &bed->hosts[0];
	struct replica_status status;
	struct replica_host host = { .name = text_of("b"), .state = text_of("here"), .lag_ms = 7,
		.waiting = 3, .seen_at = NOW };

	ok(a, store_replica_status(a->store, &status));
	assert_string_equal(replica_trouble(&status, NOW), "milepost-relay does not reach Redis");
	assert_string_equal(replica_trouble(&status, NOW + 60), "milepost-relay does not run");
	ok(a, store_replica_state(a->store, true, "", NOW + 60));
	ok(a, store_replica_status(a->store, &status));
	assert_null(replica_trouble(&status, NOW + 60));
	assert_ready(a, NULL, "ready\n");
	assert_int_equal(status.since, NOW + 60);
	ok(a, store_replica_state(a->store, true, "", NOW + 61));
	ok(a, store_host_heard(a->store, text_of("b"), 12, true));
	ok(a, store_host_seen(a->store, &host));
	ok(a, store_replica_status(a->store, &status));
	assert_int_equal(status.since, NOW + 60);
	assert_non_null(strstr(replica_trouble(&status, NOW + 61), "snapshot"));
	assert_ready(a, NULL,
	    "ready, degraded: milepost-relay waits for a snapshot of what it has missed\n");
	assert_ready(a, "the feed is behind", "not ready: the feed is behind\n");
	ok(a, store_host_each(a->store, on_host, &host));
	assert_int_equal(host.n, 12);
	assert_int_equal(host.lag_ms, 7);
	assert_true(host.doubt);
	ok(a, store_replica_level(a->store, 40));
	ok(a, store_replica_load(a->store, &a->replica));
	assert_int_equal(a->replica.newest, 40);
}

/* What a table's check forbids is refused by itself, with all that belongs to it; the rest is applied. */
static void
test_refused(void **state)
{
	static const char hash[] = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";
	static const char name[] = "a name of more than the sixty-four characters that a key may be called by";
	struct bed *bed = *state;
	struct host *b = &bed->hosts[1];
	struct change change = { .thing = { .kind = THING_KEY, .id = text_of(hash), .life = 1, .version = 1,
		                         .host = text_of("a"), .detail = text_of("worker"), .active = true,
		                         .label = text_of(name), .created_at = NOW } };
	bool changed = false, whole;

	begin(b);
	ok(b, store_capture(b->store, &b->replica, NOW, 1000, &whole));
	assert_int_equal(store_apply(b->store, &change, &changed), ERR_INPUT);
	assert_false(changed);
	assert_non_null(strstr(store_error(b->store), "CHECK"));
	change.thing.label = text_of("a name");
	ok(b, store_apply(b->store, &change, &changed));
	assert_true(changed);
	ok(b, store_replica_skip(b->store, &b->replica));
	commit(b);
	assert_int_equal(number(b, "SELECT count(*) FROM key WHERE name = 'a name'"), 1);
	assert_int_equal(number(b, "SELECT count(*) FROM relay_thing"), 1);
}

/* The steps that it took to find out who shows a label. */
static int
steps_of_claim(struct host *host)
{
	return sqlite3_stmt_status(host->store->prepared[SQL_CLAIM], SQLITE_STMTSTATUS_VM_STEP, true) +
	    sqlite3_stmt_status(host->store->prepared[SQL_CLAIM_YIELD_USER], SQLITE_STMTSTATUS_VM_STEP,
	        true) +
	    sqlite3_stmt_status(host->store->prepared[SQL_CLAIM_TAKE_USER], SQLITE_STMTSTATUS_VM_STEP,
	        true);
}

/* A user's e-mail is not compared with that of every other user. */
static void
test_labels_of_many(void **state)
{
	struct bed *bed = *state;
	struct host *a = &bed->hosts[0];
	int few, many;

	put_user(a, ann, ROLE_PATIENT, "ann@example.org", true);
	capture(a);
	few = steps_of_claim(a);
	assert_true(few > 0);
	sql(a, "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 500)"
	    " INSERT INTO user (id, role, email) SELECT printf('10000000-0000-4000-8000-%012x', i), 'patient',"
	    " 'p' || i || '@example.org' FROM n");
	capture(a);
	(void)steps_of_claim(a);
	put_user(a, bob, ROLE_PATIENT, "bob@example.org", true);
	capture(a);
	many = steps_of_claim(a);
	assert_true(many < 3 * few);
}

/* A new database under the name of one that wrote: its first change is numbered on all the same. */
static void
test_level_of_an_empty_one(void **state)
{
	struct bed *bed = *state;
	struct host *a = &bed->hosts[0];

	begin(a);
	ok(a, store_replica_level(a->store, 40));
	commit(a);
	put_user(a, ann, ROLE_PATIENT, NULL, true);
	capture(a);
	assert_int_equal(a->replica.newest, 41);
	ok(a, store_replica_level(a->store, 7));
	ok(a, store_replica_load(a->store, &a->replica));
	assert_int_equal(a->replica.newest, 41);
}

int
main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_capture, setup, teardown),
		cmocka_unit_test_setup_teardown(test_no_echo, setup, teardown),
		cmocka_unit_test_setup_teardown(test_loser_is_corrected, setup, teardown),
		cmocka_unit_test_setup_teardown(test_ends, setup, teardown),
		cmocka_unit_test_setup_teardown(test_lives, setup, teardown),
		cmocka_unit_test_setup_teardown(test_labels, setup, teardown),
		cmocka_unit_test_setup_teardown(test_permutations_of_updates, setup, teardown),
		cmocka_unit_test_setup_teardown(test_permutations_of_lives, setup, teardown),
		cmocka_unit_test_setup_teardown(test_permutations_of_labels, setup, teardown),
		cmocka_unit_test_setup_teardown(test_log_overrun, setup, teardown),
		cmocka_unit_test_setup_teardown(test_pruned, setup, teardown),
		cmocka_unit_test_setup_teardown(test_join_with_a_past, setup, teardown),
		cmocka_unit_test_setup_teardown(test_status, setup, teardown),
		cmocka_unit_test_setup_teardown(test_refused, setup, teardown),
		cmocka_unit_test_setup_teardown(test_labels_of_many, setup, teardown),
		cmocka_unit_test_setup_teardown(test_level_of_an_empty_one, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
