"""Every limit, crossed: connections per user over all processes, per address and in all; rates; the drain."""
import asyncio
import json
import sqlite3

from bed import Bed, eventually, listens, receive, reload, until_closed
from frames import Wire, close, fragments


async def outcome(ws):
    """What a watcher of a session with progress gets first: its progress, or the close."""
    try:
        return (await receive(ws))["progress"]
    except Exception as closed:
        return (closed.code, closed.reason)


async def test_per_user_over_all_processes():
    """Three processes count together; a place that is left, or that a killed process held, is free again."""
    with Bed(ws=3, max_connections_per_user=6) as bed:
        user = bed.user("therapist")
        token, session = bed.token(user), bed.session()
        bed.report(session, "uploading", 3)
        open_ = [await bed.watch(session, token, direct=i % 3) for i in range(6)]
        assert [await outcome(ws) for ws in open_] == [3] * 6
        for i in range(3):
            async with bed.watch(session, token, direct=i) as ws:
                assert await outcome(ws) == (1008, "Too many connections")
        async with bed.watch(session, bed.therapist(), direct=0) as ws:
            assert await outcome(ws) == 3  # another user
        await open_.pop().close()
        async with bed.watch(session, token, direct=0) as ws:
            assert await outcome(ws) == 3
        bed.end("ws1", 9)
        again = [await bed.watch(session, token, direct=i) for i in (0, 2)]
        assert [await outcome(ws) for ws in again] == [3, 3]
        bed.ws_socket(1).unlink()
        bed.start_ws(1)
        eventually(lambda: listens(bed.ws_socket(1)), "ws1 listens")
        async with bed.watch(session, token, direct=1) as ws:
            assert await outcome(ws) == 3  # the sixth
            async with bed.watch(session, token, direct=1) as ws2:
                assert await outcome(ws2) == (1008, "Too many connections")
        for ws in open_ + again:
            await ws.close()


async def test_per_user_once_the_file_can_be_made():
    """Where the shared file can't be made each process counts by itself, until it can: then those who are in
    already count for all."""
    with Bed(ws=2, max_connections_per_user=2) as bed:
        for name in ("ws0", "ws1"):
            bed.end(name)
        shared = bed.dir / "milepost.db-watchers"
        shared.unlink()
        shared.mkdir()
        for i in range(2):
            bed.start_ws(i)
        bed.ready()
        token, session = bed.therapist(), bed.session()
        bed.report(session, "uploading", 3)
        async with bed.watch(session, token, direct=0) as a, bed.watch(session, token, direct=1) as b, \
                bed.watch(session, token, direct=1) as c:
            assert [await outcome(ws) for ws in (a, b, c)] == [3, 3, 3], "two in one of them"
            shared.rmdir()
            eventually(shared.is_file, "it is made")
            eventually(lambda: len(regions(shared)) == 2, "by both")
            async with bed.watch(session, token, direct=0) as ws:
                assert await outcome(ws) == (1008, "Too many connections")
        assert bed.logs().count("event=ws.census") == 2, "said once"


def regions(shared):
    """The places of the file in which somebody is counted."""
    size = 16 * 65536
    return [i for i in range(shared.stat().st_size // size) if any(shared.read_bytes()[i * size:(i + 1) * size])]


async def test_never_more_than_the_limit_at_once():
    """Handshakes that come at once at several processes: never more than the limit are in."""
    with Bed(ws=3, max_connections_per_user=5) as bed:
        token, session = bed.therapist(), bed.session()
        bed.report(session, "uploading", 3)
        all_ = await asyncio.gather(*(bed.watch(session, token, direct=i % 3) for i in range(60)))
        got = await asyncio.gather(*(outcome(ws) for ws in all_))
        assert 0 < got.count(3) <= 5 and set(got) <= {3, (1008, "Too many connections")}
        await asyncio.gather(*(ws.close() for ws in all_))


async def raw(bed, address, session, token):
    """A handshake as nginx would pass it on; returns the status line, and the connection."""
    reader, writer = await asyncio.open_unix_connection(str(bed.ws_socket()))
    header = f"X-Real-IP: {address}\r\n" if address else ""
    writer.write(f"GET /api/sessions/ws/{session}?token={token} HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\n"
                 f"Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\n{header}"
                 "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n".encode())
    return int((await reader.readline()).split()[1]), reader, writer


async def test_per_address():
    """Of one address (of IPv6: one network), in whatever state; who is unknown is not counted."""
    with Bed(max_connections_per_address=3) as bed:
        token, session = bed.therapist(), bed.session()
        kept = []
        for address, statuses in (("192.0.2.1", [101, 101, 101, 429]), ("192.0.2.2", [101]),
                                  ("::ffff:192.0.2.1", [429]),
                                  ("2001:db8::1", [101, 101]), ("2001:db8::2", [101, 429]),
                                  ("2001:db8:0:1::1", [101]), (None, [101] * 5), ("nonsense", [101] * 5)):
            for status in statuses:
                connection = await raw(bed, address, session, token)
                assert connection[0] == status, address
                kept.append((address, connection))
        gone = next(connection for address, connection in kept if address == "192.0.2.1")
        watchers = bed.metric("watchers")
        gone[2].close()
        await gone[2].wait_closed()
        eventually(lambda: bed.metric("watchers") == watchers - 1, "it is gone")
        assert (await raw(bed, "192.0.2.1", session, token))[0] == 101
        assert bed.metric("http_refusals_total") == 3
        for _, connection in kept:
            connection[2].close()


async def test_in_all():
    with Bed(max_connections=2) as bed:
        token, session = bed.therapist(), bed.session()
        bed.report(session, "uploading", 3)
        async with bed.watch(session, token) as a, bed.watch(session, token) as b:
            assert [await outcome(ws) for ws in (a, b)] == [3, 3]
            async with bed.watch(session, token) as c:
                assert await outcome(c) == (1013, "Try again later")


async def test_message_size():
    """As configured; also of a refresh, which holds a token."""
    with Bed(message_max="8k", client_messages="ack") as bed:
        user, session = bed.user("therapist"), bed.session()
        token = bed.token(user)
        async with bed.watch(session, token) as ws:
            await ws.send("x" * 8192)
            assert (await receive(ws))["type"] == "ack"
            await ws.send(json.dumps({"type": "refresh", "token": bed.token(user, padding="x" * 5000)}))
            assert (await receive(ws))["type"] == "ack"
            eventually(lambda: "event=ws.refresh " in bed.logs(), "the token is replaced")
            await ws.send("x" * 8193)
            assert (await until_closed(ws)).code == 1009


async def test_message_rate():
    """Messages, pings and pongs in a second, together; what is within the limit is answered."""
    with Bed(message_rate_max=20, client_messages="ack") as bed:
        session = bed.session()
        async with bed.watch(session, bed.therapist()) as ws:
            for _ in range(10):
                await ws.send("x")
            assert [(await receive(ws))["type"] for _ in range(10)] == ["ack"] * 10
        for flood in (lambda ws: ws.send("x"), lambda ws: ws.ping(), lambda ws: ws.pong()):
            async with bed.watch(session, bed.therapist()) as ws:
                try:
                    for _ in range(200):
                        await flood(ws)
                except Exception:
                    pass  # closed meanwhile
                closed = await until_closed(ws)
                assert (closed.code, closed.reason) == (1008, "Too many messages")
        for count, code in ((19, 1000), (40, 1008)):  # a message without end, of nothing but fragments
            with Wire(bed, session, bed.therapist()) as wire:
                wire.send(fragments(*[b""] * count)[:-6] + close(1000))
                assert wire.end()[1] == code


async def test_drain():
    """A planned stop sends the watchers away one after the other, and serves the others on until then."""
    with Bed(drain_time="3s") as bed:
        session, token = bed.session(), bed.therapist()
        bed.report(session, "uploading", 1)
        watchers = [await bed.watch(session, token, direct=0) for _ in range(30)]
        for ws in watchers:
            assert (await receive(ws))["progress"] == 1
        process = bed.procs["ws0"]
        process.terminate()
        ends = [asyncio.ensure_future(until_closed(ws)) for ws in watchers]
        await asyncio.wait(ends, return_when=asyncio.FIRST_COMPLETED)
        assert not all(end.done() for end in ends)
        await asyncio.to_thread(bed.report, session, "uploading", 2)
        closed = await asyncio.gather(*ends)
        assert {(c.code, c.reason) for c in closed} == {(1012, "Service restart")}
        served = [c for c in closed if [m["progress"] for m in c.messages] == [2]]
        assert served and len(served) < 30
        assert process.wait(20) == 0
        bed.start_ws()
        bed.ready()


async def test_second_signal_ends_the_drain():
    with Bed(drain_time="1h") as bed:
        async with bed.watch(bed.session(), bed.therapist(), direct=0) as a, \
                   bed.watch(bed.session(), bed.therapist(), direct=0) as b:
            process = bed.procs["ws0"]
            process.terminate()
            eventually(lambda: "event=ws.stop" in bed.logs(), "the drain began")
            process.terminate()
            assert {(await until_closed(ws)).code for ws in (a, b)} == {1012}
        assert process.wait(20) == 0


def batch(bed, session, progress, name, count=1200):
    """Many updates in one transaction; returns the status and the messages that were answered as stored."""
    lines = [json.dumps({"session_id": session, "status": "transcribing", "progress": progress,
                         "message": f"{name} {i} " + "x" * 600}) for i in range(count)]
    reply = bed.http("POST", "/milepost/v1/progress", "\n".join(lines), bearer=bed.worker_key,
                     Content_Type="application/x-ndjson")
    answers = [json.loads(line) for line in reply.body.splitlines()] if reply.status == 200 else []
    assert {answer["status"] for answer in answers} <= {200}
    return reply, [answer["progress"]["message"] for answer in answers]


def test_wal_is_bounded_under_an_old_reader():
    """A reader that keeps an old state: the WAL stays near wal_max, workers get 503, and all goes on after it."""
    with Bed(wal_max="8m") as bed:
        session = bed.session()
        assert bed.report(session, "transcribing", 20).status == 200
        reader = sqlite3.connect(bed.db, isolation_level=None)
        reader.execute("BEGIN")
        reader.execute("SELECT count(*) FROM event").fetchone()
        tries = [batch(bed, session, 20, f"try {i}") for i in range(20)]
        stored = [message for _, messages in tries for message in messages]
        assert {reply.status for reply, _ in tries} == {200, 503}
        refused = next(reply for reply, _ in tries if reply.status == 503)
        assert refused.headers["Retry-After"] == "1"
        assert bed.metric("wal_refusals_total", "api") > 0
        size = (bed.dir / "milepost.db-wal").stat().st_size
        assert 8 << 20 < size < 20 << 20, size
        assert bed.http("GET", "/milepost/api/readyz").status == 503
        bed.write_config(wal_max="1024m")
        reload(bed)
        assert bed.http("GET", "/milepost/api/readyz").status == 503, "a reload changes nothing of it"
        reader.execute("ROLLBACK")
        reader.close()
        eventually(lambda: bed.is_ready("api"), "nobody has to report before it is ready")
        assert bed.report(session, "transcribing", 21).status == 200
        for i in range(20):
            reply, messages = batch(bed, session, 22, f"after {i}")
            assert reply.status == 200
            stored += messages
        assert set(stored) <= {row[0] for row in bed.sql("SELECT message FROM event")}
        assert (bed.dir / "milepost.db-wal").stat().st_size < 20 << 20
        bed.announced += [r".*event=api\.wal-full.*", r".*event=api\.request.*status=503.*"]


def log_of(bed, name):
    """The lines of a program's log, each a JSON object, as (event, the others)."""
    lines = [json.loads(line) for line in (bed.dir / "log" / f"{name}.log").read_text().splitlines()]
    assert all({"time", "level", "program", "event"} <= set(line) for line in lines)
    return [(line["event"], line) for line in lines]


async def test_logs_tell():
    """As JSON: whatever belongs to one connection, or to one request, has the same number."""
    with Bed(log_format="json", log_level="debug") as bed:
        session, user = bed.session(), bed.user("therapist")
        async with bed.watch(session, bed.token(user)):
            bed.report(session, "uploading", 1)
        async with bed.watch(session, "x.y.z") as ws:
            await until_closed(ws)
        eventually(lambda: len([line for event, line in log_of(bed, "ws0") if event == "ws.close"]) == 2, "both")
        opened, = [line for event, line in log_of(bed, "ws0") if event == "ws.open"]
        assert (opened["user"], opened["session"], opened["outcome"]) == (user, session, "admitted")
        refused, = [line for event, line in log_of(bed, "ws0") if event == "ws.refused"]
        assert (refused["outcome"], refused["cause"]) == ("bad-token", "malformed")
        closes = {line["conn"]: line["code"] for event, line in log_of(bed, "ws0") if event == "ws.close"}
        assert closes == {opened["conn"]: 1000, refused["conn"]: 1008}
        expired = bed.token(user, lifetime=-100)
        assert [bed.report(session, "uploading", 2, bearer=bearer).status
                for bearer in (expired, "nonsense", bed.token(user), bed.worker_key)] == [401, 401, 403, 200]
        requests = {line["request"]: line for event, line in log_of(bed, "api") if event == "api.request"}
        causes = [(line["cause"], requests[line["request"]]["status"], requests[line["request"]]["id"])
                  for event, line in log_of(bed, "api") if event == "api.auth"]
        assert causes == [("expired", 401, session), ("malformed", 401, session)]
        forbidden, = [line for event, line in log_of(bed, "api") if event == "api.forbidden"]
        assert requests[forbidden["request"]]["status"] == 403
        assert len(requests) == len([event for event, _ in log_of(bed, "api") if event == "api.request"])


async def test_metrics_tell(bed):
    """Statuses, closes, causes, the lag, bytes waiting and the WAL are in the metrics of both programs."""
    session = bed.session()
    before = bed.metric('updates_total{status="uploading"}')
    count = bed.metric("lag_seconds_count")
    refused = bed.metric('auth_failures_total{cause="expired"}', "api")
    async with bed.watch(session, bed.therapist()) as ws:
        for i in range(5):
            bed.report(session, "uploading", i)
            assert (await receive(ws))["progress"] == i
    assert bed.metric('updates_total{status="uploading"}') == before + 5
    assert bed.metric("lag_seconds_count") == count + 5
    assert bed.metric('lag_seconds_bucket{le="+Inf"}') == count + 5
    bed.report(session, "uploading", 9, bearer=bed.token(bed.user("admin"), lifetime=-100))
    assert bed.metric('auth_failures_total{cause="expired"}', "api") == refused + 1
    assert bed.metric("feed_current") == 1
    assert bed.metric("waiting_bytes") == 0
    assert bed.metric("wal_bytes") == bed.metric("wal_bytes", "api") > 0
    assert bed.metric("commit_seconds_count", "api") > 0
    assert bed.metric('closes_total{code="1000"}') > 0
