"""Watchers who read slowly, not at all, or are gone: what they get, what they cost, who suffers."""
import asyncio
import contextlib
import json
import struct
import threading

import pytest

from frames import PING, TEXT as OPCODE_TEXT, frame
from bed import BUILD, IS_THREAD_BUILD, Bed, RawWatcher, eventually, until_closed, update
from overflow import TEXT, numbered, overflow

STUCK = 1000
ALONE = 60
UPDATES = 300


def check_order(updates, newest):
    """Some are left out; those that came came in order, with the newest among them."""
    numbers = [int(u["message"].split()[0]) for u in updates]
    revisions = [u["revision"] for u in updates]
    assert numbers == sorted(set(numbers)) and revisions == sorted(set(revisions))
    assert [u["progress"] for u in updates] == [20 + n * 40 // 100000 for n in numbers]
    assert numbers[-1] == newest and len(numbers) < newest


def updates_of(frames):
    return [json.loads(payload) for first, payload in frames if first == 0x81 and b'"ping"' not in payload[:20]]


@pytest.mark.parametrize("by", ["direct", "plain", "tls"])
def test_slow(by):
    """Who stops reading, and reads again, gets whole frames in order, the newest, and then all."""
    with Bed(close_timeout="1m") as bed:
        session = bed.session()
        with RawWatcher(bed, session, bed.therapist(), by) as slow:
            newest = overflow(bed, session)
            got = []
            while not got or got[-1]["message"] != f"{newest} {TEXT}":
                got += updates_of([slow.frame()])
            check_order(got, newest)
            for progress in range(58, 61):  # it has caught up: nothing is left out any more
                bed.report(session, "transcribing", progress)
                assert [u["progress"] for u in updates_of([slow.frame()])] == [progress]


def outlast_close_timeout(bed):
    """Returns when one who is refused, and does not answer the close, is given up."""
    with RawWatcher(bed, bed.session(), "none") as refused:
        assert [first for first, _ in refused.frames()] == [0x88]


@pytest.mark.parametrize("by", ["direct", "plain", "tls"])
@pytest.mark.parametrize("status,reason", [("processed", b"Processing complete"), ("failed", b"Processing failed")])
def test_end_while_stuck(by, status, reason):
    """The end of the run comes to one who was stuck when it ended, and for much longer than close_timeout,
    and then the close."""
    with Bed(close_timeout="50ms") as bed:
        session = bed.session()
        with RawWatcher(bed, session, bed.therapist(), by) as slow:
            newest = overflow(bed, session)
            last = bed.report(session, status, message=f"{newest + 1} end",
                              **({"error": "broken"} if status == "failed" else {})).json
            for _ in range(10):
                outlast_close_timeout(bed)
            frames = []
            while not frames or frames[-1][0] != 0x88:
                frames.append(slow.frame())
            assert frames[-1][1] == struct.pack(">H", 1000) + reason
            slow.socket.sendall(b"\x88\x80mask")
            assert slow.frame() is None
            got = updates_of(frames)
            revision = got[-1].pop("revision")
            assert got.pop() == last and got[-1]["revision"] < revision
            numbers = [int(u["message"].split()[0]) for u in got]
            assert numbers == sorted(set(numbers)) and len(numbers) < newest


def test_end_at_a_slow_pace():
    """Who reads all the time, only slowly, gets all up to the end of the run, however long that takes."""
    with Bed(close_timeout="2s", send_queue_max="2m") as bed:
        session = bed.session()
        with RawWatcher(bed, session, bed.therapist()) as slow:
            for first in (1, 451):
                assert bed.batch(session, numbered(range(first, first + 450))).status == 200
            bed.report(session, "processed")
            frames = []
            while not frames or frames[-1][0] != 0x88:
                frames.append(slow.frame())
                threading.Event().wait(0.005)  # its pace: it takes in what the kernel keeps within a second
            got = updates_of(frames)
            assert [int(u["message"].split()[0]) for u in got[:-1]] == list(range(1, 901))
            assert got[-1]["status"] == "processed"
            assert frames[-1][1] == struct.pack(">H", 1000) + b"Processing complete"


@pytest.mark.parametrize("count,text", [(100, TEXT), (400, TEXT[:60])], ids=["large", "many"])
async def test_burst(bed, count, text):
    """Who reads at once misses nothing, also of 130 KB of updates that come all in one transaction."""
    session = bed.session()
    async with bed.watch(session, bed.therapist(), since=0, max_queue=None) as ws:
        assert bed.batch(session, numbered(range(1, count + 1), text)).status == 200
        bed.report(session, "processed")
        got = (await until_closed(ws)).messages[:-1]
        assert [int(u["message"].split()[0]) for u in got] == list(range(1, count + 1))


def test_vanished_at_the_end():
    """Who neither reads nor says a word when the run ends is given up after two heartbeats all the same."""
    with Bed(close_timeout="50ms", heartbeat_interval="2s") as bed:
        session = bed.session()
        with RawWatcher(bed, session, bed.therapist()):
            overflow(bed, session)
            bed.report(session, "processed")
            eventually(lambda: bed.metric("connections") == 1, "it is given up")


def memory(pid):
    """What the process holds: its share of every page, in bytes."""
    with open(f"/proc/{pid}/smaps_rollup") as f:
        return 1024 * next(int(line.split()[1]) for line in f if line.startswith("Pss:"))


@pytest.mark.skipif(IS_THREAD_BUILD, reason="memory is not the program's alone")
async def test_stuck_cost_little():
    """A thousand stuck watchers cost little memory and harm no one who reads.

    A queue holds references of 16 bytes to frames that all watchers share. send_queue_max (64k) are 50
    frames of 1,300 bytes: an array of 64, which is 1 KiB, while it grows half as much again. 4 KiB
    leave room for the allocator's holes; copies of the frames would be 64 KiB.
    """
    with Bed(max_connections_per_user=STUCK + 1) as bed, contextlib.ExitStack() as stack:
        session, token = bed.session(), bed.therapist()
        pid = bed.procs["ws0"].pid
        for _ in range(STUCK):
            stack.enter_context(RawWatcher(bed, session, token))
        async with bed.watch(session, token, max_queue=None) as healthy:
            assert bed.metric("watchers") == STUCK + 1
            before = memory(pid)
            for sent in numbered(range(1, UPDATES + 1)):
                reply = await asyncio.to_thread(bed.report, session, **sent)
                assert reply.status == 200 and await update(healthy) == reply.json
            eventually(lambda: bed.metric("frames_total") == (STUCK + 1) * UPDATES, "all are queued")
            per_watcher = (memory(pid) - before) / STUCK
            print(f"{per_watcher:.0f} bytes a stuck watcher")
            conflated = bed.metric("conflated_total")
            assert conflated > STUCK * 50 and conflated % STUCK == 0, "all were stuck, the healthy one never"
        if b"__asan_init" not in (BUILD / "milepost-ws").read_bytes():
            assert per_watcher < 4096
        stack.close()
        eventually(lambda: bed.metric("watchers") == 0, "all are gone")


@pytest.mark.skipif(IS_THREAD_BUILD, reason="memory is not the program's alone")
def test_stuck_alone():
    """Where each watches a session of its own nothing is shared: one costs up to send_queue_max, and no more."""
    with Bed() as bed, contextlib.ExitStack() as stack:
        pid, token = bed.procs["ws0"].pid, bed.therapist()
        sessions = [bed.session() for _ in range(ALONE)]
        for session in sessions:
            stack.enter_context(RawWatcher(bed, session, token))
        before = peak = memory(pid)
        for last in range(40, UPDATES + 1, 20):
            for session in sessions:
                assert bed.batch(session, numbered(range(last - 19, last + 1))).status == 200
            eventually(lambda: bed.metric("frames_total") == ALONE * (last - 20), "all are queued")
            peak = max(peak, memory(pid))
        assert bed.metric("behind") == ALONE, "all were stuck"
        print(f"{(peak - before) / ALONE:.0f} bytes a stuck watcher")
        if b"__asan_init" not in (BUILD / "milepost-ws").read_bytes():
            assert 32 << 10 < (peak - before) / ALONE < (64 << 10) + 4096


@pytest.mark.skipif(IS_THREAD_BUILD, reason="memory is not the program's alone")
@pytest.mark.parametrize("message", [frame(PING), frame(OPCODE_TEXT)], ids=["pings", "texts"])
def test_who_only_talks(message):
    """Who sends what is answered, however short, and does not read the answers, costs no more either."""
    with Bed(message_rate_max=65534, client_messages="ack") as bed:
        pid, session, token = bed.procs["ws0"].pid, bed.session(), bed.therapist()
        with RawWatcher(bed, session, token) as talker:
            before = memory(pid)
            talker.socket.settimeout(0.2)
            with pytest.raises(TimeoutError):  # it is not read any more
                for _ in range(1000):
                    talker.socket.sendall(message * 1000)
            grown = memory(pid) - before
            print(f"{grown} bytes")
            if b"__asan_init" not in (BUILD / "milepost-ws").read_bytes():
                assert grown < 8 * (64 << 10), "what the allocator keeps included; without a limit it is 1.6 MB"
            bed.report(session, "uploading", 1)
            talker.socket.settimeout(20)
            while not updates_of([talker.frame()]):
                pass


@pytest.mark.parametrize("by", ["direct", "plain", "tls"])
def test_vanished(by):
    """Who never answers a ping is dropped after two heartbeats, and does not count any more."""
    with Bed(heartbeat_interval="400ms") as bed:
        with RawWatcher(bed, bed.session(), bed.therapist(), by) as vanished:
            assert bed.metric("watchers") == 1
            eventually(lambda: bed.metric("watchers") == 0, "dropped")
            assert bed.metric('closes_total{code="1006"}') == 1
            frames = list(vanished.frames())
            assert [first for first, _ in frames] in ([0x81, 0x89], [0x81, 0x89] * 2), "after two heartbeats"
        eventually(lambda: bed.metric("connections") == 1, "only that of the question is left")
