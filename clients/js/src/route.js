// route.js: which transport to take next, where several could work.

const PATIENCE = 3; // failures in a row of a transport that has worked before

/** Prefers the first transport; takes the next where one seems blocked, and stays with what works. */
export class Route {
  #transports;
  #worked = new Set();
  #at = 0;
  #failures = 0;

  /** @param {string[]} transports - at least one, the preferred first */
  constructor(transports) {
    this.#transports = transports;
  }

  get current() {
    return this.#transports[this.#at];
  }

  /** Something came from the server by the current transport. */
  works() {
    this.#worked.add(this.current);
    this.#failures = 0;
  }

  /** A connection ended without a word from the server. */
  failed() {
    this.#failures++;
    if (this.#failures < (this.#worked.has(this.current) ? PATIENCE : 1)) return;
    this.#at = (this.#at + 1) % this.#transports.length;
    this.#failures = 0;
  }
}
