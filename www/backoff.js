// backoff.js: growing, jittered delays, so that many watchers don't come back all at once.

const FIRST_MS = 500;
const LAST_MS = 30000;

export class Backoff {
  #nextMs = FIRST_MS;

  /** The next delay in milliseconds, half of it drawn; not below what a server asked for. */
  next(leastMs = 0) {
    const delay = this.#nextMs * (0.5 + Math.random() / 2);

    this.#nextMs = Math.min(this.#nextMs * 2, LAST_MS);
    return Math.max(delay, leastMs * (1 + Math.random() / 4));
  }

  reset() {
    this.#nextMs = FIRST_MS;
  }
}

/** Resolves after ms, or earlier: when the signal aborts, the device is online again, the page is looked at
 * again, or `hurry` (an EventTarget) dispatches "now". */
export function pause(ms, signal, hurry = new EventTarget()) {
  return new Promise((resolve) => {
    const over = new AbortController();
    const options = {signal: over.signal};
    const end = () => {
      clearTimeout(timer);
      over.abort();
      resolve();
    };
    const timer = setTimeout(end, ms);

    if (signal.aborted) end();
    signal.addEventListener("abort", end, options);
    hurry.addEventListener("now", end, options);
    addEventListener("online", end, options);
    document.addEventListener("visibilitychange", () => document.hidden || end(), options);
  });
}
