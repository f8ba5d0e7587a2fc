"""The backend's side: users, sessions and logins."""
import concurrent.futures
import hashlib
import uuid

import bcrypt

from bed import Bed, reload

PASSWORD = "correct horse battery"


def test_users(bed):
    """PUT creates and changes, is idempotent, and keeps what is left out; GET shows no hash."""
    user, path = None, f"/milepost/v1/users/{uuid.uuid4()}"
    bed.hidden.append(PASSWORD)
    first = bed.json("PUT", path, {"role": "therapist", "email": "Ann@example.org", "password": PASSWORD},
                     bearer=bed.admin_key)
    assert first.status == 201
    user = first.json
    assert user == {"id": path[-36:], "role": "therapist", "is_active": True, "email": "Ann@example.org",
                    "has_password": True}
    before = bed.sql("SELECT max(number) FROM authority")
    again = bed.json("PUT", path, {"role": "therapist"}, bearer=bed.admin_key)
    assert (again.status, again.json) == (200, user)
    assert bed.sql("SELECT max(number) FROM authority") == before, "nothing changed, so nobody is told"
    changed = bed.json("PUT", path, {"is_active": False, "email": None}, bearer=bed.admin_key)
    assert changed.json == {**user, "is_active": False, "email": None}
    assert bed.http("GET", path, bearer=bed.admin_key).json == changed.json
    for _ in range(2):
        assert bed.http("DELETE", path, bearer=bed.admin_key).status == 204
    assert bed.http("GET", path, bearer=bed.admin_key).status == 404


def test_users_refused(bed):
    """What is wrong is refused by name; an address is one user's."""
    path = f"/milepost/v1/users/{uuid.uuid4()}"
    for members, wrong in (({}, "role"), ({"role": "boss"}, "role"), ({"role": "admin", "is_active": 1}, "is_active"),
                           ({"role": "admin", "email": "nobody"}, "email"),
                           ({"role": "admin", "password": "short"}, "password"),
                           ({"role": "admin", "password_hash": "plain"}, "password_hash"),
                           ({"role": "admin", "name": "x"}, "name")):
        reply = bed.json("PUT", path, members, bearer=bed.admin_key)
        assert (reply.status, reply.json["errors"][0]["member"]) == (422, wrong)
    bed.user("patient", email="taken@example.org")
    reply = bed.json("PUT", path, {"role": "patient", "email": "Taken@Example.org"}, bearer=bed.admin_key)
    assert reply.status == 409


def test_sessions(bed):
    """PUT, GET, DELETE of sessions; deleting takes the updates along."""
    path, patient = f"/milepost/v1/sessions/{uuid.uuid4()}", str(uuid.uuid4())
    assert bed.json("PUT", path, {}, bearer=bed.admin_key).status == 422
    assert bed.json("PUT", path, {"patient_id": "x"}, bearer=bed.admin_key).status == 422
    assert bed.json("PUT", path, {"patient_id": patient}, bearer=bed.admin_key).status == 201
    assert bed.json("PUT", path, {"patient_id": patient}, bearer=bed.admin_key).status == 200
    assert bed.http("GET", path, bearer=bed.admin_key).json["patient_id"] == patient
    assert bed.report(path[-36:], "uploading", 1).status == 200
    for _ in range(2):
        assert bed.http("DELETE", path, bearer=bed.admin_key).status == 204
    assert bed.http("GET", path, bearer=bed.admin_key).status == 404
    assert bed.sql("SELECT count(*) FROM event WHERE session NOT IN (SELECT number FROM session)") == [(0,)]


def test_who_may_administer(bed):
    """An admin key or an admin's token; nobody else."""
    path = f"/milepost/v1/sessions/{bed.session()}"
    for bearer, expected in ((bed.admin_key, 200), (bed.token(bed.user("admin")), 200),
                             (bed.worker_key, 403), (bed.therapist(), 403), (None, 401)):
        assert bed.http("GET", path, bearer=bearer).status == expected


def login(bed, email, password):
    return bed.json("POST", "/api/v1/login", {"email": email, "password": password})


def test_login(bed):
    """A good login gives a token that works; the e-mail's case does not matter."""
    bed.hidden.append(PASSWORD)
    path = f"/milepost/v1/users/{uuid.uuid4()}"
    bed.json("PUT", path, {"role": "therapist", "email": "Login@example.org", "password": PASSWORD},
             bearer=bed.admin_key)
    reply = login(bed, "login@EXAMPLE.org", PASSWORD)
    assert reply.status == 200 and reply.headers["Cache-Control"] == "no-store"
    assert (reply.json["token_type"], reply.json["expires_in"]) == ("bearer", 3600)
    bed.hidden.append(reply.json["access_token"])
    session = bed.session()
    bed.report(session, "uploading", 1)
    assert bed.http("GET", f"/api/sessions/{session}/progress",
                    bearer=reply.json["access_token"]).status == 200


def test_login_bcrypt(bed):
    """The $2b$ hash of an existing backend is good for a login."""
    hashed = bcrypt.hashpw(PASSWORD.encode(), bcrypt.gensalt(4, b"2b")).decode()
    reply = bed.json("PUT", f"/milepost/v1/users/{uuid.uuid4()}",
                     {"role": "patient", "email": "old@example.org", "password_hash": hashed},
                     bearer=bed.admin_key)
    assert reply.status == 201
    assert login(bed, "old@example.org", PASSWORD).status == 200


def test_login_refused(bed):
    """Unknown, wrong, inactive and password-less are told alike."""
    hashed = bcrypt.hashpw(PASSWORD.encode(), bcrypt.gensalt(4, b"2b")).decode()
    bed.user("patient", email="in@example.org", password=hashed, is_active=0)
    bed.user("patient", email="ok@example.org", password=hashed)
    bed.user("patient", email="no@example.org")
    answers = {login(bed, email, password).body for email, password in (
        ("nobody@example.org", PASSWORD), ("ok@example.org", PASSWORD + "x"), ("ok@example.org", ""),
        ("in@example.org", PASSWORD), ("no@example.org", PASSWORD))}
    assert len(answers) == 1 and b"Incorrect email or password" in answers.pop()
    assert bed.json("POST", "/api/v1/login", {"email": 5}).status == 422


def test_hash_is_yescrypt(bed):
    """New passwords are hashed by yescrypt."""
    path = f"/milepost/v1/users/{uuid.uuid4()}"
    bed.json("PUT", path, {"role": "patient", "password": PASSWORD}, bearer=bed.admin_key)
    (stored,), = bed.sql("SELECT password FROM user WHERE id = ?", path[-36:])
    assert stored.startswith("$y$")


def test_key_is_stored_hashed(bed):
    """The database holds a key's SHA-256 alone."""
    hashes = {row[0] for row in bed.sql("SELECT hash FROM key")}
    assert hashlib.sha256(bed.worker_key.encode()).digest() in hashes
    assert bed.worker_key.encode() not in (bed.dir / "milepost.db").read_bytes()


def test_login_is_limited():
    """Guessing passwords is slowed down: 429, told as every error is."""
    with Bed() as bed:
        replies = [bed.json("POST", "/api/v1/login", {}) for _ in range(40)]
        assert {reply.status for reply in replies} == {422, 429}
        last = replies[-1]
        assert last.headers["Content-Type"] == "application/problem+json"
        assert last.headers["Retry-After"] and last.json["status"] == 429


def test_logins_leave_threads():
    """Of four threads three may have logins, whatever number a reload reads: the fourth one is told to come back."""
    with Bed(api_threads=4) as bed, concurrent.futures.ThreadPoolExecutor(12) as pool:
        bed.announced.append(r".*event=api\.request .*status=503.*")
        hashed = bcrypt.hashpw(PASSWORD.encode(), bcrypt.gensalt(11, b"2b")).decode()
        bed.user("patient", email="ok@example.org", password=hashed)
        bed.write_config(api_threads=1024)
        reload(bed)
        replies = list(pool.map(lambda _: login(bed, "ok@example.org", PASSWORD), range(12)))
        assert {reply.status for reply in replies} == {200, 503}
        bed.hidden += [reply.json["access_token"] for reply in replies if reply.status == 200]
