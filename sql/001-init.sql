-- 001-init.sql: what Milepost keeps. Each table's and index's reason stands beside it.
--
-- Ids are UUIDs as lower-case text, so that the sqlite3 shell is an operator's tool:
--     UPDATE user SET is_active = 0 WHERE id = '550e8400-e29b-41d4-a716-446655440000';
-- closes that user's connections at once: triggers note every change in the authority log below.
-- They do the work of foreign keys too, which are off in a shell. Times are seconds since 1970.

-- The stages of a run. An installation may add its own: ranks are spaced, so that a row fits
-- between any two; its bounds must fit between its neighbours' then, for progress never goes back.
CREATE TABLE stage (
	name TEXT NOT NULL PRIMARY KEY
		CHECK (length(name) BETWEEN 1 AND 64 AND name NOT GLOB '*[^a-z0-9_]*'),
	-- The order within a run; 0 is the first stage.
	rank INTEGER NOT NULL UNIQUE CHECK (rank >= 0),
	-- The bounds of progress, and what it is if left out; NULL: it may not be.
	min INTEGER NOT NULL CHECK (min >= 0),
	max INTEGER NOT NULL CHECK (max BETWEEN min AND 100),
	fallback INTEGER CHECK (fallback BETWEEN min AND max),
	outcome TEXT NOT NULL DEFAULT 'running'
		CHECK (outcome IN ('running', 'processed', 'failed')),
	message TEXT NOT NULL -- the default
		CHECK (length(CAST(message AS BLOB)) BETWEEN 1 AND 1024)
) STRICT, WITHOUT ROWID;

INSERT INTO stage (name, rank, min, max, fallback, outcome, message) VALUES
	('uploading', 0, 0, 20, NULL, 'running', 'Uploading audio...'),
	('transcribing', 10, 20, 60, NULL, 'running', 'Transcribing audio...'),
	('transcribed', 20, 60, 60, 60, 'running', 'Transcription complete'),
	('extracting_notes', 30, 60, 95, NULL, 'running', 'Extracting clinical notes...'),
	('processed', 40, 100, 100, 100, 'processed', 'Processing complete'),
	('failed', 50, 0, 100, NULL, 'failed', 'Processing failed');

-- Who may watch. With `users = token` a user need not have a row; a row, where there is one, wins.
CREATE TABLE user (
	id TEXT NOT NULL PRIMARY KEY CHECK (id GLOB '????????-????-????-????-????????????'
		AND length(replace(id, '-', '')) = 32
		AND replace(id, '-', '') NOT GLOB '*[^0-9a-f]*'),
	role TEXT NOT NULL CHECK (role IN ('patient', 'therapist', 'admin')),
	is_active INTEGER NOT NULL DEFAULT 1 CHECK (is_active IN (0, 1)),
	email TEXT UNIQUE COLLATE NOCASE, -- for the login; one address is one user
	password TEXT, -- a hash that crypt(3) can check; NULL: no login by password
	created_at INTEGER NOT NULL DEFAULT (strftime('%s', 'now')),
	updated_at INTEGER NOT NULL DEFAULT (strftime('%s', 'now'))
) STRICT, WITHOUT ROWID;

-- What is watched. Updates refer to the number, which is small and never used again
-- (AUTOINCREMENT): a session that is deleted and made anew under the same id is another one.
CREATE TABLE session (
	number INTEGER PRIMARY KEY AUTOINCREMENT,
	id TEXT NOT NULL UNIQUE CHECK (id GLOB '????????-????-????-????-????????????'
		AND length(replace(id, '-', '')) = 32
		AND replace(id, '-', '') NOT GLOB '*[^0-9a-f]*'),
	-- A user's id, or NULL: nobody's. It may name a user who has no row here.
	patient_id TEXT CHECK (patient_id GLOB '????????-????-????-????-????????????'
		AND length(replace(patient_id, '-', '')) = 32
		AND replace(patient_id, '-', '') NOT GLOB '*[^0-9a-f]*'),
	created_at INTEGER NOT NULL DEFAULT (strftime('%s', 'now'))
) STRICT;

-- The keys of workers and backends. A key is 256 random bits, so a plain SHA-256 of it is enough.
CREATE TABLE key (
	number INTEGER PRIMARY KEY AUTOINCREMENT,
	hash BLOB NOT NULL UNIQUE CHECK (length(hash) = 32),
	scope TEXT NOT NULL CHECK (scope IN ('worker', 'admin')),
	name TEXT NOT NULL UNIQUE CHECK (length(name) BETWEEN 1 AND 64),
	created_at INTEGER NOT NULL DEFAULT (strftime('%s', 'now'))
) STRICT;

-- Every stored update, appended and never changed: the feed of the watchers, the history and the
-- current progress (a session's newest row) are all this one table. The revision is the order of
-- commits, because SQLite has one writer; AUTOINCREMENT, because a watcher's cursor must not meet a
-- revision twice, pruned ones included.
CREATE TABLE event (
	revision INTEGER PRIMARY KEY AUTOINCREMENT,
	session INTEGER NOT NULL, -- session.number
	run INTEGER NOT NULL,     -- the revision of the run's first update
	-- How the stage stood when the update was judged: one that is changed or taken away later
	-- changes nothing of what was told.
	status TEXT NOT NULL,
	rank INTEGER NOT NULL,
	-- Not "IN (...)", for which SQLite would build a table at each insertion: a third of its cost.
	outcome TEXT NOT NULL CHECK (outcome = 'running' OR outcome = 'processed' OR outcome = 'failed'),
	progress INTEGER NOT NULL CHECK (progress BETWEEN 0 AND 100),
	message TEXT NOT NULL,
	error TEXT,
	eta INTEGER CHECK (eta >= 0), -- seconds
	updated_at INTEGER NOT NULL,
	created_at INTEGER NOT NULL -- when the run began
) STRICT;

-- The newest update of a session, and its history, in order: an index ends with the row's key, so
-- the revision is in it unsaid.
CREATE INDEX event_session ON event (session);

-- Whose rights changed: read by milepost-ws from its cursor on. Rows are kept for a while only; a
-- reader that finds its cursor before the oldest of them looks at everything again.
CREATE TABLE authority (
	number INTEGER PRIMARY KEY AUTOINCREMENT,
	kind TEXT NOT NULL CHECK (kind IN ('user', 'session', 'key')),
	id TEXT, -- of the user or session
	at INTEGER NOT NULL DEFAULT (strftime('%s', 'now'))
) STRICT;

CREATE TRIGGER authority_kept AFTER INSERT ON authority BEGIN
	DELETE FROM authority WHERE number <= new.number - 10000;
END;

CREATE TRIGGER user_created AFTER INSERT ON user BEGIN
	INSERT INTO authority (kind, id) VALUES ('user', new.id);
END;

-- A changed id is a change of two users. (UNION drops the second row where both are the same.)
CREATE TRIGGER user_changed AFTER UPDATE OF id, role, is_active, email, password ON user BEGIN
	UPDATE user SET updated_at = strftime('%s', 'now') WHERE id = new.id;
	INSERT INTO authority (kind, id) SELECT 'user', old.id UNION SELECT 'user', new.id;
END;

CREATE TRIGGER user_deleted AFTER DELETE ON user BEGIN
	INSERT INTO authority (kind, id) VALUES ('user', old.id);
END;

CREATE TRIGGER session_created AFTER INSERT ON session BEGIN
	INSERT INTO authority (kind, id) VALUES ('session', new.id);
END;

CREATE TRIGGER session_changed AFTER UPDATE ON session BEGIN
	INSERT INTO authority (kind, id) SELECT 'session', old.id UNION SELECT 'session', new.id;
END;

CREATE TRIGGER session_deleted AFTER DELETE ON session BEGIN
	DELETE FROM event WHERE session = old.number;
	INSERT INTO authority (kind, id) VALUES ('session', old.id);
END;

CREATE TRIGGER key_created AFTER INSERT ON key BEGIN
	INSERT INTO authority (kind) VALUES ('key');
END;

CREATE TRIGGER key_changed AFTER UPDATE ON key BEGIN
	INSERT INTO authority (kind) VALUES ('key');
END;

CREATE TRIGGER key_deleted AFTER DELETE ON key BEGIN
	INSERT INTO authority (kind) VALUES ('key');
END;
