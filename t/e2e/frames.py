"""frames.py: WebSocket frames made and read by hand, for what no library would send."""
import socket
import struct

from bed import PATIENCE

CONTINUATION, TEXT, BINARY, CLOSE, PING, PONG = 0, 1, 2, 8, 9, 10


def frame(opcode, payload=b"", *, fin=True, rsv=0, mask=b"\x01\x02\x03\x04", width=None):
    """One frame. width is how many bytes the extended length has: the fewest, unless given."""
    size = len(payload)
    if width is None:
        width = 0 if size < 126 else 2 if size < 65536 else 8
    head = bytes([fin << 7 | rsv << 4 | opcode, bool(mask) << 7 | {0: size, 2: 126, 8: 127}[width]])
    if width:
        head += size.to_bytes(width, "big")
    return head + mask + bytes(b ^ mask[i % 4] if mask else b for i, b in enumerate(payload))


def text(payload, **kw):
    return frame(TEXT, payload, **kw)


def close(code, reason=b""):
    return frame(CLOSE, struct.pack(">H", code) + reason)


def fragments(*payloads, opcode=TEXT, between=b""):
    """One message in as many frames as there are payloads."""
    last = len(payloads) - 1
    return between.join(frame(CONTINUATION if i else opcode, payload, fin=i == last)
                        for i, payload in enumerate(payloads))


class Wire:
    """A connection behind its 101: straight to milepost-ws, or through nginx where it has a port."""

    def __init__(self, bed, session, token, behind=b"", port=None):
        """The bytes of behind go out in one piece with the request."""
        self.socket = socket.socket(socket.AF_INET if port else socket.AF_UNIX)
        self.socket.settimeout(PATIENCE)
        self.socket.connect(("127.0.0.1", port) if port else str(bed.ws_socket()))
        self.input = self.socket.makefile("rb")
        self.send((f"GET /api/sessions/ws/{session}?token={token} HTTP/1.1\r\nHost: x\r\n"
                   "Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
                   "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n").encode() + behind)
        assert self.input.readline().split()[1] == b"101"
        while self.input.readline() != b"\r\n":
            pass

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.input.close()
        self.socket.close()

    def send(self, data, step=None):
        """In pieces of so many bytes, or in one."""
        for i in range(0, len(data), step or len(data)):
            self.socket.sendall(data[i:i + (step or len(data))])

    def receive(self):
        """The next frame as (opcode, payload); None behind the last one. It is as a server's must be."""
        if not (head := self.input.read(2)):
            return None
        assert head[0] & 0xf0 == 0x80, "whole, and no reserved bits"
        assert head[1] < 128, "a server does not mask"
        size = head[1]
        if size >= 126:
            size = int.from_bytes(self.input.read(2 if size == 126 else 8), "big")
        payload = self.input.read(size)
        assert len(payload) == size, "the end within a frame"
        return head[0] & 0x0f, payload

    def end(self):
        """Reads until milepost-ws ends the connection: (frames before its close frame, close code)."""
        *frames, (opcode, payload) = iter(self.receive, None)
        assert opcode == CLOSE, "a close frame is the last frame"
        payload[2:].decode()
        return frames, struct.unpack(">H", payload[:2])[0] if payload else None
