"""milepost_sync.py: keeps Milepost's users and sessions in step with the backend's.

What changed is in the table milepost_change (schema.sql). All of Milepost's calls say how something is, not what is to be
done, so they may be sent again, and late: whatever ends when, Milepost comes to know the newest state.
"""
import asyncio
import fcntl
import logging
import random

import httpx

log = logging.getLogger("milepost.sync")
PAUSE, PAUSE_MAX = 0.1, 30  # seconds between tries; doubled from the one to the other
LOOK = 0.5  # seconds between looks for what other processes changed

STATES = {
    "users": "SELECT role, is_active FROM users WHERE id = ?",
    "sessions": "SELECT patient_id FROM sessions WHERE id = ?",
}


class Sync:
    """Sends what changed, for as long as run() runs. Of several processes on one database one sends, for two could
    overtake each other."""

    def __init__(self, db, lock_path, url, key):
        self.db, self.lock = db, open(lock_path, "w")
        # A proxy of the environment's would read what goes unencrypted.
        self.client = httpx.AsyncClient(base_url=url, headers={"Authorization": f"Bearer {key}"}, timeout=5,
                                        mounts={"http://": None})
        self.changed = asyncio.Event()

    async def run(self):
        while not self.is_mine():
            await asyncio.sleep(LOOK)
        pause = PAUSE
        while True:
            self.changed.clear()
            try:
                done = await self.send_all()
            except Exception:  # whatever it is, who loses a right later must be told of all the same
                log.exception("Milepost could not be told what changed; it is tried again")
                done = False
            if done:
                pause = PAUSE
                await self.wait_for_change()
            else:
                await asyncio.sleep(pause * random.uniform(0.5, 1))
                pause = min(pause * 2, PAUSE_MAX)

    def is_mine(self):
        try:
            fcntl.flock(self.lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True

    async def wait_for_change(self):
        try:
            await asyncio.wait_for(self.changed.wait(), LOOK)
        except asyncio.TimeoutError:
            pass

    async def settle(self, timeout=2):
        """To be called after a change was committed: waits until Milepost knows it, but no longer than the timeout. So who
        was locked out is out when the answer comes; and while Milepost is away, the backend goes on."""
        newest = self.db.execute("SELECT max(number) FROM milepost_change").fetchone()[0] or 0
        self.changed.set()
        try:
            await asyncio.wait_for(self.wait_until_sent(newest), timeout)
        except asyncio.TimeoutError:
            log.warning("Milepost does not know yet what changed; it will be told")

    async def wait_until_sent(self, newest):
        while self.db.execute("SELECT 1 FROM milepost_change WHERE number <= ?", (newest,)).fetchone():
            await asyncio.sleep(0.01)

    async def send_all(self):
        """Tells Milepost all that it does not know. True: it knows all."""
        done = True
        for number, kind, id in self.db.execute("SELECT number, kind, id FROM milepost_change ORDER BY number").fetchall():
            try:
                await self.send(kind, id)
            except httpx.HTTPError as error:
                log.warning("%s/%s: %s", kind, id, error)
                done = False
                if isinstance(error, httpx.TransportError):
                    break  # it is away, for the others too
            else:
                # Not a change that came meanwhile, which has another number.
                self.db.execute("DELETE FROM milepost_change WHERE number = ?", (number,))
        return done

    async def send(self, kind, id):
        state = self.db.execute(STATES[kind], (id,)).fetchone()
        path = f"/milepost/v1/{kind}/{id}"
        if state is None:
            answer = await self.client.delete(path)
        elif kind == "users":
            answer = await self.client.put(path, json={"role": state[0], "is_active": bool(state[1])})
        else:
            answer = await self.client.put(path, json={"patient_id": state[0]})
        answer.raise_for_status()
