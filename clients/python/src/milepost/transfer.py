"""transfer.py: what both halves need of HTTP: requests that don't follow redirects, and pauses between tries."""
from __future__ import annotations

import http.client
import json
import random
import re
import ssl
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Mapping
from email.message import Message
from typing import Any, NamedTuple, Union


RETRY_AFTER_MAX = 300.0  # what is asked for beyond that is no server's that is to come back
ANSWER_MAX = 2 ** 24  # bytes; those to the largest batch have half of that
TOLD_MAX = 200  # characters of what others say that a log or an exception has


class Backoff:
    """Pauses that double from the first to the last; half of each is drawn, so that many clients don't
    come back at once."""

    def __init__(self, first: float, last: float) -> None:
        self.first, self.last, self.next = first, last, first

    def draw(self, floor: float = 0.0) -> float:
        """The next pause. It follows the floor, and so is drawn there too."""
        pause = self.next * random.uniform(0.5, 1.0)
        self.next = min(self.next * 2, self.last)
        return floor + pause

    def reset(self) -> None:
        self.next = self.first


Headers = Union[Mapping[str, str], Message]


class Reply(NamedTuple):
    status: int
    headers: Headers
    body: bytes


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    """A redirect would take the key to whom it was not meant for."""

    def redirect_request(self, *_: Any) -> None:
        return None


def base_of(url: str, schemes: tuple[str, ...], name: str = "url") -> str:
    """The URL without a slash at its end. ValueError: it is none, or of another scheme."""
    url = url.strip()
    if re.search("[@?#]", url):  # what is a secret there would be logged
        raise ValueError(f"{name}: has more than a scheme, a host, a port and a path")
    if not url.startswith(tuple(f"{scheme}://" for scheme in schemes)) or not urllib.parse.urlsplit(url).hostname:
        raise ValueError(f"{name}: {url!r} does not begin with {' or '.join(f'{s}://' for s in schemes)} and a host")
    try:
        urllib.parse.urlsplit(url).port
    except ValueError as error:
        raise ValueError(f"{name}: {url!r}: {error}") from error
    return url.rstrip("/")


def clean(name: str, bearer: str) -> str:
    """A key or token, without the space and newlines that files leave around it. ValueError: it is none, for
    it has a character that a header can't hold, or no other than spaces."""
    bearer = bearer.strip()
    if not re.fullmatch(r"[A-Za-z0-9_.-]*", bearer):
        raise ValueError(f"{name}: has a character that none has; give it alone, without \"Bearer\"")
    if not bearer:
        raise ValueError(f"{name}: is empty")
    return bearer


def retry_after(headers: Headers) -> float:
    """The seconds that Retry-After asks for, within reason; 0 where it does not."""
    value = headers.get("Retry-After") or ""
    return min(float(value), RETRY_AFTER_MAX) if value.isdecimal() else 0.0


def is_problem(headers: Headers) -> bool:
    """Whether an error is told as Milepost tells its own, and not by somebody between us and it."""
    return (headers.get("Content-Type") or "").startswith("application/problem+json")


def tame(said: object) -> str:
    """What others said, as a log may have it: on one line, not long, with nothing that commands a terminal."""
    return "".join(c if c.isprintable() else "?" for c in str(said)[:TOLD_MAX])


def detail_of(body: bytes) -> str:
    """Of a problem; empty if it is none."""
    try:
        return tame(json.loads(body)["detail"])
    except (ValueError, TypeError, KeyError, RecursionError):
        return ""


def _read(answer: Any, until: float) -> bytes:
    """OSError: the answer has no end, or not in time."""
    body = bytearray()
    while piece := answer.read1(2 ** 16):
        body += piece
        if len(body) > ANSWER_MAX or time.monotonic() > until:
            raise OSError("an answer without an end")
    return bytes(body)


def post(url: str, bearer: str, body: bytes = b"", content_type: str | None = None, *, timeout: float,
         tls: ssl.SSLContext | None = None) -> Reply:
    """One POST. OSError: it could not be made, or had no answer that is HTTP and comes to its end."""
    headers = {"Authorization": f"Bearer {bearer}"}
    if content_type is not None:
        headers["Content-Type"] = content_type
    # A proxy would read what goes unencrypted; to all else it opens a way.
    proxies = {scheme: proxy for scheme, proxy in urllib.request.getproxies().items() if scheme != "http"}
    opener = urllib.request.build_opener(_NoRedirect, urllib.request.ProxyHandler(proxies),
                                         urllib.request.HTTPSHandler(context=tls))
    until = time.monotonic() + timeout
    try:
        try:
            answer = opener.open(urllib.request.Request(url, body, headers, method="POST"), timeout=timeout)
        except urllib.error.HTTPError as error:
            answer = error  # a status that is no success is an answer, too
        with answer:
            return Reply(answer.status, answer.headers, _read(answer, until))
    except http.client.HTTPException as error:
        raise OSError(f"no answer: {error!r}") from error
