// react.test.js: the hook, in a real React.
import assert from "node:assert/strict";
import { test } from "node:test";
import { useSessionProgress } from "milepost/react";
import { createElement, StrictMode } from "react";
import { act, create } from "react-test-renderer";
import { WebSocket } from "ws";
import { bed, counting, eventually, URL } from "./bed.js";

globalThis.IS_REACT_ACT_ENVIRONMENT = true;

/** A component as the platform's documentation has it. */
function Shown({ sessionId, token, options }) {
  const { progress, isConnected, error } = useSessionProgress(sessionId, token, options);

  if (error) return `Error: ${error}`;
  if (progress) return `${progress.progress}% ${isConnected ? "live" : "waiting"}`;
  return isConnected ? "Connected" : "Connecting";
}

/** Renders it; what is on the screen. */
async function render(props, strict = false) {
  const tree = (part) => {
    const shown = createElement(Shown, { options: { url: URL, WebSocket, firstPauseMs: 20 }, ...props, ...part });
    return strict ? createElement(StrictMode, null, shown) : shown;
  };
  let renderer;

  await act(async () => {
    renderer = create(tree());
  });
  return {
    change: (part) => act(async () => renderer.update(tree(part))),
    unmount: () => act(async () => renderer.unmount()),
    text: () => renderer.toJSON(),
    shows: (text) =>
      eventually(async () => {
        await act(async () => {});
        return renderer.toJSON() === text;
      }, `"${text}" instead of "${renderer.toJSON()}"`),
  };
}

const nobody = async () => (await bed("metric", "watchers")) === 0;

async function fromConnectingToTheEnd(strict) {
  const [sessionId, token] = [await bed("session"), await bed("token")];
  const screen = await render({ sessionId, token }, strict);

  assert.equal(screen.text(), "Connecting");
  await screen.shows("Connected");
  await bed("report", sessionId, "uploading", 10);
  await screen.shows("10% live");
  await bed("report", sessionId, "processed");
  await screen.shows("100% waiting");
  await screen.unmount();
  await eventually(nobody, "all are gone");
}

test("from connecting to the end", () => fromConnectingToTheEnd(false));

test("the same, mounted twice by StrictMode", () => fromConnectingToTheEnd(true));

test("a refusal is a text; waiting for a session and a token is none", async () => {
  const screen = await render({ sessionId: null, token: undefined });

  assert.equal(screen.text(), "Connecting");
  await screen.change({ sessionId: "00000000-0000-4000-8000-000000000000", token: await bed("token") });
  await screen.shows("Error: Session not found");
  const sessionId = await bed("session");

  await screen.change({ sessionId, token: "not.a.token" });
  await screen.shows("Error: Invalid authentication");
  await bed("report", sessionId, "uploading", 7);
  await screen.change({ sessionId, token: await bed("token") });
  await screen.shows("7% live");
  await screen.unmount();
});

test("another session begins anew, another token goes on; leaving closes", async () => {
  const [first, second, user] = [await bed("session"), await bed("session"), await bed("user", "therapist")];
  const Counting = counting();
  const options = { url: URL, WebSocket: Counting };
  const screen = await render({ sessionId: first, token: await bed("token", user), options });

  await bed("report", first, "uploading", 11);
  await screen.shows("11% live");
  const token = await bed("token", user, { jti: "another" });

  await screen.change({ sessionId: first, token, options });
  assert.match(screen.text(), /^11% /, "it stays on the screen");
  await bed("report", first, "uploading", 12);
  await screen.shows("12% live");
  assert.match(Counting.calls[1][0], /since=\d{1,6}$/, "it goes on where the other was left");
  await screen.change({ sessionId: second, token, options });
  assert.match(screen.text(), /^Connect/, "nothing of the other session");
  await bed("report", second, "uploading", 13);
  await screen.shows("13% live");
  assert.equal(Counting.calls.length, 3);
  await screen.unmount();
  await eventually(nobody, "all are gone");
});

test("what one user saw is not shown to the next, nor to nobody", async () => {
  const patient = await bed("user", "patient");
  const [sessionId, other] = [await bed("session", patient), await bed("user", "patient")];
  const [token, others] = [await bed("token", patient), await bed("token", other)];
  const screen = await render({ sessionId, token });

  await bed("report", sessionId, "uploading", 11);
  await screen.shows("11% live");
  await screen.change({ sessionId, token: others });
  assert.equal(screen.text(), "Connecting");
  await screen.shows("Error: Not authorized to access this session");
  await screen.change({ sessionId, token });
  await screen.shows("11% live");
  await screen.change({ sessionId, token: null });
  assert.equal(screen.text(), "Connecting");
  await screen.change({ sessionId, token });
  assert.equal(screen.text(), "Connecting");
  await screen.shows("11% live");
  await screen.unmount();
});

test("a token from a function that is another one at each rendering", async () => {
  const [sessionId, Counting] = [await bed("session"), counting()];
  const fixed = await bed("token");
  const props = () => ({ sessionId, token: async () => fixed, options: { url: URL, WebSocket: Counting } });
  const screen = await render(props());

  for (const progress of [1, 2, 3]) {
    await bed("report", sessionId, "uploading", progress);
    await screen.shows(`${progress}% live`);
    await screen.change(props());
  }
  assert.equal(Counting.calls.length, 1);
  await screen.unmount();
});
