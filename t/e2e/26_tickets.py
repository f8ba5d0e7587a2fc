"""One-time tickets: no token in any URL."""
import asyncio
import contextlib
import re
import sqlite3

import pytest

from bed import Bed, receive, reload, until_closed


@pytest.fixture(scope="module")
def two(request):
    """Two milepost-ws on one database."""
    with Bed(ws=2) as bed:
        yield bed


def ticket(bed, bearer):
    reply = bed.http("POST", "/milepost/v1/ticket", bearer=bearer)
    if reply.status == 200:
        assert reply.json["expires_in"] == 30
        bed.hidden.append(reply.json["ticket"])
    return reply


async def test_opens_one_connection(two):
    """As the token would, once, at whichever process."""
    patient = two.user("patient")
    session = two.session(patient)
    token = two.token(patient)
    two.report(session, "uploading", 10)
    for first, second in ((0, 1), (1, 0)):
        one = ticket(two, token).json["ticket"]
        async with two.watch(session, ticket=one, direct=first) as ws:
            assert (await receive(ws))["progress"] == 10
            for again in (first, second):
                async with two.watch(session, ticket=one, direct=again) as refused:
                    closed = await until_closed(refused)
                    assert (closed.code, closed.reason) == (1008, "Invalid authentication")


async def test_one_of_many_at_once(two):
    """Many tries at once with the same ticket: exactly one gets in."""
    patient = two.user("patient")
    session = two.session(patient)
    two.report(session, "uploading", 10)
    one = ticket(two, two.token(patient)).json["ticket"]

    async def attempt(i):
        async with two.watch(session, ticket=one, direct=i % 2) as ws:
            try:
                return (await receive(ws))["progress"]
            except Exception as closed:
                return closed.code

    assert sorted(await asyncio.gather(*(attempt(i) for i in range(20)))) == [10] + [1008] * 19


async def test_through_nginx_by_wss(two):
    session = two.session()
    two.report(session, "uploading", 7)
    one = ticket(two, two.therapist()).json["ticket"]
    async with two.watch(session, ticket=one) as ws:
        assert (await receive(ws))["progress"] == 7


async def test_no_more_right_than_the_token(two):
    """A patient's ticket opens no other's session; it counts before a token beside it."""
    token = two.token(two.user("patient"))
    session = two.session(two.user("patient"))
    async with two.watch(session, ticket=ticket(two, token).json["ticket"]) as ws:
        closed = await until_closed(ws)
        assert (closed.code, closed.reason) == (1008, "Not authorized to access this session")
    async with two.watch(session, ticket="mpt_" + "x" * 43, token=two.therapist()) as ws:
        assert (await until_closed(ws)).reason == "Invalid authentication"


async def test_ends_with_its_token(two):
    """The connection lasts as long as the token would; a user who is made inactive has no use of a ticket."""
    user = two.user("therapist")
    one = ticket(two, two.token(user)).json["ticket"]
    two.sql("UPDATE user SET is_active = 0 WHERE id = ?", user)
    async with two.watch(two.session(), ticket=one) as ws:
        assert (await until_closed(ws)).reason == "Invalid authentication"
    with Bed(jwt_leeway="0s") as bed:
        one = ticket(bed, bed.token(bed.user("therapist"), lifetime=3)).json["ticket"]
        async with bed.watch(bed.session(), ticket=one) as ws:
            closed = await until_closed(ws)
            assert (closed.code, closed.reason, closed.messages) == (1008, "Invalid authentication", [])


async def test_ends_with_its_key():
    """A ticket of a key that was taken out, or has come to its end, opens nothing."""
    with Bed() as bed:
        user, session = bed.user("therapist"), bed.session()
        bed.report(session, "uploading", 1)
        old = bed.dir / "old.secret"
        old.touch(0o600)
        old.write_text("a secret of more than thirty-two bytes")
        past = "not_after=2001-01-01T00:00:00Z"
        for words in ("", f"kid=old alg=HS256 file={old} {past}"):
            bed.write_config(jwt_keys=f"kid=old alg=HS256 file={old}")
            reload(bed)
            tickets = [ticket(bed, bed.token(user, secret=old.read_text())).json["ticket"] for _ in range(2)]
            async with bed.watch(session, ticket=tickets[0]) as ws:
                assert (await receive(ws))["progress"] == 1
                bed.write_config(jwt_keys=words)
                reload(bed)
                assert (await until_closed(ws)).reason == "Invalid authentication"
            async with bed.watch(session, ticket=tickets[1]) as ws:
                closed = await until_closed(ws)
                assert (closed.code, closed.reason, closed.messages) == (1008, "Invalid authentication", [])


async def test_expires(two):
    """After 30 seconds it is worth nothing, and it is swept away."""
    one = ticket(two, two.therapist()).json["ticket"]
    two.sql("UPDATE ticket SET expires_at = strftime('%s', 'now')")
    async with two.watch(two.session(), ticket=one) as ws:
        assert (await until_closed(ws)).reason == "Invalid authentication"
    ticket(two, two.therapist())
    assert two.sql("SELECT count(*) FROM ticket") == [(1,)]


def test_who_gets_one(two):
    """Who has a user's token; and no more than 100 unused ones."""
    assert two.http("POST", "/milepost/v1/ticket").status == 401
    assert ticket(two, two.worker_key).status == 403
    assert ticket(two, two.token(two.user("therapist"), secret="x" * 32)).status == 401
    assert two.http("GET", "/milepost/v1/ticket").status == 405
    token = two.therapist()
    statuses = [ticket(two, token).status for _ in range(101)]
    assert statuses == [200] * 100 + [429]


async def test_while_another_writes(two):
    """A database that another process is writing delays a ticket, and loses none."""
    session = two.session()
    two.report(session, "uploading", 5)
    one = ticket(two, two.therapist()).json["ticket"]
    db = sqlite3.connect(two.db, isolation_level=None)
    db.execute("BEGIN IMMEDIATE")
    opening = asyncio.ensure_future(two.watch(session, ticket=one, direct=0).__aenter__())
    done, _ = await asyncio.wait([opening], timeout=0.3)
    assert not done
    db.execute("ROLLBACK")
    db.close()
    ws = await opening
    assert (await receive(ws))["progress"] == 5
    await ws.close()


def test_while_another_writes_for_too_long():
    """A ticket that can't be taken in time is no fault of the client's: 503, to a page of another origin too."""
    with Bed(head_timeout="200ms", origins="https://a.example") as bed:
        session, one = bed.session(), ticket(bed, bed.therapist()).json["ticket"]
        with contextlib.closing(sqlite3.connect(bed.db, isolation_level=None)) as db:
            db.execute("BEGIN IMMEDIATE")
            reply = bed.http("GET", f"/api/sessions/{session}/events?ticket={one}", Origin="https://a.example")
        assert (reply.status, reply.json["detail"]) == (503, "the database is busy")
        assert reply.headers["Retry-After"] and reply.headers["Access-Control-Allow-Origin"] == "https://a.example"


def test_why_not(two):
    """A fault of the database is named as it is, also behind a ticket, which another connection takes."""
    user, session = two.user("therapist"), two.session()
    one = ticket(two, two.token(user)).json["ticket"]
    with contextlib.closing(sqlite3.connect(two.db, isolation_level=None)) as db:
        db.execute("PRAGMA ignore_check_constraints = ON")
        db.execute("UPDATE user SET role = 'nobody' WHERE id = ?", (user,))
    assert two.http("GET", f"/api/sessions/{session}/events?ticket={one}").status == 503
    assert re.search(r"event=ws\.database .*impossible value", two.logs())
    two.sql("UPDATE user SET role = 'patient' WHERE id = ?", user)
    two.announced += [r"event=ws\.database .*impossible value"]
