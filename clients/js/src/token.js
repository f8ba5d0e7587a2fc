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
 * What a JSON Web Token says; nothing where it is none.
 * @param {string} token
 * @returns {any}
 */
function claimsOf(token) {
  try {
    return JSON.parse(atob(token.split(".")[1].replaceAll("-", "+").replaceAll("_", "/"))) ?? {};
  } catch {
    return {};
  }
}

/**
 * When a JSON Web Token expires, in milliseconds since 1970; undefined if it does not say.
 * @param {string} token
 * @returns {number | undefined}
 */
export function expiryOf(token) {
  const { exp } = claimsOf(token);

  return Number.isFinite(exp) ? exp * 1000 : undefined;
}

/**
 * Whose the token is; one that does not say is taken for somebody else's than any other.
 * @param {string} token
 * @returns {string}
 */
export function userOf(token) {
  const { sub } = claimsOf(token);

  return typeof sub === "string" ? sub : token;
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
