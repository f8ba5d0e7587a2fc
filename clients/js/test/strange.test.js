// strange.test.js: servers, proxies and browsers that do what Milepost does not.
import assert from "node:assert/strict";
import { getEventListeners, once } from "node:events";
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
  for (const text of ["null", "5", "<html>", '{"status":"uploading","progress":"1","revision":1}',
    '{"status":"uploading","progress":1,"revision":9007199254740993}', '{"status":null,"progress":1,"revision":1}']) {
    const { server, url } = await impostor((_, response) =>
      response.writeHead(200, { "Content-Type": "text/event-stream" }).end(`id: x\nevent: progress\ndata: ${text}\n\n`));

    new WebSocketServer({ server, handleProtocols: () => "bearer" }).on("connection", (socket) => socket.send(text));
    for (const transport of ["websocket", "sse"]) {
      const told = record({ url, sessionId: "s", token: "t", transport });

      await eventually(() => told.causes.length >= 2, `tries after ${text}`);
      told.watch.close();
      assert.deepEqual([told.updates, told.ended, told.error], [[], false, undefined], `${transport}: ${text}`);
    }
  }
});

test("no redirect is followed: neither a token nor a question goes elsewhere", async () => {
  const led = [];
  const { url: elsewhere } = await impostor(({ url }, response) => response.end(JSON.stringify({ ticket: led.push(url) })));

  for (const [auth, transport] of [["header", "sse"], ["query", "sse"], ["ticket", "websocket"], ["header", "websocket"]]) {
    const asked = [];
    const { url } = await impostor(({ url }, response) =>
      response.writeHead(asked.push(url) % 2 ? 307 : 301, { Location: elsewhere + url }).end());
    const told = record({ url, sessionId: "s", token: "t", auth, transport, silenceMs: 1 });

    await eventually(() => asked.length >= 3 && told.causes.length >= 2, "tries");
    told.watch.close();
    assert.deepEqual(led, [], `${auth}, ${transport}`);
  }
});

test("what is no ticket is none", async () => {
  for (const answer of ["{}", '{"ticket":null}', '{"ticket":5}', '{"ticket":""}', "null", "[]", "<html>"]) {
    const asked = [];
    const { server, url } = await impostor((request, response) => asked.push(request.url) && response.end(answer));

    server.on("upgrade", (request, socket) => asked.push(request.url) && socket.destroy());
    for (const transport of ["sse", "websocket"]) {
      const told = record({ url, sessionId: "s", token: "t", auth: "ticket", transport });

      await eventually(() => told.causes.length >= 2, `tries after ${answer}`);
      told.watch.close();
    }
    assert.deepEqual(asked.filter((path) => path.includes("?ticket=")), [], answer);
  }
});

test("a poll that is answered with what was not asked for is over, and tells nothing", async () => {
  for (const answer of [JSON.stringify([BEGUN]), '["x"]', '"x"', "{}", "[5]", "5", '[{"revision":2}]']) {
    let polls = 0;
    const { url } = await impostor((request, response) => {
      if (request.url.includes("/history")) polls++;
      response.writeHead(request.url.includes("/history") ? 200 : 502).end(answer);
    });
    const told = record({ url, sessionId: "s", token: "t", since: 1, silenceMs: 60_000, transport: "sse" });

    await eventually(() => told.causes.length >= 3, `tries after ${answer}`);
    told.watch.close();
    assert.deepEqual([told.updates, polls], [[], 1], answer);
  }
});

test("a refusal without a word is one all the same", async () => {
  const problem = { "Content-Type": "application/problem+json" };
  const { server, url } = await impostor((_, response) => response.writeHead(403, problem).end('{"detail":{}}'));

  new WebSocketServer({ server, handleProtocols: () => "bearer" }).on("connection", (socket) => socket.close(1008));
  for (const [transport, reason] of [["websocket", "Closed with 1008"], ["sse", "HTTP status 403"]])
    assert.equal((await record({ url, sessionId: "s", token: "t", transport }).fails()).reason, reason);
});

test("a session's name leads to no other path", async () => {
  const asked = [];
  const { url } = await impostor((request, response) => asked.push(request.url) && response.writeHead(502).end());

  for (const sessionId of ["..", ".", "../../x?y#z", "%2e%2e"])
    for (const transport of ["sse", "websocket"]) {
      const told = record({ url, sessionId, token: "t", transport, since: 1 });

      await eventually(() => told.causes.length >= 1, "a try");
      told.watch.close();
    }
  for (const path of asked)
    assert.match(path, /^\/api\/sessions\/(ws\/[^/]+\?since=1|[^/]+\/(events|progress\/history\?since=1))$/);
});

test("a signal that outlives its watches keeps nothing of them", async () => {
  const { signal } = new AbortController();
  const { url } = await impostor((_, response) => response.writeHead(204).end());

  for (let i = 0; i < 3; i++) await record({ url, sessionId: "s", token: "t", transport: "sse", signal }).ends();
  assert.deepEqual(getEventListeners(signal, "abort"), []);
});
