// bed.js: what the tests share: a whole Milepost, which t/e2e starts and serves, and a watch of one of
// its sessions with all that it told.
import { afterEach } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { watchSession } from "milepost";
import { WebSocket } from "ws";

const PATIENCE_MS = 20_000; // reached only when something is broken

export const URL = process.env.MILEPOST_URL;

const watches = [];

// One that a failed test left open would keep the process alive.
afterEach(() => watches.splice(0).forEach((watch) => watch.close()));

/** Calls a method of t/e2e/remote.py. */
export async function bed(method, ...args) {
  const response = await fetch(`${process.env.MILEPOST_BED}/${method}`, {
    method: "POST",
    body: JSON.stringify(args),
  });
  const value = await response.json();

  if (!response.ok) throw new Error(`${method}: ${value}`);
  return value;
}

/** Waits until the condition holds; its value. */
export async function eventually(condition, what) {
  for (const until = performance.now() + PATIENCE_MS; ; await sleep(10)) {
    const value = await condition();

    if (value) return value;
    if (performance.now() > until) throw new Error(`not in time: ${what}`);
  }
}

/** A WebSocket class that keeps what it was called with. */
export function counting() {
  return class extends WebSocket {
    static calls = [];
    static sent = [];

    constructor(...args) {
      super(...args);
      this.constructor.calls.push(args);
    }

    send(text) {
      this.constructor.sent.push(JSON.parse(text));
      super.send(text);
    }
  };
}

/** Watches; the watch, and what it told so far. */
export function record(options) {
  const told = { updates: [], states: [], causes: [], retryInMs: [], last: undefined, ended: false, error: undefined };

  told.watch = watchSession({
    url: URL,
    WebSocket,
    firstPauseMs: 20,
    lastPauseMs: 200,
    onUpdate: (update) => told.updates.push(update),
    onState: (state, waiting) => {
      told.states.push(state);
      if (waiting === undefined) return;
      told.causes.push(waiting.cause.message);
      told.retryInMs.push(waiting.retryInMs);
    },
    onEnd: (last) => Object.assign(told, { last, ended: true }),
    onError: (error) => Object.assign(told, { error }),
    ...options,
  });
  watches.push(told.watch);
  told.progress = () => told.updates.map((update) => update.progress);
  told.shows = (progress) =>
    eventually(() => told.progress().includes(progress), `${progress} in ${told.progress()}`);
  told.is = (state) => eventually(() => told.watch.state === state, `${state}: ${told.states}`);
  told.ends = () => eventually(() => told.ended, `the end: ${told.states}`);
  told.fails = () => eventually(() => told.error, `the refusal: ${told.states}`);
  return told;
}

/** All of the session's updates, none twice, in order. */
export async function stored(sessionId) {
  return (await bed("stored", sessionId)).map(([revision]) => revision);
}
