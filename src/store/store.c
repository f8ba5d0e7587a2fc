/* store.c: a connection's life, its transactions, the checkpoint, counts and backups. */
#include "store/store.h"

#include "store/connection.h"
#include "store/schema.h"
#include "store/statement.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define KEPT_MAX 1000000000u /* SQLite's own limit of a text */
#define FRAME_BYTES (4096 + 24) /* of the WAL: a page of the default size, and its head */

/* SQLite calls it after each commit of ours with the length of the WAL. */
static int
on_commit(void *arg, sqlite3 *db UNUSED, const char *name UNUSED, int frames)
{
	struct store *store = arg;

	if (frames < store->wal_frames)
		store->checkpoint_at = STORE_CHECKPOINT_PAGES; /* the WAL began anew */
	store->wal_frames = frames;
	return SQLITE_OK;
}

/* A reader's cache is thrown away at each commit of another connection, and milepost-api has a reader for
 * each thread: a large one would cost memory and spare nothing. In KiB. */
static const char read_settings[] =
    "PRAGMA query_only = ON;"
    "PRAGMA cache_size = -128;";

/* Is this a schema that the program can work with? */
static enum err
judge_version(const char *path, int version, struct buf *why)
{
	if (version == schema_version())
		return ERR_OK;
	if (version == 0) {
		buf_printf(why, "%s: no Milepost database in it; create it with: milepostctl init",
		    path);
		return ERR_ABSENT;
	}
	if (version < schema_version())
		buf_printf(why, "%s: its schema is %d, this program needs %d; bring it up to date "
		    "with: milepostctl init", path, version, schema_version());
	else
		buf_printf(why, "%s: made by a newer Milepost (schema %d, this program knows %d)",
		    path, version, schema_version());
	return ERR_CONFLICT;
}

/* Sets up what differs by mode, on a database that is one of ours. */
static enum err
settle(struct store *store, struct buf *why)
{
	sqlite3_int64 wal = 0;
	int rc;

	if (store->mode != STORE_READ && sqlite3_db_readonly(store->db, "main") == 1)
		return connection_why(store->db, SQLITE_READONLY, store->path, why);
	if (store->mode != STORE_WRITE)
		sqlite3_db_config(store->db, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, NULL);
	rc = connection_number(store->db,
	    "SELECT journal_mode = 'wal' FROM pragma_journal_mode", &wal);
	if (rc == SQLITE_OK && store->mode == STORE_LIGHT)
		rc = sqlite3_exec(store->db, "PRAGMA synchronous = NORMAL", NULL, NULL, NULL);
	if (rc == SQLITE_OK && store->mode == STORE_READ)
		rc = sqlite3_exec(store->db, read_settings, NULL, NULL, NULL);
	if (rc != SQLITE_OK)
		return connection_why(store->db, rc, store->path, why);
	if (!wal) {
		buf_printf(why, "%s: not in WAL mode; mend it with: milepostctl init", store->path);
		return ERR_CONFLICT;
	}
	sqlite3_wal_hook(store->db, on_commit, store);
	return ERR_OK;
}

enum err
store_open(const char *path, enum store_mode mode, int busy_ms, struct store **out, struct buf *why)
{
	struct store *store = calloc(1, sizeof(*store));
	int version;
	enum err err = ERR_NOMEM;

	if (store == NULL)
		goto fail;
	store->mode = mode;
	store->busy_ms = busy_ms;
	store->checkpoint_at = STORE_CHECKPOINT_PAGES;
	buf_init(&store->kept, KEPT_MAX);
	store->path = strdup(path);
	if (store->path == NULL)
		goto fail;
	err = connection_open(path, busy_ms, &store->db, &version, why);
	if (err == ERR_OK)
		err = judge_version(path, version, why);
	if (err == ERR_OK)
		err = settle(store, why);
	if (err == ERR_OK) {
		*out = store;
		return ERR_OK;
	}
fail:
	if (err == ERR_NOMEM)
		buf_printf(why, "%s: no memory", path);
	store_close(&store);
	return err;
}

void
store_close(struct store **address)
{
	struct store *store = *address;

	*address = NULL;
	if (store == NULL)
		return;
	store_rollback(store);
	/* SQLite would delete the WAL by its name: that of the file in our file's place. */
	if (store->db != NULL && store_is_moved(store))
		sqlite3_db_config(store->db, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, NULL);
	for (size_t i = 0; i < SQL__MAX; i++)
		sqlite3_finalize(store->prepared[i]);
	sqlite3_close(store->second);
	sqlite3_close(store->db);
	buf_fini(&store->kept);
	free(store->path);
	free(store);
}

bool
store_is_moved(struct store *store)
{
	int moved = 0;

	return sqlite3_file_control(store->db, "main", SQLITE_FCNTL_HAS_MOVED, &moved) == SQLITE_OK &&
	    moved != 0;
}

enum err
store_renew(struct store **address, bool *renewed, struct buf *why)
{
	struct store *old = *address, *new;
	enum err err;

	*renewed = false;
	if (!store_is_moved(old))
		return ERR_OK;
	err = store_open(old->path, old->mode, old->busy_ms, &new, why);
	if (err != ERR_OK)
		return err;
	store_close(address);
	*address = new;
	*renewed = true;
	return ERR_OK;
}

const char *
store_error(const struct store *store)
{
	return store->error;
}

enum err
store_begin(struct store *store)
{
	return statement_run(store, SQL_BEGIN);
}

enum err
store_commit(struct store *store)
{
	enum err err = statement_run(store, SQL_COMMIT);

	if (err != ERR_OK)
		store_rollback(store);
	return err;
}

/* Some failures (a full disk, say) roll back by themselves, so there may be nothing left to do. */
void
store_rollback(struct store *store)
{
	struct statement st;

	if (store->db == NULL || sqlite3_get_autocommit(store->db))
		return;
	st = statement_use(store, SQL_ROLLBACK);
	statement_row(&st);
	if (statement_done(&st, ERR_OK) != ERR_OK)
		sqlite3_exec(store->db, "ROLLBACK", NULL, NULL, NULL);
}

enum err
store_snapshot(struct store *store)
{
	store_rollback(store);
	return statement_run(store, SQL_SNAPSHOT);
}

bool
store_in_snapshot(const struct store *store)
{
	return !sqlite3_get_autocommit(store->db);
}

void
store_snapshot_end(struct store *store)
{
	store_rollback(store);
}

/* Another connection to the same file, for what one connection alone can't do. */
static enum err
second(struct store *store)
{
	struct buf why = BUF_INIT(sizeof(store->error) - 1);
	int version;
	enum err err;

	if (store->second != NULL)
		return ERR_OK;
	err = connection_open(store->path, store->busy_ms, &store->second, &version, &why);
	if (err == ERR_OK)
		sqlite3_db_config(store->second, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, NULL);
	else
		snprintf(store->error, sizeof(store->error), "%.*s", TEXT_ARG(buf_view(&why)));
	buf_fini(&why);
	return err;
}

/*
 * SQLite before 3.51.3 can lose rows when a commit restarts the WAL while a checkpoint runs
 * (sqlite.org/wal.html#walresetbug). So the writer's place is held, by a transaction that writes
 * nothing, while another connection copies. PASSIVE, because the other modes wait for readers, and
 * fall back to an unprotected PASSIVE where they wait in vain.
 */
enum err
store_checkpoint(struct store *store, bool now, enum checkpoint *result)
{
	bool due = now || store->wal_frames >= store->checkpoint_at;
	int length = 0, copied = 0, rc;
	enum err err;

	*result = CHECKPOINT_NOT_DUE;
	if (!due || !sqlite3_get_autocommit(store->db))
		return ERR_OK;
	err = second(store);
	if (err != ERR_OK)
		return err;
	/* Upkeep does not queue for the lock: after the next commit is time enough. */
	sqlite3_busy_timeout(store->db, 0);
	err = statement_run(store, SQL_BEGIN);
	sqlite3_busy_timeout(store->db, store->busy_ms);
	if (err != ERR_OK)
		return err;
	rc = sqlite3_wal_checkpoint_v2(store->second, "main", SQLITE_CHECKPOINT_PASSIVE,
	    &length, &copied);
	store_rollback(store);
	if (rc != SQLITE_OK)
		return statement_failed(store, store->second, rc);
	/* All copied, the next commit begins the WAL anew, unless somebody still reads in it: then
	 * it grows on, and trying again at every commit would only cost time. */
	store->checkpoint_at = store->wal_frames + STORE_CHECKPOINT_PAGES;
	*result = copied == length ? CHECKPOINT_WHOLE : CHECKPOINT_PART;
	return ERR_OK;
}

int64_t
store_wal_used(const struct store *store)
{
	return (int64_t)store->wal_frames * FRAME_BYTES;
}

/* Never opened: closing any descriptor of SQLite's files would drop its locks on them. */
int64_t
store_wal_bytes(const struct store *store)
{
	char *wal;
	struct stat st;
	int64_t size = 0;

	if (asprintf(&wal, "%s-wal", store->path) < 0)
		return 0;
	if (stat(wal, &st) == 0)
		size = (int64_t)st.st_size;
	free(wal);
	return size;
}

enum err
store_stats(struct store *store, struct store_stats *out)
{
	struct statement st = statement_use(store, SQL_STATS);

	if (statement_row(&st))
		*out = (struct store_stats){
			.schema = schema_version(),
			.users = statement_int(&st, 0),
			.sessions = statement_int(&st, 1),
			.keys = statement_int(&st, 2),
			.events = statement_int(&st, 3),
			.running = statement_int(&st, 4),
			.newest = statement_int(&st, 5),
			.wal_bytes = store_wal_bytes(store),
		};
	return statement_done(&st, ERR_OK);
}

const char *
store_library_version(void)
{
	return sqlite3_libversion();
}

/* VACUUM INTO leaves a rollback journal's header; store_open wants a WAL's. */
static enum err
set_wal(struct store *store, const char *path)
{
	struct buf why = BUF_INIT(sizeof(store->error) - 1);
	sqlite3 *db;
	int version;
	enum err err = connection_open(path, store->busy_ms, &db, &version, &why);

	if (err == ERR_OK) {
		int rc = sqlite3_exec(db, "PRAGMA journal_mode = WAL", NULL, NULL, NULL);

		if (rc != SQLITE_OK)
			err = statement_failed(store, db, rc);
		sqlite3_close(db);
	} else {
		snprintf(store->error, sizeof(store->error), "%.*s", TEXT_ARG(buf_view(&why)));
	}
	buf_fini(&why);
	return err;
}

/* On the second connection, because a reader's own is query_only. */
static enum err
vacuum_into(struct store *store, const char *path)
{
	sqlite3_stmt *stmt = NULL;
	int rc = sqlite3_prepare_v2(store->second, "VACUUM INTO ?1", -1, &stmt, NULL);

	if (rc == SQLITE_OK)
		rc = sqlite3_bind_text(stmt, 1, path, -1, SQLITE_STATIC);
	if (rc == SQLITE_OK)
		rc = sqlite3_step(stmt);
	sqlite3_finalize(stmt);
	return rc == SQLITE_DONE ? ERR_OK : statement_failed(store, store->second, rc);
}

enum err
store_backup(struct store *store, const char *path)
{
	enum err err = second(store);

	if (err != ERR_OK)
		return err;
	err = connection_create(path);
	if (err != ERR_OK) {
		snprintf(store->error, sizeof(store->error), "%s: %s", path, strerror(errno));
		return err;
	}
	err = vacuum_into(store, path);
	if (err == ERR_OK)
		err = set_wal(store, path);
	if (err != ERR_OK)
		unlink(path);
	return err;
}
