// websocket.js: watching by a WebSocket.
import { LostError, RefusedError } from "./errors.js";

const ENDED = 1000;
const ENDINGS = ["Processing complete", "Processing failed"]; // others close with 1000 when they are tired
const REFUSED = 1008;
const GONE = 1006; // no close frame came
const FULL = 1013;
const FULL_FLOOR_MS = 5000;
// A revision that was never given out: the server begins with the current update, as without since,
// but numbers what it sends.
const FROM_THE_CURRENT = Number.MAX_SAFE_INTEGER;

/** @typedef {import("./connection.js").Link} Link */

/** @param {{ code: number, reason: string }} event */
function isEnd({ code, reason }) {
  return code === ENDED && ENDINGS.includes(reason);
}

/** @param {{ code: number, reason: string }} event */
function errorOf({ code, reason }) {
  if (code === REFUSED) return new RefusedError(reason || `Closed with ${code}`, code);
  return new LostError(
    `The connection was closed with ${code}${reason && `, ${reason}`}`,
    code === FULL ? FULL_FLOOR_MS : 0,
    code === GONE || code === ENDED ? undefined : code,
  );
}

/**
 * Resolves when the session has ended.
 * @param {Link} link
 * @returns {Promise<void>}
 * @throws {RefusedError | LostError} and what the link was aborted with
 */
export async function viaWebSocket(link) {
  const { endpoint, auth, token, since, WebSocket, signal, onOpen, onHeard, onUpdate } = link;
  const query = {
    ...(await endpoint.credentials(auth, token, signal)),
    since: String(since ?? FROM_THE_CURRENT),
  };

  signal.throwIfAborted();
  /** @type {import("./index.js").WebSocketLike} */
  const socket = new WebSocket(endpoint.socketUrl(query), auth === "header" ? ["bearer", token] : []);

  try {
    await new Promise((resolve, reject) => {
      signal.addEventListener("abort", () => reject(signal.reason), { once: true });
      socket.onopen = () =>
        onOpen((token) => socket.send(JSON.stringify({ type: "refresh", token })));
      socket.onmessage = ({ data }) => {
        try {
          const message = JSON.parse(data);

          onHeard();
          if (message.type === undefined) onUpdate(message);
        } catch (error) {
          reject(error); // not from Milepost
        }
      };
      socket.onerror = () => {}; // a close follows; what was wrong is told to nobody
      socket.onclose = (event) =>
        isEnd(event) ? resolve(undefined) : reject(errorOf(event));
    });
  } finally {
    // Whatever it still says, nobody listens: the next connection begins where this one was left.
    socket.onopen = socket.onmessage = socket.onclose = null;
    socket.close();
  }
}
