// list.js: the view of all sessions whose run is under way: for a patient their own, for others any.
import {Backoff, pause} from "./backoff.js";
import {now} from "./clock.js";
import {instantiate, isId, setBar, setOptional, setText, speak} from "./dom.js";
import {isLast} from "./feed.js";
import * as words from "./words.js";

const PERIOD_MS = 2500;
const PAGE = 100; // more are shown page by page
const LIMIT = 1000; // that the server gives at once
const ENDED_MAX = 20; // that stay on the page

/** One session's row; its elements stay while it is shown, so that the focus does. */
class Row {
  constructor(session) {
    const [holder] = instantiate("row");

    this.node = holder.firstElementChild;
    this.session = session;
    this.#find("a").href = `#session=${session}`;
    setText(this.#find("a"), session);
    this.#find(".bar").setAttribute("aria-label", `Session ${session.slice(0, 8)}`);
  }

  show(update) {
    const stage = words.stage(update.status);

    this.update = update;
    setText(this.#find(".stage"), stage);
    this.node.dataset.status = update.status;
    setText(this.#find(".message"), update.error ?? update.message);
    setText(this.#find(".percent"), `${update.progress}%`);
    setBar(this.#find(".bar"), update, `${update.progress} percent, ${stage}`);
    this.#find(".bar").classList.toggle("active", !isLast(update));
    this.tick();
  }

  tick() {
    const since = now() - Date.parse(this.update.updated_at);
    const eta = this.update.estimated_time_remaining;

    setText(this.#find(".left"),
      isLast(this.update) || eta === null ? words.ago(since) : words.left(eta - since / 1000));
  }

  /** Has it all of these parts in what it shows? */
  fits(parts) {
    const text = this.node.textContent.toLowerCase();

    return parts.every((part) => text.includes(part));
  }

  #find(selector) {
    return this.node.querySelector(selector);
  }
}

export class ListView {
  #find;
  #running = new Map(); // id: Row
  #ended = new Map();
  #limit = PAGE;
  #hurry = new EventTarget();
  #stop = new AbortController();
  #backoff = new Backoff();
  #clock;

  constructor(access, host) {
    [this.node, this.#find] = instantiate("list-view");
    Object.assign(this, {access, host});
    this.#find("input").addEventListener("input", () => this.#filter());
    this.#find("input").addEventListener("keydown", ({key}) => key === "Enter" && this.#openSought());
    this.#find(".more").addEventListener("click", () => this.#showMore());
  }

  open() {
    this.#clock = setInterval(() => this.#tick(), 1000);
    this.#run();
  }

  close() {
    clearInterval(this.#clock);
    this.#stop.abort();
  }

  get title() {
    return `${words.plural(this.#running.size, "session")} running`;
  }

  async #run() {
    const signal = this.#stop.signal;

    while (!signal.aborted) {
      try {
        const {value} = await this.access.request(`/milepost/v1/sessions?active=1&limit=${this.#limit}`, {signal});

        await this.#show(value);
        this.#backoff.reset();
        this.host.onConnection("live", "Live");
        setOptional(this.#find(".notice p"), "");
      } catch (refused) {
        if (signal.aborted) return;
        if (refused.final) return this.host.onRefusal(refused.reason);
        this.host.onConnection("waiting", "Retrying");
        setOptional(this.#find(".notice p"), words.loss(refused));
        this.#find(".notice").hidden = false;
        await pause(this.#backoff.next(refused.retryMs), signal);
        continue;
      }
      this.#find(".notice").hidden = true;
      do await pause(PERIOD_MS, signal, this.#hurry); while (document.hidden && !signal.aborted);
    }
  }

  get #rows() {
    return [...this.#running.values(), ...this.#ended.values()];
  }

  async #show({sessions, next}) {
    const before = this.#running;

    this.#running = new Map();
    for (const {id, progress} of sessions) {
      const row = before.get(id) ?? this.#ended.get(id) ?? new Row(id);

      row.show(progress);
      this.#running.set(id, row);
      this.#ended.delete(id);
    }
    const gone = [...before.values()].filter(({session}) => !this.#running.has(session)).slice(0, ENDED_MAX);

    await Promise.all(gone.map((row) => this.#end(row)));
    if (!this.#stop.signal.aborted) this.#arrange(next !== null);
  }

  /** A session that is listed no more: shows how it ended, if it did, and was not merely crowded out. */
  async #end(row) {
    const options = {signal: this.#stop.signal};
    const response = await this.access.request(`/api/sessions/${row.session}/progress`, options).catch(() => undefined);

    if (response === undefined) return; // deleted, or not now: then it is simply gone
    row.show(response.value);
    if (!isLast(row.update)) return;
    this.#ended.set(row.session, row);
    if (this.#ended.size > ENDED_MAX) this.#ended.delete(this.#ended.keys().next().value);
    speak(`Session ${row.session.slice(0, 8)}: ${words.stage(row.update.status)}`);
  }

  /** The run that began last is first, as the server gives them; the one that ended last, too. */
  #arrange(areMore) {
    const [running, ended] = this.node.querySelectorAll(".rows");

    place(running, [...this.#running.values()]);
    place(ended, [...this.#ended.values()].reverse());
    ended.closest("section").hidden = this.#ended.size === 0;
    this.#find(".more").hidden = !areMore || this.#limit >= LIMIT;
    this.#filter();
    this.host.onTitle(this.title);
  }

  #showMore() {
    this.#limit = Math.min(this.#limit + PAGE, LIMIT);
    this.#hurry.dispatchEvent(new Event("now"));
  }

  get #sought() {
    return this.#find("input").value.trim().toLowerCase();
  }

  #filter() {
    const parts = this.#sought.split(/\s+/);
    const shown = this.#rows.filter((row) => !(row.node.hidden = !row.fits(parts)));

    setOptional(this.#find(".empty"), shown.length > 0 ? "" : this.#whyEmpty());
  }

  #whyEmpty() {
    if (isId(this.#sought)) return "It is not under way. Press Enter to open it.";
    if (this.#running.size > 0) return "No running session fits.";
    return "Nothing is running at the moment. A session shows here as soon as its first progress is reported.";
  }

  /** Enter in the search opens what is left, or a session that is not under way by its whole id. */
  #openSought() {
    const links = [...this.node.querySelectorAll("li:not([hidden]) a")];

    if (links.length === 1) links[0].click();
    else if (isId(this.#sought)) location.hash = `session=${this.#sought}`;
  }

  #tick() {
    for (const row of this.#rows) row.tick();
  }
}

/** Makes these the list's rows; what is in its place stays untouched, and keeps the focus. */
function place(list, rows) {
  rows.forEach(({node}, i) => list.children[i] === node || list.insertBefore(node, list.children[i] ?? null));
  while (list.children.length > rows.length) list.lastElementChild.remove();
}
