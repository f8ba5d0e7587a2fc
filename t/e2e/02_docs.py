"""Manuals and examples tell the truth: every key, command, option, event and close code is there."""
import re
import subprocess

import pytest

from bed import BUILD, TOP


def read(path):
    return (TOP / path).read_text()


def effective(tmp_path):
    """Keys and defaults as the program itself prints them."""
    conf = tmp_path / "empty.conf"
    conf.write_text("")
    out = subprocess.run([BUILD / "milepostctl", "-c", conf, "check-config", "--print"], text=True,
                         capture_output=True, timeout=20).stdout
    return dict(line.split(" = ", 1) for line in out.splitlines() if " = " in line)


def ms(value, key=""):
    """A time as a number of milliseconds, a size as bytes; other values as they are."""
    if key == "wal_max" and value.endswith("m"):  # where others mean minutes
        return int(value[:-1]) << 20
    for unit, factor in (("ms", 1), ("s", 1000), ("m", 60000), ("h", 3600000), ("d", 86400000)):
        if re.fullmatch(rf"\d+{unit}", value):
            return int(value[:-len(unit)]) * factor
    return int(value[:-1]) * 1024 if re.fullmatch(r"\d+k", value) else int(value) if value.isdigit() else value


def test_keys(tmp_path):
    """Every key is in the manual and in etc/milepost.conf, with its default."""
    keys = effective(tmp_path)
    assert len(keys) > 20
    example = dict(re.findall(r"^#(\w+) = ?(.*)$", read("etc/milepost.conf"), re.M))
    assert set(example) == set(keys)
    manual = set(re.findall(r"^\.It Cm (\w+)", read("man/milepost.conf.5"), re.M))
    assert manual == set(keys)
    for key, value in keys.items():
        if not value.startswith("/"):  # paths follow the prefix of the build
            assert ms(example[key], key) == ms(value), key


def test_migrations_count():
    """A gap in their numbers would be filled one day, by what databases of that day would never be given."""
    files = sorted(str(path) for path in (TOP / "sql").glob("*.sql"))

    def made(files):
        return subprocess.run(["awk", "-f", TOP / "build-aux/sql2c.awk", *files], text=True, capture_output=True)

    assert made(files).returncode == 0
    lacking = made([*files[:2], *files[3:]])
    assert lacking.returncode == 1 and "004-active.sql: the migration after 2 has the number 3" in lacking.stderr


def test_commands():
    """Every command of milepostctl is in its manual, and has a --help."""
    out = subprocess.run([BUILD / "milepostctl", "--help"], text=True, capture_output=True, check=True).stdout
    commands = re.findall(r"^  ([a-z-]+) ", out, re.M)
    assert set(commands) >= {"init", "check-config", "user", "session", "key", "token", "report", "watch",
                             "status", "prune", "backup"}
    manual = read("man/milepostctl.1")
    for command in commands:
        assert re.search(rf"\b{command}\b", manual), command
        shown = subprocess.run([BUILD / "milepostctl", command, "--help"], text=True, capture_output=True)
        assert shown.returncode == 0 and f"milepostctl {command}" in shown.stdout, command


@pytest.mark.parametrize("program", ["milepost-ws", "milepost-api", "milepost-relay"])
def test_programs(program):
    """Options are in the manuals; what is wrong with one is named, and where to look."""
    manual = read(f"man/{program}.8")
    shown = subprocess.run([BUILD / program, "--help"], text=True, capture_output=True, check=True).stdout
    for option in re.findall(r"^  -(\w),", shown, re.M):
        assert re.search(rf"Fl {option}\b", manual), option
    for args, words in ((["--nonsense"], 'unknown option "--nonsense"'), (["-tx"], 'unknown option "-x"'),
                        (["-c"], 'there is no value for "-c"'), (["--config"], 'there is no value for "--config"'),
                        (["--help=x"], 'unknown option "--help=x"'), (["extra"], 'unexpected argument "extra"')):
        wrong = subprocess.run([BUILD / program, *args], text=True, capture_output=True)
        assert (wrong.returncode, wrong.stderr) == (2, f"{program}: {words}; see: {program} --help\n")


@pytest.mark.parametrize("program", ["ws", "api", "relay"])
def test_events(program):
    """Every event that a program logs is in its manual."""
    manual = read(f"man/milepost-{program}.8")
    for path in sorted((TOP / "src" / program).glob("*.c")):
        for event in re.findall(rf'"({program}\.[a-z-]+)"', path.read_text()):
            assert event in manual.replace("\\&", ""), event


def test_closes():
    """Every close code and reason that is sent is in the protocol's manual."""
    manual = " ".join(read("man/milepost-protocol.7").split())
    text = "".join(read(f"src/ws/{module}.c") for module in ("server", "verdict", "watch", "websocket"))
    reasons = re.findall(r'"([A-Z][a-z]+(?: [a-z]+)+)"', text)
    assert len(reasons) >= 8
    for reason in reasons:
        assert reason in manual, reason


@pytest.mark.parametrize("page", sorted(p.name for p in (TOP / "man").glob("*.[1-8]")))
def test_lint(page):
    """mandoc has nothing to say."""
    result = subprocess.run(["mandoc", "-T", "lint", "-W", "warning", TOP / "man" / page], text=True,
                            capture_output=True)
    assert result.stdout == ""


def test_threats():
    """Every test that the threat model names exists."""
    text = read("docs/threats.md")
    for name in set(re.findall(r"`([\w-]+\.(?:py|c))(?:::\w+)?`", text)):
        folders = ("t/e2e",) if name.endswith(".py") else ("t/unit", "t/fuzz")
        assert any((TOP / folder / name).exists() for folder in folders), name
    for file, test in re.findall(r"`(\w+\.py)::(\w+)`", text):
        assert f"def {test}(" in read(f"t/e2e/{file}"), f"{file}::{test}"
