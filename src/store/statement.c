/* statement.c: the SQL of src/store, and the running of it. */
#include "store/statement.h"

#include "store/connection.h"

#include <stdio.h>
#include <string.h>

#define USER_COLUMNS "id, role, is_active, email, password"
#define SESSION_COLUMNS "number, id, patient_id, created_at"
#define KEY_COLUMNS "number, scope, name, created_at"
#define EVENT_COLUMNS \
	"e.revision, e.run, s.id, e.status, e.rank, e.outcome, e.progress, e.message, e.error, " \
	"e.eta, e.updated_at, e.created_at, e.stored_ms"
/* CROSS JOIN keeps SQLite from choosing session as the outer loop. */
#define EVENT_ROWS \
	"SELECT " EVENT_COLUMNS " FROM event e CROSS JOIN session s ON s.number = e.session "

/* The newest update of each session whose run goes on. */
#define ACTIVE_UPDATE \
	"CROSS JOIN event e ON e.revision = (SELECT max(revision) FROM event WHERE session = a.session)"

/* Of milepost-relay's tables (replica.c): what travels, with the update where there is one. */
#define THING_COLUMNS \
	"t.kind, t.id, t.life, t.is_deleted, t.version, t.host, t.detail, t.is_active, t.label, " \
	"t.password, t.created_at"
#define WEIGHED_COLUMNS \
	"e.status, e.rank, e.outcome, e.progress, e.message, e.error, e.eta, e.updated_at, e.created_at"
#define OUT_ROWS \
	"SELECT o.n, o.kind = 'event', " THING_COLUMNS ", o.generation, o.seq," \
	" (SELECT host FROM relay), " WEIGHED_COLUMNS \
	" FROM relay_out o CROSS JOIN relay_thing t ON t.id = o.id" \
	"  AND t.kind = CASE o.kind WHEN 'event' THEN 'session' ELSE o.kind END" \
	" LEFT JOIN event e ON e.revision = o.revision "
/* SQLite would rather look at all users, of whom there may be many: it takes one column of the table's key for
 * as good as two of an index. */
#define CLAIMANTS "relay_thing INDEXED BY relay_thing_label"
#define IS_CLAIM "kind = ?1 AND label = ?2 COLLATE NOCASE AND NOT is_deleted"

/* AUTOINCREMENT's memory knows the newest number ever given, that of deleted rows included. */
#define NEWEST(table) "SELECT seq FROM sqlite_sequence WHERE name = '" table "'"

static const char *const texts[SQL__MAX] = {
	[SQL_BEGIN] = "BEGIN IMMEDIATE",
	[SQL_COMMIT] = "COMMIT",
	[SQL_ROLLBACK] = "ROLLBACK",
	[SQL_SNAPSHOT] = "BEGIN",
	[SQL_TRY] = "SAVEPOINT try",
	[SQL_TRY_UNDO] = "ROLLBACK TO try",
	[SQL_TRY_END] = "RELEASE try",
	[SQL_STATS] =
	    "SELECT (SELECT count(*) FROM user), (SELECT count(*) FROM session),"
	    " (SELECT count(*) FROM key), (SELECT count(*) FROM event),"
	    " (SELECT count(*) FROM session s WHERE 'running' = (SELECT outcome FROM event e"
	    "   WHERE e.session = s.number ORDER BY e.revision DESC LIMIT 1)),"
	    " ifnull((" NEWEST("event") "), 0)",

	[SQL_USER_BY_ID] = "SELECT " USER_COLUMNS " FROM user WHERE id = ?1",
	[SQL_USER_BY_EMAIL] = "SELECT " USER_COLUMNS " FROM user WHERE email = ?1",
	[SQL_USER_PUT] =
	    "INSERT INTO user (" USER_COLUMNS ") VALUES (?1, ?2, ?3, ?4, ?5)"
	    " ON CONFLICT (id) DO UPDATE SET role = excluded.role, is_active = excluded.is_active,"
	    " email = excluded.email, password = excluded.password",
	[SQL_USER_DELETE] = "DELETE FROM user WHERE id = ?1",
	[SQL_USER_EACH] = "SELECT " USER_COLUMNS " FROM user ORDER BY id",
	[SQL_SESSION_BY_ID] = "SELECT " SESSION_COLUMNS " FROM session WHERE id = ?1",
	[SQL_SESSION_PUT] =
	    "INSERT INTO session (id, patient_id) VALUES (?1, ?2)"
	    " ON CONFLICT (id) DO UPDATE SET patient_id = excluded.patient_id",
	[SQL_SESSION_DELETE] = "DELETE FROM session WHERE id = ?1",
	[SQL_SESSION_EACH] = "SELECT " SESSION_COLUMNS " FROM session ORDER BY number",
	[SQL_AUTHORITY_NEWEST] = NEWEST("authority"),
	[SQL_AUTHORITY_SINCE] =
	    "SELECT number, kind, id FROM authority WHERE number > ?1 ORDER BY number",

	[SQL_KEY_NEW] =
	    "INSERT INTO key (hash, scope, name) VALUES (?1, ?2, ?3) RETURNING number, created_at",
	[SQL_KEY_BY_HASH] = "SELECT " KEY_COLUMNS " FROM key WHERE hash = ?1",
	[SQL_KEY_DELETE] = "DELETE FROM key WHERE name = ?1",
	[SQL_KEY_EACH] = "SELECT " KEY_COLUMNS " FROM key ORDER BY number",

	[SQL_TICKET_NEW] =
	    "INSERT INTO ticket (hash, user_id, role, key, token_expires_at, expires_at)"
	    " VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
	[SQL_TICKET_TAKE] =
	    "DELETE FROM ticket WHERE hash = ?1 AND expires_at > ?2"
	    " RETURNING user_id, role, key, token_expires_at",
	[SQL_TICKET_SWEEP] = "DELETE FROM ticket WHERE expires_at <= ?1",
	[SQL_TICKET_COUNT] = "SELECT count(*) FROM ticket WHERE user_id = ?1",

	[SQL_STAGE_BY_NAME] =
	    "SELECT name, rank, min, max, fallback, outcome, message FROM stage WHERE name = ?1",
	[SQL_STAGE_NAMES] = "SELECT name FROM stage ORDER BY rank",
	/* A run without a number yet is numbered by its first update, which is this one. */
	[SQL_EVENT_ADD] =
	    "INSERT INTO event (session, run, status, rank, outcome, progress, message, error, eta,"
	    " updated_at, created_at, stored_ms)"
	    " VALUES (?1, coalesce(?2, (" NEWEST("event") ") + 1, 1),"
	    " ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11,"
	    " CAST(round((julianday('now') - 2440587.5) * 86400000) AS INTEGER))",
	[SQL_EVENT_NEWEST] = EVENT_ROWS "WHERE e.session = ?1 ORDER BY e.revision DESC LIMIT 1",
	[SQL_EVENT_SINCE] = EVENT_ROWS "WHERE e.revision > ?1 ORDER BY e.revision LIMIT ?2",
	[SQL_EVENT_OF_SESSION] =
	    EVENT_ROWS "WHERE e.session = ?1 AND e.revision > ?2 ORDER BY e.revision LIMIT ?3",
	[SQL_EVENT_REVISION] = NEWEST("event"),
	[SQL_EVENT_SPAN] =
	    "SELECT max(revision), min(updated_at) FROM (SELECT revision, updated_at FROM event"
	    " WHERE revision > ?1 ORDER BY revision LIMIT ?2)",
	/* Rows of a session that is gone go too: INSERT OR REPLACE in a shell takes it away without its
	 * trigger. */
	[SQL_EVENT_PRUNE] =
	    "DELETE FROM event WHERE revision > ?1 AND revision <= ?2 AND updated_at < ?3"
	    " AND (EXISTS (SELECT 1 FROM event later"
	    "   WHERE later.session = event.session AND later.revision > event.revision)"
	    "  OR NOT EXISTS (SELECT 1 FROM session s WHERE s.number = event.session))",

	[SQL_ACTIVE_BEGIN] = "INSERT OR REPLACE INTO active (session, run) VALUES (?1, ?2)",
	[SQL_ACTIVE_END] = "DELETE FROM active WHERE session = ?1",
	/* In the order of an index, so that a page costs what is on it, whatever else there is. */
	[SQL_ACTIVE_ALL] =
	    "SELECT " EVENT_COLUMNS " FROM active a " ACTIVE_UPDATE
	    " CROSS JOIN session s ON s.number = a.session WHERE a.run < ?1"
	    " AND e.run = a.run AND e.outcome = 'running' ORDER BY a.run DESC LIMIT ?2",
	/* From the patient's sessions, which are few. */
	[SQL_ACTIVE_OF_PATIENT] =
	    "SELECT " EVENT_COLUMNS " FROM session s CROSS JOIN active a ON a.session = s.number "
	    ACTIVE_UPDATE " WHERE s.patient_id = ?3 AND a.run < ?1"
	    " AND e.run = a.run AND e.outcome = 'running' ORDER BY a.run DESC LIMIT ?2",

	[SQL_RELAY] =
	    "SELECT host, token, revision, authority, position, sent, sent_entry, server,"
	    " ifnull((" NEWEST("relay_out") "), 0) FROM relay",
	[SQL_RELAY_JOIN] =
	    "INSERT INTO relay (only, host, token, revision, authority, since, alive_at)"
	    " VALUES (1, ?1, lower(hex(randomblob(16))), ifnull((" NEWEST("event") "), 0), 0, ?2, ?2)",
	[SQL_RELAY_LEAVE] = "DELETE FROM relay",
	[SQL_RELAY_SAVE] =
	    "UPDATE relay SET revision = ?1, authority = ?2, position = ?3, sent = ?4,"
	    " sent_entry = ?5, server = ?6",
	[SQL_RELAY_STATE] =
	    "UPDATE relay SET since = CASE state WHEN ?1 THEN since ELSE ?2 END, state = ?1,"
	    " alive_at = ?2, error = ?3",
	[SQL_RELAY_STATUS] =
	    "SELECT host, state, since, alive_at, error,"
	    " ifnull((" NEWEST("relay_out") "), 0) - sent,"
	    " (SELECT count(*) FROM relay_host WHERE doubt) FROM relay",
	/* A database from a backup, or a new one, must not give out numbers that others know already.
	 * SQLite makes the row at the first insertion only. */
	[SQL_RELAY_COUNT] =
	    "INSERT INTO sqlite_sequence (name, seq) SELECT 'relay_out', 0 WHERE NOT EXISTS"
	    " (SELECT 1 FROM sqlite_sequence WHERE name = 'relay_out')",
	[SQL_RELAY_LEVEL] =
	    "UPDATE sqlite_sequence SET seq = max(seq, ?1) WHERE name = 'relay_out'",
	[SQL_HOST_EACH] =
	    "SELECT name, n, doubt, state, lag_ms, waiting, seen_at FROM relay_host ORDER BY name",
	[SQL_HOST_HEARD] =
	    "INSERT INTO relay_host (name, n, doubt) VALUES (?1, ?2, ?3)"
	    " ON CONFLICT (name) DO UPDATE SET n = excluded.n, doubt = excluded.doubt",
	[SQL_HOST_SEEN] =
	    "INSERT INTO relay_host (name, state, lag_ms, waiting, seen_at)"
	    " VALUES (?1, ?2, ?3, ?4, ?5) ON CONFLICT (name) DO UPDATE SET state = excluded.state,"
	    " lag_ms = excluded.lag_ms, waiting = excluded.waiting, seen_at = excluded.seen_at",

	[SQL_HOST_FORGET] = "DELETE FROM relay_host WHERE name = ?1",

	[SQL_THING_GET] =
	    "SELECT " THING_COLUMNS ", t.shown, t.number FROM relay_thing t"
	    " WHERE t.kind = ?1 AND t.id = ?2",
	[SQL_THING_PUT] =
	    "INSERT OR REPLACE INTO relay_thing (kind, id, life, is_deleted, version, host, detail,"
	    " is_active, label, password, created_at, shown, number)"
	    " VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13)",
	/* All that may differ from what is known of it. A UNION is complete before its first row. */
	[SQL_THING_IDS] =
	    "SELECT kind, id FROM relay_thing WHERE NOT is_deleted UNION SELECT 'user', id FROM user"
	    " UNION SELECT 'session', id FROM session UNION SELECT 'key', lower(hex(hash)) FROM key",
	[SQL_THING_KEY_IDS] =
	    "SELECT kind, id FROM relay_thing WHERE kind = 'key' AND NOT is_deleted"
	    " UNION SELECT 'key', lower(hex(hash)) FROM key",
	[SQL_THING_AFTER] =
	    "SELECT 0, e.revision IS NOT NULL, " THING_COLUMNS ", p.generation, p.seq, p.host, "
	    WEIGHED_COLUMNS " FROM relay_thing t"
	    " LEFT JOIN relay_top p ON t.kind = 'session' AND NOT t.is_deleted"
	    "  AND p.session = t.number"
	    " LEFT JOIN event e ON e.revision = p.revision"
	    " WHERE (t.kind, t.id) > (?1, ?2) ORDER BY t.kind, t.id LIMIT ?3",
	/* A thing's row here: detail, is_active, label, password, created_at, number. */
	[SQL_ROW_USER] = "SELECT role, is_active, email, password, 0, 0 FROM user WHERE id = ?1",
	[SQL_ROW_SESSION] =
	    "SELECT patient_id, 1, NULL, NULL, created_at, number FROM session WHERE id = ?1",
	[SQL_ROW_KEY] = "SELECT scope, 1, name, NULL, created_at, 0 FROM key WHERE hash = ?1",
	[SQL_SHOW_SESSION] =
	    "INSERT INTO session (id, patient_id, created_at) VALUES (?1, ?2, ?3)"
	    " ON CONFLICT (id) DO UPDATE SET patient_id = excluded.patient_id,"
	    " created_at = excluded.created_at RETURNING number",
	[SQL_SHOW_KEY] =
	    "INSERT INTO key (hash, scope, name, created_at) VALUES (?1, ?2, ?3, ?4)"
	    " ON CONFLICT (hash) DO UPDATE SET scope = excluded.scope, name = excluded.name,"
	    " created_at = excluded.created_at",
	[SQL_HIDE_KEY] = "DELETE FROM key WHERE hash = ?1",
	/* Of those who claim a label, the one of the least id shows it; the others show none, or, as a
	 * key must have a name, one that is their own. */
	[SQL_CLAIM] =
	    "UPDATE " CLAIMANTS " SET shown = CASE"
	    " WHEN id = (SELECT min(id) FROM " CLAIMANTS " WHERE " IS_CLAIM ") THEN label"
	    " WHEN kind = 'key' THEN substr(label, 1, 47) || '~' || substr(id, 1, 16) END"
	    " WHERE " IS_CLAIM,
	[SQL_CLAIM_SHOWN] = "SELECT shown FROM relay_thing WHERE kind = ?1 AND id = ?2",
	[SQL_CLAIM_YIELD_USER] =
	    "UPDATE user SET email = NULL WHERE email IS NOT NULL AND id IN"
	    " (SELECT id FROM " CLAIMANTS " WHERE " IS_CLAIM " AND shown IS NULL)",
	[SQL_CLAIM_TAKE_USER] =
	    "UPDATE user SET email = c.shown FROM (SELECT id, shown FROM " CLAIMANTS " WHERE " IS_CLAIM
	    " AND shown IS NOT NULL) c WHERE user.id = c.id AND user.email IS NOT c.shown",
	[SQL_CLAIM_YIELD_KEY] =
	    "UPDATE key SET name = c.shown FROM (SELECT id, shown FROM " CLAIMANTS " WHERE " IS_CLAIM
	    " AND shown <> label) c WHERE lower(hex(key.hash)) = c.id AND key.name <> c.shown",
	[SQL_CLAIM_TAKE_KEY] =
	    "UPDATE key SET name = c.shown FROM (SELECT id, shown FROM " CLAIMANTS " WHERE " IS_CLAIM
	    " AND shown = label) c WHERE lower(hex(key.hash)) = c.id AND key.name <> c.shown",

	[SQL_TOP_GET] = "SELECT run, generation, seq, host FROM relay_top WHERE session = ?1",
	[SQL_TOP_PUT] =
	    "INSERT OR REPLACE INTO relay_top (session, revision, run, generation, seq, host)"
	    " VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
	[SQL_TOP_NEXT] =
	    "INSERT INTO relay_top (session, revision, run, generation, seq, host)"
	    " VALUES (?1, ?2, ?3, 1, 1, ?4) ON CONFLICT (session) DO UPDATE SET"
	    " generation = generation + (run <> excluded.run), seq = seq + 1,"
	    " revision = excluded.revision, run = excluded.run, host = excluded.host",
	[SQL_TOP_ALL] =
	    "INSERT INTO relay_top (session, revision, run, generation, seq, host)"
	    " SELECT e.session, max(e.revision), e.run, 1, 1, ?1 FROM event e"
	    " CROSS JOIN session s ON s.number = e.session GROUP BY e.session",
	[SQL_CAPTURE_EVENTS] =
	    "SELECT e.revision, e.session, e.run, s.id FROM event e"
	    " CROSS JOIN session s ON s.number = e.session"
	    " WHERE e.revision > ?1 ORDER BY e.revision LIMIT ?2",
	[SQL_OUT_ADD] = "INSERT INTO relay_out (at, kind, id) VALUES (?1, ?2, ?3)",
	[SQL_OUT_ADD_TOP] =
	    "INSERT INTO relay_out (at, kind, id, revision, generation, seq)"
	    " SELECT ?1, 'event', ?2, revision, generation, seq FROM relay_top WHERE session = ?3",
	[SQL_OUT_ADD_ALL] =
	    "INSERT INTO relay_out (at, kind, id, revision, generation, seq)"
	    " SELECT ?1, 'event', s.id, p.revision, p.generation, p.seq FROM relay_top p"
	    " JOIN session s ON s.number = p.session ORDER BY p.revision",
	[SQL_OUT_AFTER] = OUT_ROWS "WHERE o.n > ?1 ORDER BY o.n LIMIT ?2",
	[SQL_OUT_OF_ID] = OUT_ROWS "WHERE o.id = ?1 AND o.n > ?2 AND o.n <= ?3 ORDER BY o.n",
	[SQL_OUT_IDS] = "SELECT n, id FROM relay_out WHERE n > ?1 ORDER BY n LIMIT ?2",
	[SQL_OUT_TRIM] =
	    "DELETE FROM relay_out WHERE n IN (SELECT n FROM relay_out"
	    " WHERE n <= ?1 AND (at < ?2 OR n <= ?3) ORDER BY n LIMIT ?4)",
};

enum err
statement_failed(struct store *store, sqlite3 *db, int rc)
{
	snprintf(store->error, sizeof(store->error), "%s",
	    sqlite3_extended_errcode(db) == rc ? sqlite3_errmsg(db) : sqlite3_errstr(rc));
	store->is_refused = (rc & 0xff) == SQLITE_CONSTRAINT;
	return connection_err(db, rc);
}

static void
check(struct statement *st, int rc)
{
	if (rc != SQLITE_OK && st->err == ERR_OK)
		st->err = statement_failed(st->store, st->store->db, rc);
}

struct statement
statement_use(struct store *store, enum sql sql)
{
	struct statement st = { .store = store };
	sqlite3_stmt **slot = &store->prepared[sql];

	if (*slot == NULL)
		check(&st, sqlite3_prepare_v3(store->db, texts[sql], -1, SQLITE_PREPARE_PERSISTENT,
		    slot, NULL));
	st.stmt = *slot;
	return st;
}

void
statement_bind_int(struct statement *st, int at, int64_t n)
{
	if (st->err == ERR_OK)
		check(st, sqlite3_bind_int64(st->stmt, at, n));
}

void
statement_bind_text(struct statement *st, int at, struct text t)
{
	if (st->err == ERR_OK && t.s != NULL)
		check(st,
		    sqlite3_bind_text64(st->stmt, at, t.s, t.len, SQLITE_STATIC, SQLITE_UTF8));
}

void
statement_bind_blob(struct statement *st, int at, const void *data, size_t len)
{
	if (st->err == ERR_OK)
		check(st, sqlite3_bind_blob64(st->stmt, at, data, len, SQLITE_STATIC));
}

void
statement_bind_id(struct statement *st, int at, const struct id *id)
{
	char text[ID_TEXT_LEN + 1];

	id_format(id, text);
	if (st->err == ERR_OK)
		check(st, sqlite3_bind_text(st->stmt, at, text, ID_TEXT_LEN, SQLITE_TRANSIENT));
}

bool
statement_row(struct statement *st)
{
	int rc;

	if (st->err != ERR_OK)
		return false;
	rc = sqlite3_step(st->stmt);
	if (rc != SQLITE_DONE && rc != SQLITE_ROW)
		check(st, rc);
	return rc == SQLITE_ROW;
}

int64_t
statement_int(const struct statement *st, int at)
{
	return sqlite3_column_int64(st->stmt, at);
}

bool
statement_null(const struct statement *st, int at)
{
	return sqlite3_column_type(st->stmt, at) == SQLITE_NULL;
}

struct text
statement_text(struct statement *st, int at)
{
	struct text t = { NULL, 0 };

	if (statement_null(st, at))
		return t;
	t.s = (const char *)sqlite3_column_text(st->stmt, at);
	t.len = (size_t)sqlite3_column_bytes(st->stmt, at);
	if (t.s == NULL)
		check(st, SQLITE_NOMEM);
	return t;
}

void
statement_odd(struct statement *st)
{
	if (st->err != ERR_OK)
		return;
	st->err = ERR_SYSTEM;
	snprintf(st->store->error, sizeof(st->store->error), "impossible value in a row of: %.160s",
	    sqlite3_sql(st->stmt));
}

void
statement_id(struct statement *st, int at, struct id *out)
{
	if (id_parse(statement_text(st, at), out) != ERR_OK)
		statement_odd(st);
}

void
statement_update(struct statement *st, int at, struct progress *out)
{
	out->status = text_cut(statement_text(st, at), PROGRESS_STATUS_MAX);
	out->rank = (int)statement_int(st, at + 1);
	if (outcome_parse(statement_text(st, at + 2), &out->outcome) != ERR_OK)
		statement_odd(st);
	out->progress = (int)statement_int(st, at + 3);
	out->message = text_cut(statement_text(st, at + 4), PROGRESS_MESSAGE_MAX);
	out->error = text_cut(statement_text(st, at + 5), PROGRESS_ERROR_MAX);
	out->eta = statement_null(st, at + 6) ? PROGRESS_ETA_NONE : statement_int(st, at + 6);
	out->updated_at = statement_int(st, at + 7);
	out->created_at = statement_int(st, at + 8);
}

enum err
statement_done(struct statement *st, enum err err)
{
	if (st->stmt != NULL) {
		sqlite3_reset(st->stmt); /* the failure it repeats was noted by the step */
		sqlite3_clear_bindings(st->stmt);
	}
	return st->err != ERR_OK ? st->err : err;
}

enum err
statement_run(struct store *store, enum sql sql)
{
	struct statement st = statement_use(store, sql);

	statement_row(&st);
	return statement_done(&st, ERR_OK);
}

enum err
statement_number(struct store *store, enum sql sql, int64_t *out)
{
	struct statement st = statement_use(store, sql);
	int64_t number = 0;
	enum err err;

	if (statement_row(&st))
		number = statement_int(&st, 0);
	err = statement_done(&st, ERR_OK);
	if (err == ERR_OK)
		*out = number;
	return err;
}

enum err
statement_delete(struct statement *st)
{
	statement_row(st);
	return statement_done(st, sqlite3_changes(st->store->db) > 0 ? ERR_OK : ERR_ABSENT);
}

enum err
statement_keep(struct store *store, struct text *const list[], size_t count)
{
	size_t total = 0;

	for (size_t i = 0; i < count; i++)
		total += list[i]->len;
	buf_reset(&store->kept);
	/* All the room at once: what was kept first must not move when the rest is added. */
	if (total > 0 && buf_room(&store->kept, total) == NULL) {
		snprintf(store->error, sizeof(store->error), "no memory for a result");
		return ERR_NOMEM;
	}
	for (size_t i = 0; i < count; i++) {
		struct text *t = list[i];
		size_t at = store->kept.len;

		buf_text(&store->kept, *t);
		if (t->len > 0)
			t->s = store->kept.data + at;
		else if (t->s != NULL)
			t->s = "";
	}
	return ERR_OK;
}

enum err
statement_inside(struct store *store)
{
	if (!sqlite3_get_autocommit(store->db))
		return ERR_OK;
	snprintf(store->error, sizeof(store->error),
	    "no transaction: none was begun, or a failure ended it");
	return ERR_SYSTEM;
}

enum err
statement_enter(struct store *store, bool *own)
{
	*own = sqlite3_get_autocommit(store->db) != 0;
	return *own ? statement_run(store, SQL_BEGIN) : ERR_OK;
}

enum err
statement_leave(struct store *store, bool own, enum err err)
{
	if (!own)
		return err;
	if (err == ERR_OK)
		return store_commit(store);
	store_rollback(store);
	return err;
}
