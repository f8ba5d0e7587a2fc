"""Several hosts share one stream of progress through a real Redis: milepost-relay, fault by fault."""
import os
import re
import shutil
import signal
import subprocess
import uuid

import pytest

from bed import BUILD, PATIENCE, Closed, eventually, update
from guides import Guide
from hosts import Cluster, Redis

PASSWORD = "very secret"


@pytest.fixture(scope="module")
def cluster():
    with Cluster(2) as cluster:
        yield cluster


def put(host, path, **members):
    reply = host.json("PUT", path, members, bearer=host.admin_key)
    assert reply.status in (200, 201, 204), reply.body
    return reply


def admitted(host, session):
    """The session has arrived there."""
    return host.sql("SELECT 1 FROM session WHERE id = ?", session)


def shared_session(cluster, patient=None):
    """A session that all hosts know."""
    session = cluster.hosts[0].session(patient)
    for host in cluster.hosts:
        eventually(lambda: admitted(host, session), f"{host.name} knows the session")
    return session


def write(cluster, **members):
    """An entry as whoever may write to Redis can write it."""
    cluster.redis.cli("XADD", "milepost:stream", "*", *[x for pair in members.items() for x in pair])


def batch(host, session, numbers):
    """Updates whose messages are these numbers."""
    updates = [{"status": "transcribing", "progress": 40, "message": str(n)} for n in numbers]
    assert host.batch(session, updates).status == 200


def says_all(cluster, host):
    """Waits until Redis knows how far the host has come."""
    sent = str(host.sql("SELECT max(n) FROM relay_out")[0][0])
    eventually(lambda: cluster.redis.cli("HGET", "milepost:hosts", host.name).split()[2] == sent, f"{host.name} says so")


def give_password(host):
    """A file with the password of Redis, which is to be in no log."""
    file = host.dir / "redis.password"
    file.touch(0o600)
    file.write_text(PASSWORD + "\n")
    host.hidden.append(PASSWORD)
    return file


async def test_watch_here_report_there(cluster):
    """A user, a session and a key of one host count on the other; its updates reach watchers there."""
    a, b = cluster.hosts
    user, session = str(uuid.uuid4()), str(uuid.uuid4())
    put(a, f"/milepost/v1/users/{user}", role="patient", email=f"{user}@example.org")
    put(a, f"/milepost/v1/sessions/{session}", patient_id=user)
    eventually(lambda: admitted(b, session), "the session arrives")
    eventually(lambda: len(b.sql("SELECT 1 FROM key")) == 4, "the keys arrive")
    assert b.report(session, "uploading", 10, bearer=a.worker_key).status == 200
    async with b.watch(session, b.token(user)) as ws:
        assert (await update(ws))["progress"] == 10
        eventually(lambda: a.newest(session), "the update arrives")
        assert a.report(session, "transcribing", 30, message="of a").status == 200
        message = await update(ws)
        assert (message["status"], message["progress"], message["message"]) == ("transcribing", 30, "of a")
        # A right that ends on one host ends on the other.
        put(a, f"/milepost/v1/users/{user}", role="patient", email=f"{user}@example.org", is_active=False)
        with pytest.raises(Closed) as closed:
            await update(ws)
        assert (closed.value.code, closed.value.reason) == (1008, "Invalid authentication")
    cluster.wait_agreed()


def test_deletion(cluster):
    """What is deleted on one host is gone on the other, and can be made anew on either."""
    a, b = cluster.hosts
    session = shared_session(cluster)
    assert a.report(session, "uploading", 10).status == 200
    eventually(lambda: b.newest(session), "the update arrives")
    assert b.http("DELETE", f"/milepost/v1/sessions/{session}", bearer=b.admin_key).status == 204
    eventually(lambda: not admitted(a, session), "the deletion arrives")
    put(b, f"/milepost/v1/sessions/{session}", patient_id=str(uuid.uuid4()))
    eventually(lambda: admitted(a, session), "the new one arrives")
    assert a.newest(session) is None
    assert a.report(session, "uploading", 5).status == 200
    eventually(lambda: b.newest(session), "its update arrives")
    b.ctl("key", "add", "short-lived")
    eventually(lambda: a.sql("SELECT 1 FROM key WHERE name = 'short-lived'"), "a key arrives")
    b.sql("DELETE FROM key WHERE name = 'short-lived'")  # an operator's shell
    cluster.wait_agreed()
    assert not a.sql("SELECT 1 FROM key WHERE name = 'short-lived'")


def test_every_update_in_order(cluster):
    """What one host stores, the other stores, each once and in order, however fast."""
    a, b = cluster.hosts
    session = shared_session(cluster)
    for part in range(5):
        batch(a, session, range(part * 100, part * 100 + 100))
    eventually(lambda: len(b.messages(session)) == 500, "all arrive")
    assert b.messages(session) == [str(i) for i in range(500)] == a.messages(session)


async def test_conflict(cluster):
    """Cut off from each other, two hosts accept different updates; afterwards watchers on both are shown what
    was agreed on."""
    a, b = cluster.hosts
    session = shared_session(cluster)
    token = a.therapist()
    assert a.report(session, "uploading", 10).status == 200
    eventually(lambda: b.newest(session), "the update arrives")
    async with a.watch(session, token) as ws:
        assert (await update(ws))["progress"] == 10
        b.wire.cut()
        assert a.report(session, "transcribing", 40, message="of a").status == 200
        assert (await update(ws))["message"] == "of a"
        assert b.report(session, "transcribing", 50, message="of b").status == 200
        b.wire.mend()
        message = await update(ws)
        assert (message["progress"], message["message"]) == (50, "of b")
    cluster.wait_agreed()
    assert b.messages(session)[-1] == "of b" and "of a" not in b.messages(session)


def test_ends_and_runs(cluster):
    """A run that ended here and went on there has ended; a new run wins over both."""
    a, b = cluster.hosts
    ended, again = shared_session(cluster), shared_session(cluster)
    for session in (ended, again):
        assert a.report(session, "transcribing", 30).status == 200
        eventually(lambda: b.newest(session), "the update arrives")
    b.wire.cut()
    assert a.report(ended, "failed", error="no audio").status == 200
    assert b.report(ended, "extracting_notes", 90).status == 200
    assert a.report(again, "uploading", 0, restart=True).status == 200
    assert b.report(again, "processed").status == 200
    b.wire.mend()
    cluster.wait_agreed()
    assert [host.newest(ended)[0] for host in cluster.hosts] == ["failed"] * 2
    assert [host.newest(again)[0] for host in cluster.hosts] == ["uploading"] * 2
    # The rule of the contract holds for the agreed state, wherever it came from.
    assert b.report(again, "transcribing", 20).status == 200
    assert b.report(again, "uploading", 20).status == 409


def test_redis_away(cluster):
    """Without Redis each host works on; readyz and status say so; afterwards all arrives."""
    a, b = cluster.hosts
    session = shared_session(cluster)
    cluster.redis.stop()
    eventually(lambda: "degraded" in a.readyz("api") and "degraded" in a.readyz("ws"), "readyz says so")
    assert a.http("GET", "/milepost/api/readyz").status == 200  # and serves
    status = a.ctl("status", check=False)
    assert status.returncode == 1 and "milepost-relay does not reach Redis" in status.stdout
    for i in range(30):
        assert a.report(session, "transcribing", 40, message=str(i)).status == 200
    assert a.messages(session) == [str(i) for i in range(30)]
    cluster.redis.start()
    cluster.wait_here()
    cluster.wait_agreed()
    assert b.messages(session) == [str(i) for i in range(30)]
    wanted = r"^relay +host1: here, 0 waiting$(?s:.*)^  host2 +here, lag \d+ ms, 0 waiting, heard of \d+ s ago$"
    eventually(lambda: re.search(wanted, a.ctl("status").stdout, re.M), "status shows both")


def test_redis_loses_all(cluster):
    """A Redis without persistence that is killed loses the stream, and what others had not read: it is sent again."""
    a, b = cluster.hosts
    session = shared_session(cluster)
    eventually(lambda: admitted(b, session), "b is up to date")
    b.end("relay")
    for i in range(20):
        assert a.report(session, "transcribing", 40, message=str(i)).status == 200
    eventually(lambda: a.sql("SELECT sent = (SELECT max(n) FROM relay_out) FROM relay") == [(1,)], "all is sent")
    cluster.redis.kill()
    cluster.redis.start()
    b.start_relay()
    cluster.wait_here()
    cluster.wait_agreed()
    assert b.messages(session) == [str(i) for i in range(20)]


def test_killed_relays(cluster):
    """Killed at any moment, a relay neither loses nor repeats anything."""
    a, b = cluster.hosts
    session = shared_session(cluster)
    for i in range(40):
        assert a.report(session, "transcribing", 40, message=str(i)).status == 200
        if i % 4 == 0:
            host = cluster.hosts[i // 4 % 2]
            host.end("relay", signal.SIGKILL)
            host.start_relay()
    cluster.wait_here()
    cluster.wait_agreed()
    assert b.messages(session) == [str(i) for i in range(40)]


def test_odd_entries(cluster):
    """Who may write to Redis can write nonsense, which is told and passed over."""
    a, b = cluster.hosts
    session = shared_session(cluster)
    before = b.state()
    good = {"kind": "update", "host": "x", "n": 1, "after": 0, "id": session, "life": 1, "version": 1, "by": "a",
            "generation": 1, "seq": 1, "from": "x", "status": "uploading", "rank": 0, "outcome": "running",
            "progress": 3, "message": "hi", "updated": 1, "begun": 1}
    for field, value in (("kind", "Stage"), ("host", "a b"), ("n", -1), ("id", "nonsense"), ("id", session.upper()),
                         ("life", 0), ("version", "x"), ("generation", 1 << 63), ("status", "Up"), ("rank", -1),
                         ("outcome", "great"), ("progress", 101), ("message", "\udcff"), ("message", "x" * 1025),
                         ("updated", 1 << 62)):
        entry = [str(x).encode("utf-8", "surrogateescape") for pair in {**good, field: value}.items() for x in pair]
        subprocess.run(["redis-cli", "-s", cluster.redis.socket, "XADD", "milepost:stream", "*", *entry], check=True,
                       capture_output=True)
    write(cluster, a="b")
    write(cluster, **good)
    eventually(lambda: b.newest(session) == ("uploading", 3, "hi"), "the good one arrives")
    cluster.wait_agreed()
    assert b.relay_log().count("event=relay.odd-entry") == 16
    assert {**b.state(), "updates": None} == {**before, "updates": None}


def test_names(cluster):
    """Two databases can't take part under one name, nor one under another than it began with."""
    a, _ = cluster.hosts
    a.ctl("backup", a.dir / "copy.db")
    conf = a.dir / "copy.conf"
    text = a.conf.read_text().replace(str(a.db), str(a.dir / "copy.db"))

    def refused(text):
        conf.write_text(text)
        return subprocess.run([BUILD / "milepost-relay", "-c", conf, "-t"], capture_output=True, text=True, timeout=20)

    assert refused(text).returncode == 0
    other = refused(text.replace("relay_host = host1", "relay_host = host9"))
    assert other.returncode == 1 and 'takes part as host "host1", not as "host9"' in other.stderr
    assert "milepostctl relay leave" in other.stderr
    bad = refused(text.replace("relay_host = host1", "relay_host = a b"))
    assert bad.returncode == 1 and "relay_host" in bad.stderr
    none = refused(re.sub("relay_redis = .*", "relay_redis =", text))
    assert none.returncode == 1 and "relay_redis is not set" in none.stderr
    # Taking part anew, under the name of a host that is there.
    conf.write_text(text)
    subprocess.run([BUILD / "milepostctl", "-c", conf, "relay", "leave"], check=True, capture_output=True)
    log = a.dir / "rival.log"
    with open(log, "w") as out:
        prefix = a.space.prefix if a.space else ()
        rival = subprocess.Popen([*prefix, BUILD / "milepost-relay", "-c", conf], stderr=out)
    try:
        eventually(lambda: "another database takes part under this relay_host" in log.read_text(), "it is refused")
    finally:
        rival.terminate()
        assert rival.wait(PATIENCE) == 0


def test_log_and_titles_hold_no_secret(cluster):
    """No message, password or key of what travels is in a log; the Bed looks for keys at its end."""
    a, b = cluster.hosts
    session = shared_session(cluster)
    assert a.report(session, "uploading", 1, message="a sentence about somebody").status == 200
    eventually(lambda: b.newest(session), "it arrives")
    assert "sentence" not in a.logs() + b.logs()


# --- with clusters of their own ---


def test_trimmed_past_a_host():
    """A host that was away for longer than the stream reaches takes a snapshot from another."""
    with Cluster(3, relay_stream_max=50) as cluster:
        a, b, c = cluster.hosts
        sessions = [shared_session(cluster) for _ in range(5)]
        user = a.user("patient", email="gone@example.org")
        cluster.wait_agreed()
        c.end("relay")
        a.sql("DELETE FROM user WHERE id = ?", user)
        for i in range(150):
            assert a.report(sessions[i % 5], "transcribing", 40, message=str(i)).status == 200
        late = a.session()
        assert b.report(sessions[0], "extracting_notes", 70, message="of b", bearer=a.worker_key).status == 200
        eventually(lambda: int(cluster.redis.cli("XLEN", "milepost:stream")) < 170, "the stream is trimmed")
        # By hand, as "~" of so short a stream removes nothing.
        cluster.redis.cli("XTRIM", "milepost:stream", "MAXLEN", 3)
        c.start_relay()
        eventually(lambda: "relay.snapshot-taken" in c.relay_log(), "a snapshot")
        cluster.wait_agreed()
        assert admitted(c, late) and not c.sql("SELECT 1 FROM user WHERE id = ?", user)
        assert c.newest(sessions[0])[2] == "of b"
        assert c.is_here()
        # The snapshot's own keys are gone, or will be.
        for key in cluster.redis.cli("KEYS", "milepost:[as]*[rt]:*").split():
            assert int(cluster.redis.cli("TTL", key)) > 0


def test_trimmed_by_age():
    """What is older than relay_stream_age goes, from the stream and from what is kept to be sent again."""
    with Cluster(1, relay_stream_age="1s") as cluster:
        a = cluster.hosts[0]
        session = a.session()
        batch(a, session, range(1000))
        eventually(lambda: a.sql("SELECT sent >= 1000 FROM relay") == [(1,)], "all is sent")
        # "~" leaves the last node of a hundred.
        eventually(lambda: int(cluster.redis.cli("XLEN", "milepost:stream")) <= 200, "the stream is trimmed", 40)
        eventually(lambda: a.sql("SELECT count(*) < 200 FROM relay_out") == [(1,)], "and relay_out", 40)


def test_stand_in():
    """Where the host that something is missing of is gone, another answers for it."""
    with Cluster(3) as cluster:
        a, b, c = cluster.hosts
        session = shared_session(cluster)
        cluster.wait_agreed()
        c.end("relay")
        assert a.report(session, "transcribing", 40, message="missed").status == 200
        eventually(lambda: b.newest(session), "it arrives at the second")
        says_all(cluster, a)
        a.end("relay")
        cluster.redis.cli("XTRIM", "milepost:stream", "MAXLEN", 0)
        c.start_relay()
        eventually(lambda: c.newest(session) == ("transcribing", 40, "missed"), "by the second, at the third")
        a.start_relay()
        cluster.wait_here()
        cluster.wait_agreed()


def test_existing_databases():
    """A host that has been at work alone brings all that it has; one that comes late gets it."""
    with Cluster(1) as cluster:
        a = cluster.hosts[0]
        a.end("relay")
        left = a.ctl("relay", "leave", check=False)
        assert left.returncode == 0, left
        assert a.readyz() == "ready"
        assert a.sql("SELECT count(*) FROM relay_thing") == [(0,)]
        old = [a.session(a.user("patient", email=f"p{i}@example.org")) for i in range(50)]
        for i, session in enumerate(old):
            assert a.report(session, "transcribing", 40, message=f"old {i}").status == 200
        a.start_relay()
        cluster.wait_here()
        cluster.redis.cli("XTRIM", "milepost:stream", "MAXLEN", 1)
        b = cluster.add(2)
        eventually(lambda: all(b.newest(session) for session in old), "all arrives")
        cluster.wait_agreed()
        assert [b.newest(session)[2] for session in old] == [f"old {i}" for i in range(50)]


@pytest.mark.parametrize("is_trimmed", [False, True], ids=["stream", "snapshot"])
def test_restored_backup(is_trimmed):
    """A host that goes back to an old copy of its database, older than the stream perhaps, learns that it said more, and
    gets it back."""
    with Cluster(2) as cluster:
        a, b = cluster.hosts
        session = shared_session(cluster)
        cluster.wait_agreed()
        a.ctl("backup", a.dir / "old.db")
        assert a.report(session, "transcribing", 40, message="after the backup").status == 200
        eventually(lambda: b.newest(session), "it arrives")
        says_all(cluster, a)
        for name in ("relay", "api", "ws0"):
            a.end(name)
        for suffix in ("-wal", "-shm"):
            (a.dir / f"milepost.db{suffix}").unlink(missing_ok=True)
        os.replace(a.dir / "old.db", a.db)
        if is_trimmed:
            cluster.redis.cli("XTRIM", "milepost:stream", "MAXLEN", 0)
        a.start_api(), a.start_ws(), a.start_relay()
        eventually(lambda: a.newest(session) == ("transcribing", 40, "after the backup"), "it is back")
        cluster.wait_here()
        assert a.report(session, "transcribing", 50, message="and on").status == 200
        cluster.wait_agreed()
        assert b.newest(session)[2] == "and on"


def test_backlog_is_overtaken():
    """While a backlog drains, what is new arrives before most of it, and behind what waits of its session."""
    with Cluster(2) as cluster:
        a, b = cluster.hosts
        bulk, live = shared_session(cluster), shared_session(cluster)
        cluster.wait_agreed()
        a.wire.cut()
        eventually(lambda: not a.is_here(), "a notices")
        for part in range(30):
            batch(a, bulk, range(part * 1000, part * 1000 + 1000))
        assert a.report(live, "uploading", 10, message="first").status == 200
        a.wire.mend()
        eventually(lambda: "relay.backlog" in a.relay_log(), "the backlog drains")
        assert a.report(live, "uploading", 20, message="second").status == 200
        eventually(lambda: len(b.messages(live)) == 2, "the live one is there")
        arrived = len(b.messages(bulk))
        assert b.messages(live) == ["first", "second"]
        eventually(lambda: len(b.messages(bulk)) == 30000, "all is there")
        cluster.wait_agreed()
        assert b.messages(bulk) == [str(i) for i in range(30000)]
        assert arrived < 30000, "the live update came last"


def test_backlog_of_the_live_session():
    """What is new of a session that has more waiting than can be under way at once leaves none of that behind."""
    with Cluster(2) as cluster:
        a, b = cluster.hosts
        session = shared_session(cluster)
        cluster.wait_agreed()
        a.wire.cut()
        eventually(lambda: not a.is_here(), "a notices")
        for part in range(10):
            batch(a, session, range(part * 1000, part * 1000 + 1000))
        a.wire.mend()
        eventually(lambda: "relay.backlog" in a.relay_log(), "the backlog drains")
        for i in range(10000, 10100):
            assert a.report(session, "transcribing", 40, message=str(i)).status == 200
        cluster.wait_agreed()
        assert b.messages(session) == [str(i) for i in range(10100)]


def test_acl():
    """A user of Redis's own with a password from a file; a wrong one is told."""
    with Cluster(1) as cluster:
        a = cluster.hosts[0]
        password = give_password(a)
        cluster.redis.cli("ACL", "SETUSER", "milepost", "on", f">{PASSWORD}", "~milepost:*", "-@all",
                          *"+xadd +xread +xrange +xrevrange +xtrim +hset +hget +hgetall +set +expire +del +time +info "
                          "+auth +ping".split())
        cluster.redis.cli("ACL", "SETUSER", "default", "off")
        a.end("relay")
        a.start_relay()
        eventually(lambda: "NOAUTH" in a.logs() or "not let in" in a.logs(), "it is told")
        a.end("relay")
        a.write_config(relay_user="milepost", relay_password_file=password)
        a.start_relay()
        eventually(a.is_here, "it is let in")
        password.chmod(0o644)
        refused = subprocess.run([BUILD / "milepost-relay", "-c", a.conf, "-t"], capture_output=True, text=True)
        assert refused.returncode == 1 and "open to others" in refused.stderr


def test_several_addresses():
    """Of several servers the next is tried; one that takes no writes, as a replica, is none."""
    replica = Redis()
    try:
        with Cluster(1) as cluster:
            a = cluster.hosts[0]
            a.end("relay")
            replica.cli("REPLICAOF", "127.0.0.1", 1)
            a.write_config(relay_redis=f"{replica.socket} {a.config['relay_redis']}")
            a.start_relay()
            session = a.session()
            eventually(lambda: session in cluster.redis.cli("XRANGE", "milepost:stream", "-", "+"), "it is written")
            cluster.wait_here()
    finally:
        replica.close()


def test_tls_by_stunnel():
    """hiredis 0.14 speaks no TLS; stunnel does, between a unix socket here and the server's port."""
    stunnel = shutil.which("stunnel4", path="/usr/bin") or shutil.which("stunnel")
    assert stunnel, "the package stunnel4 is missing"
    with Cluster(1) as cluster:
        a, redis = cluster.hosts[0], cluster.redis
        a.end("relay")
        prefix = redis.space.prefix if redis.space else ()
        near, far = a.dir / "near.sock", a.dir / "tls.sock"
        conf = a.dir / "stunnel.conf"
        [client] = Guide("relay.md").indented(part="verifyChain")
        for here, there in (("/run/milepost/redis.sock", near), ("redis.example.org:6380", far),
                            ("/etc/ssl/certs/ca-certificates.crt", a.dir / "tls.crt"), ("redis.example.org", "localhost")):
            assert here in client
            client = client.replace(here, str(there))
        conf.write_text(f"foreground = yes\npid =\n[server]\naccept = {far}\nconnect = {redis.socket}\n"
                        f"cert = {a.dir / 'tls.crt'}\nkey = {a.dir / 'tls.key'}\n{client}")
        with open(a.dir / "stunnel.out", "w") as log:
            tunnel = subprocess.Popen([*prefix, stunnel, conf], stdout=log, stderr=log)
        try:
            eventually(near.exists, "stunnel listens")
            a.write_config(relay_redis=near)
            a.start_relay()
            session = a.session()
            eventually(lambda: session in redis.cli("XRANGE", "milepost:stream", "-", "+"), "it is written")
            cluster.wait_here()
        finally:
            tunnel.terminate()
            tunnel.wait(PATIENCE)


def test_nothing_without_a_relay(bed):
    """One host alone: no row, no trigger and no message of what several hosts share."""
    session = bed.session()
    assert bed.report(session, "uploading", 10).status == 200
    for table in ("relay", "relay_thing", "relay_top", "relay_out", "relay_host"):
        assert bed.sql(f"SELECT count(*) FROM {table}") == [(0,)]
    assert bed.http("GET", "/milepost/api/readyz").body == b"ready\n"
    assert bed.sql("SELECT name FROM sqlite_schema WHERE type = 'trigger' AND tbl_name = 'event'") == []
    assert "relay" not in bed.ctl("status").stdout


# --- what should not be, but may ---


def test_what_no_table_takes(cluster):
    """An entry that is well formed, but that a table refuses, is told and passed over: what is behind it arrives."""
    a, b = cluster.hosts
    session = shared_session(cluster)
    named = {"kind": "key", "host": "x", "life": 1, "version": 1, "by": "x", "detail": "worker", "created": 1}
    write(cluster, **named, id="a" * 64, label="long" * 20)
    assert a.report(session, "uploading", 1, message="behind it").status == 200
    eventually(lambda: b.newest(session), "it arrives")
    # Two of which one has the name that the other shows because a third one has theirs.
    write(cluster, **named, id="b" * 64, label="name~" + "c" * 16)
    write(cluster, **named, id="b" * 63 + "0", label="name")
    write(cluster, **named, id="c" * 64, label="name")
    assert a.report(session, "uploading", 2, message="behind them").status == 200
    eventually(lambda: b.newest(session)[1] == 2, "it arrives")
    for host in cluster.hosts:
        host.sql("DELETE FROM key WHERE name LIKE 'name%'")
    cluster.wait_agreed()


def test_newer_relay(cluster):
    """What a newer version writes that this one does not know is passed over, and nothing is taken for missing."""
    a, b = cluster.hosts
    session = shared_session(cluster)
    for n in range(1, 4):
        write(cluster, kind="stage", host="newer", n=n, after=n - 1, id="whatever", life=1)
    write(cluster, kind="update", host="newer", n=4, after=3, id=session, life=1, version=1, by="a", colour="red",
          generation=1, seq=1, status="uploading", rank=0, outcome="running", progress=3, message="hi", updated=1,
          begun=1, **{"from": "newer"})
    eventually(lambda: b.newest(session) == ("uploading", 3, "hi"), "what it knows arrives")
    assert b.sql("SELECT n, doubt FROM relay_host WHERE name = 'newer'") == [(4, 0)]
    assert a.is_here() and "snapshot-wanted" not in b.relay_log()


def test_one_relay_for_one_database(cluster):
    """A second relay on the same database does not start, and what ends a relay's part waits until it has ended."""
    a, _ = cluster.hosts
    prefix = a.space.prefix if a.space else ()
    second = subprocess.run([*prefix, BUILD / "milepost-relay", "-c", a.conf], capture_output=True, text=True,
                            timeout=PATIENCE)
    assert second.returncode == 1 and "another milepost-relay" in second.stderr, second
    for command in (["leave"], ["forget", "host2"]):
        refused = a.ctl("relay", *command, check=False)
        assert refused.returncode == 1 and "milepost-relay runs" in refused.stderr, refused
    assert a.is_here()


def copied_config(host, database):
    """The host's configuration with another database."""
    conf = database.with_suffix(".conf")
    conf.write_text(host.conf.read_text().replace(str(host.db), str(database)))
    return conf


def test_copied_database():
    """A database that is copied with the host's name to another machine: one of the two is refused, says so, and what
    both wrote under one name is not lost once the copy has a name of its own."""
    with Cluster(3) as cluster:
        a, b, c = cluster.hosts
        session = shared_session(cluster)
        cluster.wait_agreed()
        b.end("relay"), b.end("api"), b.end("ws0")
        a.ctl("backup", b.dir / "copy.db")
        b.write_config(database=b.dir / "copy.db", relay_host="host1")
        b.start_api(), b.start_ws(), b.start_relay()
        b.ready()
        assert b.report(session, "transcribing", 40, message="of the copy").status == 200
        refused = "a copy of this database takes part under this relay_host"
        eventually(lambda: any(refused in host.relay_log() for host in (a, b)), "one is refused")
        eventually(lambda: sum("degraded" in host.readyz() for host in (a, b)) > 0, "it says so")
        b.end("relay")
        assert b.ctl("relay", "leave").returncode == 0
        b.write_config(relay_host="host4")
        b.start_relay()
        cluster.wait_here()
        cluster.wait_agreed(60)
        assert a.newest(session) == c.newest(session) == ("transcribing", 40, "of the copy")


@pytest.mark.parametrize("is_trimmed", [False, True], ids=["stream", "snapshot"])
def test_left_and_back(is_trimmed):
    """A host that left and takes part again under its old name: its next change counts on all."""
    with Cluster(2) as cluster:
        a, b = cluster.hosts
        user = str(uuid.uuid4())
        for i in range(5):
            put(a, f"/milepost/v1/users/{user}", role="patient", email=f"{i}@example.org")
        eventually(lambda: b.sql("SELECT email FROM user WHERE id = ?", user) == [("4@example.org",)], "it arrives")
        cluster.wait_agreed()
        a.end("relay")
        a.ctl("relay", "leave")
        if is_trimmed:
            cluster.redis.cli("XTRIM", "milepost:stream", "MAXLEN", 0)
        a.start_relay()
        cluster.wait_here()
        cluster.wait_agreed()
        put(a, f"/milepost/v1/users/{user}", role="patient", email="4@example.org", is_active=False)
        eventually(lambda: b.sql("SELECT is_active FROM user WHERE id = ?", user) == [(0,)], "the change counts")
        cluster.wait_agreed()


def test_password_is_not_told():
    """Redis repeats the arguments of a command that it does not know; nobody else does."""
    with Cluster(1) as cluster:
        a = cluster.hosts[0]
        password = give_password(a)
        cluster.redis.stop()
        cluster.redis.config["rename-command"] = "AUTH nothing"
        cluster.redis.start()
        a.end("relay")
        a.write_config(relay_password_file=password)
        a.start_relay()
        eventually(lambda: "unknown command" in a.relay_log(), "it is told")
        assert PASSWORD not in a.ctl("status", check=False).stdout


@pytest.mark.parametrize("is_back", [False, True], ids=["empty", "older"])
def test_lost_with_its_writer(is_back):
    """A host writes, one other reads it; then Redis loses it, and the host never comes back. Those that have it tell the rest."""
    with Cluster(3, redis={"dbfilename": "dump.rdb"}) as cluster:
        a, b, c = cluster.hosts
        session, user = shared_session(cluster), str(uuid.uuid4())
        cluster.wait_agreed()
        if is_back:
            cluster.redis.cli("SAVE")
        c.end("relay")
        assert a.report(session, "transcribing", 40, message="the last word").status == 200
        put(a, f"/milepost/v1/users/{user}", role="patient")
        eventually(lambda: b.sql("SELECT 1 FROM user WHERE id = ?", user) and b.newest(session), "b has it")
        eventually(lambda: b.sql("SELECT position FROM relay")[0][0] ==
                   cluster.redis.cli("XREVRANGE", "milepost:stream", "+", "-", "COUNT", 1).split()[0], "b wrote that down")
        a.end("relay")
        cluster.redis.kill()
        cluster.redis.start()
        c.start_relay()
        eventually(lambda: c.newest(session) == ("transcribing", 40, "the last word"), "c has it too", 40)
        eventually(lambda: c.sql("SELECT 1 FROM user WHERE id = ?", user), "and the user")
        assert b.report(session, "transcribing", 50, message="and on").status == 200
        eventually(lambda: c.newest(session)[2] == "and on", "it goes on")
        a.start_relay()
        cluster.wait_here()
        cluster.wait_agreed()
