"""kill -9 under load: what was answered 200 is there, and watchers who come back miss nothing, see nothing twice."""
import asyncio
import os
import random
import signal

import pytest

from bed import Bed
from swarm import Poster, until, watch

ROUNDS = 200 if "MILEPOST_LONG" in os.environ else 6
LINES = 8
PAUSE = 0.01  # before another try while a program is down


class Line:
    """A session, who posts to it, and who watches it."""

    def __init__(self, bed, token):
        self.bed, self.token, self.session = bed, token, bed.session()
        self.posted, self.answered = 0, set()
        self.seen = []  # of (revision, n)
        self.fresh = 0  # updates seen since the last reconnect

    async def post(self):
        """One update after the other, numbered; keeps those that were answered 200."""
        poster = Poster(self.bed)
        while True:
            self.posted += 1
            try:
                status, body = await poster.report(self.session, "transcribing", 40, message=str(self.posted))
            except OSError:
                status = 0  # no answer, or half of one: nothing was promised
            assert status in (0, 200, 503), body
            if status == 200:
                self.answered.add(self.posted)
            else:
                await asyncio.sleep(PAUSE)

    async def watch(self):
        """Comes back, with since, whenever the connection is lost."""
        while True:
            self.fresh = 0
            try:
                watcher = await watch(self.bed, self.session, self.token, self.on_update,
                                      since=self.seen[-1][0] if self.seen else 0)
                await watcher.closed
            except OSError:
                pass
            await asyncio.sleep(PAUSE)

    def on_update(self, message):
        self.seen.append((message["revision"], int(message["message"])))
        self.fresh += 1

    def count(self):
        """How much is stored."""
        return len(self.bed.stored(self.session))

    def compare(self, promised):
        """What was answered is stored; what was seen is what is stored, from the first on."""
        stored = self.bed.sql("SELECT revision, CAST(message AS INTEGER) FROM event WHERE session = (SELECT number "
                              "FROM session WHERE id = ?) ORDER BY revision", self.session)
        lost = promised - {n for _, n in stored}
        assert not lost, f"answered, and not stored: {sorted(lost)}"
        known = min(len(stored), len(self.seen))
        assert self.seen[:known] == stored[:known], "missed, or seen twice"
        return len(stored)


async def kill(bed, victim, rng):
    assert bed.end(victim, signal.SIGKILL) == -signal.SIGKILL
    bed.start_api() if victim == "api" else bed.start_ws()
    if rng.random() < 0.2:  # again, while it starts
        await asyncio.sleep(rng.uniform(0, 0.03))
        await kill(bed, victim, rng)


def check(bed, lines, promised):
    """Returns how much is stored of each line."""
    assert bed.sql("PRAGMA integrity_check") == [("ok",)]
    return [line.compare(numbers) for line, numbers in zip(lines, promised)]


async def rounds(bed, victim, lines, tasks, rng):
    def underway():
        for task in tasks:
            assert not task.done() or task.result()
        return all(line.fresh >= 3 for line in lines) and sum(len(line.answered) for line in lines) > before + 20

    for _ in range(ROUNDS):
        before = sum(len(line.answered) for line in lines)
        await until(underway, "updates are stored, and seen by all")
        await asyncio.sleep(rng.uniform(0, 0.05))  # anywhere within a transaction
        await kill(bed, victim, rng)
        promised = [set(line.answered) for line in lines]
        await asyncio.to_thread(check, bed, lines, promised)


@pytest.mark.parametrize("victim", ["api", "ws0"])
async def test_kill(victim):
    """Killed at random moments and started again, neither program loses or repeats anything."""
    seed = int(os.environ.get("MILEPOST_SEED", random.randrange(2 ** 32)))
    print(f"MILEPOST_SEED={seed}")  # pytest shows it on failure
    with Bed() as bed:
        bed.announced.append(r"\[(crit|error|alert)\] .*(connect\(\)|recv\(\)|upstream)")
        token = bed.therapist()
        lines = [Line(bed, token) for _ in range(LINES)]
        posts = [asyncio.create_task(line.post()) for line in lines]
        watches = [asyncio.create_task(line.watch()) for line in lines]
        try:
            await rounds(bed, victim, lines, posts + watches, random.Random(seed))
            for task in posts:
                task.cancel()
            await asyncio.wait(posts)
            bed.ready()
            check(bed, lines, [line.answered for line in lines])
            # Not what was stored by then: a request that nobody waits for any more may still be under way.
            await until(lambda: all(len(line.seen) == line.count() for line in lines), "all is seen")
            stored = check(bed, lines, [line.answered for line in lines])
        finally:
            for task in posts + watches:
                task.cancel()
        print(f"{ROUNDS} rounds, {sum(stored)} updates")
