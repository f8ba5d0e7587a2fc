// units.test.js: the parts that need no server.
import assert from "node:assert/strict";
import { test } from "node:test";
import { Backoff } from "../src/backoff.js";
import { EventParser } from "../src/events.js";
import { Route } from "../src/route.js";
import { expiryOf, renewalOf, userOf } from "../src/token.js";

/** @param {object} payload */
function jwt(payload) {
  return `e30.${Buffer.from(JSON.stringify(payload)).toString("base64url")}.x`;
}

test("pauses double, and half of each is drawn", () => {
  for (const [random, share] of [[0, 0.5], [0.5, 0.75], [1, 1]]) {
    const backoff = new Backoff(500, 3000, () => random);
    const drawn = Array.from({ length: 5 }, () => backoff.draw());

    assert.deepEqual(drawn, [500, 1000, 2000, 3000, 3000].map((ms) => ms * share));
    assert.equal(backoff.draw(5000), 5000 + 3000 * share);
    backoff.reset();
    assert.equal(backoff.draw(), 500 * share);
  }
});

test("the route: the next one at once where nothing ever came, else after three failures", () => {
  const route = new Route(["websocket", "sse"]);
  const after = (...events) => {
    for (const event of events) route[event]();
    return route.current;
  };

  assert.equal(route.current, "websocket");
  assert.equal(after("failed"), "sse");
  assert.equal(after("failed"), "websocket");
  assert.equal(after("works", "failed", "failed"), "websocket");
  assert.equal(after("works", "failed", "failed"), "websocket", "not in a row");
  assert.equal(after("failed"), "sse");
  assert.equal(after("failed"), "websocket");
  assert.equal(new Route(["sse"]).current, "sse");
});

test("the expiry of a token, and when it is renewed", () => {
  assert.equal(expiryOf(jwt({ exp: 1000, name: "Zoë" })), 1_000_000);
  for (const token of ["", "x", "a.b.c", jwt({}), jwt({ exp: "soon" })]) assert.equal(expiryOf(token), undefined);
  const now = 1_000_000;
  const renewal = (seconds) => renewalOf(jwt({ exp: now / 1000 + seconds }), now);

  assert.equal(renewal(3600), 3_540_000, "a minute before");
  assert.equal(renewal(60), 30_000, "half of what is left");
  assert.equal(renewal(1), 1000, "not in a hurry");
  assert.equal(renewal(0), undefined);
  assert.equal(renewal(1e9), 2 ** 31 - 1, "what a timer can hold");
});

const STREAM = ": hello\n\nid: 7\nevent: progress\ndata: {\"a\":1}\n\nevent: lost\n\ndata:x\r\ndata: y\r\n\r\n" +
  "retry: 5\nid\ndata\n\ndata: z";
const EVENTS = [
  { event: "progress", id: "7", data: '{"a":1}' },
  { event: "message", id: "7", data: "x\ny" },
  { event: "message", id: "", data: "" },
];

test("events are read however the stream is cut", () => {
  for (let i = 0; i <= STREAM.length; i++)
    for (let k = i; k <= STREAM.length; k += 7) {
      const parser = new EventParser();
      const pieces = [STREAM.slice(0, i), STREAM.slice(i, k), STREAM.slice(k)];

      assert.deepEqual(pieces.flatMap((piece) => parser.push(piece)), EVENTS, `cut at ${i} and ${k}`);
    }
});

test("an event without an end is given up, however it comes", () => {
  for (const piece of ["x".repeat(1000), "data: x\n", "data: x\n:\n"]) {
    const parser = new EventParser();

    assert.throws(() => {
      for (let i = 0; i < 2 ** 19 / piece.length; i++) parser.push(piece);
    }, /An event has no end/);
  }
  const parser = new EventParser();

  for (let i = 0; i < 2 ** 16; i++) assert.equal(parser.push("data: x\n\n").length, 1);
});

test("whose a token is", () => {
  assert.equal(userOf(jwt({ sub: "a" })), userOf(jwt({ sub: "a", exp: 1 })));
  for (const odd of ["x", "a.b.c", jwt(null), jwt({ sub: 5 })]) assert.equal(userOf(odd), odd);
});
