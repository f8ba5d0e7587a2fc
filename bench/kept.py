"""kept.py: Milepost with much in its database, and milepostctl prune beside it."""
import contextlib
import sqlite3

from systems import Milepost, Watched, bed

DAY = 86400

# Round robin over the sessions: the first update of each begins its run.
FILL = """
INSERT INTO event (session, run, status, rank, outcome, progress, message, eta, updated_at, created_at)
WITH RECURSIVE n(i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n WHERE i + 1 < :events)
SELECT i % :sessions + 1, i % :sessions + 1, 'transcribing', 10, 'running', 45,
       'Transcribing audio with Whisper...', 30, unixepoch() - iif(i < :old, :age, 0), unixepoch() - :age
FROM n
"""


class Kept(Milepost):
    """A database that was in use for a while."""

    sessions, events, old = 1000, 1000, 0

    def __init__(self, sessions, **config):
        del sessions  # what is kept decides
        super().__init__(self.sessions, **config)

    def fill(self):
        super().fill()
        with contextlib.closing(sqlite3.connect(self.db)) as db, db:
            db.execute(FILL, {"events": self.events, "sessions": self.sessions, "old": self.old, "age": 30 * DAY})

    SIDES = [Watched("kept-1k", "nginx", ["nginx", "ws0", "api"])]


class KeptMany(Kept):
    sessions, events = 100000, 1000000

    SIDES = [Watched("kept-1m", "nginx", ["nginx", "ws0", "api"])]


class Pruned(KeptMany):
    """Of a million updates half a million are pruned, while others are posted to some of the sessions."""

    old, told = 500000, 5000

    def __init__(self, sessions):
        super().__init__(sessions)
        # An update that waits for longer than busy_timeout is refused; the load client counts those.
        self.announced.append("err=busy|status=503")

    def write_sessions(self):
        every, self.ids = self.ids, self.ids[:self.told]
        super().write_sessions()
        self.ids = every

    def load_args(self, by):
        prune = f"MILEPOST_CONFIG='{self.conf}' '{bed.BUILD}/milepostctl' prune --older-than 7d >&2"
        return super().load_args(by) + ["--beside", prune]

    def figures(self):
        left = self.sql("SELECT count(*) FROM event WHERE updated_at < unixepoch() - ?", 7 * DAY)[0][0]
        assert left == 0, f"{left} old updates are left"
        return super().figures()

    SIDES = [Watched("pruned", "nginx", ["nginx", "ws0", "api"])]
