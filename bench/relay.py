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
import time

TOP = pathlib.Path(__file__).resolve().parents[1]
sys.path.insert(0, str(TOP / "t" / "e2e"))
os.environ["MILEPOST_BUILD"] = str(pathlib.Path(sys.argv[1]).resolve() if len(sys.argv) > 1 else TOP / "build-test")

from bed import eventually  # noqa: E402
from hosts import Cluster  # noqa: E402
from swarm import Watcher, until  # noqa: E402

LAGS, PACE = 300, 0.02      # updates one by one, so many seconds apart
BULK, SESSIONS = 20000, 100  # updates that wait when the stream is opened
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
    redis = subprocess.run(["redis-server", "--version"], capture_output=True, text=True).stdout.split()[2]
    print(f"{time.strftime('%Y-%m-%d')}, {os.cpu_count()} cores, Linux {platform.release()}, Redis {redis}, {where}\n")
    print("| what | |\n|---|---|")
    for row in rows:
        print(f"| {row[0]} | {row[1]} |")


if __name__ == "__main__":
    main()
