// history.js: how a session came to where it is: the stages of its run, and each update.
import {now} from "./clock.js";
import {instantiate, setText} from "./dom.js";
import {isLast} from "./feed.js";
import * as words from "./words.js";

const ROWS_MAX = 500;

/** Does the update begin a run, seen from the one before it? */
function beginsRun(update, before) {
  return before === undefined || isLast(before) || update.created_at !== before.created_at ||
    (update.progress < before.progress && update.status !== "failed");
}

export class History {
  #section;
  #steps;
  #rows;
  #count = 0;
  #last; // the newest update
  #step; // its stage's: {item, since}

  constructor(section) {
    this.#section = section;
    this.#steps = section.querySelector("ol");
    this.#rows = section.querySelector("tbody");
  }

  clear() {
    this.#steps.replaceChildren();
    this.#rows.replaceChildren();
    this.#count = 0;
    this.#last = this.#step = undefined;
  }

  add(update) {
    if (beginsRun(update, this.#last)) this.clear();
    if (update.status !== this.#last?.status) this.#addStep(update);
    this.#addRow(update);
    this.#last = update;
    setText(this.#section.querySelector("summary"), this.#count === 1 ? "The update" : `All ${this.#count} updates`);
    this.#section.hidden = false;
  }

  /** Counts on how long the current stage has taken. */
  tick() {
    if (this.#step !== undefined && !isLast(this.#last)) this.#showTook(now());
  }

  #showTook(until) {
    setText(this.#step.item.querySelector(".took"), words.span(until - this.#step.since));
  }

  #addStep(update) {
    const [holder] = instantiate("step");
    const item = holder.firstElementChild;
    const since = Date.parse(this.#last === undefined ? update.created_at : update.updated_at);
    const time = item.querySelector("time");

    if (this.#step !== undefined) {
      this.#showTook(since);
      this.#step.item.className = update.status === "failed" ? "broken" : "past";
      this.#step.item.removeAttribute("aria-current");
    }
    setText(item.querySelector(".name"), words.stage(update.status));
    setText(time, words.at(new Date(since), now()));
    time.dateTime = new Date(since).toISOString();
    item.className = isLast(update) ? update.status : "current";
    if (!isLast(update)) item.setAttribute("aria-current", "step");
    this.#steps.append(item);
    this.#step = {item, since};
  }

  /** The newest is on top. */
  #addRow(update) {
    const row = this.#rows.insertRow(0);

    this.#count++;
    row.insertCell().textContent = words.at(new Date(update.updated_at), now());
    row.insertCell().textContent = `${update.progress}%`;
    row.insertCell().textContent = update.error ?? update.message;
    if (this.#rows.rows.length > ROWS_MAX) this.#rows.deleteRow(-1);
  }
}
