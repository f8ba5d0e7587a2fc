// strange.test.js: servers, proxies and browsers that do what Milepost does not.
import assert from "node:assert/strict";
import { once } from "node:events";
import { createServer } from "node:http";
import { after, test } from "node:test";
import { WebSocketServer } from "ws";
import { bed, counting, eventually, record, stored } from "./bed.js";

const BEGUN = { status: "uploading", progress: 1, revision: 1 };

/** What a Milepost is that a test speaks for: a server of HTTP; and its URL. */
async function impostor(onRequest) {
  const server = createServer(onRequest);

  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  after(() => server.closeAllConnections() ?? server.close());
  return { server, url: `http://127.0.0.1:${server.address().port}` };
}

test("a 1000 that does not say that the session ended is a connection lost", async () => {
  const { server, url } = await impostor((_, response) => response.writeHead(502).end());
  const sinces = [];

  new WebSocketServer({ server, handleProtocols: () => "bearer" }).on("connection", (socket, { url }) => {
    const isFirst = sinces.push(new URL(url, "ws://x").searchParams.get("since")) === 1;
    const update = isFirst ? BEGUN : { status: "processed", progress: 100, revision: 2 };

    socket.send(JSON.stringify(update));
    socket.close(1000, isFirst ? "Idle timeout" : "Processing complete");
  });
  const told = record({ url, sessionId: "s", token: "t", since: 0 });

  await told.ends();
  assert.deepEqual([told.progress(), sinces], [[1, 100], ["0", "1"]]);
  assert.equal(told.causes[0], "The connection was closed with 1000, Idle timeout");
});

test("a browser's policy against WebSockets: events take their place", async () => {
  const [sessionId, token] = [await bed("session"), await bed("token")];
  let tries = 0;

  class Forbidden {
    constructor() {
      tries++;
      throw new DOMException("The operation is insecure.", "SecurityError");
    }
  }
  const told = record({ sessionId, token, WebSocket: Forbidden });

  await told.is("open");
  await bed("report", sessionId, "processed");
  await told.ends();
  assert.deepEqual([told.progress(), tries], [[100], 1]);
});

test("a token with a newline around it is one; what can't be one is named, and sent nowhere", async () => {
  const [sessionId, token] = [await bed("session"), await bed("token")];

  await bed("report", sessionId, "processed");
  for (const given of [` ${token}\n`, () => `${token}\r\n`])
    for (const transport of ["websocket", "sse"]) await record({ sessionId, token: given, transport }).ends();
  assert.throws(() => record({ sessionId, token: `Bearer ${token}` }), /^TypeError: token: has a character that no/);
  const Counting = counting();
  let asked = 0;
  const told = record({ sessionId, WebSocket: Counting, token: () => `Bearer ${asked++ && token}` });

  assert.equal((await told.fails()).reason, "Invalid authentication");
  assert.deepEqual([asked, Counting.calls.length], [2, 0]);
});

test("a token's function that fails without a word is asked again", async () => {
  const [sessionId, fresh] = [await bed("session"), await bed("token")];
  const answers = [() => Promise.reject(), () => Promise.reject("no network"), () => fresh];
  const told = record({ sessionId, token: () => answers.shift()() });

  await bed("report", sessionId, "processed");
  await told.ends();
  assert.deepEqual(told.causes, ["undefined", "no network"]);
});

test("a Retry-After beyond all measure is no hurry, and not for ever", async () => {
  const { url } = await impostor((_, response) => response.writeHead(503, { "Retry-After": "99999999999" }).end());
  const told = record({ url, sessionId: "s", token: "t", transport: "sse" });

  await told.is("waiting");
  assert.ok(told.retryInMs[0] >= 300_000 && told.retryInMs[0] < 301_000, told.retryInMs);
  told.watch.close();
});

test("what others refuse in Milepost's place is tried again", async () => {
  const problem = "application/problem+json";
  const others = [[401, "text/html"], [403, "text/html"], [404, "application/json"], [407, ""], [425, ""], [426, ""],
    [200, "text/html"], [408, problem], [429, problem], [503, problem]];

  for (const auth of ["header", "ticket"]) {
    const answers = [...others];
    const { url } = await impostor((_, response) => {
      const [status, type] = answers.shift() ?? [403, problem];

      response.writeHead(status, { "Content-Type": type }).end('{"detail":"not from there"}');
    });
    const { reason, code } = await record({ url, sessionId: "s", token: "t", transport: "sse", auth }).fails();

    assert.deepEqual([reason, code, answers], ["not from there", 403, []]);
  }
});

test("a proxy that holds the events back: the poll tells what there is", async () => {
  const [sessionId, token] = [await bed("session"), await bed("token")];
  const { url } = await impostor(async (request, response) => {
    if (request.url.includes("/events")) {
      response.writeHead(200, { "Content-Type": "text/event-stream" });
      response.flushHeaders(); // and nothing else ever comes
      return;
    }
    const { authorization } = request.headers;
    const answer = await fetch(process.env.MILEPOST_URL + request.url, { headers: { authorization } });

    response.writeHead(answer.status, Object.fromEntries(answer.headers)).end(await answer.text());
  });
  const told = record({ url, sessionId, token, since: 0, transport: "sse", silenceMs: 200 });

  for (const progress of [1, 2]) {
    await bed("report", sessionId, "uploading", progress);
    await told.shows(progress);
  }
  await bed("report", sessionId, "processed");
  await told.ends();
  assert.deepEqual(told.updates.map(({ revision }) => revision), await stored(sessionId));
  await eventually(() => told.causes.includes("The connection fell silent"), "it was noticed");
});

test("what is no progress, in a socket or in events, is no end", async () => {
  for (const text of ["null", "5", "<html>"]) {
    const { server, url } = await impostor((_, response) =>
      response.writeHead(200, { "Content-Type": "text/event-stream" }).end(`event: progress\ndata: ${text}\n\n`));

    new WebSocketServer({ server, handleProtocols: () => "bearer" }).on("connection", (socket) => socket.send(text));
    for (const transport of ["websocket", "sse"]) {
      const told = record({ url, sessionId: "s", token: "t", transport });

      await eventually(() => told.causes.length >= 2, `tries after ${text}`);
      told.watch.close();
      assert.deepEqual([told.updates, told.ended, told.error], [[], false, undefined], `${transport}: ${text}`);
    }
  }
});
