"""Other ways in which the programs are started: plain CGI, spawn-fcgi, ./run."""
import asyncio
import concurrent.futures
import contextlib
import json
import os
import signal
import socket
import sqlite3
import ssl
import struct
import subprocess
import uuid

import pytest
import websockets

from bed import BUILD, TOP, Bed, eventually, free_ports, update


def cgi(bed, method, path, body=b"", args=(), **env):
    """One request as a web server would have a CGI program serve it."""
    env = {"MILEPOST_CONFIG": str(bed.conf), "GATEWAY_INTERFACE": "CGI/1.1", "REQUEST_METHOD": method,
           "REQUEST_URI": path, "QUERY_STRING": path.partition("?")[2], "CONTENT_LENGTH": str(len(body)), **env}
    out = subprocess.run([BUILD / "milepost-api", *args], input=body, env={**os.environ, **env}, capture_output=True,
                         timeout=20).stdout
    head, _, body = out.partition(b"\r\n\r\n")
    headers = dict(line.split(": ", 1) for line in head.decode().split("\r\n"))
    return int(headers["Status"].split()[0]), headers, body


async def test_cgi(bed):
    """The same binary serves one request as CGI; watchers see it all the same."""
    session = bed.session()
    async with bed.watch(session, bed.therapist()) as ws:
        status, _, body = cgi(bed, "POST", f"/api/sessions/{session}/progress", b"status=transcribing&progress=45",
                              CONTENT_TYPE="application/x-www-form-urlencoded",
                              HTTP_AUTHORIZATION=f"Bearer {bed.worker_key}")
        assert status == 200
        assert await update(ws) == json.loads(body)
    status, headers, body = cgi(bed, "GET", f"/api/sessions/{session}/progress?x=1",
                                HTTP_AUTHORIZATION=f"Bearer {bed.therapist()}")
    assert (status, json.loads(body)["progress"]) == (200, 45) and headers["ETag"]
    assert cgi(bed, "POST", f"/api/sessions/{session}/progress", b"x")[0] == 401


def test_cgi_bounds_the_wal():
    """Also where every request is a process of its own, a held reader does not let the WAL grow beyond wal_max."""
    with Bed(wal_max="8m") as bed:
        session = bed.session()

        def batch():
            lines = "\n".join(json.dumps({"session_id": session, "status": "transcribing", "progress": 20,
                                          "message": f"{uuid.uuid4()} {'x' * 900}"}) for _ in range(900))
            return cgi(bed, "POST", "/milepost/v1/progress", lines.encode(), CONTENT_TYPE="application/x-ndjson",
                       HTTP_AUTHORIZATION=f"Bearer {bed.worker_key}")

        with contextlib.closing(sqlite3.connect(bed.db, isolation_level=None)) as reader:
            reader.execute("BEGIN")
            reader.execute("SELECT count(*) FROM event").fetchone()
            answers = [batch() for _ in range(20)]
            assert [status for status, *_ in answers].count(503) > 5 and answers[-1][1]["Retry-After"] == "1"
            assert 8 << 20 < os.stat(f"{bed.db}-wal").st_size < 12 << 20
        assert [batch()[0] for _ in range(20)] == [200] * 20
        assert os.stat(f"{bed.db}-wal").st_size < 12 << 20
        assert bed.sql("SELECT count(*) FROM event") == [(900 * (20 + [s for s, *_ in answers].count(200)),)]


def test_cgi_over_a_socket(bed):
    """A server that talks to the program by a socket, as Apache's mod_cgid does, gets the answer also where the body was
    of no interest."""
    body = b"x" * 100000
    ours, theirs = socket.socketpair()
    with ours:
        env = {**os.environ, "MILEPOST_CONFIG": str(bed.conf), "GATEWAY_INTERFACE": "CGI/1.1", "REQUEST_METHOD": "POST",
               "REQUEST_URI": f"/api/sessions/{bed.session()}/progress", "CONTENT_LENGTH": str(len(body))}
        proc = subprocess.Popen([BUILD / "milepost-api"], env=env, stdin=theirs, stdout=theirs, stderr=subprocess.DEVNULL)
        theirs.close()
        ours.settimeout(20)
        ours.sendall(body)
        assert proc.wait(20) == 0
        answer = b""
        while chunk := ours.recv(65536):
            answer += chunk
    assert answer.startswith(b"Status: 401 ") and answer.endswith(b"}")


def test_cgi_answers_always(bed):
    """Where not even the configuration is there, the server gets a 503, not a dead program."""
    assert cgi(bed, "GET", "/milepost/api/healthz", MILEPOST_CONFIG="/nonexistent")[0] == 503


def test_cgi_arguments_are_a_strangers(bed):
    """Web servers hand the words of a query to a CGI program as its arguments: none of them counts."""
    before = bed.db.stat().st_ino
    for args in (["-s", str(bed.db)], ["-s", str(bed.dir / "new.sock")], ["-c", "/nonexistent"], ["-t"], ["-V"],
                 ["--help"], ["since"], ["-x"]):
        status, _, body = cgi(bed, "GET", "/milepost/api/healthz?" + "+".join(args), args=args)
        assert (status, body) == (200, b"ok\n"), args
    assert bed.db.stat().st_ino == before and not (bed.dir / "new.sock").exists()


@pytest.mark.parametrize("program", ["milepost-ws", "milepost-api"])
def test_a_file_is_not_taken_for_a_socket(bed, program):
    """A path that somebody mistyped is not removed."""
    path = bed.dir / "precious"
    path.write_text("x")
    done = subprocess.run([BUILD / program, "-c", bed.conf, "-s", path], capture_output=True, text=True, timeout=20)
    assert done.returncode == 1 and f"{path}: a file of that name is there" in done.stderr
    assert path.read_text() == "x"


def test_inherited_socket():
    """A listening socket on descriptor 0, as spawn-fcgi leaves it, is served."""
    with Bed() as bed:
        assert bed.end("api") == 0
        path = bed.dir / "api.sock"
        subprocess.run(["spawn-fcgi", "-s", path, "-P", bed.dir / "api.pid", "--", BUILD / "milepost-api"],
                       env={**os.environ, "MILEPOST_CONFIG": str(bed.conf)}, check=True, capture_output=True)
        pid = int((bed.dir / "api.pid").read_text())
        try:
            eventually(lambda: bed.is_ready("api"), "the spawned program serves")
            assert bed.report(bed.session(), "uploading", 1).status == 200
        finally:
            os.kill(pid, signal.SIGTERM)
        eventually(lambda: not is_alive(pid), "it ends")
        assert path.exists(), "the socket is not ours to remove"


def record(kind, content):
    """One of FastCGI's (section 3.3 of its specification), of request 1."""
    return struct.pack("!BBHHBB", 1, kind, 1, len(content), 0, 0) + content


def pairs(params):
    return b"".join(struct.pack("!II", len(name) | 1 << 31, len(value) | 1 << 31) + f"{name}{value}".encode()
                    for name, value in params.items())


@pytest.mark.parametrize("bearer,status", [(True, b"200"), (False, b"401")])
def test_fastcgi_from_one_who_writes_first(bed, bearer, status):
    """A web server that sends all of a request before it reads any of the answer, as mod_fcgid does, gets one,
    however long both are: nobody waits for the other for ever."""
    session = bed.session()
    updates = [{"status": "transcribing", "progress": 20, "message": f"{i} {'x' * 1000}"} for i in range(900)]
    assert bed.batch(session, updates).status == 200
    params = {"REQUEST_METHOD": "GET", "PATH_INFO": f"/api/sessions/{session}/progress/history",
              "CONTENT_LENGTH": "1000000", **({"HTTP_AUTHORIZATION": f"Bearer {bed.therapist()}"} if bearer else {})}
    with socket.socket(socket.AF_UNIX) as s:
        s.settimeout(20)
        s.connect(str(bed.dir / "api.sock"))
        s.sendall(record(1, b"\0\1" + bytes(6)) + record(4, pairs(params)) + record(4, b"") + record(5, b"x" * 50000) * 20 +
                  record(5, b""))
        answer = s.makefile("rb").read()
    assert answer[8:].startswith(b"Status: " + status) and (len(answer) > 10 ** 6) == bearer


def test_fastcgi_without_an_end(bed):
    """A web server that has sent a whole report, but not yet that it is whole, holds up nobody but itself."""
    session, other = bed.session(), bed.session()
    body = b'{"status":"uploading","progress":7}'
    params = {"REQUEST_METHOD": "POST", "PATH_INFO": f"/api/sessions/{session}/progress", "CONTENT_LENGTH": str(len(body)),
              "CONTENT_TYPE": "application/json", "HTTP_AUTHORIZATION": f"Bearer {bed.worker_key}"}
    with socket.socket(socket.AF_UNIX) as s:
        s.settimeout(20)
        s.connect(str(bed.dir / "api.sock"))
        s.sendall(record(1, b"\0\1" + bytes(6)) + record(4, pairs(params)) + record(4, b"") + record(5, body))
        assert [bed.report(other, "uploading", p).status for p in range(20)] == [200] * 20
        s.sendall(record(5, b""))
        answer = s.makefile("rb").read()
    assert answer[8:].startswith(b"Status: 200")
    assert bed.http("GET", f"/api/sessions/{session}/progress", bearer=bed.therapist()).json["progress"] == 7


def test_nginx_passes_on_what_is_read():
    """Of what a browser sends milepost-api gets what it reads, and neither the site's cookies nor anything else."""
    with Bed() as bed, socket.socket(socket.AF_UNIX) as listener, concurrent.futures.ThreadPoolExecutor() as pool:
        assert bed.end("api") == 0
        listener.bind(str(bed.dir / "api.sock"))
        listener.listen()
        listener.settimeout(20)
        answer = pool.submit(bed.http, "GET", f"/api/sessions/{uuid.uuid4()}/progress/history?since=3", bearer="a-token",
                             If_None_Match='"7"', Cookie="site=a-secret", User_Agent="a-browser")
        with listener.accept()[0] as peer:
            params = peer.recv(65536)
        assert answer.result().status == 503
    for value in (b"GET", b"/progress/history", b"since=3", b"Bearer a-token", b'"7"'):
        assert value in params, value
    for other in (b"a-secret", b"a-browser", b"HTTP_COOKIE", b"HTTP_HOST"):
        assert other not in params, other


def is_alive(pid):
    try:
        with open(f"/proc/{pid}/stat") as f:
            return f.read().rsplit(")", 1)[1].split()[0] != "Z"
    except FileNotFoundError:
        return False


@pytest.mark.parametrize("program", ["milepost-ws", "milepost-api"])
def test_socket_activation(bed, program):
    """A socket handed over by systemd's protocol is served, and left in its place."""
    path = bed.dir / f"activated-{program}.sock"
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(str(path))
    listener.listen()

    def hand_over():
        os.dup2(listener.fileno(), 3)
        os.environ["LISTEN_PID"] = str(os.getpid())

    shell = 'LISTEN_PID=$$ LISTEN_FDS=1 exec "$@"'
    proc = subprocess.Popen(["sh", "-c", shell, "sh", BUILD / program, "-c", bed.conf], stdin=subprocess.DEVNULL,
                            stderr=subprocess.PIPE, text=True, preexec_fn=lambda: os.dup2(listener.fileno(), 3),
                            close_fds=False)
    try:
        assert "start" in proc.stderr.readline()
        if program == "milepost-ws":
            client = socket.socket(socket.AF_UNIX)
            client.settimeout(20)
            client.connect(str(path))
            client.sendall(b"GET /milepost/ws/healthz HTTP/1.1\r\nHost: x\r\n\r\n")
            assert client.recv(100).startswith(b"HTTP/1.1 200")
            client.close()
    finally:
        proc.terminate()
        assert proc.wait(20) == 0
        proc.stderr.close()
        listener.close()
    assert path.exists()


def children_of(pid):
    out = subprocess.run(["ps", "-o", "pid=", "--ppid", str(pid)], text=True, capture_output=True).stdout
    return [int(p) for p in out.split()]


@pytest.mark.skipif(BUILD.name.startswith(("build-sanitize", "build-thread")), reason="./run builds what it runs; it is tested once")
async def test_run(tmp_path):
    """./run from a clean state: demo.env works for a worker and for watchers; TERM stops all of it."""
    port, tls_port = free_ports(2)
    state = tmp_path / "a state"
    with open(tmp_path / "out", "w") as out:
        proc = subprocess.Popen([TOP / "run", "--no-demo", "--port", str(port), "--tls-port", str(tls_port),
                                 "--state", state, "--ws-processes", "2"], stdout=out, stderr=out,
                                stdin=subprocess.DEVNULL)
    try:
        until = 600
        while "Ctrl-C" not in (text := (tmp_path / "out").read_text()):
            assert proc.poll() is None and (until := until - 1), text
            await asyncio.sleep(0.5)
        env = dict(line.split("=", 1) for line in (state / "demo.env").read_text().splitlines())
        assert {"MILEPOST_URL", "MILEPOST_WS_URL", "SESSION_ID", "OTHER_SESSION_ID", "THERAPIST_TOKEN",
                "PATIENT_TOKEN", "ADMIN_TOKEN", "WORKER_KEY", "ADMIN_KEY", "JWT_SECRET_FILE", "THERAPIST_ID",
                "PATIENT_ID", "ADMIN_ID"} <= set(env)
        assert f"{env['MILEPOST_URL']}/milepost/watch/#session=" in text
        tls = ssl.create_default_context(cafile=env["MILEPOST_CA"])
        path = f"/api/sessions/ws/{env['SESSION_ID']}"
        async with websockets.connect(f"wss://localhost:{tls_port}{path}?token={env['THERAPIST_TOKEN']}",
                                      ssl=tls) as a, \
                websockets.connect(f"{env['MILEPOST_WS_URL']}{path}?token={env['PATIENT_TOKEN']}") as b:
            subprocess.run(["curl", "-fsS", "-d", "status=transcribing", "-d", "progress=45", "-H",
                            f"Authorization: Bearer {env['WORKER_KEY']}",
                            f"{env['MILEPOST_URL']}/api/sessions/{env['SESSION_ID']}/progress"], check=True,
                           capture_output=True)
            for ws in (a, b):
                assert (await update(ws))["progress"] == 45
        other = f"{env['MILEPOST_WS_URL']}/api/sessions/ws/{env['OTHER_SESSION_ID']}?token={env['PATIENT_TOKEN']}"
        async with websockets.connect(other) as ws:
            with pytest.raises(websockets.ConnectionClosed):
                await ws.recv()
            assert ws.close_reason == "Not authorized to access this session"
    finally:
        started = children_of(proc.pid)
        proc.terminate()
        assert proc.wait(30) == 0
    assert len(started) >= 4 and not any(map(is_alive, started)), "all that it started has ended"


def test_run_names_what_is_wrong(tmp_path):
    """Wrong options, and a port in use, are named."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = str(taken.getsockname()[1])
        free = [word for pair in zip(("--port", "--tls-port"), map(str, free_ports(2))) for word in pair]
        for args, word in ((["--nonsense"], "--nonsense"), (["--port"], "--port"), (["--port", "x"], "x"),
                           (["--port", port], f"port {port} is in use; choose another with --port"),
                           ([*free, "--state", "/dev/null"], "Not a directory; choose another place with --state")):
            result = subprocess.run([TOP / "run", *args], text=True, capture_output=True, timeout=60)
            assert result.returncode == 1 and result.stderr.startswith("run: ") and word in result.stderr, result
            assert result.stderr.count("\n") == 1, result
