"""Reload and restart of each program under 500 watchers and steady updates: nobody misses anything."""
import asyncio
import collections
import http.client
import itertools
import pathlib
import random
import signal
import socket
import threading

import pytest
import websockets

from bed import PATIENCE, Bed, Closed, eventually, update

SESSIONS, WATCHERS = 10, 500
PACE = 0.01  # seconds between two updates, so that the watchers get a turn


class Poster(threading.Thread):
    """Posts updates to the sessions in turn, each as often as it takes, and at last the end of each."""

    def __init__(self, bed):
        super().__init__()
        self.bed, self.sessions = bed, [bed.session() for _ in range(SESSIONS)]
        self.answered, self.stopping, self.retries, self.odd = [], threading.Event(), 0, []

    def post(self, session, *args, **members):
        while not self.odd:
            try:
                reply = self.bed.report(session, *args, **members)
            except (OSError, http.client.HTTPException):
                self.retries += 1  # nginx is away
            else:
                if reply.status == 200:
                    self.answered.append((session, members["message"]))
                    return
                self.retries += 1
                if reply.status not in (502, 503):
                    self.odd.append((reply.status, reply.body))
            self.stopping.wait(PACE)

    def run(self):
        for n in itertools.count():
            if self.stopping.wait(PACE):
                break
            self.post(self.sessions[n % SESSIONS], "transcribing", 20 + min(n // 100, 40), message=f"{n}")
        for session in self.sessions:
            self.post(session, "processed", message="end")


class Watcher:
    """As a good client does it: comes back after a growing, random delay, with its last revision."""

    def __init__(self, bed, session, token):
        self.bed, self.session, self.token = bed, session, token
        self.seen, self.losses = [], collections.Counter()

    async def run(self):
        delay = 0.05
        while True:
            try:
                last = self.seen[-1]["revision"] if self.seen else 0
                async with self.bed.watch(self.session, self.token, plain=True, since=last, max_queue=None) as ws:
                    delay = 0.05
                    while True:
                        self.seen.append(await update(ws))
            except Closed as closed:
                if closed.code == 1000:
                    return
                self.losses[closed.code] += 1
            except websockets.InvalidStatusCode as refusal:
                self.losses[refusal.status_code] += 1
            except TimeoutError:
                raise  # nothing may hang
            except (OSError, websockets.InvalidMessage):
                self.losses["away"] += 1
            await asyncio.sleep(delay * random.uniform(0.5, 1.5))
            delay = min(delay * 2, 1)


def workers(bed):
    """nginx's worker processes."""
    pid = bed.procs["nginx"].pid
    return set(pathlib.Path(f"/proc/{pid}/task/{pid}/children").read_text().split())


def nginx_reload(bed):
    before = workers(bed)
    bed.procs["nginx"].send_signal(signal.SIGHUP)
    eventually(lambda: not workers(bed) & before, "the old workers end")


def nginx_restart(sig):
    def act(bed):
        assert bed.end("nginx", sig) == 0
        bed.start_nginx()
    return act


def ws_restart(bed):
    assert bed.end("ws0") == 0
    bed.start_ws()


def api_restart(bed):
    assert bed.end("api") == 0
    bed.start_api()


@pytest.mark.parametrize("act,losses", [
    (nginx_reload, {1006, "away"}), (nginx_restart(signal.SIGQUIT), {1006, "away"}),
    (nginx_restart(signal.SIGTERM), {1006, "away"}), (ws_restart, {1012, 503}), (api_restart, set())],
    ids=["nginx reload", "nginx quit", "nginx stop", "ws", "api"])
async def test_restart(act, losses):
    """All see every update once and in order, and the end; all that was answered 200 is stored, once."""
    with Bed() as bed:
        bed.announced.append(r".*\[(crit|error|alert)\] .*(connect\(\)|recv\(\)|upstream).*")
        example = bed.dir / "nginx" / "example.conf"
        example.write_text(example.read_text().replace("worker_shutdown_timeout 30s", "worker_shutdown_timeout 1s"))
        nginx_reload(bed)
        token, poster = bed.therapist(), Poster(bed)
        watchers = [Watcher(bed, poster.sessions[i % SESSIONS], token) for i in range(WATCHERS)]
        running = [asyncio.create_task(w.run()) for w in watchers]

        def go():
            """All are in and updates flow; the restart; all are in and updates flow again; the end."""
            for step in (lambda bed: None, act):
                step(bed)
                bed.ready()
                eventually(lambda: bed.metric("watchers") == WATCHERS, "all watchers are in")
                answered = len(poster.answered)
                eventually(lambda: poster.odd or len(poster.answered) >= answered + 4 * SESSIONS, "updates")

        poster.start()
        try:
            await asyncio.to_thread(go)
        finally:
            poster.stopping.set()
            await asyncio.to_thread(poster.join)
        assert not poster.odd
        await asyncio.wait_for(asyncio.gather(*running), 60)
        stored = {session: bed.stored(session) for session in poster.sessions}
        assert sorted(poster.answered) == sorted((s, m) for s in stored for _, m in stored[s]), "stored, and once"
        for watcher in watchers:
            assert [(m["revision"], m["message"]) for m in watcher.seen] == stored[watcher.session]
            assert watcher.seen[-1]["status"] == "processed"
        lost = sum((w.losses for w in watchers), collections.Counter())
        print(f"{len(poster.answered)} updates, {poster.retries} retries, {dict(lost)}")
        assert set(lost) <= losses and bool(lost) == bool(losses)


def test_who_was_accepted_is_served():
    """Whose request is still coming as the program stops is told to come back, not cut off."""
    with Bed() as bed:
        head = (f"GET /api/sessions/ws/{bed.session()}?token={bed.therapist()} HTTP/1.1\r\nHost: localhost\r\n"
                "Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
                "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n").encode()
        with socket.socket(socket.AF_UNIX) as client:
            client.settimeout(PATIENCE)
            client.connect(str(bed.ws_socket()))
            client.sendall(head[:50])
            assert bed.is_ready("ws")  # asked later, so the one before is accepted, too
            bed.procs["ws0"].send_signal(signal.SIGTERM)
            eventually(lambda: not bed.ws_socket().exists(), "it stops")
            client.sendall(head[50:])
            answer = b""
            while not answer.endswith(b"Service restart"):
                assert (chunk := client.recv(4096)), answer
                answer += chunk
            assert answer.startswith(b"HTTP/1.1 101 ") and (1012).to_bytes(2, "big") in answer
