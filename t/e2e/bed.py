"""bed.py: a whole Milepost for a test: real nginx with TLS, milepost-ws, milepost-api, a database.

A Bed lives in a folder of its own, listens on ports that the kernel gave, ends only what it started,
and on leaving asserts that nothing went wrong unnoticed: programs ended with 0, no alert in a log, no
sanitizer's word, no secret in any log, a sound database.
"""
import asyncio
import base64
import contextlib
import hashlib
import hmac
import http.client
import json
import os
import pathlib
import random
import re
import resource
import secrets
import shutil
import signal
import socket
import sqlite3
import ssl
import subprocess
import tempfile
import time
import urllib.parse
import uuid

import websockets

TOP = pathlib.Path(__file__).resolve().parents[2]
BUILD = pathlib.Path(os.environ.get("MILEPOST_BUILD", TOP / "build-test"))
# ThreadSanitizer keeps memory and descriptors of its own.
IS_THREAD_BUILD = BUILD.name.startswith("build-thread")
# In a log. Each sanitizer's name ends so: AddressSanitizer, LeakSanitizer, ThreadSanitizer.
TROUBLE = re.compile(r"\[alert\]|\[emerg\]|\[crit\]|Sanitizer|runtime error|level=error")
PATIENCE = 20  # seconds that a condition may take; reached only when something is broken


def eventually(condition, what, patience=PATIENCE):
    """Waits until condition() is true; returns its value."""
    until = time.monotonic() + patience
    while not (value := condition()):
        assert time.monotonic() < until, f"not in time: {what}"
        time.sleep(0.01)
    return value


def free_ports(count):
    """Ports that are free now, all different; below those that the kernel gives to outgoing connections,
    one of which could take a port before nginx does."""
    first = int(pathlib.Path("/proc/sys/net/ipv4/ip_local_port_range").read_text().split()[0])
    ports = set()
    while len(ports) < count:
        port = random.randrange(first // 2, first)
        with contextlib.suppress(OSError), socket.socket() as s:
            s.bind(("127.0.0.1", port))
            ports.add(port)
    return sorted(ports)


def listens(path):
    """Can somebody connect? The file of a unix socket is there a moment before."""
    with contextlib.suppress(OSError), socket.socket(socket.AF_UNIX) as s:
        s.connect(str(path))
        return True
    return False


def b64(data):
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


class Closed(Exception):
    """What a watcher got before its connection was closed, and how it was closed."""

    def __init__(self, code, reason, messages):
        super().__init__(f"{code} {reason}")
        self.code, self.reason, self.messages = code, reason, messages


class Reply:
    def __init__(self, response):
        self.status = response.status
        self.headers = response.headers
        self.body = response.read()

    @property
    def json(self):
        return json.loads(self.body)


class Bed:
    def __init__(self, ws=1, **config):
        # Short, for the paths of unix sockets.
        self.dir = pathlib.Path(tempfile.mkdtemp(prefix="mp."))
        self.secret = secrets.token_urlsafe(48)
        self.hidden = [self.secret]  # what no log may hold
        self.config = config
        self.ws_count = ws
        self.procs = {}
        self.announced = []  # patterns of log lines that the test provokes on purpose

    # --- life ---

    def __enter__(self):
        try:
            self.write_files()
            self.ctl("init")
            self.worker_key = self.key("worker")
            self.admin_key = self.key("admin")
            self.start_api()
            for i in range(self.ws_count):
                self.start_ws(i)
            self.start_nginx()
            self.ready()
        except BaseException:
            self.stop()
            print(self.logs())
            raise
        return self

    def __exit__(self, kind, *_):
        codes = self.stop()
        logs = self.logs()
        if kind is not None:
            print(logs)
            return
        assert set(codes.values()) <= {0}, (codes, logs)
        # Line by line: a pattern that begins with .* is slow on much text.
        bad = [line for line in logs.splitlines() if TROUBLE.search(line)
               and not any(re.search(pattern, line) for pattern in self.announced)]
        assert not bad, bad[:100]
        for text in self.hidden:
            assert text not in logs, "a secret is in a log"
        assert self.sql("PRAGMA integrity_check") == [("ok",)]
        if "MILEPOST_KEEP" not in os.environ:
            shutil.rmtree(self.dir)

    def stop(self):
        """Ends all, the newest first; returns their exit statuses."""
        codes = {}
        for name, proc in reversed(list(self.procs.items())):
            with contextlib.suppress(ProcessLookupError):
                proc.terminate()
        for name, proc in self.procs.items():
            try:
                codes[name] = proc.wait(PATIENCE)
            except subprocess.TimeoutExpired:
                proc.kill()
                codes[name] = f"{name} did not end"
        self.procs = {}
        return codes

    def logs(self):
        return "\n".join(p.read_text(errors="replace") for p in sorted((self.dir / "log").glob("*")))

    # --- files ---

    @property
    def db(self):
        return pathlib.Path(self.config.get("database", self.dir / "milepost.db"))

    @property
    def conf(self):
        return self.dir / "milepost.conf"

    def ws_socket(self, i=0):
        return self.dir / f"ws{i}.sock"

    def write_config(self, **config):
        self.config.update(config)
        keys = {
            "database": self.db,
            "jwt_secret_file": self.dir / "jwt.secret",
            "ws_socket": self.ws_socket(),
            "api_socket": self.dir / "api.sock",
            "max_connections_per_user": 1000,
            "drain_time": "0s",
            **self.config,
        }
        self.conf.write_text("".join(f"{key} = {value}\n" for key, value in keys.items()))

    def write_files(self):
        for name in ("log", "tmp", "nginx"):
            (self.dir / name).mkdir()
        self.write_config()
        secret = self.dir / "jwt.secret"
        secret.touch(0o600)
        secret.write_text(self.secret + "\n")
        make_certificate(self.dir)
        self.port, self.tls_port = free_ports(2)
        servers = "".join(f"server unix:{self.ws_socket(i)} max_fails=0;\n" for i in range(self.ws_count))
        user = "user root;" if os.getuid() == 0 else ""
        for path in (TOP / "nginx").glob("*.conf"):
            text = path.read_text()
            for old, new in (
                ("@STATE@", str(self.dir)), ("@PORT@", str(self.port)),
                ("@TLS_PORT@", str(self.tls_port)), ("user @USER@;", user),
                ("server unix:/run/milepost/ws.sock max_fails=0;", servers),
                ("unix:/run/milepost/", f"unix:{self.dir}/"),
                ("/etc/nginx/milepost/", f"{self.dir}/nginx/"), ("/usr/share/milepost/www/", f"{TOP}/www/"), ("/var/log/nginx/", f"{self.dir}/log/"),
            ):
                text = text.replace(old, new)
            (self.dir / "nginx" / path.name).write_text(text)

    # --- programs ---

    def start(self, name, *args, stdin=subprocess.DEVNULL):
        raise_limit()
        env = {**os.environ, "MILEPOST_CONFIG": str(self.conf)}
        with open(self.dir / "log" / f"{name}.log", "ab") as log:
            self.procs[name] = subprocess.Popen(args, stdout=log, stderr=log, env=env,
                                                stdin=stdin)
        return self.procs[name]

    def start_api(self):
        return self.start("api", BUILD / "milepost-api")

    def start_ws(self, i=0):
        return self.start(f"ws{i}", BUILD / "milepost-ws", "-s", self.ws_socket(i))

    def start_nginx(self):
        nginx = shutil.which("nginx", path=os.environ["PATH"] + ":/usr/sbin")
        self.start("nginx", nginx, "-p", self.dir / "nginx", "-c", "example.conf",
                   "-e", self.dir / "log" / "nginx-error.log")

    def is_ready(self, program):
        try:
            return self.http("GET", f"/milepost/{program}/readyz").status == 200
        except OSError:
            return False

    def ready(self):
        for i in range(self.ws_count):
            eventually(lambda: listens(self.ws_socket(i)), f"ws{i} listens")
        eventually(lambda: listens(self.dir / "api.sock"), "api listens")
        for program in ("ws", "api"):
            eventually(lambda: self.is_ready(program), f"{program} is ready")

    def end(self, name, sig=signal.SIGTERM):
        """Sends the signal, waits for the end, and returns the exit status."""
        proc = self.procs.pop(name)
        proc.send_signal(sig)
        return proc.wait(PATIENCE)

    def ctl(self, *args, check=True, **kw):
        env = {**os.environ, "MILEPOST_CONFIG": str(self.conf), **kw.pop("env", {})}
        return subprocess.run([BUILD / "milepostctl", *map(str, args)], env=env, text=True,
                              capture_output=True, check=check, timeout=60, **kw)

    def refuses(self, program, *words, prefix=()):
        """The program, started beside the others, ends at once with 1 and one line that has these words."""
        other = self.dir / "other.sock"
        result = subprocess.run([*prefix, BUILD / program, "-c", self.conf, "-s", other], text=True,
                                capture_output=True, timeout=PATIENCE, stdin=subprocess.DEVNULL)
        assert result.returncode == 1, result
        lines = [line for line in result.stderr.splitlines() if line.startswith(f"{program}: ")]
        assert len(lines) == 1 and all(word in lines[0] for word in words), result.stderr
        assert not other.exists()

    # --- data ---

    def sql(self, statement, *args):
        """As an operator at a sqlite3 shell would."""
        db = sqlite3.connect(self.db, timeout=PATIENCE, isolation_level=None)
        try:
            db.execute("PRAGMA wal_autocheckpoint = 0")
            return db.execute(statement, args).fetchall()
        finally:
            db.close()

    def stored(self, session):
        """The revisions and messages of a session's updates, in order."""
        return self.sql("SELECT e.revision, e.message FROM event e JOIN session s ON s.number = e.session "
                        "WHERE s.id = ? ORDER BY e.revision", session)

    def copies(self, session, count, **columns):
        """So many copies of a session's only update, but for these columns: expressions of SQL, where i counts from 1."""
        names = ("session", "run", "status", "rank", "outcome", "progress", "message", "error", "updated_at", "created_at")
        self.sql(f"INSERT INTO event ({', '.join(names)}) "
                 "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < ?) "
                 f"SELECT {', '.join(columns.get(name, name) for name in names)} FROM n, "
                 "(SELECT * FROM event WHERE session = (SELECT number FROM session WHERE id = ?))", count, session)

    def key(self, scope):
        key = ("mpw_" if scope == "worker" else "mpa_") + b64(secrets.token_bytes(32))
        self.hidden.append(key)
        self.sql("INSERT INTO key (hash, scope, name) VALUES (?, ?, ?)",
                 hashlib.sha256(key.encode()).digest(), scope, secrets.token_hex(8))
        return key

    def user(self, role, **columns):
        user = str(uuid.uuid4())
        self.sql("INSERT INTO user (id, role, is_active, email, password) VALUES (?, ?, ?, ?, ?)", user,
                 role, columns.get("is_active", 1), columns.get("email"), columns.get("password"))
        return user

    def session(self, patient=None):
        session = str(uuid.uuid4())
        self.sql("INSERT INTO session (id, patient_id) VALUES (?, ?)", session, patient)
        return session

    def token(self, user, *, alg="HS256", secret=None, header=None, lifetime=3600, **claims):
        """A token minted here, independently of the programs; claims of None are left out."""
        claims = {"sub": user, "exp": int(time.time()) + lifetime, **claims}
        claims = {name: value for name, value in claims.items() if value is not None}
        head = b64(json.dumps({"alg": alg, "typ": "JWT"} if header is None else header).encode())
        body = b64(json.dumps(claims).encode())
        digest = {"HS256": hashlib.sha256, "HS384": hashlib.sha384, "HS512": hashlib.sha512}.get(alg)
        signed = f"{head}.{body}"
        signature = b64(hmac.new((self.secret if secret is None else secret).encode(), signed.encode(), digest).digest()) \
            if digest else ""
        self.hidden.append(f"{signed}.{signature}")
        return self.hidden[-1]

    def therapist(self):
        return self.token(self.user("therapist"))

    # --- clients ---

    @property
    def tls(self):
        return ssl.create_default_context(cafile=self.dir / "tls.crt")

    def http(self, method, path, body=None, *, bearer=None, plain=False, **headers):
        """One request through nginx, by TLS unless plain."""
        if bearer is not None:
            headers["Authorization"] = f"Bearer {bearer}"
        headers = {name.replace("_", "-"): value for name, value in headers.items()}
        if plain:
            connection = http.client.HTTPConnection("localhost", self.port, timeout=PATIENCE)
        else:
            connection = http.client.HTTPSConnection("localhost", self.tls_port, timeout=PATIENCE,
                                                     context=self.tls)
        with contextlib.closing(connection):
            connection.request(method, path, body, headers)
            return Reply(connection.getresponse())

    def json(self, method, path, value, **kw):
        return self.http(method, path, json.dumps(value), Content_Type="application/json", **kw)

    def report(self, session, status, progress=None, *, bearer=None, **members):
        """A worker's report, as JSON."""
        if progress is not None:
            members["progress"] = progress
        return self.json("POST", f"/api/sessions/{session}/progress", {"status": status, **members},
                         bearer=bearer or self.worker_key)

    def form(self, session, bearer=None, **fields):
        """A worker's report, as curl -d sends it."""
        return self.http("POST", f"/api/sessions/{session}/progress", urllib.parse.urlencode(fields),
                         bearer=bearer or self.worker_key,
                         Content_Type="application/x-www-form-urlencoded")

    def batch(self, session, updates):
        """A worker's reports of one session, as one batch: one transaction."""
        lines = "\n".join(json.dumps({"session_id": session, **u}) for u in updates)
        return self.http("POST", "/milepost/v1/progress", lines, bearer=self.worker_key,
                         Content_Type="application/x-ndjson")

    def metric(self, name, program="ws"):
        """A metric's value; 0 where a labelled one has no line yet."""
        lines = self.http("GET", f"/milepost/{program}/metrics").body.decode().splitlines()
        return int(dict(line.rsplit(" ", 1) for line in lines).get(f"milepost_{program}_{name}", 0))

    def watch(self, session, token=None, *, ticket=None, direct=None, since=None, plain=False, **kw):
        """A connection of the websockets library: through nginx by wss (ws where plain), or direct to
        the n-th socket."""
        query = {"token": token, "ticket": ticket, "since": since}
        query = urllib.parse.urlencode({k: v for k, v in query.items() if v is not None})
        path = f"/api/sessions/ws/{session}" + (f"?{query}" if query else "")
        kw = {"open_timeout": PATIENCE, "close_timeout": 2, "ping_interval": None, **kw}
        if direct is not None:
            return websockets.unix_connect(str(self.ws_socket(direct)), f"ws://localhost{path}", **kw)
        if plain:
            return websockets.connect(f"ws://localhost:{self.port}{path}", **kw)
        return websockets.connect(f"wss://localhost:{self.tls_port}{path}", ssl=self.tls, **kw)


def reload(bed, failed=False):
    """Both daemons, until both have."""
    words = ".reload-failed" if failed else ".reload"
    pattern = rf"event=(?:ws|api){re.escape(words)}(?![-\w])"
    before = len(re.findall(pattern, bed.logs()))
    for name in ("ws0", "api"):
        bed.procs[name].send_signal(signal.SIGHUP)
    eventually(lambda: len(re.findall(pattern, bed.logs())) >= before + 2, words)


class RawWatcher:
    """A watcher that reads only when it is told to, and answers nothing: a socket behind its 101.

    By "direct" to milepost-ws's socket, by "plain" or "tls" through nginx, with a small receive buffer.
    """

    def __init__(self, bed, session, token, by="direct", since=0):
        family = socket.AF_UNIX if by == "direct" else socket.AF_INET
        self.socket = socket.socket(family, socket.SOCK_STREAM)
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        self.socket.settimeout(PATIENCE)
        self.socket.connect(str(bed.ws_socket()) if by == "direct" else
                            ("127.0.0.1", bed.tls_port if by == "tls" else bed.port))
        if by == "tls":
            self.socket = bed.tls.wrap_socket(self.socket, server_hostname="localhost")
        self.socket.sendall((f"GET /api/sessions/ws/{session}?token={token}&since={since} HTTP/1.1\r\n"
                             "Host: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                             "Sec-WebSocket-Version: 13\r\n"
                             "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n").encode())
        self.file = self.socket.makefile("rb")
        assert b" 101 " in self.file.readline()
        while self.file.readline() != b"\r\n":
            pass

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.file.close()
        self.socket.close()

    def frame(self):
        """The next frame, which must be whole: its first byte and its payload; None at the end."""
        head = self.file.read(2)
        if head == b"":
            return None
        size = head[1]
        if size > 125:
            size = int.from_bytes(self.file.read(2 if size == 126 else 8), "big")
        payload = self.file.read(size)
        assert len(head) == 2 and len(payload) == size, "cut off within a frame"
        return head[0], payload

    def frames(self):
        """All frames up to the end."""
        return iter(self.frame, None)


async def receive(ws):
    """The next message, parsed; Closed if there is none any more."""
    try:
        return json.loads(await asyncio.wait_for(ws.recv(), PATIENCE))
    except websockets.ConnectionClosed:
        raise Closed(ws.close_code, ws.close_reason, []) from None


async def update(ws):
    """The next message that is no ping."""
    while (message := await receive(ws)).get("type") == "ping":
        pass
    return message


async def until_closed(ws):
    """All messages but pings until the connection is closed, as Closed."""
    messages = []
    while True:
        try:
            messages.append(await update(ws))
        except Closed as closed:
            return Closed(closed.code, closed.reason, messages)


def raise_limit():
    """As many open files as may be: a watcher costs nginx two."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


def make_certificate(folder):
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1",
                    "-nodes", "-days", "2", "-subj", "/CN=localhost", "-addext",
                    "subjectAltName=DNS:localhost", "-keyout", folder / "tls.key", "-out",
                    folder / "tls.crt"], check=True, capture_output=True)
