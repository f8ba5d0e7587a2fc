// token.js: where the token comes from, and when it must be renewed.

const MARGIN_MS = 60_000; // before the expiry; of a short-lived token, half of what is left
const SHORTEST_MS = 1000;
const LONGEST_MS = 2 ** 31 - 1; // a timer's limit

/**
 * The token, without the space and newlines that files and forms leave around it; undefined where it has a
 * character that no token has: a connection's subprotocol or header could not hold it.
 * @param {string} text
 * @returns {string | undefined}
 */
export function cleanToken(text) {
  const token = text.trim();

  return /^[\w.-]+$/.test(token) ? token : undefined;
}

/**
 * When a JSON Web Token expires, in milliseconds since 1970; undefined if it does not say.
 * @param {string} token
 * @returns {number | undefined}
 */
export function expiryOf(token) {
  try {
    const payload = token.split(".")[1].replaceAll("-", "+").replaceAll("_", "/");
    const { exp } = JSON.parse(atob(payload));

    return Number.isFinite(exp) ? exp * 1000 : undefined;
  } catch {
    return undefined;
  }
}

/**
 * How long from now a token is to be renewed; undefined: never.
 * @param {string} token
 * @param {number} [now]
 */
export function renewalOf(token, now = Date.now()) {
  const expiry = expiryOf(token);

  if (expiry === undefined || expiry <= now) return undefined;
  const leftMs = expiry - now;
  return Math.min(Math.max(leftMs - MARGIN_MS, leftMs / 2, SHORTEST_MS), LONGEST_MS);
}
