"""swarm.py: clients that cost little, for tests with many: watchers on bare sockets, posters that keep their connection."""
import asyncio
import base64
import functools
import json
import os
import struct
import urllib.parse

OPCODE_TEXT, OPCODE_CLOSE, OPCODE_PING, OPCODE_PONG = 1, 8, 9, 10


async def until(condition, what, seconds=60):
    """Waits until condition() is true, while all else goes on."""
    loop = asyncio.get_running_loop()
    end = loop.time() + seconds
    while not condition():
        assert loop.time() < end, f"not in time: {what}"
        await asyncio.sleep(0.01)


@functools.lru_cache(maxsize=4096)
def parse(payload):
    """A message; all watchers of a session get the same bytes, which are parsed once."""
    return json.loads(payload)


def client_frame(opcode, payload):
    """Masked with zeros: as good as any mask for a server, and free."""
    return bytes([0x80 | opcode, 0x80 | len(payload)]) + bytes(4) + payload


class Watcher(asyncio.Protocol):
    """One connection. Each update goes to on_update; closed becomes (code, reason), of the close frame, or
    the HTTP status of a refusal, or 1006 where the connection just ended."""

    def __init__(self, head, on_update):
        self.head, self.on_update = head, on_update
        self.data, self.open, self.answers = b"", False, True
        loop = asyncio.get_running_loop()
        self.opened, self.closed = loop.create_future(), loop.create_future()

    def connection_made(self, transport):
        self.transport = transport
        transport.write(self.head)

    def connection_lost(self, exc):
        self.open = False
        self.end(1006, str(exc or ""))

    def end(self, code, reason):
        for future in (self.opened, self.closed):
            if not future.done():
                future.set_result((code, reason))

    def data_received(self, data):
        if self.closed.done():
            return
        try:
            self.data = self.take(self.data + data)
        except Exception as error:
            self.closed.set_exception(error)
            self.end(0, "")
            self.transport.abort()

    def take(self, data):
        """Reads what is complete; returns what is not."""
        at = 0
        if not self.open:
            at = data.find(b"\r\n\r\n") + 4
            if at == 3:
                return data
            status = int(data[9:12])
            if status != 101:
                self.end(status, "")
                self.transport.close()
                return b""
            self.open = True
            self.opened.set_result((101, ""))
        while len(data) >= at + 2:
            assert data[at] & 0x70 == 0 and data[at] & 0x80 and data[at + 1] < 127, "a frame of a server of ours"
            size, start = data[at + 1], at + 2
            if size == 126:
                if len(data) < at + 4:
                    break
                size, start = struct.unpack_from(">H", data, start)[0], at + 4
            if len(data) < start + size:
                break
            self.frame(data[at] & 15, data[start:start + size])
            at = start + size
        return data[at:]

    def frame(self, opcode, payload):
        if opcode == OPCODE_TEXT:
            message = parse(payload)
            if "type" not in message:
                self.on_update(message)
        elif opcode == OPCODE_PING and self.answers:
            self.transport.write(client_frame(OPCODE_PONG, payload))
        elif opcode == OPCODE_CLOSE:
            self.transport.write(client_frame(OPCODE_CLOSE, payload[:2]))
            self.transport.close()
            self.end(struct.unpack(">H", payload[:2])[0] if payload else 1005, payload[2:].decode())

    def leave(self):
        """Politely; the server answers with a close of its own."""
        if not self.transport.is_closing():
            self.transport.write(client_frame(OPCODE_CLOSE, struct.pack(">H", 1000)))

    def vanish(self):
        self.transport.abort()


async def watch(bed, session, token, on_update, *, since=None, via="plain"):
    """A Watcher, open or refused: through nginx (via "plain" or "tls") or at the socket ("direct")."""
    query = urllib.parse.urlencode({k: v for k, v in (("token", token), ("since", since)) if v is not None})
    key = base64.b64encode(os.urandom(16)).decode()
    head = (f"GET /api/sessions/ws/{session}?{query} HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\n"
            f"Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: {key}\r\n\r\n").encode()
    loop = asyncio.get_running_loop()
    make = functools.partial(Watcher, head, on_update)
    if via == "direct":
        _, watcher = await loop.create_unix_connection(make, str(bed.ws_socket()))
    elif via == "tls":
        _, watcher = await loop.create_connection(make, "127.0.0.1", bed.tls_port, ssl=tls_of(bed),
                                                  server_hostname="localhost")
    else:
        _, watcher = await loop.create_connection(make, "127.0.0.1", bed.port)
    await watcher.opened
    return watcher


@functools.lru_cache(maxsize=1)
def tls_of(bed):
    return bed.tls


class Poster:
    """One connection to nginx that is kept from request to request, and made anew when it is lost."""

    def __init__(self, bed):
        self.bed, self.writer = bed, None

    async def post(self, path, body, kind="application/json"):
        """The status and the body of the answer; an OSError if there is none."""
        try:
            if self.writer is None:
                self.reader, self.writer = await asyncio.open_connection("127.0.0.1", self.bed.port)
            self.writer.write(f"POST {path} HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {self.bed.worker_key}"
                              f"\r\nContent-Type: {kind}\r\nContent-Length: {len(body)}\r\n\r\n{body}".encode())
            head = (await self.reader.readuntil(b"\r\n\r\n")).decode().lower()
            size = int(head.partition("content-length:")[2].split("\r")[0])
            body = await self.reader.readexactly(size)
        except (OSError, EOFError) as error:
            self.close()
            raise OSError(str(error)) from None
        if "connection: close" in head:
            self.close()
        return int(head[9:12]), body

    async def report(self, session, status, progress=None, **members):
        body = {"status": status, "progress": progress, **members}
        body = {name: value for name, value in body.items() if value is not None}
        return await self.post(f"/api/sessions/{session}/progress", json.dumps(body))

    def close(self):
        if self.writer is not None:
            self.writer.transport.abort()
        self.writer = None
