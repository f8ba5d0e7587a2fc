"""The WAL: it begins anew as long as somebody writes, also with several writers; a held reader makes it grow."""
import asyncio
import json
import os
import sqlite3
import time

from bed import BUILD, Bed, eventually, listens
from swarm import Poster

SECONDS = 30 if "MILEPOST_LONG" in os.environ else 4
APIS = 3
PAGE = 4096 + 24              # of the WAL
CHECKPOINT = 1000 * PAGE      # STORE_CHECKPOINT_PAGES
KEPT = 16 << 20               # journal_size_limit: what is left of the file when it begins anew
MB = 1 << 20


def wal_bytes(bed):
    return os.stat(f"{bed.db}-wal").st_size


def lines_of(session, first, count, size):
    """A batch of numbered updates."""
    return "\n".join(json.dumps({"session_id": session, "status": "transcribing", "progress": 40,
                                 "message": f"{first + i} {'x' * size}"}) for i in range(count))


async def test_held_reader():
    """While somebody reads on and on, the WAL can't begin anew and grows with every update; nothing else
    suffers. When they are gone, it shrinks to what journal_size_limit leaves, and grows no more."""
    with Bed() as bed:
        session, poster = bed.session(), Poster(bed)
        count = 0

        async def write():
            nonlocal count
            status, _ = await poster.post("/milepost/v1/progress", lines_of(session, count, 100, 900), "application/x-ndjson")
            assert status == 200
            count += 100

        async def write_until(condition):
            began = time.monotonic()
            while not condition():
                assert time.monotonic() - began < 60
                await write()

        reader = sqlite3.connect(bed.db, isolation_level=None)
        reader.execute("BEGIN")
        assert reader.execute("SELECT count(*) FROM event").fetchone() == (0,)
        await write_until(lambda: wal_bytes(bed) > KEPT + 4 * MB)
        assert reader.execute("SELECT count(*) FROM event").fetchone() == (0,), "it sees what it saw"
        reader.execute("ROLLBACK")
        reader.close()
        await write_until(lambda: wal_bytes(bed) <= KEPT)
        longest, enough = 0, count + 10000  # some 20 MB of WAL
        while count < enough:
            await write()
            longest = max(longest, wal_bytes(bed))
        assert longest <= KEPT, "it began anew in time, again and again"
        assert bed.sql("SELECT count(*) FROM event") == [(count,)]
        poster.close()


class ManyBed(Bed):
    """With several milepost-api on one database."""

    def api_socket(self, i):
        return self.dir / ("api.sock" if i == 0 else f"api{i}.sock")

    def write_files(self):
        super().write_files()
        path = self.dir / "nginx" / "milepost-http.conf"
        line = f"server unix:{self.api_socket(0)} max_fails=0;"
        text = path.read_text()
        assert line in text
        path.write_text(text.replace(line, "".join(f"server unix:{self.api_socket(i)} max_fails=0;\n"
                                                   for i in range(APIS))))

    def start_api(self):
        for i in range(1, APIS):
            self.start(f"api{i}", BUILD / "milepost-api", "-s", self.api_socket(i))
            eventually(lambda: listens(self.api_socket(i)), f"api{i} listens")
        return super().start_api()


class Writers:
    """All who write at once, each to a session of its own, until the time is over and the WAL began anew."""

    def __init__(self, bed):
        self.bed, self.end = bed, time.monotonic() + SECONDS
        self.answered = {}  # of a session: how many

    def is_on(self):
        now = time.monotonic()
        assert now < self.end + 120
        return now < self.end or self.bed.db.stat().st_size < 2 * CHECKPOINT

    async def post(self, size):
        session, poster = self.bed.session(), Poster(self.bed)
        count = 0
        while self.is_on():
            status, body = await poster.post("/milepost/v1/progress", lines_of(session, count, size, 500), "application/x-ndjson")
            assert status == 200 and body.count(b'"status":200') == size, body
            count += size
        self.answered[session] = count

    async def report(self):
        """By milepostctl, again and again."""
        session, count = self.bed.session(), 0
        env = {"MILEPOST_URL": f"http://localhost:{self.bed.port}", "MILEPOST_KEY": self.bed.worker_key}
        while self.is_on():
            await asyncio.to_thread(self.bed.ctl, "report", session, "transcribing", 40, "-m", f"{count} ", env=env)
            count += 1
        self.answered[session] = count

    async def read(self):
        """Polls, so that readers are about."""
        session, token = self.bed.session(), self.bed.therapist()
        while self.is_on():
            await asyncio.to_thread(self.bed.http, "GET", f"/api/sessions/{session}/progress", bearer=token, plain=True)

    async def measure(self):
        longest = 0
        while self.is_on():
            longest = max(longest, wal_bytes(self.bed))
            await asyncio.sleep(0.02)
        return longest


async def test_many_writers():
    """Several milepost-api and milepostctl on one database: all that is answered is stored, once; the WAL
    begins anew in spite of them."""
    with ManyBed() as bed:
        writers = Writers(bed)
        longest, *_ = await asyncio.gather(
            writers.measure(), *(writers.post(size) for size in (1, 1, 1, 2, 5, 20, 50)), *(writers.report() for _ in range(2)),
            *(writers.read() for _ in range(4)))
        assert bed.sql("PRAGMA integrity_check") == [("ok",)]
        for session, count in writers.answered.items():
            stored = bed.sql("SELECT CAST(message AS INTEGER) FROM event WHERE session = (SELECT number FROM session "
                             "WHERE id = ?) ORDER BY revision", session)
            assert [n for n, in stored] == list(range(count))
        written = sum(writers.answered.values())
        print(f"{written} updates, the WAL {longest / MB:.1f} MB at the most, the database {bed.db.stat().st_size / MB:.1f} MB")
        assert longest < KEPT
