// watch.js: shows one session. It is named in the URL's fragment, #session=...&token=..., which a
// browser keeps to itself; the token goes in the WebSocket's subprotocol, so no log ever sees it.
"use strict";

const FIRST_DELAY_MS = 500;
const LAST_DELAY_MS = 30000;
const POLICY = 1008; // refused: trying again with the same token would not help
const DONE = 1000;

const $ = (id) => document.getElementById(id);
const wanted = new URLSearchParams(location.hash.slice(1));
let delay = FIRST_DELAY_MS;

function say(text) {
  $("connection").textContent = text;
}

function showError(text) {
  $("error").textContent = text ?? "";
  $("error").hidden = !text;
}

function show(update) {
  $("status").textContent = update.message;
  $("stage").textContent = update.status.replaceAll("_", " ");
  $("percent").textContent = `${update.progress} %`;
  $("bar").setAttribute("aria-valuenow", update.progress);
  $("fill").style.width = `${update.progress}%`;
  $("fill").classList.toggle("failed", update.status === "failed");
  $("eta").textContent = update.estimated_time_remaining === null ? "" :
    `about ${update.estimated_time_remaining} s left`;
  showError(update.error);
  document.title = `${update.progress} % – Milepost`;
}

function retry() {
  // Half of the delay is drawn, so that many watchers do not come back at once.
  const wait = delay / 2 + Math.random() * delay / 2;

  say(`Connection lost. Trying again in ${Math.ceil(wait / 1000)} s…`);
  delay = Math.min(delay * 2, LAST_DELAY_MS);
  setTimeout(watch, wait);
}

function onClose(event) {
  if (event.code === DONE) {
    say(event.reason || "Finished.");
  } else if (event.code === POLICY) {
    $("status").textContent = "This session can't be shown.";
    showError(event.reason);
    say("");
  } else {
    retry();
  }
}

function watch() {
  const scheme = location.protocol === "https:" ? "wss:" : "ws:";
  const url = `${scheme}//${location.host}/api/sessions/ws/${encodeURIComponent(wanted.get("session"))}`;
  const socket = new WebSocket(url, ["bearer", wanted.get("token")]);

  socket.onopen = () => {
    say("Connected.");
    $("status").textContent = "Waiting for the first update…";
    delay = FIRST_DELAY_MS;
  };
  socket.onmessage = (event) => {
    const message = JSON.parse(event.data);

    if (message.type === undefined) show(message);
  };
  socket.onclose = onClose;
}

function choose(event) {
  event.preventDefault();
  location.hash = new URLSearchParams({
    session: $("input-session").value.trim(),
    token: $("input-token").value.trim(),
  });
}

addEventListener("hashchange", () => location.reload());
$("choose").addEventListener("submit", choose);
if (wanted.get("session") && wanted.get("token")) {
  $("session").textContent = wanted.get("session");
  watch();
} else {
  $("choose").hidden = false;
  $("status").textContent = "Which session?";
}
