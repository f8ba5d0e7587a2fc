"""Faults provoked on purpose: each gives one clear line, or a 503, and ends when its cause does."""
import subprocess

import pytest

from bed import BUILD, Bed

PROGRAMS = ["milepost-ws", "milepost-api"]


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
    idle.refuses(program, "other.db", "milepostctl init")
    other.write_bytes(b"not a database at all, " * 1000)
    idle.refuses(program, "other.db", "damaged")
    other.write_bytes(b"")
    idle.refuses(program, "other.db", "milepostctl init")
    other.unlink()
    subprocess.run(["sqlite3", other, "CREATE TABLE t (x)"], check=True)
    idle.refuses(program, "other.db", "another program")
    other.write_bytes(good)
    subprocess.run(["sqlite3", other, "PRAGMA user_version = 999"], check=True, capture_output=True)
    idle.refuses(program, "other.db", "newer", "999")
    for path in idle.dir.glob("other.db*"):
        path.unlink()
    idle.write_config(database=idle.dir / "milepost.db")


@pytest.mark.parametrize("program", PROGRAMS)
@pytest.mark.parametrize("secret,mode,words", [
    (None, 0o600, ["no.secret", "No such file", "milepostctl init"]), ("short", 0o600, ["no.secret", "32"]), ("x" * 40, 0o644, ["no.secret", "chmod"])])
def test_secret_faults(idle, program, secret, mode, words):
    """A missing, short, or public secret: no start."""
    path = idle.dir / "no.secret"
    path.unlink(missing_ok=True)
    if secret is not None:
        path.write_text(secret)
        path.chmod(mode)
    idle.write_config(jwt_secret_file=path)
    idle.refuses(program, *words)
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
    idle.refuses(program, *words)
    idle.conf.write_text(text)


@pytest.mark.parametrize("program", [*PROGRAMS, "milepostctl"])
def test_no_configuration(idle, program):
    """One that was named must be there."""
    result = subprocess.run([BUILD / program, "-c", "/nonexistent.conf", *["status"] * (program == "milepostctl")],
                            text=True, capture_output=True, timeout=20, stdin=subprocess.DEVNULL)
    assert (result.returncode, result.stderr) == (1, f"{program}: /nonexistent.conf: No such file or directory; name the "
                                                     "configuration by -c or MILEPOST_CONFIG\n")


def test_socket_in_use(bed):
    """A second program on the same socket leaves the first one its place; a place where none can be is named."""
    for program, path in (("milepost-ws", bed.ws_socket()), ("milepost-api", bed.dir / "api.sock")):
        result = subprocess.run([BUILD / program, "-c", bed.conf, "-s", path], text=True, capture_output=True,
                                timeout=20, stdin=subprocess.DEVNULL)
        assert result.returncode == 1 and "another program listens" in result.stderr, result
        for place, words in (("nowhere/x.sock", "its directory is not there; make it"),
                             ("milepost.conf", "a file of that name is there; remove it"),
                             ("x" * 108, "name a shorter one")):
            result = subprocess.run([BUILD / program, "-c", bed.conf, "-s", bed.dir / place], text=True,
                                    capture_output=True, timeout=20, stdin=subprocess.DEVNULL)
            assert result.returncode == 1 and words in result.stderr and str(bed.dir / place) in result.stderr, result
    assert bed.report(bed.session(), "uploading", 1).status == 200
