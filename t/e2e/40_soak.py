"""Soak: watchers by the thousand come, go, stall and vanish for half an hour; all see the truth, nothing grows.

MILEPOST_LONG=1 makes it 2,000 watchers and MILEPOST_SOAK_SECONDS (1800); else it is a short round with 300.
"""
import asyncio
import collections
import contextlib
import json
import os
import pathlib
import random
import signal
import statistics
import uuid

from bed import Bed
from swarm import Poster, until, watch

LONG = "MILEPOST_LONG" in os.environ
SECONDS = float(os.environ.get("MILEPOST_SOAK_SECONDS", 1800) if LONG else 15)
WATCHERS = 2000 if LONG else 300
SESSIONS = 50
LOUD = 4             # of them have bursts of long messages, for the slow readers
CONNECTION = 40.0    # seconds that one lasts, on the average
HEARTBEAT = 10.0
SAMPLE = min(10.0, SECONDS / 20)
JUDGED_FROM = 300    # seconds: before, memory is still being warmed
WAL_MAX = 16 << 20   # four times what it is at most when nobody holds it (37_wal.py)
ENDED = ("processed", "failed")


class Session:
    """Runs of updates, one after the other, numbered through all of them in the messages."""

    def __init__(self, soak, loud):
        self.soak, self.loud, self.id, self.n = soak, loud, soak.bed.session(), 0

    def message(self, size=60):
        self.n += 1
        return f"{self.n} {'x' * self.soak.rng.randrange(size)}"

    async def report(self, status, progress=None, **members):
        code, body = await self.poster.report(self.id, status, progress, message=self.message(), **members)
        assert code == 200, body
        self.soak.count["updates"] += 1

    async def burst(self):
        lines = [json.dumps({"session_id": self.id, "status": "extracting_notes", "progress": 80,
                             "message": self.message(900)}) for _ in range(20)]
        code, body = await self.poster.post("/milepost/v1/progress", "\n".join(lines), "application/x-ndjson")
        assert code == 200 and body.count(b'"status":200') == 20, body
        self.soak.count["updates"] += 20

    async def run(self):
        rng = self.soak.rng
        await self.report("uploading", 0)
        for i in range(rng.randrange(5, 60)):
            if self.soak.ending:
                break
            await asyncio.sleep(rng.expovariate(1.0))
            await self.report("transcribing", 20 + min(i, 40))
        for _ in range(20 if self.loud and not self.soak.ending else 0):
            await self.burst()
            await asyncio.sleep(rng.expovariate(2.0))
        if rng.random() < 0.8 or self.soak.ending:
            await self.report("processed")
        else:
            await self.report("failed", error="on purpose")

    async def work(self):
        self.poster = Poster(self.soak.bed)
        while not self.soak.ending:
            await self.run()
            await asyncio.sleep(self.soak.rng.uniform(0, 2))
        if self.n == 0 or self.soak.rng.random() < 0.5:
            await self.run()
        self.poster.close()


class Spectator:
    """Watches one session over many connections, each from where the one before ended."""

    KINDS = {"steady": 70, "abrupt": 15, "slow": 10, "mute": 5}

    def __init__(self, soak):
        self.soak, rng = soak, soak.rng
        self.kind, = rng.choices(list(self.KINDS), self.KINDS.values())
        loud = self.kind == "slow" and rng.random() < 0.7
        self.session = rng.choice(soak.sessions[:LOUD] if loud else soak.sessions)
        self.via, = rng.choices(["plain", "tls", "direct"], [70, 10, 20])
        self.numbered = rng.random() < 0.8
        self.revision, self.n, self.status, self.first = 0, 0, None, True

    def on_update(self, message):
        n = int(message["message"].split()[0])
        assert message["session_id"] == self.session.id
        # Who gives no revision is told the newest update again.
        assert n > self.n or (self.first and not self.numbered and n == self.n), (self.kind, n, self.n)
        if self.numbered:
            assert message["revision"] > self.revision
            self.soak.count["gaps"] += 0 < self.n < n - 1
            self.revision = message["revision"]
        self.n, self.status, self.first = n, message["status"], False
        self.soak.count["seen"] += 1

    async def connect(self):
        self.first = True
        self.soak.count["connections"] += 1
        return await watch(self.soak.bed, self.session.id, self.soak.rng.choice(self.soak.tokens), self.on_update,
                           since=self.revision if self.numbered else None, via=self.via)

    async def stay(self, watcher, seconds):
        """Until then, or until the server closes."""
        if self.kind == "slow":
            watcher.transport.pause_reading()
            await self.wait(watcher, min(seconds, self.soak.rng.uniform(0, 1.5 * HEARTBEAT)))
            if not watcher.transport.is_closing():
                watcher.transport.resume_reading()
        watcher.answers = self.kind != "mute"
        await self.wait(watcher, seconds)

    async def wait(self, watcher, seconds):
        await asyncio.wait([watcher.closed, self.soak.end], timeout=seconds, return_when=asyncio.FIRST_COMPLETED)

    async def once(self):
        """One connection, and how it ended."""
        soak, watcher = self.soak, await self.connect()
        try:
            assert watcher.open or watcher.closed.done() and watcher.closed.result()[0] == 1000, watcher.closed
            soak.open += 1
            await self.stay(watcher, soak.rng.expovariate(1 / CONNECTION))
            if soak.ending:
                return await self.last(watcher)
            if not watcher.closed.done():
                soak.count[f"left {self.kind}"] += 1
                watcher.vanish() if self.kind == "abrupt" else watcher.leave()
            code, reason = await asyncio.wait_for(watcher.closed, 60)
            soak.count[f"closed {code}"] += 1
            if reason.startswith("Processing"):
                assert code == 1000 and self.status in ENDED, (code, reason, self.status)
            else:
                assert code in (1000, 1006), (code, reason)
                assert code == 1000 or self.kind in ("abrupt", "mute", "slow"), self.kind
        finally:
            soak.open -= 1
            watcher.vanish()

    async def last(self, watcher):
        """All runs end, and the watcher sees so; who was cut off meanwhile comes once more."""
        code, reason = await asyncio.wait_for(watcher.closed, 120)
        if not reason.startswith("Processing"):
            watcher = await self.connect()
            code, reason = await asyncio.wait_for(watcher.closed, 120)
        assert code == 1000 and reason.startswith("Processing"), (code, reason)

    async def live(self):
        await asyncio.sleep(self.soak.rng.uniform(0, min(20, SECONDS / 4)))  # not all at one moment
        while not self.soak.ending:
            await self.once()
            await asyncio.wait([self.soak.end], timeout=self.soak.rng.uniform(0, 2))
        await self.soak.posted.wait()
        if self.n != self.session.n:
            await self.last(await self.connect())
        assert (self.n, self.status in ENDED) == (self.session.n, True), (self.kind, self.n, self.session.n)


class Soak:
    def __init__(self, bed, rng):
        self.bed, self.rng = bed, rng
        self.count, self.open, self.ending = collections.Counter(), 0, False
        self.end, self.posted = asyncio.get_running_loop().create_future(), asyncio.Event()
        self.tokens = [bed.therapist() for _ in range(8)]
        self.sessions = [Session(self, i < LOUD) for i in range(SESSIONS)]
        self.samples = []

    async def refusals(self):
        """Those who may not watch, and are told why."""
        bed = self.bed
        session, invalid = self.sessions[0].id, "Invalid authentication"
        cases = [(session, None, "Authentication required"), (session, "abc", invalid),
                 (session, bed.token(bed.user("admin"), secret="y" * 40), invalid),
                 (session, bed.token(bed.user("admin"), lifetime=-1000), invalid),
                 (str(uuid.uuid4()), self.tokens[0], "Session not found"),
                 (session, bed.token(bed.user("patient")), "Not authorized to access this session")]
        while not self.ending:
            session, token, reason = self.rng.choice(cases)
            watcher = await watch(bed, session, token, None, via=self.rng.choice(["plain", "direct"]))
            assert await asyncio.wait_for(watcher.closed, 60) == (1008, reason)
            self.count["refused"] += 1
            await asyncio.sleep(self.rng.uniform(0, 1))

    async def upkeep(self):
        """Reloads, and old updates that are pruned."""
        while not self.ending:
            await asyncio.wait([self.end], timeout=self.rng.uniform(0, min(30, SECONDS / 5)))
            for name in ("ws0", "api"):
                self.bed.procs[name].send_signal(signal.SIGHUP)
            self.count["reloads"] += 1
            await asyncio.to_thread(self.bed.ctl, "prune", "--older-than", "2m")

    def sample(self):
        self.samples.append({"open": self.open, "wal": os.stat(f"{self.bed.db}-wal").st_size,
                             **{f"{name} {what}": value for name in ("ws0", "api")
                                for what, value in usage(self.bed.procs[name].pid).items()}})

    async def sampling(self):
        while not self.ending:
            self.sample()
            await asyncio.wait([self.end], timeout=SAMPLE)

    async def run(self):
        before = {name: usage(self.bed.procs[name].pid)["fds"] for name in ("ws0", "api")}
        posts = [asyncio.create_task(session.work()) for session in self.sessions]
        others = [asyncio.create_task(Spectator(self).live()) for _ in range(WATCHERS)]
        others += [asyncio.create_task(task) for task in (self.refusals(), self.upkeep(), self.sampling())]
        # Whoever fails, fails all.
        done, _ = await asyncio.wait(posts + others, timeout=SECONDS, return_when=asyncio.FIRST_EXCEPTION)
        for task in done:
            task.result()
        self.ending = True
        self.end.set_result(None)
        await asyncio.wait_for(asyncio.gather(*posts), 120)
        self.posted.set()
        await asyncio.wait_for(asyncio.gather(*others), 300)
        for name, fds in before.items():
            await until(lambda: usage(self.bed.procs[name].pid)["fds"] <= fds + 2, f"{name}'s descriptors are closed")

    def judge(self):
        """Memory and descriptors are flat when the median of the last quarter is not above that of the
        third by more than 5 % and 1 MB, or 5 % and 50 descriptors; the WAL never is above WAL_MAX."""
        assert max(s["wal"] for s in self.samples) <= WAL_MAX
        if SECONDS < JUDGED_FROM:
            return
        quarter = len(self.samples) // 4
        for key, slack in (("ws0 pss", 1 << 20), ("api pss", 1 << 20), ("ws0 fds", 50), ("api fds", 50)):
            third, last = (statistics.median(s[key] for s in part)
                           for part in (self.samples[2 * quarter:3 * quarter], self.samples[3 * quarter:]))
            assert last <= third * 1.05 + slack, f"{key} grows: {third} in the third quarter, {last} in the last"

    def summary(self):
        print(f"{SECONDS:.0f} s, {max(s['open'] for s in self.samples)} watchers at the peak,",
              ", ".join(f"{value} {name}" for name, value in sorted(self.count.items())))
        print(f"WAL {max(s['wal'] for s in self.samples) / 1e6:.1f} MB at the most")
        for percent in (25, 50, 75, 100):
            s = self.samples[(len(self.samples) - 1) * percent // 100]
            print(f"{percent:3} %:", ", ".join(f"{key} {value / 1e6:.2f} MB" if "pss" in key or key == "wal" else
                                              f"{key} {value}" for key, value in s.items()))


def usage(pid):
    proc = pathlib.Path(f"/proc/{pid}")
    rollup = (proc / "smaps_rollup").read_text()
    return {"pss": int(rollup.split("\nPss:")[1].split()[0]) * 1024, "fds": len(os.listdir(proc / "fd"))}


async def test_soak(capsys):
    seed = int(os.environ.get("MILEPOST_SEED", random.randrange(2 ** 32)))
    print(f"MILEPOST_SEED={seed}")
    with Bed(heartbeat_interval=f"{HEARTBEAT:.0f}s") as bed:
        soak = Soak(bed, random.Random(seed))
        try:
            await soak.run()
        finally:
            with capsys.disabled() if LONG else contextlib.nullcontext():
                soak.summary()
        soak.judge()
    assert "event=ws.accept-paused" not in bed.logs()
