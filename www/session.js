// session.js: the view of one session: where it is, how much is left, how it came there.
import {now} from "./clock.js";
import {instantiate, setBar, setOptional, setText, speak} from "./dom.js";
import {Feed, isLast} from "./feed.js";
import {History} from "./history.js";
import * as words from "./words.js";

export class SessionView {
  #find;
  #history;
  #feed;
  #update; // the newest
  #state = {name: "connecting"};
  #waits = 0; // tries since the connection was lost
  #clock; // ticks for what is counted in seconds

  constructor(session, access, host) {
    [this.node, this.#find] = instantiate("session-view");
    this.host = host;
    setText(this.#find(".id"), session);
    this.#history = new History(this.#find(".history"));
    this.#feed = new Feed(session, access, {
      onUpdate: (update) => this.#onUpdate(update),
      onReset: () => this.#history.clear(),
      onState: (state) => this.#onState(state),
    });
    this.#find(".notice button").addEventListener("click", () => this.#feed.hurry());
  }

  open() {
    this.#clock = setInterval(() => this.#tick(), 1000);
    this.#feed.start();
  }

  close() {
    clearInterval(this.#clock);
    this.#feed.stop();
  }

  get title() {
    if (this.#update === undefined) return "Session";
    const {progress, status} = this.#update;

    return isLast(this.#update) ? words.stage(status) : `${progress}% ${words.stage(status)}`;
  }

  #onUpdate(update) {
    const {progress, status, message, error} = update;
    const stage = words.stage(status);

    if (status !== this.#update?.status) speak(error ? "" : `${stage}, ${progress} percent`);
    this.#update = update;
    setText(this.#find("h1"), stage);
    setText(this.#find(".message"), message);
    setText(this.#find(".percent span"), String(progress));
    setBar(this.#find(".bar"), update, `${progress} percent, ${stage}`);
    setOptional(this.#find(".error"), error);
    this.#find(".again").hidden = status !== "failed";
    this.#history.add(update);
    this.#tick();
    this.host.onTitle(this.title);
  }

  #onState(state) {
    this.#state = state;
    if (state.name === "refused") return this.host.onRefusal(state.reason);
    this.#speakOfLoss(state);
    if (state.name === "live" && this.#update === undefined) {
      setText(this.#find("h1"), "Waiting to start");
      setText(this.#find(".message"), "Nothing was reported yet. It will show here as soon as there is something.");
    }
    this.#find(".bar").classList.toggle("active", ["live", "polling"].includes(state.name) && !isLast(this.#update));
    this.#tick();
  }

  /** A connection that is back at the first try was never lost to the ear. */
  #speakOfLoss(state) {
    if (state.name === "waiting" && ++this.#waits === 2) speak(words.loss(state));
    if (state.name !== "live" && state.name !== "polling") return;
    if (this.#waits >= 2) speak("The connection is back.");
    this.#waits = 0;
  }

  /** Everything that changes by itself as time goes. */
  #tick() {
    const update = this.#update;

    this.#showConnection();
    if (update === undefined) return;
    const sinceUpdate = now() - Date.parse(update.updated_at);
    const eta = update.estimated_time_remaining;

    setText(this.#find(".left"), eta === null || isLast(update) ? "" : words.left(eta - sinceUpdate / 1000));
    setText(this.#find(".times"), [
      `Started ${words.at(new Date(update.created_at), now())}`,
      isLast(update) ? `took ${words.span(Date.parse(update.updated_at) - Date.parse(update.created_at))}` :
        `updated ${words.ago(sinceUpdate)}`,
    ].join(" · "));
    this.#history.tick();
  }

  #showConnection() {
    const state = this.#state;
    const seconds = Math.max(1, Math.ceil((state.until - Date.now()) / 1000));

    this.#find(".notice").hidden = state.name !== "waiting";
    switch (state.name) {
      case "waiting":
        // Said by the notice; the pill only counts down.
        setText(this.#find(".notice p"), `${words.loss(state)} ${this.#stillShown()}`);
        this.#find(".notice button").hidden = state.until - Date.now() < 1000;
        return this.host.onConnection(state.name, `Retry in ${seconds} s`);
      case "live":
        return this.host.onConnection(state.name, "Live");
      case "polling":
        return this.host.onConnection(state.name, "Every 3 s");
      case "done":
        return this.host.onConnection(state.name, "Ended");
      default:
        return this.host.onConnection(state.name, "Connecting…");
    }
  }

  #stillShown() {
    return this.#update === undefined ? "" :
      `What you see is from ${words.at(new Date(this.#update.updated_at), now())}.`;
  }
}
