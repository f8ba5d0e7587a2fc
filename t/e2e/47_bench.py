"""The bench's programs count what there was. No test here judges a time."""
import json
import subprocess
import sys

import pytest

from bed import BUILD, TOP

sys.path.insert(0, str(TOP / "bench"))

from systems import Floor, Milepost, Null  # noqa: E402

SHORT = ["--warmup", "0.1", "--seconds", "0.3"]


@pytest.fixture(scope="module", autouse=True)
def programs():
    subprocess.run(["make", "-s", "-C", BUILD, "bench-programs"], check=True, capture_output=True)


def run(system, by, action, *args):
    command = [BUILD / "bench" / "load", action, *system.load_args(by), *args]
    return subprocess.run(list(map(str, command)), capture_output=True, text=True, timeout=120)


def load(*args):
    result = run(*args)
    assert result.returncode == 0, result.stderr
    return json.loads(result.stdout)


def test_every_watcher_of_the_floor_gets_every_update():
    with Floor(4) as floor:
        for by in ("unix", "nginx"):
            result = load(floor, by, "deliver", "--watchers", 20, "--posters", 3, "--window", 5, *SHORT)
            assert result["updates"] > 0 and result["deliveries"] == 5 * result["updates"]
            assert result["latency_us"]["count"] == result["deliveries"]
            assert result["cpu_us"]["floor"] > 0 and result["pss_kb"]["floor"] > 0


def test_every_watcher_of_milepost_gets_every_update():
    with Milepost(4) as milepost:
        for by in ("unix", "nginx"):
            before = len(milepost.sql("SELECT * FROM event"))
            result = load(milepost, by, "deliver", "--watchers", 20, "--posters", 3, "--window", 5, *SHORT)
            assert result["updates"] > 0 and result["deliveries"] == 5 * result["updates"]
            # The warm-up's are stored, but not counted.
            assert len(milepost.sql("SELECT * FROM event")) - before > result["updates"]


def test_posts_are_counted_when_they_are_stored():
    with Milepost(10) as milepost:
        one = load(milepost, "nginx", "post", "--posters", 4, *SHORT)
        batch = load(milepost, "nginx", "post", "--posters", 4, "--lines", 7, "--post-path", "/milepost/v1/progress",
                     *SHORT)
        assert one["updates"] > 0 and batch["updates"] > 0 and batch["updates"] % 7 == 0
        assert len(milepost.sql("SELECT * FROM event")) > one["updates"] + batch["updates"]


def test_the_empty_program_answers_through_the_same_nginx():
    with Null(1) as null:
        result = load(null, "nginx", "post", "--posters", 4, *SHORT)
        assert result["updates"] == result["answer_us"]["count"] > 0 and result["cpu_us"]["null"] > 0


def test_connections_are_opened_and_a_refusal_is_told():
    with Milepost(10) as milepost:
        result = load(milepost, "unix", "connect", "--watchers", 50, "--opening", 8)
        assert result["connections"] == 50
        assert milepost.metric('handshakes_total{outcome="admitted"}') == 50
        milepost.bearer = "wrong"
        refused = run(milepost, "unix", "connect", "--watchers", 5)
        assert refused.returncode == 1 and "1008 Invalid authentication" in refused.stderr
