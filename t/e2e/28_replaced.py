"""The database's file is taken away and put back, or another is put in its place, under running programs."""
import shutil

from bed import Bed, eventually, receive, until_closed
from events import EventStream
from overflow import TEXT


def files(bed):
    return [bed.dir / f"milepost.db{suffix}" for suffix in ("", "-wal", "-shm")]


async def test_taken_away_and_put_back():
    """No update is answered 200 while the file is away; afterwards all goes on, and nothing is lost."""
    with Bed(poll_interval="50ms") as bed:
        session, token = bed.session(), bed.therapist()
        assert bed.report(session, "uploading", 1).status == 200
        eventually(lambda: "event=api.start" in bed.logs(), "all threads have opened the database")
        aside = bed.dir / "aside"
        aside.mkdir()
        async with bed.watch(session, token) as ws:
            assert (await receive(ws))["progress"] == 1
            for file in files(bed):
                file.rename(aside / file.name)
            refused = bed.report(session, "uploading", 2)
            assert (refused.status, refused.headers["Retry-After"]) == (503, "1")
            for program in ("ws", "api"):
                assert bed.http("GET", f"/milepost/{program}/readyz").status == 503
                assert bed.http("GET", f"/milepost/{program}/healthz").status == 200
            assert bed.http("GET", f"/api/sessions/{session}/progress", bearer=token).status == 503
            for file in files(bed):
                (aside / file.name).rename(file)
            assert bed.report(session, "uploading", 3).status == 200
            assert (await receive(ws))["progress"] == 3
        assert bed.sql("SELECT progress FROM event") == [(1,), (3,)]
        bed.announced += [r".*no such database.*", r".*status=503.*", r".*event=api\.commit.*"]


async def test_replaced_by_a_backup():
    """The watchers come back and are told what the other file says, whose revisions begin earlier."""
    with Bed(poll_interval="50ms") as bed:
        session, token = bed.session(), bed.therapist()
        bed.report(session, "uploading", 1)
        bed.ctl("backup", bed.dir / "backup.db")
        for i in range(2, 10):
            bed.report(session, "uploading", i)
        gone = bed.session()
        async with bed.watch(session, token) as ws:
            assert (await receive(ws))["progress"] == 9
            for file in files(bed):
                file.unlink(missing_ok=True)
            shutil.move(bed.dir / "backup.db", bed.db)
            closed = await until_closed(ws)
            assert (closed.code, closed.reason) == (1012, "Service restart")
        eventually(lambda: all(bed.http("GET", f"/milepost/{p}/readyz").status == 200 for p in ("ws", "api")), "ready")
        async with bed.watch(session, token) as ws, bed.watch(gone, token) as other:
            assert (await receive(ws))["progress"] == 1
            assert (await until_closed(other)).reason == "Session not found"
            assert bed.report(session, "uploading", 5).status == 200
            assert (await receive(ws))["progress"] == 5
        assert bed.sql("SELECT progress FROM event") == [(1,), (5,)]
        bed.announced += [r".*no such database.*", r".*status=503.*", r".*event=api\.commit.*"]


def test_key_of_the_other_database():
    """A key that only the file before knew is worth nothing, though another has its number now."""
    with Bed(api_threads=1) as bed:
        session = bed.session()
        bed.ctl("backup", bed.dir / "backup.db")
        old = bed.key("worker")
        assert bed.report(session, "uploading", 1, bearer=old).status == 200
        for file in files(bed):
            file.unlink(missing_ok=True)
        shutil.move(bed.dir / "backup.db", bed.db)
        new = bed.key("worker")
        assert bed.report(session, "uploading", 2, bearer=old).status == 401
        assert bed.report(session, "uploading", 2, bearer=new).status == 200
        bed.announced += [r".*no such database.*", r".*status=503.*", r".*event=api\.commit.*"]


def test_taken_away_in_a_replay():
    """Whose replay is under way when the file goes is sent away for a moment, as by a restart: that is no fault
    of the program. Who resumes finds the rest."""
    with Bed(send_queue_max="4k") as bed:
        session, token = bed.session(), bed.therapist()
        updates = [{"status": "transcribing", "progress": 20 + i // 100, "message": f"{i} {TEXT}"} for i in range(3000)]
        for i in range(0, 3000, 500):
            assert bed.batch(session, updates[i:i + 500]).status == 200
        with EventStream(bed, session, token, direct=0, buffer=4096, since=0) as stream:
            got = [stream.update()]
            bed.db.rename(bed.dir / "aside")
            got += stream.updates()
            assert len(got) < len(updates) and stream.comments[-1] == " Service restart"
        (bed.dir / "aside").rename(bed.db)
        with EventStream(bed, session, token, direct=0, headers={"Last-Event-ID": got[-1][0]}) as stream:
            got += [stream.update() for _ in range(len(updates) - len(got))]
        assert [message["message"] for _, message in got] == [update["message"] for update in updates]
        bed.announced += [r"event=ws\.feed"]
