"""Watching: what comes first, then every update, in order, none twice; resuming; the end."""
import asyncio
import json
import signal

import pytest
import websockets

from bed import Bed, eventually, until_closed, update

EIGHT = ["session_id", "status", "progress", "message", "updated_at", "created_at",
         "estimated_time_remaining", "error"]


async def test_snapshot_first(bed):
    """The current progress at once, if there is any; the message is the very one that was answered."""
    session = bed.session()
    async with bed.watch(session, bed.therapist()) as early:
        stored = [bed.report(session, "transcribing", p).json for p in (20, 30)]
        async with bed.watch(session.upper(), bed.therapist()) as late:
            assert await update(late) == stored[1]
        assert [await update(early), await update(early)] == stored
        assert list(stored[0]) == EIGHT


async def test_stored_by_another_program(bed):
    """A message that is no UTF-8, as of a stage that was entered at a Latin-1 terminal, is sent as what can be read of
    it: no WebSocket would stand the rest."""
    session = bed.session()
    bed.sql("INSERT INTO stage SELECT 'copying', rank + 1, min, max, fallback, outcome, CAST(X'C39CFC62' AS TEXT)"
            " FROM stage WHERE name = 'uploading'")
    async with bed.watch(session, bed.therapist()) as ws:
        stored = bed.report(session, "copying", 1).json
        assert stored["message"] == "\u00dc\ufffdb" and await update(ws) == stored


async def test_too_long_by_hand(bed):
    """What somebody wrote into the database that is longer than a worker may send is cut: no frame holds it all."""
    session = bed.session()
    bed.report(session, "uploading", 1)
    async with bed.watch(session, bed.therapist()) as ws:
        assert (await update(ws))["progress"] == 1
        bed.sql("INSERT INTO event (session, run, status, rank, outcome, progress, message, error, updated_at, created_at)"
                " SELECT session, run, status, rank, outcome, 2, replace(hex(zeroblob(20000)), '00', '\u00fc'),"
                " 'x' || replace(hex(zeroblob(20000)), '00', '\u00fc'), updated_at, created_at FROM event"
                " WHERE session = (SELECT number FROM session WHERE id = ?)", session)
        cut = await update(ws)
        assert (cut["progress"], cut["message"], cut["error"]) == (2, "\u00fc" * 512, "x" + "\u00fc" * 511)


async def test_order_for_everybody():
    """Two milepost-ws behind one nginx: watchers on both see every update once, in order."""
    with Bed(ws=2) as bed:
        session, token = bed.session(), bed.therapist()
        bed.report(session, "uploading", 0)
        watchers = [await bed.watch(session, token, direct=i % 2) for i in range(6)]
        watchers += [await bed.watch(session, token) for _ in range(4)]
        for ws in watchers:
            assert (await update(ws))["progress"] == 0
        sent = [bed.report(session, "transcribing", 20 + i // 3, message=f"{i}").json for i in range(100)]
        sent.append(bed.report(session, "processed").json)
        for ws in watchers:
            closed = await until_closed(ws)
            assert closed.messages == sent
            assert (closed.code, closed.reason) == (1000, "Processing complete")


async def test_other_sessions_stay_apart(bed):
    """A watcher sees its own session alone."""
    mine, other, token = bed.session(), bed.session(), bed.therapist()
    async with bed.watch(mine, token) as ws:
        bed.report(other, "uploading", 1)
        stored = bed.report(mine, "uploading", 2).json
        assert await update(ws) == stored


@pytest.mark.parametrize("status,members,reason", [
    ("processed", {}, "Processing complete"), ("failed", {"error": "no audio"}, "Processing failed")])
async def test_end(bed, status, members, reason):
    """After the end of the run: the update, and 1000; for those who come later too."""
    session, token = bed.session(), bed.therapist()
    async with bed.watch(session, token) as ws:
        last = bed.report(session, status, **members).json
        closed = await until_closed(ws)
        assert (closed.messages, closed.code, closed.reason) == ([last], 1000, reason)
    async with bed.watch(session, token) as ws:
        closed = await until_closed(ws)
        assert (closed.messages, closed.code, closed.reason) == ([last], 1000, reason)


async def test_since(bed):
    """since=0 is all that is kept of the run, since=N all that is later; a ninth member tells where."""
    session, token = bed.session(), bed.therapist()
    bed.report(session, "failed", error="the run before")
    sent = [bed.report(session, "transcribing", 20 + i).json for i in range(5)]
    async with bed.watch(session, token, since=0) as ws:
        got = [await update(ws) for _ in sent]
        assert [list(m) for m in got] == [EIGHT + ["revision"]] * 5
        revisions = [m.pop("revision") for m in got]
        assert got == sent and revisions == sorted(set(revisions))
        live = bed.report(session, "transcribing", 40).json
        assert {**live, "revision": revisions[-1] + 1} == await update(ws)
    async with bed.watch(session, token, since=revisions[3]) as ws:
        assert [(await update(ws))["progress"] for _ in range(2)] == [24, 40]
    async with bed.watch(session, token, since=revisions[-1] + 1) as ws:
        assert {**bed.report(session, "processed").json, "revision": revisions[-1] + 2} == await update(ws)
        assert (await until_closed(ws)).code == 1000
    async with bed.watch(session, token, since=revisions[-1] + 2) as ws:
        closed = await until_closed(ws)
        assert (closed.messages, closed.code) == ([], 1000), "it has all, and is told the end"
    async with bed.watch(session, token, since=2 ** 60) as ws:
        closed = await until_closed(ws)
        assert [m["status"] for m in closed.messages] == ["processed"], "a revision of another database"


async def test_long_replay(bed):
    """A resuming client gets thousands of kept updates, in order, and then the live ones."""
    session, token = bed.session(), bed.therapist()
    lines = "\n".join(json.dumps({"session_id": session, "status": "transcribing", "progress": 20 + i // 100,
                                  "message": str(i)}) for i in range(3000))
    bed.http("POST", "/milepost/v1/progress", lines, bearer=bed.worker_key, Content_Type="application/x-ndjson")
    async with bed.watch(session, token, since=0, max_queue=None) as ws:
        got = [(await update(ws))["message"] for _ in range(3000)]
        assert got == [str(i) for i in range(3000)]
        bed.report(session, "processed")
        assert (await until_closed(ws)).messages[0]["status"] == "processed"


async def test_slow_watcher():
    """Who does not read is given the newest update when they read again, the last one always."""
    with Bed() as bed:
        session, token = bed.session(), bed.therapist()
        reader, slow = await bed.watch(session, token), await bed.watch(session, token, direct=0, max_queue=1)
        slow.transport.pause_reading()
        text = "x" * 900
        for i in range(2000):
            if i % 20 == 0:
                lines = "\n".join(json.dumps({
                    "session_id": session, "status": "transcribing", "progress": 20 + i // 100,
                    "message": f"{i + k} {text}"}) for k in range(20))
                bed.http("POST", "/milepost/v1/progress", lines, bearer=bed.worker_key,
                         Content_Type="application/x-ndjson")
            assert (await update(reader))["message"].split()[0] == str(i)
        bed.report(session, "processed")
        slow.transport.resume_reading()
        closed = await until_closed(slow)
        seen = [int(m["message"].split()[0]) for m in closed.messages[:-1]]
        assert seen == sorted(set(seen)) and len(seen) < 2000
        assert closed.messages[-1]["status"] == "processed" and closed.code == 1000
        assert (await until_closed(reader)).code == 1000
        metrics = bed.http("GET", "/milepost/ws/metrics").body.decode()
        assert int(metrics.split("milepost_ws_conflated_total ")[-1].split()[0]) > 0


async def test_lost_bell():
    """Without the bell an update comes with the next poll; a removed file is made anew."""
    with Bed(poll_interval="100ms") as bed:
        session, token = bed.session(), bed.therapist()
        bell = bed.dir / "milepost.db-bell"
        async with bed.watch(session, token) as ws:
            bell.unlink()
            number, = bed.sql("SELECT number FROM session WHERE id = ?", session)[0]
            bed.sql("INSERT INTO event (session, run, status, rank, outcome, progress, message, updated_at, "
                    "created_at) VALUES (?, 1, 'uploading', 0, 'running', 7, 'by hand', 0, 0)", number)
            assert (await update(ws))["progress"] == 7
            eventually(bell.exists, "the bell is made anew")
            bed.report(session, "uploading", 8)
            assert (await update(ws))["progress"] == 8


async def test_planned_stop(bed):
    """TERM closes every connection with 1012, and ends with 0."""
    with Bed() as other:
        async with other.watch(other.session(), other.therapist()) as ws:
            other.procs["ws0"].send_signal(signal.SIGTERM)
            closed = await until_closed(ws)
            assert (closed.code, closed.reason) == (1012, "Service restart")
        assert other.procs.pop("ws0").wait(20) == 0
        assert not other.ws_socket().exists()


async def test_platform_client(bed, capsys):
    """The platform's documented Python client: connect by ws://, print until the end."""
    session, token = bed.session(), bed.therapist()
    bed.report(session, "transcribing", 45)

    async def monitor(session_id, jwt_token):
        uri = f"ws://localhost:{bed.port}/api/sessions/ws/{session_id}?token={jwt_token}"
        async with websockets.connect(uri) as websocket:
            async for message in websocket:
                data = json.loads(message)
                if data.get("type") == "ping":
                    continue
                print(f"{data['progress']}% {data['message']}")
                if data["status"] == "transcribing":
                    bed.report(session, "processed", message="Ready")
                if data["status"] in ("processed", "failed"):
                    break

    await asyncio.wait_for(monitor(session, token), 20)
    assert capsys.readouterr().out == "45% Transcribing audio...\n100% Ready\n"
