"""More faults: of the disk, of the files, of descriptors and logs; what was answered 200 outlives each."""
import asyncio
import concurrent.futures
import contextlib
import json
import os
import pathlib
import re
import resource
import shutil
import sqlite3
import subprocess
import tempfile
import time

import pytest
import websockets

from bed import BUILD, IS_THREAD_BUILD, PATIENCE, Bed, RawWatcher, eventually, update

PROGRAMS = ["milepost-ws", "milepost-api"]
NEEDS_ROOT = pytest.mark.skipif(os.getuid() != 0, reason="needs root, for a small file system")


@contextlib.contextmanager
def small_disk():
    """A folder on a file system of its own, of 8 MiB."""
    folder = pathlib.Path(tempfile.mkdtemp(prefix="mp-disk."))
    try:
        if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=8m", "milepost-test", folder]).returncode != 0:
            pytest.skip("no file system can be mounted here")
        try:
            yield folder
        finally:
            subprocess.run(["umount", folder], check=True)
    finally:
        folder.rmdir()


def ticket(bed, token):
    reply = bed.http("POST", "/milepost/v1/ticket", bearer=token)
    bed.hidden.append(reply.json["ticket"])
    return bed.hidden[-1]


def is_refused(reply):
    assert reply.status == 503 and int(reply.headers["Retry-After"]) > 0, (reply.status, reply.body)
    return True


# --- the database can be read, but not written ---

def fill(path):
    """Writes until nothing more goes in."""
    try:
        with open(path, "wb", buffering=0) as f:
            while f.write(b"x" * 4096) == 4096:
                pass
    except OSError:
        pass


@contextlib.contextmanager
def full_disk(bed):
    filler = bed.db.parent / "filler"
    fill(filler)
    yield
    filler.unlink()


@contextlib.contextmanager
def other_writer(bed):
    shell = subprocess.Popen(["sqlite3", bed.db], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    try:
        shell.stdin.write("BEGIN IMMEDIATE; SELECT 'held';\n")
        shell.stdin.flush()
        assert shell.stdout.readline() == "held\n"
        yield
    finally:
        shell.communicate("ROLLBACK;\n", timeout=20)


@pytest.mark.parametrize("fault", [pytest.param(full_disk, marks=NEEDS_ROOT), other_writer])
async def test_no_writing(fault):
    """Writers are told to come back, readers served on; then all goes on without a restart, nothing is lost."""
    with small_disk() if fault is full_disk else tempfile.TemporaryDirectory() as folder, \
            Bed(database=pathlib.Path(folder) / "milepost.db", busy_timeout="100ms") as bed:
        bed.announced.append(r".*event=api\.(commit|request|checkpoint|database).*")
        session, token, answered = bed.session(), bed.therapist(), []

        def report(n):
            reply = bed.report(session, "transcribing", 20 + n // 50, message=f"{n} {'y' * 900}")
            if reply.status == 200:
                answered.append(reply.json["message"])
            return reply

        assert report(0).status == 200
        async with bed.watch(session, token, since=0, max_queue=None) as ws:
            assert (await update(ws))["message"] == answered[-1]
            with fault(bed):
                n = 1
                while (reply := report(n)).status == 200:  # what room the WAL has is used up
                    n += 1
                assert n < 2000 and is_refused(reply)
                assert is_refused(bed.json("PUT", f"/milepost/v1/sessions/{session}", {"patient_id": session},
                                           bearer=bed.admin_key))
                assert is_refused(bed.batch(session, [{"status": "transcribing", "progress": 60}]))
                reply = bed.http("GET", f"/api/sessions/{session}/progress", bearer=token)
                assert reply.json["message"] == answered[-1]
                async with bed.watch(session, token) as late:
                    assert (await update(late))["message"] == answered[-1]
                assert all(bed.is_ready(program) for program in ("ws", "api")), "both can read"
            eventually(lambda: report(n).status == 200, "it can be written again")
            assert bed.batch(session, [{"status": "transcribing", "progress": 60, "message": "batch"}]).status == 200
            answered.append("batch")
            assert [(await update(ws))["message"] for _ in answered[1:]] == answered[1:]
        assert [m for _, m in bed.stored(session)] == answered


def test_hanging_writer():
    """A transaction that waits for longer than ten seconds: readyz tells it; then the update is stored."""
    with Bed(busy_timeout="20s") as bed, concurrent.futures.ThreadPoolExecutor() as pool:
        bed.announced.append(r".*event=api\.request .*readyz.*")
        session = bed.session()
        with other_writer(bed):
            waits = pool.submit(bed.report, session, "uploading", 1)
            eventually(lambda: b"a transaction hangs" in bed.http("GET", "/milepost/api/readyz").body, "it is told")
        assert waits.result().status == 200
        eventually(lambda: bed.is_ready("api"), "ready again")


@contextlib.contextmanager
def one_group(bed, session):
    """All reports handed in meanwhile, each by a thread of a pool, wait for one transaction."""
    def handed_in():
        return bed.metric("commit_requests_total", "api")

    with concurrent.futures.ThreadPoolExecutor(20) as pool, other_writer(bed):
        def submit(fn, *args, **kw):
            before = handed_in()
            future = pool.submit(fn, *args, **kw)
            eventually(lambda: handed_in() == before + 1, "it waits")
            return future

        first = submit(bed.report, session, "uploading", 1)  # its transaction is its own
        yield submit
    assert first.result().status == 200


def test_damaged_row():
    """A report that can't be judged, because its session's last update can't be made out, fails alone."""
    with Bed(busy_timeout="20s") as bed:
        bed.announced.append(r".*event=(api\.(commit|request)|ws\.feed) .*")
        bad, sessions = bed.session(), [bed.session() for _ in range(4)]
        assert bed.report(bad, "uploading", 1).status == 200
        with contextlib.closing(sqlite3.connect(bed.db, isolation_level=None)) as db:
            db.execute("PRAGMA wal_autocheckpoint = 0")
            db.execute("PRAGMA ignore_check_constraints = ON")
            db.execute("UPDATE event SET outcome = 'odd'")
        updates = [{"status": "uploading", "progress": p, "message": f"{p}"} for p in range(3)]
        with one_group(bed, bed.session()) as submit:
            good = [submit(bed.report, session, "uploading", 2) for session in sessions[:2]]
            batch = submit(bed.batch, sessions[2], updates)
            wrong = submit(bed.report, sessions[2], "nonsense")
            user = submit(bed.json, "PUT", f"/milepost/v1/users/{sessions[0]}", {"role": "admin"}, bearer=bed.admin_key)
            damaged = submit(bed.report, bad, "uploading", 2)
            good.append(submit(bed.report, sessions[3], "uploading", 2))
        assert damaged.result().status == 500
        assert [(reply.result().status, reply.result().json["progress"]) for reply in good] == [(200, 2)] * 3
        assert [json.loads(line)["status"] for line in batch.result().body.splitlines()] == [200] * 3
        assert (wrong.result().status, len(wrong.result().json["errors"])) == (422, 1)
        assert (user.result().status, user.result().json["id"]) == (201, sessions[0])
        assert [len(bed.stored(session)) for session in sessions] == [1, 1, 3, 1]
        assert bed.metric('updates_total{decision="stored"}', "api") == 8
        bed.sql("UPDATE event SET outcome = 'running' WHERE outcome = 'odd'")
        assert bed.report(bad, "uploading", 2).status == 200


@NEEDS_ROOT
def test_read_only():
    """On a file system that is read-only no program starts, and each says why; once it's not, all go on."""
    with small_disk() as disk, Bed(database=disk / "milepost.db") as bed:
        session = bed.session()
        assert bed.report(session, "uploading", 1).status == 200
        bed.end("ws0"), bed.end("api")
        subprocess.run(["mount", "-o", "remount,ro", disk], check=True)
        try:
            for program in PROGRAMS:
                bed.refuses(program, "milepost.db", "can't be written")
            result = bed.ctl("status", check=False)
            assert result.returncode == 1 and "can't be written" in result.stderr
            assert is_refused(bed.report(session, "uploading", 2))
        finally:
            subprocess.run(["mount", "-o", "remount,rw", disk], check=True)
        bed.start_ws(), bed.start_api()
        bed.ready()
        assert bed.report(session, "uploading", 2).status == 200
        bed.announced.append(r".*\[crit\] .*connect\(\).*")


@NEEDS_ROOT
async def test_ticket_on_a_full_disk():
    """A ticket that can't be taken is told to come back, and is good when there is room again."""
    with small_disk() as disk, Bed(database=disk / "milepost.db") as bed:
        bed.announced.append(r".*event=(api\.(commit|request|checkpoint)|ws\.database) .*")
        session, token = bed.session(), bed.therapist()
        bed.report(session, "transcribing", 20)
        one = ticket(bed, token)
        with full_disk(bed):
            while bed.report(session, "transcribing", 20, message=os.urandom(400).hex()).status == 200:
                pass
            with pytest.raises(websockets.InvalidStatusCode) as refusal:
                await bed.watch(session, ticket=one, direct=0)
            assert (refusal.value.status_code, refusal.value.headers["Retry-After"]) == (503, "1")
            assert re.search(r'event=ws\.database conn=\d+ error="[^"]*full', bed.logs())
        async with bed.watch(session, ticket=one) as ws:
            assert (await update(ws))["progress"] == 20


# --- files that go away ---

def removed(bed):
    for path in bed.dir.glob("milepost.db*"):
        path.unlink()


def replaced(bed):
    """As an operator does it who forgets to stop the programs first."""
    for name in ("milepost.db-wal", "milepost.db-shm"):
        (bed.dir / name).unlink()
    os.replace(bed.dir / "backup.db", bed.db)


def moved(bed):
    bed.db.rename(bed.dir / "away.db")


@pytest.mark.parametrize("take", [removed, replaced, moved])
def test_database_taken_away(take):
    """No update is answered 200 that is not in the file at the database's path; readyz tells of it."""
    with Bed() as bed:
        bed.announced.append(r".*event=(api\.(commit|request|database)|ws\.(feed|database)).*")
        session = bed.session()
        assert bed.report(session, "uploading", 1).status == 200
        bed.ctl("backup", bed.dir / "backup.db")
        take(bed)
        reply = bed.report(session, "uploading", 2, message="after")
        if take is replaced and reply.status == 200:
            assert "after" in [m for _, m in bed.stored(session)]
        else:
            assert is_refused(reply)
            for program in ("ws", "api"):
                eventually(lambda: not bed.is_ready(program), f"{program} tells it")
        if take is moved:
            (bed.dir / "away.db").rename(bed.db)
            bed.ready()
            assert bed.report(session, "uploading", 2, message="after").status == 200
            assert "after" in [m for _, m in bed.stored(session)]
        elif take is removed:
            os.replace(bed.dir / "backup.db", bed.db)


async def test_restored_backup():
    """A backup put in place while all is stopped: watchers who know more than it has go on with what it has."""
    with Bed() as bed:
        bed.announced.append(r".*\[(crit|error)\] .*connect\(\).*")
        session, token = bed.session(), bed.therapist()
        bed.report(session, "uploading", 1)
        bed.ctl("backup", bed.dir / "backup.db")
        bed.report(session, "uploading", 2)
        async with bed.watch(session, token, since=0) as ws:
            last = [await update(ws) for _ in range(2)][-1]["revision"]
        bed.end("ws0"), bed.end("api")
        for path in bed.dir.glob("milepost.db*"):
            path.unlink()
        shutil.copy(bed.dir / "backup.db", bed.db)
        bed.start_ws(), bed.start_api()
        bed.ready()
        async with bed.watch(session, token, since=last) as ws:
            assert (await update(ws))["progress"] == 1, "the newest of the backup"
            assert bed.report(session, "uploading", 3).status == 200
            assert (await update(ws))["progress"] == 3


def new_file(bell):
    (bell.parent / "new").touch()
    os.replace(bell.parent / "new", bell)


def dangling(bell):
    (bell.parent / "new").symlink_to("nowhere/at/all")
    os.replace(bell.parent / "new", bell)


@pytest.mark.parametrize("fault,poll", [
    (lambda bell: bell.unlink(), "1m"), (lambda bell: bell.rename(bell.parent / "away"), "1m"),
    (new_file, "1m"), (dangling, "100ms")], ids=["removed", "moved", "new file", "dangling"])
async def test_bell(fault, poll):
    """The bell is made anew, or done without: updates come long before the next poll, if there can be a bell."""
    with Bed(poll_interval=poll) as bed:
        session, bell = bed.session(), bed.dir / "milepost.db-bell"
        async with bed.watch(session, bed.therapist()) as ws:
            fault(bell)
            for progress in (1, 2, 3):
                assert bed.report(session, "uploading", progress).status == 200
                assert (await update(ws))["progress"] == progress
            if fault is dangling:
                assert "event=api.bell" in bed.logs()
                bell.unlink()
                bed.report(session, "uploading", 4)
                assert (await update(ws))["progress"] == 4 and bell.exists()


# --- a feed that hangs ---

def test_stuck_feed():
    """A row that can't be made out stops the feed, not the reading of the database: readyz and the metrics
    tell it, the log says why, once; when the row is mended what came behind it is sent."""
    with Bed(poll_interval="50ms") as bed:
        bed.announced.append(r".*event=ws\.feed .*impossible value.*")
        session = bed.session()
        bed.report(session, "uploading", 1)
        with RawWatcher(bed, session, bed.therapist()) as watcher:
            assert json.loads(watcher.frame()[1])["progress"] == 1
            with contextlib.closing(sqlite3.connect(bed.db, isolation_level=None)) as db:
                db.execute("PRAGMA wal_autocheckpoint = 0")
                db.execute("PRAGMA ignore_check_constraints = ON")
                db.execute("UPDATE event SET outcome = 'odd', revision = revision + 1")
            eventually(lambda: not bed.is_ready("ws"), "it is told")
            assert b"the feed is behind" in bed.http("GET", "/milepost/ws/readyz").body
            assert (bed.metric("feed_current"), bed.metric("feed_errors_total")) == (0, 1)
            assert bed.http("GET", "/milepost/ws/healthz").status == 200
            bed.sql("UPDATE event SET outcome = 'running', progress = 2")
            assert json.loads(watcher.frame()[1])["progress"] == 2
        eventually(lambda: bed.is_ready("ws"), "ready again")
        assert bed.metric("feed_current") == 1


# --- descriptors ---

def descriptors(pid):
    return len(os.listdir(f"/proc/{pid}/fd"))


@contextlib.contextmanager
def limited(bed, name, spare):
    """The running program can open no more than so many files."""
    pid = bed.procs[name].pid
    before = resource.prlimit(pid, resource.RLIMIT_NOFILE)
    resource.prlimit(pid, resource.RLIMIT_NOFILE, (descriptors(pid) + spare, before[1]))
    yield
    resource.prlimit(pid, resource.RLIMIT_NOFILE, before)


async def until(condition, what):
    """As eventually(), while other tasks go on."""
    end = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < end, f"not in time: {what}"
        await asyncio.sleep(0.01)


async def test_few_descriptors():
    """milepost-ws with a low limit keeps some in reserve; whoever is too many waits, and gets in."""
    with Bed() as bed:
        bed.announced.append(r".*\[crit\] .*connect\(\).*")
        bed.end("ws0")
        bed.start("ws0", "prlimit", "--nofile=64:64", BUILD / "milepost-ws", "-s", bed.ws_socket())
        eventually(lambda: bed.is_ready("ws"), "ready")
        session, token = bed.session(), bed.therapist()
        opening = [asyncio.create_task(bed.watch(session, token, direct=0).__aenter__()) for _ in range(80)]
        await until(lambda: sum(task.done() for task in opening) >= 48, "48 are in")
        await until(lambda: "ws.accept-paused" in bed.logs(), "it is told")
        assert bed.report(session, "uploading", 1).status == 200
        first = [task.result() for task in opening if task.done()]
        for ws in first:
            assert (await update(ws))["progress"] == 1
        waiting = [task for task in opening if not task.done()]
        assert (len(first), len(waiting)) == (48, 32), "16 descriptors are kept"
        for ws in first:
            await ws.close()
        for ws in await asyncio.wait_for(asyncio.gather(*waiting), 20):
            assert (await update(ws))["progress"] == 1
            await ws.close()
        eventually(lambda: bed.is_ready("ws"), "ready")


async def test_no_descriptors():
    """milepost-ws without any: who is in gets updates, who waits gets in as soon as there are some."""
    with Bed() as bed:
        session, token = bed.session(), bed.therapist()
        async with bed.watch(session, token) as ws:
            with limited(bed, "ws0", 0):
                waiting = [asyncio.create_task(bed.watch(session, token).__aenter__()) for _ in range(5)]
                await until(lambda: "ws.accept-paused" in bed.logs(), "it is told")
                assert bed.report(session, "uploading", 1).status == 200
                assert (await update(ws))["progress"] == 1
                assert not any(task.done() for task in waiting)
            for late in await asyncio.wait_for(asyncio.gather(*waiting), 20):
                assert (await update(late))["progress"] == 1
                await late.close()
        assert bed.is_ready("ws")


@pytest.mark.skipif(IS_THREAD_BUILD, reason="descriptors are not the program's alone")
def test_no_descriptors_for_api():
    """milepost-api without any: reports wait, and are stored as soon as there are some."""
    with Bed() as bed, concurrent.futures.ThreadPoolExecutor(40) as pool:
        sessions = [bed.session() for _ in range(40)]
        with limited(bed, "api", 0):
            waiting = [pool.submit(bed.report, session, "uploading", 1) for session in sessions]
            eventually(lambda: "event=api.accept" in bed.logs(), "told")
            assert not any(reply.done() for reply in waiting)
        assert {reply.result().status for reply in waiting} == {200}
        assert all(len(bed.stored(session)) == 1 for session in sessions)
        assert bed.is_ready("api")


@pytest.mark.skipif(IS_THREAD_BUILD, reason="descriptors are not the program's alone")
def test_no_descriptors_for_checkpoint():
    """Where only the checkpoint lacks descriptors, updates are taken; it is made up for later."""
    with Bed() as bed:
        bed.announced.append(r".*event=api\.checkpoint.*")
        session, numbers = bed.session(), iter(range(100000))

        def post():
            updates = [{"status": "transcribing", "progress": 20, "message": f"{next(numbers)} {'x' * 900}"}
                       for _ in range(900)]
            assert bed.batch(session, updates).status == 200

        with limited(bed, "api", 1):
            before = bed.db.stat().st_size
            while "event=api.checkpoint" not in bed.logs():
                post()
            assert bed.db.stat().st_size == before
        post()
        eventually(lambda: bed.db.stat().st_size > before, "the checkpoint")
        assert [m.split()[0] for _, m in bed.stored(session)] == [str(n) for n in range(next(numbers))]


@pytest.mark.parametrize("program,limits", zip(PROGRAMS, [range(4, 64, 3), range(4, 40)]), ids=PROGRAMS)
def test_start_without_descriptors(bed, monkeypatch, program, limits):
    """Too few descriptors to start: one line that says so, and the end."""
    monkeypatch.setenv("ASAN_OPTIONS", "detect_leaks=0")  # that needs some itself
    for limit in limits:
        bed.refuses(program, "open files", prefix=("prlimit", f"--nofile={limit}:{limit}"))


# --- the log ---

@pytest.mark.parametrize("to", ["/dev/full", "&-"])
async def test_log_is_full(to):
    """A log that can't be written, or is closed, stops nothing."""
    with Bed() as bed:
        bed.announced.append(r".*\[crit\] .*connect\(\).*")
        bed.end("ws0"), bed.end("api")
        for name, program, path in (("ws0", "milepost-ws", bed.ws_socket()),
                                    ("api", "milepost-api", bed.dir / "api.sock")):
            bed.start(name, "sh", "-c", f'exec "$0" "$@" >{to} 2>{to}', BUILD / program, "-s", path)
        bed.ready()
        session, token = bed.session(), bed.therapist()
        async with bed.watch(session, token, direct=0) as ws:
            for progress in range(1, 20):
                assert bed.http("GET", "/milepost/v1/nothing").status == 404
                assert bed.report(session, "uploading", progress).status == 200
                assert (await update(ws))["progress"] == progress
        assert len(bed.stored(session)) == 19
