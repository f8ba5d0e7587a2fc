"""delivery.py: brings updates to Milepost, from a thread of its own, and again where it can't be reached."""
from __future__ import annotations

import concurrent.futures
import json
import logging
import ssl
import threading
import time
import uuid
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from milepost import transfer

log = logging.getLogger("milepost")

BATCH_BYTES, BATCH_LINES = 900_000, 500  # the server takes 1 MiB
REQUEST_TIMEOUT = 10.0
FIRST_PAUSE, LAST_PAUSE = 0.25, 10.0
WAITING_MAX = 10_000
ENDING = ("processed", "failed")


class Outcome(NamedTuple):
    """What became of an update: the server's status, and its answer to it. Status 0: it never got there."""

    status: int
    answer: dict[str, Any]


SUPERSEDED = Outcome(0, {"detail": "a newer one took its place"})
GIVEN_UP = Outcome(0, {"detail": "Milepost was away for too long"})


@dataclass
class Job:
    """An update on its way."""

    session: uuid.UUID
    members: dict[str, Any]  # of the contract's update
    since: float = field(default_factory=time.monotonic)
    outcome: concurrent.futures.Future[Outcome] = field(default_factory=concurrent.futures.Future)

    @property
    def ends(self) -> bool:
        return self.members["status"] in ENDING

    def line(self) -> bytes:
        return json.dumps({"session_id": str(self.session), **self.members}, ensure_ascii=False).encode() + b"\n"


class _Away(Exception):
    """Milepost could not be reached, or could not serve."""

    def __init__(self, cause: object, floor: float = 0.0) -> None:
        super().__init__(cause)
        self.floor = floor


class Delivery:
    """Updates leave in the order in which they came, all that wait in one request.

    Milepost is away while it can't be reached, answers with a status from 500 on, or takes no update from this
    worker at all, be it that the key is wrong: that can be mended. Then an update takes the place of an earlier
    one of its session that still waits, unless that one ends a run; so what watchers see in the end is right. One
    that has waited for longer than keep seconds is given up, and so is the oldest of more than WAITING_MAX.
    """

    def __init__(self, url: str, key: str, *, keep: float = 3600.0, tls: ssl.SSLContext | None = None) -> None:
        """ValueError: the url is none, or the key is empty."""
        self.url = transfer.base_of(url, ("https", "http")) + "/milepost/v1/progress"
        self.key, self.keep, self.tls = transfer.clean("key", key), keep, tls
        self.backoff = transfer.Backoff(FIRST_PAUSE, LAST_PAUSE)
        self.reset()

    def reset(self) -> None:
        """Begins anew, with nothing on its way: for the child of a fork, which has no thread."""
        self.changed = threading.Condition()
        self.waiting: list[Job] = []
        self.sending: list[Job] = []
        self.away_since: float | None = None
        self.is_overdue = False
        self.thread: threading.Thread | None = None

    @property
    def is_away(self) -> bool:
        """Whether the last try failed."""
        return self.away_since is not None

    @property
    def is_worth_waiting_for(self) -> bool:
        return not self.is_away and not self.is_overdue

    def waited_in_vain(self, job: Job) -> None:
        """Its outcome did not come in time: whoever comes before the next one does need not wait, too."""
        with self.changed:
            self.is_overdue = not job.outcome.done()

    def put(self, job: Job) -> None:
        """Takes an update on; its outcome is set in the thread."""
        with self.changed:
            self.waiting.append(job)
            if self.is_away or len(self.waiting) > WAITING_MAX:
                self._thin_out()
            if self.thread is None or not self.thread.is_alive():
                self.thread = threading.Thread(target=self._run, name="milepost", daemon=True)
                self.thread.start()
            self.changed.notify_all()

    def drain(self, seconds: float) -> int:
        """Waits until all are delivered, but not for longer; returns how many are not."""
        with self.changed:
            self.changed.wait_for(lambda: not self.waiting and not self.sending, seconds)
            return len(self.waiting) + len(self.sending)

    # --- the thread ---

    def _run(self) -> None:
        while True:
            with self.changed:
                self.changed.wait_for(lambda: self.waiting)
                self._take_batch()
            try:
                outcomes = self._post(self.sending)
            except _Away as away:
                time.sleep(self._keep_for_later(away))
            else:
                self._conclude(outcomes)

    def _take_batch(self) -> None:
        """What follows the end of a run waits for the next one: if its answer is lost and all of it is sent
        again, the end must be the newest update there is, or it would end the next run."""
        left: list[Job] = []
        ended: set[uuid.UUID] = set()
        room = BATCH_BYTES
        for job in self.waiting:
            size = len(job.line())
            if job.session in ended or size > room or len(self.sending) == BATCH_LINES:
                left.append(job)
                ended.add(job.session)
                continue
            room -= size
            self.sending.append(job)
            if job.ends:
                ended.add(job.session)
        self.waiting = left

    def _post(self, jobs: list[Job]) -> list[Outcome]:
        try:
            reply = transfer.post(self.url, self.key, b"".join(job.line() for job in jobs), "application/x-ndjson",
                              timeout=REQUEST_TIMEOUT, tls=self.tls)
            if reply.status != 200:
                raise _Away(f"HTTP status {reply.status} {transfer.detail_of(reply.body)}".rstrip(),
                            transfer.retry_after(reply.headers))
            answers = [json.loads(line) for line in reply.body.splitlines()]
            outcomes = [Outcome(int(answer["status"]), answer) for answer in answers]
        except (OSError, ValueError, TypeError, KeyError, OverflowError, RecursionError) as error:
            raise _Away(error) from error
        if len(outcomes) != len(jobs):
            raise _Away(f"{len(outcomes)} answers to {len(jobs)} updates")
        return outcomes

    def _keep_for_later(self, away: _Away) -> float:
        """Returns how long to pause."""
        pause = self.backoff.draw(away.floor)
        with self.changed:
            self.waiting = self.sending + self.waiting
            self.sending = []
            if self.away_since is None:
                self.away_since = time.monotonic()
                log.warning("%s: %s; updates wait", self.url, transfer.tame(away))
            self._thin_out()
        return pause

    def _conclude(self, outcomes: list[Outcome]) -> None:
        self.backoff.reset()
        with self.changed:
            self.is_overdue = False
        for job, outcome in zip(self.sending, outcomes):
            job.outcome.set_result(outcome)
        with self.changed:
            if self.away_since is not None:
                log.warning("%s: is back after %.0f s", self.url, time.monotonic() - self.away_since)
            self.away_since = None
            self.sending = []
            self.changed.notify_all()

    def _thin_out(self) -> None:
        """Lets go what is superseded, has waited for too long, or is too much."""
        oldest = time.monotonic() - self.keep
        kept: list[Job] = []
        newer: set[uuid.UUID] = set()
        for job in reversed(self.waiting):
            if self.is_away and not job.ends and job.session in newer:
                job.outcome.set_result(SUPERSEDED)
            elif job.since < oldest or len(kept) == WAITING_MAX:
                job.outcome.set_result(GIVEN_UP)
            else:
                kept.append(job)
                newer.add(job.session)
        self.waiting = kept[::-1]
