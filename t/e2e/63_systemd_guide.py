"""docs/systemd.md, run as it stands, under a real systemd: the sockets outlive the programs."""
import re
import socket
import struct
import threading

import pytest
import websockets

from bed import PATIENCE, TOP, eventually
from guides import Guide
from roots import Root, as_root_only, plain_only

pytestmark = [plain_only, as_root_only]

GUIDE = Guide("systemd.md")
UNITS = sorted(path.name for path in (TOP / "systemd").glob("*.s*"))


@pytest.fixture(scope="module")
def root():
    """After the guide's first section; without optimisation, which would only take time."""
    with Root() as root:
        root.copy_sources("/usr/src/milepost")
        [install] = GUIDE.indented("Set it up")
        root.sh(f"cd /usr/src/milepost; export CFLAGS=-O0 MAKEFLAGS='-j2 -s'\n{install}", timeout=600)
        said = root.sh(GUIDE.script("Set it up")).stdout
        assert re.search(r"/run/milepost/ws\.sock +milepost-ws\.socket +milepost-ws\.service", said)
        yield root


def state(root, unit):
    return root.run("systemctl", "is-active", unit, check=False).stdout.strip()


def pid(root, program):
    return int(root.run("systemctl", "show", "-P", "MainPID", f"{program}.service").stdout)


def record(kind, content):
    """A FastCGI record of request 1."""
    return struct.pack(">BBHHBx", 1, kind, 1, len(content), 0) + content


def asked_for(program):
    """A request for health, as nginx sends it."""
    path = f"/milepost/{program}/healthz"
    if program == "ws":
        return f"GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode()
    params = b"".join(bytes((len(name), len(value))) + name.encode() + value.encode()
                      for name, value in (("REQUEST_METHOD", "GET"), ("PATH_INFO", path)))
    return record(1, struct.pack(">HB5x", 1, 0)) + record(4, params) + record(4, b"") + record(5, b"")


def knock(root, program="ws"):
    """Is who connects to the socket told that the program turns?"""
    with socket.socket(socket.AF_UNIX) as s:
        s.settimeout(PATIENCE)
        s.connect(str(root.path(f"/run/milepost/{program}.sock")))
        s.sendall(asked_for(program))
        answer = b""
        while chunk := s.recv(4096):
            answer += chunk
        return b"\r\n\r\nok\n" in answer


def test_verify(root):
    """systemd has nothing to say against any of the units as they are installed."""
    result = root.run("systemd-analyze", "verify", "--man=no", *(f"/usr/lib/systemd/system/{unit}" for unit in UNITS),
                      check=False)
    assert result.returncode == 0 and "milepost" not in result.stderr, result.stderr
    for path, text in GUIDE.files().items():
        assert re.match(r"/etc/systemd/system/milepost-(ws|api)\.(socket|service)\.d/", path) and text.startswith("[")


def test_set_up(root):
    """Sockets of nginx's group, services of their own user; the programs say that all is well."""
    for unit in (f"milepost-{program}.{kind}" for program in ("ws", "api") for kind in ("socket", "service")):
        assert state(root, unit) == "active"
        assert root.run("systemctl", "is-enabled", unit).stdout == "enabled\n"
    for program in ("ws", "api"):
        assert root.run("stat", "-c", "%a %U:%G", f"/run/milepost/{program}.sock").stdout == "660 milepost:www-data\n"
        assert knock(root, program)
    assert root.sh("milepostctl check-config && milepostctl status >/dev/null", "milepost").stdout == "ok\n"
    assert GUIDE.inline() == ["make install", "systemctl daemon-reload"], "both are of the blocks"
    said = root.sh(GUIDE.script("See")).stdout
    assert "event=ws.start" in said and "event=api.start" in said and "sandbox=on" in said


def test_restart_refuses_nobody(root):
    """During the guide's restarts who knocks all the time is always answered."""
    enough, answers = threading.Event(), []

    def knock_on():
        while not enough.is_set():
            answers.extend((knock(root), knock(root, "api")))

    thread = threading.Thread(target=knock_on)
    before = pid(root, "milepost-ws"), pid(root, "milepost-api")
    thread.start()
    try:
        root.sh(GUIDE.script("Restart, reload").partition("systemctl reload")[0])
        assert pid(root, "milepost-ws") != before[0] and pid(root, "milepost-api") != before[1]
        count = len(answers)
        eventually(lambda: len(answers) > count + 10, "it goes on")
    finally:
        enough.set()
        thread.join()
    assert all(answers) and len(answers) > 10


async def test_reload_and_drain(root):
    """A reload keeps who watches; a restart tells them to come back, which they can at once."""
    root.sh("sed -i '/^drain_time/d' /etc/milepost/milepost.conf; echo 'drain_time = 0s' >>/etc/milepost/milepost.conf")
    session, token = root.sh("milepostctl session add -; milepostctl token $(milepostctl user add - --role therapist)",
                             "milepost").stdout.split()
    path = str(root.path("/run/milepost/ws.sock"))
    url = f"ws://localhost/api/sessions/ws/{session}?token={token}"
    async with websockets.unix_connect(path, url, open_timeout=PATIENCE, ping_interval=None) as ws:
        root.sh("systemctl reload milepost-ws.service milepost-api.service")
        root.sh("systemctl restart milepost-ws.service --no-block")
        with pytest.raises(websockets.ConnectionClosed):
            await ws.recv()
        assert ws.close_code == 1012
    async with websockets.unix_connect(path, url, open_timeout=PATIENCE, ping_interval=None):
        pass


def test_on_demand(root):
    """A service that is not enabled is started by whoever knocks first."""
    root.sh(GUIDE.script("Restart, reload"))
    assert state(root, "milepost-api.service") == "inactive" and state(root, "milepost-api.socket") == "active"
    assert knock(root, "api")
    assert state(root, "milepost-api.service") == "active"


def test_comes_back(root):
    """However often it is killed; who knocks meanwhile waits."""
    for _ in range(6):  # more than systemd's own limit in ten seconds
        before = pid(root, "milepost-ws")
        root.run("kill", "-KILL", before)
        assert knock(root)
        assert pid(root, "milepost-ws") not in (0, before)


def test_outlasts_a_mistake(root):
    """A line of the configuration that is wrong for a while costs that while, and the sockets stay."""
    root.sh("echo 'nonsense = 1' >>/etc/milepost/milepost.conf; systemctl restart milepost-ws.service || true")
    for _ in range(3):
        path = str(root.path("/run/milepost/ws.sock"))
        with socket.socket(socket.AF_UNIX) as s:
            s.connect(path)  # and waits
    failures = int(root.run("systemctl", "show", "-P", "NRestarts", "milepost-ws.service").stdout)
    eventually(lambda: int(root.run("systemctl", "show", "-P", "NRestarts", "milepost-ws.service").stdout) > failures + 1,
               "it is tried again")
    root.sh("sed -i /nonsense/d /etc/milepost/milepost.conf")
    assert knock(root)
    assert state(root, "milepost-ws.socket") == "active"


def test_group(root):
    """The drop-in for another group than Debian's, as the guide says to use it."""
    (path, text), = ((path, text) for path, text in GUIDE.files().items() if "socket.d" in path)
    root.sh("groupadd nginx; systemctl stop milepost-ws.socket milepost-ws.service")
    root.write(path, text)
    root.sh("systemctl daemon-reload; systemctl start milepost-ws.socket")
    assert root.run("stat", "-c", "%a %U:%G", "/run/milepost/ws.sock").stdout == "660 milepost:nginx\n"
    assert knock(root)
    assert root.run("stat", "-c", "%G", "/run/milepost/ws.sock").stdout == "nginx\n", "the folder's owner takes nothing"


def test_another_place(root):
    """The database elsewhere, by the guide's drop-ins."""
    (path, text), = ((path, text) for path, text in GUIDE.files().items() if "database" in path)
    for program in ("ws", "api"):
        root.write(path.replace("-ws.", f"-{program}."), text)
    root.sh("systemctl stop milepost-ws.socket milepost-api.socket milepost-ws milepost-api;"
            "install -d -o milepost -g milepost -m 0750 /srv/milepost;"
            "echo 'database = /srv/milepost/milepost.db' >>/etc/milepost/milepost.conf; runuser -u milepost -- milepostctl init;"
            "systemctl daemon-reload; systemctl start milepost-ws.socket milepost-api.socket milepost-ws milepost-api")
    assert knock(root) and knock(root, "api")
    assert root.path("/srv/milepost/milepost.db-watchers").exists()
