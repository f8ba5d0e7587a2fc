-- 002-ticket.sql: one-time tickets for those who want no token in a URL, and when an update was stored.

-- A ticket stands for a token that was good when the ticket was given out. milepost-ws takes the row
-- away as it admits the client, so a ticket is used once. It is 256 random bits: a hash is enough.
CREATE TABLE ticket (
	hash BLOB NOT NULL PRIMARY KEY CHECK (length(hash) = 32),
	user_id TEXT NOT NULL,
	role TEXT CHECK (role IN ('patient', 'therapist', 'admin')), -- the token's claim; NULL: none
	key INTEGER NOT NULL,              -- which key verified the token
	token_expires_at INTEGER NOT NULL, -- the connection ends with the token
	expires_at INTEGER NOT NULL        -- of the ticket itself
) STRICT, WITHOUT ROWID;

-- Expired ones are swept as new ones are made; and a user has only so many at a time.
CREATE INDEX ticket_expires ON ticket (expires_at);
CREATE INDEX ticket_user ON ticket (user_id);

-- Milliseconds since 1970, by the storing host's clock: how long an update takes to its watchers is
-- measured from here. 0: stored before this column was.
ALTER TABLE event ADD COLUMN stored_ms INTEGER NOT NULL DEFAULT 0;
