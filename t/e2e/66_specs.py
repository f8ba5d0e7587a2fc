"""docs/openapi.yaml and docs/asyncapi.yaml: valid by their own tools, and true: every documented response is provoked and
looked at, every route is documented, and every message and close of a WebSocket is one that is."""
import contextlib
import functools
import http.client
import json
import os
import re
import shutil
import subprocess
import urllib.parse
import uuid

import jsonschema
import pytest
import yaml

from bed import BUILD, PATIENCE, TOP, Bed, Reply, eventually, receive, until_closed

METHODS = ("get", "put", "post", "delete")
JSON, FORM, NDJSON = "application/json", "application/x-www-form-urlencoded", "application/x-ndjson"
PROBLEM = "application/problem+json"
PASSWORD = "correct horse battery staple"


@functools.cache
def spec(name="openapi.yaml"):
    return yaml.safe_load((TOP / "docs" / name).read_text())


def resolve(node, document=None):
    """A node, or what it refers to."""
    while "$ref" in node:
        path = node["$ref"].removeprefix("#/").split("/")
        node = functools.reduce(lambda found, part: found[part], path, document or spec())
    return node


def references(node):
    """Every $ref below a node."""
    if isinstance(node, dict):
        for key, value in node.items():
            yield from [value] if key == "$ref" else references(value)
    elif isinstance(node, list):
        for value in node:
            yield from references(value)


def validator(schema, name="openapi.yaml"):
    kind = jsonschema.Draft202012Validator if name == "openapi.yaml" else jsonschema.Draft7Validator
    return kind(schema, resolver=jsonschema.RefResolver("", spec(name)), format_checker=jsonschema.FormatChecker())


def component(name):
    return {"$ref": f"#/components/schemas/{name}"}


@functools.cache
def operations():
    """By their operationId: method, path, operation."""
    return {operation["operationId"]: (method.upper(), path, operation)
            for path, item in spec()["paths"].items() for method, operation in item.items() if method in METHODS}


# --- the documents themselves ---

@functools.cache
def tools():
    """The folder with the validators that t/specs names; made once for each set of versions."""
    lock = TOP / "t/specs/package-lock.json"
    folder = BUILD / "specs"
    if shutil.which("npm") is None:
        pytest.skip("npm is not installed")
    if not (folder / "done").exists() or (folder / "package-lock.json").read_bytes() != lock.read_bytes():
        shutil.rmtree(folder, ignore_errors=True)
        shutil.copytree(lock.parent, folder, ignore=shutil.ignore_patterns("node_modules"))
        made = subprocess.run(["npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund"], cwd=folder, text=True,
                              capture_output=True, stdin=subprocess.DEVNULL, timeout=900)
        if re.search(r"ENOTFOUND|EAI_AGAIN|ECONNREFUSED|ETIMEDOUT|ENETUNREACH", made.stderr):
            pytest.skip("npm's registry can't be reached")
        assert made.returncode == 0, made.stderr
        (folder / "done").touch()
    return folder


def validate(openapi, asyncapi):
    return subprocess.run(["node", tools() / "validate.js", openapi, asyncapi], text=True, capture_output=True, timeout=120)


def test_valid(tmp_path):
    """By the tools of OpenAPI and AsyncAPI, which would find something in others."""
    paths = [TOP / "docs" / name for name in ("openapi.yaml", "asyncapi.yaml")]
    result = validate(*paths)
    assert (result.returncode, result.stdout, result.stderr) == (0, "", "")
    for path, old, new in zip(paths, ("operationId: report\n", "action: send\n"), ("operationIt: report\n", "action: shout\n")):
        text = path.read_text()
        assert text.count(old) == 1
        (tmp_path / path.name).write_text(text.replace(old, new))
    result = validate(*(tmp_path / path.name for path in paths))
    assert result.returncode == 1 and len(result.stdout.splitlines()) == 2, result


@pytest.mark.parametrize("name", ["openapi.yaml", "asyncapi.yaml"])
def test_references(name):
    """Each leads somewhere, and no component is there in vain; the version is the release's."""
    document = spec(name)
    used = set(references(document))
    for reference in used:
        resolve({"$ref": reference}, document)
    for kind, components in document["components"].items():
        for component in components:
            assert kind == "securitySchemes" or f"#/components/{kind}/{component}" in used, component
    release = re.search(r"AC_INIT\(\[milepost\], \[(.*?)\]\)", (TOP / "configure.ac").read_text())[1]
    assert document["info"]["version"] == release


def test_examples():
    """Each example is of its schema."""
    count = 0
    for _, _, operation in operations().values():
        for media in operation.get("requestBody", {"content": {}})["content"].values():
            for example in media.get("examples", {}).values():
                validator(media["schema"]).validate(example["value"])
                count += 1
    for message in spec("asyncapi.yaml")["components"]["messages"].values():
        for example in message["examples"]:
            validator(message["payload"], "asyncapi.yaml").validate(example["payload"])
            count += 1
    assert count > 10


def test_routes():
    """What is documented is what there is: milepost-api's routes, and milepost-ws's."""
    table = re.findall(r'^\t\{ "(\w+)", "(/[^"]*)",', (TOP / "src/api/route.c").read_text(), re.M)
    pages = re.findall(r'^\t\{ "(/milepost/ws/\w+)",', (TOP / "src/ws/request.c").read_text(), re.M)
    assert len(table) > 10 and len(pages) == 3
    routes = {*table, *(("GET", page) for page in pages), ("GET", "/api/sessions/{id}/events")}
    assert {(method, path) for method, path, _ in operations().values()} == routes
    channel = spec("asyncapi.yaml")["channels"]["session"]["address"]
    assert channel.replace("{session_id}", "") in (TOP / "nginx/milepost.conf").read_text()


# --- requests and responses ---

class Checked:
    """Sends what is documented, looks whether the answer is, and keeps which were seen."""

    def __init__(self, bed):
        self.bed, self.seen = bed, set()

    def send(self, method, path, body, headers, length):
        """Like bed.http; without length, without Content-Length."""
        if length:
            return self.bed.http(method, path, body, **headers)
        with contextlib.closing(http.client.HTTPConnection("localhost", self.bed.port, timeout=PATIENCE)) as connection:
            connection.putrequest(method, path)
            for name, value in headers.items():
                connection.putheader(name.replace("_", "-"), value)
            connection.endheaders()
            return Reply(connection.getresponse())

    def ask(self, name, status, *, id=None, query="", body=None, value=None, type=None, bearer=None, length=True, **headers):
        """One request of an operation, that is to be answered with the status. value: a body, encoded by its type."""
        method, path, operation = operations()[name]
        media = operation.get("requestBody", {}).get("content", {})
        if bearer is not None:
            headers["Authorization"] = f"Bearer {bearer}"
        if media:
            headers["Content_Type"] = type or next(iter(media))
        if value is not None:
            body = urllib.parse.urlencode(value) if type == FORM else json.dumps(value)
        path = path.replace("{id}", str(id))
        reply = self.send(method, path + query, body, headers, length)
        assert reply.status == status, (name, reply.status, reply.body)
        self.check(name, reply)
        if value is not None and status < 300:
            validator(media[headers["Content_Type"]]["schema"]).validate(value)
        # milepost-ws knows GET alone.
        if method == "GET" and not path.startswith("/milepost/ws/") and name != "getEvents" and length and status < 500:
            head = self.send("HEAD", path + query, body, headers, True)
            assert (head.status, head.body) == (reply.status, b"")
        return reply

    def check(self, name, reply):
        responses = operations()[name][2]["responses"]
        key = str(reply.status) if str(reply.status) in responses else f"{reply.status // 100}XX"
        assert key in responses, f"{name}: {reply.status} is not documented"
        response = resolve(responses[key])
        for header, described in response.get("headers", {}).items():
            value = reply.headers[header]
            # 500 has no Retry-After, so 5XX can't require it.
            assert value is not None and validator(resolve(described)["schema"]).is_valid(value), (name, header, value)
        if reply.status == 503:
            assert reply.headers["Retry-After"] or reply.body.startswith(b"not ready: "), (name, reply.headers)
        self.check_body(name, response.get("content"), reply)
        self.seen.add((name, key))

    def check_body(self, name, content, reply):
        if content is None:
            assert reply.body == b"" and reply.headers["Content-Type"] is None, name
            return
        kind = reply.headers["Content-Type"].partition(";")[0]
        assert kind in content, (name, reply.status, kind)
        text = reply.body.decode()
        media = content[kind]
        if kind == NDJSON:
            for line in text.splitlines():
                validator(media["x-line"]).validate(json.loads(line))
        validator(media["schema"]).validate(json.loads(text) if kind in (JSON, PROBLEM) else text)
        if kind == PROBLEM:
            assert json.loads(text)["status"] == reply.status


def documented():
    return {(name, status) for name, (_, _, operation) in operations().items() for status in operation["responses"]}


def check_refusals(checked, name, id=None, body=None):
    """What every operation with a credential refuses alike."""
    checked.ask(name, 401, id=id, body=body)
    assert checked.ask(name, 401, id=id, body=body, bearer="nonsense").json["detail"] == "Invalid authentication"


def check_bodies(checked, name, id, bearer, good):
    """What every operation with a body refuses alike."""
    method, _, operation = operations()[name]
    checked.ask(name, 400, id=id, body="{", bearer=bearer)
    checked.ask(name, 411, id=id, bearer=bearer, length=False)
    checked.ask(name, 413, id=id, body=" " * 20000 + json.dumps(good), bearer=bearer)
    checked.ask(name, 415, id=id, body=json.dumps(good), bearer=bearer, type="text/csv")
    wrong = checked.ask(name, 422, id=id, body=json.dumps({**good, next(iter(good)): [1]}), bearer=bearer)
    assert next(iter(good)) in wrong.json["detail"]


def reporting(checked, people):
    bed, session = checked.bed, people["session"]
    good = {"status": "transcribing", "progress": 45, "estimated_time_remaining": 30}
    key = bed.worker_key
    checked.ask("report", 200, id=session, value=good, bearer=key)
    checked.ask("report", 200, id=session.upper(), value=good, bearer=key)
    assert "current" in checked.ask("report", 409, id=session, value={**good, "progress": 44}, bearer=key).json
    checked.ask("report", 200, id=session, value={"status": "failed", "error": "The audio is empty"}, bearer=key)
    checked.ask("report", 200, id=session, value={"status": "uploading", "progress": "3", "restart": "1"}, bearer=key, type=FORM)
    checked.ask("report", 403, id=session, value=good, bearer=people["patient_token"])
    checked.ask("report", 404, id=uuid.uuid4(), value=good, bearer=key)
    check_refusals(checked, "report", session, json.dumps(good))
    check_bodies(checked, "report", session, key, good)

    lines = [{"session_id": session, "status": "uploading", "progress": 4}, {"session_id": session, "status": "uploading"},
             {"session_id": session, "status": "uploading", "progress": 1}, {"session_id": str(uuid.uuid4()), **good}]
    body = "\n".join(map(json.dumps, lines)) + "\n{\n" + " " * 17000 + "{}"
    answers = checked.ask("reportBatch", 200, body=body, bearer=key).body.splitlines()
    assert [json.loads(a)["status"] for a in answers] == [200, 422, 409, 404, 400, 413]
    line = resolve(operations()["reportBatch"][2]["requestBody"]["content"][NDJSON]["x-line"])
    assert validator(line).is_valid(lines[0]) and validator(line).is_valid(lines[3])
    check_refusals(checked, "reportBatch", body=body)
    checked.ask("reportBatch", 403, body=body, bearer=people["patient_token"])
    checked.ask("reportBatch", 411, bearer=key, length=False)
    checked.ask("reportBatch", 413, body="{}\n" * 10001, bearer=key)
    checked.ask("reportBatch", 415, body=body, bearer=key, type=JSON)


def watching(checked, people):
    bed, session, token = checked.bed, people["session"], people["patient_token"]
    bed.report(session, "uploading", 5, restart=True)
    for name in ("getProgress", "getHistory"):
        newest = checked.ask(name, 200, id=session, bearer=token)
        check_refusals(checked, name, session)
        checked.ask(name, 403, id=session, bearer=people["other_token"])
        checked.ask(name, 404, id="no-uuid", bearer=token)
    assert checked.ask("getProgress", 404, id=people["empty"], bearer=bed.admin_key).json["detail"] == "No progress yet"
    etag = checked.ask("getProgress", 200, id=session, bearer=token).headers["ETag"]
    checked.ask("getProgress", 304, id=session, bearer=token, If_None_Match=etag)
    checked.ask("getHistory", 200, id=session, query="?since=0", bearer=token)
    checked.ask("getHistory", 400, id=session, query="?since=x", bearer=token)
    assert newest.json[0]["session_id"] == session

    page = checked.ask("listSessions", 200, query="?active=1", bearer=bed.admin_key).json
    assert [s["id"] for s in page["sessions"]] == [session] and page["next"] is None
    bed.report(people["empty"], "uploading", 1)
    assert checked.ask("listSessions", 200, query="?active=1&limit=1", bearer=bed.admin_key).json["next"] is not None
    check_refusals(checked, "listSessions")
    checked.ask("listSessions", 403, query="?active=1", bearer=bed.worker_key)
    checked.ask("listSessions", 400, query="?active=0", bearer=token)

    ticket = checked.ask("postTicket", 200, bearer=token, body="").json
    assert ticket["expires_in"] == 30
    check_refusals(checked, "postTicket", body="")
    checked.ask("postTicket", 403, bearer=bed.worker_key, body="")
    for _ in range(99):
        assert bed.http("POST", "/milepost/v1/ticket", "", bearer=token).status == 200
    checked.ask("postTicket", 429, bearer=token, body="")


def events(checked, people):
    bed, session, token = checked.bed, people["session"], people["patient_token"]
    path = f"/api/sessions/{session}/events"
    with contextlib.closing(http.client.HTTPConnection("localhost", bed.port, timeout=PATIENCE)) as connection:
        connection.request("GET", path, headers={"Authorization": f"Bearer {token}"})
        stream = connection.getresponse()
        kind, = operations()["getEvents"][2]["responses"]["200"]["content"].items()
        assert (stream.status, stream.headers["Content-Type"]) == (200, kind[0])
        lines = dict(line.decode().rstrip("\n").split(": ", 1) for line in iter(stream.readline, b"\n") if line[:1] != b":")
        event = kind[1]["x-event"]
        assert lines.keys() == event.keys() and lines["event"] == event["event"]
        validator(event["id"]).validate(int(lines["id"]))
        validator(event["data"]).validate(json.loads(lines["data"]))
        checked.seen.add(("getEvents", "200"))
        checked.ask("getEvents", 429, id=session, bearer=token)  # the one is the limit here
    eventually(lambda: bed.metric("open") == 0, "the stream is gone")
    check_refusals(checked, "getEvents", session)
    checked.ask("getEvents", 403, id=session, query=f"?token={people['other_token']}")
    checked.ask("getEvents", 404, id=uuid.uuid4(), bearer=token)
    checked.ask("getEvents", 400, id=session, query="?since=x", bearer=token)
    bed.report(session, "processed")
    newest = bed.stored(session)[-1][0]
    checked.ask("getEvents", 204, id=session, bearer=token, Last_Event_ID=str(newest))
    checked.ask("getEvents", 204, id=session, query=f"?lastEventId={newest}", bearer=token)


def administration(checked, people):
    bed, key = checked.bed, checked.bed.admin_key
    for put, get, delete, good in (
            ("putSession", "getSession", "deleteSession", {"patient_id": people["patient"].upper()}),
            ("putUser", "getUser", "deleteUser", {"role": "therapist", "email": f"{uuid.uuid4().hex}@example.org"})):
        id = uuid.uuid4()
        checked.ask(put, 201, id=id, value=good, bearer=key)
        checked.ask(put, 200, id=id, value={}, bearer=key)
        assert checked.ask(get, 200, id=id, bearer=key).json["id"] == str(id)
        for name, body in ((put, json.dumps(good)), (get, None), (delete, None)):
            check_refusals(checked, name, id, body)
            checked.ask(name, 403, id=id, body=body, bearer=bed.worker_key)
            checked.ask(name, 404, id="no-uuid", body=body, bearer=key)
        check_bodies(checked, put, id, key, good)
        if put == "putUser":
            checked.ask(put, 409, id=uuid.uuid4(), value=good, bearer=key)
        checked.ask(delete, 204, id=id, bearer=key)
        checked.ask(delete, 204, id=id, bearer=key)
        checked.ask(get, 404, id=id, bearer=key)


def login(checked, people):
    bed = checked.bed
    good = {"email": "ann@example.org", "password": PASSWORD}
    checked.ask("putUser", 201, id=uuid.uuid4(), value={"role": "therapist", **good}, bearer=bed.admin_key)
    checked.bed.hidden.append(checked.ask("login", 200, value=good).json["access_token"])
    checked.ask("login", 401, body=json.dumps({**good, "password": "wrong"}))
    check_bodies(checked, "login", None, None, good)
    for _ in range(60):  # nginx's limit
        if bed.http("POST", "/api/v1/login", "{", Content_Type=JSON).status == 429:
            break
    checked.ask("login", 429, body="{")


def operation_of_hosts(checked, people):
    for program in ("api", "ws"):
        for page in ("Healthz", "Readyz", "Metrics"):
            checked.ask(f"{program}{page}", 200)
    method, path, _ = operations()["wsHealthz"]
    assert checked.bed.http("HEAD", path).status == 405


def unavailable(checked, people):
    """The database is away, then the programs are."""
    bed = checked.bed
    bed.announced += ["level=error", r"\[(crit|error)\] .*connect\(\)"]
    aside = bed.dir / "aside"
    os.rename(bed.db, aside)
    checked.ask("wsReadyz", 503)
    checked.ask("apiReadyz", 503)
    checked.ask("getProgress", 503, id=people["session"], bearer=bed.admin_key)
    os.rename(aside, bed.db)
    for name in ("apiReadyz", "wsReadyz"):
        eventually(lambda: bed.http("GET", operations()[name][1]).status == 200, "it recovers")
    assert bed.end("api") == 0 and bed.end("ws0") == 0

    def is_away(name):
        with contextlib.suppress(AssertionError):
            return checked.ask(name, 503, id=people["session"], body="{}", bearer=bed.admin_key)

    for name in operations():
        eventually(lambda: is_away(name), f"{name} is told to be away, once nginx's limit of logins lets it pass")


def test_every_response():
    """Each that is documented is given, each that is given is documented, with the headers and the body that it has
    there."""
    with Bed(max_connections_per_user=1) as bed:
        patient, other = bed.user("patient"), bed.user("patient")
        people = {"patient": patient, "patient_token": bed.token(patient), "other_token": bed.token(other),
                  "session": bed.session(patient), "empty": bed.session()}
        checked = Checked(bed)
        for part in (reporting, watching, events, administration, login, operation_of_hosts, unavailable):
            part(checked, people)
        assert documented() - checked.seen == set()


# --- request bodies: what the schema takes the program takes, and the other way round ---

POOL = (None, True, False, 0, 1, -1, 45, 101, 2**31 - 1, 2**31, 45.5, "", "x", "true", "admin", "patient", "a@b", "a b@c",
        "0" * 8, "x" * 511, "x" * 1024, "x" * 1025, "550E8400-e29b-41d4-a716-446655440000", "550e8400", [], ["x"], {}, {"a": 1})
FAILED = {"status": "failed", "error": "x", "restart": True}


def agree(bed, name, base, members, pool=POOL, id=None, kind=JSON):
    """For each of the members and values, the schema and the program are of one mind."""
    method, path, operation = operations()[name]
    schema = validator(operation["requestBody"]["content"][kind]["schema"])
    minds = set()
    for member in members:
        for value in pool:
            body = {**base, member: value}
            reply = bed.http(method, path.replace("{id}", id or str(uuid.uuid4())), urllib.parse.urlencode(body)
                             if kind == FORM else json.dumps(body), bearer=bed.admin_key, Content_Type=kind)
            assert reply.status in (200, 201, 422), (member, value, reply.body)
            assert (reply.status < 300) == schema.is_valid(body), (name, member, value, reply.body)
            minds.add(reply.status < 300)
    assert minds == {True, False}


def test_request_bodies(bed):
    """Values of every kind for every member, and for one that there is not. What depends on the stage or on what is there
    already is not the schema's to know, so the others are such that it does not matter."""
    session = bed.session()
    others = [value for value in POOL if not isinstance(value, str)]
    agree(bed, "report", FAILED, ("progress", "message", "estimated_time_remaining", "restart", "unknown"), id=session)
    agree(bed, "report", FAILED, ("error",), [value for value in POOL if value not in (None, "")], id=session)
    agree(bed, "report", {"progress": 45, "restart": True}, ("status",), ["transcribing", *others], id=session)
    agree(bed, "report", {"status": "failed", "error": "x", "restart": "true"},
          ("progress", "estimated_time_remaining", "restart", "message", "unknown"),
          ["", "0", "1", "100", "-1", "1.0", "1x", "true", "false", "x", "x" * 1024, "x" * 1025], session, FORM)
    agree(bed, "putSession", {"patient_id": None}, ("patient_id", "unknown"))
    agree(bed, "putUser", {"role": "patient"}, ("role", "is_active", "email", "password", "unknown"))
    agree(bed, "putUser", {"role": "patient"}, ("password_hash",), [*POOL, "$2b$04$" + "a" * 53])


# --- the WebSocket ---

def channel():
    return spec("asyncapi.yaml")["channels"]["session"]


def kinds_of(message, action):
    """Which of the documented messages of the action it is."""
    document = spec("asyncapi.yaml")
    operation, = (o for o in document["operations"].values() if o["action"] == action)
    names = [reference["$ref"].rpartition("/")[2] for reference in operation["messages"]]
    return [name for name in names if validator(resolve(channel()["messages"][name], document)["payload"],
                                                "asyncapi.yaml").is_valid(message)]


async def test_messages():
    """All that is sent is exactly one of what is documented, and all of that is sent."""
    seen = set()
    with Bed(client_messages="ack", heartbeat_interval="100ms") as bed:
        user = bed.user("therapist")
        ticket = bed.http("POST", "/milepost/v1/ticket", "", bearer=bed.token(user)).json["ticket"]
        refresh = {"type": "refresh", "token": bed.token(user)}
        assert kinds_of(refresh, "receive") == ["refresh"]
        query = channel()["bindings"]["ws"]["query"]
        for parameters in ({"token": bed.token(user)}, {"ticket": ticket, "since": "0"}):
            validator(query, "asyncapi.yaml").validate(parameters)
            session = bed.session()
            async with bed.watch(session, **parameters) as ws:
                assert bed.report(session, "uploading", 1, restart=True, estimated_time_remaining=30).status == 200
                await ws.send(json.dumps(refresh))
                kinds = set()
                while not kinds >= {"ping", "ack", "update" if "token" in parameters else "numberedUpdate"}:
                    message = await receive(ws)
                    kind, = kinds_of(message, "send")
                    kinds.add(kind)
                    if kind in ("update", "numberedUpdate"):
                        validator(component(kind[0].upper() + kind[1:])).validate(message)
                seen |= kinds
    assert seen == {"update", "numberedUpdate", "ping", "ack"}


def test_closes_are_those_of_the_manual():
    """Codes and reasons, both ways."""
    manual = (TOP / "man/milepost-protocol.7").read_text()
    section = manual[manual.index(".Sh WATCHING\n"):manual.index(".Ss Resuming")]
    rows = re.findall(r"^\.It (1\d\d\d) Ta (?:Li (.*?) )?Ta", section, re.M)
    assert set(rows) == {(str(close["code"]), close.get("reason", "")) for close in channel()["x-closes"]}


FRAMES = {1002: bytes.fromhex("8380 00000000"), 1003: bytes.fromhex("8280 00000000"),
          1007: bytes.fromhex("8181 00000000 ff"), 1009: bytes.fromhex("81fe 1389 00000000") + b"x" * 5001}


async def closes(bed):
    """Closes of every kind: code and reason of each."""
    patient, session = bed.user("patient"), bed.session()
    token = bed.therapist()
    for connection in (bed.watch(session), bed.watch(session, "nonsense"), bed.watch(uuid.uuid4(), token),
                       bed.watch(session, bed.token(patient))):
        async with connection as ws:
            yield await until_closed(ws)
    for frame in FRAMES.values():
        async with bed.watch(session, bed.therapist()) as ws:
            ws.transport.write(frame)
            yield await until_closed(ws)
    async with bed.watch(session, bed.therapist()) as ws:
        for _ in range(20):
            ws.transport.write(bytes.fromhex("8180 00000000"))
        yield await until_closed(ws)
    for status, members in (("processed", {}), ("failed", {"error": "x"})):
        bed.report(session, status, restart=True, **members)
        async with bed.watch(session, token) as ws:
            yield await until_closed(ws)
    bed.report(session, "uploading", 1)
    eventually(lambda: bed.metric("open") == 0, "all are gone")
    async with bed.watch(session, token) as first:
        async with bed.watch(session, token) as ws:
            yield await until_closed(ws)
        async with bed.watch(session, bed.therapist()):
            async with bed.watch(session, bed.therapist()) as ws:
                yield await until_closed(ws)
        bed.end("ws0")
        yield await until_closed(first)


async def test_closes():
    """All that the program says as it closes is documented, and all that is documented is said, but a fault of its own."""
    with Bed(max_connections=2, max_connections_per_user=1, message_rate_max=10) as bed:
        said = [(closed.code, closed.reason) async for closed in closes(bed)]
    written = [(close["code"], close.get("reason")) for close in channel()["x-closes"]]
    for code, reason in said:
        assert reason and ((code, reason) in written or (code, None) in written), (code, reason)
    assert [(code, reason) for code, reason in written if code != 1011
            and not any(code == c and reason in (r, None) for c, r in said)] == []
