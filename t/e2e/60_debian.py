"""The Debian package: built, judged by lintian, installed, upgraded, removed and purged under systemd.

Over the files of this machine here, and, with ./test --long, in a new Debian by debootstrap, into which apt brings what
the package depends on.
"""
import asyncio
import contextlib
import http.client
import os
import re
import shutil
import sqlite3
import subprocess
import threading
from urllib.parse import quote

import pytest
import websockets

from bed import PATIENCE, TOP, Closed, eventually, update
from roots import Root, as_root_only, deb, new_debian, package, plain_only

pytestmark = plain_only

USER = "milepost"
CONF, STATE = "/etc/milepost", "/var/lib/milepost"
SITE = """include /etc/nginx/milepost/milepost-http.conf;
server {
    listen 8080;
    include /etc/nginx/milepost/milepost.conf;
}
"""
# Passwords and groups, with the copies that their tools keep; what apt and systemd themselves are careless about.
ACCOUNTS = {f"/etc/{name}{copy}" for name in ("passwd", "group", "shadow", "gshadow", "subuid", "subgid")
            for copy in ("", "-")} | {"/etc/.pwd.lock", "/etc/machine-id"}


def test_lintian():
    """No error, no warning, nothing that lintian would do otherwise."""
    changes = next(package().glob("*.changes"))
    result = subprocess.run(["lintian", "--allow-root", "--fail-on", "error,warning,info", "--display-info", "--pedantic",
                             "--suppress-tags", "bad-distribution-in-changes-file", changes], text=True,
                            capture_output=True, timeout=300)
    found = [line for line in (result.stdout + result.stderr).splitlines() if re.match(r"[EWIP]: ", line)]
    assert result.returncode == 0 and not found, result.stdout + result.stderr


def test_version():
    """The package's version is the release's."""
    version = re.search(r"AC_INIT\(\[milepost\], \[(.*?)\]\)", (TOP / "configure.ac").read_text())[1]
    assert (TOP / "debian/changelog").read_text().startswith(f"milepost ({version}) ")
    assert deb().name.startswith(f"milepost_{version}_")


def renamed(version):
    """The package as another version of it."""
    folder = package() / version
    made = package() / f"renamed_{version}.deb"
    if not made.exists():
        subprocess.run(["dpkg-deb", "-R", deb(), folder], check=True)
        control = folder / "DEBIAN/control"
        control.write_text(re.sub(r"(?m)^Version: .*$", f"Version: {version}", control.read_text()))
        subprocess.run(["dpkg-deb", "-b", folder, made], check=True, capture_output=True)
    return made


def install(root, file):
    """As its administrator would. Returns what was said."""
    root.copy(file, "/tmp")
    done = root.run("apt-get", "install", "-y", f"/tmp/{file.name}", timeout=300)
    return done.stdout + done.stderr


def here():
    return Root()


def bookworm():
    return Root(new_debian(), "multi-user.target")


@pytest.fixture(params=[here, pytest.param(bookworm, marks=pytest.mark.skipif(
    "MILEPOST_LONG" not in os.environ, reason="./test --long makes a new Debian"))], ids=lambda make: make.__name__)
def root(request):
    with request.param() as root:
        if request.param is bookworm:
            root.copy(deb(), "/tmp")
            root.run("sh", "-c", f"apt-get update && apt-get install -y --download-only /tmp/{deb().name}", online=True,
                     timeout=900)
        yield root


# --- what an installed one is like ---

def is_active(root):
    return all(state == "active" for state in root.run(
        "systemctl", "is-active", *(f"milepost-{p}.{kind}" for p in ("ws", "api") for kind in ("service", "socket")),
        check=False).stdout.split())


def mode(root, path):
    return root.run("stat", "-c", "%a %U:%G", path).stdout.strip()


def check_installed(root):
    """Running, enabled, by a user of its own, with a secret and a database that nobody else can read."""
    eventually(lambda: is_active(root), "the services run")
    for unit in ("milepost-ws.service", "milepost-ws.socket", "milepost-api.service", "milepost-api.socket"):
        assert root.run("systemctl", "is-enabled", unit).stdout == "enabled\n"
    assert root.run("systemctl", "is-enabled", "milepost-relay.service", check=False).stdout == "disabled\n"
    assert root.run("systemctl", "is-active", "milepost-relay.service", check=False).stdout == "inactive\n"
    entry = root.run("getent", "passwd", USER).stdout.strip().split(":")
    assert int(entry[2]) < 1000 and entry[5:] == [STATE, "/usr/sbin/nologin"]
    assert mode(root, STATE) == "750 milepost:milepost" and mode(root, CONF) == "750 root:milepost"
    assert mode(root, f"{CONF}/jwt.secret") == "640 root:milepost"
    assert mode(root, f"{STATE}/milepost.db") == "640 milepost:milepost"
    for program in ("ws", "api"):
        assert mode(root, f"/run/milepost/{program}.sock") == "660 milepost:www-data"
    assert root.sh("milepostctl check-config", USER).stdout == "ok\n"
    assert root.sh("! runuser -u nobody -- cat /etc/milepost/jwt.secret").returncode == 0
    pid = root.run("systemctl", "show", "-P", "MainPID", "milepost-ws.service").stdout.strip()
    assert root.run("stat", "-c", "%U", f"/proc/{pid}").stdout.strip() == USER


class Poster(threading.Thread):
    """A worker that reports all the time, through nginx: the statuses that it was answered with."""

    def __init__(self, root, session, key):
        super().__init__()
        self.root, self.path, self.key = root, f"/api/sessions/{session}/progress", key
        self.statuses, self.enough = [], threading.Event()

    def __enter__(self):
        self.start()
        return self

    def __exit__(self, *_):
        self.enough.set()
        self.join()

    def run(self):
        with self.root.network():
            while not self.enough.wait(0.02):
                self.statuses.append(self.post(f"n{len(self.statuses)}"))
            self.statuses.append(self.post("the last one"))

    def post(self, message):
        connection = http.client.HTTPConnection("127.0.0.1", 8080, timeout=PATIENCE)
        with contextlib.closing(connection):
            connection.request("POST", self.path, f"status=uploading&progress=1&message={quote(message)}", {
                "Authorization": f"Bearer {self.key}", "Content-Type": "application/x-www-form-urlencoded"})
            return connection.getresponse().status


def watch(session, token, since):
    return websockets.connect(f"ws://127.0.0.1:8080/api/sessions/ws/{session}?token={token}&since={since}",
                              ping_interval=None, open_timeout=PATIENCE)


async def watch_all(session, token):
    """Watches to the last one, comes back at a planned stop; returns all updates, and how many connections it took."""
    updates, connections = [], 0
    while not updates or updates[-1]["message"] != "the last one":
        async with watch(session, token, updates[-1]["revision"] if updates else 0) as ws:
            connections += 1
            try:
                while not updates or updates[-1]["message"] != "the last one":
                    updates.append(await update(ws))
            except Closed as closed:
                assert closed.code == 1012
    return updates, connections


# --- its life ---

def begin(root):
    """An older version is installed, changed and in use: returns a worker's key, a session and a token."""
    said = install(root, renamed("0.0.1"))
    assert "created /var/lib/milepost/milepost.db" in said and "mended" not in said
    check_installed(root)
    root.write("/etc/nginx/conf.d/site.conf", SITE)
    root.sh(f"echo 'drain_time = 0s' >>{CONF}/milepost.conf; echo '# changed' >>/etc/nginx/milepost/milepost-http.conf;"
            "systemctl restart nginx milepost-ws")
    return root.sh("key=$(milepostctl key add k --scope worker); session=$(milepostctl session add -);"
                   "token=$(milepostctl token $(milepostctl user add - --role therapist)); echo $key $session $token",
                   USER).stdout.split()


KEPT = (("user", "id, role"), ("session", "id, patient_id"), ("key", "hash, scope, name"))


def make_old(root, folder):
    """The database becomes one of the first schema, with the rows that it has."""
    root.sh("systemctl stop milepost-ws.socket milepost-api.socket milepost-ws milepost-api")
    root.sh(f"milepostctl backup {STATE}/new.db", USER)
    shutil.copy(root.path(f"{STATE}/new.db"), folder)
    with contextlib.closing(sqlite3.connect(folder / "new.db")) as new, \
            contextlib.closing(sqlite3.connect(folder / "old.db")) as old:
        old.executescript((TOP / "sql/001-init.sql").read_text())
        for table, columns in KEPT:
            for row in new.execute(f"SELECT {columns} FROM {table}"):
                old.execute(f"INSERT INTO {table} ({columns}) VALUES ({', '.join('?' * len(row))})", row)
        old.commit()
        identity = new.execute("PRAGMA application_id").fetchone()[0]
        old.executescript(f"PRAGMA application_id = {identity}; PRAGMA user_version = 1;")
    root.sh(f"rm {STATE}/*")
    root.copy(folder / "old.db", f"{STATE}/milepost.db")
    root.sh(f"chown {USER}:{USER} {STATE}/milepost.db; chmod 640 {STATE}/milepost.db")


def check_upgrade(root, folder):
    """Migrations are applied; what was changed and what was stored is there; all runs."""
    make_old(root, folder)
    assert re.search(r"milepost\.db: brought from schema 1 to \d+", install(root, deb()))
    check_installed(root)
    assert root.path(f"{CONF}/milepost.conf").read_text().endswith("drain_time = 0s\n")
    assert root.path("/etc/nginx/milepost/milepost-http.conf").read_text().endswith("# changed\n")


async def check_upgrade_under_load(root, key, session, token):
    """No request is refused while the programs are replaced, and a watcher misses nothing."""
    def pids():
        return set(root.run("systemctl", "show", "-P", "MainPID", "milepost-ws", "milepost-api").stdout.split())

    with Poster(root, session, key) as poster, root.network():
        watcher = asyncio.create_task(watch_all(session, token))
        await asyncio.to_thread(eventually, lambda: len(poster.statuses) > 20, "the worker reports")
        before = pids()
        await asyncio.to_thread(install, root, renamed("99.0"))
        assert len(before) == 2 and before.isdisjoint(pids())
        count = len(poster.statuses)
        await asyncio.to_thread(eventually, lambda: len(poster.statuses) > count + 20, "it goes on reporting")
        poster.enough.set()
        updates, connections = await watcher
    assert set(poster.statuses) == {200}
    assert [u["message"] for u in updates] == [f"n{i}" for i in range(len(poster.statuses) - 1)] + ["the last one"]
    assert connections == 2
    check_installed(root)


def check_removal(root):
    """Nothing runs, nothing of the programs is there; what is the administrator's is."""
    root.run("apt-get", "remove", "-y", "milepost")
    assert not root.path("/usr/sbin/milepost-ws").exists() and not root.path("/run/milepost/ws.sock").exists()
    assert root.sh("pgrep milepost", check=False).stdout == ""
    for path in (f"{CONF}/milepost.conf", f"{CONF}/jwt.secret", f"{STATE}/milepost.db", "/etc/nginx/milepost/milepost.conf"):
        assert root.path(path).exists()


@as_root_only
async def test_life(root, tmp_path):
    """From an older version over two upgrades to the purge, which leaves what it says, and nothing else."""
    if root.lower == "/":
        root.sh("systemctl start nginx")
    before = root.changes()
    key, session, token = begin(root)
    check_upgrade(root, tmp_path)
    await check_upgrade_under_load(root, key, session, token)
    check_removal(root)
    install(root, deb())
    check_installed(root)
    assert session in root.sh("milepostctl session list", USER).stdout
    for command in re.findall(r"^    (runuser .*)$", (TOP / "debian/README.Debian").read_text(), re.M):
        root.run("sh", "-c", command, input="a password\n")
    assert {"pipeline", "k"} <= set(root.sh("milepostctl key list", USER).stdout.split())
    said = root.sh("apt-get purge -y milepost 2>&1").stdout
    assert f"milepost: {STATE}/copy.db stays\n" in said and "milepost: the user milepost stays" in said
    assert said.count("stays") == 2 and "nginx's configuration still includes /etc/nginx/milepost" in said
    added = root.changes() - before - ACCOUNTS
    assert {p for p in added if "milepost" in p} == {f"{STATE}/copy.db"}
    if root.lower == "/":
        assert added == {f"{STATE}/copy.db", "/etc/nginx/conf.d/site.conf"}


@as_root_only
def test_what_was_there():
    """A secret and a database that the package found are not its own: it says what is wrong with them, and purging
    leaves them."""
    with Root() as root:
        root.sh(f"mkdir -p {CONF} {STATE}")
        root.write(f"{CONF}/jwt.secret", "the backend's own secret, of 32 characters and more", mode=0o600)
        install(root, deb())
        said = install(root, renamed("99.0"))
        assert f"{CONF}/jwt.secret: Permission denied" in said
        assert "milepost: the services can't run until this is mended" in said
        assert not is_active(root)
        # Mended, they come up by themselves.
        root.sh(f"chgrp {USER} {CONF}/jwt.secret; chmod 640 {CONF}/jwt.secret")
        check_installed(root)
        made = root.path(f"{CONF}/made-by-package").read_text()
        assert f"{STATE}/milepost.db" in made and "jwt.secret" not in made
        root.sh(f"sed -i '/milepost.db/d' {CONF}/made-by-package")
        purge = root.run("apt-get", "purge", "-y", "milepost").stdout
        assert f"milepost: {CONF}/jwt.secret stays" in purge and f"milepost: {STATE}/milepost.db stays" in purge
        assert root.path(f"{CONF}/jwt.secret").read_text().startswith("the backend's")
