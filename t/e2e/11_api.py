"""The REST interface around a report: credentials, methods, limits, batches."""
import concurrent.futures
import hashlib
import json
import sqlite3
import uuid

import pytest


def post(bed, session, **kw):
    return bed.json("POST", f"/api/sessions/{session}/progress", {"status": "uploading", "progress": 1}, **kw)


def test_no_credential(bed):
    """Without a credential: 401 with WWW-Authenticate."""
    reply = post(bed, bed.session())
    assert (reply.status, reply.json["detail"]) == (401, "Authentication required")
    assert reply.headers["WWW-Authenticate"] == "Bearer"


@pytest.mark.parametrize("credential", ["x", "mpw_" + "A" * 43, "mpa_" + "A" * 43, "a.b.c"])
def test_bad_credential(bed, credential):
    """With a bad one: 401, whatever it is."""
    reply = post(bed, bed.session(), bearer=credential)
    assert (reply.status, reply.json["detail"]) == (401, "Invalid authentication")
    assert reply.headers["WWW-Authenticate"].startswith("Bearer")


def test_who_may_report(bed):
    """Keys and an admin's token may report; therapists and patients may not."""
    session = bed.session()
    for bearer, expected in ((bed.worker_key, 200), (bed.admin_key, 200),
                             (bed.token(bed.user("admin")), 200),
                             (bed.token(bed.user("therapist")), 403),
                             (bed.token(bed.user("patient")), 403)):
        assert post(bed, session, bearer=bearer).status == expected


def test_role_is_the_databases(bed):
    """A token that claims to be an admin's is worth what its user's row says."""
    assert post(bed, bed.session(), bearer=bed.token(bed.user("patient"), role="admin")).status == 403


def test_revoked_key(bed):
    """A deleted key is worth nothing from then on, also for the threads that met it, and each try is counted."""
    key = bed.key("worker")
    session = bed.session()
    assert {post(bed, session, bearer=key).status for _ in range(40)} == {200}
    before = bed.metric('auth_failures_total{cause="key"}', "api")
    bed.sql("DELETE FROM key WHERE number = (SELECT max(number) FROM key)")
    assert {post(bed, session, bearer=key).status for _ in range(40)} == {401}
    assert bed.metric('auth_failures_total{cause="key"}', "api") == before + 40


@pytest.mark.parametrize("what", ["worker key", "admin key", "admin", "demoted admin"])
def test_revoked_while_waiting(bed, what):
    """A credential that is revoked while its request waits for the database is worth nothing any more."""
    session, user, admin = bed.session(), str(uuid.uuid4()), bed.user("admin")
    key = bed.key("worker" if what == "worker key" else "admin")
    hashed = hashlib.sha256(key.encode()).digest()
    bearer = key if what.endswith("key") else bed.token(admin)
    db = sqlite3.connect(bed.db, isolation_level=None)
    db.execute("PRAGMA wal_autocheckpoint = 0")
    db.execute("BEGIN IMMEDIATE")
    db.execute("DELETE FROM key WHERE hash = ?", (hashed,))
    db.execute("UPDATE user SET role = 'therapist' WHERE id = ?" if what == "demoted admin" else
               "DELETE FROM user WHERE id = ?", (admin,))
    before = bed.metric("commit_requests_total", "api")
    with concurrent.futures.ThreadPoolExecutor() as pool:
        waiting = [pool.submit(bed.report, session, "uploading", 1, bearer=bearer)]
        if what != "worker key":
            waiting.append(pool.submit(bed.json, "PUT", f"/milepost/v1/users/{user}", {"role": "admin"}, bearer=bearer))
        # Nothing tells when they wait for the lock; that they have not been answered is all there is to see.
        assert not concurrent.futures.wait(waiting, timeout=0.3).done
        db.execute("COMMIT")
        replies = [future.result() for future in waiting]
    db.close()
    assert {reply.status for reply in replies} == {401}
    assert all("WWW-Authenticate" in reply.headers for reply in replies)
    assert bed.sql("SELECT count(*) FROM event WHERE session = (SELECT number FROM session WHERE id = ?)", session) == [(0,)]
    assert bed.sql("SELECT count(*) FROM user WHERE id = ?", user) == [(0,)]
    assert bed.metric("commit_requests_total", "api") > before


def test_no_path_in_the_log(bed):
    """A client that encodes a whole URL puts its token into the path: neither log has it (see bed.py)."""
    token = bed.therapist()
    for path in (f"/api/sessions/x%3Ftoken={token}/progress", f"/milepost/v1/sessions/x%3ftoken%3d{token}",
                 f"/api/sessions/ws/x%3Ftoken={token}", f"/milepost/v1/x/{token}"):
        assert bed.http("GET", path, bearer=bed.admin_key).status in (400, 404, 426)


def test_no_session(bed):
    """A session that does not exist, and one whose id is no UUID: 404."""
    for session in (uuid.uuid4(), "abc", "a%20b"):
        reply = post(bed, session, bearer=bed.worker_key)
        assert (reply.status, reply.json["detail"]) == (404, "Session not found")
    assert bed.http("GET", "/milepost/v1/sessions/abc", bearer=bed.admin_key).status == 404


@pytest.mark.parametrize("method,path,allow", [
    ("DELETE", "/api/sessions/{}/progress", {"GET", "POST", "HEAD"}),
    ("POST", "/milepost/v1/users/{}", {"GET", "PUT", "DELETE", "HEAD"}),
    ("GET", "/milepost/v1/progress", {"POST"}),
    ("GET", "/api/v1/login", {"POST"})])
def test_method(bed, method, path, allow):
    """A method that a path does not know: 405, with Allow."""
    reply = bed.http(method, path.format(uuid.uuid4()))
    assert reply.status == 405
    assert {m.strip() for m in reply.headers["Allow"].split(",")} == allow


def test_unknown_path(bed):
    """Below /milepost/v1/ everything is ours; elsewhere nothing is shadowed."""
    assert bed.http("GET", "/milepost/v1/nothing").json["status"] == 404
    assert bed.http("GET", "/api/sessions/").status == 404


def test_content_types(bed):
    """Parameters and case do not matter; another type or charset is 415."""
    session = bed.session()
    for content, expected in (("Application/JSON; charset=UTF-8", 200), ("application/json;charset=utf-8", 200),
                              ("application/json; charset=latin1", 415), ("text/plain", 415),
                              ("multipart/form-data; boundary=x", 415)):
        reply = bed.http("POST", f"/api/sessions/{session}/progress",
                         '{"status":"uploading","progress":1}', bearer=bed.worker_key, Content_Type=content)
        assert reply.status == expected, content


def test_body_sizes(bed):
    """16 KiB are read, one byte more is 413."""
    session = bed.session()
    body = '{"status":"uploading","progress":1}'
    for size, expected in ((16384, 200), (16385, 413)):
        reply = bed.http("POST", f"/api/sessions/{session}/progress", body.ljust(size),
                         bearer=bed.worker_key, Content_Type="application/json")
        assert reply.status == expected


def test_much_too_large(bed):
    """What is refused by its announced length is on its way all the same: the answer gets through."""
    session = bed.session()
    for _ in range(20):
        reply = bed.http("POST", f"/api/sessions/{session}/progress", b" " * 1000000, bearer=bed.worker_key,
                         Content_Type="application/json")
        assert (reply.status, reply.json["detail"]) == (413, "The body is too large")


def test_what_nginx_refuses(bed):
    """A body that nginx does not even take is told as every error is."""
    reply = bed.http("POST", f"/api/sessions/{bed.session()}/progress", b"x" * (3 << 20), bearer=bed.worker_key,
                     Content_Type="application/json")
    assert (reply.status, reply.json["status"]) == (413, 413)
    assert reply.headers["Content-Type"] == "application/problem+json"


def batch(bed, lines, **kw):
    body = "\n".join(line if isinstance(line, str) else json.dumps(line) for line in lines)
    reply = bed.http("POST", "/milepost/v1/progress", body, bearer=kw.pop("bearer", bed.worker_key),
                     Content_Type="application/x-ndjson")
    return reply, [json.loads(line) for line in reply.body.splitlines()] if reply.status == 200 else []


def test_batch(bed):
    """A line in, a line out, in order; one bad line harms no other."""
    a, b = bed.session(), bed.session()
    reply, answers = batch(bed, [
        {"session_id": a, "status": "uploading", "progress": 10},
        {"session_id": b, "status": "transcribing", "progress": 30},
        "{nonsense",
        {"session_id": str(uuid.uuid4()), "status": "uploading", "progress": 1},
        {"session_id": a, "status": "uploading", "progress": 5},
        {"session_id": a, "status": "uploading", "progress": 99},
        {"status": "uploading", "progress": 5},
        {"session_id": a, "status": "uploading", "progress": 11},
    ])
    assert reply.headers["Content-Type"] == "application/x-ndjson"
    assert [x["status"] for x in answers] == [200, 200, 400, 404, 409, 422, 422, 200]
    assert answers[4]["current"]["progress"] == 10
    assert answers[6]["errors"][0]["member"] == "session_id"
    assert answers[7]["progress"]["progress"] == 11


def test_batch_limits(bed):
    """1 MiB in all; a line of more than 16 KiB is refused alone."""
    session = bed.session()
    good = {"session_id": session, "status": "uploading", "progress": 1}
    _, answers = batch(bed, [good, "x" * 16385, good])
    assert [x["status"] for x in answers] == [200, 413, 200]
    assert batch(bed, ["x" * (1 << 20)])[0].status == 200
    assert batch(bed, ["x" * (1 << 20) + "x"])[0].status == 413
    assert batch(bed, [good], bearer=bed.therapist())[0].status == 403


def test_batch_is_stored_only_with_its_answer(bed):
    """A batch whose answer would not fit is refused whole: with nothing stored, so it may be sent again."""
    session = bed.session()
    good = {"session_id": session, "status": "uploading", "progress": 1}
    reply, _ = batch(bed, [good] + ["{}"] * 300000)
    assert (reply.status, reply.json["detail"]) == (413, "The batch has more than 10000 lines")
    assert bed.http("GET", f"/api/sessions/{session}/progress", bearer=bed.therapist()).status == 404
    reply, answers = batch(bed, [good] + ["{}"] * 9999)
    assert reply.status == 200 and len(answers) == 10000 and answers[0]["status"] == 200


def test_content_type_parameters(bed):
    """Parameters that change nothing are passed over; another charset than UTF-8 is refused."""
    body = json.dumps({"status": "uploading", "progress": 1})
    path = f"/api/sessions/{bed.session()}/progress"
    for parameters, status in (("; charset=utf-8", 200), ('; charset="UTF-8"; q=1', 200), ("; v=1; charset=utf-8", 200),
                               ("; charset=latin1", 415), ("; v=1; charset=utf-16", 415)):
        reply = bed.http("POST", path, body, bearer=bed.worker_key, Content_Type="application/json" + parameters)
        assert reply.status == status, parameters
        assert reply.headers["Cache-Control"] == "no-store"


def test_large_batch(bed):
    """Thousands of updates in one request."""
    session = bed.session()
    lines = [{"session_id": session, "status": "transcribing", "progress": 20 + i // 100, "message": f"{i}"}
             for i in range(4000)]
    reply, answers = batch(bed, lines)
    assert {x["status"] for x in answers} == {200} and len(answers) == 4000
    assert [x["progress"]["message"] for x in answers] == [f"{i}" for i in range(4000)]


def test_health(bed):
    """Health pages of both programs answer this host; metrics are Prometheus text."""
    for program in ("ws", "api"):
        assert bed.http("GET", f"/milepost/{program}/healthz").body == b"ok\n"
        assert bed.http("GET", f"/milepost/{program}/readyz").status == 200
        assert b"# TYPE milepost_" in bed.http("GET", f"/milepost/{program}/metrics").body


def test_head(bed):
    """HEAD is GET without the body."""
    session = bed.session()
    bed.report(session, "uploading", 1)
    reply = bed.http("HEAD", f"/api/sessions/{session}/progress", bearer=bed.therapist())
    assert (reply.status, reply.body) == (200, b"") and reply.headers["ETag"]
