"""kept.py: Milepost with much in its database, and milepostctl prune beside it."""
import contextlib
import sqlite3

from systems import Milepost, Watched, bed

DAY = 86400

# Round robin over the sessions: the first update of each begins its run.
FILL = """
INSERT INTO event (session, run, status, rank, outcome, progress, message, eta, updated_at, created_at)
WITH RECURSIVE n(i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n WHERE i + 1 < :events)
SELECT i % :sessions + 1, i % :sessions + 1, 'transcribing', 10, 'running', 45, 'Transcribing audio with Whisper...', 30,
       unixepoch() - iif(i < :old, :age, 0), unixepoch() - :age
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

    SIDES = [Watched("kept-1k", "1,000 updates of 1,000 sessions", "nginx", ["nginx", "ws0", "api"])]


class KeptMany(Kept):
    sessions, events = 100000, 1000000

    SIDES = [Watched("kept-1m", "1,000,000 updates of 100,000 sessions", "nginx", ["nginx", "ws0", "api"])]


# Begins when the load client measures; says when both ended.
PRUNE = """
folder=$1 ctl=$2; shift 2
(sleep 2; from=$(date +%s.%N); "$ctl" prune --older-than 7d >&2; echo "$from $(date +%s.%N)" >"$folder/prune") &
"$@"; status=$?
date +%s.%N >"$folder/measured"
wait
exit $status
"""


class Pruned(KeptMany):
    """Of a million updates half a million are pruned, while others are posted."""

    old = 500000

    def wrap(self, command):
        return ["env", f"MILEPOST_CONFIG={self.conf}", "sh", "-c", PRUNE, "sh", self.dir, bed.BUILD / "milepostctl",
                *command]

    def figures(self):
        begun, ended = map(float, (self.dir / "prune").read_text().split())
        left = self.sql("SELECT count(*) FROM event WHERE updated_at < unixepoch() - ?", 7 * DAY)[0][0]
        assert left == 0, f"{left} old updates are left"
        return super().figures() | {
            "prune seconds": ended - begun,
            "measured after prune": float((self.dir / "measured").read_text()) - ended,
        }

    SIDES = [Watched("pruned", "beside milepostctl prune of 500,000 updates", "nginx", ["nginx", "ws0", "api"])]
