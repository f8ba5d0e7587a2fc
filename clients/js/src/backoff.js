// backoff.js: how long to wait before the next try.

/** Pauses that double from the first to the last; half of each is drawn, so that many clients don't
 * come back at once. */
export class Backoff {
  #firstMs;
  #lastMs;
  #nextMs;
  #random;

  /**
   * @param {number} firstMs
   * @param {number} lastMs
   * @param {() => number} [random]
   */
  constructor(firstMs, lastMs, random = Math.random) {
    this.#firstMs = this.#nextMs = firstMs;
    this.#lastMs = lastMs;
    this.#random = random;
  }

  /** The next pause. It follows the floor, and so is drawn there too. */
  draw(floorMs = 0) {
    const half = this.#nextMs / 2;

    this.#nextMs = Math.min(this.#nextMs * 2, this.#lastMs);
    return floorMs + half + this.#random() * half;
  }

  reset() {
    this.#nextMs = this.#firstMs;
  }
}
