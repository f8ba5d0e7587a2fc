// access.js: the reader's token: where it comes from, where it is kept, and the requests that show it.
//
// It comes in the URL's fragment, which a browser never sends and which is taken out of the address bar at
// once, or from a form, or from a login. It is kept for this tab until that is closed, and goes into the
// Authorization header only: never into a URL.
import {learn} from "./clock.js";

const KEPT_AS = "milepost.token";
const TOKEN = /^[\w-]+\.[\w-]+\.[\w-]+$/;
const REQUEST_MS = 15000;

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
  return new Refused(problem.detail ?? "", isProblem ? response.status : 502,
    Number.isInteger(retry) ? retry * 1000 : 0);
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

  /** The answer to a request that shows the token; Refused where that is none below 400. */
  async request(path, {signal, headers, limitMs = REQUEST_MS, ...options} = {}) {
    const cancelled = new AbortController();
    const timer = setTimeout(() => cancelled.abort(), limitMs);
    const giveUp = () => cancelled.abort();
    let response;

    signal?.addEventListener("abort", giveUp);
    if (signal?.aborted) giveUp();
    try {
      response = await fetch(path, {
        cache: "no-store", redirect: "error", referrerPolicy: "no-referrer", signal: cancelled.signal, ...options,
        headers: {...(this.given && {Authorization: `Bearer ${this.#token}`}), ...headers},
      });
    } catch {
      throw new Refused("", 0);
    } finally {
      clearTimeout(timer);
    }
    learn(response.headers.get("Date"));
    if (response.status >= 400) throw await refusedBy(response);
    return response;
  }

  /** A ticket: it opens one connection, within half a minute. */
  async ticket(signal) {
    const response = await this.request("/milepost/v1/ticket", {method: "POST", signal});

    return (await response.json()).ticket;
  }

  /** Gets and keeps a token for an e-mail address and its password. */
  async signIn(email, password) {
    this.forget();
    const response = await this.request("/api/v1/login", {
      method: "POST", headers: {"Content-Type": "application/json"}, body: JSON.stringify({email, password}),
    });

    this.keep((await response.json()).access_token);
  }
}
