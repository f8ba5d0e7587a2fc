"""Faults provoked on purpose: each gives one clear line, or a 503, and ends when its cause does."""
import os
import subprocess

import pytest

from bed import BUILD, Bed, eventually

PROGRAMS = ["milepost-ws", "milepost-api"]


def start(bed, program):
    return subprocess.run([BUILD / program, "-c", bed.conf, "-s", bed.dir / "other.sock"], text=True,
                          capture_output=True, timeout=20, stdin=subprocess.DEVNULL)


def refuses(bed, program, *words):
    """The program ends at once, not with 0, and with one line that has these words."""
    result = start(bed, program)
    assert result.returncode == 1, result
    lines = [line for line in result.stderr.splitlines() if line.startswith(f"{program}: ")]
    assert len(lines) == 1 and all(word in lines[0] for word in words), result.stderr
    assert not (bed.dir / "other.sock").exists()


@pytest.fixture(scope="module")
def idle():
    """A bed whose database nobody uses: its programs are stopped."""
    with Bed() as bed:
        bed.stop()
        yield bed
        bed.write_config()


@pytest.mark.parametrize("program", PROGRAMS)
def test_database_faults(idle, program):
    """A missing, damaged, foreign, empty, or newer database is named, with what to do."""
    good = idle.db.read_bytes()
    other = idle.dir / "other.db"
    idle.write_config(database=other)
    other.unlink(missing_ok=True)
    refuses(idle, program, "other.db", "milepostctl init")
    other.write_bytes(b"not a database at all, " * 1000)
    refuses(idle, program, "other.db", "damaged")
    other.write_bytes(b"")
    refuses(idle, program, "other.db", "milepostctl init")
    other.unlink()
    subprocess.run(["sqlite3", other, "CREATE TABLE t (x)"], check=True)
    refuses(idle, program, "other.db", "another program")
    other.write_bytes(good)
    subprocess.run(["sqlite3", other, "PRAGMA user_version = 999"], check=True, capture_output=True)
    refuses(idle, program, "other.db", "newer", "999")
    for path in idle.dir.glob("other.db*"):
        path.unlink()
    idle.write_config(database=idle.db)


@pytest.mark.parametrize("program", PROGRAMS)
@pytest.mark.parametrize("secret,mode,words", [
    (None, 0o600, ["no.secret"]), ("short", 0o600, ["no.secret", "32"]), ("x" * 40, 0o644, ["no.secret", "chmod"])])
def test_secret_faults(idle, program, secret, mode, words):
    """A missing, short, or public secret: no start."""
    path = idle.dir / "no.secret"
    path.unlink(missing_ok=True)
    if secret is not None:
        path.write_text(secret)
        path.chmod(mode)
    idle.write_config(jwt_secret_file=path)
    refuses(idle, program, *words)
    idle.write_config(jwt_secret_file=idle.dir / "jwt.secret")


@pytest.mark.parametrize("program", PROGRAMS)
@pytest.mark.parametrize("line,words", [
    ("nonsense = 1", ["milepost.conf:", "nonsense"]), ("head_max = 12 bananas", ["head_max", "12 bananas"]),
    ("api_threads = 0", ["api_threads", "range"]), ("no equals sign here", ["milepost.conf:"]),
    ("[section]\nx = 1", ["section"]), ("users = nobody", ["users", "database|token"])])
def test_config_faults(idle, program, line, words):
    """A wrong line of the configuration is named by file and number."""
    text = idle.conf.read_text()
    idle.conf.write_text(text + line + "\n")
    refuses(idle, program, *words)
    idle.conf.write_text(text)


def test_socket_in_use(bed):
    """A second program on the same socket leaves the first one its place."""
    for program, path in (("milepost-ws", bed.ws_socket()), ("milepost-api", bed.dir / "api.sock")):
        result = subprocess.run([BUILD / program, "-c", bed.conf, "-s", path], text=True, capture_output=True,
                                timeout=20, stdin=subprocess.DEVNULL)
        assert result.returncode == 1 and "another program listens" in result.stderr
    assert bed.report(bed.session(), "uploading", 1).status == 200


def test_locked_database():
    """While somebody holds the writer's place: 503 with Retry-After; then all is well again."""
    import sqlite3
    with Bed(busy_timeout="100ms") as bed:
        bed.announced.append(r".*event=api\.(commit|request).*")
        session = bed.session()
        holder = sqlite3.connect(bed.db, isolation_level=None)
        holder.execute("BEGIN IMMEDIATE")
        reply = bed.report(session, "uploading", 1)
        assert (reply.status, reply.headers["Retry-After"]) == (503, "1")
        holder.execute("ROLLBACK")
        holder.close()
        assert bed.report(session, "uploading", 1).status == 200


def fill(path):
    """Writes until nothing more goes in."""
    try:
        with open(path, "wb", buffering=0) as f:
            while f.write(b"x" * 4096) == 4096:
                pass
    except OSError:
        pass


def test_full_disk():
    """A full disk: 503, nothing half stored; with room again, all is well."""
    if os.getuid() != 0:
        pytest.skip("needs root, for a small file system")
    with Bed() as bed:
        bed.announced.append(r".*event=api\.(commit|request|checkpoint).*")
        small = bed.dir / "small"
        small.mkdir()
        if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=4m", "milepost-test", small]).returncode != 0:
            pytest.skip("no file system can be mounted here")
        try:
            bed.stop()
            bed.write_config(database=small / "milepost.db")
            bed.ctl("init")
            bed.start_api()
            bed.start_ws()
            bed.start_nginx()
            bed.ready()
            db, type(bed).db = type(bed).db, small / "milepost.db"
            try:
                key, session = bed.key("worker"), bed.session()
                filler = small / "filler"
                fill(filler)
                statuses = {bed.report(session, "transcribing", 20 + i // 25, message="y" * 1000, bearer=key).status
                            for i in range(200)}
                assert 503 in statuses and statuses <= {200, 503}
                filler.unlink()
                eventually(lambda: bed.report(session, "transcribing", 50, bearer=key).status == 200, "room again")
                assert bed.sql("PRAGMA integrity_check") == [("ok",)]
            finally:
                type(bed).db = db
        finally:
            bed.stop()
            subprocess.run(["umount", small], check=True)
