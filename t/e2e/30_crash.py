"""kill -9 under load: what was answered 200 is there, and reaches the watchers who come back."""
import asyncio
import http.client
import os
import random
import signal
import threading

import pytest

from bed import Bed, Closed, eventually, update

ROUNDS = 40 if "MILEPOST_LONG" in os.environ else 6
POSTERS = 4


class Poster(threading.Thread):
    """Posts updates of a session of its own, one after the other; keeps those that were answered 200."""

    def __init__(self, bed):
        super().__init__()
        self.bed, self.session = bed, bed.session()
        self.answered, self.stopping = [], threading.Event()

    def run(self):
        n = 0
        while not self.stopping.is_set():
            n += 1
            try:
                reply = self.bed.report(self.session, "transcribing", 20 + min(n // 50, 40), message=f"{n}")
            except (OSError, http.client.HTTPException):
                continue  # no answer, or half of one: nothing was promised
            if reply.status == 200:
                self.answered.append(f"{n}")
            else:
                assert reply.status == 503, reply.body


async def resume(bed, poster, token, seen):
    """Watches from the last revision on, and comes back until all that was answered is seen."""
    last = seen[-1]["revision"] if seen else 0
    wanted = set(poster.answered)
    while not wanted <= {m["message"] for m in seen}:
        try:
            async with bed.watch(poster.session, token, since=last, max_queue=None) as ws:
                while not wanted <= {m["message"] for m in seen}:
                    seen.append(await update(ws))
                    last = seen[-1]["revision"]
        except (Closed, OSError):
            pass


@pytest.mark.parametrize("victim", ["api", "ws0"])
async def test_kill(victim):
    """Killed at random moments and started again, neither program loses or repeats anything."""
    with Bed() as bed:
        bed.announced.append(r".*\[(crit|error|alert)\] .*(connect\(\)|recv\(\)|upstream).*")
        token = bed.therapist()
        posters = [Poster(bed) for _ in range(POSTERS)]
        seen = {poster: [] for poster in posters}
        for poster in posters:
            poster.start()
        try:
            for _ in range(ROUNDS):
                before = sum(len(p.answered) for p in posters)
                eventually(lambda: sum(len(p.answered) for p in posters) > before + 20, "updates")
                threading.Event().wait(random.uniform(0, 0.05))  # anywhere within a transaction
                assert bed.end(victim, signal.SIGKILL) == -signal.SIGKILL
                bed.start_api() if victim == "api" else bed.start_ws()
                bed.ready()
                assert bed.sql("PRAGMA integrity_check") == [("ok",)]
                for poster in posters:
                    await asyncio.wait_for(resume(bed, poster, token, seen[poster]), 60)
        finally:
            for poster in posters:
                poster.stopping.set()
            for poster in posters:
                poster.join()
        for poster in posters:
            await asyncio.wait_for(resume(bed, poster, token, seen[poster]), 60)
            revisions = [m["revision"] for m in seen[poster]]
            assert revisions == sorted(set(revisions)), "in order, none twice"
            assert set(poster.answered) <= {message for _, message in bed.stored(poster.session)}
