"""Three hosts, one Redis, and everything that can happen to them, at random: at the end all agree, with every answered
update.

MILEPOST_LONG makes it ten minutes in all instead of half of one. Workers and watchers are on all hosts; two hosts' clocks are five
minutes off, one ahead and one behind. What is done: wires cut, lossy and slow; kill -9 of relays, of Redis, of all
programs of a host; with an append-only file and without.
"""
import asyncio
import collections
import datetime
import json
import os
import random
import signal

import pytest

from bed import eventually
from hosts import Cluster
from swarm import Watcher

SECONDS = float(os.environ.get("MILEPOST_HOSTS_SECONDS", 300 if "MILEPOST_LONG" in os.environ else 14))
HOSTS = 3
OWN = 3      # sessions of each host whose updates all come from there
SHARED = 4   # sessions that all hosts' workers report on
STAGES = [("uploading", 0, 20), ("transcribing", 20, 60), ("extracting_notes", 60, 95)]


async def post(host, path, body, key, method="POST"):
    """The status, 0 where there was no answer, and the answer."""
    try:
        reader, writer = await asyncio.wait_for(asyncio.open_unix_connection(str(host.http_socket)), 10)
    except (OSError, asyncio.TimeoutError):
        return 0, b""
    try:
        body = json.dumps(body).encode()
        writer.write(f"{method} {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nAuthorization: Bearer {key}\r\n"
                     f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n".encode() + body)
        head, _, body = (await asyncio.wait_for(reader.read(), 20)).partition(b"\r\n\r\n")
        return (int(head[9:12]), body) if head else (0, b"")
    except (OSError, asyncio.TimeoutError):
        return 0, b""
    finally:
        writer.close()


class Chaos:
    def __init__(self, cluster, rng):
        self.cluster, self.hosts, self.rng = cluster, cluster.hosts, rng
        self.count, self.ending = collections.Counter(), False
        self.answered = collections.defaultdict(list)  # of a session: what was answered with 200, in order
        self.seen = collections.defaultdict(list)      # of a watcher: the updates that it was sent
        first = cluster.hosts[0]
        self.own = {host: [first.session() for _ in range(OWN)] for host in cluster.hosts}
        self.shared = [first.session() for _ in range(SHARED)]
        self.token = first.therapist()
        self.key = first.worker_key
        cluster.wait_agreed()

    def over(self):
        return self.ending

    async def pause(self, least, most):
        end = asyncio.get_running_loop().time() + self.rng.uniform(least, most)
        while not self.ending and asyncio.get_running_loop().time() < end:
            await asyncio.sleep(0.02)

    async def report(self, host, session, **update):
        status, body = await post(host, f"/api/sessions/{session}/progress", update, self.key)
        # A host that was killed answers nothing, or nginx does for it.
        assert status in (0, 200, 409, 502, 503, 504), (status, body)
        self.count[f"answered {status}"] += 1
        if status == 200:
            self.answered[session].append(json.loads(body))
        return status

    async def own_worker(self, host, session):
        """Numbered updates of one run; whoever sees them anywhere sees them in order, and all of them."""
        n = 0
        while not self.ending:
            n += 1
            while await self.report(host, session, status="transcribing", progress=40, message=str(n)) != 200:
                await self.pause(0.05, 0.2)  # the same again
                if self.ending:
                    return
            await self.pause(0.005, 0.06)

    async def shared_worker(self, host, session):
        """Runs of its own idea of how far it is, that meet those of others; now and then an end or a new start."""
        while not self.ending:
            for status, least, most in STAGES:
                for progress in sorted(self.rng.randint(least, most) for _ in range(2)):
                    await self.report(host, session, status=status, progress=progress,
                                      message=f"{host.name} {self.rng.random()}")
                    await self.pause(0.02, 0.2)
            last = self.rng.random()
            if last < 0.3:
                await self.report(host, session, status="processed")
            elif last < 0.6:
                await self.report(host, session, status="failed", error=f"of {host.name}")
            if self.rng.random() < 0.7:
                await self.report(host, session, status="uploading", progress=0, restart=True)
            await self.pause(0.02, 0.3)

    async def backend(self, host):
        """Users and sessions come, change and go."""
        ids = [f"00000000-0000-4000-8000-{i:012d}" for i in range(6)]
        while not self.ending:
            who, kind = self.rng.choice(ids), self.rng.choice(["users", "sessions"])
            path = f"/milepost/v1/{kind}/{who}"
            if self.rng.random() < 0.3:
                await post(host, path, {}, host.admin_key, "DELETE")
            elif kind == "users":
                await post(host, path, {"role": self.rng.choice(["patient", "therapist"]),
                                        "email": f"u{self.rng.randint(0, 3)}@example.org",
                                        "is_active": self.rng.random() < 0.8}, host.admin_key, "PUT")
            else:
                await post(host, path, {"patient_id": self.rng.choice(ids)}, host.admin_key, "PUT")
                await self.report_any(host, who)
            await self.pause(0.05, 0.3)

    async def report_any(self, host, session):
        """On a session that may be gone, or another one by now."""
        await post(host, f"/api/sessions/{session}/progress", {"status": "uploading", "progress": self.rng.randint(0, 20)},
                   self.key)

    async def watch(self, host, session):
        """Comes back with since whenever it is cut off, to the same host."""
        seen = self.seen[host, session]
        loop = asyncio.get_running_loop()
        while not self.ending:
            since = seen[-1]["revision"] if seen else 0
            head = (f"GET /api/sessions/ws/{session}?token={self.token}&since={since} HTTP/1.1\r\nHost: localhost\r\n"
                    "Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
                    "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n").encode()
            try:
                _, watcher = await loop.create_unix_connection(lambda: Watcher(head, seen.append), str(host.http_socket))
                await asyncio.wait([watcher.closed], timeout=0.5)
                while not watcher.closed.done() and not self.ending:
                    await asyncio.wait([watcher.closed], timeout=0.1)
                watcher.vanish()
            except OSError:
                pass
            await self.pause(0.05, 0.1)

    # --- what happens ---

    async def cut(self):
        host = self.rng.choice(self.hosts)
        host.wire.cut()
        await self.pause(0.2, 4)
        host.wire.mend()

    async def worsen(self):
        host = self.rng.choice(self.hosts)
        how = await asyncio.to_thread(host.wire.worsen, self.rng.randint(5, 80), self.rng.uniform(0.01, 0.15))
        self.count[how] += 1
        await self.pause(0.5, 4)
        await asyncio.to_thread(host.wire.improve)

    async def kill_relay(self):
        host = self.rng.choice(self.hosts)
        for _ in range(self.rng.randint(1, 3)):
            host.end("relay", signal.SIGKILL)
            host.start_relay()
            await self.pause(0, 0.4)

    async def kill_redis(self):
        self.cluster.redis.kill()
        await self.pause(0, 1.5)
        await asyncio.to_thread(self.cluster.redis.start)

    async def kill_host(self):
        host = self.rng.choice(self.hosts)
        names = list(host.procs)
        self.rng.shuffle(names)
        for name in names:
            host.end(name, signal.SIGKILL)
        # Killed, nginx's master leaves its workers, which go on holding the sockets.
        await asyncio.to_thread(end_workers, host)
        await self.pause(0, 1.5)
        host.start_api(), host.start_ws(), host.start_nginx(), host.start_relay()
        await asyncio.to_thread(host.ready)

    async def happen(self):
        happenings = [self.cut, self.worsen, self.kill_relay, self.kill_redis, self.kill_host]
        # Each once in a short round, then by chance.
        order = self.rng.sample(happenings, len(happenings))
        while not self.ending:
            what = order.pop() if order else self.rng.choice(happenings)
            self.count[what.__name__] += 1
            await what()
            await self.pause(0.2, 1.5)

    async def run(self):
        works = [self.own_worker(host, s) for host in self.hosts for s in self.own[host]]
        works += [self.shared_worker(host, s) for host in self.hosts for s in self.shared]
        works += [self.backend(host) for host in self.hosts]
        works += [self.watch(host, s) for host in self.hosts for s in [*self.shared, *sum(self.own.values(), [])]]
        tasks = [asyncio.create_task(work) for work in works]
        chaos = asyncio.create_task(self.happen())
        done, _ = await asyncio.wait([*tasks, chaos], timeout=SECONDS, return_when=asyncio.FIRST_EXCEPTION)
        for task in done:
            task.result()
        self.ending = True
        await asyncio.wait_for(chaos, 90)
        await asyncio.wait_for(asyncio.gather(*tasks), 90)

    # --- what must be true afterwards ---

    def check_own(self):
        """Of a session that one host's worker reports on, every host has the last answered update as its newest, and
        what it has of the others in order, none twice; where no snapshot bridged a gap, it has all."""
        for host, sessions in self.own.items():
            for session in sessions:
                promised = [int(update["message"]) for update in self.answered[session]]
                for other in self.hosts:
                    stored = [int(message) for message in other.messages(session)]
                    assert stored == sorted(set(stored)), (other.name, "out of order, or twice")
                    assert stored[-1] >= promised[-1], (other.name, "lost the last", stored[-1], promised[-1])
                    lost = set(promised) - set(stored)
                    if other is host or "relay.snapshot-taken" not in other.relay_log():
                        assert not lost, (other.name, "lost", sorted(lost)[:10])
                    self.count["bridged by a snapshot"] += len(lost)

    def check_shared(self):
        """What all agreed on was answered once, on some host; and no host had anything that weighs more."""
        for session in self.shared:
            tops = [host.sql("SELECT generation, seq, host FROM relay_top WHERE session = (SELECT number FROM session "
                             "WHERE id = ?)", session) for host in self.hosts]
            assert tops[0] == tops[1] == tops[2]
            newest = self.hosts[0].newest(session)
            # An update whose answer was lost to a kill may be stored all the same.
            if newest not in [(u["status"], u["progress"], u["message"]) for u in self.answered[session]]:
                self.count["agreed on one that was not answered"] += 1
            generation = [tuple(row) for host in self.hosts for row in host.sql(
                "SELECT o.generation FROM relay_out o WHERE o.kind = 'event' AND o.id = ? ORDER BY 1 DESC LIMIT 1",
                session)]
            assert max(generation)[0] <= tops[0][0][0]

    def check_clocks(self):
        """They were as far apart as was meant; what all agreed on was agreed on all the same."""
        last = [max(update["updated_at"] for update in self.answered[self.own[host][0]]) for host in self.hosts]
        times = [datetime.datetime.fromisoformat(t.rstrip("Z")) for t in last]
        for host, time in zip(self.hosts, times):
            apart = (time - times[-1]).total_seconds()
            assert abs(apart - host.skew) < 60, (host.name, apart, host.skew)

    def check_watchers(self):
        """Nobody was shown anything twice, or going back within a run; all were shown the end."""
        rank = {"uploading": 0, "transcribing": 10, "extracting_notes": 30, "processed": 40, "failed": 50}
        assert {host for (host, _), seen in self.seen.items() if seen} == set(self.hosts)
        for (host, session), seen in self.seen.items():
            revisions = [update["revision"] for update in seen]
            assert revisions == sorted(set(revisions)), (host.name, "twice, or out of order")
            runs = dict(host.sql("SELECT revision, run FROM event WHERE session = (SELECT number FROM session WHERE id = ?)",
                                 session))
            for before, after in zip(seen, seen[1:]):
                if runs[before["revision"]] == runs[after["revision"]] and before["status"] != "failed":
                    assert rank[before["status"]] <= rank[after["status"]], (host.name, before, after)
                    assert after["status"] == "failed" or before["progress"] <= after["progress"], (before, after)
            self.count["seen"] += len(seen)


def end_workers(host):
    """nginx's workers, orphans by now: known by the folder that they run in."""
    for proc in os.listdir("/proc"):
        if not proc.isdigit():
            continue
        try:
            with open(f"/proc/{proc}/cmdline", "rb") as file:
                is_worker = file.read().startswith(b"nginx: worker")
            if is_worker and str(host.dir) in os.readlink(f"/proc/{proc}/fd/2"):
                os.kill(int(proc), signal.SIGKILL)
        except OSError:
            continue


@pytest.mark.parametrize("append_only", ["yes", "no"], ids=["aof", "no-aof"])
async def test_chaos(append_only, capsys):
    seed = int(os.environ.get("MILEPOST_SEED", random.randrange(2 ** 32)))
    print(f"MILEPOST_SEED={seed}")
    with Cluster(HOSTS, skews=(300, -300, 0), redis={"appendonly": append_only}) as cluster:
        for host in cluster.hosts:
            host.announced.append(r"\[(crit|error|alert|emerg)\] .*(connect\(\)|recv\(\)|upstream|unix:|open socket)")
            host.announced.append(r"event=(ws|api|relay)\.database")
        chaos = Chaos(cluster, random.Random(seed))
        try:
            await chaos.run()
            for host in cluster.hosts:
                host.wire.mend()
                host.wire.improve()
            await asyncio.to_thread(cluster.wait_here)
            await asyncio.to_thread(cluster.wait_agreed, 60)
            chaos.check_own()
            chaos.check_shared()
            chaos.check_watchers()
            chaos.check_clocks()
        finally:
            with capsys.disabled():
                print(f"\n{append_only=}, {'namespaces' if cluster.is_real else 'loopback'}:",
                      ", ".join(f"{n} {what}" for what, n in sorted(chaos.count.items())))


async def test_on_loopback(monkeypatch):
    """Where there are no namespaces, the same goes by proxies."""
    monkeypatch.setenv("MILEPOST_NETNS", "0")
    seed = int(os.environ.get("MILEPOST_SEED", random.randrange(2 ** 32)))
    print(f"MILEPOST_SEED={seed}")
    with Cluster(2) as cluster:
        assert not cluster.is_real
        a, b = cluster.hosts
        session = a.session()
        eventually(lambda: b.sql("SELECT 1 FROM session WHERE id = ?", session), "the session arrives")
        a.wire.worsen(20, 0.05)
        for i in range(10):
            assert a.report(session, "transcribing", 40, message=str(i)).status == 200
        b.wire.cut()
        assert a.report(session, "transcribing", 41, message="of a").status == 200
        assert b.report(session, "transcribing", 50, message="of b").status in (200, 409)
        b.wire.mend()
        cluster.wait_agreed()
        assert a.newest(session)[2] == "of b"
