"""The opening handshake: what is refused by HTTP, and the places of the token."""
import socket
import uuid

import pytest

from bed import Bed, receive

GOOD = {"Host": "localhost", "Upgrade": "websocket", "Connection": "Upgrade",
        "Sec-WebSocket-Version": "13", "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ=="}


def exchange(path, data):
    """Sends bytes to a milepost-ws and returns all that it answers."""
    with socket.socket(socket.AF_UNIX) as s:
        s.settimeout(20)
        s.connect(str(path))
        for piece in data if isinstance(data, list) else [data]:
            s.sendall(piece)
        answer = b""
        while chunk := s.recv(65536):
            answer += chunk
            if answer.startswith(b"HTTP/1.1 101"):
                break
        return answer


def request(line, headers):
    return (line + " HTTP/1.1\r\n" + "".join(f"{k}: {v}\r\n" for k, v in headers.items()) + "\r\n").encode()


def status(bed, line, headers):
    return int(exchange(bed.ws_socket(), request(line, headers)).split()[1])


WATCH = f"GET /api/sessions/ws/{uuid.uuid4()}"


@pytest.mark.parametrize("line,change,expected", [
    (WATCH, {}, 101),
    (WATCH, {"Connection": "keep-alive, Upgrade", "Upgrade": "WebSocket"}, 101),
    (WATCH, {"Host": None}, 400), (WATCH, {"Upgrade": None}, 426), (WATCH, {"Upgrade": "h2c"}, 426),
    (WATCH, {"Connection": None}, 400), (WATCH, {"Sec-WebSocket-Version": None}, 426),
    (WATCH, {"Sec-WebSocket-Version": "8"}, 426), (WATCH, {"Sec-WebSocket-Key": None}, 400),
    (WATCH, {"Sec-WebSocket-Key": "short"}, 400), (WATCH, {"Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZR=="}, 400),
    (WATCH, {"Content-Length": "5"}, 400), (WATCH, {"Transfer-Encoding": "chunked"}, 400),
    (WATCH, {"X": "a\x01b"}, 400), (WATCH, {"X ": "a"}, 400),
    (WATCH.replace("GET", "POST"), {}, 405), (WATCH.replace("GET", "POST"), {"Content-Length": "5"}, 405),
    ("GET /api/sessions/ws/a/b", {}, 404), ("GET /", {}, 404),
    (WATCH + "?since=x", {}, 400), (WATCH + "?token=%", {}, 400),
    (WATCH, {"X": "a" * 20000}, 431), (WATCH, {f"X{i}": "a" for i in range(80)}, 431)])
def test_statuses(bed, line, change, expected):
    """Every header wrong in turn."""
    headers = {k: v for k, v in {**GOOD, **change}.items() if v is not None}
    assert status(bed, line, headers) == expected


def test_426_names_the_version(bed):
    """426 says which version would do."""
    answer = exchange(bed.ws_socket(), request(WATCH, {"Host": "x"}))
    assert b"\r\nSec-WebSocket-Version: 13\r\n" in answer


def test_accept(bed):
    """The accept value of the RFC's own example."""
    assert b"Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=" in exchange(
        bed.ws_socket(), request(WATCH, GOOD))


def test_byte_by_byte(bed):
    """A head that comes byte by byte is as good as one that comes whole."""
    data = request(WATCH, GOOD)
    assert exchange(bed.ws_socket(), [data[i:i + 1] for i in range(len(data))]).startswith(b"HTTP/1.1 101")


@pytest.mark.parametrize("garbage", [b"\r\n\r\n", b"\x16\x03\x01\x02\x00\x01\r\n\r\n", b"GET / HTTP/1.0\r\n\r\n",
                                     b"GET /\r\n\r\n", b"GET  / HTTP/1.1\r\nHost: x\r\n\r\n",
                                     b"GET / HTTP/1.1\r\nHost: x\r\n folded\r\n\r\n",
                                     b"GET / HTTP/1.1\nHost: x\r\n\r\n"])
def test_garbage(bed, garbage):
    """What is no HTTP is 400."""
    assert exchange(bed.ws_socket(), garbage).startswith(b"HTTP/1.1 400")


def test_head_timeout():
    """A head that does not come is 408."""
    with Bed(head_timeout="100ms") as bed:
        assert exchange(bed.ws_socket(), b"GET / HT").startswith(b"HTTP/1.1 408")
        assert exchange(bed.ws_socket(), b"") == b""


def test_origins():
    """Only configured origins, where some are; a client that is no browser sends none."""
    with Bed(origins="https://a.example https://b.example") as bed:
        for origin, expected in ((None, 101), ("https://b.example", 101), ("https://a.example.evil", 403),
                                 ("null", 403)):
            headers = {**GOOD, "Origin": origin} if origin else GOOD
            assert status(bed, WATCH, headers) == expected


async def test_token_places(bed):
    """Query before header before subprotocol; the subprotocol is answered with bearer."""
    session = bed.session()
    bed.report(session, "uploading", 1)
    good, bad = bed.therapist(), "x.y.z"
    for kw, bearer in (({"token": good}, None),
                       ({"extra_headers": {"Authorization": f"Bearer {good}"}}, None),
                       ({"subprotocols": ["bearer", good]}, "bearer"),
                       ({"token": good, "extra_headers": {"Authorization": f"Bearer {bad}"}}, None),
                       ({"extra_headers": {"Authorization": f"Bearer {good}"},
                         "subprotocols": ["bearer", bad]}, "bearer")):
        async with bed.watch(session, **kw) as ws:
            assert (await receive(ws))["progress"] == 1
            assert ws.subprotocol == bearer


def test_through_nginx(bed):
    """nginx passes refusals on, and answers 503 with Retry-After while milepost-ws is away."""
    reply = bed.http("GET", f"/api/sessions/ws/{uuid.uuid4()}")
    assert reply.status == 426
    with Bed() as other:
        assert other.end("ws0") == 0
        # Its token must not be in a log, whatever nginx has to say of the missing socket.
        reply = other.http("GET", f"/api/sessions/ws/{uuid.uuid4()}?token={other.therapist()}")
        assert (reply.status, reply.headers["Retry-After"]) == (503, "1")
