// errors.js: how a connection can end otherwise than by its session's end.

/** The server said no, and would say it again: the watch is over. */
export class RefusedError extends Error {
  /**
   * @param {string} reason - the server's words
   * @param {number} code - the close code (1008), or the HTTP status
   */
  constructor(reason, code) {
    super(reason);
    this.name = "RefusedError";
    this.reason = reason;
    this.code = code;
  }
}

/** A connection is gone, or did not come about: the next one may fare better. */
export class LostError extends Error {
  /**
   * @param {string} message
   * @param {number} [floorMs] - the server asked not to be tried again before this
   * @param {number} [code] - the close code, where the server gave one: so the way to it is open
   */
  constructor(message, floorMs = 0, code = undefined) {
    super(message);
    this.name = "LostError";
    this.floorMs = floorMs;
    this.code = code;
  }
}
