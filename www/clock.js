// clock.js: the server's time, whatever the reader's clock says, so that "30 seconds left" is true.

let aheadMs = 0;

/** Learns from a time that the server just told: a Date header, or a ping's timestamp. */
export function learn(time) {
  const server = Date.parse(time);

  // Whole seconds and the way here make up to a second: a clock that is as good as that is left alone.
  if (!Number.isNaN(server)) {
    const difference = server - Date.now();

    aheadMs = Math.abs(difference) < 2000 ? 0 : difference;
  }
}

/** Now, in milliseconds since 1970. */
export function now() {
  return Date.now() + aheadMs;
}
