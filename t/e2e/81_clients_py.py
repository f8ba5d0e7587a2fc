"""The Python client: what a wheel of it does, against a Bed: watching, and the platform's progress tracker."""
import asyncio
import base64
import contextlib
import enum
import importlib
import itertools
import json
import logging
import os
import re
import shutil
import signal
import subprocess
import sys
import time
import uuid
import zipfile

import pytest
import websockets

from answers import answering
from bed import Bed, PATIENCE, TOP, eventually
from guides import Guide
from proxy import Proxy

SOURCE = TOP / "clients" / "python"
README = Guide("clients/python/README.md")
NOBODYS = "00000000-0000-4000-8000-000000000000"
BUILD_WHEEL = "import sys, setuptools.build_meta as b; print(b.build_wheel(sys.argv[1]))"


class SessionStatus(str, enum.Enum):
    """As the platform has it."""

    uploading = "uploading"
    transcribing = "transcribing"
    transcribed = "transcribed"
    extracting_notes = "extracting_notes"
    processed = "processed"
    failed = "failed"


@pytest.fixture(scope="module")
def installed(tmp_path_factory):
    """A folder with the unpacked wheel."""
    folder = tmp_path_factory.mktemp("python")
    shutil.copytree(SOURCE, folder / "source", ignore=shutil.ignore_patterns("__pycache__", "build", "*.egg-info"))
    subprocess.run([sys.executable, "-c", BUILD_WHEEL, folder], cwd=folder / "source", check=True, capture_output=True)
    [wheel] = folder.glob("*.whl")
    zipfile.ZipFile(wheel).extractall(folder / "installed")
    return folder / "installed"


@pytest.fixture(scope="module")
def milepost(installed):
    sys.path.insert(0, str(installed))
    yield importlib.import_module("milepost")
    sys.path.remove(str(installed))


@pytest.fixture(scope="module")
def bed():
    with Bed(heartbeat_interval="400ms", jwt_leeway="0s") as bed:
        bed.announced.append(r".*\[(crit|error|alert)\] .*(connect\(\)|recv\(\)|upstream|open socket).*")
        yield bed


def url(bed):
    return f"http://localhost:{bed.port}"


async def until(condition, what):
    """As eventually, for a condition that others' coroutines bring about."""
    limit = time.monotonic() + PATIENCE
    while not (value := condition()):
        assert time.monotonic() < limit, f"not in time: {what}"
        await asyncio.sleep(0.01)
    return value


class Watch:
    """A monitor_session that runs, and what it yielded."""

    def __init__(self, milepost, url, session, token, **options):
        self.updates, self.options = [], {"first_pause": 0.02, "last_pause": 0.2, **options}
        self.task = asyncio.create_task(self.run(milepost.monitor_session(url, session, token, **self.options)))

    async def run(self, monitor):
        async with contextlib.aclosing(monitor):
            async for update in monitor:
                self.updates.append(update)

    @property
    def progress(self):
        return [update["progress"] for update in self.updates]

    async def shows(self, progress):
        await until(lambda: progress in self.progress or self.task.done(), f"{progress} in {self.progress}")
        assert progress in self.progress, self.task

    async def ends(self):
        await asyncio.wait_for(self.task, PATIENCE)

    async def is_whole(self, bed, session):
        await self.ends()
        assert [(u["revision"], u["message"]) for u in self.updates] == bed.stored(session)

    async def __aenter__(self):
        return self

    async def __aexit__(self, *_):
        self.task.cancel()
        done, _ = await asyncio.wait([self.task], timeout=PATIENCE)
        assert done, "it heeds the cancellation"


# --- the package ---


def test_package(installed):
    """The wheel has the types, and they hold."""
    assert (installed / "milepost" / "py.typed").exists()
    result = subprocess.run(["mypy", "--strict", "--cache-dir", os.devnull, installed / "milepost"], text=True,
                            capture_output=True)
    assert result.returncode == 0, result.stdout + result.stderr


def test_install(tmp_path):
    """The README's command, with all that it needs here already."""
    [install] = README.indented(part="pip install")
    shutil.copytree(SOURCE, tmp_path / "clients/python", ignore=shutil.ignore_patterns("__pycache__", "build", "*.egg-info"))
    subprocess.run([sys.executable, "-m", "venv", "--system-site-packages", "env"], cwd=tmp_path, check=True)
    env = {**os.environ, "PATH": f"{tmp_path}/env/bin:{os.environ['PATH']}", "PIP_NO_INDEX": "1",
           "PIP_NO_BUILD_ISOLATION": "0"}  # which says that there is none
    result = subprocess.run(["sh", "-ec", f"{install}\ncd /\npython3 -c 'import milepost; print(milepost.__file__)'"],
                            cwd=tmp_path, env=env, text=True, capture_output=True)
    assert result.returncode == 0 and f"{tmp_path}/env/lib" in result.stdout.splitlines()[-1], result


# --- watching ---


async def test_watch(bed, milepost):
    """The current update, each that follows, and the end; the whole run, or the rest of it, where asked for."""
    session, token = bed.session(), bed.therapist()
    bed.report(session, "uploading", 5)
    stored = [bed.report(session, "uploading", 10).json]
    async with Watch(milepost, url(bed), session, token) as watch, \
            Watch(milepost, f"ws://localhost:{bed.port}/", session.upper(), token, since=0) as whole:
        await watch.shows(10)
        async with Watch(milepost, url(bed), session, token, since=watch.updates[0]["revision"]) as rest:
            stored += [bed.report(session, "transcribing", 30).json, bed.report(session, "processed").json]
            for each in (watch, whole, rest):
                await each.ends()
        assert [{k: v for k, v in u.items() if k != "revision"} for u in watch.updates] == stored
        assert (whole.progress, rest.progress) == ([5, 10, 30, 100], [30, 100])


async def test_watch_by_tls(bed, milepost):
    """https and wss, with the certificates that the caller trusts; a ticket goes the same way."""
    session = bed.session()
    bed.report(session, "processed")
    for scheme, ticket in (("https", False), ("wss", True)):
        async with Watch(milepost, f"{scheme}://localhost:{bed.tls_port}", session, bed.therapist(), tls=bed.tls,
                         ticket=ticket) as watch:
            await watch.ends()
            assert watch.progress == [100]


async def test_watch_by_tls_as_the_system_trusts(bed, milepost, monkeypatch):
    """The same, where no certificates are named: those that the system trusts count, and nothing goes unencrypted."""
    session = bed.session()
    bed.report(session, "processed")
    monkeypatch.setenv("SSL_CERT_FILE", str(bed.dir / "tls.crt"))
    for scheme, ticket in (("https", False), ("wss", True)):
        async with Watch(milepost, f"{scheme}://localhost:{bed.tls_port}", session, bed.therapist(), ticket=ticket) as watch:
            await watch.ends()
            assert watch.progress == [100]


@pytest.mark.parametrize("ticket", [False, True])
async def test_refusals(bed, milepost, ticket):
    """Each is final, in the server's words."""
    patient = bed.user("patient")
    mine, other, token = bed.session(patient), bed.session(), bed.token(patient)
    for reason, session, bearer in (
            ("Invalid authentication", mine, "not.a.token"),
            ("Invalid authentication", mine, bed.token(patient, lifetime=-60)),
            ("Session not found", NOBODYS, token),
            ("Not authorized to access this session", other, token)):
        with pytest.raises(milepost.Refused) as refused:
            await asyncio.wait_for(anext(milepost.monitor_session(url(bed), session, bearer, ticket=ticket)), PATIENCE)
        code = 401 if ticket and bearer != token else 1008
        assert (refused.value.reason, refused.value.code, str(refused.value)) == (reason, code, reason)
    for wrong in ("localhost", "ftp://localhost", "http://", "http://a:b@localhost", "http://localhost?token=x"):
        with pytest.raises(ValueError, match="url: "):
            await anext(milepost.monitor_session(wrong, mine, token))


async def test_live_refusals(bed, milepost):
    """A session that is deleted, and a fixed token that expires."""
    user, session = bed.user("therapist"), bed.session()
    bed.report(session, "uploading", 1)
    for act, token, reason in (
            (lambda: None, bed.token(user, lifetime=2), "Invalid authentication"),
            (lambda: bed.http("DELETE", f"/milepost/v1/sessions/{session}", bearer=bed.admin_key), bed.token(user),
             "Session not found")):
        async with Watch(milepost, url(bed), session, token) as watch:
            await watch.shows(1)
            act()
            with pytest.raises(milepost.Refused, match=reason):
                await watch.ends()


async def test_renewal(bed, milepost):
    """A token from a function is renewed on the open connection, and a stale one is replaced once."""
    user, session = bed.user("therapist"), bed.session()
    taken = []

    async def token():
        taken.append(bed.token(user, lifetime=3 if taken else -60))
        return taken[-1]

    admitted = 'handshakes_total{outcome="admitted"}'
    before = bed.metric(admitted)
    async with Watch(milepost, url(bed), session, token) as watch:
        await until(lambda: len(taken) >= 5, "three renewals after the first that was good")
        bed.report(session, "processed")
        await watch.ends()
    assert bed.metric(admitted) == before + 1
    bad = iter([bed.token(user, lifetime=-60), bed.token(user, lifetime=-61)])
    async with Watch(milepost, url(bed), session, lambda: next(bad)) as watch:
        with pytest.raises(milepost.Refused, match="Invalid authentication"):
            await watch.ends()


async def test_faults(bed, milepost):
    """Cut connections, a silent one, a server that is away, a planned restart: each update once, in order."""
    session, token = bed.session(), bed.therapist()
    with Proxy(bed.port) as proxy:
        async with Watch(milepost, f"http://localhost:{proxy.port}", session, token, since=0, silence=1.0) as watch:
            for progress in range(20, 40):
                bed.report(session, "transcribing", progress)
                if progress % 2:
                    await watch.shows(progress)
                proxy.cut()
            for mode in ("swallow", "away", "block"):
                proxy.mode = mode
                if mode != "swallow":
                    proxy.cut()
                progress += 1
                bed.report(session, "transcribing", progress)
                attempts = proxy.upgrades
                await until(lambda: proxy.mode == "away" or proxy.upgrades > attempts, "another try")
                assert progress not in watch.progress
                proxy.mode = "pass"
                proxy.cut()
                await watch.shows(progress)
            assert bed.end("ws0") == 0
            bed.start_ws()
            bed.report(session, "processed")
            await watch.is_whole(bed, session)


async def test_full(bed, milepost, caplog):
    """1013 is tried again, but not soon; a failing token function is, at once."""
    session, token = bed.session(), bed.therapist()
    caplog.set_level(logging.INFO, "milepost")

    def configure(limit):
        bed.write_config(max_connections=limit)
        reloads = bed.logs().count("event=ws.reload")
        bed.procs["ws0"].send_signal(signal.SIGHUP)
        eventually(lambda: bed.logs().count("event=ws.reload") > reloads, "the new limit")

    bed.report(session, "uploading", 1)
    async with Watch(milepost, url(bed), session, token) as first:
        await first.shows(1)
        configure(1)
        answers = iter([OSError("the login is away"), token])

        def taken():
            answer = next(answers)
            if isinstance(answer, OSError):
                raise answer
            return answer

        async with Watch(milepost, url(bed), session, taken):
            await until(lambda: len(caplog.messages) >= 2, "two failures")
        configure(10000)
    assert "the login is away" in caplog.messages[0]
    assert "1013" in caplog.messages[1] and float(caplog.messages[1].split()[-2]) >= 5


@contextlib.asynccontextmanager
async def impostor(*scripts):
    """A server that plays a script for each connection: what to send, then a close. Yields its URL and the requests."""
    asked = []

    async def play(ws, *_):
        asked.append(ws)
        sent, code, reason = scripts[min(len(asked), len(scripts)) - 1]
        for text in sent:
            await ws.send(text)
        await ws.close(code, reason)

    async with websockets.serve(play, "127.0.0.1", 0, subprotocols=["bearer"]) as server:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}", asked


@pytest.mark.parametrize("ticket", [False, True])
async def test_refusals_of_others(milepost, ticket):
    """What a proxy or a captive portal says in Milepost's place is tried again; so is what Milepost means for now."""
    page, json_of, problem = ({"Content-Type": of} for of in (
        "text/html", "application/json", "application/problem+json; charset=utf-8"))
    others = [*((status, page, b"<html>") for status in (200, 302, 400, 401, 403, 404, 407, 408, 425, 426, 429, 511)),
              *((status, json_of, body) for status in (200, 404) for body in (
                  b'{"detail": "Not Found"}', b"[]", b"null", b'{"ticket": null}', b'{"ticket": ""}', b"[" * 100000)),
              *((status, problem, b'{"detail": "later"}') for status in (408, 429, 500, 503)),
              (404, {}, b""), (302, {"Location": "http://localhost:1/sign-in"}, b"")]
    with answering([*others, (403, problem, b'{"detail": "not from there"}')]) as (url, asked):
        async with Watch(milepost, url, NOBODYS, "t", ticket=ticket, last_pause=0.02) as watch:
            with pytest.raises(milepost.Refused) as refused:
                await watch.ends()
    assert (refused.value.code, len(asked)) == (403, len(others) + 1)
    # Of an answer to a handshake, websockets before 13 keeps no body.
    assert refused.value.reason in ("not from there", *(["HTTP status 403"] if not ticket else []))


async def test_watch_redirected(milepost, caplog):
    """A redirect is not followed: the token would go where it was not meant to."""
    caplog.set_level(logging.INFO, "milepost")
    with answering(itertools.repeat((404, {}, b""))) as (elsewhere, led):
        away = {"Location": elsewhere.replace("http", "ws") + "/"}
        with answering(itertools.cycle([(307, away, b""), (301, away, b"")])) as (url, asked):
            async with Watch(milepost, url, NOBODYS, "t"):
                await until(lambda: len(asked) >= 2 and len(caplog.messages) >= 2, "two tries")
    assert not led and "redirect" in caplog.messages[0]


async def test_logs(bed, milepost, caplog):
    """At DEBUG no log has a token, be it new or renewed, nor what a watcher sees."""
    caplog.set_level(logging.DEBUG)
    session, user, tokens = bed.session(), bed.user("therapist"), []

    def token():
        tokens.append(bed.token(user, lifetime=3, jti=str(len(tokens))))
        return tokens[-1]

    bed.report(session, "uploading", 1, message="for the patient alone")
    async with Watch(milepost, url(bed), session, token) as watch:
        await until(lambda: len(tokens) >= 3, "renewals")
        await watch.shows(1)
    assert not [word for word in (*tokens, "for the patient alone") if word in caplog.text]


@pytest.mark.parametrize("exp", ["NaN", "1e999", "1" + "0" * 400, "[" * 2000, "true", '"x"'],
                         ids=range(6))
async def test_strange_expiries(milepost, caplog, exp):
    """A token of which nobody can say when it ends is watched with all the same: that is the server's to judge."""
    payload = base64.urlsafe_b64encode(f'{{"exp": {exp}}}'.encode()).decode().rstrip("=")
    script = ([json.dumps({"status": "processed", "progress": 100, "revision": 1})], 1000, "Processing complete")
    taken = []

    def token():
        taken.append(f"x.{payload}.x")
        return taken[-1]

    async with impostor(script) as (url, _), Watch(milepost, url, NOBODYS, token) as watch:
        await watch.ends()
        assert (watch.progress, len(taken)) == ([100], 1)


async def test_path(milepost):
    """A session's name leads to no other path."""
    with answering(itertools.repeat((404, {}, b""))) as (url, asked):
        for session in ("..", ".", "../../x?y#z"):
            async with Watch(milepost, url, session, "t", since=1):
                tries = len(asked)
                await until(lambda: len(asked) > tries, "a try")
    assert all(re.fullmatch(r"/api/sessions/ws/[^/.]+\?since=1", path) for path in asked), asked


async def test_cancelled_while_closing(bed, milepost, monkeypatch):
    """A watch that is cancelled just when it closes a silent connection ends, and opens no other."""
    session, closing = bed.session(), []
    close = websockets.WebSocketClientProtocol.close

    async def noted(self, *args):
        closing.append(self)
        await close(self, *args)

    monkeypatch.setattr(websockets.WebSocketClientProtocol, "close", noted)
    bed.report(session, "uploading", 1)
    with Proxy(bed.port) as proxy:
        async with Watch(milepost, f"http://localhost:{proxy.port}", session, bed.therapist(), silence=1.0) as watch:
            await watch.shows(1)
            upgrades, proxy.mode = proxy.upgrades, "swallow"
            await until(lambda: closing, "it fell silent")
            watch.task.cancel()
            await asyncio.wait([watch.task], timeout=PATIENCE)
            assert watch.task.cancelled() and proxy.upgrades == upgrades


async def test_strange_closes(milepost):
    """Only Milepost's own 1000 ends a session: a proxy that is tired of a connection says it, too."""
    def text(**members):
        return json.dumps(members)

    async with impostor(([text(status="uploading", progress=1, revision=1)], 1000, "Idle timeout"), ([], 1000, ""),
                        (["null"], 1011, ""), (["5"], 1001, ""), ([text(status="processed", progress=2)], 1000, ""),
                        ([text(status="processed", progress="2", revision=2)], 1000, ""),
                        ([text(status=None, progress=2, revision=2)], 1000, ""), (["[" * 100000], 1000, ""),
                        (["[]", "{}"], 1000, "Processing complete"),
                        ([text(status="processed", progress=100, revision=2)], 1000, "Processing complete")) as (url, asked):
        async with Watch(milepost, url, NOBODYS, "t", last_pause=0.02) as watch:
            await watch.ends()
            assert (watch.progress, len(asked)) == ([1, 100], 10)


async def test_strange_tokens(bed, milepost, caplog):
    """A newline around a token is none of it; what can't be one is refused here, and no log has it."""
    caplog.set_level(logging.DEBUG, "milepost")
    session, token = bed.session(), bed.therapist()
    bed.report(session, "processed")
    for ticket in (False, True):
        for good in (f"{token}\n", lambda: f" {token}\r\n"):
            async with Watch(milepost, url(bed), session, good, ticket=ticket) as watch:
                await watch.ends()
        for bad, reason in ((f"Bearer {token}", "Invalid authentication"), (f"{token}\r\nX-Y: z", "Invalid authentication"),
                            (lambda: f"Bearer {token}", "Invalid authentication"), (lambda: None, "Authentication required"),
                            ("", "Authentication required")):
            async with Watch(milepost, url(bed), session, bad, ticket=ticket) as watch:
                with pytest.raises(milepost.Refused, match=reason):
                    await watch.ends()
    assert not any(token in message for message in caplog.messages)


# --- the platform's progress tracker ---


class Tracked:
    """A tracker, with a proxy before Milepost, and what it logged."""

    def __init__(self, bed, milepost, caplog, **options):
        self.bed, self.caplog, self.proxy = bed, caplog, Proxy(bed.port)
        caplog.set_level(logging.WARNING, "milepost")
        self.tracker = milepost.ProgressTracker(url=f"http://localhost:{self.proxy.port}/", key=bed.worker_key, **options)
        self.update = self.tracker.update_progress

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.proxy.mode = "pass"
        self.proxy.cut()
        self.tracker.max_wait = PATIENCE
        self.tracker.shutdown()
        self.proxy.__exit__()

    def leave(self):
        """Milepost is away from now on."""
        self.proxy.mode = "away"
        self.proxy.cut()

    def messages(self, session):
        return [message for _, message in self.bed.stored(str(session))]

    def logged(self, *words):
        return [text for text in self.caplog.messages if all(word in text for word in words)]


@pytest.fixture
def tracked(bed, milepost, caplog):
    with Tracked(bed, milepost, caplog) as tracked:
        yield tracked


async def test_tracker(bed, tracked):
    """As the platform calls it; a watcher of Milepost sees each update, a subscriber too."""
    tracker, session = tracked.tracker, uuid.UUID(bed.session())
    told, queue = [], asyncio.Queue()

    async def callback(update):
        told.append(update)

    assert await tracker.get_progress(session) is None and not await tracker.has_progress(session)
    await tracker.subscribe(session, callback)
    update = await tracker.update_progress(session_id=session, status=SessionStatus.transcribing, progress=45,
                                           message="Transcribing audio with Whisper...", estimated_time_remaining=30)
    message = bed.http("GET", f"/api/sessions/{session}/progress", bearer=bed.admin_key).json
    assert update.model_dump(mode="json") == message == update.dict("json")
    assert update.status is SessionStatus.transcribing and update.session_id == session
    assert json.dumps(message)
    await tracker.subscribe(session, queue.put)
    assert (await tracker.get_progress(str(session)), queue.get_nowait(), told) == (update, update, [update])
    assert await tracker.get_all_active_sessions() == {session: update}
    await tracker.unsubscribe(session, callback)
    last = await tracker.update_progress(str(session), "failed", 50, "It broke")
    assert (last.error, last.created_at, queue.get_nowait()) == ("It broke", update.created_at, last)
    assert told == [update]
    again = await tracker.update_progress(session, SessionStatus.failed, 0, "Again", error="no audio")
    assert (again.error, again.progress) == ("no audio", 0)
    await tracker.remove_progress(session)
    assert not await tracker.has_progress(session)
    await tracker.update_progress(session, "uploading", 1, "")
    assert queue.qsize() == 1, "whoever subscribed was forgotten"
    assert bed.stored(str(session))[-1][1] == "Uploading audio...", "the stage's own"


async def test_tracker_refusals(bed, tracked):
    """What the server refuses is logged by name and raises nothing; what can't be right raises."""
    session, none = uuid.UUID(bed.session()), uuid.uuid4()
    told = []
    await tracked.tracker.subscribe(session, told.append)
    first = await tracked.update(session, "transcribing", 40, "forty")
    assert await tracked.update(session, "transcribing", 30, "back") == first
    await tracked.update(session, "transcribing", 99, "far")
    await tracked.update(session, "dreaming", 50, "no stage")
    await tracked.update(none, "uploading", 1, "nobody's")
    assert await tracked.tracker.get_progress(session) == first and not await tracked.tracker.has_progress(none)
    assert tracked.messages(session) == ["forty"] and told == [first]
    for words in (("transcribing 30", str(session)), ("transcribing 99", "progress must be from 20 to 60"),
                  ("dreaming 50", "status"), (str(none), "Session not found")):
        assert len(tracked.logged(*words)) == 1, (words, tracked.caplog.messages)
    for args, words in ((("not-an-id", "uploading", 1), "session_id: 'not-an-id' is no UUID"),
                        ((None, "uploading", 1), "session_id: None is no UUID"),
                        ((session, "uploading", 101), "progress: 101 is not from 0 to 100"),
                        ((session, "uploading", -1), "progress: -1 is not from 0 to 100")):
        with pytest.raises(ValueError, match=words):
            await tracked.update(*args, "wrong")


async def test_tracker_texts(bed, tracked):
    """Whatever a pipeline has for texts and numbers, Milepost gets it in a form that it takes."""
    session = bed.session()
    await tracked.update(session, "uploading", 3.7, "ä" * 1000, error="only what failed has one",
                         estimated_time_remaining=-0.5)
    await tracked.update(session, "failed", 4, "x\0y \ud800\n", error="€" * 9000)
    stored = bed.http("GET", f"/api/sessions/{session}/progress/history", bearer=bed.admin_key).json
    assert [m["progress"] for m in stored] == [3, 4]
    assert stored[0]["message"] == "ä" * 510 + "…" and stored[0]["estimated_time_remaining"] == 0
    assert stored[1]["message"] == "xy ?\n" and stored[1]["error"] == "€" * 340 + "…"
    assert not tracked.caplog.messages


async def test_tracker_outage(bed, milepost, caplog):
    """An outage costs max_wait once; then the newest update of each session arrives, and each run's end."""
    with Tracked(bed, milepost, caplog, max_wait=0.5) as tracked:
        session, other = bed.session(), bed.session()
        told = []
        await tracked.update(session, "uploading", 1, "before")
        await tracked.tracker.subscribe(session, told.append)
        tracked.leave()
        began = time.monotonic()
        await tracked.update(session, "transcribing", 20, "first")
        assert 0.5 <= time.monotonic() - began < 5
        began = time.monotonic()
        for i in range(21, 60):
            await tracked.update(session, "transcribing", i, f"{i}")
        await tracked.update(session, "failed", 59, "over", error="no memory")
        for i in range(20):
            await tracked.update(session, "uploading", i, f"again {i}")
            await tracked.update(other, "uploading", i, f"other {i}")
        assert time.monotonic() - began < 0.5, "80 updates, and not one waited"
        assert len(told) == 1 + 1 + 39 + 1 + 20, "subscribers see them all"
        assert (await tracked.tracker.get_progress(session)).message == "again 19"
        assert tracked.messages(session) == ["before"]
        tracked.proxy.mode = "pass"
        await until(lambda: tracked.logged("is back after"), "Milepost is back")
        tracked.tracker.shutdown()
        assert tracked.messages(session) == ["before", "over", "again 19"]
        assert tracked.messages(other) == ["other 19"]
        assert len(tracked.logged("updates wait")) == 1 and len(caplog.messages) == 2, caplog.messages
        await tracked.update(session, "transcribing", 30, "live again")
        assert tracked.messages(session)[-1] == "live again"


async def test_tracker_lost_answer(bed, milepost, caplog):
    """An answer that is lost: the same is sent again, and stored once; the run's end does not end the next."""
    with Tracked(bed, milepost, caplog, max_wait=0.2) as tracked:
        session = bed.session()
        tracked.proxy.answers = False
        await tracked.update(session, "failed", 0, "over", error="no memory")
        await tracked.update(session, "uploading", 5, "the next run")
        await until(lambda: tracked.messages(session) == ["over"], "it got there")
        tracked.proxy.answers = True
        tracked.proxy.cut()
        await until(lambda: tracked.messages(session) == ["over", "the next run"], "and the next run after it")


async def test_tracker_silence(bed, milepost, caplog):
    """A server that takes requests and never answers holds a pipeline up for no longer either."""
    with Tracked(bed, milepost, caplog, max_wait=0.3) as tracked:
        tracked.proxy.mode = "swallow"
        began = time.monotonic()
        session = bed.session()
        update = await tracked.update(session, "uploading", 5, "into the void")
        assert time.monotonic() - began < 5 and update.message == "into the void"
        # Nor once more for each update that comes before it is known whether there will be an answer.
        tracked.tracker.max_wait = PATIENCE
        began = time.monotonic()
        for i in range(6, 10):
            await tracked.update(session, "uploading", i, f"and {i}")
        assert time.monotonic() - began < PATIENCE
        tracked.proxy.mode = "pass"
        tracked.proxy.cut()
        await until(lambda: tracked.tracker.delivery.is_worth_waiting_for, "it is there again")
        assert tracked.messages(session)[-1] == "and 9"
        await tracked.update(session, "uploading", 10, "waited for")
        assert tracked.messages(session)[-1] == "waited for"


@pytest.mark.parametrize("key", ["{}\n", " {} ", "\ufeff{}", "Bearer {}", "{}\r\nX: y", "ключ"])
async def test_tracker_keys(bed, milepost, caplog, key):
    """Space around a key is none of it; any other character that none has is named, and the key is not."""
    key, session = key.format(bed.worker_key), bed.session()
    if key.strip() == bed.worker_key:
        tracker = milepost.ProgressTracker(url=url(bed) + "\n", key=key)
        await tracker.update_progress(session, "uploading", 5, "hello")
        assert [message for _, message in bed.stored(session)] == ["hello"]
    else:
        with pytest.raises(ValueError, match="^key: has a character that none has") as wrong:
            milepost.ProgressTracker(url=url(bed), key=key)
        assert bed.worker_key not in str(wrong.value)
    assert not caplog.messages


async def test_tracker_gives_up(bed, milepost, caplog):
    """What has waited for longer than keep is let go, with a warning; so is what is left at the end."""
    with Tracked(bed, milepost, caplog, max_wait=0.05, keep=0.5) as tracked:
        session = bed.session()
        tracked.leave()
        await tracked.update(session, "uploading", 5, "lost")
        await until(lambda: tracked.logged(session, "uploading 5", "away for too long"), "it is given up")
        await tracked.update(session, "uploading", 6, "late")
        tracked.tracker.shutdown()
        assert tracked.logged("1 updates were not delivered")


async def test_tracker_subscribers(bed, milepost, caplog):
    """One that raises or hangs is logged, and holds up nobody for longer than max_wait; the others go on."""
    with Tracked(bed, milepost, caplog, max_wait=0.3) as tracked:
        session, told = bed.session(), []

        async def hangs(_):
            await asyncio.sleep(PATIENCE)

        def raises(_):
            raise RuntimeError("the socket is gone")

        for callback in (hangs, raises, told.append):
            await tracked.tracker.subscribe(session, callback)
        began = time.monotonic()
        for i in range(3):
            await tracked.update(session, "uploading", i, f"{i}")
        assert time.monotonic() - began < 5 and [u.progress for u in told] == [0, 1, 2]
        assert len(tracked.logged("a subscriber failed")) == 2


def test_tracker_in_loops(bed, tracked):
    """One loop after another, as a job queue's tasks have them; a subscriber in a loop of another thread."""
    session, told = bed.session(), []

    async def listen():
        await tracked.tracker.subscribe(session, told.append)
        await asyncio.to_thread(work)
        await until(lambda: len(told) == 3, "it is told")

    def work():
        for i in range(3):
            asyncio.run(tracked.update(session, "uploading", i, f"{i}"))

    asyncio.run(listen())
    assert tracked.messages(session) == ["0", "1", "2"]
    asyncio.run(tracked.update(session, "uploading", 3, "nobody listens any more"))
    assert len(told) == 3 and not tracked.tracker.subscribers, "and nothing is kept of who did"


async def test_tracker_many(bed, tracked):
    """A thousand updates at once of a hundred sessions, in few requests; each session's in order."""
    sessions = [bed.session() for _ in range(100)]
    await asyncio.gather(*(tracked.update(session, "uploading", i, f"{i}") for i in range(10) for session in sessions))
    for session in sessions:
        assert tracked.messages(session) == [f"{i}" for i in range(10)]
    assert not tracked.caplog.messages


def test_tracker_forgets(bed, milepost, caplog):
    """What a session's last update said is forgotten after ttl_seconds."""
    async def go():
        first, second = uuid.UUID(bed.session()), uuid.UUID(bed.session())
        await tracked.update(first, "uploading", 1, "old")
        await until(lambda: tracked.tracker.known[first][0] < time.monotonic() - tracked.tracker.ttl, "its time is over")
        await tracked.update(second, "uploading", 1, "new")
        assert list(await tracked.tracker.get_all_active_sessions()) == [second]

    with Tracked(bed, milepost, caplog, ttl_seconds=1) as tracked:
        asyncio.run(go())


STORED = {"status": "uploading", "progress": 1, "message": "x", "error": None, "estimated_time_remaining": None,
          "created_at": "2025-12-19T10:28:00Z", "updated_at": "2025-12-19T10:28:00Z"}


async def test_tracker_strange_answers(milepost, caplog):
    """Whatever answers in Milepost's place, the update is sent again, and no line of the log is another's."""
    caplog.set_level(logging.WARNING, "milepost")
    odd = [b"[" * 100000, b'{"status": 1e999}', b'{"status": "x"}', b"[]", b"5", b'"x"', b"{}", b""]
    refusal = json.dumps({"status": 403, "detail": "no\n\x1b[2Jmilepost: all is well\u202e" + "x" * 9000}).encode()
    good = [json.dumps({"status": 200, "progress": progress}).encode() for progress in (
        {}, 5, {**STORED, "progress": "1"}, {**STORED, "created_at": 5}, STORED)]
    with answering((200, {}, body) for body in (*odd, refusal, *good)) as (url, asked):
        tracker = milepost.ProgressTracker(url=url, key="mpw_x", max_wait=PATIENCE)
        tracker.delivery.backoff.draw = lambda floor: 0.0
        for body in (refusal, *good):
            update = await tracker.update_progress(NOBODYS, "uploading", 1, "asked")
            tracker.delivery.drain(PATIENCE)
        assert len(asked) == len(odd) + 1 + len(good) and update.message == "x"
    assert [record for record in caplog.records if record.name != "milepost"] == []
    assert all(text.isprintable() and len(text) < 500 for text in caplog.messages), caplog.messages


async def test_tracker_endless_answer(milepost, monkeypatch):
    """An answer that never ends is given up, and the update sent again."""
    asked = []

    async def drip(reader, writer):
        asked.append(await reader.readuntil(b"\r\n\r\n"))
        writer.write(b"HTTP/1.1 200 OK\r\n\r\n")
        with contextlib.suppress(OSError):
            while True:
                writer.write(b" ")
                await writer.drain()
                await asyncio.sleep(0.01)

    monkeypatch.setattr(sys.modules["milepost.delivery"], "REQUEST_TIMEOUT", 0.2)
    async with await asyncio.start_server(drip, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        tracker = milepost.ProgressTracker(url=f"http://127.0.0.1:{port}", key="mpw_x", max_wait=0, keep=0)
        await tracker.update_progress(NOBODYS, "failed", 1, "x")
        await until(lambda: tracker.delivery.is_away, "it is given up")
    assert asked


# --- as the platform's module ---

PROGRAM = """
import asyncio, os, sys
from app.services.progress_tracker import ProgressTracker, ProgressUpdate, get_progress_tracker

tracker = get_progress_tracker()
assert isinstance(tracker, ProgressTracker) and tracker is get_progress_tracker()
asyncio.run(tracker.update_progress(sys.argv[1], "uploading", 1, "by the parent"))
child = os.fork()
asyncio.run(get_progress_tracker().update_progress(sys.argv[1], "uploading", 2 if child else 3, "by both"))
if child:
    assert os.waitpid(child, 0)[1] == 0
"""


def run_program(installed, tmp_path, program, *args, **env):
    """Runs it where the platform's module is the one line that the README says."""
    services = tmp_path / "app" / "services"
    services.mkdir(parents=True, exist_ok=True)
    [line] = README.indented(part="noqa")
    (services / "progress_tracker.py").write_text(line)
    env = {**os.environ, "PYTHONPATH": f"{installed}:{tmp_path}", **env}
    return subprocess.run([sys.executable, "-c", program, *args], text=True, capture_output=True, env=env,
                          timeout=PATIENCE)


def test_drop_in(bed, installed, tmp_path):
    """Configured by the environment, by https, in a process that forks."""
    session = bed.session()
    key = tmp_path / "key"
    key.write_text(bed.worker_key + "\n")
    result = run_program(installed, tmp_path, PROGRAM, session, MILEPOST_URL=f"https://localhost:{bed.tls_port}",
                         MILEPOST_KEY_FILE=str(key), SSL_CERT_FILE=str(bed.dir / "tls.crt"))
    assert result.returncode == 0, result.stderr
    assert [m for _, m in bed.stored(session)][:2] == ["by the parent", "by both"]
    assert bed.http("GET", f"/api/sessions/{session}/progress", bearer=bed.admin_key).json["progress"] == 3


def test_exit(bed, installed, tmp_path):
    """What is on its way when the program ends still gets there; what can't is told."""
    program = "import asyncio, logging, sys\nfrom app.services.progress_tracker import get_progress_tracker\n" \
              "logging.basicConfig()\nt = get_progress_tracker()\nt.max_wait = 0\n" \
              "asyncio.run(t.update_progress(sys.argv[1], 'uploading', 1, 'in a hurry'))\nt.max_wait = float(sys.argv[2])\n"
    session = bed.session()
    env = {"MILEPOST_KEY": bed.worker_key}
    result = run_program(installed, tmp_path, program, session, "20", MILEPOST_URL=url(bed), **env)
    assert result.returncode == 0 and [m for _, m in bed.stored(session)] == ["in a hurry"], result.stderr
    result = run_program(installed, tmp_path, program, session, "0.1", MILEPOST_URL="http://localhost:1", **env)
    assert result.returncode == 0 and "1 updates were not delivered" in result.stderr
    assert bed.worker_key not in result.stderr


def test_readme(bed, installed, tmp_path):
    """Its programs run as they stand, and the stages are added."""
    reporting, watching = README.indented(part="asyncio.run")
    [stages] = README.indented(part="sqlite3 /var/lib/milepost/milepost.db")
    subprocess.run(["sh", "-ec", stages.replace("/var/lib/milepost/milepost.db", str(bed.dir / "milepost.db"))], check=True)
    session = bed.session()
    env = {"MILEPOST_URL": url(bed), "MILEPOST_KEY": bed.worker_key}
    for program in ("import asyncio, sys; from app.services.progress_tracker import *\n"
                    "for status, progress in (('uploading', 20), ('preprocessing', 20)):\n"
                    "    asyncio.run(get_progress_tracker().update_progress(sys.argv[1], status, progress, ''))",
                    reporting):
        result = run_program(installed, tmp_path, program, session, **env)
        assert (result.returncode, result.stderr) == (0, "")
    assert [m for _, m in bed.stored(session)] == [
        "Uploading audio...", "Preparing audio...", "Transcribing audio with Whisper...", "Processing complete"]
    result = run_program(installed, tmp_path, watching, url(bed), session, bed.therapist())
    assert result.stdout == "processed 100 Processing complete\n", result.stderr
    result = run_program(installed, tmp_path, watching, url(bed), NOBODYS, bed.therapist())
    assert result.stdout == "Session not found\n", result.stderr


def test_redirects(bed, installed, tmp_path):
    """A redirect is not followed: the key would go where it was not meant to."""
    away = {"Location": "/elsewhere"}
    with answering(itertools.cycle([(307, away, b""), (301, away, b"")])) as (url, asked):
        program = "import asyncio, logging, time\nfrom app.services.progress_tracker import get_progress_tracker\n" \
                  "logging.basicConfig()\n" \
                  f"asyncio.run(get_progress_tracker().update_progress('{NOBODYS}', 'uploading', 1, ''))"
        result = run_program(installed, tmp_path, program, MILEPOST_URL=url, MILEPOST_KEY="mpw_x",
                             MILEPOST_MAX_WAIT="1")
    assert set(asked) == {"/milepost/v1/progress"} and len(asked) >= 2
    assert "HTTP status 307" in result.stderr, result.stderr


def test_proxies(installed, tmp_path):
    """A proxy of the environment's does not read what goes unencrypted, the key least of all."""
    program = "import asyncio\nfrom app.services.progress_tracker import get_progress_tracker\n" \
              f"asyncio.run(get_progress_tracker().update_progress('{NOBODYS}', 'uploading', 1, ''))\n" \
              "from milepost import Refused, monitor_session\nimport os\n" \
              f"asyncio.run(anext(monitor_session(os.environ['MILEPOST_URL'], '{NOBODYS}', 't', ticket=True)))"
    line = json.dumps({"status": 403, "detail": "no"}).encode()
    refusal = (403, {"Content-Type": "application/problem+json"}, b'{"detail": "no"}')
    with answering(itertools.repeat((502, {}, b""))) as (proxy, told), answering([(200, {}, line), refusal]) as (url, asked):
        env = {name: proxy for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ws_proxy")}
        env.update(MILEPOST_URL=url, MILEPOST_KEY="mpw_x", no_proxy="", NO_PROXY="")
        result = run_program(installed, tmp_path, program, **env)
    assert (told, asked) == ([], ["/milepost/v1/progress", "/milepost/v1/ticket"]), result.stderr


async def test_watcher_proxies(milepost, monkeypatch):
    """Nor does one that newer versions of the library ask by themselves; by TLS it only opens a way."""
    asked = []

    class Newer:
        def __init__(self, url, *, proxy=True, **options):
            asked.append((url.split(":")[0], proxy))
            raise OSError("that will do")

    monkeypatch.setattr(sys.modules["milepost.monitor"], "_Connect", Newer)
    for url in ("http://localhost:1", "https://localhost:1"):
        async with Watch(milepost, url, NOBODYS, "t"):
            tries = len(asked)
            await until(lambda: len(asked) > tries, "a try")
    assert set(asked) == {("ws", None), ("wss", True)}


def test_two_trackers_in_a_fork(installed, tmp_path):
    """What a parent has on its way is the parent's, whoever made the tracker; at the end each waits for its own."""
    program = f"""
import asyncio, logging, os
from milepost import ProgressTracker

logging.basicConfig()
trackers = [ProgressTracker(url="http://localhost:1", key="mpw_x", max_wait=0.1) for _ in range(2)]
for tracker in trackers:
    asyncio.run(tracker.update_progress("{NOBODYS}", "uploading", 1, ""))
child = os.fork()
if child:
    os.waitpid(child, 0)
"""
    result = run_program(installed, tmp_path, program)
    assert result.stderr.count("1 updates were not delivered") == 2, result.stderr


def test_settings(installed, tmp_path):
    """What is missing or wrong is named."""
    program = "from app.services.progress_tracker import get_progress_tracker\nget_progress_tracker()"
    right = {"MILEPOST_URL": "http://localhost:1", "MILEPOST_KEY": "mpw_x"}
    (tmp_path / "empty").write_text("\n")
    for wrong, word in (({"MILEPOST_URL": ""}, "MILEPOST_URL is not set"), ({"MILEPOST_KEY": ""}, "MILEPOST_KEY is not set"),
                        ({"MILEPOST_URL": "localhost"}, "MILEPOST_URL: 'localhost' does not begin with"),
                        ({"MILEPOST_URL": "http://localhost:x"}, "MILEPOST_URL: 'http://localhost:x': Port"),
                        ({"MILEPOST_KEY": "a b"}, "MILEPOST_KEY: has a character"),
                        ({"MILEPOST_MAX_WAIT": "soon"}, "MILEPOST_MAX_WAIT: 'soon' is no number"),
                        ({"MILEPOST_MAX_WAIT": "inf"}, "MILEPOST_MAX_WAIT: 'inf' is no number"),
                        ({"MILEPOST_MAX_WAIT": "-1"}, "MILEPOST_MAX_WAIT: '-1' is no number"),
                        ({"MILEPOST_KEY": None, "MILEPOST_KEY_FILE": "/none"}, "MILEPOST_KEY_FILE: '/none': No such file"),
                        ({"MILEPOST_KEY": None, "MILEPOST_KEY_FILE": str(tmp_path / "empty")}, "empty': is empty")):
        given = {name: value for name, value in {**right, **wrong}.items() if value is not None}
        result = run_program(installed, tmp_path, program, **given)
        assert result.returncode == 1 and word in result.stderr.splitlines()[-1], result.stderr
