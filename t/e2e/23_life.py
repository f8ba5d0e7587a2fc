"""The life of an open connection: rights that change, expiry, heartbeats, what clients may send."""
import asyncio
import json
import os
import signal
import time

import pytest

from bed import Bed, RawWatcher, receive, until_closed, update
from frames import PING, PONG, TEXT, Wire, frame

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


def test_right_ends_in_a_replay():
    """Who lost the right while kept updates are being sent gets none that came after, though nobody rang."""
    with Bed(poll_interval="60s") as bed:
        user, session = bed.user("therapist"), bed.session()
        for first in range(0, 2400, 40):
            bed.batch(session, [{"status": "transcribing", "progress": 20 + n // 100, "message": f"{n} {'x' * 900}"}
                                for n in range(first, first + 40)])
        with RawWatcher(bed, session, bed.token(user)) as watcher:
            bed.sql("UPDATE user SET is_active = 0 WHERE id = ?", user)
            bed.sql("INSERT INTO event SELECT revision + 1, session, run, status, rank, outcome, progress, 'too late',"
                    " error, eta, updated_at, created_at, stored_ms FROM event ORDER BY revision DESC LIMIT 1")
            *updates, (first, payload) = watcher.frames()
            assert (first, payload[2:].decode()) == (0x88, INVALID[1])
            assert 0 < len(updates) <= 2400 and b"too late" not in b"".join(payload for _, payload in updates)


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
        with Wire(bed, session, token) as silent:
            opcodes = [opcode for opcode, _ in iter(silent.receive, None)]
        assert opcodes in ([TEXT] + [TEXT, PING] * n for n in (1, 2)), "the update, and one heartbeat or two"


async def test_a_stopped_process_drops_nobody():
    """While milepost-ws itself stands still its clients are not silent; it goes on with them, those too whose
    pongs it has not read yet."""
    with Bed(ws=2, heartbeat_interval="1s") as bed:
        session, token = bed.session(), bed.therapist()
        async with bed.watch(session, token, direct=0) as ws, bed.watch(session, token, direct=1) as clock:
            with Wire(bed, session, token) as late:
                # In a thread of its own, so that the other clients go on answering.
                while (await asyncio.to_thread(late.receive))[0] != PING:
                    pass
                bed.procs["ws0"].send_signal(signal.SIGSTOP)
                late.send(frame(PONG))
                for _ in range(3):
                    assert (await receive(clock))["type"] == "ping"
                bed.procs["ws0"].send_signal(signal.SIGCONT)
                late.send(frame(PING, b"still here"))
                while await asyncio.to_thread(late.receive) != (PONG, b"still here"):
                    pass
            assert (await receive(ws))["type"] == "ping"
            bed.procs["ws0"].send_signal(signal.SIGSTOP)
            for _ in range(3):
                assert (await receive(clock))["type"] == "ping"
            bed.procs["ws0"].send_signal(signal.SIGCONT)
            assert (await receive(ws))["type"] == "ping"
            bed.report(session, "uploading", 1)
            assert (await update(ws))["progress"] == 1


def test_pipelined_behind_the_handshake(bed):
    """Frames that come in one piece with the handshake are read."""
    with Wire(bed, bed.session(), bed.therapist(), behind=frame(PING, b"early")) as wire:
        assert wire.receive() == (PONG, b"early")


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
            # A key that needs a restart changes nothing, not even what is opened for the first time.
            bed.write_config(client_messages="ignore", database=bed.dir / "other.db")
            bed.procs["ws0"].send_signal(signal.SIGHUP)
            await until(lambda: asyncio.sleep(0, bed.logs().count("ws.reload ") + bed.logs().count("ws.reload\n") >= 2))
            ticket = bed.http("POST", "/milepost/v1/ticket", bearer=token).json["ticket"]
            bed.hidden.append(ticket)
            async with bed.watch(session, ticket=ticket) as by_ticket:
                bed.config.pop("database")
                bed.report(session, "uploading", 1)
                assert (await update(by_ticket))["progress"] == (await update(ws))["progress"] == 1
            (bed.dir / "jwt.secret").write_text("an entirely new secret of more than 32 bytes")
            bed.procs["ws0"].send_signal(signal.SIGHUP)
            closed = await until_closed(ws)
            assert (closed.code, closed.reason) == INVALID
