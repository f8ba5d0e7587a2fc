// watch.test.js: watching where nothing is wrong, and where the server says no.
import assert from "node:assert/strict";
import { test } from "node:test";
import { RefusedError, watchSession } from "milepost";
import { WebSocket } from "ws";
import { bed, counting, eventually, record, stored, URL } from "./bed.js";

const NOBODYS = "00000000-0000-4000-8000-000000000000";

test("the current update, each that follows, and the end", async () => {
  const [sessionId, token] = [await bed("session"), await bed("token")];

  await bed("report", sessionId, "uploading", 5);
  const sent = [await bed("report", sessionId, "uploading", 10)];
  const told = record({ sessionId, token });

  await told.shows(10);
  for (const progress of [20, 30, 30]) sent.push(await bed("report", sessionId, "transcribing", progress, { message: `${sent.length}` }));
  sent.push(await bed("report", sessionId, "processed"));
  await told.ends();
  assert.deepEqual(told.updates.map(({ revision, ...update }) => update), sent);
  assert.deepEqual(told.updates.map(({ revision }) => revision), (await stored(sessionId)).slice(1));
  assert.deepEqual(told.states, ["connecting", "open", "closed"]);
  assert.equal(told.last, told.updates.at(-1));
  assert.equal(told.watch.revision, told.last.revision);
});

test("a watch that is there before the first update", async () => {
  const [sessionId, token] = [await bed("session"), await bed("token")];
  const told = record({ sessionId, token });

  await told.is("open");
  await bed("report", sessionId, "uploading", 0);
  await told.shows(0);
  await bed("report", sessionId, "failed", 3, { error: "no audio" });
  await told.ends();
  assert.deepEqual(told.progress(), [0, 3]);
  assert.equal(told.last.error, "no audio");
});

test("a session that has ended already", async () => {
  const [sessionId, token] = [await bed("session"), await bed("token")];

  await bed("report", sessionId, "processed");
  const told = record({ sessionId, token });

  await told.ends();
  assert.deepEqual(told.progress(), [100]);
  const again = record({ sessionId, token, since: told.watch.revision });

  await again.ends();
  assert.deepEqual([again.updates, again.last], [[], undefined]);
});

test("since 0 is the whole run, since a revision what follows it", async () => {
  const [sessionId, token] = [await bed("session"), await bed("token")];

  for (const progress of [0, 10, 20]) await bed("report", sessionId, "uploading", progress);
  const whole = record({ sessionId, token, since: 0 });

  await whole.shows(20);
  const rest = record({ sessionId, token, since: whole.updates[0].revision });

  await rest.shows(20);
  await bed("report", sessionId, "processed");
  await Promise.all([whole.ends(), rest.ends()]);
  assert.deepEqual(whole.progress(), [0, 10, 20, 100]);
  assert.deepEqual(rest.progress(), [10, 20, 100]);
});

test("iterating ends with the session, and misses nothing of before", async () => {
  const [sessionId, token] = [await bed("session"), await bed("token")];

  await bed("report", sessionId, "uploading", 1);
  const watch = watchSession({ url: URL, sessionId, token, WebSocket });

  await eventually(() => watch.revision, "the first update");
  const seen = [];

  for await (const update of watch) {
    seen.push(update.progress);
    if (update.progress === 1) await bed("report", sessionId, "uploading", 2);
    if (update.progress === 2) await bed("report", sessionId, "processed");
  }
  assert.deepEqual(seen, [1, 2, 100]);
  assert.equal(watch.state, "closed");
});

test("leaving the loop closes the connection", async () => {
  const [sessionId, token] = [await bed("session"), await bed("token")];

  await bed("report", sessionId, "uploading", 1);
  const watch = watchSession({ url: URL, sessionId, token, WebSocket });

  for await (const update of watch) if (update.progress === 1) break;
  assert.equal(watch.state, "closed");
  await eventually(async () => (await bed("metric", "watchers")) === 0, "the server sees it");
});

test("a refusal is final, and told in the server's words", async () => {
  const patient = await bed("user", "patient");
  const [mine, other] = [await bed("session", patient), await bed("session")];
  const [token, old] = [await bed("token", patient), await bed("token", patient, { lifetime: -60 })];
  const cases = [
    ["Invalid authentication", mine, "not.a.token"],
    ["Invalid authentication", mine, old],
    ["Session not found", NOBODYS, token],
    ["Not authorized to access this session", other, token],
  ];

  for (const auth of ["header", "query"])
    for (const [reason, sessionId, token] of cases) {
      const Counting = counting();
      const told = record({ sessionId, token, auth, WebSocket: Counting });
      const error = await told.fails();

      assert.ok(error instanceof RefusedError);
      assert.deepEqual([error.reason, error.message, error.code], [reason, reason, 1008]);
      // Another watch lives and ends meanwhile: the pauses of this one would be over.
      await record({ sessionId: mine, token: "not.a.token" }).fails();
      assert.equal(Counting.calls.length, 1);
      assert.deepEqual(told.states, ["connecting", "open", "closed"]);
    }
});

test("iterating throws the refusal", async () => {
  const watch = watchSession({ url: URL, sessionId: NOBODYS, token: await bed("token"), WebSocket });

  await assert.rejects(watch[Symbol.asyncIterator]().next(), RefusedError);
});

test("a session that is deleted, a user who is", async () => {
  const patient = await bed("user", "patient");
  const [sessionId, token] = [await bed("session", patient), await bed("token", patient)];
  const told = record({ sessionId, token });

  await told.is("open");
  await bed("delete", `sessions/${sessionId}`);
  assert.equal((await told.fails()).reason, "Session not found");
  const next = record({ sessionId: await bed("session", patient), token });

  await next.is("open");
  await bed("delete", `users/${patient}`);
  assert.equal((await next.fails()).reason, "Invalid authentication");
});

test("closing ends it at once, by close or by a signal", async () => {
  const token = await bed("token");
  const abort = new AbortController();

  for (const close of [(told) => told.watch.close(), () => abort.abort()]) {
    const sessionId = await bed("session");
    const told = record({ sessionId, token, signal: abort.signal });

    await bed("report", sessionId, "uploading", 1);
    await told.shows(1);
    close(told);
    assert.equal(told.watch.state, "closed");
    await bed("report", sessionId, "processed");
    await eventually(async () => (await bed("metric", "watchers")) === 0, "the server sees it");
    assert.deepEqual([told.progress(), told.ended, told.error], [[1], false, undefined]);
  }
  const Counting = counting();

  await record({ sessionId: NOBODYS, token, signal: abort.signal, WebSocket: Counting }).is("closed");
  assert.equal(Counting.calls.length, 0, "the signal was there before");
});

test("closing from within a callback", async () => {
  const [sessionId, token] = [await bed("session"), await bed("token")];

  for (const progress of [1, 2, 3]) await bed("report", sessionId, "uploading", progress);
  for (const transport of ["websocket", "sse"]) {
    const seen = [];
    const watch = watchSession({
      url: URL,
      sessionId,
      token,
      WebSocket,
      transport,
      since: 0,
      silenceMs: undefined, // counts as left out
      onUpdate: (update) => {
        seen.push(update.progress);
        watch.close();
      },
    });

    await eventually(() => watch.state === "closed", "the first update");
    await record({ sessionId, token, since: 0, transport }).shows(3); // this one's would be there by now
    assert.deepEqual(seen, [1]);
  }
});

test("wrong options are named", () => {
  const right = { url: URL, sessionId: NOBODYS, token: "x", WebSocket };
  const cases = [
    [{ url: "localhost" }, /^url: localhost is no absolute URL/],
    [{ url: "ftp://localhost" }, /^url: ftp:\/\/localhost does not begin with/],
    [{ sessionId: undefined }, /^sessionId: /],
    [{ token: "" }, /^token: /],
    [{ auth: "cookie" }, /^auth: cookie is none of header, query, ticket/],
    [{ transport: "carrier pigeon" }, /^transport: carrier pigeon is none of/],
    [{ transport: "websocket", WebSocket: undefined }, /^WebSocket: /],
  ];

  for (const [wrong, message] of cases)
    assert.throws(() => watchSession({ ...right, ...wrong }), { name: "TypeError", message });
});

test("the URL's path, scheme and closing slash", async () => {
  const [sessionId, token] = [await bed("session"), await bed("token")];

  for (const [url, expected] of [
    ["http://127.0.0.1:1", "ws://127.0.0.1:1/api/sessions/ws/"],
    ["wss://h.example/mile/post//", "wss://h.example/mile/post/api/sessions/ws/"],
  ]) {
    const Counting = counting();
    const told = record({ url, sessionId, token, transport: "websocket", WebSocket: Counting });

    await eventually(() => Counting.calls.length, "a connection");
    told.watch.close();
    assert.ok(Counting.calls[0][0].startsWith(expected + sessionId), Counting.calls[0][0]);
  }
});
