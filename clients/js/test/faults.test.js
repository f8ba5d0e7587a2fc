// faults.test.js: what networks and operators do: nothing is missed, and nothing comes twice.
import assert from "node:assert/strict";
import { test } from "node:test";
import { bed, counting, eventually, record, stored } from "./bed.js";

/** A watch that goes by a proxy. */
async function behindProxy(options) {
  const [sessionId, token, port] = [await bed("session"), await bed("token"), await bed("proxy")];
  const told = record({ url: `http://localhost:${port}`, sessionId, token, since: 0, ...options });

  return { sessionId, port, told };
}

async function assertWhole(told, sessionId) {
  await told.ends();
  assert.deepEqual(told.updates.map(({ revision }) => revision), await stored(sessionId));
}

test("restarts of milepost-ws and nginx in the middle of a run", async () => {
  const [sessionId, token] = [await bed("session"), await bed("token")];
  const told = record({ sessionId, token, since: 0 });

  for (const [i, program] of ["ws0", "nginx", "ws0", "api"].entries()) {
    await bed("report", sessionId, "uploading", 2 * i);
    const restarted = bed("restart", program);

    if (program !== "nginx" && program !== "api") await bed("report", sessionId, "uploading", 2 * i + 1);
    await restarted;
  }
  await bed("report", sessionId, "processed");
  await assertWhole(told, sessionId);
  assert.ok(told.causes.some((cause) => cause === "The connection was closed with 1012, Service restart"));
});

test("a connection that is cut again and again", async () => {
  const { sessionId, port, told } = await behindProxy({});
  const Counting = counting();
  const late = record({
    url: `http://localhost:${port}`,
    sessionId,
    token: await bed("token"),
    since: 0,
    transport: "websocket",
    WebSocket: Counting,
  });

  for (let i = 0; i < 40; i++) {
    await bed("report", sessionId, "transcribing", 20 + i, { message: `${i}` });
    if (i % 2) await late.shows(20 + i);
    await bed("proxy_cut", port);
  }
  await bed("report", sessionId, "processed");
  await assertWhole(told, sessionId);
  await assertWhole(late, sessionId);
  assert.ok(Counting.calls.length >= 20, "each update that was waited for came by another connection");
});

test("a socket that falls silent: the poll tells what there is, and another connection follows", async () => {
  const { sessionId, port, told } = await behindProxy({ silenceMs: 1000, openMs: 500, transport: "websocket" });

  await bed("report", sessionId, "uploading", 1);
  await told.shows(1);
  await bed("proxy_mode", port, "swallow");
  await bed("report", sessionId, "uploading", 2);
  await eventually(() => told.causes.includes("The connection fell silent"), "it is noticed");
  assert.deepEqual(told.progress(), [1]);
  await bed("proxy_mode", port, "deaf"); // polls pass, WebSockets hang
  for (const progress of [2, 3]) {
    await bed("report", sessionId, "uploading", progress);
    await told.shows(progress);
  }
  assert.ok(told.causes.includes("The connection did not open"));
  await bed("proxy_mode", port, "pass");
  await told.is("open");
  await bed("report", sessionId, "processed");
  await assertWhole(told, sessionId);
});

test("a server that is away, and comes back", async () => {
  const { sessionId, port, told } = await behindProxy({});

  await told.is("open");
  await bed("proxy_mode", port, "away");
  await bed("proxy_cut", port);
  await bed("report", sessionId, "uploading", 1);
  await eventually(() => told.causes.length >= 4, "some tries");
  assert.deepEqual(told.updates, []);
  await bed("proxy_mode", port, "pass");
  await told.shows(1);
  await bed("report", sessionId, "processed");
  await assertWhole(told, sessionId);
});

test("a run that ends while only polls pass", async () => {
  const { sessionId, port, told } = await behindProxy({ silenceMs: 1000, transport: "websocket" });

  await told.is("open");
  await bed("proxy_mode", port, "block");
  await bed("proxy_cut", port);
  await bed("report", sessionId, "failed", 1, { error: "no audio" });
  await assertWhole(told, sessionId);
  assert.equal(told.last.error, "no audio");
});

test("a poll brings more than one answer holds, or the newest alone", async () => {
  const [sessionId, token, port] = [await bed("session"), await bed("token"), await bed("proxy")];
  const options = { url: `http://localhost:${port}`, sessionId, token, transport: "websocket" };

  await bed("proxy_mode", port, "block");
  await bed("batch", sessionId, 10_050);
  const whole = record({ ...options, since: 0 });
  const newest = record(options);

  await eventually(() => whole.updates.length && newest.updates.length, "the polls");
  assert.deepEqual(whole.updates.map(({ revision }) => revision), await stored(sessionId));
  assert.deepEqual(newest.updates, whole.updates.slice(-1));
});

test("a poll's refusal is a refusal", async () => {
  const port = await bed("proxy");

  await bed("proxy_mode", port, "block");
  const [url, sessionId] = [`http://localhost:${port}`, await bed("session")];
  const told = record({ url, sessionId, token: "not.a.token", transport: "websocket" });
  const error = await told.fails();

  assert.deepEqual([error.reason, error.code], ["Invalid authentication", 401]);
});

test("a full server is tried again, but not soon", async () => {
  const { told: first, sessionId } = await behindProxy({});

  await first.is("open");
  await bed("configure", { max_connections: 1 });
  const told = record({ sessionId, token: await bed("token") });

  await told.is("waiting");
  first.watch.close();
  await bed("configure", { max_connections: 1000 });
  assert.deepEqual(told.causes, ["The connection was closed with 1013, Try again later"]);
  assert.ok(told.retryInMs[0] >= 5000);
  told.watch.close();
});
