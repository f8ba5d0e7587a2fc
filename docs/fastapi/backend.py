"""backend.py: a FastAPI backend with users of its own, whose sessions Milepost shows the progress of.

    BACKEND_DATABASE      its SQLite file
    JWT_SECRET_FILE       the secret that it signs tokens with, the same as Milepost's jwt_secret_file
    MILEPOST_URL          where Milepost is, as http://localhost
    MILEPOST_KEY_FILE     an admin's key, made by `milepostctl key add backend --scope admin`

`python3 backend.py add-admin EMAIL` makes the first user, with the password from standard input; `python3 backend.py
sync-all` has the running backend tell Milepost of everybody and everything, once. Else: `python3 -m uvicorn backend:app`.
"""
import asyncio
import os
import pathlib
import sqlite3
import sys
import time
import uuid
from typing import Literal, Optional

import bcrypt
import jwt
from fastapi import Depends, FastAPI, HTTPException, Response
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer
from pydantic import BaseModel, Field

from milepost_sync import Sync

TOKEN_SECONDS = 3600
SECRET = pathlib.Path(os.environ["JWT_SECRET_FILE"]).read_text().rstrip("\n")

# Each statement is a transaction, and its trigger's part of it. Other processes may write, too: the timeout. All statements
# are the event loop's: a write within another thread's read of the same connection would be refused instead of waiting.
DATABASE = os.environ["BACKEND_DATABASE"]
os.umask(0o077)  # it has passwords' hashes
db = sqlite3.connect(DATABASE, isolation_level=None, timeout=10)
db.executescript((pathlib.Path(__file__).parent / "schema.sql").read_text())

app = FastAPI()
bearer = HTTPBearer()
Role = Literal["patient", "therapist", "admin"]


@app.on_event("startup")
async def begin():
    key = pathlib.Path(os.environ["MILEPOST_KEY_FILE"]).read_text().strip()
    app.sync = Sync(db, f"{DATABASE}.sync", os.environ["MILEPOST_URL"], key)
    app.syncing = asyncio.create_task(app.sync.run())


@app.on_event("shutdown")
async def end():
    app.syncing.cancel()
    await app.sync.client.aclose()


# --- tokens ---

class Login(BaseModel):
    email: str
    password: str


NOBODY = bcrypt.hashpw(b"", bcrypt.gensalt())  # takes as long to check as anybody's


@app.post("/api/v1/login")
async def login(body: Login):
    row = db.execute("SELECT id, password, role FROM users WHERE email = ? AND is_active", (body.email,)).fetchone()
    password, known = body.password.encode()[:72], row[1] if row else NOBODY
    if not await asyncio.to_thread(bcrypt.checkpw, password, known) or row is None:
        raise HTTPException(401, "Incorrect email or password")
    # What Milepost checks: sub and exp, and type where it is there. The role is for users = token alone.
    claims = {"sub": row[0], "role": row[2], "type": "access", "exp": int(time.time()) + TOKEN_SECONDS}
    return {"access_token": jwt.encode(claims, SECRET, "HS256"), "token_type": "bearer", "expires_in": TOKEN_SECONDS}


async def user(credentials: HTTPAuthorizationCredentials = Depends(bearer)):
    try:
        claims = jwt.decode(credentials.credentials, SECRET, ["HS256"], options={"require": ["sub", "exp"]})
    except jwt.InvalidTokenError:
        raise HTTPException(401, "Invalid authentication")
    row = db.execute("SELECT id, role FROM users WHERE id = ? AND is_active", (claims["sub"],)).fetchone()
    if row is None:
        raise HTTPException(401, "Invalid authentication")
    return row


async def admin(user=Depends(user)):
    if user[1] != "admin":
        raise HTTPException(403, "Administrators only")


async def staff(user=Depends(user)):
    if user[1] == "patient":
        raise HTTPException(403, "Therapists and administrators only")


# --- users: whoever loses a right here is off Milepost when the answer comes ---

class NewUser(BaseModel):
    email: str = Field(max_length=254)
    password: str = Field(min_length=8)
    role: Role


class ChangedUser(BaseModel):
    role: Optional[Role] = None
    is_active: Optional[bool] = None


async def add_user(new):
    id = str(uuid.uuid4())
    password = await asyncio.to_thread(bcrypt.hashpw, new.password.encode()[:72], bcrypt.gensalt())
    try:
        db.execute("INSERT INTO users (id, email, password, role) VALUES (?, ?, ?, ?)", (id, new.email, password, new.role))
    except sqlite3.IntegrityError:
        raise HTTPException(409, "The e-mail address is another user's")
    return id


def need_row(changed):
    if changed.rowcount == 0:
        raise HTTPException(404, "There is no such")


@app.post("/api/v1/users", status_code=201, dependencies=[Depends(admin)])
async def create_user(body: NewUser):
    id = await add_user(body)
    await app.sync.settle()
    return {"id": id}


@app.patch("/api/v1/users/{id}", status_code=204, response_class=Response, dependencies=[Depends(admin)])
async def change_user(id: uuid.UUID, body: ChangedUser):
    need_row(db.execute("UPDATE users SET role = coalesce(?, role), is_active = coalesce(?, is_active) WHERE id = ?",
                        (body.role, body.is_active, str(id))))
    await app.sync.settle()


@app.delete("/api/v1/users/{id}", status_code=204, response_class=Response, dependencies=[Depends(admin)])
async def delete_user(id: uuid.UUID):
    need_row(db.execute("DELETE FROM users WHERE id = ?", (str(id),)))
    await app.sync.settle()


# --- sessions ---

class Session(BaseModel):
    patient_id: Optional[uuid.UUID]


@app.post("/api/v1/sessions", status_code=201, dependencies=[Depends(staff)])
async def create_session(body: Session):
    id = str(uuid.uuid4())
    db.execute("INSERT INTO sessions (id, patient_id) VALUES (?, ?)", (id, body.patient_id and str(body.patient_id)))
    await app.sync.settle()
    return {"id": id}


@app.patch("/api/v1/sessions/{id}", status_code=204, response_class=Response, dependencies=[Depends(staff)])
async def change_session(id: uuid.UUID, body: Session):
    need_row(db.execute("UPDATE sessions SET patient_id = ? WHERE id = ?",
                        (body.patient_id and str(body.patient_id), str(id))))
    await app.sync.settle()


@app.delete("/api/v1/sessions/{id}", status_code=204, response_class=Response, dependencies=[Depends(staff)])
async def delete_session(id: uuid.UUID):
    need_row(db.execute("DELETE FROM sessions WHERE id = ?", (str(id),)))
    await app.sync.settle()


# --- commands ---

def main():
    if sys.argv[1:2] == ["add-admin"] and len(sys.argv) == 3:
        print(asyncio.run(add_user(NewUser(email=sys.argv[2], password=sys.stdin.readline().rstrip("\n"), role="admin"))))
    elif sys.argv[1:] == ["sync-all"]:
        db.execute("INSERT INTO milepost_change (kind, id) SELECT 'users', id FROM users "
                   "UNION ALL SELECT 'sessions', id FROM sessions")
    else:
        sys.exit(__doc__)


if __name__ == "__main__":
    main()
