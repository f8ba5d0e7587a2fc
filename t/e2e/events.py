"""events.py: a client of Server-Sent Events (HTML, section 9.2), strict about HTTP's chunks beneath them."""
import contextlib
import http.client
import json
import socket
import time
import urllib.parse

from bed import PATIENCE


class BrokenOff(Exception):
    """The answer ended without its last chunk."""


class EventStream:
    """The answer to one request for events: through nginx by TLS (without where plain), or direct to the n-th
    socket. A refusal has its body; of a stream, what comes is read as it is asked for."""

    def __init__(self, bed, session, token=None, *, direct=None, plain=False, headers=None, buffer=None, **query):
        if token is not None:
            query["token"] = token
        self.socket = socket.socket(socket.AF_INET if direct is None else socket.AF_UNIX)
        if buffer is not None:
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, buffer)
        self.socket.settimeout(PATIENCE)
        port = bed.port if plain else bed.tls_port
        self.socket.connect(("127.0.0.1", port) if direct is None else str(bed.ws_socket(direct)))
        if direct is None and not plain:
            self.socket = bed.tls.wrap_socket(self.socket, server_hostname="localhost")
        lines = [f"GET /api/sessions/{session}/events?{urllib.parse.urlencode(query)} HTTP/1.1", "Host: localhost",
                 "Accept: text/event-stream", *(f"{name}: {value}" for name, value in (headers or {}).items())]
        self.socket.sendall("".join(f"{line}\r\n" for line in [*lines, ""]).encode())
        self.file = self.socket.makefile("rb")
        self.status = int(self.file.readline().split()[1])
        self.headers = http.client.parse_headers(self.file)
        self.rest_of_line, self.comments = b"", []
        if self.status == 200:
            assert self.headers["Transfer-Encoding"] == "chunked"
        else:
            self.body = self.file.read(int(self.headers["Content-Length"] or 0))

    def __enter__(self):
        return self

    def __exit__(self, *_):
        with contextlib.suppress(OSError):
            self.file.close()
        self.socket.close()

    @property
    def json(self):
        return json.loads(self.body)

    def chunk(self):
        """The next one; b"" at the end."""
        size = self.file.readline()
        if not size.endswith(b"\r\n"):
            raise BrokenOff
        data = self.file.read(int(size, 16) + 2)
        if len(data) < int(size, 16) + 2:
            raise BrokenOff
        assert data.endswith(b"\r\n")
        return data[:-2]

    def line(self):
        """The next line; None at the end, which is behind an empty one."""
        while b"\n" not in self.rest_of_line:
            if not (chunk := self.chunk()):
                assert self.rest_of_line == b"", "an end within a line"
                return None
            self.rest_of_line += chunk
        line, _, self.rest_of_line = self.rest_of_line.partition(b"\n")
        return line.decode()

    def event(self):
        """The next event as a dict of its fields; None at the end. Comments are put aside."""
        event, until = {}, time.monotonic() + PATIENCE
        while (line := self.line()) is not None:
            assert time.monotonic() < until, "comments alone"
            name, _, value = line.partition(":")
            if line == "":
                if event:
                    return event
            elif name == "":
                self.comments.append(value)
            else:
                assert name in ("id", "event", "data") and name not in event, line
                event[name] = value.removeprefix(" ")
        assert not event, "an end within an event"
        return None

    def update(self):
        """The next update as (revision, message); None at the end."""
        event = self.event()
        if event is None:
            return None
        assert list(event) == ["id", "event", "data"] and event["event"] == "progress"
        return int(event["id"]), json.loads(event["data"])

    def updates(self):
        """All of them up to the end."""
        return iter(self.update, None)

    def message(self):
        return self.update()[1]
