"""replaced.py: the endpoint that Milepost replaces, as the platform's backend would have it: FastAPI on uvicorn,
an in-memory tracker of the newest update of each session, a queue a watcher. It keeps nothing and checks nobody.

Written from the contract for the bench alone; Starlette's own JSON and validation are left out, to its favour.
"""
import asyncio
import json
import time

from fastapi import FastAPI, Request, Response, WebSocket, WebSocketDisconnect

HEARTBEAT = 30
WAITING_MAX = 64  # updates for one watcher; beyond, it misses the oldest


def timestamp():
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())


class ProgressTracker:
    def __init__(self):
        self.newest = {}      # session -> its current progress
        self.subscribers = {}  # session -> queues

    def subscribe(self, session):
        queue = asyncio.Queue(WAITING_MAX)
        self.subscribers.setdefault(session, set()).add(queue)
        return queue

    def unsubscribe(self, session, queue):
        queues = self.subscribers[session]
        queues.discard(queue)
        if not queues:
            del self.subscribers[session]

    def update_progress(self, session, update):
        now = timestamp()
        before = self.newest.get(session)
        message = {
            "session_id": session,
            "status": update["status"],
            "progress": update["progress"],
            "message": update["message"],
            "updated_at": now,
            "created_at": before["created_at"] if before else now,
            "estimated_time_remaining": update.get("estimated_time_remaining"),
            "error": update.get("error"),
        }
        self.newest[session] = message
        text = json.dumps(message)  # once for all watchers
        for queue in self.subscribers.get(session, ()):
            if queue.full():
                queue.get_nowait()
            queue.put_nowait(text)
        return message


app = FastAPI()
tracker = ProgressTracker()


@app.post("/api/sessions/{session}/progress")
async def report(session: str, request: Request):
    message = tracker.update_progress(session, json.loads(await request.body()))
    return Response(json.dumps(message), media_type="application/json")


async def send_updates(ws, queue):
    while True:
        await ws.send_text(await queue.get())


async def send_heartbeats(ws):
    while True:
        await asyncio.sleep(HEARTBEAT)
        await ws.send_text(json.dumps({"type": "ping", "timestamp": timestamp()}))


@app.websocket("/api/sessions/ws/{session}")
async def watch(ws: WebSocket, session: str):
    await ws.accept()
    queue = tracker.subscribe(session)
    if session in tracker.newest:
        queue.put_nowait(json.dumps(tracker.newest[session]))
    tasks = [asyncio.create_task(send_updates(ws, queue)), asyncio.create_task(send_heartbeats(ws))]
    try:
        while True:
            await ws.receive_text()
    except WebSocketDisconnect:
        pass
    finally:
        for task in tasks:
            task.cancel()
        tracker.unsubscribe(session, queue)
