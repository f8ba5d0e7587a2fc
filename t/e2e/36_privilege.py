"""Least privilege: what the programs gave up, what their files, their /proc and their answers show."""
import base64
import json
import os
import pathlib
import re
import shutil
import signal
import socket
import stat
import subprocess
import urllib.parse
import uuid

import pytest
import websockets

from bed import BUILD, TOP, Bed, Closed, eventually, listens, receive, until_closed, update

BINARY = (BUILD / "milepost-ws").read_bytes()
IS_SANITIZED = b"__asan_init" in BINARY or b"__tsan_init" in BINARY
plain_only = pytest.mark.skipif(IS_SANITIZED, reason="LeakSanitizer traces; see src/base/sandbox.c")
filtered_only = pytest.mark.skipif(b"seccomp_load" not in BINARY, reason="built without libseccomp")
as_root_only = pytest.mark.skipif(os.getuid() != 0, reason="only root may look, or raise a limit")

PROGRAMS = {"api": "milepost-api", "ws0": "milepost-ws"}
PASSWORD = "correct horse battery staple"
EXPOSURE_MAX = 1.0  # systemd's measure: 10 is a service without any limits


def status_of(proc):
    """What /proc tells of every thread: a list of dictionaries."""
    return [dict(re.findall(r"^(\w+):\s*(.*)$", (task / "status").read_text(), re.M))
            for task in pathlib.Path(f"/proc/{proc.pid}/task").iterdir()]


def start_line(bed, name):
    """A thread may have answered before it is written."""
    log = bed.dir / "log" / f"{name}.log"
    return eventually(lambda: re.findall(r"^.* event=\w+\.start .*$", log.read_text(), re.M), "it says so")[-1]


# --- what was given up ---

@filtered_only
@pytest.mark.parametrize("name", PROGRAMS)
def test_filter(bed, name):
    """Every thread is under the filter, can't gain privileges, and the start line says so."""
    threads = status_of(bed.procs[name])
    assert len(threads) > 1 or name != "api"
    for status in threads:
        assert (status["NoNewPrivs"], status["Seccomp"]) == ("1", "2")
    assert " level=info " in start_line(bed, name) and " sandbox=on" in start_line(bed, name)


@pytest.mark.skipif(b"seccomp_load" in BINARY, reason="built with libseccomp")
@pytest.mark.parametrize("name", PROGRAMS)
def test_no_filter(bed, name):
    """Without the filter the programs run, and warn once."""
    assert " level=warn " in start_line(bed, name) and " sandbox=absent" in start_line(bed, name)


@pytest.mark.parametrize("name", PROGRAMS)
def test_limits(bed, name):
    """No core file, and no file that others may read."""
    proc = bed.procs[name]
    limits = pathlib.Path(f"/proc/{proc.pid}/limits").read_text()
    assert re.search(r"^Max core file size +0 +0 ", limits, re.M)
    for status in status_of(proc):
        assert status["NoNewPrivs"] == "1"
        assert int(status["Umask"], 8) & 0o007 == 0o007


UNLIMITED = "--core=unlimited:unlimited"


def cores_in(folder):
    return list(folder.glob("core*"))


@pytest.fixture
def core_dir(tmp_path):
    """A folder in which a crash leaves a core file, where it may."""
    subprocess.run(["prlimit", UNLIMITED, "sh", "-c", "kill -SEGV $$"], cwd=tmp_path, capture_output=True)
    if not cores_in(tmp_path):
        pytest.skip("this system leaves core files nowhere, or elsewhere")
    for core in cores_in(tmp_path):
        core.unlink()
    return tmp_path


@plain_only
@as_root_only
@pytest.mark.parametrize("name", PROGRAMS)
@pytest.mark.parametrize("sig", [signal.SIGSEGV, signal.SIGABRT])
def test_no_core(core_dir, name, sig):
    """Not even where the limit is raised from outside does a crash leave what was in memory."""
    with Bed() as bed:
        assert bed.end(name) == 0
        socket_path = bed.dir / "api.sock" if name == "api" else bed.ws_socket()
        proc = bed.start(name, "env", "-C", core_dir, "prlimit", UNLIMITED, BUILD / PROGRAMS[name], "-s", socket_path)
        eventually(lambda: listens(socket_path), "it listens")
        bed.ready()
        # As root would where something goes wrong; not every container lets it.
        subprocess.run(["prlimit", "--pid", str(proc.pid), UNLIMITED], capture_output=True)
        assert bed.end(name, sig) == -sig
        assert not cores_in(core_dir)


@plain_only
@as_root_only
def test_no_core_of_milepostctl(bed, core_dir):
    """Nor does milepostctl, which has keys and passwords, too."""
    session = bed.session()
    bed.report(session, "uploading", 1)
    proc = subprocess.Popen(["prlimit", UNLIMITED, BUILD / "milepostctl", "-c", bed.conf, "watch", session],
                            cwd=core_dir, stdout=subprocess.PIPE)
    assert b"uploading" in proc.stdout.readline()
    proc.send_signal(signal.SIGSEGV)
    proc.communicate(timeout=20)
    assert proc.returncode == -signal.SIGSEGV and not cores_in(core_dir)


async def test_all_goes_on():
    """In the sandbox: another secret by SIGHUP, a bell made anew, logins, and the own socket unlinked."""
    with Bed(users="database") as bed:
        session = bed.session()
        bed.secret = "another secret, of more than 32 characters"
        bed.hidden.append(bed.secret)
        (bed.dir / "jwt.secret").write_text(bed.secret)
        for name in PROGRAMS:
            bed.procs[name].send_signal(signal.SIGHUP)
            eventually(lambda: ".reload" in (bed.dir / "log" / f"{name}.log").read_text(), "it reloads")
        async with bed.watch(session, bed.therapist()) as ws:
            bed.report(session, "uploading", 1)
            assert (await update(ws))["progress"] == 1
            bell = bed.dir / "milepost.db-bell"
            bell.unlink()
            bed.report(session, "uploading", 2)
            assert (await update(ws))["progress"] == 2
            eventually(bell.exists, "the bell is made anew")
        for name in PROGRAMS:
            assert bed.end(name) == 0
        assert not bed.ws_socket().exists() and not (bed.dir / "api.sock").exists()


# --- files ---

def test_modes(bed):
    """Sockets are for owner and group alone, and what the programs make is not for others."""
    for path in (bed.ws_socket(), bed.dir / "api.sock"):
        assert stat.S_IMODE(path.stat().st_mode) == 0o660
    for path in bed.dir.glob("milepost.db*"):
        assert stat.S_IMODE(path.stat().st_mode) & 0o007 == 0, path


# --- what is secret stays so ---

def spoilt(token):
    """The same token with one character of its signature changed."""
    return token[:-10] + ("A" if token[-10] != "A" else "B") + token[-9:]


class Prober:
    """Sends secrets in every place where one could be, and keeps what was answered."""

    def __init__(self, bed):
        self.bed, self.answers = bed, []
        self.session = bed.session()
        user = bed.user("therapist")
        good = bed.token(user)
        self.refresh = bed.token(user, lifetime=1800)
        self.tokens = [good, spoilt(good), bed.token(user, lifetime=-100), bed.token(user, alg="HS512"),
                       bed.token(user, alg="none"), bed.token(str(uuid.uuid4())), bed.worker_key, bed.admin_key,
                       spoilt(bed.worker_key), good + "\x7f", good * 20]
        self.secrets = [bed.secret, PASSWORD, urllib.parse.quote(PASSWORD), *self.tokens,
                        *(t.rpartition(".")[2] for t in self.tokens if t.count(".") == 2 and t[-1] != ".")]

    def http(self, *args, **kw):
        reply = self.bed.http(*args, **kw)
        self.answers.append(str(reply.headers).encode() + reply.body)
        return reply.status

    def rest(self, token):
        progress = f"/api/sessions/{self.session}/progress"
        quoted = urllib.parse.quote(token)
        seen = set()
        for method, path, body in (
                ("GET", progress, None), ("POST", progress, b"status=uploading&progress=1"), ("PUT", progress, b"{}"),
                ("GET", f"/api/sessions/{uuid.uuid4()}/progress", None), ("POST", progress, b"status=" + token.encode()),
                ("POST", progress, json.dumps({"status": token, "message": token, "x": token}).encode()),
                ("POST", progress, b"x" * 100000), ("GET", f"{progress}?token={quoted}", None),
                ("GET", f"/api/sessions/ws/{self.session}?token={quoted}", None),
                ("GET", f"/nowhere?token={quoted}", None), ("GET", f"/milepost/watch/none?token={quoted}", None),
                ("GET", f"/api/sessions/ws/?token={quoted}", None), ("GET", f"/milepost/v1/none?token={quoted}", None),
                ("GET", f"{progress}/history?token={quoted}&since=x", None),
                ("PUT", f"/milepost/v1/users/{uuid.uuid4()}",
                 json.dumps({"role": "nobody", "password": PASSWORD}).encode()),
                ("PUT", f"/milepost/v1/users/{uuid.uuid4()}",
                 json.dumps({"role": "patient", "password": PASSWORD}).encode())):
            seen.add(self.http(method, path, body, bearer=token))
            form = "application/x-www-form-urlencoded" if body and b"=" in body else "application/json"
            seen.add(self.http(method, path, body, bearer=token, Content_Type=form))
        basic = base64.b64encode(f"x:{token}".encode()).decode()
        self.secrets.append(basic)
        for headers in ({"Authorization": f"Basic {basic}"}, {"Authorization": token}, {"X_Api_Key": token},
                        {"Cookie": f"token={token}"}, {"If_None_Match": token}):
            seen.add(self.http("GET", progress, **headers))
        return seen

    def login(self):
        user = self.bed.user("patient", email="probe@example.org", password="$y$no hash")
        self.http("PUT", f"/milepost/v1/users/{user}", json.dumps({"password": PASSWORD}), bearer=self.bed.admin_key,
                  Content_Type="application/json")
        for body in ({"email": PASSWORD, "password": PASSWORD}, {"email": "probe@example.org", "password": [PASSWORD]},
                     {"email": "probe@example.org", "password": PASSWORD + "x"}, PASSWORD):
            assert self.http("POST", "/api/v1/login", json.dumps(body), Content_Type="application/json") >= 400
        reply = self.bed.json("POST", "/api/v1/login", {"email": "probe@example.org", "password": PASSWORD})
        assert reply.status == 200
        self.secrets.append(reply.json["access_token"])

    def raw(self, path, data):
        """Bytes as they are to a socket, TCP's or unix; keeps the answer."""
        with socket.socket(socket.AF_INET if isinstance(path, tuple) else socket.AF_UNIX) as s:
            s.settimeout(20)
            s.connect(path)
            s.sendall(data)
            answer = b""
            try:
                while chunk := s.recv(65536):
                    answer += chunk
                    if answer.startswith(b"HTTP/1.1 101"):
                        break
            except ConnectionResetError:
                pass
        self.answers.append(answer)

    def heads(self, token):
        """Heads that are broken in one way each, around a token."""
        target = f"/api/sessions/ws/{self.session}?token={token}"
        host = "Host: localhost\r\n"
        for head in (f"GET {target}\r\n\r\n", f"GET  {target} HTTP/1.1\r\n\r\n", f"BREW {target} HTTP/1.1\r\n{host}\r\n",
                     f"GET {target} HTTP/9.1\r\n{host}\r\n", f"GET {target}% HTTP/1.1\r\n{host}\r\n",
                     f"GET {target} HTTP/1.1\r\n\r\n", f"GET {target} HTTP/1.1\r\n{host}Bad\x01: {token}\r\n\r\n",
                     f"GET {target} HTTP/1.1\r\n{host}Authorization {token}\r\n\r\n",
                     f"GET {target} HTTP/1.1\r\n{host}Authorization: Bearer {token * 200}\r\n\r\n",
                     f"GET {target * 200} HTTP/1.1\r\n{host}\r\n",
                     f"GET {target} HTTP/1.1\r\n{host}Content-Length: {token}\r\n\r\n"):
            for path in (str(self.bed.ws_socket()), ("127.0.0.1", self.bed.port)):
                self.raw(path, head.encode() if path == str(self.bed.ws_socket()) else
                         head.replace("\r\nHost", "\r\nConnection: close\r\nHost").encode())

    async def watch(self, token):
        """Watches with the token in each of its places, and as a message."""
        subprotocol = re.fullmatch(r"[\w.-]{1,2000}", token)
        for kw in ({"token": token}, {"extra_headers": {"Authorization": f"Bearer {token}"}},
                   *([{"subprotocols": ["bearer", token]}] if subprotocol else [])):
            try:
                async with self.bed.watch(self.session, **kw) as ws:
                    self.answers.append(json.dumps(await receive(ws)).encode())
                    await ws.send(json.dumps({"type": "refresh", "token": self.refresh}))
                    await ws.send(json.dumps({"type": "refresh", "token": spoilt(token)}))
                    await ws.send(json.dumps({"type": token, token: token}))
                    await ws.send(token)
                    await ws.close()
                    closed = await until_closed(ws)
                    self.answers.append(repr((closed.reason, closed.messages)).encode())
            except Closed as closed:
                self.answers.append(f"{closed.reason}".encode())
            except websockets.InvalidStatusCode as refused:
                self.answers.append(str(refused.headers).encode())
            except (websockets.InvalidHandshake, websockets.ConnectionClosed, ValueError):
                pass


def processes(bed):
    """The programs, and nginx with its workers."""
    pids = [proc.pid for proc in bed.procs.values()]
    for pid in list(pids):
        out = subprocess.run(["ps", "-o", "pid=", "--ppid", str(pid)], text=True, capture_output=True).stdout
        pids += map(int, out.split())
    return pids


async def test_nothing_tells():
    """Good, bad and misplaced tokens, keys and passwords are in no log, title, environment or answer."""
    with Bed(log_level="debug") as bed:
        prober = Prober(bed)
        bed.report(prober.session, "uploading", 1)
        for token in prober.tokens:
            if token.isprintable():
                statuses = prober.rest(token)
                assert statuses & {400, 401, 403, 404}, statuses
                await prober.watch(token)
            prober.heads(token)
        prober.login()
        secrets = {secret.encode() for secret in prober.secrets} | {secret.encode() for secret in bed.hidden}
        assert len(prober.answers) > 300 and min(map(len, secrets)) > 20
        for what in prober.answers:
            assert not any(secret in what for secret in secrets), what
        for pid in processes(bed):
            for name in ("cmdline", "comm", "environ"):
                try:
                    text = pathlib.Path(f"/proc/{pid}/{name}").read_bytes()
                except PermissionError:
                    continue  # of a process that can't be read, by who is not root
                assert not any(secret in text for secret in secrets), (pid, name)
        assert bed.is_ready("ws") and bed.is_ready("api")
        logs = bed.logs().encode()
        assert b"event=api.request" in logs and b"event=ws.refused" in logs
        leaks = [line for line in logs.splitlines() if any(secret in line for secret in secrets)]
        assert not leaks


@plain_only
@pytest.mark.skipif(os.getuid() == 0, reason="root may look at everything")
@pytest.mark.parametrize("name", PROGRAMS)
def test_not_readable_by_its_own_user(bed, name):
    """Another process of the same user can read neither environment nor memory."""
    with pytest.raises(PermissionError):
        pathlib.Path(f"/proc/{bed.procs[name].pid}/environ").read_bytes()


@as_root_only
async def test_as_a_user_of_their_own():
    """Without root's rights both do all of their work; another process of their user can't look into them."""
    uid = 65534
    user = ("setpriv", f"--reuid={uid}", f"--regid={uid}", "--clear-groups", "--inh-caps=-all", "--no-new-privs")
    with Bed() as bed:
        for name in PROGRAMS:
            bed.end(name)
        bed.announced.append(r".*\[crit\] .*connect\(\).*")
        for path in (bed.dir, *bed.dir.glob("milepost.db*"), bed.dir / "jwt.secret"):
            os.chown(path, uid, uid)
        for name, path in (("ws0", bed.ws_socket()), ("api", bed.dir / "api.sock")):
            # The build may lie where this user can't go.
            bed.start(name, *user, shutil.copy(BUILD / PROGRAMS[name], bed.dir), "-s", path)
        bed.ready()
        session = bed.session()
        async with bed.watch(session, bed.therapist(), since=0) as ws:
            bed.report(session, "uploading", 1)
            assert (await update(ws))["progress"] == 1
        for name in PROGRAMS:
            pid = bed.procs[name].pid
            for status in status_of(bed.procs[name]):
                assert set(status["Uid"].split()) == {str(uid)} and int(status["CapEff"], 16) == 0
            if not IS_SANITIZED:
                peek = subprocess.run([*user, "cat", f"/proc/{pid}/environ"], capture_output=True, text=True)
                assert peek.returncode == 1 and "Permission denied" in peek.stderr, peek


# --- systemd ---

@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="systemd is not installed")
@pytest.mark.parametrize("program", ["milepost-ws", "milepost-api", "milepost-relay"])
def test_unit(tmp_path, program):
    """systemd finds little in the unit that could be given up, and knows every key of it."""
    unit = tmp_path / f"{program}.service"
    unit.write_text((TOP / "systemd" / unit.name).read_text().replace("@sbindir@", str(BUILD)))
    result = subprocess.run(["systemd-analyze", "security", "--offline=true", "--no-pager", unit], text=True,
                            capture_output=True, timeout=60)
    if "unrecognized option" in result.stderr:
        pytest.skip("this systemd can't judge a file")
    assert "nknown key" not in result.stderr and "ailed to parse" not in result.stderr, result.stderr
    found = re.search(r"Overall exposure level for .*: ([\d.]+)", result.stdout)
    # The relay's unit has what a connection to another host costs.
    most = EXPOSURE_MAX + (1.0 if program == "milepost-relay" else 0)
    assert found and float(found[1]) <= most, result.stdout + result.stderr
