"""progress_tracker.py: the platform's app.services.progress_tracker, with Milepost behind it."""
from __future__ import annotations

import asyncio
import atexit
import collections
import concurrent.futures
import contextlib
import dataclasses
import enum
import inspect
import logging
import math
import os
import pathlib
import ssl
import threading
import time
import uuid
import weakref
from collections.abc import Awaitable, Callable
from datetime import datetime, timezone
from typing import Any, Union

from milepost import transfer
from milepost.delivery import ENDING, SUPERSEDED, Delivery, Job, Outcome

log = logging.getLogger("milepost")

MAX_WAIT = 2.0
TEXT_MAX = 1024  # bytes of a message or an error

Callback = Callable[["ProgressUpdate"], Union[Awaitable[None], None]]


def _now() -> datetime:
    """UTC, without a zone: so has the platform its times, and the two kinds can't be compared."""
    return datetime.now(timezone.utc).replace(tzinfo=None)


@dataclasses.dataclass(frozen=True)
class ProgressUpdate:
    """An update of a session's progress. Times are UTC, without a zone."""

    session_id: uuid.UUID
    status: str
    progress: int
    message: str
    created_at: datetime = dataclasses.field(default_factory=_now)
    updated_at: datetime = dataclasses.field(default_factory=_now)
    error: str | None = None
    estimated_time_remaining: int | None = None

    def __post_init__(self) -> None:
        if not 0 <= self.progress <= 100:
            raise ValueError(f"progress: {self.progress} is not from 0 to 100")

    def model_dump(self, mode: str = "python") -> dict[str, Any]:
        """The members by their names; with mode "json" as Milepost's message has them."""
        members = dataclasses.asdict(self)
        if mode == "json":
            members["session_id"] = str(self.session_id)
            members["status"] = _text_of(self.status)
            for name in ("created_at", "updated_at"):
                members[name] = f"{members[name].isoformat(timespec='seconds')}Z"
        return members

    dict = model_dump


def _id_of(session_id: uuid.UUID | str) -> uuid.UUID:
    try:
        return session_id if isinstance(session_id, uuid.UUID) else uuid.UUID(session_id)
    except (ValueError, TypeError, AttributeError) as error:
        raise ValueError(f"session_id: {session_id!r} is no UUID") from error


def _text_of(status: str) -> str:
    """The platform's statuses are an enumeration of strings, which str() does not show."""
    return str(status.value) if isinstance(status, enum.Enum) else status


def _fit(text: str) -> str:
    """The text as Milepost takes it: what can't be encoded is replaced, what is too long is cut."""
    data = text.replace("\0", "").encode("utf-8", "replace")
    if len(data) > TEXT_MAX:
        data = data[:TEXT_MAX - 3].decode("utf-8", "ignore").encode() + "…".encode()
    return data.decode()


def _members(update: ProgressUpdate) -> dict[str, Any]:
    """The update as a worker reports it. Only one that failed has an error, and that one must."""
    members: dict[str, Any] = {"status": _text_of(update.status), "progress": update.progress}
    if update.message:
        members["message"] = _fit(update.message)
    if members["status"] == "failed":
        members["error"] = _fit(update.error or update.message or "Processing failed")
    if update.estimated_time_remaining is not None:
        members["estimated_time_remaining"] = update.estimated_time_remaining
    return members


def _stored(asked: ProgressUpdate, message: Any) -> ProgressUpdate | None:
    """The server's message, with the status of the kind that was asked for; None: it is none."""
    try:
        status = message["status"]
        if isinstance(asked.status, enum.Enum):
            with contextlib.suppress(ValueError):
                status = type(asked.status)(status)
        created, updated = (datetime.fromisoformat(message[name].removesuffix("Z")) for name in ("created_at", "updated_at"))
        return ProgressUpdate(asked.session_id, status, message["progress"], message["message"], created, updated,
                              message["error"], message["estimated_time_remaining"])
    except (AttributeError, KeyError, TypeError, ValueError):
        return None


@dataclasses.dataclass
class _Report:
    """An update that is being reported."""

    update: ProgressUpdate  # as asked for; as stored, from then on; the current one, if that forbids it
    before: ProgressUpdate | None  # what was known before it
    is_refused: bool = False


async def _wait(future: concurrent.futures.Future[Outcome], seconds: float) -> None:
    """Waits for the future, but not for longer; and leaves it alone if it is itself cancelled."""
    loop = asyncio.get_running_loop()
    done = asyncio.Event()

    def wake(_: object) -> None:
        with contextlib.suppress(RuntimeError):  # the loop is closed: nobody waits any more
            loop.call_soon_threadsafe(done.set)

    future.add_done_callback(wake)
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            await done.wait()


class ProgressTracker:
    """Reports the progress of sessions to Milepost, for pipelines that must not wait for it.

    update_progress returns when Milepost has stored the update, or after max_wait seconds at the latest, and
    at once where the last try failed, or its answer is overdue: an outage costs a pipeline max_wait seconds once,
    be it that nobody is there or that somebody takes requests and never answers. What was not stored in
    time is delivered later, see Delivery; what can't be, or is refused, is logged as a warning and raises
    nothing. Subscribers are called before it returns; one that raises, or takes longer than max_wait, is
    logged and not called again. So the two together last 2 * max_wait at the most.

    Members may be called from any thread and from one event loop after another. What get_progress and its like
    know is what this process reported, for ttl_seconds after a session's last update.
    """

    def __init__(self, ttl_seconds: float = 3600, *, url: str, key: str, max_wait: float = MAX_WAIT,
                 keep: float = 3600.0, tls: ssl.SSLContext | None = None) -> None:
        """keep: how many seconds an update waits for Milepost to come back. ValueError: url or key are wrong."""
        self.ttl, self.max_wait = ttl_seconds, max_wait
        self.delivery = Delivery(url, key, keep=keep, tls=tls)
        self.lock = threading.Lock()
        # With when they came to be known; the least recent first.
        self.known: collections.OrderedDict[uuid.UUID, tuple[float, ProgressUpdate]] = collections.OrderedDict()
        self.subscribers: dict[uuid.UUID, dict[Callback, asyncio.AbstractEventLoop]] = {}
        _trackers.add(self)

    # --- reporting ---

    async def update_progress(self, session_id: uuid.UUID | str, status: str, progress: float, message: str,
                              error: str | None = None,
                              estimated_time_remaining: float | None = None) -> ProgressUpdate:
        """Returns the update as it was stored; where that is not known in time, as it was asked for; where it
        was refused because it goes back, the current one. ValueError: an argument can't be right."""
        report = self._begin(_id_of(session_id), status, int(progress), message, error,
                             None if estimated_time_remaining is None else max(0, int(estimated_time_remaining)))
        job = Job(report.update.session_id, _members(report.update))
        job.outcome.add_done_callback(lambda outcome: self._settle(report, outcome.result()))
        is_worth_it = self.delivery.is_worth_waiting_for
        self.delivery.put(job)
        if is_worth_it:
            await _wait(job.outcome, self.max_wait)
            if not job.outcome.done():
                self.delivery.waited_in_vain(job)
        if not report.is_refused:
            await self.broadcast(report.update.session_id, report.update)
        return report.update

    def _begin(self, session: uuid.UUID, status: str, progress: int, message: str, error: str | None,
               seconds: int | None) -> _Report:
        with self.lock:
            before = self._known(session)
            goes_on = before is not None and _text_of(before.status) not in ENDING
            update = ProgressUpdate(session, status, progress, message, error=error, estimated_time_remaining=seconds,
                                    created_at=before.created_at if before is not None and goes_on else _now())
            self._remember(update)
        return _Report(update, before)

    def _settle(self, report: _Report, outcome: Outcome) -> None:
        """In the thread of the delivery."""
        asked = report.update
        stored = _stored(asked, outcome.answer.get("progress" if outcome.status == 200 else "current"))
        report.is_refused = outcome.status not in (0, 200)
        if stored is not None:
            report.update = stored
        with self.lock:
            if self._known(asked.session_id) is not asked:
                pass  # a newer one is known already
            elif stored is not None or not report.is_refused:
                self._remember(report.update)
            elif report.before is not None:
                self._remember(report.before)
            else:
                del self.known[asked.session_id]
        if outcome.status != 200 and outcome is not SUPERSEDED:
            log.warning("session %s: %s %d was not stored: %s", asked.session_id, _text_of(asked.status),
                        asked.progress, transfer.tame(outcome.answer.get("detail", outcome.status)))

    def _known(self, session: uuid.UUID) -> ProgressUpdate | None:
        """The lock is held."""
        return self.known[session][1] if session in self.known else None

    def _remember(self, update: ProgressUpdate) -> None:
        """The lock is held."""
        now = time.monotonic()
        self.known[update.session_id] = (now, update)
        self.known.move_to_end(update.session_id)
        while next(iter(self.known.values()))[0] < now - self.ttl:
            self.known.popitem(last=False)

    # --- what this process reported ---

    async def get_progress(self, session_id: uuid.UUID | str) -> ProgressUpdate | None:
        with self.lock:
            return self._known(_id_of(session_id))

    async def has_progress(self, session_id: uuid.UUID | str) -> bool:
        return await self.get_progress(session_id) is not None

    async def get_all_active_sessions(self) -> dict[uuid.UUID, ProgressUpdate]:
        with self.lock:
            return {session: update for session, (_, update) in self.known.items()}

    async def remove_progress(self, session_id: uuid.UUID | str) -> None:
        """Forgets it, and who subscribed. Milepost keeps it as long as the session is there."""
        with self.lock:
            self.known.pop(_id_of(session_id), None)
            self.subscribers.pop(_id_of(session_id), None)

    # --- subscribers ---

    async def subscribe(self, session_id: uuid.UUID | str, callback: Callback) -> None:
        """Calls back with the current progress, if there is any, and with each update that this process
        reports from now on; in the loop that runs now. The callback may be a coroutine's function, or
        the put of an asyncio.Queue."""
        session = _id_of(session_id)
        with self.lock:
            self.subscribers.setdefault(session, {})[callback] = asyncio.get_running_loop()
            current = self._known(session)
        if current is not None:
            await self._call(callback, current)

    async def unsubscribe(self, session_id: uuid.UUID | str, callback: Callback) -> None:
        session = _id_of(session_id)
        with self.lock:
            callbacks = self.subscribers.get(session, {})
            callbacks.pop(callback, None)
            if not callbacks:
                self.subscribers.pop(session, None)

    async def broadcast(self, session_id: uuid.UUID | str, update: ProgressUpdate) -> None:
        """Calls the session's subscribers with an update that is not reported."""
        here = asyncio.get_running_loop()
        with self.lock:
            callbacks = list(self.subscribers.get(_id_of(session_id), {}).items())
        for callback, loop in callbacks:
            if loop.is_closed():
                await self.unsubscribe(session_id, callback)  # nobody is there any more
            elif loop is not here:
                asyncio.run_coroutine_threadsafe(self._call(callback, update), loop)
        await asyncio.gather(*(self._call(callback, update) for callback, loop in callbacks if loop is here))

    async def _call(self, callback: Callback, update: ProgressUpdate) -> None:
        try:
            result = callback(update)
            if inspect.isawaitable(result):
                async with asyncio.timeout(self.max_wait):
                    await result
        except Exception:  # whatever it is, it is the subscriber's
            log.exception("session %s: a subscriber failed, and is not called again", update.session_id)
            await self.unsubscribe(update.session_id, callback)

    # --- the end ---

    def shutdown(self) -> None:
        """Waits for what is on its way, max_wait seconds at the most. At a process' end it is called by itself."""
        left = self.delivery.drain(self.max_wait)
        if left > 0:
            log.warning("%d updates were not delivered", left)

    def forked(self) -> None:
        """In the child of a fork: what the parent has on its way is the parent's."""
        self.lock = threading.Lock()
        self.delivery.reset()


_trackers: weakref.WeakSet[ProgressTracker] = weakref.WeakSet()
_tracker: ProgressTracker | None = None
_tracker_lock = threading.Lock()


def _shut_all_down() -> None:
    for tracker in list(_trackers):
        tracker.shutdown()


def _forked() -> None:
    for tracker in list(_trackers):
        tracker.forked()


atexit.register(_shut_all_down)
os.register_at_fork(after_in_child=_forked)


def get_progress_tracker(ttl_seconds: float = 3600) -> ProgressTracker:
    """The process' tracker. The environment says where Milepost is (MILEPOST_URL), the worker's key
    (MILEPOST_KEY, or MILEPOST_KEY_FILE with its file), and max_wait, if it is to be another
    (MILEPOST_MAX_WAIT). ValueError: one of them is missing or wrong."""
    global _tracker
    with _tracker_lock:
        if _tracker is None:
            url = transfer.base_of(_setting("MILEPOST_URL"), ("https", "http"), "MILEPOST_URL")
            _tracker = ProgressTracker(ttl_seconds, url=url, key=_key(), max_wait=_max_wait())
        return _tracker


def _setting(name: str) -> str:
    value = os.environ.get(name)
    if not value:
        raise ValueError(f"{name} is not set")
    return value


def _key() -> str:
    if "MILEPOST_KEY" in os.environ or "MILEPOST_KEY_FILE" not in os.environ:
        return transfer.clean("MILEPOST_KEY", _setting("MILEPOST_KEY"))
    file = os.environ["MILEPOST_KEY_FILE"]
    try:
        key = pathlib.Path(file).read_text("latin-1")
    except OSError as error:
        raise ValueError(f"MILEPOST_KEY_FILE: {file!r}: {error.strerror}") from error
    return transfer.clean(f"MILEPOST_KEY_FILE: {file!r}", key)


def _max_wait() -> float:
    text = os.environ.get("MILEPOST_MAX_WAIT", str(MAX_WAIT))
    try:
        seconds = float(text)
    except ValueError:
        seconds = math.nan
    if not 0 <= seconds <= 3600:
        raise ValueError(f"MILEPOST_MAX_WAIT: {text!r} is no number of seconds from 0 to 3600")
    return seconds
