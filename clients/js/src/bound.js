// bound.js: an end to what may take too long, or is not wanted any more.
import { LostError } from "./errors.js";

/** Bounds one piece of work, which must heed the signal. To be released when it is done. */
export class Bound {
  #controller = new AbortController();
  #stop;
  #timer = /** @type {any} */ (undefined);

  /** @param {AbortSignal} stop - ends the work too */
  constructor(stop) {
    this.#stop = stop;
    stop.addEventListener("abort", this.#follow);
    if (stop.aborted) this.#follow();
  }

  get signal() {
    return this.#controller.signal;
  }

  #follow = () => this.abort(this.#stop.reason);

  /**
   * Ends the work with a LostError, unless this is called again in time.
   * @param {number} ms
   * @param {string} what - has happened then
   */
  within(ms, what) {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.abort(new LostError(what)), ms);
  }

  /** @param {unknown} reason */
  abort(reason) {
    this.#controller.abort(reason);
  }

  release() {
    clearTimeout(this.#timer);
    this.#stop.removeEventListener("abort", this.#follow);
  }
}

/**
 * The promise's outcome, or the signal's reason if that comes first.
 * @template T
 * @param {AbortSignal} signal
 * @param {T | PromiseLike<T>} promise
 * @returns {Promise<T>}
 */
export async function unlessAborted(signal, promise) {
  /** @type {() => void} */
  let give = () => {};
  /** @type {Promise<never>} */
  const aborted = new Promise((_, reject) => {
    give = () => reject(signal.reason);
  });

  signal.throwIfAborted();
  signal.addEventListener("abort", give);
  try {
    return await Promise.race([promise, aborted]);
  } finally {
    signal.removeEventListener("abort", give);
  }
}

/**
 * Resolves after the time, or at the signal if that comes first.
 * @param {AbortSignal} signal
 * @param {number} ms
 * @returns {Promise<void>}
 */
export function sleep(signal, ms) {
  return new Promise((resolve) => {
    const end = () => {
      clearTimeout(timer);
      signal.removeEventListener("abort", end);
      resolve();
    };
    const timer = setTimeout(end, ms);

    signal.addEventListener("abort", end);
    if (signal.aborted) end();
  });
}
