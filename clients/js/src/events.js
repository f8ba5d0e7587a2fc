// events.js: watching by Server-Sent Events, read from a plain response: so the token can go into a
// header, a refusal can be told from a failure, and Node needs no EventSource.
import { LostError } from "./errors.js";

const NOTHING_FOLLOWS = 204;
const EVENT_MAX = 2 ** 18; // characters; Milepost's have a tenth of that

/** @typedef {import("./connection.js").Link} Link */
/** @typedef {{ event: string, id: string, data: string }} ServerEvent */

/**
 * Reads events from text that comes in pieces, as the HTML standard says (section 9.2.6); retry is of
 * no use here.
 */
export class EventParser {
  #rest = "";
  #length = 0; // of the event that is not complete yet, without the rest
  #id = "";
  #event = "";
  /** @type {string[]} */
  #data = [];

  /**
   * @param {string} text
   * @returns {ServerEvent[]} those that are complete now
   * @throws {LostError} one has no end
   */
  push(text) {
    const events = [];
    const lines = (this.#rest + text).split(/\r\n|\n|\r(?!$)/); // a last \r may be half of a \r\n

    this.#rest = /** @type {string} */ (lines.pop());
    for (const line of lines) {
      this.#length = line === "" ? 0 : this.#length + line.length;
      if (line !== "") this.#field(line);
      else if (this.#data.length > 0) events.push(this.#take());
      else this.#event = "";
    }
    if (this.#length + this.#rest.length > EVENT_MAX) throw new LostError("An event has no end");
    return events;
  }

  /** @param {string} line */
  #field(line) {
    const [, name, value] = /** @type {string[]} */ (/^([^:]*)(?:: ?(.*))?$/s.exec(line));

    if (name === "data") this.#data.push(value ?? "");
    else if (name === "event") this.#event = value ?? "";
    else if (name === "id") this.#id = value ?? "";
  }

  #take() {
    const event = { event: this.#event || "message", id: this.#id, data: this.#data.join("\n") };

    this.#event = "";
    this.#data = [];
    return event;
  }
}

/**
 * Resolves when the session has ended.
 * @param {Link} link
 * @returns {Promise<void>}
 * @throws {RefusedError | LostError} and what the link was aborted with
 */
export async function viaEvents(link) {
  const { endpoint, auth, token, since, signal, onOpen, onHeard, onUpdate } = link;
  const query = await endpoint.credentials(auth, token, signal);
  /** @type {Record<string, string>} */
  const headers = {};

  if (auth === "header") headers.Authorization = `Bearer ${token}`;
  if (since !== undefined) headers["Last-Event-ID"] = String(since);
  const response = await endpoint.events(query, headers, signal);

  if (response.status === NOTHING_FOLLOWS || response.body === null) return;
  const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
  const parser = new EventParser();

  onOpen(undefined);
  for (;;) {
    const { done, value } = await reader.read();

    signal.throwIfAborted(); // a piece that was on its way: the next connection brings it again
    if (done) break;
    onHeard();
    for (const { event, id, data } of parser.push(value))
      if (event === "progress") onUpdate({ ...JSON.parse(data), revision: Number(id) });
  }
  // After the last update, too: the next answer says that nothing follows.
  throw new LostError("The stream ended");
}
