// connection.js: one connection by whichever transport: opened in time, never silent for long, its token
// renewed before it expires.
import { Bound } from "./bound.js";
import { LostError } from "./errors.js";
import { viaEvents } from "./events.js";
import { checked } from "./progress.js";
import { renewalOf } from "./token.js";
import { viaWebSocket } from "./websocket.js";

/** @type {Record<string, (link: Link) => Promise<void>>} */
const VIA = { websocket: viaWebSocket, sse: viaEvents };

/** What a connection ends with whose token can only be renewed by another connection. */
export const RENEW = new Error("The token is to be renewed");

/** @typedef {import("./endpoint.js").Endpoint} Endpoint */
/** @typedef {import("./index.js").Progress} Progress */

/**
 * What a transport needs, and whom it tells.
 * @typedef {object} Link
 * @property {Endpoint} endpoint
 * @property {string} auth - where the token goes: header, query or ticket
 * @property {string} token
 * @property {number} [since] - the newest revision that is known; undefined: begin with the current
 * @property {any} [WebSocket]
 * @property {AbortSignal} signal - ends the connection
 * @property {(refresh?: (token: string) => void) => void} onOpen - refresh replaces the token
 * @property {() => void} onHeard - the server said something
 * @property {(update: Progress) => void} onUpdate
 */

/**
 * @typedef {object} Plan
 * @property {string} transport
 * @property {Endpoint} endpoint
 * @property {string} auth
 * @property {number} [since]
 * @property {any} [WebSocket]
 * @property {number} openMs
 * @property {number} silenceMs
 * @property {AbortSignal} stop
 * @property {(why: "connect" | "refresh", signal: AbortSignal) => Promise<string>} takeToken
 * @property {boolean} canRenew - takeToken may give another one
 * @property {() => void} onOpen
 * @property {() => void} onHeard
 * @property {(update: Progress) => void} onUpdate
 */

/**
 * Calls renew before the token expires, and again before the one that it gives does.
 * @param {string} token
 * @param {() => Promise<string>} renew - a failure is tried again, as long as there is time
 * @param {AbortSignal} signal - ends it
 */
function keepFresh(token, renew, signal) {
  const ms = renewalOf(token);

  if (ms === undefined || signal.aborted) return;
  const timer = setTimeout(async () => {
    signal.removeEventListener("abort", cancel);
    keepFresh(await renew().catch(() => token), renew, signal);
  }, ms);
  const cancel = () => clearTimeout(timer);

  signal.addEventListener("abort", cancel, { once: true });
}

/**
 * Resolves when the session has ended.
 * @param {Plan} plan
 * @returns {Promise<void>}
 * @throws what the transport does, what takeToken does, LostError, RENEW
 */
export async function connect(plan) {
  const { transport, openMs, silenceMs, takeToken, canRenew } = plan;
  const bound = new Bound(plan.stop);
  const { signal } = bound;

  /** @param {(token: string) => void} [refresh] */
  async function renew(refresh) {
    if (refresh === undefined) {
      bound.abort(RENEW);
      throw RENEW;
    }
    const token = await takeToken("refresh", signal);

    refresh(token);
    return token;
  }

  bound.within(openMs, "The connection did not open");
  try {
    const token = await takeToken("connect", signal);

    await VIA[transport]({
      ...plan,
      token,
      signal,
      onOpen(refresh) {
        bound.within(silenceMs, "The connection fell silent");
        if (canRenew) keepFresh(token, () => renew(refresh), signal);
        plan.onOpen();
      },
      onHeard() {
        bound.within(silenceMs, "The connection fell silent");
        plan.onHeard();
      },
      onUpdate: (update) => plan.onUpdate(checked(update)),
    });
  } catch (error) {
    throw signal.aborted ? signal.reason : error; // a read that was aborted does not say why, everywhere
  } finally {
    bound.abort(undefined);
    bound.release();
  }
}
