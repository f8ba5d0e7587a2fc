// tokens.test.js: where the token goes, and how it is renewed.
import assert from "node:assert/strict";
import { test } from "node:test";
import { bed, counting, eventually, record } from "./bed.js";

const INVALID = "Invalid authentication";

test("no token in the URL, unless asked for", async () => {
  const [sessionId, token] = [await bed("session"), await bed("token")];

  for (const [auth, isInUrl] of [["header", false], ["ticket", false], ["query", true]]) {
    const Counting = counting();
    const told = record({ sessionId, token, auth, WebSocket: Counting });

    await told.is("open");
    told.watch.close();
    const [url, protocols] = Counting.calls[0];

    assert.equal(url.includes(token), isInUrl, auth);
    assert.equal(url.includes("ticket=mpt_"), auth === "ticket");
    assert.deepEqual(protocols, auth === "header" ? ["bearer", token] : []);
  }
});

test("each connection has a ticket of its own", async () => {
  const [sessionId, token, port] = [await bed("session"), await bed("token"), await bed("proxy")];
  const Counting = counting();
  const told = record({ url: `http://localhost:${port}`, sessionId, token, auth: "ticket", WebSocket: Counting });

  for (let i = 1; i <= 3; i++) {
    await bed("report", sessionId, "uploading", i);
    await told.shows(i);
    await bed("proxy_cut", port);
  }
  await bed("report", sessionId, "processed");
  await told.ends();
  const tickets = Counting.calls.map(([url]) => new URL(url).searchParams.get("ticket"));

  assert.equal(new Set(tickets).size, tickets.length);
  assert.deepEqual(told.progress(), [1, 2, 3, 100]);
});

test("a refused token gets no ticket, and that is final", async () => {
  const told = record({ sessionId: await bed("session"), token: "not.a.token", auth: "ticket" });
  const error = await told.fails();

  assert.deepEqual([error.reason, error.code], [INVALID, 401]);
});

test("a token from a function is renewed before it expires, on the same connection", async () => {
  const [sessionId, user] = [await bed("session"), await bed("user", "therapist")];
  const [Counting, why] = [counting(), []];
  const token = async (reason) => {
    why.push(reason);
    return bed("token", user, { lifetime: 3, jti: String(why.length) });
  };
  const told = record({ sessionId, token, WebSocket: Counting });

  await bed("report", sessionId, "uploading", 1);
  await told.shows(1);
  await eventually(() => why.length >= 4, "three renewals"); // the first token is out of date by then
  await bed("report", sessionId, "processed");
  await told.ends();
  assert.deepEqual(new Set(why.slice(1)), new Set(["refresh"]));
  assert.equal(why[0], "connect");
  assert.equal(Counting.calls.length, 1);
  assert.ok(Counting.sent.length >= 2 && Counting.sent.every(({ type }) => type === "refresh"));
});

test("a fixed token's end is the end", async () => {
  const [sessionId, user] = [await bed("session"), await bed("user", "therapist")];
  const told = record({ sessionId, token: await bed("token", user, { lifetime: 2 }) });

  assert.equal((await told.fails()).reason, INVALID);
});

test("a token that went stale on the way is replaced, once", async () => {
  const [sessionId, user] = [await bed("session"), await bed("user", "therapist")];
  const [stale, fresh] = [await bed("token", user, { lifetime: -60 }), await bed("token", user)];
  const queue = [stale, fresh];
  const told = record({ sessionId, token: () => queue.shift() });

  await bed("report", sessionId, "processed");
  await told.ends();
  assert.deepEqual(queue, []);
  // The same again, or another that is refused: it stays so.
  for (const next of [stale, await bed("token", user, { lifetime: -61 })]) {
    const tokens = [stale, next, fresh];
    const told = record({ sessionId, token: () => tokens.shift() });

    assert.equal((await told.fails()).reason, INVALID);
    assert.deepEqual(tokens, [fresh]);
  }
});

test("a function that fails is asked again; one that has no token ends it", async () => {
  const [sessionId, fresh] = [await bed("session"), await bed("token")];
  const answers = [
    () => Promise.reject(new Error("the login is away")),
    () => {
      throw new Error("and still is");
    },
    () => fresh,
  ];
  const told = record({ sessionId, token: () => answers.shift()() });

  await bed("report", sessionId, "processed");
  await told.ends();
  assert.deepEqual(told.causes, ["the login is away", "and still is"]);
  assert.equal((await record({ sessionId, token: () => null }).fails()).reason, "Authentication required");
});
