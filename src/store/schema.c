/* schema.c: applies the migrations of sql/, which are embedded here. */
#include "store/schema.h"

#include "store/connection.h"
#include "store/migrations.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#define BUSY_MS 5000

int
schema_version(void)
{
	return migrations[countof(migrations) - 1].number;
}

/* One migration, if it is still lacking: another init may have run meanwhile. */
static int
migrate(sqlite3 *db, const struct migration *migration)
{
	sqlite3_int64 version = 0;
	char mark[96];
	int rc = sqlite3_exec(db, "BEGIN IMMEDIATE", NULL, NULL, NULL);

	if (rc != SQLITE_OK)
		return rc;
	rc = connection_number(db, "PRAGMA user_version", &version);
	if (rc == SQLITE_OK && version < migration->number) {
		snprintf(mark, sizeof(mark),
		    "PRAGMA application_id = %d; PRAGMA user_version = %d;", APPLICATION_ID,
		    migration->number);
		rc = sqlite3_exec(db, migration->sql, NULL, NULL, NULL);
		if (rc == SQLITE_OK)
			rc = sqlite3_exec(db, mark, NULL, NULL, NULL);
	}
	if (rc == SQLITE_OK)
		rc = sqlite3_exec(db, "COMMIT", NULL, NULL, NULL);
	return rc;
}

static enum err
create_if_missing(const char *path, struct buf *why)
{
	enum err err = connection_create(path);

	if (err == ERR_OK || err == ERR_CONFLICT)
		return ERR_OK;
	buf_printf(why, "%s: can't be created: %s", path, strerror(errno));
	return errno == EACCES || errno == EROFS || errno == ENOSPC ? ERR_FULL : ERR_SYSTEM;
}

enum err
schema_init(const char *path, int *from, int *to, struct buf *why)
{
	sqlite3 *db;
	int version, rc;
	enum err err = create_if_missing(path, why);

	if (err == ERR_OK)
		err = connection_open(path, BUSY_MS, &db, &version, why);
	if (err != ERR_OK)
		return err;
	if (version > schema_version()) {
		buf_printf(why, "%s: made by a newer Milepost (schema %d, this program knows %d)",
		    path, version, schema_version());
		err = ERR_CONFLICT;
		goto out;
	}
	rc = sqlite3_exec(db, "PRAGMA journal_mode = WAL", NULL, NULL, NULL);
	for (size_t i = 0; i < countof(migrations) && rc == SQLITE_OK; i++)
		rc = migrate(db, &migrations[i]);
	if (rc != SQLITE_OK) {
		err = connection_why(db, rc, path, why);
		goto out;
	}
	*from = version;
	*to = schema_version();
out:
	sqlite3_close(db); /* rolls back what is open */
	return err;
}
