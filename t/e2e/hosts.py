"""hosts.py: several hosts that share their progress through one Redis, each a Bed with a relay of its own.

Where the system lets us, each host and the Redis server is in a network namespace of its own, with a wire
between that can be cut, lose packets and be slow; clients reach a host by its nginx's unix socket, which
no namespace divides. Elsewhere all is on loopback, and the wire is a proxy that does the same to the
stream of bytes, but for single packets.
"""
import contextlib
import http.client
import itertools
import os
import pathlib
import random
import secrets
import shutil
import socket
import subprocess
import tempfile
import threading
import time

import websockets

from bed import BUILD, PATIENCE, Bed, Reply, eventually, free_ports

SBIN = os.environ["PATH"] + ":/usr/sbin:/sbin"
FAKETIME = "/usr/$LIB/faketime/libfaketimeMT.so.1"
# A preloaded clock and a sanitizer do not go together.
CAN_SKEW = BUILD.name in ("build-test", "build-test-clang") and shutil.which("faketime") is not None


def run(*args, check=True):
    return subprocess.run([str(a) for a in args], check=check, capture_output=True, text=True,
                          env={**os.environ, "PATH": SBIN})


def has_namespaces():
    """May we make a namespace and a wire into it?"""
    if os.environ.get("MILEPOST_NETNS") == "0" or os.getuid() != 0 or not shutil.which("ip", path=SBIN):
        return False
    name = f"mp-{secrets.token_hex(4)}"
    made = run("ip", "netns", "add", name, check=False).returncode == 0
    wired = made and run("ip", "link", "add", name[:15], "type", "veth", "peer", "name", "x", "netns", name,
                         check=False).returncode == 0
    if made:
        run("ip", "netns", "del", name, check=False)
    return wired


class Space:
    """A network namespace; ends with all that is in it."""

    def __init__(self):
        self.name = f"mp-{secrets.token_hex(4)}"
        run("ip", "netns", "add", self.name)
        self.run("ip", "link", "set", "lo", "up")

    def run(self, *args, check=True):
        return run("ip", "netns", "exec", self.name, *args, check=check)

    @property
    def prefix(self):
        return (shutil.which("ip", path=SBIN), "netns", "exec", self.name)

    def close(self):
        run("ip", "netns", "del", self.name, check=False)


class Veth:
    """A wire from a host's namespace to that of Redis, number i."""

    def __init__(self, i, host, redis):
        self.host, self.end, self.address = host, f"h{i}", f"10.78.{i}.1"
        run("ip", "link", "add", "redis", "netns", host.name, "type", "veth", "peer", "name", self.end, "netns",
            redis.name)
        host.run("ip", "addr", "add", f"10.78.{i}.2/24", "dev", "redis")
        redis.run("ip", "addr", "add", f"{self.address}/24", "dev", self.end)
        self.redis = redis
        self.mend()
        host.run("ip", "link", "set", "redis", "up")

    def cut(self):
        self.redis.run("ip", "link", "set", self.end, "down")

    def mend(self):
        self.redis.run("ip", "link", "set", self.end, "up")

    def worsen(self, delay_ms, loss):
        """By netem, or where this kernel has none: packets are dropped by a filter, and a slow, long queue
        delays the others."""
        self.improve()
        netem = ("netem", "delay", f"{delay_ms}ms", f"{delay_ms / 4:.0f}ms", "loss", f"{loss * 100:.1f}%")
        if self.host.run("tc", "qdisc", "replace", "dev", "redis", "root", *netem, check=False).returncode == 0:
            return "netem"
        self.host.run("tc", "qdisc", "replace", "dev", "redis", "root", "tbf", "rate", "2mbit", "burst", "4kb",
                      "latency", f"{4 * delay_ms}ms")
        for chain in ("INPUT", "OUTPUT"):
            self.host.run("iptables-legacy", "-A", chain, "-p", "tcp", "!", "-i" if chain == "INPUT" else "-o", "lo",
                          "-m", "statistic", "--mode", "random", "--probability", loss, "-j", "DROP", check=False)
        return "tbf and a lossy filter"

    def improve(self):
        self.host.run("tc", "qdisc", "del", "dev", "redis", "root", check=False)
        self.host.run("iptables-legacy", "-F", check=False)

    def close(self):
        pass  # goes with its namespaces


class Proxy:
    """The same on loopback, by a thread of its own between relay and Redis: what is cut stays open and silent."""

    def __init__(self, port):
        self.target, self.open, self.delay, self.loss = port, threading.Event(), 0, 0
        self.open.set()
        self.socket = socket.create_server(("127.0.0.1", 0))
        self.address, self.port = "127.0.0.1", self.socket.getsockname()[1]
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self):
        with contextlib.suppress(OSError):
            while True:
                client, _ = self.socket.accept()
                try:
                    server = socket.create_connection(("127.0.0.1", self.target), 2)
                    server.settimeout(None)
                except OSError:
                    client.close()
                    continue
                for pair in ((client, server), (server, client)):
                    threading.Thread(target=self.pump, args=pair, daemon=True).start()

    def pump(self, source, sink):
        with contextlib.suppress(OSError):
            while data := source.recv(65536):
                self.open.wait()
                # A lost packet is sent again after a while; the bytes behind it wait.
                time.sleep(self.delay / 1000 + (0.2 if random.random() < self.loss else 0))
                sink.sendall(data)
        for s in (source, sink):
            with contextlib.suppress(OSError):
                s.shutdown(socket.SHUT_RDWR)

    def cut(self):
        self.open.clear()

    def mend(self):
        self.open.set()

    def worsen(self, delay_ms, loss):
        self.delay, self.loss = delay_ms, loss
        return "a slow proxy"

    def improve(self):
        self.delay = self.loss = 0

    def close(self):
        self.open.set()
        self.socket.close()


class Redis:
    """A server of Debian's package, which can be killed and started again on the same data."""

    def __init__(self, space=None, **config):
        self.dir = pathlib.Path(tempfile.mkdtemp(prefix="mr."))
        self.space, self.proc = space, None
        self.port = 6379 if space else free_ports(1)[0]
        self.config = {"save": "", "appendonly": "no", "appendfsync": "always", **config}
        self.start()

    @property
    def socket(self):
        return self.dir / "redis.sock"

    def start(self):
        lines = {"port": self.port, "bind": "0.0.0.0" if self.space else "127.0.0.1", "protected-mode": "no",
                 "dir": self.dir, "unixsocket": self.socket, "daemonize": "no", **self.config}
        conf = self.dir / "redis.conf"
        conf.write_text("".join(f"{key} {value or chr(34) * 2}\n" for key, value in lines.items()))
        with open(self.dir / "redis.log", "ab") as log:
            self.proc = subprocess.Popen([*(self.space.prefix if self.space else ()),
                                          shutil.which("redis-server", path=SBIN), conf],
                                         stdout=log, stderr=log, stdin=subprocess.DEVNULL)
        eventually(lambda: self.cli("PING", check=False).strip() in ("PONG", "NOAUTH Authentication required."),
                   "Redis answers")

    def kill(self):
        self.proc.kill()
        self.proc.wait(PATIENCE)

    def stop(self):
        self.proc.terminate()
        self.proc.wait(PATIENCE)

    def cli(self, *args, check=True):
        return subprocess.run(["redis-cli", "-s", self.socket, *map(str, args)], check=check, capture_output=True,
                              text=True).stdout

    def close(self):
        if self.proc.poll() is None:
            self.kill()
        if "MILEPOST_KEEP" not in os.environ:
            shutil.rmtree(self.dir)


class Host(Bed):
    """A Bed that takes part. skew: seconds that its programs' clocks are ahead."""

    def __init__(self, cluster, i, skew=0, **config):
        self.cluster, self.name, self.skew = cluster, f"host{i}", skew if CAN_SKEW else 0
        self.space = Space() if cluster.is_real else None
        self.wire = Veth(i, self.space, cluster.redis.space) if self.space else Proxy(cluster.redis.port)
        port = cluster.redis.port if self.space else self.wire.port
        # What Redis's absence makes a relay say is no alert.
        super().__init__(**{"relay_redis": f"{self.wire.address}:{port}", "relay_host": self.name,
                            "relay_timeout": "2s", **config})
        self.secret = cluster.secret  # a token is good on all hosts
        self.hidden = [self.secret]

    def __enter__(self):
        super().__enter__()
        self.start_relay()
        return self

    def close(self):
        self.wire.close()
        if self.space:
            self.space.close()

    @property
    def http_socket(self):
        return self.dir / "http.sock"

    def write_files(self):
        super().write_files()
        conf = self.dir / "nginx" / "example.conf"
        conf.write_text(conf.read_text().replace(f"listen 127.0.0.1:{self.port} ",
                                                 f"listen unix:{self.http_socket};\nlisten 127.0.0.1:{self.port} "))
        locations = self.dir / "nginx" / "milepost.conf"
        locations.write_text(locations.read_text().replace("allow 127.0.0.1;", "allow 127.0.0.1;\nallow unix:;"))

    def start(self, name, *args):
        prefix = self.space.prefix if self.space else ()
        if self.skew:
            prefix = (*prefix, "env", f"LD_PRELOAD={FAKETIME}", f"FAKETIME={self.skew:+d}s", "FAKETIME_DONT_RESET=1",
                      "FAKETIME_DONT_FAKE_MONOTONIC=1")
        if name == "nginx":
            with contextlib.suppress(FileNotFoundError):
                self.http_socket.unlink()
        return super().start(name, *prefix, *args)

    def start_relay(self):
        return self.start("relay", BUILD / "milepost-relay")

    def http(self, method, path, body=None, *, bearer=None, **headers):
        if bearer is not None:
            headers["Authorization"] = f"Bearer {bearer}"
        headers = {name.replace("_", "-"): value for name, value in headers.items()}
        connection = http.client.HTTPConnection("localhost", timeout=PATIENCE)
        connection.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        connection.sock.settimeout(PATIENCE)
        with contextlib.closing(connection):
            connection.sock.connect(str(self.http_socket))
            connection.request(method, path, body, headers)
            return Reply(connection.getresponse())

    def watch(self, session, token=None, *, since=None, **kw):
        path = f"/api/sessions/ws/{session}?token={token}" + (f"&since={since}" if since is not None else "")
        kw = {"open_timeout": PATIENCE, "close_timeout": 2, "ping_interval": None, **kw}
        return websockets.unix_connect(str(self.http_socket), f"ws://localhost{path}", **kw)

    def readyz(self, program="api"):
        return self.http("GET", f"/milepost/{program}/readyz").body.decode().strip()

    def is_here(self):
        """Reaches its relay Redis, and misses nothing?"""
        return self.sql("SELECT state FROM relay") == [("here",)] and self.readyz() == "ready"

    def state(self):
        """What all hosts must agree on."""
        return {
            "users": self.sql("SELECT id, role, is_active, email, password FROM user ORDER BY id"),
            "keys": self.sql("SELECT hex(hash), scope, name, created_at FROM key ORDER BY hash"),
            "sessions": self.sql("SELECT id, patient_id, created_at FROM session ORDER BY id"),
            "updates": self.sql(
                "SELECT s.id, p.generation, p.seq, p.host, e.status, e.rank, e.outcome, e.progress, e.message,"
                " e.error, e.eta, e.updated_at, e.created_at FROM session s JOIN relay_top p ON p.session = s.number"
                " JOIN event e ON e.revision = (SELECT max(revision) FROM event WHERE session = s.number)"
                " ORDER BY s.id"),
            "things": self.sql("SELECT kind, id, life, is_deleted, version, host, detail, is_active, label, shown"
                               " FROM relay_thing ORDER BY kind, id"),
        }

    def relay_log(self):
        return (self.dir / "log" / "relay.log").read_text()

    def newest(self, session):
        rows = self.sql("SELECT status, progress, message FROM event WHERE session = (SELECT number FROM session "
                        "WHERE id = ?) ORDER BY revision DESC LIMIT 1", session)
        return rows[0] if rows else None

    def messages(self, session):
        return [message for _, message in self.stored(session)]


class Cluster:
    """One Redis, and so many hosts; on leaving each says whether something went wrong unnoticed."""

    def __init__(self, count=2, skews=(), redis=None, **config):
        self.count, self.config, self.skews = count, config, skews
        self.redis_config = redis or {}
        self.is_real = has_namespaces()
        self.secret = secrets.token_urlsafe(48)

    def __enter__(self):
        self.stack = contextlib.ExitStack()
        with self.stack:
            space = None
            if self.is_real:
                space = Space()
                self.stack.callback(space.close)
            self.redis = Redis(space, **self.redis_config)
            self.stack.callback(self.redis.close)
            self.hosts = []
            for i, skew in itertools.zip_longest(range(1, self.count + 1), self.skews[:self.count], fillvalue=0):
                self.add(i, skew)
            self.wait_here()
            self.stack = self.stack.pop_all()
        return self

    def add(self, i, skew=0, **config):
        host = Host(self, i, skew, **{**self.config, **config})
        self.stack.callback(host.close)
        self.hosts.append(self.stack.enter_context(host))
        host.announced.append(r"event=relay\.(away|lost|gap|database )")
        return host

    def __exit__(self, *exc):
        return self.stack.__exit__(*exc)

    def wait_here(self):
        for host in self.hosts:
            eventually(host.is_here, f"{host.name} is here")

    def wait_agreed(self, seconds=PATIENCE):
        """All hosts show the same, and have nothing more to say."""
        until = time.monotonic() + seconds
        while True:
            states = [host.state() for host in self.hosts]
            waiting = [host.sql("SELECT (SELECT max(n) FROM relay_out) - sent FROM relay")[0][0] for host in self.hosts]
            doubts = [host.sql("SELECT count(*) FROM relay_host WHERE doubt")[0][0] for host in self.hosts]
            if not any(waiting) and not any(doubts) and all(state == states[0] for state in states):
                return states[0]
            if time.monotonic() > until:
                for name in states[0]:
                    for host, state in zip(self.hosts, states):
                        extra = [row for row in state[name] if row not in states[0][name]]
                        lack = [row for row in states[0][name] if row not in state[name]]
                        assert not extra and not lack, (host.name, name, "has", extra[:5], "lacks", lack[:5],
                                                        "waiting", waiting, "doubts", doubts)
                raise AssertionError(("not at rest", waiting, doubts))
            time.sleep(0.05)
