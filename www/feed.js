// feed.js: follows a session by whatever way works, comes back when that breaks, and hands on every update,
// in order, none twice.
import {Backoff, pause} from "./backoff.js";
import * as events from "./events.js";
import * as socket from "./socket.js";
import {isUpdate} from "./update.js";

const POLL_MS = 3000;
// After the end, for a session that is processed again.
const AGAIN_FIRST_MS = 4000;
const AGAIN_LAST_MS = 60000;
// A refusal comes as a connection that is opened and closed at once: until then it is not yet called live.
const SETTLED_MS = 250;
const NOTHING_YET = "No progress yet";

/** Is this the last update of a run? */
export function isLast(update) {
  return update !== undefined && (update.status === "processed" || update.status === "failed");
}

export class Feed {
  #stop = new AbortController();
  #hurry = new EventTarget();
  #backoff = new Backoff();
  #way = socket;
  #last; // the newest update
  #said = ""; // the name of the last state

  /**
   * Handlers: onUpdate(update); onReset(): what was told is of a database that is no more; onState(state):
   * {name, ...} with the name connecting, live, polling, waiting (`until`, and why: code, status), done,
   * or refused (`reason`): then it is over, until start() is called again.
   */
  constructor(session, access, handlers) {
    Object.assign(this, {session, access, ...handlers});
  }

  async start() {
    while (!this.#stop.signal.aborted) {
      if (this.#said !== "polling") this.#say({name: "connecting"});
      const how = await this.#connect();

      try {
        if (how.end === "refused") throw how;
        if (how.end === "done" || isLast(this.#last)) await this.#untilAgain();
        else await this.#rest(how);
      } catch ({reason}) {
        return this.#say({name: "refused", reason});
      }
    }
  }

  stop() {
    this.#stop.abort();
  }

  /** Ends a pause. */
  hurry() {
    this.#hurry.dispatchEvent(new Event("now"));
  }

  #say(state) {
    if (this.#stop.signal.aborted) return;
    this.#said = state.name;
    this.onState(state);
  }

  /** One connection, to its end. */
  async #connect() {
    let how = await this.#by(this.#way);

    // Is it WebSocket that is blocked, or is the server away? Events tell, and their refusals can be read.
    if (this.#way === socket && how.end === "lost" && !how.opened) {
      how = {...await this.#by(events), code: how.code};
      if (how.opened) this.#way = events;
    }
    return how;
  }

  async #by(way) {
    let settling;
    const how = await way.follow({
      session: this.session, since: this.#last?.revision ?? 0, access: this.access, signal: this.#stop.signal,
      onOpen: () => {
        settling = setTimeout(() => this.#say({name: "live"}), SETTLED_MS);
      },
      onUpdate: (update) => {
        clearTimeout(settling);
        this.#say({name: "live"});
        this.#backoff.reset();
        this.#take(update);
      },
    });

    clearTimeout(settling);
    return how;
  }

  #take(update) {
    const seen = this.#last?.revision ?? 0;

    if (update.revision === seen || this.#stop.signal.aborted) return;
    // Revisions only grow; one that is smaller is of another database: a backup was restored.
    if (update.revision < seen) this.onReset();
    this.#last = update;
    this.onUpdate(update);
  }

  /** The pause before the next try. Where no connection could be opened at all, it is spent polling, if at
   * least that works. */
  async #rest(how) {
    const until = Date.now() + this.#backoff.next(how.retryMs);

    while (!how.opened && Date.now() < until && await this.#poll()) {
      this.#say({name: "polling"});
      if (isLast(this.#last)) return;
      await this.#pause(Math.min(POLL_MS, until - Date.now()));
    }
    if (Date.now() >= until) return;
    this.#say({name: "waiting", until, ...how});
    await this.#pause(until - Date.now());
  }

  #pause(ms) {
    return pause(ms, this.#stop.signal, this.#hurry);
  }

  /** Takes what is new by one request; false: that does not work either. Throws a refusal. */
  async #poll() {
    try {
      const path = `/api/sessions/${encodeURIComponent(this.session)}/progress/history`;
      const since = this.#last?.revision ?? 0;
      const {value} = await this.access.request(`${path}?since=${since}`, {signal: this.#stop.signal});

      if (!value.every(isUpdate)) return false;
      for (const update of value) this.#take(update);
      return true;
    } catch (refused) {
      if (refused.final && refused.reason !== NOTHING_YET) throw refused;
      return refused.reason === NOTHING_YET;
    }
  }

  /** After the end of a run: resolves when there is something new. */
  async #untilAgain() {
    const path = `/api/sessions/${encodeURIComponent(this.session)}/progress`;
    let etag = "";
    let ms = AGAIN_FIRST_MS;

    this.#say({name: "done"});
    while (!this.#stop.signal.aborted) {
      await this.#pause(ms);
      ms = Math.min(ms * 1.5, AGAIN_LAST_MS);
      if (document.hidden) continue;
      try {
        const answer = await this.access.request(path, {headers: {"If-None-Match": etag}, signal: this.#stop.signal});

        if (answer.status === 200 && !this.#isKnown(answer.value)) return;
        etag = answer.headers.get("ETag") ?? etag;
      } catch (refused) {
        // What was seen may stay when only the token has come to its end; else the next connection tells why.
        if (refused.status === 401) this.stop();
        else if (refused.final) return;
      }
    }
  }

  /** Is the current update the one that was seen last? (Asked for by itself, it has no revision.) */
  #isKnown(update) {
    return ["updated_at", "created_at", "status"].every((name) => update[name] === this.#last?.[name]);
  }
}
