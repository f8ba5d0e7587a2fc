"""monitor.py: watches a session until it ends, over as many connections as that takes."""
from __future__ import annotations

import asyncio
import base64
import contextlib
import inspect
import json
import logging
import math
import ssl
import time
import urllib.parse
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any, TypedDict, Union

import websockets
from websockets.exceptions import ConnectionClosed, WebSocketException

from milepost import transfer

log = logging.getLogger("milepost")
# The library's own: at DEBUG it would tell all headers and messages, tokens among them.
quiet = logging.getLogger("milepost.connection")
quiet.setLevel(logging.INFO)

Token = Union[str, Callable[[], Union[str, Awaitable[str]]]]

MEMBERS = {"status": str, "progress": int, "revision": int}  # by which an update is known
FROM_THE_CURRENT = 2 ** 53 - 1  # never given out: the server begins with the current update, and numbers it
ENDINGS = ("Processing complete", "Processing failed")  # others close with 1000 when they are tired
ENDED, REFUSED, RESTARTING, FULL = 1000, 1008, 1012, 1013
FULL_FLOOR = 5.0
NO_TOKEN = "Authentication required"
BAD_TOKEN = "Invalid authentication"  # the one refusal that another token may change
PASSING = (408, 429)  # of the 4xx: these may be different the next time
OPEN_TIMEOUT, CLOSE_TIMEOUT = 10.0, 1.0
RENEWAL_MARGIN = 60.0


class Progress(TypedDict):
    """An update of a session's progress, as the server sends it."""

    session_id: str
    status: str
    progress: int
    message: str
    updated_at: str
    created_at: str
    estimated_time_remaining: int | None
    error: str | None
    revision: int


class Refused(Exception):
    """The server said no, and would say it again: in its words, with the close code or HTTP status."""

    def __init__(self, reason: str, code: int) -> None:
        super().__init__(reason)
        self.reason, self.code = reason, code


class _Lost(Exception):
    """The connection is gone, or did not come about: the next one may fare better."""

    def __init__(self, cause: object, floor: float = 0.0, code: int | None = None) -> None:
        super().__init__(cause)
        self.floor, self.code = floor, code


class _Credentials:
    """The token, from wherever it comes."""

    def __init__(self, source: Token) -> None:
        self.source, self.taken = source, ""
        self.refused: str | None = None  # since something was heard

    async def take(self) -> str:
        """Refused: there is none, it can't be one, or it is the one that was refused. _Lost: the caller's function
        failed."""
        try:
            token = self.source if isinstance(self.source, str) else self.source()
            self.taken = await token if inspect.isawaitable(token) else token
        except Exception as error:
            raise _Lost(error) from error
        if not self.taken:
            raise Refused(NO_TOKEN, REFUSED)
        is_possible = True
        try:
            self.taken = transfer.clean("token", self.taken)
        except ValueError:
            is_possible = False
        if self.taken == self.refused or not is_possible:
            raise Refused(BAD_TOKEN, REFUSED)
        return self.taken

    def heed(self, refusal: Refused) -> None:
        """Raises the refusal, unless there may be a better token."""
        if refusal.reason != BAD_TOKEN or isinstance(self.source, str) or self.refused is not None:
            raise refusal
        self.refused = self.taken

    def renewal(self) -> float | None:
        """The seconds until the token is to be renewed; None: never."""
        if isinstance(self.source, str):
            return None
        left = _expiry(self.taken) - time.time()
        return None if left <= 0 or left == float("inf") else max(left - RENEWAL_MARGIN, left / 2, 1.0)


def _expiry(token: str) -> float:
    """When a JSON Web Token expires; infinity if it does not say."""
    try:
        payload = token.split(".")[1]
        expiry = float(json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))["exp"])
        return expiry if math.isfinite(expiry) else math.inf
    except (IndexError, KeyError, TypeError, ValueError, OverflowError, RecursionError):
        return math.inf


class _Connect(getattr(websockets, "connect")):  # type: ignore[misc]  # made when it is asked for
    """One that follows no redirect, which would take the token to whom it was not meant for."""

    def handle_redirect(self, _: str) -> None:
        raise WebSocketException("a redirect, which is not followed")

    def process_redirect(self, error: Exception) -> Exception:
        """The same, from version 14 of the library on."""
        return error


class _Connection:
    """One WebSocket. The members raise Refused and _Lost; close is to be called in any case."""

    def __init__(self, base: str, session_id: str, credentials: _Credentials, tls: ssl.SSLContext | None) -> None:
        self.base = base.removeprefix("http").removeprefix("ws")
        # No session is called "..", and none may lead to another path.
        self.session = urllib.parse.quote(session_id, safe="").replace(".", "%252E")
        self.credentials, self.tls = credentials, tls
        self.socket: Any = None
        self.renewal: asyncio.Task[None] | None = None

    async def open(self, since: int | None, by_ticket: bool) -> None:
        token = await self.credentials.take()
        query: dict[str, Any] = {"since": FROM_THE_CURRENT if since is None else since}
        if by_ticket:
            query["ticket"] = await self.ticket(token)
        url = f"ws{self.base}/api/sessions/ws/{self.session}?{urllib.parse.urlencode(query)}"
        # The library takes None for no encryption, whatever the URL says.
        tls = (self.tls or True) if url.startswith("wss:") else None
        # From version 15 on it asks the environment's proxies, which would read what goes unencrypted.
        options = {"proxy": None} if tls is None and "proxy" in inspect.signature(_Connect).parameters else {}
        try:
            self.socket = await _Connect(url, subprotocols=None if by_ticket else ["bearer", token], ssl=tls,
                                         open_timeout=OPEN_TIMEOUT, close_timeout=CLOSE_TIMEOUT, ping_interval=None,
                                         logger=quiet, **options)
        except (WebSocketException, OSError) as error:
            raise _of_handshake(error) from error
        self.renewal = asyncio.create_task(self.keep_fresh())

    async def ticket(self, token: str) -> str:
        url = f"http{self.base}/milepost/v1/ticket"
        try:
            reply = await asyncio.to_thread(transfer.post, url, token, timeout=OPEN_TIMEOUT, tls=self.tls)
            if reply.status != 200:
                raise _of_status(*reply)
            ticket = json.loads(reply.body)["ticket"]
        except (OSError, ValueError, TypeError, KeyError, RecursionError) as error:
            raise _Lost(error) from error
        if not isinstance(ticket, str) or not ticket:
            raise _Lost("what came is no ticket of Milepost's")
        return ticket

    async def keep_fresh(self) -> None:
        while (seconds := self.credentials.renewal()) is not None:
            await asyncio.sleep(seconds)
            with contextlib.suppress(Exception):  # it is asked for again, as long as there is time
                token = await self.credentials.take()
                await self.socket.send(json.dumps({"type": "refresh", "token": token}))

    async def receive(self, silence: float) -> Any:
        """The next message; None: the session has ended."""
        try:
            async with asyncio.timeout(silence):
                return _checked(json.loads(await self.socket.recv()))
        except TimeoutError:
            raise _Lost("it fell silent") from None
        except (ValueError, RecursionError) as error:
            raise _Lost(error) from error  # not from Milepost
        except ConnectionClosed as closed:
            return _of_close(closed)

    async def close(self) -> None:
        if self.renewal is not None:
            self.renewal.cancel()
        if self.socket is not None:
            task = asyncio.current_task()
            before = task.cancelling() if task else 0
            await self.socket.close()
            if task and task.cancelling() > before:  # which the library keeps to itself
                raise asyncio.CancelledError


def _checked(message: Any) -> Any:
    """ValueError: it is none of Milepost's, but somebody else's who answers in its place."""
    if not isinstance(message, dict) or ("type" not in message and any(
            type(message.get(name)) is not kind for name, kind in MEMBERS.items())):
        raise ValueError("what came is no progress of Milepost's")
    return message


def _of_close(closed: ConnectionClosed) -> None:
    """Returns if the session has ended, raises what else happened."""
    code, reason = (None, "") if closed.rcvd is None else (closed.rcvd.code, closed.rcvd.reason)
    if code == REFUSED:
        raise Refused(reason, code)
    if code != ENDED or reason not in ENDINGS:
        raise _Lost(closed, FULL_FLOOR if code == FULL else 0.0, code)


def _of_handshake(error: Exception) -> Exception:
    """The library has two classes for an HTTP refusal, an old one and a new one."""
    response: Any = getattr(error, "response", error)
    status = getattr(response, "status_code", None)
    if status is None:
        return _Lost(error)
    return _of_status(status, response.headers, getattr(response, "body", None) or b"")  # the old one has none


def _of_status(status: int, headers: transfer.Headers, body: bytes) -> Exception:
    """Only Milepost itself can refuse: a proxy between us may think otherwise of the next connection."""
    if transfer.is_problem(headers) and status < 500 and status not in PASSING:
        return Refused(transfer.detail_of(body) or f"HTTP status {status}", status)
    return _Lost(f"HTTP status {status}", transfer.retry_after(headers))


async def monitor_session(url: str, session_id: str, token: Token, *, since: int | None = None,
                          ticket: bool = False, silence: float = 60.0, first_pause: float = 0.5,
                          last_pause: float = 30.0, tls: ssl.SSLContext | None = None) -> AsyncIterator[Progress]:
    """Yields the session's updates, and returns when the session has ended.

    A connection that is lost, or silent for so many seconds, is replaced by another after a pause, which
    doubles from the first to the last and is partly drawn. From the first update on, none is missed and
    none comes twice.

    url is where Milepost is, as https://example.org. token is the user's JSON Web Token, or a function
    (a coroutine's, perhaps) that gives one: it is asked for each connection, and before its token expires; what
    is empty says that there is none any more.
    since is the newest revision that is known, 0 for the whole run; left out, the first update is the
    current one. With ticket, no connection has the token itself. tls is for https; its default trusts whom
    the system does.

    Refused: the server itself said no. ValueError: the url is none. What a proxy says in the server's place is
    taken for a failure that passes, and so is what the token's function raises.
    """
    base = transfer.base_of(url, ("https", "http", "wss", "ws"))
    credentials = _Credentials(token)
    pauses = transfer.Backoff(first_pause, last_pause)
    while True:
        connection = _Connection(base, session_id, credentials, tls)
        try:
            await connection.open(since, ticket)
            while (message := await connection.receive(silence)) is not None:
                pauses.reset()
                credentials.refused = None
                if "type" not in message:
                    since = message["revision"]
                    yield message
            return
        except Refused as refusal:
            credentials.heed(refusal)
            continue
        except _Lost as lost:
            if lost.code == RESTARTING:
                pauses.reset()
            pause = pauses.draw(lost.floor)
            log.info("session %s: the connection was lost (%s); the next one in %.1f s", session_id,
                     transfer.tame(lost), pause)
        finally:
            await connection.close()
        await asyncio.sleep(pause)
