// access.js: the reader's token: where it comes from, where it is kept, and the requests that show it.
//
// It comes in the URL's fragment, which a browser never sends and which is taken out of the address bar at
// once, or from a form, or from a login. It is kept for this tab until that is closed, and goes into the
// Authorization header only: never into a URL.
import {learn} from "./clock.js";

const KEPT_AS = "milepost.token";
const TOKEN = /^[\w-]+\.[\w-]+\.[\w-]+$/;
const REQUEST_MS = 15000;
const RETRY_MAX_S = 300; // what is asked for beyond that is no server's that is to come back

/** Why a request did not give what was asked for. */
export class Refused extends Error {
  /** reason: the server's word for it. status: of HTTP, 0 where there was no answer at all. */
  constructor(reason, status, retryMs = 0) {
    super(reason);
    Object.assign(this, {reason, status, retryMs});
  }

  /** Would the same request be refused again, until somebody does something about it? */
  get final() {
    return [400, 401, 403, 404].includes(this.status) || this.reason === "Too many connections";
  }
}

/** The reason in an answer, which is problem+json where it comes from Milepost. */
export async function refusedBy(response) {
  const isProblem = (response.headers.get("Content-Type") ?? "").startsWith("application/problem+json");
  const problem = isProblem ? await response.json().catch(() => ({})) : {};
  const retry = Number(response.headers.get("Retry-After"));

  // What is not told by Milepost says nothing about the session: the server in front may be at fault.
  return new Refused(typeof problem?.detail === "string" ? problem.detail : "", isProblem ? response.status : 502,
    Number.isInteger(retry) ? Math.min(retry, RETRY_MAX_S) * 1000 : 0);
}

export class Access {
  #token = sessionStorage.getItem(KEPT_AS) ?? "";

  get given() {
    return this.#token !== "";
  }

  /** Keeps the token; false: it can't be one. */
  keep(token) {
    if (!TOKEN.test(token)) return false;
    this.#token = token;
    sessionStorage.setItem(KEPT_AS, token);
    return true;
  }

  forget() {
    this.#token = "";
    sessionStorage.removeItem(KEPT_AS);
  }

  /** The subprotocols of a WebSocket that show the token where no ticket can be had. */
  get subprotocols() {
    return ["bearer", this.#token];
  }

  /**
   * The answer to a request that shows the token: {status, headers, value}, of which the last is its JSON, or
   * undefined. Of a stream it is the response, which goes on until the signal. Refused where that is none below 400.
   */
  async request(path, {signal, headers, limitMs = REQUEST_MS, isStream = false, ...options} = {}) {
    const cancelled = new AbortController();
    const timer = setTimeout(() => cancelled.abort(), limitMs);
    const giveUp = () => cancelled.abort();

    signal?.addEventListener("abort", giveUp);
    if (signal?.aborted) giveUp();
    try {
      const response = await fetch(path, {
        cache: "no-store", redirect: "error", referrerPolicy: "no-referrer", signal: cancelled.signal, ...options,
        headers: {...(this.given && {Authorization: `Bearer ${this.#token}`}), ...headers},
      });

      learn(response.headers.get("Date"));
      if (response.status >= 400) throw await refusedBy(response);
      if (isStream) return response;
      const text = await response.text();

      return {status: response.status, headers: response.headers, value: text === "" ? undefined : JSON.parse(text)};
    } catch (error) {
      throw error instanceof Refused ? error : new Refused("", 0);
    } finally {
      clearTimeout(timer);
      if (!isStream) signal?.removeEventListener("abort", giveUp); // which outlives many requests
    }
  }

  /** A ticket: it opens one connection, within half a minute. */
  async ticket(signal) {
    const {value} = await this.request("/milepost/v1/ticket", {method: "POST", signal});

    if (typeof value?.ticket !== "string") throw new Refused("", 0);
    return value.ticket;
  }

  /** Gets and keeps a token for an e-mail address and its password. */
  async signIn(email, password) {
    this.forget();
    const {value} = await this.request("/api/v1/login", {
      method: "POST", headers: {"Content-Type": "application/json"}, body: JSON.stringify({email, password}),
    });

    this.keep(value?.access_token);
  }
}
