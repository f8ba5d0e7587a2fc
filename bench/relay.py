#!/usr/bin/python3
"""relay.py: what sharing the progress between hosts costs: lag, updates a second, CPU an update.

Two hosts on this machine, each with its own nginx, programs and database, one Redis, all on loopback or, as root, in
network namespaces. usage: bench/relay.py [BUILD]   (default: build-test; an optimised build without sanitizers)
Prints one Markdown table.
"""
import asyncio
import json
import os
import pathlib
import platform
import statistics
import subprocess
import sys
import threading
import time

TOP = pathlib.Path(__file__).resolve().parents[1]
sys.path.insert(0, str(TOP / "t" / "e2e"))
os.environ["MILEPOST_BUILD"] = str(pathlib.Path(sys.argv[1]).resolve() if len(sys.argv) > 1 else TOP / "build-test")

from bed import eventually  # noqa: E402
from hosts import Cluster  # noqa: E402
from swarm import Watcher, until  # noqa: E402

LAGS, PACE = 300, 0.02      # updates one by one, so many seconds apart
BULK, SESSIONS = 20000, 100  # updates that wait when the stream is opened
MANY = {"users": 5000, "sessions": 20000, "updates": 10}  # on a host that joins; updates: of each session
TICK = os.sysconf("SC_CLK_TCK")


def cpu(proc):
    """Seconds that the process has used."""
    fields = pathlib.Path(f"/proc/{proc.pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICK


def percentile(values, percent):
    return sorted(values)[min(len(values) - 1, len(values) * percent // 100)]


async def watch(host, session, token, on_update):
    head = (f"GET /api/sessions/ws/{session}?token={token} HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\n"
            "Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n")
    _, watcher = await asyncio.get_running_loop().create_unix_connection(
        lambda: Watcher(head.encode(), on_update), str(host.http_socket))
    assert await watcher.opened == (101, "")
    return watcher


async def lag(cluster):
    """From the frame on the host where it was posted to the frame on the other, in ms; and from the post."""
    a, b = cluster.hosts
    session, token = a.session(), a.therapist()
    eventually(lambda: b.sql("SELECT 1 FROM session WHERE id = ?", session), "the session arrives")
    seen = {a: {}, b: {}}
    for host in cluster.hosts:
        await watch(host, session, token, lambda m, host=host: seen[host].setdefault(m["message"], time.perf_counter()))
    posted = {}
    for i in range(LAGS):
        posted[str(i)] = time.perf_counter()
        reply = await asyncio.to_thread(a.report, session, "transcribing", 40, message=str(i))
        assert reply.status == 200
        await asyncio.sleep(PACE)
    await until(lambda: len(seen[b]) == LAGS, "all arrives")
    across = [(seen[b][m] - seen[a][m]) * 1000 for m in posted]
    whole = [(seen[b][m] - posted[m]) * 1000 for m in posted]
    local = [(seen[a][m] - posted[m]) * 1000 for m in posted]
    return {"across": across, "post to watcher elsewhere": whole, "post to watcher here": local}


def bulk(cluster):
    """A backlog through one stream: how fast, and how much CPU each side takes."""
    a, b = cluster.hosts
    sessions = [a.session() for _ in range(SESSIONS)]
    cluster.wait_agreed()
    b.end("relay")
    a.end("relay")
    for part in range(BULK // 1000):
        lines = "\n".join(json.dumps({"session_id": sessions[i % SESSIONS], "status": "transcribing", "progress": 40,
                                      "message": f"Transcribing audio with Whisper, part {part * 1000 + i}..."})
                          for i in range(1000))
        reply = a.http("POST", "/milepost/v1/progress", lines, bearer=a.worker_key,
                       Content_Type="application/x-ndjson")
        assert reply.status == 200
    newest = a.sql("SELECT seq FROM sqlite_sequence WHERE name = 'event'")[0][0]
    memory = int(cluster.redis.cli("INFO", "memory").split("used_memory:")[1].split()[0])

    relay = a.start_relay()
    began = time.perf_counter()
    eventually(lambda: a.sql("SELECT sent >= ? FROM relay WHERE revision = ?", BULK, newest) == [(1,)], "all is sent")
    out_seconds, out_cpu = time.perf_counter() - began, cpu(relay)
    memory = (int(cluster.redis.cli("INFO", "memory").split("used_memory:")[1].split()[0]) - memory) / BULK

    redis_before = cpu(cluster.redis.proc)
    relay = b.start_relay()
    began = time.perf_counter()
    eventually(lambda: b.sql("SELECT count(*) >= ? FROM event", BULK) == [(1,)], "all arrives")
    in_seconds, in_cpu = time.perf_counter() - began, cpu(relay)
    cluster.wait_agreed()
    return {"out": BULK / out_seconds, "in": BULK / in_seconds, "out cpu": out_cpu / BULK * 1e6,
            "in cpu": in_cpu / BULK * 1e6, "redis cpu": (cpu(cluster.redis.proc) - redis_before) / BULK * 1e6,
            "bytes": memory}


def idle(cluster):
    """CPU of a relay that has nothing to do, in per cent."""
    procs = [host.procs["relay"] for host in cluster.hosts]
    before, began = [cpu(p) for p in procs], time.perf_counter()
    time.sleep(5)
    return max(cpu(p) - x for p, x in zip(procs, before)) / (time.perf_counter() - began) * 100


def fill(host):
    """As a host that has been at work for long."""
    numbers = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < ?) "
    host.sql(numbers + "INSERT INTO user (id, role, email, password) SELECT printf('00000000-0000-4000-8000-%012x', i),"
             " 'patient', 'user' || i || '@example.org', '$y$j9T$' || hex(randomblob(32)) FROM n", MANY["users"])
    host.sql(numbers + "INSERT INTO session (id, patient_id) SELECT printf('10000000-0000-4000-8000-%012x', i),"
             " printf('00000000-0000-4000-8000-%012x', i % ? + 1) FROM n", MANY["sessions"], MANY["users"])
    host.sql(numbers + "INSERT INTO event (session, run, status, rank, outcome, progress, message, updated_at, created_at)"
             " SELECT s.number, s.number, 'transcribing', 10, 'running', 20 + i, 'Transcribing audio, part ' || i,"
             " unixepoch(), unixepoch() FROM n CROSS JOIN session s WHERE s.id LIKE '1000%'", MANY["updates"])


class Worker:
    """Reports all the time; the longest that it waited is kept, and whether it was ever refused."""

    def __init__(self, host, session, key):
        self.host, self.session, self.key = host, session, key
        self.longest, self.statuses, self.ended = 0, set(), False
        self.thread = threading.Thread(target=self.work)

    def work(self):
        while not self.ended:
            began = time.perf_counter()
            self.statuses.add(self.host.report(self.session, "transcribing", 40, message=str(began), bearer=self.key).status)
            self.longest = max(self.longest, time.perf_counter() - began)
            time.sleep(0.01)

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.ended = True
        self.thread.join()

    def __str__(self):
        return f"{self.longest * 1000:.0f} ms" + ("" if self.statuses == {200} else f", refused: {self.statuses}")


def peak(proc):
    """Mebibytes that the process had at most."""
    return int(pathlib.Path(f"/proc/{proc.pid}/status").read_text().split("VmHWM:")[1].split()[0]) / 1024


def joining():
    """A large host takes part; then an empty one, which needs a snapshot of it, as the stream is trimmed."""
    with Cluster(2) as cluster:
        a, b = cluster.hosts
        session = a.session()
        cluster.wait_agreed()
        a.end("relay")
        a.ctl("relay", "leave")
        a.write_config(relay_host="large")
        fill(a)
        with Worker(a, session, a.worker_key) as worker:
            began = time.perf_counter()
            a.start_relay()
            eventually(lambda: b.sql("SELECT count(*) >= ? FROM session", MANY["sessions"]) == [(1,)], "b has all", 120)
            joined = time.perf_counter() - began
        cluster.wait_agreed(60)
        cluster.redis.cli("XTRIM", "milepost:stream", "MAXLEN", 0)
        c = cluster.add(3)
        c.end("relay")
        own = c.session()
        with Worker(a, session, a.worker_key) as giving, Worker(c, own, c.worker_key) as taking:
            began, relay, memory = time.perf_counter(), c.start_relay(), 0
            while "relay.snapshot-taken" not in (c.dir / "log" / "relay.log").read_text():
                memory = max(memory, int(cluster.redis.cli("INFO", "memory").split("used_memory:")[1].split()[0]))
                time.sleep(0.05)
            taken = time.perf_counter() - began
        cluster.wait_agreed(60)
        return [("a host joins that has 20,000 sessions, 5,000 users, 200,000 updates", f"{joined:.1f} s until all is on another; "
                 f"a worker there waits {worker} at most"),
                ("a snapshot of it", f"{taken:.1f} s; {peak(relay):.0f} MiB in the relay that takes it, "
                 f"{peak(a.procs['relay']):.0f} in the one that gives it, {memory / 2 ** 20:.0f} in Redis; a worker waits "
                 f"{taking} at most where it is taken, {giving} where it is given")]


def main():
    rows = []
    with Cluster(2) as cluster:
        for name, values in asyncio.run(lag(cluster)).items():
            rows.append((f"lag, {name}", f"median {statistics.median(values):.1f} ms, 95 % {percentile(values, 95):.1f} ms, "
                         f"99 % {percentile(values, 99):.1f} ms"))
        rows.append(("an idle relay", f"{idle(cluster):.1f} % of a core"))
        got = bulk(cluster)
        rows += [("out: from the database into the stream", f"{got['out']:,.0f} updates/s, {got['out cpu']:.0f} µs of CPU each"),
                 ("in: from the stream into the database", f"{got['in']:,.0f} updates/s, {got['in cpu']:.0f} µs of CPU each"),
                 ("Redis, for each reader", f"{got['redis cpu']:.0f} µs of CPU an update"),
                 ("Redis's memory", f"{got['bytes']:.0f} bytes an update")]
        where = "network namespaces" if cluster.is_real else "loopback"
    rows += joining()
    redis = subprocess.run(["redis-server", "--version"], capture_output=True, text=True).stdout.split()[2]
    print(f"{time.strftime('%Y-%m-%d')}, {os.cpu_count()} cores, Linux {platform.release()}, Redis {redis}, {where}\n")
    print("| what | |\n|---|---|")
    for row in rows:
        print(f"| {row[0]} | {row[1]} |")


if __name__ == "__main__":
    main()
