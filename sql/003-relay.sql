-- 003-relay.sql: what milepost-relay keeps, so that several hosts show the same (docs/relay.md).
--
-- Empty where there is no relay, and no trigger looks in here when an update is stored: one host alone
-- pays nothing. Only milepost-relay writes to these tables. What it has read of others and what that
-- changed here are one transaction, so it may be killed at any moment.

-- One row: this host's part. No row: nothing is replicated, and nothing was prepared for it.
CREATE TABLE relay (
	only INTEGER PRIMARY KEY CHECK (only = 1),
	host TEXT NOT NULL CHECK (length(host) BETWEEN 1 AND 64),
	-- Drawn with the row. Two databases under one host's name would be told apart by it.
	token TEXT NOT NULL,
	-- How far the tables were looked through for what is new of our own.
	revision INTEGER NOT NULL,  -- of event
	authority INTEGER NOT NULL, -- of authority
	-- How far the stream was read, and how far relay_out is in it: what its last entry's id was, and
	-- in which run of the Redis server.
	position TEXT NOT NULL DEFAULT '0-0',
	sent INTEGER NOT NULL DEFAULT 0,
	sent_entry TEXT NOT NULL DEFAULT '0-0',
	server TEXT NOT NULL DEFAULT '',
	-- For readyz and `milepostctl status`.
	state TEXT NOT NULL DEFAULT 'away' CHECK (state IN ('away', 'here')),
	since INTEGER NOT NULL,
	alive_at INTEGER NOT NULL, -- written every second
	error TEXT NOT NULL DEFAULT ''
) STRICT;

-- Every user, session and key that any host knows or knew, as the hosts agreed on it: the row that this
-- host shows is made from it. What differs between the two is a change made here.
CREATE TABLE relay_thing (
	kind TEXT NOT NULL CHECK (kind IN ('user', 'session', 'key')),
	id TEXT NOT NULL, -- of the user or session; the key's hash in hex
	life INTEGER NOT NULL, -- 1, and one more each time that it is made again after a deletion
	is_deleted INTEGER NOT NULL CHECK (is_deleted IN (0, 1)),
	version INTEGER NOT NULL, -- one more with each change
	host TEXT NOT NULL, -- where that change was made
	detail TEXT, -- the user's role, the session's patient, the key's scope
	is_active INTEGER NOT NULL CHECK (is_active IN (0, 1)),
	label TEXT, -- the user's e-mail, the key's name
	password TEXT,
	created_at INTEGER NOT NULL,
	-- This host's alone. Two things made on two hosts may claim one label; one of them shows another.
	shown TEXT,
	number INTEGER NOT NULL, -- session.number, by which a session that was made again is told
	PRIMARY KEY (kind, id)
) STRICT, WITHOUT ROWID;

CREATE INDEX relay_thing_label ON relay_thing (kind, label COLLATE NOCASE) WHERE label IS NOT NULL;

-- What the newest update of a session weighs against those of other hosts (model/merge.h).
CREATE TABLE relay_top (
	session INTEGER PRIMARY KEY, -- session.number
	revision INTEGER NOT NULL,
	run INTEGER NOT NULL,
	generation INTEGER NOT NULL, -- the run's number, the same on all hosts
	seq INTEGER NOT NULL,
	host TEXT NOT NULL
) STRICT;

CREATE TRIGGER relay_top_deleted AFTER DELETE ON session BEGIN
	DELETE FROM relay_top WHERE session = old.number;
END;

-- What was changed here, in order, for the stream. Rows that are in it are kept for as long as the
-- stream may be, in case that Redis loses them.
CREATE TABLE relay_out (
	n INTEGER PRIMARY KEY AUTOINCREMENT, -- without gaps
	at INTEGER NOT NULL,
	kind TEXT NOT NULL CHECK (kind IN ('user', 'session', 'key', 'event')),
	id TEXT NOT NULL, -- of the thing, or of the update's session
	revision INTEGER, -- of the update
	generation INTEGER,
	seq INTEGER
) STRICT;

-- The updates of one session that wait, which a live one of it takes along past a backlog.
CREATE INDEX relay_out_id ON relay_out (id, n);

-- The hosts, and how much of each one's relay_out has arrived here.
CREATE TABLE relay_host (
	name TEXT NOT NULL PRIMARY KEY,
	n INTEGER NOT NULL DEFAULT 0,
	doubt INTEGER NOT NULL DEFAULT 0 CHECK (doubt IN (0, 1)), -- something before n did not arrive
	-- As it said of itself, by the Redis server's clock; for `milepostctl status`.
	state TEXT NOT NULL DEFAULT '',
	lag_ms INTEGER NOT NULL DEFAULT 0,
	waiting INTEGER NOT NULL DEFAULT 0, -- entries that are not in the stream yet
	seen_at INTEGER NOT NULL DEFAULT 0  -- when this host heard of it last, by its own clock
) STRICT, WITHOUT ROWID;

CREATE TRIGGER relay_left AFTER DELETE ON relay BEGIN
	DELETE FROM relay_thing;
	DELETE FROM relay_top;
	DELETE FROM relay_out;
	DELETE FROM relay_host;
END;
