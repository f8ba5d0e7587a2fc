-- schema.sql: the backend's own tables, and what Milepost has not been told yet.

CREATE TABLE IF NOT EXISTS users (
	id TEXT NOT NULL PRIMARY KEY, -- a UUID in lower case: the "sub" of its tokens
	email TEXT NOT NULL UNIQUE COLLATE NOCASE,
	password BLOB NOT NULL, -- bcrypt
	role TEXT NOT NULL CHECK (role IN ('patient', 'therapist', 'admin')),
	is_active INTEGER NOT NULL DEFAULT 1
);

CREATE TABLE IF NOT EXISTS sessions (
	id TEXT NOT NULL PRIMARY KEY,
	patient_id TEXT REFERENCES users (id) ON DELETE SET NULL
);

-- Which users and sessions Milepost does not know as they are now. A row is written by the transaction that makes the
-- change, so none is forgotten, and says no more than that there was one: what is sent is how things are then. A later
-- change takes the place of an earlier one under a higher number.
CREATE TABLE IF NOT EXISTS milepost_change (
	number INTEGER PRIMARY KEY AUTOINCREMENT,
	kind TEXT NOT NULL CHECK (kind IN ('users', 'sessions')),
	id TEXT NOT NULL,
	UNIQUE (kind, id) ON CONFLICT REPLACE
);

-- By triggers, so that no piece of code can forget it.
CREATE TRIGGER IF NOT EXISTS user_created AFTER INSERT ON users BEGIN
	INSERT INTO milepost_change (kind, id) VALUES ('users', new.id);
END;

CREATE TRIGGER IF NOT EXISTS user_changed AFTER UPDATE OF role, is_active ON users BEGIN
	INSERT INTO milepost_change (kind, id) VALUES ('users', new.id);
END;

CREATE TRIGGER IF NOT EXISTS user_deleted AFTER DELETE ON users BEGIN
	INSERT INTO milepost_change (kind, id) VALUES ('users', old.id);
END;

CREATE TRIGGER IF NOT EXISTS session_created AFTER INSERT ON sessions BEGIN
	INSERT INTO milepost_change (kind, id) VALUES ('sessions', new.id);
END;

CREATE TRIGGER IF NOT EXISTS session_changed AFTER UPDATE OF patient_id ON sessions BEGIN
	INSERT INTO milepost_change (kind, id) VALUES ('sessions', new.id);
END;

CREATE TRIGGER IF NOT EXISTS session_deleted AFTER DELETE ON sessions BEGIN
	INSERT INTO milepost_change (kind, id) VALUES ('sessions', old.id);
END;
