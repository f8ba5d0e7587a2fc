// socket.js: follows a session over a WebSocket.
import {learn} from "./clock.js";
import {isUpdate} from "./update.js";

const OPENING_MS = 10000;
// The server pings every 30 s; a connection that has been silent for three pings is no connection.
const SILENCE_MS = 100000;

const DONE = 1000;
const ENDINGS = ["Processing complete", "Processing failed"]; // others close with 1000 when they are tired
const POLICY = 1008; // trying again would not help

/** What shows the token: a ticket; where milepost-api is away, a subprotocol. Neither puts it into a URL. */
async function credential(access, signal) {
  try {
    return {query: {ticket: await access.ticket(signal)}, subprotocols: []};
  } catch (refused) {
    if (refused.final || refused.status === 0) throw refused;
    return {query: {}, subprotocols: access.subprotocols};
  }
}

/** The JSON in the text; undefined: there is none. */
function parse(text) {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

function open(session, since, {query, subprotocols}) {
  const url = new URL(`/api/sessions/ws/${encodeURIComponent(session)}`, location.href);

  url.protocol = location.protocol === "https:" ? "wss:" : "ws:";
  url.hash = "";
  url.search = new URLSearchParams({...query, since});
  return new WebSocket(url, subprotocols);
}

/**
 * Follows the session from the revision `since` on: onOpen() once, onUpdate(update) for each. Resolves when
 * that is over, with {end: "done" | "refused" | "lost", opened, reason, code}; lost before it was opened:
 * the server is away, or something on the way lets no WebSocket through.
 */
export async function follow({session, since, access, signal, onOpen, onUpdate}) {
  let opened = false;
  let socket;
  let timer;

  try {
    socket = open(session, since, await credential(access, signal));
  } catch (refused) { // by the server, or the constructor: then a policy forbids WebSockets
    return {end: refused.final ? "refused" : "lost", opened, reason: refused.reason ?? "", status: refused.status};
  }
  return new Promise((resolve) => {
    const end = (result) => {
      clearTimeout(timer);
      signal.removeEventListener("abort", giveUp);
      socket.onclose = socket.onmessage = socket.onopen = null;
      socket.close();
      resolve({opened, ...result});
    };
    const giveUp = () => end({end: "lost", reason: ""});
    const expect = (ms) => {
      clearTimeout(timer);
      timer = setTimeout(giveUp, ms);
    };

    signal.addEventListener("abort", giveUp);
    if (signal.aborted) giveUp();
    expect(OPENING_MS);
    socket.onopen = () => {
      opened = true;
      expect(SILENCE_MS);
      onOpen();
    };
    socket.onmessage = ({data}) => {
      const message = parse(data);

      expect(SILENCE_MS);
      if (isUpdate(message)) onUpdate(message);
      else if (message?.type === undefined) giveUp(); // not Milepost's
      else if (message.type === "ping") learn(message.timestamp);
    };
    socket.onclose = ({code, reason}) => {
      const isEnd = code === DONE && ENDINGS.includes(reason);

      end({end: isEnd ? "done" : code === POLICY ? "refused" : "lost", reason, code});
    };
  });
}
