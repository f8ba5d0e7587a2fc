-- 004-active.sql: which runs are under way, so that a list of them need not look through all that is kept.

-- One row a session whose run goes on. It is written where an update is stored, not by a trigger, and only
-- as a run begins or ends: what comes between, which is most of all updates, pays nothing for it.
CREATE TABLE active (
	session INTEGER PRIMARY KEY, -- session.number
	run INTEGER NOT NULL         -- event.run
) STRICT;

-- The list has the newest run first, and goes on behind any of them.
CREATE INDEX active_run ON active (run);

CREATE TRIGGER active_deleted AFTER DELETE ON session BEGIN
	DELETE FROM active WHERE session = old.number;
END;

-- A patient's list is of their sessions alone.
CREATE INDEX session_patient ON session (patient_id) WHERE patient_id IS NOT NULL;

INSERT INTO active (session, run)
	SELECT e.session, e.run FROM session s JOIN event e
		ON e.revision = (SELECT max(revision) FROM event WHERE session = s.number)
	WHERE e.outcome = 'running';
