"""Reporting progress: the rules of the contract's section 3."""
import pytest

EIGHT = {"session_id", "status", "progress", "message", "updated_at", "created_at",
         "estimated_time_remaining", "error"}


def test_curl_form(bed):
    """A plain form is stored, and the answer is the message with exactly its eight members."""
    session = bed.session()
    reply = bed.form(session.upper(), status="transcribing", progress=45, message="Läuft… 100 %")
    assert reply.status == 200
    assert set(reply.json) == EIGHT
    assert reply.json["session_id"] == session
    assert (reply.json["progress"], reply.json["message"]) == (45, "Läuft… 100 %")
    assert reply.json["error"] is None and reply.json["estimated_time_remaining"] is None


def test_json(bed):
    """JSON is stored with every member; created_at stays that of the run."""
    session = bed.session()
    first = bed.report(session, "uploading", 0).json
    reply = bed.report(session, "transcribing", 45, estimated_time_remaining=30)
    assert reply.status == 200
    assert reply.json["estimated_time_remaining"] == 30
    assert reply.json["created_at"] == first["created_at"]
    assert reply.json["message"] != ""


@pytest.mark.parametrize("status,low,high", [
    ("uploading", 0, 20), ("transcribing", 20, 60), ("transcribed", 60, 60),
    ("extracting_notes", 60, 95), ("processed", 100, 100)])
def test_bounds(bed, status, low, high):
    """Each status takes its bounds and nothing beyond them."""
    for progress, expected in ((low - 1, 422), (low, 200), (high, 200), (high + 1, 422)):
        reply = bed.report(bed.session(), status, progress)
        assert reply.status == expected, (progress, reply.body)
        if expected == 422:
            assert reply.json["errors"][0]["member"] == "progress"


def test_left_out(bed):
    """transcribed, processed and failed may leave progress out; the others may not."""
    session = bed.session()
    assert bed.report(session, "uploading").status == 422
    assert bed.report(session, "transcribed").json["progress"] == 60
    assert bed.report(session, "extracting_notes", 80).status == 200
    assert bed.report(session, "failed", error="x").json["progress"] == 80
    assert bed.report(bed.session(), "failed", error="x").json["progress"] == 0
    assert bed.report(bed.session(), "processed").json["progress"] == 100


@pytest.mark.parametrize("members,wrong", [
    ({}, {"status"}), ({"status": None}, {"status"}), ({"status": 5}, {"status"}),
    ({"status": "dancing", "progress": 5}, {"status"}),
    ({"status": "uploading", "progress": "5"}, {"progress"}),
    ({"status": "uploading", "progress": 5.0}, {"progress"}),
    ({"status": "uploading", "progress": True}, {"progress"}),
    ({"status": "uploading", "progress": -1}, {"progress"}),
    ({"status": "uploading", "progress": 10 ** 30}, {"progress"}),
    ({"status": "uploading", "progress": 5, "message": 7}, {"message"}),
    ({"status": "uploading", "progress": 5, "message": "x" * 1025}, {"message"}),
    ({"status": "uploading", "progress": 5, "estimated_time_remaining": -1}, {"estimated_time_remaining"}),
    ({"status": "uploading", "progress": 5, "estimated_time_remaining": "soon"}, {"estimated_time_remaining"}),
    ({"status": "uploading", "progress": 5, "error": "no"}, {"error"}),
    ({"status": "failed"}, {"error"}), ({"status": "failed", "error": ""}, {"error"}),
    ({"status": "uploading", "progress": 5, "restart": "yes"}, {"restart"}),
    ({"status": "uploading", "progress": 5, "percent": 5, "x": 1}, {"percent", "x"}),
    ({"progress": "a", "message": 1, "error": 2}, {"progress", "message", "error"})])
def test_refused_by_name(bed, members, wrong):
    """What is wrong is refused with 422, by the names of the members, and stored is nothing."""
    session = bed.session()
    reply = bed.json("POST", f"/api/sessions/{session}/progress", members, bearer=bed.worker_key)
    assert reply.status == 422
    assert reply.headers["Content-Type"] == "application/problem+json"
    assert {e["member"] for e in reply.json["errors"]} >= wrong
    assert reply.json["status"] == 422 and reply.json["detail"]
    assert bed.sql("SELECT count(*) FROM event e JOIN session s ON s.number = e.session WHERE s.id = ?",
                   session) == [(0,)]


@pytest.mark.parametrize("body", [
    b"", b"{", b"[]", b"null", b'"x"', b"{}{}", b'{"status":"uploading",}', b'{"status":NaN}',
    b'{"status":"uploading","status":"failed"}', b'{"status":"uplo\\u0000ading"}', b'{"status":"\xff"}',
    b'{"a":' + b"[" * 50 + b"]" * 50 + b"}"])
def test_malformed_json(bed, body):
    """JSON that is none, or that could be read in two ways, is 400."""
    reply = bed.http("POST", f"/api/sessions/{bed.session()}/progress", body, bearer=bed.worker_key,
                     Content_Type="application/json")
    assert reply.status == 400, reply.body


def test_no_way_back(bed):
    """Status and progress never go back within a run: 409 with the current message."""
    session = bed.session()
    bed.report(session, "transcribing", 40)
    for status, progress in (("uploading", 10), ("transcribing", 39)):
        reply = bed.report(session, status, progress)
        assert reply.status == 409
        assert reply.json["current"]["progress"] == 40
    assert bed.report(session, "transcribing", 40, message="again").status == 200


def test_blind_retry(bed):
    """An equal update is 200 and stored once, also after the end of the run."""
    session = bed.session()
    for status, members in (("uploading", {"progress": 5}), ("processed", {})):
        first = bed.report(session, status, **members)
        for _ in range(3):
            again = bed.report(session, status, **members)
            assert (again.status, again.json) == (200, first.json)
    assert bed.sql("SELECT count(*) FROM event e JOIN session s ON s.number = e.session WHERE s.id = ?",
                   session) == [(2,)]


def test_restart_retry(bed):
    """Retrying restart=true blindly begins one run, not two."""
    session = bed.session()
    bed.report(session, "transcribing", 30)
    first = bed.report(session, "uploading", 0, restart=True)
    assert first.status == 200
    assert bed.report(session, "uploading", 0, restart=True).json == first.json
    assert len(bed.http("GET", f"/api/sessions/{session}/progress/history",
                        bearer=bed.therapist()).json) == 1


def test_after_failed(bed):
    """After failed any update begins a new run."""
    session = bed.session()
    bed.report(session, "extracting_notes", 90)
    assert bed.report(session, "failed", error="out of memory").json["error"] == "out of memory"
    reply = bed.report(session, "transcribing", 20)
    assert reply.status == 200 and reply.json["error"] is None


def test_after_processed(bed):
    """After processed only uploading begins a new run, and restart any."""
    session = bed.session()
    bed.report(session, "processed")
    assert bed.report(session, "transcribing", 30).status == 409
    assert bed.report(session, "failed", error="late").status == 409
    assert bed.report(session, "uploading", 0).status == 200
    bed.report(session, "processed")
    assert bed.report(session, "transcribing", 30, restart=True).status == 200


def test_form_empty_is_left_out(bed):
    """A worker's `-d error=$err` with an empty variable is no error."""
    reply = bed.form(bed.session(), status="uploading", progress=5, error="", message="")
    assert reply.status == 200 and reply.json["message"]


def test_own_stage(bed):
    """An installation adds a stage as a row, and workers use it at once."""
    bed.sql("INSERT INTO stage (name, rank, min, max, outcome, message) "
            "VALUES ('translating', 25, 60, 60, 'running', 'Translating...')")
    reply = bed.report(bed.session(), "translating", 60)
    assert (reply.status, reply.json["message"]) == (200, "Translating...")
