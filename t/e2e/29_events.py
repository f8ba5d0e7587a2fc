"""Watching by Server-Sent Events: all that a WebSocket is told, as a stream that any HTTP client can read."""
import json
import os
import signal
import socket
import subprocess
import uuid

import pytest

from bed import BUILD, IS_THREAD_BUILD, PATIENCE, Bed, RawWatcher, eventually, receive, until_closed
from events import BrokenOff, EventStream
from overflow import TEXT, numbered, overflow

EIGHT = ["session_id", "status", "progress", "message", "updated_at", "created_at",
         "estimated_time_remaining", "error"]
SMALL = 4096  # a receive buffer
WAYS = {"direct": {"direct": 0}, "plain": {"plain": True}, "tls": {}}
every_way = pytest.mark.parametrize("way", WAYS.values(), ids=WAYS)


def revision(bed, session):
    return bed.stored(session)[-1][0]


def refused(stream):
    """The status and the detail of a refusal, which is a problem as all of them are."""
    assert stream.headers["Content-Type"] == "application/problem+json"
    assert stream.headers["Cache-Control"] == "no-store"
    problem = stream.json
    assert list(problem) == ["type", "title", "status", "detail"] and problem["status"] == stream.status
    return stream.status, problem["detail"]


@every_way
def test_stream(bed, way):
    """The head at once; then the current progress and every update, as they were answered; the end."""
    session, token = bed.session(), bed.therapist()
    with EventStream(bed, session, token, **way) as early:
        assert early.status == 200 and early.headers["Content-Type"] == "text/event-stream"
        assert early.headers["Cache-Control"] == "no-store"
        stored = [bed.report(session, "transcribing", p, message="50 %\n\"é\u2028\"").json for p in (20, 30)]
        with EventStream(bed, session.upper(), token, **way) as late:
            assert late.update() == (revision(bed, session), stored[1])
            stored.append(bed.report(session, "processed").json)
            assert [message for _, message in late.updates()] == stored[2:]
        got = list(early.updates())
        assert [message for _, message in got] == stored and list(stored[0]) == EIGHT
        assert [number for number, _ in got] == [number for number, _ in bed.stored(session)]
        assert early.comments == [" Processing complete"]


def test_framing(bed):
    """nginx is told to hold nothing back, and that the connection ends."""
    with EventStream(bed, bed.session(), bed.therapist(), direct=0) as stream:
        assert stream.headers["X-Accel-Buffering"] == "no" and stream.headers["Connection"] == "close"
        assert stream.headers["Content-Length"] is None


@pytest.mark.parametrize("status,members", [("processed", {}), ("failed", {"error": "no audio"})])
def test_where_nothing_can_follow(bed, status, members):
    """Who comes after the end gets the last update; who has it, 204, until there is another run."""
    session, token = bed.session(), bed.therapist()
    bed.report(session, "transcribing", 20)
    first = revision(bed, session)
    last = bed.report(session, status, **members).json
    with EventStream(bed, session, token) as stream:
        assert list(stream.updates()) == [(revision(bed, session), last)]
    for known in (0, first):
        with EventStream(bed, session, token, headers={"Last-Event-ID": known}) as stream:
            assert list(stream.updates())[-1] == (revision(bed, session), last)
    for way in WAYS.values():
        with EventStream(bed, session, token, headers={"Last-Event-ID": revision(bed, session)}, **way) as stream:
            assert (stream.status, stream.body) == (204, b"")
            assert stream.headers["Content-Length"] is None and stream.headers["Content-Type"] is None
    bed.report(session, "uploading", 1)
    with EventStream(bed, session, token, headers={"Last-Event-ID": revision(bed, session) - 1}) as stream:
        assert stream.message()["progress"] == 1


def test_resume(bed):
    """By the header, by lastEventId or by since, in this order; always of eight members."""
    session, token = bed.session(), bed.therapist()
    bed.report(session, "failed", error="the run before")
    for i in range(5):
        bed.report(session, "transcribing", 20 + i)
    numbers = [number for number, _ in bed.stored(session)]

    def resumed(expected, last=None, **query):
        headers = {} if last is None else {"Last-Event-ID": last}
        with EventStream(bed, session, token, headers=headers, **query) as stream:
            got = [stream.update() for _ in expected]
            assert [number for number, _ in got] == expected
            assert all(list(message) == EIGHT for _, message in got)

    resumed(numbers[1:], since=0)
    resumed(numbers[3:], last=numbers[2])
    resumed(numbers[3:], lastEventId=numbers[2])
    resumed(numbers[3:], since=numbers[2])
    resumed(numbers[3:], since=0, lastEventId=numbers[2])
    resumed(numbers[3:], last=numbers[2], since=0, lastEventId=numbers[4])
    resumed(numbers[3:], last="", since=numbers[2], lastEventId="")
    resumed(numbers[5:])
    resumed(numbers[5:], last=2 ** 60)  # of another database
    with EventStream(bed, session, token, headers={"Last-Event-ID": numbers[5]}) as stream:
        stored = bed.report(session, "processed").json
        assert list(stream.updates()) == [(numbers[5] + 1, stored)]


def test_long_replay(bed):
    """Thousands of kept updates, in order, and then the live ones."""
    session, token = bed.session(), bed.therapist()
    updates = [{"status": "transcribing", "progress": 20 + i // 100, "message": str(i)} for i in range(3000)]
    assert bed.batch(session, updates).status == 200
    with EventStream(bed, session, token, since=0) as stream:
        assert [stream.message()["message"] for _ in range(3000)] == [str(i) for i in range(3000)]
        last = bed.report(session, "processed").json
        assert [message for _, message in stream.updates()] == [last]


def test_refusals(bed):
    """The contract's table of refusals in its order, as statuses."""
    patient = bed.user("patient")
    own, other = bed.session(patient), bed.session(bed.user("patient"))
    for session in (other, "no-uuid", uuid.uuid4()):
        with EventStream(bed, session) as stream:
            assert refused(stream) == (401, "Authentication required")
            assert stream.headers["WWW-Authenticate"] == "Bearer"
        for token in ("x", bed.token(patient, lifetime=-100), bed.token(str(uuid.uuid4())), bed.admin_key):
            with EventStream(bed, session, token) as stream:
                assert refused(stream) == (401, "Invalid authentication")
                assert stream.headers["WWW-Authenticate"] == 'Bearer error="invalid_token"'
    for session in ("no-uuid", uuid.uuid4()):
        with EventStream(bed, session, bed.token(patient)) as stream:
            assert refused(stream) == (404, "Session not found")
    with EventStream(bed, other, bed.token(patient)) as stream:
        assert refused(stream) == (403, "Not authorized to access this session")
    with EventStream(bed, own, bed.token(patient)) as stream:
        bed.report(own, "uploading", 1)
        assert stream.message()["progress"] == 1


def test_malformed(bed):
    """What is wrong is named."""
    session, token = bed.session(), bed.therapist()
    for query, headers, word in (({"since": "x"}, {}, "since"), ({"lastEventId": "-1"}, {}, "last event's id"),
                                 ({}, {"Last-Event-ID": "1e3"}, "last event's id")):
        with EventStream(bed, session, token, headers=headers, **query) as stream:
            status, detail = refused(stream)
            assert status == 400 and word in detail
    for body in (None, "x"):
        reply = bed.http("POST", f"/api/sessions/{session}/events", body)
        assert (reply.status, reply.headers["Allow"]) == (405, "GET")
    reply = bed.http("POST", f"/api/sessions/{session}/events", "x" * 2 ** 21)
    assert (reply.status, reply.headers["Content-Type"]) == (413, "application/problem+json")


def test_token_places(bed):
    """The query's ticket before its token before the header; a ticket opens one stream."""
    session, good = bed.session(), bed.therapist()
    bed.report(session, "uploading", 1)

    def outcome(authorization=None, **query):
        headers = {} if authorization is None else {"Authorization": f"Bearer {authorization}"}
        with EventStream(bed, session, headers=headers, **query) as stream:
            return stream.message()["progress"] if stream.status == 200 else stream.status

    ticket = bed.http("POST", "/milepost/v1/ticket", bearer=good).json["ticket"]
    bed.hidden.append(ticket)
    assert outcome(ticket=ticket, token="x") == 1
    assert outcome(ticket=ticket, token=good) == 401
    assert outcome(token=good, authorization="x") == 1
    assert outcome(token="x", authorization=good) == 401
    assert outcome(token="", authorization=good) == 1


@every_way
def test_limits(way):
    """Those of WebSockets, which count together with streams."""
    with Bed(max_connections_per_user=2, max_connections=3) as bed:
        session, user = bed.session(), bed.user("therapist")
        bed.report(session, "uploading", 1)
        open_ = [EventStream(bed, session, bed.token(user), **way) for _ in range(2)]
        assert [stream.message()["progress"] for stream in open_] == [1, 1]
        with EventStream(bed, session, bed.token(user), **way) as stream:
            assert refused(stream) == (429, "Too many connections") and stream.headers["Retry-After"]
        open_.append(EventStream(bed, session, bed.therapist(), **way))
        with EventStream(bed, session, bed.therapist(), **way) as stream:
            assert refused(stream) == (503, "Try again later") and stream.headers["Retry-After"]
        assert (bed.metric("watchers"), bed.metric("event_streams")) == (3, 3)
        for stream in open_:
            with stream:
                pass
        eventually(lambda: bed.metric("event_streams") == 0, "they are gone")


async def test_beside_websockets(bed):
    """One user's limit counts both; both are told the same."""
    with Bed(max_connections_per_user=2) as bed:
        session, token = bed.session(), bed.therapist()
        async with bed.watch(session, token) as ws:
            with EventStream(bed, session, token) as stream:
                async with bed.watch(session, token) as another:
                    assert (await until_closed(another)).reason == "Too many connections"
                with EventStream(bed, session, token) as another:
                    assert another.status == 429
                stored = [bed.report(session, "uploading", 1).json, bed.report(session, "processed").json]
                assert [message for _, message in stream.updates()] == stored
                assert (await until_closed(ws)).messages == stored


def test_per_address():
    """Of one address as nginx tells it."""
    with Bed(max_connections_per_address=1) as bed:
        session, token = bed.session(), bed.therapist()
        with EventStream(bed, session, token, direct=0, headers={"X-Real-IP": "192.0.2.1"}) as stream:
            assert stream.status == 200
            with EventStream(bed, session, token, direct=0, headers={"X-Real-IP": "192.0.2.1"}) as another:
                assert refused(another)[0] == 429
            with EventStream(bed, session, token, direct=0, headers={"X-Real-IP": "192.0.2.2"}) as another:
                assert another.status == 200


@every_way
async def test_comments(way):
    """Twice as often as a WebSocket's heartbeat a comment; who never says anything is not dropped."""
    with Bed(heartbeat_interval="200ms") as bed:
        session, token = bed.session(), bed.therapist()
        with EventStream(bed, session, token, **way) as stream:
            async with bed.watch(session, token) as ws:
                assert [(await receive(ws))["type"] for _ in range(5)] == ["ping"] * 5
            stored = bed.report(session, "processed").json
            assert [message for _, message in stream.updates()] == [stored]
            assert set(stream.comments[:-1]) == {""} and 5 < len(stream.comments[:-1]) < 100
        assert bed.metric('closes_total{code="1006"}') == 0


@pytest.mark.parametrize("name,role,status,detail", [
    ("inactive", "therapist", 401, "Invalid authentication"),
    ("demoted", "therapist", 403, "Not authorized to access this session"),
    ("moved", "patient", 403, "Not authorized to access this session"),
    ("session gone", "therapist", 404, "Session not found")])
def test_authority_is_live(bed, name, role, status, detail):
    """A right that ends ends the stream at once; who comes back is told why."""
    user = bed.user(role)
    session, token = bed.session(user if role == "patient" else None), bed.token(user)
    statement, argument = {
        "inactive": ("UPDATE user SET is_active = 0 WHERE id = ?", user),
        "demoted": ("UPDATE user SET role = 'patient' WHERE id = ?", user),
        "moved": ("UPDATE session SET patient_id = NULL WHERE id = ?", session),
        "session gone": ("DELETE FROM session WHERE id = ?", session)}[name]
    bed.report(session, "uploading", 1)
    with EventStream(bed, session, token) as stream:
        assert stream.message()["progress"] == 1
        bed.sql(statement, argument)
        os.utime(bed.dir / "milepost.db-bell")
        assert list(stream.updates()) == [] and stream.comments == [f" {detail}"]
    with EventStream(bed, session, token, headers={"Last-Event-ID": 1}) as stream:
        assert refused(stream) == (status, detail)


def test_expiry():
    """The stream ends with its token."""
    with Bed(jwt_leeway="0s") as bed:
        session, user = bed.session(), bed.user("therapist")
        token = bed.token(user, lifetime=2)
        with EventStream(bed, session, token) as stream:
            assert list(stream.updates()) == [] and stream.comments == [" Invalid authentication"]
        with EventStream(bed, session, token) as stream:
            assert refused(stream) == (401, "Invalid authentication")


def test_drain():
    """A planned stop ends the streams one after the other; who resumes elsewhere misses and repeats nothing."""
    with Bed(ws=2, drain_time="3s") as bed:
        session, token = bed.session(), bed.therapist()
        bed.report(session, "transcribing", 20, message="0")
        streams = [EventStream(bed, session, token, direct=0) for _ in range(20)]
        seen = [[stream.update()] for stream in streams]
        process = bed.procs.pop("ws0")
        process.terminate()
        eventually(lambda: "event=ws.stop" in bed.logs(), "the drain began")
        stored = [bed.report(session, "transcribing", 20 + i, message=f"{i}").json for i in range(1, 5)]
        for stream, got in zip(streams, seen):
            got += stream.updates()
            assert stream.comments[-1] == " Service restart"
            with stream, EventStream(bed, session, token, direct=1, headers={"Last-Event-ID": got[-1][0]}) as again:
                while len(got) < 5:
                    got.append(again.update())
            assert [message for _, message in got[1:]] == stored
        assert process.wait(PATIENCE) == 0
        assert any(len(stream.comments) for stream in streams)


@every_way
def test_kill(way):
    """A process that is killed breaks the answer off, which a client can tell from its end."""
    with Bed() as bed:
        session, token = bed.session(), bed.therapist()
        bed.report(session, "uploading", 1)
        with EventStream(bed, session, token, **way) as stream:
            last = stream.update()
            assert bed.end("ws0", signal.SIGKILL) == -signal.SIGKILL
            with pytest.raises((BrokenOff, ConnectionError)):
                stream.update()
        stored = bed.report(session, "uploading", 2).json
        with EventStream(bed, session, token, plain=True) as stream:
            assert refused(stream)[0] == 503 and stream.headers["Retry-After"] == "1"
        bed.ws_socket().unlink()
        bed.start_ws()
        bed.ready()
        with EventStream(bed, session, token, headers={"Last-Event-ID": last[0]}, **way) as stream:
            assert stream.message() == stored


@every_way
def test_leaving(bed, way):
    """Who goes away is gone at once, and does not count any more; that is how one leaves, no loss."""
    session, token = bed.session(), bed.therapist()
    lost, left = bed.metric('closes_total{code="1006"}'), bed.metric('closes_total{code="1005"}')
    with EventStream(bed, session, token, **way):
        assert bed.metric("event_streams") == 1
    eventually(lambda: bed.metric("event_streams") == 0, "it is gone")
    assert bed.metric('closes_total{code="1005"}') == left + 1
    assert bed.metric('closes_total{code="1006"}') == lost


def test_what_a_client_sends_is_ignored(bed):
    """Whatever comes behind the request, however much of it, and WebSocket's frames too."""
    session = bed.session()
    with EventStream(bed, session, bed.therapist(), direct=0) as stream:
        for junk in (b"GET / HTTP/1.1\r\n\r\n", b"\x81\x85mask\0\0\0\0\0", b"\x88\x80mask", b"x" * 100000):
            stream.socket.sendall(junk)
        stored = bed.report(session, "processed").json
        assert [message for _, message in stream.updates()] == [stored]


# --- slow readers ---

@every_way
def test_slow(way):
    """Who stops reading and reads again gets whole events in order, the newest, and the end of the run, also
    where it came much longer ago than close_timeout."""
    with Bed(close_timeout="50ms") as bed:
        session = bed.session()
        with EventStream(bed, session, bed.therapist(), buffer=SMALL, **way) as slow:
            newest = overflow(bed, session)
            got = []
            while not got or got[-1][1]["message"] != f"{newest} {TEXT}":
                got.append(slow.update())
            numbers = [int(message["message"].split()[0]) for _, message in got]
            assert numbers == sorted(set(numbers)) and len(numbers) < newest
            assert [number for number, _ in got] == sorted({number for number, _ in got})
            newest = overflow(bed, session)
            last = bed.report(session, "processed").json
            for _ in range(10):
                with RawWatcher(bed, session, "none") as given_up:
                    assert len(list(given_up.frames())) == 1, "a close, which it never answers"
            assert list(slow.updates())[-1][1] == last


def memory(pid):
    """What the process holds: its share of every page, in bytes."""
    with open(f"/proc/{pid}/smaps_rollup") as f:
        return 1024 * next(int(line.split()[1]) for line in f if line.startswith("Pss:"))


@pytest.mark.skipif(IS_THREAD_BUILD, reason="memory is not the program's alone")
def test_stuck_cost_little():
    """As with WebSockets (25_slow.py), 4 KiB a watcher who is stuck; comments don't pile up before them."""
    stuck, updates = 500, 300
    with Bed(heartbeat_interval="100ms") as bed:
        session, token = bed.session(), bed.therapist()
        pid = bed.procs["ws0"].pid
        streams = [EventStream(bed, session, token, direct=0, buffer=SMALL) for _ in range(stuck)]
        with EventStream(bed, session, token) as healthy:
            assert bed.metric("event_streams") == stuck + 1
            before = memory(pid)
            for sent in numbered(range(1, updates + 1)):
                assert bed.report(session, **sent).json == healthy.message()
            eventually(lambda: bed.metric("frames_total") == (stuck + 1) * updates, "all are queued")
            seen = len(healthy.comments)
            while len(healthy.comments) < seen + 5:
                assert (line := healthy.line()) in (":", "")
                healthy.comments += [""] * (line == ":")
            per_watcher = (memory(pid) - before) / stuck
            print(f"{per_watcher:.0f} bytes a stuck watcher")
            assert bed.metric("conflated_total") > stuck * 50, "all were stuck"
        if b"__asan_init" not in (BUILD / "milepost-ws").read_bytes():
            assert per_watcher < 4096
        for stream in streams:
            with stream:
                pass
        eventually(lambda: bed.metric("watchers") == 0, "all are gone")


# --- browsers and other clients ---

def test_origins():
    """Only configured origins, where some are; the answer and a refusal are shown to a page of these."""
    with Bed(origins="https://a.example https://b.example") as bed:
        session, token = bed.session(), bed.therapist()
        for origin, expected in ((None, 200), ("https://b.example", 200), ("https://a.example.evil", 403),
                                 ("null", 403)):
            headers = {"Origin": origin} if origin else {}
            with EventStream(bed, session, token, headers=headers) as stream:
                assert stream.status == expected
                assert stream.headers["Access-Control-Allow-Origin"] == (origin if expected == 200 else None)
        with EventStream(bed, session, headers={"Origin": "https://a.example"}) as stream:
            assert refused(stream)[0] == 401
            assert stream.headers["Access-Control-Allow-Origin"] == "https://a.example"


def test_refusals_are_shown():
    """To a page of an allowed origin, whatever refuses it, and when to come back; to no other page."""
    with Bed(origins="https://a.example", max_connections_per_address=1) as bed:
        session, token = bed.session(), bed.therapist()
        shown = {"X-Real-IP": "192.0.2.1", "Origin": "https://a.example"}

        def refusal(headers, **query):
            with EventStream(bed, session, token, direct=0, headers=headers, **query) as stream:
                return refused(stream)[0], stream.headers["Access-Control-Allow-Origin"], stream.headers[
                    "Access-Control-Expose-Headers"]

        assert refusal(shown, since="x") == (400, "https://a.example", "Retry-After")
        with EventStream(bed, session, token, direct=0, headers=shown) as stream:
            assert stream.status == 200
            assert refusal(shown) == (429, "https://a.example", "Retry-After")
        bed.db.rename(bed.dir / "aside")
        eventually(lambda: refusal(shown) == (503, "https://a.example", "Retry-After"), "the address is free again")
        assert refusal({**shown, "Origin": "https://b.example"}) == (403, None, None)
        (bed.dir / "aside").rename(bed.db)
        bed.announced += [r"event=ws\.database.*it was removed", r"event=ws\.feed"]


def test_refusals_by_nginx_are_shown():
    """To any page, for they are the same for all; and when to come back."""
    with Bed() as bed:
        path = f"/api/sessions/{bed.session()}/events"

        def refusal():
            reply = bed.http("GET", path, Origin="https://a.example")
            assert reply.headers["Access-Control-Allow-Origin"] == "*"
            assert reply.headers["Access-Control-Expose-Headers"] == "Retry-After"
            assert reply.headers["Content-Type"] == "application/problem+json" and reply.json["status"] == reply.status
            return reply.status, reply.headers["Retry-After"]

        assert bed.end("ws0") == 0
        assert refusal() == (503, "1")
        bed.start_ws()
        bed.ready()
        bed.end("nginx")
        for name, old, new in (("http", "127.0.0.0/8 1;", ""), ("http", "::1 1;", ""), ("http", "rate=50r/s", "rate=1r/m"),
                               ("watch", "burst=200", "burst=1")):
            conf = bed.dir / "nginx" / f"milepost-{name}.conf"
            assert old in conf.read_text()
            conf.write_text(conf.read_text().replace(old, new))
        bed.start_nginx()
        bed.ready()
        assert [refusal() for _ in range(3)] == [(401, None), (401, None), (429, "2")]


def test_head(bed):
    """A refusal of HEAD has no body, also where no nginx takes it off."""
    with socket.socket(socket.AF_UNIX) as s:
        s.settimeout(PATIENCE)
        s.connect(str(bed.ws_socket()))
        s.sendall(f"HEAD /api/sessions/{bed.session()}/events HTTP/1.1\r\nHost: h\r\n\r\n".encode())
        answer = s.makefile("rb").read()
    assert answer.startswith(b"HTTP/1.1 405 ") and answer.endswith(b"\r\n\r\n")
    assert answer.count(b"\r\n\r\n") == 1 and b"\r\nContent-Length: " in answer


def test_preflight():
    """A browser may ask whether it may send the token in a header; no credential is needed to be told."""
    with Bed(origins="https://a.example") as bed:
        path = f"/api/sessions/{bed.session()}/events"
        reply = bed.http("OPTIONS", path, Origin="https://a.example", Access_Control_Request_Method="GET",
                         Access_Control_Request_Headers="authorization,last-event-id")
        assert (reply.status, reply.body) == (204, b"")
        assert reply.headers["Access-Control-Allow-Origin"] == "https://a.example"
        assert reply.headers["Access-Control-Allow-Methods"] == "GET"
        assert reply.headers["Access-Control-Allow-Headers"] == "Authorization, Last-Event-ID"
        assert bed.http("OPTIONS", path, Origin="https://b.example").status == 403


def test_any_origin(bed):
    """Where none are configured, any page may read what its token opens."""
    session, token = bed.session(), bed.therapist()
    bed.report(session, "processed")
    headers = {"Origin": "https://a.example"}
    for more in ({}, {"Last-Event-ID": revision(bed, session)}):
        with EventStream(bed, session, token, headers={**headers, **more}) as stream:
            assert stream.status == (204 if more else 200)
            assert stream.headers["Access-Control-Allow-Origin"] == "*"


def test_curl(bed):
    """As somebody at a shell would: each event as it comes, and 0 at the end."""
    session = bed.session()
    url = f"https://localhost:{bed.tls_port}/api/sessions/{session}/events"
    with subprocess.Popen(["curl", "-sSN", "--cacert", bed.dir / "tls.crt", "-H",
                           f"Authorization: Bearer {bed.therapist()}", url], stdout=subprocess.PIPE, text=True) as curl:
        for status in ("uploading", "processed"):
            stored = bed.report(session, status, 5 if status == "uploading" else None).json
            lines = [curl.stdout.readline() for _ in range(4)]
            assert lines[:2] == [f"id: {revision(bed, session)}\n", "event: progress\n"] and lines[3] == "\n"
            assert json.loads(lines[2].removeprefix("data: ")) == stored
        assert curl.wait(PATIENCE) == 0


EVENT_SOURCE = """
const EventSource = require('eventsource')
const source = new EventSource(process.argv[1], {https: {ca: require('fs').readFileSync(process.argv[2])}})
const say = (what) => console.log(JSON.stringify(what))
source.onopen = () => say({open: true})
source.addEventListener('progress', ({data, lastEventId}) => say({id: Number(lastEventId), update: JSON.parse(data)}))
source.onerror = ({status}) => say({error: status ?? null})
"""


class Node:
    """A standard EventSource in Node: what it says, as it says it."""

    def __init__(self, bed, session, token):
        url = f"https://localhost:{bed.tls_port}/api/sessions/{session}/events?token={token}"
        self.process = subprocess.Popen(["node", "-e", EVENT_SOURCE, url, bed.dir / "tls.crt"],
                                        env={**os.environ, "NODE_PATH": "/usr/share/nodejs"},
                                        stdout=subprocess.PIPE, text=True)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.terminate()
        self.process.wait(PATIENCE)
        self.process.stdout.close()

    def says(self):
        """None at its end: it has nothing more to wait for."""
        line = self.process.stdout.readline()
        return json.loads(line) if line else None


def test_event_source():
    """A standard EventSource comes back by itself, misses and repeats nothing, and knows the end."""
    with Bed(ws=2) as bed:
        session = bed.session()
        stored = [bed.report(session, "transcribing", 20).json]
        with Node(bed, session, bed.therapist()) as node:
            assert node.says() == {"open": True}
            got = [node.says()]
            watched = next(i for i in range(2) if f"ws{i}" in bed.procs and "ws.open" in
                           (bed.dir / "log" / f"ws{i}.log").read_text())
            assert bed.end(f"ws{watched}") == 0
            stored += [bed.report(session, "transcribing", 20 + i).json for i in range(1, 4)]
            assert node.says() == {"error": None}
            assert node.says() == {"open": True}
            got += [node.says() for _ in range(3)]
            stored.append(bed.report(session, "processed").json)
            got.append(node.says())
            assert [message["update"] for message in got] == stored
            assert [message["id"] for message in got] == [number for number, _ in bed.stored(session)]
            assert node.says() == {"error": None}, "the end of the stream"
            assert node.says() == {"error": 204}, "nothing follows"
            assert node.says() is None, "it asks no more"


@pytest.mark.parametrize("make,status", [(lambda bed: "x", 401), (lambda bed: bed.token(bed.user("patient")), 403)])
def test_event_source_is_refused(bed, make, status):
    """It gives up, and can say by which status."""
    with Node(bed, bed.session(), make(bed)) as node:
        assert (node.says(), node.says()) == ({"error": status}, None)


async def test_paths_of_websockets_stay_theirs(bed):
    """An id that reads as another path's end is an id that there is none of."""
    for name in ("events", "progress"):
        async with bed.watch(name, bed.therapist()) as ws:
            closed = await until_closed(ws)
            assert (closed.code, closed.reason) == (1008, "Session not found")


def test_log(bed):
    """A line for the opening that says by which transport, and for the end by whom; nginx's has no query."""
    session = bed.session()
    with EventStream(bed, session, bed.therapist()):
        pass
    eventually(lambda: "by=client" in bed.logs().rpartition("transport=events")[2], "its end is logged")
    line = next(line for line in bed.logs().splitlines() if "transport=events" in line and session in line)
    assert "event=ws.open" in line and "outcome=admitted" in line
    eventually(lambda: " GET events 200 " in (bed.dir / "log" / "milepost.log").read_text(), "nginx's line")
