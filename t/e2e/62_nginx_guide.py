"""docs/nginx.md, run as it stands: Milepost beside other sites on Debian's nginx, under systemd."""
import http.client
import http.server
import threading

import pytest
import websockets

from bed import PATIENCE, Reply, eventually, receive
from guides import Guide
from roots import Root, as_root_only, deb, plain_only

pytestmark = [plain_only, as_root_only]

GUIDE = Guide("nginx.md")
SITE = "/etc/nginx/sites-available/app.example.org"
OTHER = """server {
    listen 80;
    server_name other.example.org;
    location / {
        return 200 "the other site, $uri\\n";
    }
}
"""


class Backend(http.server.BaseHTTPRequestHandler):
    """The platform's own, which says which path it was asked for."""

    def do_GET(self):
        body = f"the backend, {self.path}\n".encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


def get(path, host, **headers):
    connection = http.client.HTTPConnection("127.0.0.1", 80, timeout=PATIENCE)
    connection.request("GET", path, headers={"Host": host, **headers})
    return Reply(connection.getresponse())


@pytest.fixture(scope="module")
def root():
    """A Debian whose nginx has two sites; one of them is the guide's, yet without Milepost."""
    with Root() as root:
        site = GUIDE.files("2. Include it")[SITE]
        before = "".join(line for line in site.splitlines(True) if "/etc/nginx/milepost/" not in line)
        assert site.count("include") == 1 and before != site
        root.sh("rm -f /etc/nginx/sites-enabled/* /etc/nginx/conf.d/*; mkdir -p /var/www/app; echo app >/var/www/app/index.html")
        root.write(SITE, before)
        root.write("/etc/nginx/sites-available/other.example.org", OTHER)
        root.sh("ln -s /etc/nginx/sites-available/*.example.org /etc/nginx/sites-enabled/; systemctl start nginx")
        with root.network():
            backend = http.server.ThreadingHTTPServer(("127.0.0.1", 9000), Backend)
        threading.Thread(target=backend.serve_forever).start()
        try:
            yield root
        finally:
            backend.shutdown()
            backend.server_close()


def what_was_there():
    """The answers of both sites to what is not Milepost's."""
    return [(r.status, r.body) for r in (
        get("/", "other.example.org"), get("/api/sessions/x/progress", "other.example.org"),
        get("/milepost/watch/", "other.example.org"), get("/", "app.example.org"), get("/nowhere", "app.example.org"),
        get("/api/sessions/", "app.example.org"), get("/api/sessions/x", "app.example.org"),
        get("/api/v1/login", "app.example.org"))]


async def test_guide(root):
    """Every command in order; what was there before is as it was, during and after."""
    with root.network():
        before = what_was_there()
        assert [status for status, _ in before].count(200) == 7
    root.copy(deb(), "/tmp")
    root.sh(f"cd /tmp\n{GUIDE.script('1. Install')}")
    for path, text in GUIDE.files("2. Include it").items():
        root.write(path, text)
    root.sh(GUIDE.script("2. Include it"))
    with root.network():  # a reload takes effect a moment after its command has ended
        eventually(lambda: get("/milepost/api/readyz", "app.example.org").status == 200, "nginx has it")
    said = root.sh(GUIDE.script("3. See that it works") + 'echo; echo "$SESSION_ID $TOKEN $WORKER_KEY"').stdout
    assert said.startswith("ready\nready\n")
    answers = said.splitlines()[-2]
    assert answers.count('"progress":45') == 2
    session, token, key = said.splitlines()[-1].split()
    with root.network():
        assert what_was_there() == before
        assert b"<html" in get("/milepost/watch/", "app.example.org").body
        url = f"ws://app.example.org/api/sessions/ws/{session}?token={token}"
        async with websockets.connect(url, host="127.0.0.1", ping_interval=None, open_timeout=PATIENCE) as ws:
            assert (await receive(ws))["progress"] == 45
            root.run("curl", "-fsS", "-H", "Host: app.example.org", "-H", f"Authorization: Bearer {key}", "-d",
                     "status=transcribing", "-d", "progress=50", f"http://localhost/api/sessions/{session}/progress")
            assert (await receive(ws))["progress"] == 50
    for command in GUIDE.inline():
        root.sh(command)
    logs = root.sh("cat /var/log/nginx/*.log; journalctl -b --no-pager").stdout
    for secret in (token, key):
        assert secret not in logs.replace(f"Bearer {key}", "")
    assert " watch 101 " in logs

    root.sh(GUIDE.script("To take it away"))
    with root.network():
        assert eventually(lambda: what_was_there() == before, "nginx is without it")
    assert root.run("systemctl", "show", "-P", "LoadState", "milepost-ws.service").stdout == "not-found\n"
