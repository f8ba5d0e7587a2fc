"""try_it.py: every command of the README's "Try it", as it stands there, up to a bar that moves.

73_first_minutes.py runs these tests, in a network of their own.
"""
import asyncio
import contextlib
import fcntl
import json
import os
import re
import shutil
import signal
import socket
import struct
import subprocess
import sys

import pytest

from bed import PATIENCE, TOP, eventually
from browser import Browser
from guides import Guide

SIOCSIFFLAGS, IFF_UP = 0x8914, 1
BUILDING = 300  # seconds that the first ./run may take


README = Guide("README.md")
RUN, REPORT, WATCH, EVENTS = README.indented("Try it")
OPTIONS = README.inline("./run ")


@pytest.fixture(scope="module")
def sources(tmp_path_factory):
    """The sources as somebody cloned them; what ./run built where they really are is taken over."""
    folder = tmp_path_factory.mktemp("clone")
    for path in TOP.iterdir():
        if path.name not in ("var", ".git"):
            (folder / path.name).symlink_to(path)
    flags = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    with flags:
        fcntl.ioctl(flags, SIOCSIFFLAGS, struct.pack("16sh14x", b"lo", IFF_UP))
    return folder


@pytest.fixture
def clone(sources):
    """The clone as ./run finds it the first time: without var/."""
    yield sources
    shutil.rmtree(sources / "var")


@contextlib.contextmanager
def running(clone, command):
    """Types the command in a terminal, and Ctrl-C at the end; gives what it printed once it is up."""
    out = clone / "out"
    with open(out, "w") as file:
        # A terminal's Ctrl-C is heeded, even if whoever runs the tests in the background had it ignored.
        proc = subprocess.Popen(["bash", "-c", command], cwd=clone, stdout=file, stderr=file, text=True,
                                stdin=subprocess.DEVNULL, start_new_session=True,
                                preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL))
    try:
        eventually(lambda: "Ctrl-C stops it." in out.read_text() or proc.poll() is not None, command, BUILDING)
        assert proc.poll() is None, out.read_text()
        yield out.read_text()
    finally:
        if proc.poll() is None:
            os.killpg(proc.pid, signal.SIGINT)
        assert proc.wait(PATIENCE) == 0


def typed(clone, command):
    """Types a block of commands in another terminal; returns what it printed."""
    done = subprocess.run(["bash", "-ec", command], cwd=clone, text=True, capture_output=True, timeout=PATIENCE)
    assert done.returncode == 0, done
    return done.stdout


def test_the_page_shows_a_moving_bar(clone):
    """From nothing: ./run, open what it prints, and watch the demonstration."""
    assert RUN.strip() == "./run"
    with running(clone, RUN) as printed:
        session, everything = re.findall(r"http://localhost:8000/\S+", printed)
        with Browser(session) as browser, browser.fresh():
            browser.driver.get(session)
            browser.shows("#connection", "Live")
            seen = {browser.attribute("[role=progressbar]", "aria-valuenow")}
            eventually(lambda: seen.add(browser.attribute("[role=progressbar]", "aria-valuenow")) or len(seen) > 2,
                       "the bar moves, and moves again")
            browser.driver.get("about:blank")
            browser.driver.get(everything)
            browser.shows(".row", "%")
        report = json.loads(typed(clone, REPORT))
        assert "progress" in report or report["status"] == 409, "the demonstration has its own course"


async def test_every_command(clone):
    """The session of one's own, by ./run --no-demo: curl moves it, the page and the Python lines show it."""
    assert OPTIONS == ["./run --no-demo", "./run --help"]
    assert "--no-demo" in typed(clone, OPTIONS[1])
    with running(clone, OPTIONS[0]) as printed:
        page = re.search(r"http://localhost:8000/\S+", printed)[0]
        assert json.loads(typed(clone, REPORT))["progress"] == 45
        with Browser(page) as browser, browser.fresh():
            browser.driver.get(page)
            browser.shows(".percent", "45%")
            typed(clone, REPORT.replace("=45", "=52"))
            browser.shows(".percent", "52%")
        env = dict(line.split("=", 1) for line in (clone / "var" / "demo.env").read_text().splitlines())
        python = [sys.executable, "-uc", f"import sys\n{WATCH}\nasyncio.run(watch(*sys.argv[1:]))",
                  env["MILEPOST_WS_URL"], env["SESSION_ID"], env["PATIENT_TOKEN"]]
        shell = ["bash", "-c", f". var/demo.env\n{EVENTS}"]
        watchers = [await asyncio.create_subprocess_exec(*command, cwd=clone, stdout=subprocess.PIPE,
                                                         stderr=subprocess.DEVNULL) for command in (python, shell)]
        for watcher, begin in zip(watchers, (b"transcribing 52 Transcribing audio...", b"id: ")):
            assert (await watcher.stdout.readline()).startswith(begin)
        typed(clone, REPORT.replace("transcribing", "processed").replace("-d progress=45", ""))
        for watcher, end in zip(watchers, (b"processed 100 ", b'"status":"processed"')):
            assert end in await watcher.stdout.read()
            assert await watcher.wait() == 0
