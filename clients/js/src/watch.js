// watch.js: watches one session until it ends, over as many connections as that takes.
import { Backoff } from "./backoff.js";
import { Bound, sleep, unlessAborted } from "./bound.js";
import { connect, RENEW } from "./connection.js";
import { Endpoint } from "./endpoint.js";
import { LostError, RefusedError } from "./errors.js";
import { Route } from "./route.js";
import { cleanToken } from "./token.js";

const DEFAULTS = {
  auth: /** @type {const} */ ("header"),
  transport: /** @type {const} */ ("auto"),
  silenceMs: 60_000, // two heartbeats
  openMs: 10_000,
  firstPauseMs: 500,
  lastPauseMs: 30_000,
};
const AUTHS = ["header", "query", "ticket"];
const TRANSPORTS = ["auto", "websocket", "sse"];
const LAST = ["processed", "failed"];
const RESTARTING = 1012; // a planned stop: the server is well
const NO_TOKEN = "Authentication required";
const BAD_TOKEN = "Invalid authentication"; // the one refusal that another token may change

/** @typedef {import("./index.js").Progress} Progress */
/** @typedef {import("./index.js").WatchOptions} WatchOptions */
/** @typedef {import("./index.js").WatchState} WatchState */
/** @typedef {Required<Pick<WatchOptions, keyof typeof DEFAULTS>> & WatchOptions} Options */

/**
 * @param {string} name
 * @param {string} value
 * @param {string[]} allowed
 */
function checkOneOf(name, value, allowed) {
  if (!allowed.includes(value))
    throw new TypeError(`${name}: ${value} is none of ${allowed.join(", ")}`);
}

/**
 * One that is undefined counts as left out.
 * @param {WatchOptions} given
 * @returns {Options & { fetch: typeof fetch }}
 */
function withDefaults(given) {
  const { WebSocket, fetch } = globalThis;
  const present = Object.entries(given).filter(([, value]) => value !== undefined);

  return { ...DEFAULTS, WebSocket, fetch, .../** @type {WatchOptions} */ (Object.fromEntries(present)) };
}

/** @param {Options} options */
function check({ sessionId, token, auth, transport, WebSocket }) {
  if (typeof sessionId !== "string" || sessionId === "")
    throw new TypeError("sessionId: must be a string that is not empty");
  if (typeof token !== "function" && (typeof token !== "string" || token === ""))
    throw new TypeError("token: must be a string that is not empty, or a function that gives one");
  if (typeof token === "string" && cleanToken(token) === undefined)
    throw new TypeError("token: has a character that no JSON Web Token has; pass it alone, without \"Bearer\"");
  checkOneOf("auth", auth, AUTHS);
  checkOneOf("transport", transport, TRANSPORTS);
  if (transport === "websocket" && WebSocket === undefined)
    throw new TypeError("WebSocket: there is none here (Node has one from version 22 on); pass one");
}

/** @param {Options} options */
function transportsOf({ transport, WebSocket }) {
  if (transport !== "auto") return [transport];
  return WebSocket === undefined ? ["sse"] : ["websocket", "sse"];
}

/** Its public members are described in index.d.ts. */
class Watch {
  #options;
  #endpoint;
  #route;
  #backoff;
  #stop = new AbortController();
  /** @type {WatchState} */
  #state = "connecting";
  /** @type {number | undefined} */
  #revision;
  /** @type {Progress | undefined} */
  #last;
  /** @type {Error | undefined} */
  #error;
  /** @type {string | undefined} */
  #token; // that was taken last
  /** @type {string | undefined} */
  #refused; // the token that was refused since something was heard
  #hasHeard = false; // by this connection
  #heardAt = -Infinity;
  /** @type {Progress[] | undefined} */
  #queue; // for iteration
  #wake = () => {};

  /** @param {WatchOptions} given */
  constructor(given) {
    const options = withDefaults(given);

    check(options);
    this.#options = options;
    this.#endpoint = new Endpoint(options.url, options.sessionId, options.fetch);
    this.#route = new Route(transportsOf(options));
    this.#backoff = new Backoff(options.firstPauseMs, options.lastPauseMs);
    this.#revision = options.since;
    if (options.onUpdate === undefined) this.#queue = [];
    options.signal?.addEventListener("abort", () => this.close(), { once: true, signal: this.#stop.signal });
    this.#run();
  }

  get state() {
    return this.#state;
  }

  get revision() {
    return this.#revision;
  }

  close() {
    this.#stop.abort();
    this.#enter("closed");
  }

  async *[Symbol.asyncIterator]() {
    const queue = (this.#queue ??= []);

    try {
      for (;;) {
        while (queue.length > 0) yield /** @type {Progress} */ (queue.shift());
        if (this.#error !== undefined) throw this.#error;
        if (this.#state === "closed") return;
        await new Promise((resolve) => {
          this.#wake = () => resolve(undefined);
        });
      }
    } finally {
      this.close();
    }
  }

  // --- its life ---

  async #run() {
    await undefined; // nobody is called back before he has what watchSession returns
    if (this.#options.signal?.aborted) this.close();
    while (!this.#stop.signal.aborted) {
      try {
        await this.#connect();
        this.#end();
      } catch (error) {
        await this.#recover(/** @type {Error} */ (error));
      }
    }
  }

  async #connect() {
    this.#hasHeard = false;
    this.#enter("connecting");
    await connect({
      ...this.#options,
      transport: this.#route.current,
      endpoint: this.#endpoint,
      since: this.#revision,
      stop: this.#stop.signal,
      takeToken: (why, signal) => this.#takeToken(why, signal),
      canRenew: typeof this.#options.token === "function",
      onOpen: () => this.#enter("open"),
      onHeard: () => this.#hear(),
      onUpdate: (update) => this.#show(update),
    });
  }

  /**
   * What follows on a connection that ended before the session did.
   * @param {Error} error
   */
  async #recover(error) {
    const stop = this.#stop.signal;

    if (stop.aborted || error === RENEW) return;
    if (error instanceof RefusedError) {
      this.#heed(error);
      return;
    }
    // Others come from elsewhere, a browser's own say; and these may have a code that means something else.
    const lost = error instanceof LostError ? error : new LostError(String(error?.message ?? error));

    this.#learn(lost);
    const pauseMs = this.#backoff.draw(lost.floorMs);

    this.#enter("waiting", { retryInMs: pauseMs, cause: error instanceof Error ? error : lost });
    await this.#poll();
    await sleep(stop, pauseMs);
  }

  /** @param {LostError} error */
  #learn({ code }) {
    if (code === RESTARTING) this.#backoff.reset();
    if (code !== undefined) this.#route.works();
    else if (!this.#hasHeard) this.#route.failed();
  }

  /**
   * A refusal ends the watch, unless there may be a better token.
   * @param {RefusedError} error
   */
  #heed(error) {
    const canRenew = typeof this.#options.token === "function";

    if (error.reason === BAD_TOKEN && canRenew && this.#refused === undefined)
      this.#refused = this.#token;
    else this.#fail(error);
  }

  /**
   * @param {"connect" | "refresh"} why
   * @param {AbortSignal} signal
   * @throws {RefusedError} there is none, or it is the one that was refused
   */
  async #takeToken(why, signal) {
    const { token } = this.#options;
    const taken = typeof token === "function" ? await unlessAborted(signal, token(why)) : token;

    if (!taken) throw new RefusedError(NO_TOKEN, 1008);
    this.#token = cleanToken(taken) ?? taken;
    if (this.#token === this.#refused || cleanToken(taken) === undefined) throw new RefusedError(BAD_TOKEN, 1008);
    return this.#token;
  }

  /** Asks what there is, where no connection has said anything for long. */
  async #poll() {
    const { silenceMs, openMs } = this.#options;
    const isFresh = this.#revision === undefined;
    const now = performance.now();

    // Half of it, for a connection that fell silent is due whatever the grain of its timer.
    if (this.#token === undefined || now - this.#heardAt < silenceMs / 2) return;
    this.#heardAt = now;
    const bound = new Bound(this.#stop.signal);

    try {
      bound.within(openMs, "The poll was not answered");
      const updates = await this.#endpoint.history(this.#token, this.#revision ?? 0, bound.signal);

      for (const update of isFresh ? updates.slice(-1) : updates) this.#show(update);
      if (LAST.includes(updates.at(-1)?.status ?? "")) this.#end();
    } catch (error) {
      if (error instanceof RefusedError) this.#heed(error);
    } finally {
      bound.release();
    }
  }

  // --- what it tells ---

  #hear() {
    this.#hasHeard = true;
    this.#heardAt = performance.now();
    this.#refused = undefined;
    this.#route.works();
    this.#backoff.reset();
  }

  /** @param {Progress} update */
  #show(update) {
    if (this.#state === "closed") return; // by whom the update before it was shown to
    this.#revision = update.revision;
    this.#last = update;
    this.#queue?.push(update);
    this.#tell(this.#options.onUpdate, update);
    this.#wake();
  }

  #end() {
    if (this.#state === "closed") return;
    this.#tell(this.#options.onEnd, this.#last);
    this.close();
  }

  /** @param {RefusedError} error */
  #fail(error) {
    if (this.#state === "closed") return;
    this.#error = error;
    this.#tell(this.#options.onError, error);
    this.close();
  }

  /**
   * @param {WatchState} state
   * @param {import("./index.js").Waiting} [waiting]
   */
  #enter(state, waiting) {
    if (this.#state === "closed") return;
    this.#state = state;
    this.#tell(this.#options.onState, state, waiting);
    this.#wake();
  }

  /**
   * What goes wrong in the caller's own code is the caller's, and does not end the watch.
   * @template {unknown[]} A
   * @param {((...args: A) => void) | undefined} callback
   * @param {A} args
   */
  #tell(callback, ...args) {
    try {
      callback?.(...args);
    } catch (error) {
      queueMicrotask(() => {
        throw error;
      });
    }
  }
}

/**
 * @param {WatchOptions} options
 * @returns {import("./index.js").Watch}
 */
export function watchSession(options) {
  return new Watch(options);
}
