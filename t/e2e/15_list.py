"""The list of sessions whose run is under way, with their newest updates."""
import uuid

import pytest

from bed import Bed

PATH = "/milepost/v1/sessions"


def get(bed, bearer=None, query="active=1", **kw):
    return bed.http("GET", f"{PATH}?{query}", bearer=bearer, **kw)


def listed(bed, bearer=None, query="active=1"):
    """The list, whose form is checked, as pairs of id and progress."""
    reply = get(bed, bearer or bed.admin_key, query)
    assert (reply.status, reply.headers["Cache-Control"]) == (200, "no-store")
    assert list(reply.json) == ["sessions", "next"]
    for entry in reply.json["sessions"]:
        assert list(entry) == ["id", "progress"] and entry["progress"]["session_id"] == entry["id"]
    return [(entry["id"], entry["progress"]) for entry in reply.json["sessions"]]


@pytest.fixture
def own():
    """A bed whose list begins empty."""
    with Bed() as bed:
        yield bed


def test_runs_come_and_go(own):
    """A run is listed from its first update to its last, the newest run first, wherever the updates come."""
    a, b, c = own.session(), own.session(), own.session()
    assert listed(own) == []
    first = own.report(a, "uploading", 1).json
    assert listed(own) == [(a, first)]
    second = own.report(b, "transcribing", 20).json
    first = own.report(a, "uploading", 2).json
    assert listed(own) == [(b, second), (a, first)]
    own.report(b, "processed")
    own.report(c, "failed", error="at once")
    assert listed(own) == [(a, first)]
    third = own.report(c, "uploading", 3).json
    again = own.report(a, "uploading", 0, restart=True).json
    assert listed(own) == [(a, again), (c, third)]
    own.http("DELETE", f"{PATH}/{a}", bearer=own.admin_key)
    assert listed(own) == [(c, third)]
    lines = [{"status": "transcribing", "progress": 30}, {"status": "failed", "error": "no"}]
    assert own.batch(c, lines).status == 200 and listed(own) == []


def test_who_may_list(own):
    """Therapists, admins and admins' keys all, a patient their own, a worker's key none."""
    patient = own.user("patient")
    mine, other, nobodys = own.session(patient), own.session(own.user("patient")), own.session()
    for session in (mine, other, nobodys):
        own.report(session, "uploading", 1)
    for bearer in (own.therapist(), own.token(own.user("admin")), own.admin_key):
        assert [session for session, _ in listed(own, bearer)] == [nobodys, other, mine]
    assert [session for session, _ in listed(own, own.token(patient))] == [mine]
    assert listed(own, own.token(own.user("patient"))) == []
    own.json("PUT", f"{PATH}/{mine}", {"patient_id": None}, bearer=own.admin_key)
    assert listed(own, own.token(patient)) == []
    reply = get(own, own.worker_key)
    assert (reply.status, reply.json["detail"]) == (403, "A worker's key may not list sessions")
    assert get(own).status == 401
    assert get(own, own.token(own.user("therapist", is_active=0))).status == 401


def test_pages(own):
    """next is where to go on; a page neither misses nor repeats what goes on meanwhile."""
    sessions = [own.session() for _ in range(7)]
    for session in sessions:
        own.report(session, "uploading", 1)
    got, query, sizes = [], "active=1&limit=3", []
    while query is not None:
        reply = get(own, own.admin_key, query)
        page = [entry["id"] for entry in reply.json["sessions"]]
        own.report(page[-1], "uploading", 2)  # an update moves nothing
        sizes.append(len(page))
        got += page
        query = f"active=1&limit=3&before={reply.json['next']}" if reply.json["next"] else None
    assert got == sessions[::-1] and sizes == [3, 3, 1]
    assert get(own, own.admin_key, "active=1&limit=7").json["next"] is None
    assert get(own, own.admin_key, "active=1&before=1").json == {"sessions": [], "next": None}


@pytest.mark.parametrize("query,word", [
    ("", "active"), ("active=0", "active"), ("active=", "active"), ("active=1&active=1", "active"),
    ("active=1&limit=0", "limit"), ("active=1&limit=1001", "limit"), ("active=1&limit=x", "limit"),
    ("active=1&before=0", "before"), ("active=1&before=-1", "before"), ("active=1&before=x", "before"),
    ("active=%zz", "malformed")])
def test_malformed(bed, query, word):
    """What is wrong is named."""
    reply = get(bed, bed.admin_key, query)
    assert reply.status == 400 and word in reply.json["detail"]


def test_methods(bed):
    reply = bed.http("POST", PATH, "", bearer=bed.admin_key)
    assert (reply.status, reply.headers["Allow"]) == (405, "GET, HEAD")
    reply = bed.http("HEAD", f"{PATH}?active=1", bearer=bed.admin_key)
    assert (reply.status, reply.body) == (200, b"")
    assert bed.http("GET", f"{PATH}/", bearer=bed.admin_key).status == 404


def test_among_many(own):
    """A full list of a thousand, and one of a patient's among them."""
    patient = own.user("patient")
    for i in range(1200):
        own.sql("INSERT INTO session (id, patient_id) VALUES (?, ?)", str(uuid.UUID(int=i)),
                patient if i % 400 == 7 else None)
    lines = "\n".join(f'{{"session_id":"{uuid.UUID(int=i)}","status":"uploading","progress":{i % 21}}}'
                      for i in range(1200))
    assert own.http("POST", "/milepost/v1/progress", lines, bearer=own.worker_key,
                    Content_Type="application/x-ndjson").status == 200
    page = listed(own, query="active=1&limit=1000")
    assert [session for session, _ in page] == [str(uuid.UUID(int=i)) for i in range(1199, 199, -1)]
    assert [progress["progress"] for _, progress in page] == [i % 21 for i in range(1199, 199, -1)]
    assert len(listed(own)) == 100
    assert [session for session, _ in listed(own, own.token(patient))] == \
        [str(uuid.UUID(int=i)) for i in (807, 407, 7)]
