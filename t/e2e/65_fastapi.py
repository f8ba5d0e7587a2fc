"""docs/fastapi.md and its backend, run as they stand: users, sessions and logins are the backend's, progress is Milepost's,
and the two stay in step, whatever goes away or is killed."""
import asyncio
import concurrent.futures
import contextlib
import http.client
import importlib
import itertools
import json
import os
import re
import secrets
import signal
import sqlite3
import subprocess

import pytest
import websockets

from answers import answering
from bed import PATIENCE, TOP, Reply, eventually, receive, until_closed
from guides import Guide
from roots import Root, as_root_only, deb, plain_only

pytestmark = [plain_only, as_root_only]

GUIDE = Guide("fastapi.md")
HERE = "/srv/backend"
PASSWORD = "correct horse battery staple"
SITE = """include /etc/nginx/milepost/milepost-http.conf;
server {{
    listen 80 default_server;
    {}
}}
"""


def request(method, path, value=None, bearer=None):
    """One request through nginx, of a thread that is in the root's network."""
    headers = {"Authorization": f"Bearer {bearer}"} if bearer else {}
    body = value if isinstance(value, str) else None if value is None else json.dumps(value)
    if body is not None:
        headers["Content-Type"] = "application/x-www-form-urlencoded" if isinstance(value, str) else "application/json"
    with contextlib.closing(http.client.HTTPConnection("127.0.0.1", 80, timeout=PATIENCE)) as connection:
        connection.request(method, path, body, headers)
        return Reply(connection.getresponse())


class Platform:
    """The backend and Milepost on one host, behind one nginx."""

    def __init__(self, root):
        self.root = root
        install, self.start_script, self.sync_script = GUIDE.blocks("sh", "Run it")
        self.env = {"JWT_SECRET_FILE": f"{HERE}/jwt.secret", "MILEPOST_URL": "http://localhost", "ADMIN_PASSWORD": PASSWORD}
        root.copy(deb(), "/tmp")
        # What is here is new enough, whatever apt has heard of: in here there is no network.
        root.write("/etc/apt/apt.conf.d/as-it-is", 'APT::Get::Upgrade "false";\n')
        root.sh(f"apt-get install -y /tmp/{deb().name}\n{install}mkdir {HERE}; rm -f /etc/nginx/sites-enabled/*")
        for path in (TOP / "docs/fastapi").iterdir():
            if path.is_file():
                root.copy(path, HERE)
        root.write(self.env["JWT_SECRET_FILE"], secrets.token_urlsafe(48) + "\n", mode=0o600)
        self.sh(GUIDE.script("One secret"))
        self.sh(GUIDE.script("An admin's key"))
        self.worker_key = root.sh("milepostctl key add pipeline --scope worker", "milepost").stdout.strip()
        root.write("/etc/nginx/conf.d/site.conf", SITE.format(GUIDE.blocks("nginx", "Run it")[0]))
        root.sh("systemctl start nginx")
        self.log = open(root.path(HERE) / "log", "ab")
        self.start()
        self.admin = self.login("admin@example.org")

    def sh(self, script):
        pairs = " ".join(f"{name}={value!r}" for name, value in self.env.items())
        return self.root.sh(f"cd {HERE}; export {pairs}\n{self.start_script.splitlines()[0]}\n{script}").stdout

    def start(self):
        """The guide's commands; after the first time without making the admin again."""
        script = self.start_script
        if self.root.path(f"{HERE}/backend.db").exists():
            script = "".join(line for line in script.splitlines(True) if "add-admin" not in line)
        pairs = [f"{name}={value}" for name, value in self.env.items()]
        self.proc = subprocess.Popen(self.root.enter("env", "-C", HERE, *pairs, "bash", "-euc", script),
                                     stdin=subprocess.DEVNULL, stdout=self.log, stderr=self.log, start_new_session=True)
        with self.root.network():
            eventually(self.is_up, "the backend is up")

    def is_up(self):
        assert self.proc.poll() is None, self.logs()
        return request("GET", "/openapi.json").status == 200

    def logs(self):
        return self.root.path(f"{HERE}/log").read_text()

    def kill(self):
        """All of its processes, in the middle of whatever they do."""
        os.killpg(self.proc.pid, signal.SIGKILL)
        self.proc.wait(PATIENCE)

    def stop(self):
        os.killpg(self.proc.pid, signal.SIGTERM)
        self.proc.wait(PATIENCE)
        self.log.close()

    def login(self, email):
        with self.root.network():
            reply = request("POST", "/api/v1/login", {"email": email, "password": PASSWORD})
        assert reply.status == 200, reply.body
        return reply.json["access_token"]

    def change(self, method, path, value=None, status=204):
        """A change by the administrator, over the backend's own endpoints."""
        with self.root.network():
            reply = request(method, f"/api/v1/{path}", value, self.admin)
        assert reply.status == status, reply.body
        return reply.json if reply.status == 201 else None

    def user(self, role):
        """A new user: the id, and the token that the backend's login gives."""
        email = f"{secrets.token_hex(8)}@example.org"
        id = self.change("POST", "users", {"email": email, "password": PASSWORD, "role": role}, 201)["id"]
        return id, self.login(email)

    def session(self, patient=None):
        return self.change("POST", "sessions", {"patient_id": patient}, 201)["id"]

    def watch(self, session, token):
        return websockets.connect(f"ws://127.0.0.1/api/sessions/ws/{session}?token={token}", ping_interval=None,
                                  open_timeout=PATIENCE)

    async def refusal(self, session, token):
        async with self.watch(session, token) as ws:
            return (await until_closed(ws)).reason

    def known(self, kind):
        """Milepost's users or sessions: by their ids, what it knows."""
        lines = self.root.sh(f"milepostctl {kind} list", "milepost").stdout.splitlines()
        return {line.split()[0]: line for line in lines if re.match(r"[0-9a-f]{8}-", line)}

    def unsent(self):
        """What the backend has still to tell."""
        script = f"import sqlite3; print(sqlite3.connect('{HERE}/backend.db').execute('SELECT count(*) FROM milepost_change').fetchone()[0])"
        return int(self.root.run("python3", "-c", script).stdout)


@pytest.fixture(scope="module")
def platform():
    with Root() as root:
        platform = Platform(root)
        try:
            yield platform
        finally:
            platform.stop()
            log = platform.logs()
        assert "Traceback" not in log and "ERROR" not in log, log


@contextlib.contextmanager
def milepost_away(platform):
    platform.root.sh("systemctl stop milepost-api.socket milepost-api.service")
    try:
        yield
    finally:
        platform.root.sh("systemctl start milepost-api.socket milepost-api.service")


def test_guide_is_the_backend():
    """The guide's lines of Python are lines of the backend."""
    lines = {line.strip() for line in (TOP / "docs/fastapi/backend.py").read_text().splitlines()}
    for block in GUIDE.blocks("python"):
        assert set(block.strip().splitlines()) <= lines, block


@pytest.mark.filterwarnings("ignore::ResourceWarning")
async def test_sync_outlives(tmp_path, monkeypatch):
    """A database that fails for a moment stops it no more than a Milepost that is away; and no proxy has the key."""
    monkeypatch.syspath_prepend(TOP / "docs/fastapi")
    sync_module = importlib.import_module("milepost_sync")
    db = sqlite3.connect(tmp_path / "db", isolation_level=None)
    db.executescript((TOP / "docs/fastapi/schema.sql").read_text())
    db.execute("INSERT INTO sessions VALUES ('a', NULL)")
    db.execute("ALTER TABLE sessions RENAME TO away")
    proxies, servers = (answering(itertools.repeat((status, {}, b""))) for status in (502, 204))
    with proxies as (proxy, told), servers as (url, asked):
        for name in ("http_proxy", "all_proxy"):
            monkeypatch.setenv(name, proxy)
        sync = sync_module.Sync(db, tmp_path / "lock", url, "mpa_x")
        running = asyncio.create_task(sync.run())
        await asyncio.sleep(0)
        db.execute("ALTER TABLE away RENAME TO sessions")
        await sync.settle(PATIENCE)
        running.cancel()
        await sync.client.aclose()
    assert (asked, told) == (["/milepost/v1/sessions/a"], [])


async def test_one_login_for_both(platform):
    """The backend's tokens open Milepost's doors, to whom they should."""
    therapist, patient, other = platform.user("therapist"), platform.user("patient"), platform.user("patient")
    session = platform.session(patient[0])
    with platform.root.network():
        path = f"/api/sessions/{session}/progress"
        assert request("POST", path, "status=uploading&progress=1", platform.worker_key).status == 200
        for _, token in (therapist, patient):
            async with platform.watch(session, token) as ws:
                assert (await receive(ws))["progress"] == 1
            assert request("GET", path, bearer=token).status == 200
        assert await platform.refusal(session, other[1]) == "Not authorized to access this session"
        assert await platform.refusal(session, other[1][:-4] + "AAAA") == "Invalid authentication"
        # The rest is the backend's, its login too.
        assert request("POST", "/api/v1/login", {"email": "a", "password": "b"}).json == {
            "detail": "Incorrect email or password"}
        assert request("POST", "/api/v1/users", {}, bearer=therapist[1]).status == 403


async def test_out_at_once(platform):
    """Whoever loses a right in the backend is disconnected when the backend has answered, or a moment later."""
    (leaver, leaver_token), (gone, gone_token) = platform.user("therapist"), platform.user("therapist")
    (demoted, demoted_token), (patient, patient_token) = platform.user("therapist"), platform.user("patient")
    session = platform.session(patient)
    with platform.root.network():
        async with platform.watch(session, leaver_token) as a, platform.watch(session, gone_token) as b, \
                platform.watch(session, demoted_token) as c, platform.watch(session, patient_token) as d, \
                platform.watch(session, platform.admin) as e:
            platform.change("PATCH", f"users/{leaver}", {"is_active": False})
            assert (await until_closed(a)).reason == "Invalid authentication"
            platform.change("DELETE", f"users/{gone}")
            assert (await until_closed(b)).reason == "Invalid authentication"
            platform.change("PATCH", f"users/{demoted}", {"role": "patient"})
            assert (await until_closed(c)).reason == "Not authorized to access this session"
            platform.change("PATCH", f"sessions/{session}", {"patient_id": None})
            assert (await until_closed(d)).reason == "Not authorized to access this session"
            platform.change("DELETE", f"sessions/{session}")
            assert (await until_closed(e)).reason == "Session not found"
    assert platform.unsent() == 0


async def test_milepost_is_away(platform):
    """The backend goes on, and tells it all when Milepost is back."""
    user, token = platform.user("therapist")
    session = platform.session()
    with platform.root.network():
        async with platform.watch(session, token) as ws:
            with milepost_away(platform):
                new, new_token = platform.user("patient")
                later = platform.session(new)
                platform.change("PATCH", f"users/{user}", {"is_active": False})
                assert platform.unsent() == 3
            assert (await until_closed(ws)).reason == "Invalid authentication"
        eventually(lambda: platform.unsent() == 0, "Milepost was told")
        async with platform.watch(later, new_token):
            pass
    assert later in platform.known("session")


async def test_killed_between(platform):
    """What was committed is told, though the backend was killed before it could."""
    user, token = platform.user("therapist")
    session = platform.session()
    with milepost_away(platform):
        change = asyncio.create_task(asyncio.to_thread(
            platform.change, "PATCH", f"users/{user}", {"is_active": False}, 502))
        await asyncio.to_thread(eventually, lambda: platform.unsent() == 1, "it is committed")
        platform.kill()
        await change
    platform.start()
    eventually(lambda: platform.unsent() == 0, "Milepost was told")
    with platform.root.network():
        assert await platform.refusal(session, token) == "Invalid authentication"


def test_many_changes_at_once(platform):
    """Of both of uvicorn's processes: Milepost ends with what the backend has."""
    users = [platform.user("therapist")[0] for _ in range(3)]

    def toggle(n):
        platform.change("PATCH", f"users/{users[n % 3]}", {"role": ("patient", "admin", "therapist")[n % 7 % 3],
                                                           "is_active": n % 2 == 0})

    with concurrent.futures.ThreadPoolExecutor(32) as threads:
        list(threads.map(toggle, range(210)))
    eventually(lambda: platform.unsent() == 0, "Milepost was told")
    script = f"import sqlite3, json; print(json.dumps(sqlite3.connect('{HERE}/backend.db').execute('SELECT id, role, is_active FROM users').fetchall()))"
    known = platform.known("user")
    for id, role, is_active in json.loads(platform.root.run("python3", "-c", script).stdout):
        assert role in known[id] and ("inactive" in known[id]) == (not is_active), (known[id], role, is_active)


def test_sync_all(platform):
    """A Milepost that knows nobody is told of all, by the guide's command."""
    user, _ = platform.user("therapist")
    session = platform.session()
    platform.root.sh(f"milepostctl user delete {user}; milepostctl session delete {session}", "milepost")
    assert user not in platform.known("user")
    platform.sh(platform.sync_script)
    eventually(lambda: platform.unsent() == 0, "Milepost was told")
    assert user in platform.known("user") and session in platform.known("session")
