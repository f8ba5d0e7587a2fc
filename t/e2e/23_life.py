"""The life of an open connection: rights that change, expiry, heartbeats, what clients may send."""
import asyncio
import json
import os
import signal
import struct
import time

import pytest

from bed import Bed, Closed, receive, until_closed, update

INVALID = (1008, "Invalid authentication")
NOT_FOUND = (1008, "Session not found")
FORBIDDEN = (1008, "Not authorized to access this session")


async def closed_by(bed, ws, act):
    """How the connection is closed by what act does."""
    act()
    closed = await until_closed(ws)
    return closed.code, closed.reason


@pytest.mark.parametrize("by", ["rest", "shell"])
async def test_authority_is_live(bed, by):
    """Every change of rights closes at once the connections that it concerns, and no others."""

    def put(what, thing, members):
        assert bed.json("PUT", f"/milepost/v1/{what}/{thing}", members, bearer=bed.admin_key).status == 200

    def sql(statement, *args):
        bed.sql(statement, *args)
        os.utime(bed.dir / "milepost.db-bell")

    rest = {
        "inactive": lambda u, s: put("users", u, {"is_active": False}),
        "demoted": lambda u, s: put("users", u, {"role": "patient"}),
        "moved": lambda u, s: put("sessions", s, {"patient_id": bystander}),
        "user gone": lambda u, s: bed.http("DELETE", f"/milepost/v1/users/{u}", bearer=bed.admin_key),
        "session gone": lambda u, s: bed.http("DELETE", f"/milepost/v1/sessions/{s}", bearer=bed.admin_key),
    }
    shell = {
        "inactive": lambda u, s: sql("UPDATE user SET is_active = 0 WHERE id = ?", u),
        "demoted": lambda u, s: sql("UPDATE user SET role = 'patient' WHERE id = ?", u),
        "moved": lambda u, s: sql("UPDATE session SET patient_id = NULL WHERE id = ?", s),
        "user gone": lambda u, s: sql("DELETE FROM user WHERE id = ?", u),
        "session gone": lambda u, s: sql("DELETE FROM session WHERE id = ?", s),
    }
    bystander = bed.user("therapist")
    for name, role, expected in (("inactive", "therapist", INVALID), ("demoted", "therapist", FORBIDDEN),
                                 ("moved", "patient", FORBIDDEN), ("user gone", "patient", INVALID),
                                 ("session gone", "therapist", NOT_FOUND)):
        user = bed.user(role)
        session = bed.session(user if role == "patient" else None)
        other = bed.session()
        async with bed.watch(session, bed.token(user)) as ws, bed.watch(other, bed.token(bystander)) as fine:
            act = (rest if by == "rest" else shell)[name]
            assert await closed_by(bed, ws, lambda: act(user, session)) == expected, name
            bed.report(other, "uploading", 1)
            assert (await update(fine))["progress"] == 1


async def test_session_made_anew(bed):
    """A session that is deleted and made anew under its id is another one."""
    user, session = bed.user("therapist"), bed.session()
    bed.report(session, "transcribing", 50)
    async with bed.watch(session, bed.token(user)) as ws:
        await update(ws)
        bed.sql("DELETE FROM session WHERE id = ?", session)
        bed.sql("INSERT INTO session (id) VALUES (?)", session)
        assert await closed_by(bed, ws, lambda: os.utime(bed.dir / "milepost.db-bell")) == NOT_FOUND
    assert bed.http("GET", f"/api/sessions/{session}/progress", bearer=bed.token(user)).status == 404


async def test_expiry_and_refresh():
    """A token's end closes the connection, unless a refresh came: of the same user, and valid."""
    with Bed(jwt_leeway="0s") as bed:
        user, session = bed.user("therapist"), bed.session()
        async with bed.watch(session, bed.token(user, lifetime=2)) as dies, \
                bed.watch(session, bed.token(user, lifetime=2)) as cheats, \
                bed.watch(session, bed.token(user, lifetime=2)) as lives:
            for token in (bed.token(bed.user("admin")), bed.token(user, secret="x" * 40), 5):
                await cheats.send(json.dumps({"type": "refresh", "token": token}))
            await lives.send(json.dumps({"type": "refresh", "token": bed.token(user)}))
            began = time.monotonic()
            for ws in (dies, cheats):
                closed = await until_closed(ws)
                assert (closed.code, closed.reason) == INVALID
            assert 0.5 < time.monotonic() - began < 10
            bed.report(session, "uploading", 3)
            assert (await update(lives))["progress"] == 3


async def test_heartbeat():
    """Every interval a ping message and a protocol ping; who stays silent for two is dropped."""
    with Bed(heartbeat_interval="400ms") as bed:
        session, token = bed.session(), bed.therapist()
        async with bed.watch(session, token) as ws:
            pings = [await receive(ws) for _ in range(4)]
            assert {tuple(p) for p in pings} == {("type", "timestamp")} and pings[0]["type"] == "ping"
            bed.report(session, "uploading", 1)
            assert (await update(ws))["progress"] == 1, "its pongs kept it alive"
        reader, writer = await raw(bed, session, token)
        data = await asyncio.wait_for(reader.read(-1), 20)
        assert data.count(b'{"type":"ping"') in (1, 2) and data.count(b"\x89\x00") in (1, 2)
        writer.close()


# --- frames by hand: what the library would not send ---

async def raw(bed, session, token):
    """A connection straight to milepost-ws, behind its 101."""
    reader, writer = await asyncio.open_unix_connection(str(bed.ws_socket()))
    writer.write((f"GET /api/sessions/ws/{session}?token={token} HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\n"
                  "Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
                  "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n").encode())
    assert b"101" in await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), 20)
    return reader, writer


def frame(opcode, payload=b"", fin=True, mask=b"\x01\x02\x03\x04"):
    head = bytes([(0x80 if fin else 0) | opcode])
    masked = 0x80 if mask else 0
    if len(payload) < 126:
        head += bytes([masked | len(payload)])
    elif len(payload) < 65536:
        head += bytes([masked | 126]) + struct.pack(">H", len(payload))
    else:
        head += bytes([masked | 127]) + struct.pack(">Q", len(payload))
    body = bytes(b ^ mask[i % 4] for i, b in enumerate(payload)) if mask else payload
    return head + (mask or b"") + body


async def read_frame(reader):
    first, second = await asyncio.wait_for(reader.readexactly(2), 20)
    size = second & 0x7f
    if size == 126:
        size, = struct.unpack(">H", await reader.readexactly(2))
    return first, await reader.readexactly(size)


CLOSE_1000 = frame(8, struct.pack(">H", 1000))


@pytest.mark.parametrize("data,code", [
    (frame(8), None), (CLOSE_1000, 1000), (frame(8, struct.pack(">H", 4999) + "bye é".encode()), 4999),
    (frame(1, b"hello", mask=None), 1002), (b"\xc1" + frame(1, b"x")[1:], 1002), (frame(3, b"x"), 1002),
    (frame(11), 1002), (frame(9, b"x", fin=False), 1002), (frame(9, b"x" * 126), 1002),
    (frame(0, b"x"), 1002), (frame(1, b"x", fin=False) + frame(1, b"y"), 1002),
    (frame(8, b"x"), 1002), (frame(8, struct.pack(">H", 1005)), 1002), (frame(8, struct.pack(">H", 999)), 1002),
    (frame(8, struct.pack(">H", 1000) + b"\xff"), 1007), (frame(2, b"x"), 1003),
    (frame(1, b"\xc3\x28"), 1007), (frame(1, b"\xed\xa0\x80"), 1007), (frame(1, "é".encode()[:1]), 1007),
    (frame(1, b"x" * 4097), 1009), (frame(1, b"x" * 4000, fin=False) + frame(0, b"x" * 97), 1009),
    (frame(1, b"x" * 4096) + CLOSE_1000, 1000),
    (frame(1, "é".encode()[:1], fin=False) + frame(9, b"p") + frame(0, "é".encode()[1:]) + CLOSE_1000, 1000),
    (frame(1, b"", fin=False) + frame(0, b"", fin=False) + frame(0, b"") + CLOSE_1000, 1000)],
    ids=range(24))
@pytest.mark.parametrize("step", [1, 7, 100000], ids=str)
async def test_frames(bed, data, code, step):
    """Breaches of RFC 6455 are closed with their code, good frames are not, in any split of bytes."""
    reader, writer = await raw(bed, bed.session(), bed.therapist())
    for i in range(0, len(data), step):
        writer.write(data[i:i + step])
    while (got := await read_frame(reader))[0] != 0x88:
        assert got == (0x8a, b"p"), "a pong with the ping's payload"
    assert (struct.unpack(">H", got[1][:2])[0] if got[1] else None) == code
    assert await asyncio.wait_for(reader.read(), 20) == b"", "and then the end"
    writer.close()


async def test_pipelined_behind_the_handshake(bed):
    """Frames that come in one piece with the handshake are read."""
    reader, writer = await asyncio.open_unix_connection(str(bed.ws_socket()))
    writer.write((f"GET /api/sessions/ws/{bed.session()}?token={bed.therapist()} HTTP/1.1\r\nHost: x\r\n"
                  "Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
                  "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n").encode() + frame(9, b"early"))
    await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), 20)
    assert await read_frame(reader) == (0x8a, b"early")
    writer.close()


async def test_client_messages():
    """Text is ignored, or acknowledged where so configured."""
    with Bed(client_messages="ack") as bed:
        async with bed.watch(bed.session(), bed.therapist()) as ws:
            for text in ("hello", "{}", "x" * 4096):
                await ws.send(text)
                assert await receive(ws) == {"type": "ack", "message": "Message received"}


async def test_reload():
    """HUP takes a new configuration; one that is wrong leaves the old; a new secret closes."""
    with Bed() as bed:
        session, token = bed.session(), bed.therapist()
        bed.announced.append(r".*event=(ws|api)\.reload-failed.*")

        async def acknowledges():
            async with bed.watch(bed.session(), bed.therapist()) as ws:
                await ws.send("hello")
                await (await ws.ping())  # its pong comes behind the acknowledgement
                return bool(ws.messages)

        async def until(condition):
            until = time.monotonic() + 20
            while not await condition():
                assert time.monotonic() < until

        def reload(text):
            bed.procs["ws0"].send_signal(signal.SIGHUP)
            bed.procs["api"].send_signal(signal.SIGHUP)
            return lambda: asyncio.sleep(0, bed.logs().count(text) >= 2)

        async with bed.watch(session, token) as ws:
            bed.write_config(client_messages="ack")
            await until(reload(".reload"))
            await until(acknowledges)
            bed.write_config(client_messages="nonsense")
            await until(reload(".reload-failed"))
            assert await acknowledges(), "the old configuration stays"
            bed.write_config(client_messages="ignore")
            (bed.dir / "jwt.secret").write_text("an entirely new secret of more than 32 bytes")
            bed.procs["ws0"].send_signal(signal.SIGHUP)
            closed = await until_closed(ws)
            assert (closed.code, closed.reason) == INVALID
