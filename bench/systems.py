"""systems.py: what is measured, each in a folder of its own behind the same nginx, started anew for each measurement.

A System is a Bed of the end-to-end tests with other programs in it: nginx's files are the ones that users include,
only the sockets behind them are another's. Where a measurement ends well, the Bed asserts that no log has an alert.
"""
import contextlib
import pathlib
import resource
import socket
import sqlite3
import subprocess
import sys
import urllib.error
import urllib.request
import uuid

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "t" / "e2e"))

import bed  # noqa: E402

NCHAN_MODULE = pathlib.Path("/usr/lib/nginx/modules/ngx_nchan_module.so")
API_THREADS = 16  # milepost-api's default
MANY = 1000000    # where a limit is not what is measured
PYTHON = "/usr/bin/python3"  # the one that Debian's packages are for


class Watched:
    """A way to a system: its name, how the watchers come, and the processes whose use counts."""

    def __init__(self, name, by, counted):
        self.name, self.by, self.counted = name, by, counted


class System(bed.Bed):
    """A Bed with sessions, and the load client's way to it."""

    body = "message"                       # what the load client posts
    post_path = "/bench/{}/progress"       # through nginx; see nginx/post.conf
    direct_post_path = "/api/sessions/{}/progress"

    def __init__(self, sessions, **config):
        super().__init__(max_connections=MANY, max_connections_per_user=MANY,
                         max_connections_per_address=MANY, **config)
        self.ids = [str(uuid.uuid4()) for _ in range(sessions)]
        # For those too who do not look at it: the requests are of one size.
        self.bearer = self.token(str(uuid.uuid4()))
        self.tcp_port = None

    @staticmethod
    def missing():
        """What of the system's is not installed; None: nothing."""
        return None

    # --- life ---

    def __enter__(self):
        try:
            self.write_files()
            self.write_sessions()
            self.start_servers()
            self.start_nginx()
            self.ready()
        except BaseException:
            self.__exit__(*sys.exc_info())
            raise
        return self

    def __exit__(self, kind, *rest):
        if kind is None:
            super().__exit__(kind, *rest)
            return
        self.stop()
        for path in sorted((self.dir / "log").glob("*")):
            lines = path.read_text(errors="replace").splitlines()
            print(f"{path}:", *lines[-5:], sep="\n    ", file=sys.stderr)

    def start_servers(self):
        raise NotImplementedError

    def ready(self):
        bed.eventually(self.ws_socket().exists, "the server listens")
        bed.eventually(lambda: accepts(self.port), "nginx listens")

    def write_sessions(self):
        (self.dir / "sessions").write_text("".join(f"{session}\n" for session in self.ids))

    def write_files(self):
        super().write_files()
        self.allow_connections()
        self.add_to_site("post.conf")

    def allow_connections(self):
        """As many as one worker can have, should all come to it."""
        _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
        self.change_nginx("worker_connections 16384;", f"worker_connections {most};")

    def change_nginx(self, old, new):
        path = self.dir / "nginx" / "example.conf"
        text = path.read_text()
        assert old in text, f"example.conf has no {old}"
        path.write_text(text.replace(old, new))

    def add_to_site(self, name):
        text = (HERE / "nginx" / name).read_text().replace("/var/log/nginx/", f"{self.dir}/log/")
        (self.dir / "nginx" / name).write_text(text)
        before = "        location = / {"
        self.change_nginx(before, f'        include "{self.dir}/nginx/{name}";\n\n{before}')

    # --- for the load client ---

    def load_args(self, by):
        """The addresses, with the watchers by nginx, by a unix socket or by tcp."""
        watch = {"nginx": f"tcp:127.0.0.1:{self.port}", "unix": f"unix:{self.ws_socket()}",
                 "tcp": f"tcp:127.0.0.1:{self.tcp_port}"}
        args = ["--sessions", self.dir / "sessions", "--watch", watch[by], "--watch-path",
                f"/api/sessions/ws/{{}}?token={self.bearer}", "--body", self.body, "--post-header",
                f"Authorization: Bearer {self.bearer}", *self.post_args(by)]
        for name, proc in self.procs.items():
            args += ["--tree", f"{name}={proc.pid}"]
        return args

    def figures(self):
        """What the system itself tells, after the measurement."""
        return {}

    def post_args(self, by):
        if by == "nginx":
            return ["--post", f"tcp:127.0.0.1:{self.port}", "--post-path", self.post_path]
        return ["--post", f"unix:{self.ws_socket()}", "--post-path", self.direct_post_path]


def accepts(port):
    with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port)):
        return True
    return False


def answers(port, path):
    """Does it say 200?"""
    with contextlib.suppress(OSError, urllib.error.HTTPError), \
            urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=bed.PATIENCE) as reply:
        return reply.status == 200
    return False


class Milepost(System):
    """All of it. Posts always take the whole way: nginx, milepost-api, the database."""

    body = "report"
    post_path = "/api/sessions/{}/progress"

    def start_servers(self):
        self.ctl("init")
        self.fill()
        user = self.user("therapist")
        self.bearer = self.token(user, lifetime=86400)
        self.worker_key = self.key("worker")
        self.start_api()
        self.start_ws()

    def fill(self):
        """Writes what the database holds before the programs start."""
        with contextlib.closing(sqlite3.connect(self.db)) as db, db:
            db.executemany("INSERT INTO session (id) VALUES (?)", ((session,) for session in self.ids))

    def ready(self):
        bed.Bed.ready(self)

    def load_args(self, by):
        return super().load_args(by) + ["--post-header", f"Authorization: Bearer {self.worker_key}", "--bell", self.db]

    def post_args(self, by):
        return super().post_args("nginx")

    SIDES = [
        Watched("milepost", "unix", ["ws0"]),
        Watched("milepost-nginx", "nginx", ["nginx", "ws0", "api"]),
    ]


class MilepostTcp(Milepost):
    """Its milepost-ws is handed a TCP socket, as by systemd."""

    def start_ws(self, i=0):
        with socket.create_server(("127.0.0.1", 0), backlog=4096) as listener:
            self.tcp_port = listener.getsockname()[1]
            return self.start(f"ws{i}", bed.BUILD / "milepost-ws", stdin=listener)

    def ready(self):
        for program, port in (("api", self.port), ("ws", self.tcp_port)):
            bed.eventually(lambda: answers(port, f"/milepost/{program}/readyz"), f"{program} is ready")

    SIDES = [Watched("milepost-tcp", "tcp", ["ws0"])]


class Floor(System):
    """A ready frame written to sockets, and a libfcgi program that does nothing."""

    def start_servers(self):
        self.start("floor", bed.BUILD / "bench" / "floor", f"unix:{self.ws_socket()}")
        self.start("null", bed.BUILD / "bench" / "null-fcgi", f"unix:{self.dir}/api.sock", str(API_THREADS))
        bed.eventually((self.dir / "api.sock").exists, "null-fcgi listens")

    SIDES = [
        Watched("floor", "unix", ["floor"]),
        Watched("floor-nginx", "nginx", ["nginx", "floor"]),
    ]


class FloorTcp(System):
    """The same for watchers who come by TCP."""

    def start_servers(self):
        (self.tcp_port,) = bed.free_ports(1)
        self.start("floor", bed.BUILD / "bench" / "floor", f"tcp:127.0.0.1:{self.tcp_port}")

    def ready(self):
        for port in (self.tcp_port, self.port):
            bed.eventually(lambda: accepts(port), "the floor and nginx listen")

    def post_args(self, by):
        return ["--post", f"tcp:127.0.0.1:{self.tcp_port}", "--post-path", self.direct_post_path]

    SIDES = [Watched("floor-tcp", "tcp", ["floor"])]


class Null(Floor):
    """The same, posted to by FastCGI."""

    body = "report"
    post_path = "/api/sessions/{}/progress"

    SIDES = [Watched("null-fcgi", "nginx", ["nginx", "null"])]


class Nchan(System):
    """nchan's module in the same nginx, in memory."""

    post_path = System.direct_post_path

    @staticmethod
    def missing():
        return None if NCHAN_MODULE.exists() else "libnginx-mod-nchan"

    def write_files(self):
        bed.Bed.write_files(self)
        self.allow_connections()
        self.change_nginx("worker_processes auto;", f"load_module {NCHAN_MODULE};\nworker_processes auto;")
        for name in ("milepost", "milepost-login"):
            self.change_nginx(f'        include "{self.dir}/nginx/{name}.conf";\n', "")
        self.add_to_site("nchan.conf")

    def start_servers(self):
        pass

    def ready(self):
        bed.eventually(lambda: accepts(self.port), "nginx listens")

    SIDES = [Watched("nchan", "nginx", ["nginx"])]


class Replaced(System):
    """The endpoint that Milepost replaces."""

    body = "report"

    @staticmethod
    def missing():
        check = subprocess.run([PYTHON, "-c", "import fastapi, uvicorn, websockets, uvloop, httptools"],
                               capture_output=True, check=False)
        return None if check.returncode == 0 else "python3-fastapi or python3-uvicorn"

    def start_servers(self):
        self.start("uvicorn", PYTHON, "-m", "uvicorn", "--app-dir", HERE, "replaced:app", "--uds", self.ws_socket(),
                   "--log-level", "warning", "--no-access-log", "--ws", "websockets", "--loop", "uvloop",
                   "--http", "httptools", "--ws-ping-interval", "30", "--backlog", "4096")

    SIDES = [Watched("replaced", "nginx", ["nginx", "uvicorn"])]
