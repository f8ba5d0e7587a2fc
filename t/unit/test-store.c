/*
 * test-store.c: the database by its real file: several connections and processes, changes made
 * behind our back as an operator makes them, damage, upkeep.
 */
#include "store/account.h"
#include "store/event.h"
#include "store/key.h"
#include "store/schema.h"
#include "store/statement.h" /* to bring about what can't be had from outside: a full disk */
#include "store/store.h"
#include "store/ticket.h"

#include <dirent.h>
#include <fcntl.h>
#include <setjmp.h>
#include <sqlite3.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#define NOW 1766140200
#define NOBODY 65534

static const char one[] = "550e8400-e29b-41d4-a716-446655440000";
static const char two[] = "6ba7b810-9dad-11d1-80b4-00c04fd430c8";
static const char ann[] = "00000000-0000-4000-8000-00000000000a";
static const char bob[] = "00000000-0000-4000-8000-00000000000b";

struct bed {
	char dir[32];
	char path[64];
	char other[64]; /* a second file, for a backup */
	struct store *store; /* a writer */
};

static struct store *
open_store(const char *path, enum store_mode mode)
{
	struct store *store = NULL;
	struct buf why = BUF_INIT(1024);

	if (store_open(path, mode, 0, &store, &why) != ERR_OK)
		fail_msg("%s", buf_cstr(&why));
	buf_fini(&why);
	return store;
}

static enum err
checkpoint(struct store *store)
{
	enum checkpoint result;

	return store_checkpoint(store, false, &result);
}

static void
init(const char *path)
{
	struct buf why = BUF_INIT(1024);
	int from, to;

	if (schema_init(path, &from, &to, &why) != ERR_OK)
		fail_msg("%s", buf_cstr(&why));
	buf_fini(&why);
}

static int
setup_empty(void **state)
{
	struct bed *bed = calloc(1, sizeof(*bed));

	if (bed == NULL)
		return -1;
	strcpy(bed->dir, "/tmp/mp-store-XXXXXX");
	if (mkdtemp(bed->dir) == NULL)
		return -1;
	snprintf(bed->path, sizeof(bed->path), "%s/db", bed->dir);
	snprintf(bed->other, sizeof(bed->other), "%s/copy", bed->dir);
	*state = bed;
	return 0;
}

static int
setup(void **state)
{
	struct bed *bed;

	if (setup_empty(state) != 0)
		return -1;
	bed = *state;
	init(bed->path);
	bed->store = open_store(bed->path, STORE_WRITE);
	return 0;
}

static int
teardown(void **state)
{
	struct bed *bed = *state;
	DIR *dir;
	struct dirent *entry;
	char path[512];

	store_close(&bed->store);
	dir = opendir(bed->dir);
	while (dir != NULL && (entry = readdir(dir)) != NULL) {
		snprintf(path, sizeof(path), "%s/%s", bed->dir, entry->d_name);
		unlink(path);
	}
	closedir(dir);
	rmdir(bed->dir);
	free(bed);
	return 0;
}

/* As an operator with the sqlite3 shell: another connection, which knows nothing of our rules. */
static void
shell(const char *path, const char *sql)
{
	sqlite3 *db;
	char *error = NULL;

	assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
	sqlite3_busy_timeout(db, 5000);
	if (sqlite3_exec(db, sql, NULL, NULL, &error) != SQLITE_OK)
		fail_msg("%s: %s", sql, error);
	sqlite3_close(db);
}

/* SQLite finds nothing wrong in the file. */
static void
assert_sound(const char *path)
{
	sqlite3 *db;
	sqlite3_stmt *stmt;

	assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
	assert_int_equal(sqlite3_prepare_v2(db, "PRAGMA integrity_check", -1, &stmt, NULL),
	    SQLITE_OK);
	assert_int_equal(sqlite3_step(stmt), SQLITE_ROW);
	assert_string_equal(sqlite3_column_text(stmt, 0), "ok");
	sqlite3_finalize(stmt);
	sqlite3_close(db);
}

static struct id
id_of(const char *text)
{
	struct id id;

	assert_int_equal(id_parse(text_of(text), &id), ERR_OK);
	return id;
}

static int64_t
add_session(struct store *store, const char *id, const char *patient)
{
	struct session session = { .id = id_of(id), .has_patient = patient != NULL };
	bool created;

	if (patient != NULL)
		session.patient = id_of(patient);
	assert_int_equal(store_session_put(store, &session, &created), ERR_OK);
	assert_int_equal(store_session_find(store, &session.id, &session), ERR_OK);
	return session.number;
}

struct answer {
	enum decision decision;
	struct progress result;
	struct faults faults;
	const char *why;
};

static enum err
report_update(struct store *store, const struct update *update, int64_t now, struct answer *out)
{
	memset(out, 0, sizeof(*out));
	return store_report(store, update, now, &out->decision, &out->result, &out->faults,
	    &out->why);
}

/* One report, in the transaction that is open. */
static struct answer
report_in(struct store *store, const char *session, const char *status, int progress)
{
	struct update update = { .session = id_of(session), .status = text_of(status),
		.progress = progress, .eta = PROGRESS_ETA_NONE };
	struct answer answer;

	if (strcmp(status, "failed") == 0)
		update.error = text_of("the reason");
	assert_int_equal(report_update(store, &update, NOW, &answer), ERR_OK);
	return answer;
}

/* The same, in a transaction of its own. */
static struct answer
report(struct store *store, const char *session, const char *status, int progress)
{
	struct answer answer;

	assert_int_equal(store_begin(store), ERR_OK);
	answer = report_in(store, session, status, progress);
	assert_int_equal(store_commit(store), ERR_OK);
	return answer;
}

struct walk {
	struct buf out;
	size_t stop_after; /* 0: never */
};

static bool
collect_event(void *arg, const struct progress *p)
{
	struct walk *walk = arg;

	buf_printf(&walk->out, "%lld%c%d ", (long long)p->revision,
	    p->session.bytes[0] == 0x55 ? 'a' : 'b', p->progress);
	return walk->stop_after == 0 || --walk->stop_after > 0;
}

static void
assert_active(struct store *store, const char *patient, int64_t before, size_t limit,
    const char *wanted)
{
	struct walk walk = { .out = BUF_INIT(4096) };
	struct id id = patient != NULL ? id_of(patient) : (struct id){ { 0 } };

	assert_int_equal(store_event_active(store, patient != NULL ? &id : NULL, before, limit,
	    collect_event, &walk), ERR_OK);
	assert_string_equal(buf_cstr(&walk.out), wanted);
	buf_fini(&walk.out);
}

/* ---- making and opening ---- */

static void
test_init(void **state)
{
	struct bed *bed = *state;
	struct buf why = BUF_INIT(1024);
	struct stat st;
	int from = -1, to = -1;
	mode_t saved = umask(027);

	assert_int_equal(schema_init(bed->path, &from, &to, &why), ERR_OK);
	umask(saved);
	assert_int_equal(from, 0);
	assert_int_equal(to, schema_version());
	assert_int_equal(stat(bed->path, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0640);
	/* Again, with somebody at work in it: nothing changes. */
	bed->store = open_store(bed->path, STORE_WRITE);
	add_session(bed->store, one, NULL);
	assert_int_equal(schema_init(bed->path, &from, &to, &why), ERR_OK);
	assert_int_equal(from, schema_version());
	assert_int_equal(to, schema_version());
	add_session(bed->store, one, NULL);
	/* What was made half (an empty file) is completed. */
	close(open(bed->other, O_WRONLY | O_CREAT, 0600));
	assert_int_equal(schema_init(bed->other, &from, &to, &why), ERR_OK);
	assert_int_equal(from, 0);
	assert_int_equal(why.len, 0);
	buf_fini(&why);
}

static void
assert_refused(const char *path, enum store_mode mode, enum err wanted, const char *line)
{
	struct buf why = BUF_INIT(1024);
	struct store *store = NULL;

	assert_int_equal(store_open(path, mode, 0, &store, &why), wanted);
	assert_null(store);
	if (strstr(buf_cstr(&why), line) == NULL || strncmp(why.data, path, strlen(path)) != 0 ||
	    strchr(why.data, '\n') != NULL)
		fail_msg("\"%s\" should be one line with \"%s\"", why.data, line);
	buf_fini(&why);
}

static void
write_file(const char *path, const char *data, size_t len)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);

	assert_true(fd >= 0);
	assert_int_equal(write(fd, data, len), (ssize_t)len);
	close(fd);
}

static void
test_open_refuses(void **state)
{
	struct bed *bed = *state;
	char garbage[4096];

	for (enum store_mode mode = STORE_READ; mode <= STORE_BRIEF; mode++) {
		assert_refused(bed->path, mode, ERR_ABSENT, "create it with: milepostctl init");
		assert_int_not_equal(access(bed->path, F_OK), 0); /* nothing was made */
	}
	assert_refused("/tmp/no-such-directory/db", STORE_WRITE, ERR_ABSENT, "no such database");
	assert_refused(bed->dir, STORE_WRITE, ERR_SYSTEM, "can't be opened");
	write_file(bed->path, "", 0);
	assert_refused(bed->path, STORE_WRITE, ERR_ABSENT, "no Milepost database in it");
	memset(garbage, 'x', sizeof(garbage));
	write_file(bed->path, garbage, sizeof(garbage));
	assert_refused(bed->path, STORE_READ, ERR_INPUT, "damaged, or not a database");
	write_file(bed->path, "short", 5);
	assert_refused(bed->path, STORE_READ, ERR_INPUT, "damaged, or not a database");
	unlink(bed->path);
	shell(bed->path, "CREATE TABLE recipes (name)");
	assert_refused(bed->path, STORE_WRITE, ERR_ABSENT, "of another program");
	shell(bed->path, "DROP TABLE recipes; PRAGMA application_id = 7");
	assert_refused(bed->path, STORE_WRITE, ERR_ABSENT, "of another program");
}

static void
test_open_versions(void **state)
{
	struct bed *bed = *state;
	struct buf why = BUF_INIT(1024);
	char pragmas[128];
	int from, to;

	store_close(&bed->store);
	shell(bed->path, "PRAGMA user_version = 7000");
	assert_refused(bed->path, STORE_READ, ERR_CONFLICT, "a newer Milepost (schema 7000");
	assert_int_equal(schema_init(bed->path, &from, &to, &why), ERR_CONFLICT);
	assert_non_null(strstr(buf_cstr(&why), "made by a newer Milepost"));
	shell(bed->path, "PRAGMA user_version = -1");
	assert_refused(bed->path, STORE_READ, ERR_CONFLICT, "up to date with: milepostctl init");
	snprintf(pragmas, sizeof(pragmas), "PRAGMA user_version = %d; PRAGMA journal_mode = DELETE",
	    schema_version());
	shell(bed->path, pragmas);
	assert_refused(bed->path, STORE_WRITE, ERR_CONFLICT, "not in WAL mode");
	buf_reset(&why);
	assert_int_equal(schema_init(bed->path, &from, &to, &why), ERR_OK); /* mends it */
	bed->store = open_store(bed->path, STORE_WRITE);
	buf_fini(&why);
}

static void
test_open_damaged(void **state)
{
	struct bed *bed = *state;

	store_close(&bed->store); /* which copies the WAL back */
	assert_int_equal(truncate(bed->path, 4096 + 100), 0);
	assert_refused(bed->path, STORE_WRITE, ERR_INPUT, "damaged");
}

/* Somebody has the file to himself, as SQLite's own recovery and the last close do for a moment. */
static void
test_open_busy(void **state)
{
	struct bed *bed = *state;
	sqlite3 *db;

	store_close(&bed->store);
	assert_int_equal(sqlite3_open(bed->path, &db), SQLITE_OK);
	assert_int_equal(sqlite3_exec(db, "PRAGMA locking_mode = EXCLUSIVE; BEGIN IMMEDIATE", NULL,
	    NULL, NULL), SQLITE_OK);
	assert_refused(bed->path, STORE_READ, ERR_BUSY, "database is locked");
	sqlite3_close(db);
	bed->store = open_store(bed->path, STORE_READ);
}

/* Runs fn in a child that is nobody in particular, where the tests run as root. */
static void
as_nobody(void (*fn)(const struct bed *bed), const struct bed *bed)
{
	int status;
	pid_t pid = fork();

	if (pid == 0) {
		if (geteuid() == 0 && (setgid(NOBODY) != 0 || setuid(NOBODY) != 0))
			_exit(2);
		fn(bed);
		_exit(0); /* a failed assertion ends otherwise */
	}
	assert_true(pid > 0);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
}

/* No assertions of cmocka's in a child: it would go on with the tests of its parent. */
static void
expect_full(const struct bed *bed, enum store_mode mode)
{
	struct store *store;
	struct buf why = BUF_INIT(1024);

	if (store_open(bed->path, mode, 0, &store, &why) != ERR_FULL ||
	    strstr(buf_cstr(&why), "can't be ") == NULL)
		_exit(1);
	buf_fini(&why);
}

static void
try_writing(const struct bed *bed)
{
	expect_full(bed, STORE_WRITE);
	expect_full(bed, STORE_BRIEF);
}

static void
try_reading_too(const struct bed *bed)
{
	try_writing(bed);
	expect_full(bed, STORE_READ); /* a reader needs the -shm file */
}

static void
try_init(const struct bed *bed)
{
	struct buf why = BUF_INIT(1024);
	int from, to;

	if (schema_init(bed->other, &from, &to, &why) != ERR_FULL ||
	    strstr(buf_cstr(&why), "can't be created") == NULL)
		_exit(1);
	buf_fini(&why);
}

static void
test_open_unwritable(void **state)
{
	struct bed *bed = *state;

	assert_int_equal(chmod(bed->dir, 0555), 0);
	assert_int_equal(chmod(bed->path, 0444), 0);
	as_nobody(try_writing, bed); /* beside a writer, whose -wal and -shm are there */
	assert_int_equal(chmod(bed->dir, 0700), 0); /* the last one takes them away */
	store_close(&bed->store);
	assert_int_equal(chmod(bed->dir, 0555), 0);
	as_nobody(try_reading_too, bed);
	as_nobody(try_init, bed);
	assert_int_equal(chmod(bed->path, 0000), 0);
	as_nobody(try_reading_too, bed);
	assert_int_equal(chmod(bed->path, 0600), 0);
	assert_int_equal(chmod(bed->dir, 0700), 0);
}

static void
test_modes(void **state)
{
	struct bed *bed = *state;
	struct store *reader = open_store(bed->path, STORE_READ);
	struct session session = { .id = id_of(one) };
	char wal[80];
	bool created;

	snprintf(wal, sizeof(wal), "%s-wal", bed->path);
	assert_int_equal(store_session_put(reader, &session, &created), ERR_FULL);
	assert_int_not_equal(store_error(reader)[0], '\0');
	add_session(bed->store, one, NULL);
	assert_int_equal(store_session_find(reader, &session.id, &session), ERR_OK);
	/* The brief writer and the reader leave the WAL, the long-lived writer takes it in. */
	store_close(&bed->store);
	store_close(&reader);
	reader = open_store(bed->path, STORE_BRIEF);
	add_session(reader, two, NULL);
	store_close(&reader);
	assert_int_equal(access(wal, F_OK), 0);
	bed->store = open_store(bed->path, STORE_WRITE);
	store_close(&bed->store);
	assert_int_not_equal(access(wal, F_OK), 0);
	store_close(&bed->store); /* closing nothing is harmless */
}

/* ---- accounts ---- */

static void
collect_user(void *arg, const struct user *user)
{
	struct buf *out = arg;
	char id[ID_TEXT_LEN + 1];

	id_format(&user->id, id);
	buf_printf(out, "%c:%s:%d:%.*s:%.*s ", id[ID_TEXT_LEN - 1], role_name(user->role),
	    user->active, TEXT_ARG(user->email), TEXT_ARG(user->password));
}

static void
assert_users(struct store *store, const char *wanted)
{
	struct buf out = BUF_INIT(4096);

	assert_int_equal(store_user_each(store, collect_user, &out), ERR_OK);
	assert_string_equal(buf_cstr(&out), wanted);
	buf_fini(&out);
}

static void
test_users(void **state)
{
	struct bed *bed = *state;
	struct store *store = bed->store;
	struct user user = { .id = id_of(ann), .role = ROLE_THERAPIST, .active = true,
		.email = text_of("Ann@example.org"), .password = text_of("$y$...") }, found;
	bool created;

	assert_int_equal(store_user_find(store, &user.id, &found), ERR_ABSENT);
	assert_int_equal(store_user_delete(store, &user.id), ERR_ABSENT);
	assert_int_equal(store_user_put(store, &user, &created), ERR_OK);
	assert_true(created);
	assert_int_equal(store_user_find(store, &user.id, &found), ERR_OK);
	assert_true(id_equal(&found.id, &user.id));
	assert_int_equal(found.role, ROLE_THERAPIST);
	assert_true(found.active);
	assert_true(text_is(found.email, "Ann@example.org"));
	assert_true(text_is(found.password, "$y$..."));
	assert_int_equal(store_user_find_email(store, text_of("aNN@EXAMPLE.org"), &found), ERR_OK);
	assert_true(id_equal(&found.id, &user.id));
	assert_int_equal(store_user_find_email(store, text_of("ann@example"), &found), ERR_ABSENT);
	/* What was found, changed and put back: its texts are the store's own. */
	found.active = false;
	assert_int_equal(store_user_put(store, &found, &created), ERR_OK);
	assert_false(created);
	assert_users(store, "a:therapist:0:Ann@example.org:$y$... ");
	/* One address is one user's. */
	user.id = id_of(bob);
	user.role = ROLE_PATIENT;
	user.email = text_of("ann@EXAMPLE.org");
	assert_int_equal(store_user_put(store, &user, &created), ERR_CONFLICT);
	user.email = user.password = (struct text){ NULL, 0 };
	assert_int_equal(store_user_put(store, &user, &created), ERR_OK);
	assert_users(store, "a:therapist:0:Ann@example.org:$y$... b:patient:1:: ");
	assert_int_equal(store_user_find(store, &user.id, &found), ERR_OK);
	assert_null(found.email.s);
	assert_null(found.password.s);
	user.id = id_of(ann);
	assert_int_equal(store_user_delete(store, &user.id), ERR_OK);
	assert_users(store, "b:patient:1:: ");
}

static void
collect_session(void *arg, const struct session *session)
{
	buf_printf(arg, "%02x:%02x ", session->id.bytes[0],
	    session->has_patient ? session->patient.bytes[ID_LEN - 1] : 0u);
}

static void
test_sessions(void **state)
{
	struct bed *bed = *state;
	struct store *store = bed->store;
	struct session session = { .id = id_of(one), .has_patient = true, .patient = id_of(ann) };
	struct buf out = BUF_INIT(1024);
	struct progress p;
	int64_t number, newest, after;
	bool created;

	assert_int_equal(store_session_find(store, &session.id, &session), ERR_ABSENT);
	assert_int_equal(store_session_delete(store, &session.id), ERR_ABSENT);
	assert_int_equal(store_session_put(store, &session, &created), ERR_OK);
	assert_true(created);
	assert_int_equal(store_session_find(store, &session.id, &session), ERR_OK);
	assert_true(session.has_patient);
	assert_true(session.created_at > NOW - 86400);
	number = session.number;
	/* The same again writes nothing. */
	assert_int_equal(store_authority_newest(store, &newest), ERR_OK);
	assert_int_equal(store_session_put(store, &session, &created), ERR_OK);
	assert_false(created);
	assert_int_equal(store_authority_newest(store, &after), ERR_OK);
	assert_int_equal(after, newest);
	session.has_patient = false;
	assert_int_equal(store_session_put(store, &session, &created), ERR_OK);
	assert_false(created);
	assert_int_equal(add_session(store, one, NULL), number); /* still the same row */
	number = add_session(store, two, bob);
	assert_int_equal(store_session_each(store, collect_session, &out), ERR_OK);
	assert_string_equal(buf_cstr(&out), "55:00 6b:0b ");
	/* A number is not given twice, and the updates go with their session. */
	report(store, two, "uploading", 5);
	session.id = id_of(two);
	assert_int_equal(store_session_delete(store, &session.id), ERR_OK);
	after = add_session(store, two, bob);
	assert_true(after > number);
	assert_int_equal(store_event_newest(store, number, &p), ERR_ABSENT);
	assert_int_equal(store_event_newest(store, after, &p), ERR_ABSENT);
	assert_int_equal(report(store, two, "uploading", 1).result.revision, 2);
	buf_fini(&out);
}

/* Several calls in one transaction of the caller's, and the end of it that takes all back. */
static void
test_transaction(void **state)
{
	struct bed *bed = *state;
	struct store *other = open_store(bed->path, STORE_WRITE);
	struct user user = { .id = id_of(ann), .role = ROLE_ADMIN, .active = true };
	struct session session = { .id = id_of(one) };
	bool created;

	assert_int_equal(store_begin(bed->store), ERR_OK);
	assert_int_equal(store_user_put(bed->store, &user, &created), ERR_OK);
	assert_int_equal(store_session_put(bed->store, &session, &created), ERR_OK);
	assert_int_equal(store_user_find(other, &user.id, &user), ERR_ABSENT);
	/* There is one writer. */
	assert_int_equal(store_begin(other), ERR_BUSY);
	assert_int_equal(store_user_delete(other, &user.id), ERR_BUSY);
	assert_int_equal(store_session_put(other, &session, &created), ERR_BUSY);
	assert_non_null(strstr(store_error(other), "locked"));
	store_rollback(bed->store);
	store_rollback(bed->store); /* nothing is left to do */
	assert_int_equal(store_user_find(bed->store, &user.id, &user), ERR_ABSENT);
	assert_int_equal(store_begin(other), ERR_OK);
	assert_int_equal(store_user_put(other, &user, &created), ERR_OK);
	assert_int_equal(store_commit(other), ERR_OK);
	assert_int_equal(store_user_find(bed->store, &user.id, &user), ERR_OK);
	assert_int_equal(store_commit(other), ERR_SYSTEM); /* none is open */
	store_close(&other);
}

static void
test_snapshot(void **state)
{
	struct bed *bed = *state;
	struct store *reader = open_store(bed->path, STORE_READ);
	struct session session = { .id = id_of(one) };

	assert_int_equal(store_snapshot(reader), ERR_OK);
	assert_int_equal(store_session_find(reader, &session.id, &session), ERR_ABSENT);
	add_session(bed->store, one, NULL);
	assert_int_equal(store_session_find(reader, &session.id, &session), ERR_ABSENT);
	store_snapshot_end(reader);
	assert_int_equal(store_session_find(reader, &session.id, &session), ERR_OK);
	store_close(&reader);
}

/* What the tables' checks forbid, written by one who switched them off: refused, never believed. */
static void
test_odd_rows(void **state)
{
	struct bed *bed = *state;
	struct buf out = BUF_INIT(1024);
	struct user user = { .id = id_of(ann) };
	struct progress p;
	int64_t number = add_session(bed->store, one, NULL);

	report(bed->store, one, "uploading", 1);
	shell(bed->path, "PRAGMA ignore_check_constraints = ON;"
	    "INSERT INTO user (id, role) VALUES ('me', 'admin'),"
	    " ('00000000-0000-4000-8000-00000000000a', 'emperor');"
	    "UPDATE event SET outcome = 'maybe'");
	assert_int_equal(store_user_find(bed->store, &user.id, &user), ERR_SYSTEM);
	assert_non_null(strstr(store_error(bed->store), "impossible value"));
	assert_int_equal(store_user_each(bed->store, collect_user, &out), ERR_SYSTEM);
	assert_int_equal(out.len, 0);
	assert_int_equal(store_event_newest(bed->store, number, &p), ERR_SYSTEM);
	buf_fini(&out);
}

/* ---- the authority log ---- */

struct log {
	struct buf out;
	int64_t cursor;
};

static void
collect_authority(void *arg, enum authority_kind kind, const struct id *id)
{
	buf_printf(arg, "%c%x ", "usk"[kind], id->bytes[ID_LEN - 1]);
}

static enum err
since(struct store *store, struct log *log)
{
	buf_reset(&log->out);
	return store_authority_since(store, &log->cursor, collect_authority, &log->out);
}

static void
assert_log(struct store *store, struct log *log, const char *wanted)
{
	assert_int_equal(since(store, log), ERR_OK);
	assert_string_equal(buf_cstr(&log->out), wanted);
}

static void
test_authority(void **state)
{
	struct bed *bed = *state;
	struct store *store = open_store(bed->path, STORE_READ);
	struct log log = { .out = BUF_INIT(4096) };
	int64_t newest;

	assert_log(store, &log, "");
	shell(bed->path, "INSERT INTO user (id, role) VALUES"
	    " ('00000000-0000-4000-8000-00000000000a', 'patient'),"
	    " ('00000000-0000-4000-8000-00000000000b', 'admin')");
	assert_log(store, &log, "ua ub ");
	assert_log(store, &log, "");
	shell(bed->path, "UPDATE user SET is_active = 0 WHERE id LIKE '%b'");
	shell(bed->path, "UPDATE user SET role = 'therapist' WHERE id LIKE '%a'");
	assert_log(store, &log, "ub ua ");
	shell(bed->path, "UPDATE user SET id = '00000000-0000-4000-8000-00000000000c'"
	    " WHERE id LIKE '%b'");
	assert_log(store, &log, "ub uc ");
	shell(bed->path, "UPDATE user SET created_at = 7"); /* grants and takes nothing */
	assert_log(store, &log, "");
	shell(bed->path, "DELETE FROM user WHERE id LIKE '%c'");
	assert_log(store, &log, "uc ");
	shell(bed->path, "INSERT INTO session (id) VALUES"
	    " ('00000000-0000-4000-8000-000000000001')");
	shell(bed->path, "UPDATE session SET patient_id = '00000000-0000-4000-8000-00000000000a'");
	assert_log(store, &log, "s1 s1 ");
	shell(bed->path, "UPDATE session SET id = '00000000-0000-4000-8000-000000000002'");
	assert_log(store, &log, "s1 s2 ");
	shell(bed->path, "REPLACE INTO session (id) VALUES"
	    " ('00000000-0000-4000-8000-000000000002')");
	assert_int_equal(since(store, &log), ERR_OK);
	assert_non_null(strstr(buf_cstr(&log.out), "s2 "));
	shell(bed->path, "DELETE FROM session");
	assert_log(store, &log, "s2 ");
	shell(bed->path, "INSERT INTO key (hash, scope, name)"
	    " VALUES (randomblob(32), 'worker', 'w');"
	    "UPDATE key SET scope = 'admin'; DELETE FROM key");
	assert_log(store, &log, "k0 k0 k0 ");
	/* What a transaction took back was never there, and leaves no gap. */
	shell(bed->path, "BEGIN; DELETE FROM user; ROLLBACK; UPDATE user SET role = 'admin'");
	assert_log(store, &log, "ua ");
	assert_int_equal(store_authority_newest(store, &newest), ERR_OK);
	assert_int_equal(newest, log.cursor);
	buf_fini(&log.out);
	store_close(&store);
}

static void
test_authority_lost(void **state)
{
	struct bed *bed = *state;
	struct log log = { .out = BUF_INIT(65536) };
	int64_t newest;

	shell(bed->path, "INSERT INTO user (id, role) VALUES"
	    " ('00000000-0000-4000-8000-00000000000a', 'patient');"
	    "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 9999)"
	    " INSERT INTO authority (kind) SELECT 'key' FROM n");
	assert_int_equal(store_authority_newest(bed->store, &newest), ERR_OK);
	assert_int_equal(newest, 10000);
	assert_int_equal(since(bed->store, &log), ERR_OK); /* all are kept still */
	assert_int_equal(log.out.len, 10000 * 3);
	shell(bed->path, "UPDATE user SET role = 'admin'");
	log.cursor = 0;
	assert_int_equal(since(bed->store, &log), ERR_LIMIT);
	assert_int_equal(log.cursor, 10001);
	assert_int_equal(log.out.len, 0);
	assert_log(bed->store, &log, "");
	log.cursor = 1;
	assert_int_equal(since(bed->store, &log), ERR_OK);
	/* Emptied by hand; and a cursor from another time of the database. */
	shell(bed->path, "DELETE FROM authority");
	log.cursor = 10000;
	assert_int_equal(since(bed->store, &log), ERR_LIMIT);
	log.cursor = 20000;
	assert_int_equal(since(bed->store, &log), ERR_LIMIT);
	assert_int_equal(log.cursor, 10001);
	shell(bed->path, "UPDATE user SET role = 'patient'");
	assert_log(bed->store, &log, "ua ");
	buf_fini(&log.out);
}

/* ---- keys ---- */

static void
collect_key(void *arg, const struct key_row *key)
{
	buf_printf(arg, "%s:%.*s ", scope_name(key->scope), TEXT_ARG(key->name));
}

static enum err
find_key(struct store *store, const char *key, struct key_row *out)
{
	uint8_t hash[SHA256_LEN];

	assert_int_equal(store_key_hash(text_of(key), hash), ERR_OK);
	return store_key_find(store, hash, out);
}

static void
test_keys(void **state)
{
	struct bed *bed = *state;
	struct store *store = bed->store;
	char worker[KEY_TEXT_LEN + 1], admin[KEY_TEXT_LEN + 1];
	struct key_row row;
	struct buf out = BUF_INIT(1024);

	assert_int_equal(store_key_new(store, SCOPE_WORKER, text_of("gpu"), worker, &row), ERR_OK);
	assert_int_equal(store_key_new(store, SCOPE_ADMIN, text_of("peer"), admin, &row), ERR_OK);
	assert_int_equal(row.number, 2);
	assert_int_equal(row.scope, SCOPE_ADMIN);
	assert_true(row.created_at > NOW - 86400);
	assert_int_equal(strlen(worker), KEY_TEXT_LEN);
	assert_int_equal(strspn(worker + 4, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
	    "0123456789-_"), KEY_TEXT_LEN - 4);
	assert_memory_equal(worker, "mpw_", 4);
	assert_memory_equal(admin, "mpa_", 4);
	assert_int_equal(store_key_new(store, SCOPE_ADMIN, text_of("gpu"), admin, &row),
	    ERR_CONFLICT);
	assert_int_equal(find_key(store, worker, &row), ERR_OK);
	assert_int_equal(row.scope, SCOPE_WORKER);
	assert_true(text_is(row.name, "gpu"));
	assert_int_equal(find_key(store, admin, &row), ERR_OK);
	assert_int_equal(row.scope, SCOPE_ADMIN);
	worker[KEY_TEXT_LEN - 1] = worker[KEY_TEXT_LEN - 1] == 'A' ? 'B' : 'A';
	assert_int_equal(find_key(store, worker, &row), ERR_ABSENT);
	assert_int_equal(find_key(store, "", &row), ERR_ABSENT);
	assert_int_equal(store_key_each(store, collect_key, &out), ERR_OK);
	assert_string_equal(buf_cstr(&out), "worker:gpu admin:peer ");
	assert_int_equal(store_key_delete(store, text_of("peer")), ERR_OK);
	assert_int_equal(store_key_delete(store, text_of("peer")), ERR_ABSENT);
	assert_int_equal(find_key(store, admin, &row), ERR_ABSENT);
	buf_fini(&out);
}

/* One process gives tickets out, another takes them. */
static void
test_tickets(void **state)
{
	struct bed *bed = *state;
	struct store *other = open_store(bed->path, STORE_LIGHT);
	const struct ticket_row row = { .user = id_of(ann), .role = ROLE_PATIENT,
		.key = UINT64_MAX - 5, .token_expires = NOW + 100 };
	char text[TICKETS_PER_USER][TICKET_TEXT_LEN + 1], more[TICKET_TEXT_LEN + 1];
	struct ticket_row out;

	assert_int_equal(store_ticket_new(bed->store, &row, NOW, more), ERR_SYSTEM); /* outside */
	assert_int_equal(store_begin(bed->store), ERR_OK);
	for (int i = 0; i < TICKETS_PER_USER; i++)
		assert_int_equal(store_ticket_new(bed->store, &row, NOW, text[i]), ERR_OK);
	assert_int_equal(store_ticket_new(bed->store, &row, NOW, more), ERR_LIMIT);
	assert_int_equal(store_ticket_take(other, text_of(text[0]), NOW, &out), ERR_BUSY);
	assert_int_equal(store_commit(bed->store), ERR_OK);

	assert_memory_equal(text[0], "mpt_", 4);
	assert_int_equal(store_ticket_take(other, text_of(text[0]), NOW + TICKET_SECONDS - 1, &out),
	    ERR_OK);
	assert_true(id_equal(&out.user, &row.user));
	assert_int_equal(out.role, ROLE_PATIENT);
	assert_true(out.key == row.key);
	assert_int_equal(out.token_expires, NOW + 100);
	assert_int_equal(store_ticket_take(other, text_of(text[0]), NOW, &out), ERR_ABSENT);
	assert_int_equal(store_ticket_take(bed->store, text_of(text[0]), NOW, &out), ERR_ABSENT);
	assert_int_equal(store_ticket_take(other, text_of(text[1]), NOW + TICKET_SECONDS, &out),
	    ERR_ABSENT);
	assert_int_equal(store_ticket_take(other, text_of(""), NOW, &out), ERR_ABSENT);
	/* The expired ones are swept, and leave room. */
	assert_int_equal(store_begin(bed->store), ERR_OK);
	assert_int_equal(store_ticket_new(bed->store, &row, NOW + TICKET_SECONDS, more), ERR_OK);
	assert_int_equal(store_commit(bed->store), ERR_OK);
	assert_int_equal(store_ticket_take(other, text_of(text[2]), NOW, &out), ERR_ABSENT);
	store_close(&other);
}

/* A database of the first schema is brought up to date, with all that is in it. */
static void
test_migration(void **state)
{
	struct bed *bed = *state;
	struct id id = id_of(one);
	struct progress newest;
	struct session session;
	struct buf why = BUF_INIT(1024);
	int from, to;

	add_session(bed->store, two, NULL);
	report(bed->store, two, "failed", PROGRESS_NONE);
	add_session(bed->store, one, NULL);
	report(bed->store, one, "uploading", 10);
	store_close(&bed->store);
	shell(bed->path, "DROP TRIGGER relay_top_deleted; DROP TABLE relay; DROP TABLE relay_thing;"
	    "DROP TABLE relay_top; DROP TABLE relay_out; DROP TABLE relay_host;"
	    "DROP TABLE ticket; ALTER TABLE event DROP COLUMN stored_ms;"
	    "DROP TABLE active; DROP TRIGGER active_deleted; DROP INDEX session_patient;"
	    "PRAGMA user_version = 1");
	assert_refused(bed->path, STORE_READ, ERR_CONFLICT, "its schema is 1, this program needs ");
	assert_int_equal(schema_init(bed->path, &from, &to, &why), ERR_OK);
	assert_int_equal(from, 1);
	assert_int_equal(to, schema_version());
	bed->store = open_store(bed->path, STORE_WRITE);
	assert_active(bed->store, NULL, INT64_MAX, SIZE_MAX, "2a10 ");
	assert_int_equal(store_session_find(bed->store, &id, &session), ERR_OK);
	assert_int_equal(store_event_newest(bed->store, session.number, &newest), ERR_OK);
	assert_int_equal(newest.progress, 10);
	assert_int_equal(newest.stored_ms, 0);
	report(bed->store, one, "uploading", 11);
	assert_int_equal(store_event_newest(bed->store, session.number, &newest), ERR_OK);
	assert_true(newest.stored_ms > INT64_C(1700000000000));
	buf_fini(&why);
}

/* ---- updates ---- */

static void
test_report(void **state)
{
	struct bed *bed = *state;
	struct store *store = bed->store;
	int64_t number = add_session(store, one, NULL);
	struct answer answer;
	struct progress p;

	assert_int_equal(store_event_newest(store, number, &p), ERR_ABSENT);
	answer = report(store, one, "uploading", 5);
	assert_int_equal(answer.decision, DECISION_STORE);
	assert_int_equal(answer.result.revision, 1);
	assert_int_equal(answer.result.run, 1);
	assert_true(text_is(answer.result.status, "uploading"));
	assert_true(text_is(answer.result.message, "Uploading audio..."));
	assert_null(answer.result.error.s);
	answer = report(store, one, "uploading", 5);
	assert_int_equal(answer.decision, DECISION_SAME);
	assert_int_equal(answer.result.revision, 1);
	assert_int_equal(report(store, one, "transcribing", 20).result.revision, 2);
	answer = report(store, one, "uploading", 20);
	assert_int_equal(answer.decision, DECISION_CONFLICT);
	assert_non_null(answer.why);
	assert_int_equal(answer.result.revision, 2);
	assert_true(text_is(answer.result.status, "transcribing"));
	assert_true(text_is(answer.result.message, "Transcribing audio..."));
	answer = report(store, one, "transcribing", 61);
	assert_int_equal(answer.decision, DECISION_INVALID);
	assert_int_equal(answer.faults.count, 1);
	assert_string_equal(answer.faults.list[0].member, "progress");
	answer = report(store, one, "dreaming", 61);
	assert_int_equal(answer.decision, DECISION_INVALID);
	assert_string_equal(answer.faults.list[0].member, "status");
	assert_string_equal(answer.faults.list[0].detail, "is unknown; known are uploading, "
	    "transcribing, transcribed, extracting_notes, processed, failed");
	answer = report(store, one, "failed", PROGRESS_NONE);
	assert_int_equal(answer.result.revision, 3);
	assert_int_equal(answer.result.run, 1);
	assert_int_equal(answer.result.progress, 20);
	assert_int_equal(answer.result.outcome, OUTCOME_FAILED);
	assert_true(text_is(answer.result.error, "the reason"));
	/* The next run is numbered by its first update, and remembered so. */
	answer = report(store, one, "transcribing", 30);
	assert_int_equal(answer.result.run, 4);
	assert_int_equal(answer.result.revision, 4);
	assert_int_equal(store_event_newest(store, number, &p), ERR_OK);
	assert_int_equal(p.run, 4);
	assert_int_equal(p.eta, PROGRESS_ETA_NONE);
	assert_int_equal(p.updated_at, NOW);
	assert_int_equal(p.created_at, NOW);
	assert_int_equal(report(store, one, "processed", PROGRESS_NONE).result.run, 4);
	assert_int_equal(store_event_revision(store, &number), ERR_OK);
	assert_int_equal(number, 5);
}

static void
test_report_details(void **state)
{
	struct bed *bed = *state;
	struct update update = { .session = id_of(one), .status = text_of("uploading"),
		.progress = 7, .message = text_of("h\xc3\xa9 \"quoted\""), .eta = 0 };
	struct answer answer;
	struct progress p;
	int64_t number;

	assert_int_equal(store_begin(bed->store), ERR_OK);
	assert_int_equal(report_update(bed->store, &update, NOW, &answer), ERR_ABSENT);
	store_rollback(bed->store);
	number = add_session(bed->store, one, NULL);
	/* Outside a transaction it stores nothing. */
	assert_int_equal(report_update(bed->store, &update, NOW, &answer), ERR_SYSTEM);
	assert_int_equal(store_event_newest(bed->store, number, &p), ERR_ABSENT);
	/* What is rolled back has used up no revision. */
	assert_int_equal(store_begin(bed->store), ERR_OK);
	assert_int_equal(report_update(bed->store, &update, NOW, &answer), ERR_OK);
	store_rollback(bed->store);
	assert_int_equal(store_begin(bed->store), ERR_OK);
	assert_int_equal(report_update(bed->store, &update, NOW, &answer), ERR_OK);
	assert_int_equal(answer.result.revision, 1);
	assert_true(text_is(answer.result.message, "h\xc3\xa9 \"quoted\""));
	update.message = text_of("");
	update.eta = PROGRESS_ETA_MAX;
	assert_int_equal(report_update(bed->store, &update, NOW + 5, &answer), ERR_OK);
	assert_int_equal(answer.result.revision, 2);
	assert_int_equal(answer.result.run, 1);
	assert_int_equal(store_commit(bed->store), ERR_OK);
	assert_int_equal(store_event_newest(bed->store, number, &p), ERR_OK);
	assert_non_null(p.message.s);
	assert_int_equal(p.message.len, 0);
	assert_int_equal(p.eta, PROGRESS_ETA_MAX);
	assert_int_equal(p.updated_at, NOW + 5);
	assert_int_equal(p.created_at, NOW);
	assert_true(id_equal(&p.session, &update.session));
}

/* An installation's own stages; and those it has taken away again. */
static void
test_own_stages(void **state)
{
	struct bed *bed = *state;
	int64_t number = add_session(bed->store, one, NULL);
	struct answer answer;
	struct progress p;

	shell(bed->path, "INSERT INTO stage (name, rank, min, max, message) VALUES"
	    " ('denoising', 5, 10, 20, 'Removing noise...')");
	report(bed->store, one, "uploading", 10);
	answer = report(bed->store, one, "denoising", 15);
	assert_int_equal(answer.decision, DECISION_STORE);
	assert_true(text_is(answer.result.message, "Removing noise..."));
	assert_int_equal(report(bed->store, one, "uploading", 16).decision, DECISION_CONFLICT);
	shell(bed->path, "DELETE FROM stage WHERE name = 'denoising'");
	assert_int_equal(store_event_newest(bed->store, number, &p), ERR_OK);
	assert_true(text_is(p.status, "denoising"));
	assert_int_equal(p.rank, 5);
	assert_int_equal(p.outcome, OUTCOME_RUNNING);
	assert_int_equal(report(bed->store, one, "denoising", 16).decision, DECISION_INVALID);
	assert_int_equal(report(bed->store, one, "uploading", 20).decision, DECISION_CONFLICT);
	assert_int_equal(report(bed->store, one, "transcribing", 20).decision, DECISION_STORE);
}

static void
assert_since(struct store *store, int64_t after, size_t limit, const char *wanted)
{
	struct walk walk = { .out = BUF_INIT(4096) };

	assert_int_equal(store_event_since(store, after, limit, collect_event, &walk), ERR_OK);
	assert_string_equal(buf_cstr(&walk.out), wanted);
	buf_fini(&walk.out);
}

static void
assert_of_session(struct store *store, int64_t session, int64_t after, size_t limit,
    const char *wanted)
{
	struct walk walk = { .out = BUF_INIT(4096) };

	assert_int_equal(store_event_of_session(store, session, after, limit, collect_event, &walk),
	    ERR_OK);
	assert_string_equal(buf_cstr(&walk.out), wanted);
	buf_fini(&walk.out);
}

static void
test_walks(void **state)
{
	struct bed *bed = *state;
	int64_t a = add_session(bed->store, one, NULL), b = add_session(bed->store, two, NULL);
	struct store *reader = open_store(bed->path, STORE_READ);
	struct walk walk = { .out = BUF_INIT(4096), .stop_after = 2 };

	assert_since(reader, 0, SIZE_MAX, "");
	for (int i = 1; i <= 3; i++) {
		report(bed->store, one, "uploading", i);
		report(bed->store, two, "uploading", 10 + i);
	}
	assert_since(reader, 0, SIZE_MAX, "1a1 2b11 3a2 4b12 5a3 6b13 ");
	assert_since(reader, 0, 2, "1a1 2b11 ");
	assert_since(reader, 2, 3, "3a2 4b12 5a3 ");
	assert_since(reader, 6, 3, "");
	assert_of_session(reader, a, 0, SIZE_MAX, "1a1 3a2 5a3 ");
	assert_of_session(reader, b, 2, 1, "4b12 ");
	assert_of_session(reader, b + 1, 0, SIZE_MAX, "");
	assert_int_equal(store_event_since(reader, 0, 100, collect_event, &walk), ERR_OK);
	assert_string_equal(buf_cstr(&walk.out), "1a1 2b11 ");
	/* A walk that was cut short holds nothing: the next one sees what came later. */
	report(bed->store, one, "uploading", 4);
	assert_since(reader, 6, 3, "7a4 ");
	buf_fini(&walk.out);
	store_close(&reader);
}

/* Prunes from the first update to the last old one; returns how many went. */
static size_t
prune(struct store *store, int64_t before, size_t limit)
{
	int64_t cursor = 0;
	size_t deleted, total = 0;
	enum err err;

	while ((err = store_event_prune(store, before, limit, &cursor, &deleted)) == ERR_OK)
		total += deleted;
	assert_int_equal(err, ERR_ABSENT);
	return total;
}

static void
test_prune(void **state)
{
	struct bed *bed = *state;
	int64_t revision, cursor = 0;
	size_t deleted;

	add_session(bed->store, one, NULL);
	add_session(bed->store, two, NULL);
	for (int i = 1; i <= 4; i++)
		report(bed->store, one, "uploading", i);
	report(bed->store, two, "uploading", 1);
	assert_int_equal(prune(bed->store, NOW, 10), 0); /* none is older than now */
	shell(bed->path, "UPDATE event SET updated_at = updated_at - 100 WHERE revision <> 3");
	/* One after the other, each is looked at once. */
	assert_int_equal(store_event_prune(bed->store, NOW, 1, &cursor, &deleted), ERR_OK);
	assert_int_equal(deleted, 1);
	assert_int_equal(cursor, 1);
	assert_since(bed->store, 0, 9, "2a2 3a3 4a4 5b1 ");
	assert_int_equal(store_event_prune(bed->store, NOW, 2, &cursor, &deleted), ERR_OK);
	assert_int_equal(deleted, 1);
	assert_int_equal(cursor, 3);
	assert_since(bed->store, 0, 9, "3a3 4a4 5b1 ");
	assert_int_equal(store_event_prune(bed->store, NOW, 2, &cursor, &deleted), ERR_OK);
	assert_int_equal(deleted, 0);
	assert_int_equal(cursor, 5);
	assert_int_equal(store_event_prune(bed->store, NOW, 2, &cursor, &deleted), ERR_ABSENT);
	assert_int_equal(prune(bed->store, NOW + 1, 1), 1);
	/* The newest of each stays, however old. */
	assert_int_equal(prune(bed->store, INT64_MAX, 10), 0);
	assert_since(bed->store, 0, 9, "4a4 5b1 ");
	assert_int_equal(report(bed->store, two, "uploading", 1).decision, DECISION_SAME);
	/* Of a session that was taken away without its trigger nothing is kept. */
	shell(bed->path, "PRAGMA recursive_triggers = OFF;"
	    "REPLACE INTO session (id) VALUES ('6ba7b810-9dad-11d1-80b4-00c04fd430c8')");
	assert_since(bed->store, 0, 9, "4a4 ");
	assert_int_equal(prune(bed->store, NOW, 10), 1);
	/* No revision comes again. */
	shell(bed->path, "DELETE FROM event");
	assert_int_equal(report(bed->store, one, "uploading", 9).result.revision, 6);
	assert_int_equal(store_event_revision(bed->store, &revision), ERR_OK);
	assert_int_equal(revision, 6);
}

/* Runs as they begin, go on, end and begin anew; the newest comes first, by its newest update. */
static void
test_active(void **state)
{
	struct bed *bed = *state;
	struct store *store = bed->store;
	struct id id = id_of(two);

	add_session(store, one, ann);
	add_session(store, two, bob);
	assert_active(store, NULL, INT64_MAX, SIZE_MAX, "");
	report(store, one, "uploading", 1);
	report(store, two, "uploading", 2);
	report(store, one, "uploading", 3);
	assert_active(store, NULL, INT64_MAX, SIZE_MAX, "2b2 3a3 ");
	assert_active(store, NULL, INT64_MAX, 1, "2b2 ");
	assert_active(store, NULL, 2, 9, "3a3 "); /* of runs before that of b */
	assert_active(store, NULL, 1, 9, "");
	assert_active(store, ann, INT64_MAX, 9, "3a3 ");
	assert_active(store, bob, INT64_MAX, 9, "2b2 ");
	assert_active(store, bob, 2, 9, "");
	assert_active(store, one, INT64_MAX, 9, ""); /* no patient */
	report(store, one, "processed", PROGRESS_NONE);
	assert_active(store, NULL, INT64_MAX, 9, "2b2 ");
	report(store, two, "failed", PROGRESS_NONE);
	assert_active(store, NULL, INT64_MAX, 9, "");
	report(store, one, "uploading", 4);
	report(store, two, "transcribing", 20); /* tried again */
	assert_active(store, NULL, INT64_MAX, 9, "7b20 6a4 ");
	report(store, one, "uploading", 5);
	assert_active(store, NULL, INT64_MAX, 9, "7b20 8a5 ");
	assert_int_equal(store_session_delete(store, &id), ERR_OK);
	assert_active(store, NULL, INT64_MAX, 9, "8a5 ");
	add_session(store, two, bob);
	/* What was rolled back began nothing. */
	assert_int_equal(store_begin(store), ERR_OK);
	report_in(store, two, "uploading", 6);
	store_rollback(store);
	assert_active(store, NULL, INT64_MAX, 9, "8a5 ");
	/* Updates that were taken away by hand. */
	shell(bed->path, "DELETE FROM event WHERE revision = 8");
	assert_active(store, NULL, INT64_MAX, 9, "6a4 ");
	shell(bed->path, "DELETE FROM event");
	assert_active(store, NULL, INT64_MAX, 9, "");
}

/* Makes so many sessions, with three updates each, of which half are under way; five are bob's. */
static void
fill(const char *path, int from, int to)
{
	char sql[2048];

	snprintf(sql, sizeof(sql),
	    "CREATE TEMP TABLE n AS WITH RECURSIVE n(i) AS (SELECT %d UNION ALL"
	    " SELECT i + 1 FROM n WHERE i < %d) SELECT i FROM n;"
	    "INSERT INTO session (number, id, patient_id) SELECT i,"
	    " printf('%%08x-0000-4000-8000-000000000000', i), CASE WHEN i <= 5 THEN '%s' END FROM n;"
	    "INSERT INTO event (revision, session, run, status, rank, outcome, progress, message,"
	    " updated_at, created_at) SELECT i * 10 + k, i, i * 10, 's', 0,"
	    " CASE WHEN k < 2 OR i %% 2 THEN 'running' ELSE 'processed' END, 0, 'm', 0, 0"
	    " FROM n, (SELECT 0 AS k UNION SELECT 1 UNION SELECT 2);"
	    "INSERT INTO active (session, run) SELECT i, i * 10 FROM n WHERE i %% 2", from, to, bob);
	shell(path, sql);
}

/* What the last walk by this statement has cost: steps of SQLite's machine. Nothing was sorted or scanned
 * but what the statement says. */
static int
cost(struct store *store, enum sql sql, int sorts)
{
	sqlite3_stmt *stmt = store->prepared[sql];

	assert_non_null(stmt);
	assert_int_equal(sqlite3_stmt_status(stmt, SQLITE_STMTSTATUS_SORT, 1), sorts);
	assert_int_equal(sqlite3_stmt_status(stmt, SQLITE_STMTSTATUS_FULLSCAN_STEP, 1), 0);
	assert_int_equal(sqlite3_stmt_status(stmt, SQLITE_STMTSTATUS_AUTOINDEX, 1), 0);
	return sqlite3_stmt_status(stmt, SQLITE_STMTSTATUS_VM_STEP, 1);
}

/* A page of the list costs what is on it, however much else is kept. */
static void
test_active_cost(void **state)
{
	struct bed *bed = *state;
	int few, few_of_bob;

	fill(bed->path, 1, 100);
	assert_active(bed->store, NULL, 970, 3, "952b0 932b0 912b0 ");
	few = cost(bed->store, SQL_ACTIVE_ALL, 0);
	assert_active(bed->store, bob, INT64_MAX, 9, "52b0 32b0 12b0 ");
	few_of_bob = cost(bed->store, SQL_ACTIVE_OF_PATIENT, 1);
	fill(bed->path, 101, 20000);
	assert_active(bed->store, NULL, 970, 3, "952b0 932b0 912b0 ");
	assert_int_equal(cost(bed->store, SQL_ACTIVE_ALL, 0), few);
	assert_active(bed->store, NULL, INT64_MAX, 3, "199992b0 199972b0 199952b0 ");
	assert_int_equal(cost(bed->store, SQL_ACTIVE_ALL, 0), few);
	assert_active(bed->store, bob, INT64_MAX, 9, "52b0 32b0 12b0 ");
	assert_int_equal(cost(bed->store, SQL_ACTIVE_OF_PATIENT, 1), few_of_bob);
}

/* ---- processes, upkeep ---- */

#define CHILD_GROUPS 40
#define CHILD_GROUP 5

/* Another process: commits groups of updates, and says so on the pipe after each. */
static NORETURN void
write_groups(const char *path, int pipe_fd)
{
	struct store *store;
	struct buf why = BUF_INIT(1024);
	struct answer answer;
	struct update update = { .session = id_of(one), .status = text_of("uploading"),
		.eta = PROGRESS_ETA_NONE };

	if (store_open(path, STORE_BRIEF, 5000, &store, &why) != ERR_OK)
		_exit(1);
	for (int i = 0; i < CHILD_GROUPS; i++) {
		if (store_begin(store) != ERR_OK)
			_exit(2);
		for (int k = 0; k < CHILD_GROUP; k++) {
			update.restart = true;
			update.progress = (i + k) % 20;
			if (report_update(store, &update, NOW, &answer) != ERR_OK ||
			    answer.decision != DECISION_STORE)
				_exit(3);
		}
		if (store_commit(store) != ERR_OK || write(pipe_fd, "!", 1) != 1)
			_exit(4);
	}
	store_close(&store);
	_exit(0);
}

static bool
follow(void *arg, const struct progress *p)
{
	int64_t *cursor = arg;

	if (p->revision != *cursor + 1)
		fail_msg("after %lld came %lld", (long long)*cursor, (long long)p->revision);
	*cursor = p->revision;
	return true;
}

/* What is committed is seen by others, in order, without a gap, and whole groups of it at once. */
static void
test_processes(void **state)
{
	struct bed *bed = *state;
	int64_t cursor = 0, told = 0;
	int ends[2], status;
	char c;
	pid_t pid;

	add_session(bed->store, one, NULL);
	store_close(&bed->store); /* no connection crosses a fork */
	assert_int_equal(pipe(ends), 0);
	pid = fork();
	if (pid == 0) {
		close(ends[0]);
		write_groups(bed->path, ends[1]);
	}
	assert_true(pid > 0);
	close(ends[1]);
	bed->store = open_store(bed->path, STORE_READ);
	while (read(ends[0], &c, 1) == 1) {
		told += CHILD_GROUP;
		assert_int_equal(store_event_since(bed->store, cursor, SIZE_MAX, follow, &cursor),
		    ERR_OK);
		assert_true(cursor >= told);
		assert_int_equal(cursor % CHILD_GROUP, 0);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
	assert_int_equal(cursor, CHILD_GROUPS * CHILD_GROUP);
	close(ends[0]);
}

/* Commits groups of updates, as milepost-api does; returns the longest that the WAL was. */
static int64_t
many_updates(struct store *store, int groups, int group)
{
	struct update update = { .session = id_of(one), .status = text_of("uploading"),
		.eta = PROGRESS_ETA_NONE, .restart = true };
	struct store_stats stats;
	struct answer answer;
	int64_t longest = 0;

	for (int i = 0; i < groups; i++) {
		assert_int_equal(store_begin(store), ERR_OK);
		for (int k = 0; k < group; k++) {
			update.progress = (i + k) % 20;
			assert_int_equal(report_update(store, &update, NOW, &answer), ERR_OK);
			assert_int_equal(answer.decision, DECISION_STORE);
		}
		assert_int_equal(store_commit(store), ERR_OK);
		assert_int_equal(checkpoint(store), ERR_OK);
		if (i % 64 == 0) { /* counting takes time */
			assert_int_equal(store_stats(store, &stats), ERR_OK);
			longest = stats.wal_bytes > longest ? stats.wal_bytes : longest;
		}
	}
	return longest;
}

#define WAL_PAGE (4096 + 24)

/* The WAL begins anew after each checkpoint, with readers about. */
static void
test_checkpoint(void **state)
{
	struct bed *bed = *state;
	struct store *reader = open_store(bed->path, STORE_READ);
	struct store_stats stats;
	int64_t longest;

	add_session(bed->store, one, NULL);
	assert_int_equal(checkpoint(reader), ERR_OK); /* a reader has nothing to do */
	longest = many_updates(bed->store, 1250, 16);
	assert_true(longest > 0);
	assert_true(longest < (STORE_CHECKPOINT_PAGES + 100) * WAL_PAGE);
	assert_int_equal(store_stats(reader, &stats), ERR_OK);
	assert_int_equal(stats.events, 20000);
	assert_int_equal(stats.newest, 20000);
	assert_sound(bed->path);
	store_close(&reader);
}

/* One who reads on and on makes it grow, but only as long as he does. */
static void
test_checkpoint_held(void **state)
{
	struct bed *bed = *state;
	struct store *reader = open_store(bed->path, STORE_READ);
	struct store_stats stats;
	int64_t revision;

	add_session(bed->store, one, NULL);
	assert_int_equal(store_snapshot(reader), ERR_OK);
	assert_int_equal(store_event_revision(reader, &revision), ERR_OK);
	many_updates(bed->store, 500, 16);
	assert_int_equal(store_stats(bed->store, &stats), ERR_OK);
	assert_true(stats.wal_bytes > 2 * STORE_CHECKPOINT_PAGES * (int64_t)WAL_PAGE);
	assert_int_equal(store_event_revision(reader, &revision), ERR_OK);
	assert_int_equal(revision, 0); /* he still sees what he saw */
	store_snapshot_end(reader);
	many_updates(bed->store, 500, 16);
	assert_true(bed->store->wal_frames < STORE_CHECKPOINT_PAGES + 100);
	store_close(&reader);
}

/* Another holds the writer's place: no waiting, no harm, later it works. */
static void
test_checkpoint_busy(void **state)
{
	struct bed *bed = *state;
	struct store *other = open_store(bed->path, STORE_BRIEF);

	add_session(bed->store, one, NULL);
	bed->store->checkpoint_at = 1;
	assert_int_equal(store_begin(other), ERR_OK);
	assert_int_equal(checkpoint(bed->store), ERR_BUSY);
	store_rollback(other);
	assert_int_equal(checkpoint(bed->store), ERR_OK);
	add_session(other, two, NULL); /* the checkpoint holds nothing afterwards */
	store_close(&other);
}

/* A full disk takes the transaction back; nothing of the group may be stored after it alone. */
static void
test_full(void **state)
{
	struct bed *bed = *state;
	struct update update = { .session = id_of(one), .status = text_of("uploading"),
		.message = text_of("x"), .eta = PROGRESS_ETA_NONE, .restart = true };
	struct answer answer;
	struct store_stats stats;
	enum err err = ERR_OK;

	add_session(bed->store, one, NULL);
	/* Held to its present size. */
	assert_int_equal(sqlite3_exec(bed->store->db, "PRAGMA max_page_count = 1", NULL, NULL,
	    NULL), SQLITE_OK);
	assert_int_equal(store_begin(bed->store), ERR_OK);
	for (int i = 0; i < 1000 && err == ERR_OK; i++) {
		update.progress = i % 20;
		err = report_update(bed->store, &update, NOW, &answer);
	}
	assert_int_equal(err, ERR_FULL);
	assert_non_null(strstr(store_error(bed->store), "full"));
	/* As SQLite may do by itself, depending on where it failed. */
	if (!sqlite3_get_autocommit(bed->store->db))
		sqlite3_exec(bed->store->db, "ROLLBACK", NULL, NULL, NULL);
	assert_int_equal(report_update(bed->store, &update, NOW, &answer), ERR_SYSTEM);
	assert_int_equal(store_commit(bed->store), ERR_SYSTEM);
	assert_int_equal(store_stats(bed->store, &stats), ERR_OK);
	assert_int_equal(stats.events, 0);
}

/* ---- the n-th allocation of SQLite's fails ---- */

static sqlite3_mem_methods real;
static int until_failure; /* 0: none fails */

static bool
fails(void)
{
	return until_failure > 0 && --until_failure == 0;
}

static void *
failing_malloc(int size)
{
	return fails() ? NULL : real.xMalloc(size);
}

static void *
failing_realloc(void *data, int size)
{
	return fails() ? NULL : real.xRealloc(data, size);
}

static int
may_fail(void)
{
	sqlite3_mem_methods methods;

	if (sqlite3_config(SQLITE_CONFIG_GETMALLOC, &real) != SQLITE_OK)
		return -1;
	methods = real;
	methods.xMalloc = failing_malloc;
	methods.xRealloc = failing_realloc;
	return sqlite3_config(SQLITE_CONFIG_MALLOC, &methods) == SQLITE_OK ? 0 : -1;
}

/* A bit of everything, from opening to closing. */
static enum err
all_sorts(const struct bed *bed)
{
	struct update update = { .session = id_of(one), .status = text_of("transcribing"),
		.progress = 30, .eta = 5, .restart = true };
	struct user user = { .id = id_of(bob), .role = ROLE_PATIENT, .email = text_of("bob@b") };
	struct buf why = BUF_INIT(1024);
	struct walk walk = { .out = BUF_INIT(65536) };
	struct store *store = NULL;
	struct store_stats stats;
	struct answer answer;
	bool created;
	enum err err = store_open(bed->path, STORE_BRIEF, 0, &store, &why);

	if (err == ERR_OK)
		err = store_begin(store);
	if (err == ERR_OK)
		err = report_update(store, &update, NOW, &answer);
	if (err == ERR_OK) {
		store_rollback(store);
		err = store_user_put(store, &user, &created);
	}
	if (err == ERR_OK)
		err = store_user_delete(store, &user.id);
	if (err == ERR_OK)
		err = store_event_since(store, 0, 100, collect_event, &walk);
	if (err == ERR_OK)
		err = store_stats(store, &stats);
	if (err == ERR_OK) {
		store->checkpoint_at = 0;
		err = checkpoint(store);
	}
	if (err == ERR_OK)
		err = store_backup(store, bed->other);
	store_close(&store);
	buf_fini(&why);
	buf_fini(&walk.out);
	return err;
}

/* Each failure is told as what it is, harms nothing and leaves nothing behind. */
static void
test_no_memory(void **state)
{
	struct bed *bed = *state;
	enum err err;
	int n = 0;
	bool failed;

	add_session(bed->store, one, NULL);
	report(bed->store, one, "uploading", 3);
	do {
		n += 1 + n / 32; /* there are thousands, most of them alike */
		until_failure = n;
		err = all_sorts(bed);
		failed = until_failure == 0;
		until_failure = 0;
		/* SQLite does without some allocations. */
		if (failed && err != ERR_NOMEM && err != ERR_OK)
			fail_msg("allocation %d: %s", n, err_name(err));
		if (err != ERR_OK)
			assert_int_not_equal(access(bed->other, F_OK), 0);
		unlink(bed->other);
	} while (failed);
	assert_int_equal(err, ERR_OK);
	assert_true(n > 1000);
	assert_since(bed->store, 0, 9, "1a3 ");
	assert_users(bed->store, "");
	assert_sound(bed->path);
}

static void
test_stats(void **state)
{
	struct bed *bed = *state;
	struct store_stats stats;
	struct user user = { .id = id_of(ann), .role = ROLE_PATIENT, .active = true };
	struct key_row row;
	char key[KEY_TEXT_LEN + 1];
	bool created;

	assert_int_equal(store_stats(bed->store, &stats), ERR_OK);
	assert_int_equal(stats.newest, 0);
	assert_int_equal(stats.running, 0);
	add_session(bed->store, one, NULL);
	add_session(bed->store, two, NULL);
	assert_int_equal(store_user_put(bed->store, &user, &created), ERR_OK);
	assert_int_equal(store_key_new(bed->store, SCOPE_WORKER, text_of("w"), key, &row), ERR_OK);
	report(bed->store, one, "uploading", 1);
	report(bed->store, two, "uploading", 1);
	report(bed->store, two, "failed", PROGRESS_NONE);
	assert_int_equal(store_stats(bed->store, &stats), ERR_OK);
	assert_int_equal(stats.schema, schema_version());
	assert_int_equal(stats.users, 1);
	assert_int_equal(stats.sessions, 2);
	assert_int_equal(stats.keys, 1);
	assert_int_equal(stats.events, 3);
	assert_int_equal(stats.running, 1);
	assert_int_equal(stats.newest, 3);
	assert_true(stats.wal_bytes > 0);
	assert_int_equal(store_library_version()[0], '3');
}

static void
test_backup(void **state)
{
	struct bed *bed = *state;
	struct store *reader, *copy;
	struct stat st;
	mode_t saved = umask(027);

	add_session(bed->store, one, ann);
	report(bed->store, one, "uploading", 3);
	reader = open_store(bed->path, STORE_READ);
	assert_int_equal(store_backup(reader, bed->other), ERR_OK);
	umask(saved);
	assert_int_equal(stat(bed->other, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0640);
	assert_int_equal(store_backup(bed->store, bed->other), ERR_CONFLICT);
	assert_non_null(strstr(store_error(bed->store), bed->other));
	assert_int_equal(store_backup(bed->store, "/tmp/no-such-directory/copy"), ERR_SYSTEM);
	/* The copy is a database like any other, and goes its own way. */
	copy = open_store(bed->other, STORE_WRITE);
	assert_since(copy, 0, 9, "1a3 ");
	assert_int_equal(report(copy, one, "uploading", 4).result.revision, 2);
	assert_since(reader, 0, 9, "1a3 ");
	store_close(&copy);
	store_close(&reader);
}

int
main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
#define TEST_EMPTY(name) cmocka_unit_test_setup_teardown(name, setup_empty, teardown)
	const struct CMUnitTest tests[] = {
		TEST_EMPTY(test_init),
		TEST_EMPTY(test_open_refuses),
		TEST(test_open_versions),
		TEST(test_open_damaged),
		TEST(test_open_busy),
		TEST(test_open_unwritable),
		TEST(test_modes),
		TEST(test_users),
		TEST(test_sessions),
		TEST(test_transaction),
		TEST(test_snapshot),
		TEST(test_odd_rows),
		TEST(test_authority),
		TEST(test_authority_lost),
		TEST(test_keys),
		TEST(test_tickets),
		TEST(test_migration),
		TEST(test_report),
		TEST(test_report_details),
		TEST(test_own_stages),
		TEST(test_walks),
		TEST(test_prune),
		TEST(test_active),
		TEST(test_active_cost),
		TEST(test_processes),
		TEST(test_checkpoint),
		TEST(test_checkpoint_held),
		TEST(test_checkpoint_busy),
		TEST(test_full),
		TEST(test_no_memory),
		TEST(test_stats),
		TEST(test_backup),
	};

	if (may_fail() != 0)
		return 1;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
