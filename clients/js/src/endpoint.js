// endpoint.js: the URLs of one session, and the plain requests to them.
import { LostError, RefusedError } from "./errors.js";
import { checked } from "./progress.js";

const SCHEMES = ["http:", "https:", "ws:", "wss:"];
const PASSING = [408, 429]; // of the 4xx: these may be different the next time
const RETRY_AFTER_MAX_S = 300; // what is asked for beyond that is no server's that is to come back

/** @typedef {import("./index.js").Progress} Progress */

/**
 * @param {string | URL} url
 * @returns {string} without a slash at its end
 */
function baseOf(url) {
  let base;

  try {
    base = new URL(url);
  } catch {
    throw new TypeError(`url: ${url} is no absolute URL, as https://example.org is one`);
  }
  if (!SCHEMES.includes(base.protocol))
    throw new TypeError(`url: ${url} does not begin with http://, https://, ws:// or wss://`);
  return base.protocol.replace("ws", "http") + "//" + base.host + base.pathname.replace(/\/+$/, "");
}

/**
 * What a response that is no success stands for. Only Milepost itself can refuse: a proxy between us may
 * do to one transport what it does not do to another.
 * @param {Response} response
 */
async function errorOf(response) {
  const { status, headers } = response;
  const isProblem = headers.get("Content-Type")?.startsWith("application/problem+json");
  const seconds = Number(headers.get("Retry-After"));

  if (isProblem && status < 500 && !PASSING.includes(status)) {
    const { detail } = await response.json();

    return new RefusedError((typeof detail === "string" && detail) || `HTTP status ${status}`, status);
  }
  await response.body?.cancel();
  return new LostError(`HTTP status ${status}`, seconds > 0 ? Math.min(seconds, RETRY_AFTER_MAX_S) * 1000 : 0);
}

/** One session of one server. */
export class Endpoint {
  #base;
  #session;
  #fetch;

  /**
   * @param {string | URL} url
   * @param {string} sessionId
   * @param {typeof fetch} fetch
   */
  constructor(url, sessionId, fetch) {
    this.#base = baseOf(url);
    // No session is called "..", and none may lead to another path.
    this.#session = encodeURIComponent(sessionId).replaceAll(".", "%252E");
    this.#fetch = fetch;
  }

  /** @param {Record<string, string>} query */
  socketUrl(query) {
    return `${this.#base.replace(/^http/, "ws")}/api/sessions/ws/${this.#session}?${new URLSearchParams(query)}`;
  }

  /**
   * Opens the stream of events.
   * @param {Record<string, string>} query
   * @param {Record<string, string>} headers
   * @param {AbortSignal} signal
   * @throws {RefusedError | LostError}
   */
  async events(query, headers, signal) {
    const search = new URLSearchParams(query).toString();

    return this.#request(`/api/sessions/${this.#session}/events${search && `?${search}`}`, {
      headers: { Accept: "text/event-stream", ...headers },
      signal,
    });
  }

  /**
   * What of the credentials goes into a connection's URL: nothing, the token, or a ticket for it.
   * @param {string} auth - header, query or ticket
   * @param {string} token
   * @param {AbortSignal} signal
   * @returns {Promise<Record<string, string>>}
   * @throws {RefusedError | LostError}
   */
  async credentials(auth, token, signal) {
    if (auth !== "ticket") return auth === "query" ? { token } : {};
    const response = await this.#request("/milepost/v1/ticket", {
      method: "POST",
      headers: { Authorization: `Bearer ${token}` },
      signal,
    });
    const { ticket } = await response.json();

    if (typeof ticket !== "string" || ticket === "") throw new LostError("What came is no ticket of Milepost's");
    return { ticket };
  }

  /**
   * The updates of the current run that are later than the revision, oldest first.
   * @param {string} token
   * @param {number} since
   * @param {AbortSignal} signal
   * @returns {Promise<Progress[]>}
   * @throws {RefusedError | LostError}
   */
  async history(token, since, signal) {
    /** @type {Progress[]} */
    const updates = [];

    // An answer holds so many, and not more: only an empty one is the end.
    for (let newest = since, before = -1; updates.length > before; ) {
      const page = await this.#page(token, newest, signal);

      before = updates.length;
      for (const update of page) {
        if (checked(update).revision <= newest) throw new LostError("What came was not asked for");
        newest = update.revision;
        updates.push(update);
      }
    }
    return updates;
  }

  /**
   * @param {string} token
   * @param {number} since
   * @param {AbortSignal} signal
   * @returns {Promise<Progress[]>}
   */
  async #page(token, since, signal) {
    try {
      const response = await this.#request(
        `/api/sessions/${this.#session}/progress/history?since=${since}`,
        { headers: { Authorization: `Bearer ${token}` }, signal },
      );

      return await response.json();
    } catch (error) {
      if (error instanceof RefusedError && error.reason === "No progress yet") return [];
      throw error;
    }
  }

  /**
   * @param {string} path
   * @param {RequestInit} init
   */
  async #request(path, init) {
    const fetch = this.#fetch; // called as a function: a browser's takes no other object
    // A redirect would take the token to whom it was not meant for, or an answer from there.
    const response = await fetch(this.#base + path, { cache: "no-store", redirect: "error", ...init });

    if (!response.ok) throw await errorOf(response);
    return response;
  }
}
