"""docs/shared-host.md, run as it stands by somebody who is not root: Apache with mod_fcgid, Apache with plain CGI and
lighttpd, each on a port that the kernel gave."""
import asyncio
import contextlib
import http.client
import json
import os
import re
import shutil
import signal
import subprocess
import time

import pytest
import websockets

from bed import PATIENCE, TROUBLE, Reply, eventually, free_ports, receive
from guides import Guide
from homes import source
from roots import plain_only

pytestmark = plain_only

GUIDE = Guide("shared-host.md")
MODULES = "/usr/lib/apache2/modules"
# What the host's owner has set up for everybody.
APACHE = """
ServerRoot {home}/apache
ServerName localhost
Listen 127.0.0.1:{port}
DefaultRuntimeDir {home}/apache
PidFile {home}/apache/pid
Mutex file:.
ErrorLog error.log
LogFormat "%m %U %>s" plain
CustomLog access.log plain
{modules}
ScriptSock {home}/apache/cgid.sock
FcgidIPCDir fcgid
FcgidProcessTableFile fcgid.shm
TypesConfig /etc/mime.types
DocumentRoot {home}/public_html
<Directory {home}/public_html>
    AllowOverride All
    Require all granted
</Directory>
"""
APACHE_MODULES = ("mpm_event", "authz_core", "mime", "rewrite", "headers", "cgid", "fcgid", "proxy", "proxy_wstunnel",
                  "proxy_http")
LIGHTTPD = """
server.bind = "127.0.0.1"
server.port = {port}
server.document-root = "{home}/public_html"
server.errorlog = "{home}/lighttpd.log"
include "{home}/milepost/etc/lighttpd.conf"
"""


@pytest.fixture(scope="module")
def home():
    """Milepost is installed as the guide says; there is a site, a worker's key, a session and who may watch it."""
    home = source()
    assert home.sh(GUIDE.script("Install"), "milepost-src", CFLAGS="-O0", MAKEFLAGS="-j2 -s").splitlines()[-1][:4] == "mpw_"
    home.sh("mkdir public_html apache; echo the site >public_html/index.html")
    ctl = '"$HOME/milepost/bin/milepostctl"'
    home.key, user, home.other = home.sh(
        f"{ctl} key add test --scope worker; {ctl} user add - --role patient; {ctl} user add - --role patient").split()
    home.session = home.sh(f"{ctl} session add - --patient {user}").strip()
    home.token, home.others_token = home.sh(f"{ctl} token {user}; {ctl} token {home.other}").split()
    return home


def of_ann(home, text):
    """The guide's names of places, as they are here."""
    return text.replace("/home/ann", str(home.dir))


def write_files(home, heading):
    for path, text in GUIDE.files(heading).items():
        home.write(of_ann(home, path), of_ann(home, text))


class Site:
    """The site on its port, whichever server it is that serves it."""

    def __init__(self, home, port):
        self.home, self.port = home, port

    def ask(self, method, path, body=None, bearer=None, **headers):
        headers = {name.replace("_", "-"): value for name, value in headers.items()}
        if bearer:
            headers["Authorization"] = f"Bearer {bearer}"
        with contextlib.closing(http.client.HTTPConnection("127.0.0.1", self.port, timeout=PATIENCE)) as connection:
            connection.request(method, path, body, headers)
            return Reply(connection.getresponse())

    def is_up(self):
        try:
            return self.ask("GET", "/index.html").status == 200
        except OSError:
            return False

    def report(self, body):
        return self.ask("POST", f"/api/sessions/{self.home.session}/progress", body, self.home.key,
                        Content_Type="application/x-www-form-urlencoded")

    def watch(self, token=None, ticket=None):
        query = f"token={token}" if token else f"ticket={ticket}"
        return websockets.connect(f"ws://127.0.0.1:{self.port}/api/sessions/ws/{self.home.session}?{query}",
                                  ping_interval=None, open_timeout=PATIENCE)


@contextlib.contextmanager
def running(home, log, *command):
    """A program of the owner's, ended at last, that must have been content."""
    with open(home.dir / log, "ab") as out:
        proc = subprocess.Popen(home.command(*command), cwd=home.dir, stdin=subprocess.DEVNULL, stdout=out, stderr=out)
    try:
        yield proc
    finally:
        proc.send_signal(signal.SIGTERM)
        proc.wait(PATIENCE)
    text = (home.dir / log).read_text()
    assert proc.returncode == 0, text
    assert not TROUBLE.search(text), text


def children(pid):
    return [int(p) for p in subprocess.run(["ps", "-o", "pid=", "--ppid", str(pid)], text=True,
                                           capture_output=True).stdout.split()]


@contextlib.contextmanager
def watchers_program(home):
    """milepost-ws, by the crontab's line, as cron gives it to a shell; a second one ends at once."""
    line = GUIDE.blocks("crontab", "WebSockets and events")[0]
    command = re.fullmatch(r"\* \* \* \* \* (.*)\n", line)[1]
    proc = subprocess.Popen(home.command("sh", "-c", command), cwd=home.dir, stdin=subprocess.DEVNULL)
    try:
        eventually((home.dir / "milepost/var/run/milepost/ws.sock").exists, "milepost-ws listens")
        assert subprocess.run(home.command("sh", "-c", command), cwd=home.dir, timeout=PATIENCE).returncode == 1
        yield
    finally:
        for pid in children(proc.pid):  # flock waits for it
            os.kill(pid, signal.SIGTERM)
        assert proc.wait(PATIENCE) == 0
    assert not TROUBLE.search((home.dir / "milepost/var/ws.log").read_text())


@contextlib.contextmanager
def apache(home):
    port, = free_ports(1)
    modules = "\n".join(f"LoadModule {m}_module {MODULES}/mod_{m}.so" for m in APACHE_MODULES)
    conf = home.dir / "apache/httpd.conf"
    conf.unlink(missing_ok=True)
    home.write(conf, APACHE.format(home=home.dir, port=port, modules=modules))
    site = Site(home, port)
    with running(home, "apache/out.log", "apache2", "-f", conf, "-DFOREGROUND"):
        eventually(site.is_up, "Apache serves the site")
        yield site
    log = (home.dir / "apache/error.log").read_text()
    assert not re.search(r":(emerg|alert|crit|error)\]", log) and not TROUBLE.search(log), log


@pytest.fixture(params=["fcgid", "cgi"])
def apache_site(home, request):
    """By the guide's .htaccess, in the one way or the other."""
    with contextlib.suppress(FileNotFoundError):
        shutil.rmtree(home.dir / "public_html")
    home.sh("mkdir public_html; echo the site >public_html/index.html")
    home.sh(GUIDE.script("Apache with mod_fcgid"))
    write_files(home, "Apache with mod_fcgid")
    if request.param == "cgi":
        home.sh(GUIDE.script("Apache with plain CGI"))
    write_files(home, "WebSockets and events")
    with apache(home) as site, watchers_program(home):
        yield site


@pytest.fixture
def lighttpd_site(home):
    port, = free_ports(1)
    write_files(home, "lighttpd")
    home.write("lighttpd.conf", LIGHTTPD.format(home=home.dir, port=port))
    site = Site(home, port)
    with running(home, "lighttpd.out", "lighttpd", "-D", "-f", home.dir / "lighttpd.conf"), watchers_program(home):
        eventually(site.is_up, "lighttpd serves the site")
        yield site
    log = (home.dir / "lighttpd.log").read_text()
    assert "error" not in log and not TROUBLE.search(log), log


def check_events(site, body):
    """Server-Sent Events: each as it happens, nothing held back."""
    with contextlib.closing(http.client.HTTPConnection("127.0.0.1", site.port, timeout=PATIENCE)) as connection:
        connection.request("GET", f"/api/sessions/{site.home.session}/events?token={site.home.token}")
        stream = connection.getresponse()
        assert (stream.status, stream.headers["Content-Type"]) == (200, "text/event-stream")

        def data():
            while not (line := stream.readline()).startswith(b"data:"):
                assert line
            return json.loads(line[5:])

        before = data()
        assert site.report(body).json["progress"] == data()["progress"] > before["progress"]


async def check(site):
    """What workers, those who poll and watchers may expect of any server."""
    home = site.home
    path = f"/api/sessions/{home.session}/progress"
    # Workers: reports, refusals, batches.
    stored = site.report("status=uploading&progress=3&restart=true")
    assert stored.status == 200 and stored.json["progress"] == 3
    assert site.report("status=uploading&progress=300").json["errors"][0]["member"] == "progress"
    assert site.ask("POST", path, "status=uploading&progress=4").status == 401
    lines = "".join(json.dumps({"session_id": home.session, "status": "uploading", "progress": p}) + "\n" for p in (5, 4))
    batch = site.ask("POST", "/milepost/v1/progress", lines, home.key, Content_Type="application/x-ndjson")
    assert [json.loads(line)["status"] for line in batch.body.splitlines()] == [200, 409]
    # Polling: the newest, not modified, history, and nobody else's.
    newest = site.ask("GET", path, bearer=home.token)
    assert newest.status == 200 and newest.json["progress"] == 5
    same = site.ask("GET", path, bearer=home.token, If_None_Match=newest.headers["ETag"])
    assert (same.status, same.body) == (304, b"")
    history = site.ask("GET", f"{path}/history?since={newest.headers['ETag'].strip(chr(34))}", bearer=home.token)
    assert history.status == 200 and history.json == []
    assert [u["progress"] for u in site.ask("GET", f"{path}/history", bearer=home.token).json] == [3, 5]
    assert site.ask("HEAD", path, bearer=home.token).status == 200
    refused = site.ask("GET", path, bearer=home.others_token)
    assert refused.status == 403 and refused.headers["Content-Type"] == "application/problem+json"
    # Watching: an update at once, with a token and with a ticket; and a refusal in words.
    script = GUIDE.script("WebSockets and events")
    ticket = json.loads(home.sh(script, TOKEN=home.token, URL=f"http://127.0.0.1:{site.port}"))["ticket"]
    async with site.watch(home.token) as a, site.watch(ticket=ticket) as b:
        assert [(await receive(ws))["progress"] for ws in (a, b)] == [5, 5]
        assert site.report("status=uploading&progress=6").status == 200
        assert [(await receive(ws))["progress"] for ws in (a, b)] == [6, 6]
    async with site.watch(ticket=ticket) as ws:
        with pytest.raises(websockets.ConnectionClosed):
            await ws.recv()
        assert (ws.close_code, ws.close_reason) == (1008, "Invalid authentication")
    check_events(site, "status=uploading&progress=7")
    # The rest of the site is as it was.
    assert site.ask("GET", "/index.html").body == b"the site\n"
    assert site.ask("GET", "/api/other").status == 404


async def test_apache(apache_site):
    await check(apache_site)


async def test_lighttpd(lighttpd_site):
    await check(lighttpd_site)


async def test_many_at_once(apache_site):
    """Apache starts as many programs as it likes: their updates are one sequence, and each is told."""
    count = 20
    async with apache_site.watch(apache_site.home.token) as ws:
        apache_site.report("status=uploading&progress=0&restart=true")
        answers = await asyncio.gather(*(asyncio.to_thread(
            apache_site.report, f"status=uploading&progress=1&message=m{i}") for i in range(count)))
        assert [a.status for a in answers] == [200] * count
        seen = set()
        until = time.monotonic() + PATIENCE
        while len(seen) < count and time.monotonic() < until:
            seen.add((await receive(ws))["message"])
            seen.discard("Uploading audio...")
        assert seen == {f"m{i}" for i in range(count)}


def test_upkeep(home):
    home.sh(GUIDE.script("Look after it"))
    assert "not found" not in home.sh(*GUIDE.inline("ldd"))
    home.sh('PATH="$HOME/milepost/bin:$PATH"\n' + "\n".join(GUIDE.inline("milepostctl")))
    assert list(home.dir.glob("milepost-2*.db"))
