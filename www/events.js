// events.js: follows a session by Server-Sent Events, where something on the way lets no WebSocket through.
//
// By fetch, not by EventSource: that can't show the token in a header, only in the URL, nor tell a refusal's
// reason.

import {isUpdate} from "./update.js";

// A comment comes every 15 s.
const SILENCE_MS = 50000;
const EVENT_MAX = 2 ** 18; // characters; Milepost's have a tenth of that

/** Splits what comes in into events {id, event, data}, wherever it is cut; throws where one has no end. */
export class Parser {
  #rest = "";
  #event = {};

  *feed(text) {
    const lines = (this.#rest + text).split(/\r\n|\n|\r(?!$)/);

    this.#rest = lines.pop();
    for (const line of lines) {
      if (line === "") {
        if (this.#event.data !== undefined) yield this.#event;
        this.#event = {};
      } else {
        this.#field(line);
      }
    }
    if (this.#rest.length + (this.#event.data?.length ?? 0) > EVENT_MAX)
      throw new RangeError("an event without an end");
  }

  #field(line) {
    const [, name, value] = /^([^:]*):? ?(.*)$/s.exec(line);

    if (name === "data" && this.#event.data !== undefined) this.#event.data += `\n${value}`;
    else if (name !== "") this.#event[name] = value;
  }
}

/** As socket.js's. */
export async function follow({session, since, access, signal, onOpen, onUpdate}) {
  const silent = new AbortController();
  const giveUp = () => silent.abort();
  let opened = false;
  let timer;

  signal.addEventListener("abort", giveUp);
  try {
    const response = await access.request(`/api/sessions/${encodeURIComponent(session)}/events`, {
      headers: {Accept: "text/event-stream", "Last-Event-ID": since}, signal: silent.signal, isStream: true,
    });

    if (response.status === 204) return {end: "done", opened, reason: ""};
    if (!(response.headers.get("Content-Type") ?? "").startsWith("text/event-stream"))
      return {end: "lost", opened, reason: ""};
    const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
    const parser = new Parser();

    opened = true;
    onOpen();
    for (;;) {
      clearTimeout(timer);
      timer = setTimeout(giveUp, SILENCE_MS);
      const {done, value} = await reader.read();

      if (done) return {end: "lost", opened, reason: ""};
      for (const {id, event, data} of parser.feed(value)) {
        if (event !== "progress") continue;
        const update = {...JSON.parse(data), revision: Number(id)};

        if (!isUpdate(update)) return {end: "lost", opened, reason: ""};
        onUpdate(update);
      }
    }
  } catch (refused) {
    return {end: refused.final ? "refused" : "lost", opened, reason: refused.reason ?? "", status: refused.status,
      retryMs: refused.retryMs};
  } finally {
    clearTimeout(timer);
    silent.abort();
    signal.removeEventListener("abort", giveUp);
  }
}
