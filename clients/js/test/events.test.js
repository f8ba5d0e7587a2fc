// events.test.js: Server-Sent Events, where WebSocket is blocked or not there.
import assert from "node:assert/strict";
import { test } from "node:test";
import { RefusedError } from "milepost";
import { bed, counting, eventually, record, stored } from "./bed.js";

const NOBODYS = "00000000-0000-4000-8000-000000000000";
const BY_EVENTS = { transport: "sse", WebSocket: undefined };

/** A fetch that keeps the requests for streams of events. */
function listening() {
  const requests = [];
  const fetch = (url, init) => {
    if (url.includes("/events")) requests.push({ url, headers: init.headers });
    return globalThis.fetch(url, init);
  };

  return { requests, fetch };
}

async function assertWhole(told, sessionId) {
  await told.ends();
  assert.deepEqual(told.updates.map(({ revision }) => revision), await stored(sessionId));
}

test("the current update, each that follows, and the end; no token in the URL", async () => {
  const [sessionId, token] = [await bed("session"), await bed("token")];
  const { requests, fetch } = listening();

  await bed("report", sessionId, "uploading", 5);
  const sent = [await bed("report", sessionId, "uploading", 10)];
  const told = record({ sessionId, token, fetch, ...BY_EVENTS });

  await told.shows(10);
  sent.push(await bed("report", sessionId, "transcribing", 20, { message: "Schrödinger\r\n\n: 🐈" }));
  sent.push(await bed("report", sessionId, "processed"));
  await told.ends();
  assert.deepEqual(told.updates.map(({ revision, ...update }) => update), sent);
  assert.deepEqual(told.updates.map(({ revision }) => revision), (await stored(sessionId)).slice(1));
  assert.deepEqual(requests.map(({ headers }) => headers["Last-Event-ID"]), [undefined, String(told.last.revision)]);
  for (const { url, headers } of requests) {
    assert.ok(!url.includes("?"), url);
    assert.equal(headers.Authorization, `Bearer ${token}`);
  }
});

test("since, and a session that has ended already", async () => {
  const [sessionId, token] = [await bed("session"), await bed("token")];

  for (const progress of [0, 10, 20]) await bed("report", sessionId, "uploading", progress);
  const whole = record({ sessionId, token, since: 0, ...BY_EVENTS });

  await whole.shows(20);
  await bed("report", sessionId, "processed");
  await assertWhole(whole, sessionId);
  const current = record({ sessionId, token, ...BY_EVENTS });
  const rest = record({ sessionId, token, since: whole.updates[1].revision, ...BY_EVENTS });
  const none = record({ sessionId, token, since: whole.watch.revision, ...BY_EVENTS });

  await Promise.all([current.ends(), rest.ends(), none.ends()]);
  assert.deepEqual([current.progress(), rest.progress(), none.progress()], [[100], [20, 100], []]);
});

test("a refusal is final, and told in the server's words", async () => {
  const patient = await bed("user", "patient");
  const [mine, other, token] = [await bed("session", patient), await bed("session"), await bed("token", patient)];

  for (const auth of ["header", "query", "ticket"])
    for (const [reason, code, sessionId, bearer] of [
      ["Invalid authentication", 401, mine, "not.a.token"],
      ["Session not found", 404, NOBODYS, token],
      ["Not authorized to access this session", 403, other, token],
    ]) {
      const { requests, fetch } = listening();
      const error = await record({ sessionId, token: bearer, auth, fetch, ...BY_EVENTS }).fails();

      assert.ok(error instanceof RefusedError);
      assert.deepEqual([error.reason, error.code], [reason, code]);
      assert.ok(requests.length <= 1);
    }
});

test("a session that is deleted, a token that expires", async () => {
  const [sessionId, user] = [await bed("session"), await bed("user", "therapist")];
  const gone = record({ sessionId, token: await bed("token", user), ...BY_EVENTS });

  await gone.is("open");
  await bed("delete", `sessions/${sessionId}`);
  assert.equal((await gone.fails()).reason, "Session not found");
  const token = await bed("token", user, { lifetime: 2 });
  const late = record({ sessionId: await bed("session"), token, ...BY_EVENTS });

  assert.equal((await late.fails()).reason, "Invalid authentication");
});

test("a token from a function is renewed by another connection, and nothing is missed", async () => {
  const [sessionId, user] = [await bed("session"), await bed("user", "therapist")];
  const { requests, fetch } = listening();
  const token = () => bed("token", user, { lifetime: 3 });
  const told = record({ sessionId, token, fetch, since: 0, ...BY_EVENTS });

  for (let i = 0; requests.length < 4; i++) {
    await bed("report", sessionId, "uploading", Math.min(i, 20), { message: `${i}` });
    await eventually(() => told.updates.length > i, `update ${i}`);
  }
  await bed("report", sessionId, "processed");
  await assertWhole(told, sessionId);
  assert.deepEqual(told.causes, ["The stream ended"], "at the end, and no pause before");
});

test("cuts, silence, and a planned restart", async () => {
  const [sessionId, token, port] = [await bed("session"), await bed("token"), await bed("proxy")];
  const options = { silenceMs: 1000, openMs: 500, since: 0, ...BY_EVENTS };
  const told = record({ url: `http://localhost:${port}`, sessionId, token, ...options });
  const direct = record({ sessionId, token, ...options });

  for (let i = 20; i < 40; i++) {
    await bed("report", sessionId, "transcribing", i);
    if (i % 2) await told.shows(i);
    await bed("proxy_cut", port);
  }
  await bed("report", sessionId, "transcribing", 40);
  await told.shows(40);
  await bed("proxy_mode", port, "swallow");
  await bed("report", sessionId, "transcribing", 41);
  await eventually(() => told.causes.includes("The connection fell silent"), "it is noticed");
  await bed("proxy_mode", port, "pass");
  await told.shows(41);
  await bed("restart", "ws0");
  await bed("report", sessionId, "processed");
  await assertWhole(told, sessionId);
  await assertWhole(direct, sessionId);
});

test("a WebSocket that is blocked, or hangs", async () => {
  for (const mode of ["block", "deaf"]) {
    const [sessionId, token, port] = [await bed("session"), await bed("token"), await bed("proxy")];

    await bed("proxy_mode", port, mode);
    await bed("report", sessionId, "uploading", 1);
    const told = record({ url: `http://localhost:${port}`, sessionId, token, openMs: 500 });

    await told.shows(1); // by the poll, perhaps
    await told.is("open");
    await bed("report", sessionId, "uploading", 2);
    await told.shows(2);
    await bed("proxy_cut", port); // it stays with what works
    await bed("report", sessionId, "processed");
    await told.ends();
    assert.deepEqual(told.progress(), [1, 2, 100]);
    assert.equal(await bed("proxy_upgrades", port), 1);
  }
});

test("a WebSocket that opens and says nothing", async () => {
  const [sessionId, token, port] = [await bed("session"), await bed("token"), await bed("proxy")];
  const Mute = class extends counting() {
    set onmessage(listener) {}
  };

  await bed("report", sessionId, "uploading", 1);
  const told = record({ url: `http://localhost:${port}`, sessionId, token, silenceMs: 1000, WebSocket: Mute });

  await told.shows(1);
  await bed("report", sessionId, "processed");
  await told.ends();
  assert.deepEqual(told.progress(), [1, 100]);
  assert.equal(Mute.calls.length, 1);
});

test("no WebSocket here", async () => {
  const [sessionId, token] = [await bed("session"), await bed("token")];
  const told = record({ sessionId, token, WebSocket: undefined });

  await told.is("open");
  await bed("report", sessionId, "processed");
  await told.ends();
  assert.deepEqual(told.progress(), [100]);
});
