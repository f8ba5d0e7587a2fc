"""milepostctl: every command does what its manual says, and its errors name what is wrong."""
import concurrent.futures
import itertools
import os
import pty
import re
import subprocess
import uuid

from answers import answering
from bed import BUILD, Bed, eventually

UUID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}\n")


def fails(bed, code, *args, words=(), **kw):
    """The command ends with the code, and one line that has the words."""
    result = bed.ctl(*args, check=False, **kw)
    assert result.returncode == code, result
    line = result.stderr.splitlines()[0]
    assert line.startswith("milepostctl: ") and all(str(word) in line for word in words), result.stderr


def test_users(bed):
    """add, show, set, list, delete."""
    user = bed.ctl("user", "add", "-", "--role", "therapist", "--email", "ctl@example.org").stdout
    assert UUID.fullmatch(user)
    user = user.strip()
    assert "therapist" in bed.ctl("user", "show", user).stdout
    bed.ctl("user", "set", user, "--inactive")
    assert re.search(r"active\s+no", bed.ctl("user", "show", user).stdout)
    bed.ctl("user", "set", user, "--role", "admin", "--active", "--password-stdin", input="a long password\n")
    assert bed.sql("SELECT role, is_active, password IS NOT NULL FROM user WHERE id = ?", user) == [("admin", 1, 1)]
    assert user in bed.ctl("user", "list").stdout
    fails(bed, 1, "user", "add", user, "--role", "admin", words=[user])
    fails(bed, 2, "user", "add", "-", "--role", "boss", words=["boss"])
    fails(bed, 2, "user", "add", "abc", "--role", "admin", words=["abc"])
    bed.ctl("user", "delete", user)
    fails(bed, 1, "user", "show", user, words=[user])


def test_sessions(bed):
    """add, show, set, list, delete."""
    patient = bed.user("patient")
    session = bed.ctl("session", "add", "-", "--patient", patient).stdout
    assert UUID.fullmatch(session)
    session = session.strip()
    assert patient in bed.ctl("session", "show", session).stdout
    bed.ctl("session", "set", session, "--patient", "none")
    assert bed.sql("SELECT patient_id FROM session WHERE id = ?", session) == [(None,)]
    bed.report(session, "transcribing", 33)
    assert "33" in bed.ctl("session", "show", session).stdout
    assert session in bed.ctl("session", "list", "--running").stdout
    bed.ctl("session", "delete", session)
    fails(bed, 1, "session", "show", session, words=[session])


def test_keys(bed):
    """A new key is shown once, works, and stops to work when it is deleted."""
    key = bed.ctl("key", "add", "pipeline", "--scope", "worker").stdout.strip()
    bed.hidden.append(key)
    session = bed.session()
    assert bed.report(session, "uploading", 1, bearer=key).status == 200
    assert "pipeline" in (listed := bed.ctl("key", "list").stdout) and key not in listed
    fails(bed, 1, "key", "add", "pipeline", words=["pipeline"])
    bed.ctl("key", "delete", "pipeline")
    assert bed.report(session, "uploading", 2, bearer=key).status == 401
    fails(bed, 1, "key", "delete", "pipeline", words=["pipeline"])


def test_token(bed):
    """A minted token is good; for nobody, and for the inactive, there is none."""
    session, user = bed.session(), bed.user("therapist")
    bed.report(session, "uploading", 1)
    token = bed.ctl("token", user, "--lifetime", "1h").stdout.strip()
    bed.hidden.append(token)
    assert bed.http("GET", f"/api/sessions/{session}/progress", bearer=token).status == 200
    fails(bed, 1, "token", uuid.uuid4())
    fails(bed, 1, "token", bed.user("admin", is_active=0), words=["inactive"])
    fails(bed, 2, "token", user, "--lifetime", "soon", words=["soon"])


def test_report(bed):
    """report posts as a worker would, and says why it was refused."""
    session = bed.session()
    url = ["--url", f"http://localhost:{bed.port}"]
    env = {"MILEPOST_KEY": bed.worker_key}
    out = bed.ctl("report", session, "transcribing", 45, "-m", "Listening", "--eta", 30, *url, env=env).stdout
    assert "transcribing" in out and "45" in out and "Listening" in out
    fails(bed, 1, "report", session, "transcribing", 30, *url, env=env, words=["409"])
    fails(bed, 1, "report", session, "transcribing", 30, *url, env={"MILEPOST_KEY": "mpw_wrong"}, words=["401"])
    key_file = bed.dir / "worker.key"
    key_file.write_text(bed.worker_key + "\n")
    key_file.chmod(0o644)
    fails(bed, 1, "report", session, "uploading", 1, *url, "--key-file", key_file, words=[key_file, "chmod o-rwx"])
    key_file.chmod(0o640)
    bed.ctl("report", session, "failed", "--error", "no sound", *url, "--key-file", key_file)
    assert bed.sql("SELECT error FROM event ORDER BY revision DESC LIMIT 1") == [("no sound",)]


def test_report_to_strangers(bed):
    """No proxy reads the key, no scheme is guessed, no password is told; and no Retry-After is waited for for ever."""
    session, env = bed.session(), {"MILEPOST_KEY": bed.worker_key}
    with answering(itertools.repeat((503, {"Retry-After": "9223372036854775807"}, b""))) as (stranger, asked):
        proxy = {name: stranger for name in ("http_proxy", "all_proxy", "ALL_PROXY")}
        bed.ctl("report", session, "uploading", 1, "--url", f"http://localhost:{bed.port}", env={**env, **proxy})
        assert not asked
        fails(bed, 1, "report", session, "uploading", 1, "--url", stranger, env=env, words=["503"])
        host = stranger.removeprefix("http://")
        tries = len(asked)
        fails(bed, 2, "report", session, "uploading", 1, "--url", host, env=env, words=["http:// or https://"])
        result = bed.ctl("report", session, "uploading", 1, "--url", f"http://me:secret@{host}", check=False, env=env)
        assert result.returncode == 2 and "secret" not in result.stderr and len(asked) == tries


def test_report_waits(bed):
    """report comes back while the server is away."""
    with Bed() as other:
        session = other.session()
        assert other.end("api") == 0
        other.announced.append(r".*\[(crit|error)\] .*connect\(\) to unix.*")
        proc = subprocess.Popen([BUILD / "milepostctl", "report", session, "uploading", "1", "--url",
                                 f"http://localhost:{other.port}"], stdout=subprocess.PIPE, text=True,
                                env={**os.environ, "MILEPOST_KEY": other.worker_key,
                                     "MILEPOST_CONFIG": str(other.conf)})
        eventually(lambda: " 503 " in other.logs(), "a first attempt")
        other.start_api()
        assert proc.communicate(timeout=30)[0] and proc.returncode == 0


def test_watch_in_a_pipe(bed):
    """One plain line an update; 0 after processed, 1 after failed; control characters are shown."""
    for status, members, code in (("processed", {}, 0), ("failed", {"error": "x"}, 1)):
        session = bed.session()
        bed.report(session, "transcribing", 30, message="evil \x1b[2J\u0085 name")
        proc = subprocess.Popen([BUILD / "milepostctl", "-c", bed.conf, "watch", session], stdout=subprocess.PIPE)
        first = proc.stdout.readline()
        assert b"transcribing 30" in first and b"\x1b" not in first and b"\xc2\x85" not in first
        bed.report(session, status, **members)
        rest = proc.communicate(timeout=20)[0]
        assert status.encode() in rest and proc.returncode == code


def test_watch_in_a_terminal(bed):
    """A bar that is drawn over itself."""
    session = bed.session()
    bed.report(session, "transcribing", 50)
    ours, theirs = pty.openpty()
    proc = subprocess.Popen([BUILD / "milepostctl", "-c", bed.conf, "watch", session], stdout=theirs, stdin=theirs,
                            stderr=theirs)
    os.close(theirs)
    shown = b""
    while b"50" not in shown:
        shown += os.read(ours, 4096)
    bed.report(session, "processed")
    try:
        while chunk := os.read(ours, 4096):
            shown += chunk
    except OSError:
        pass  # the terminal's other end is closed
    assert proc.wait(20) == 0
    assert b"[" in shown and b"#" in shown and b"\r" in shown and b"100" in shown


def test_upkeep(bed):
    """status, prune, backup, check-config."""
    session = bed.session()
    for p in range(20, 40):
        bed.report(session, "transcribing", p)
    bed.sql("UPDATE event SET updated_at = updated_at - 100000")
    assert bed.ctl("status").returncode == 0
    bed.ctl("prune", "--older-than", "1d", "--batch", "3")
    left = bed.sql("SELECT progress FROM event e JOIN session s ON s.number = e.session WHERE s.id = ?", session)
    assert left == [(39,)], "the newest stays"
    copy = bed.dir / "copy.db"
    bed.ctl("backup", copy)
    fails(bed, 1, "backup", copy, words=["copy.db"])
    assert subprocess.run(["sqlite3", copy, "PRAGMA integrity_check"], text=True,
                          capture_output=True).stdout == "ok\n"
    assert "ok" in bed.ctl("check-config").stdout
    bed.ctl("init")


def test_prune_beside_workers(bed):
    """While much is pruned every update is taken, and of the old ones just the newest of each session stays."""
    old, session = bed.session(), bed.session()
    bed.report(old, "uploading", 1)
    bed.copies(old, 30000, message="i", updated_at="1", created_at="1")
    replies = []
    with concurrent.futures.ThreadPoolExecutor() as pool:
        pruning = pool.submit(bed.ctl, "prune", "--older-than", "1h")
        while not pruning.done():
            replies.append(bed.report(session, "uploading", 1, message=str(len(replies))).status)
    assert "deleted " in pruning.result().stdout and set(replies) == {200} and len(replies) > 3
    assert [message for _, message in bed.stored(old)] == ["Uploading audio...", "30000"], "a young one, and the newest"
    assert len(bed.stored(session)) == len(replies)


def test_status_tells_what_is_away():
    """status ends with 1 where a program does not run."""
    with Bed() as bed:
        assert bed.end("ws0") == 0
        result = bed.ctl("status", check=False)
        assert result.returncode == 1 and "milepost-ws" in result.stdout + result.stderr


def test_wrong_words(bed):
    """Commands and options that there are not."""
    fails(bed, 2, "dance", words=["dance"])
    assert bed.ctl(check=False).returncode == 2
    assert bed.ctl("user", "--nonsense", check=False).returncode == 2
    fails(bed, 1, "-c", "/nonexistent.conf", "status", words=["/nonexistent.conf"])
