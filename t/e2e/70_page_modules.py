"""The watch page's modules by themselves, in a real Chromium: the parser of events, the words, the delays."""
import re

import pytest

from bed import TOP
from browser import Browser


@pytest.fixture(scope="module")
def page(bed):
    with Browser.of(bed) as browser, browser.fresh():
        browser.driver.get(browser.url)
        yield browser


def call(page, module, body, *arguments):
    """What the body returns, with the module as m and the arguments as a."""
    return page.driver.execute_async_script(f"""
        const done = arguments[arguments.length - 1], a = arguments;
        import('/milepost/watch/{module}').then((m) => (() => {{ {body} }})()).then(done, (error) => done(String(error)));
        """, *arguments)


def test_all_are_installed():
    """What is in www/ is what `make install` puts there."""
    text = (TOP / "Makefile.am").read_text().replace("\\\n", " ")
    installed = re.search(r"^dist_www_DATA = (.*)$", text, re.M)[1].split()
    assert sorted(installed) == sorted(str(path.relative_to(TOP)) for path in (TOP / "www").iterdir())


def test_events_at_every_cut(page):
    """However a stream is cut, and whichever line ends it has, its events are the same."""
    stream = (': hello\n\nid: 7\nevent: progress\ndata: {"a":\ndata:1}\n\n:\n\nid:8\ndata: x: y\n\n'
              'event: none\n\ndata\n\nid: 9\ndata: cut off')
    events = [["7", "progress", '{"a":\n1}'], ["8", None, "x: y"], [None, None, ""]]
    odd = call(page, "events.js", """
        const odd = [];
        for (const stream of [a[0], a[0].replaceAll('\\n', '\\r\\n'), a[0].replaceAll('\\n', '\\r')])
          for (let i = 0; i <= stream.length; i++)
            for (let j = i; j <= stream.length; j += 7) {
              const parser = new m.Parser();
              const parts = [stream.slice(0, i), stream.slice(i, j), stream.slice(j)];
              const events = parts.flatMap((part) => [...parser.feed(part)])
                .map(({id, event, data}) => [id, event, data]);

              if (JSON.stringify(events) !== JSON.stringify(a[1])) odd.push([parts, events]);
            }
        return odd.slice(0, 3);""", stream, events)
    assert odd == []


def test_events_without_an_end(page):
    """They are given up, however they come."""
    assert call(page, "events.js", """
        return ["x".repeat(1000), "data: xxxxxxxx\\n", "data: xxxxxxxx\\n:\\n"].map((piece) => {
          const parser = new m.Parser();
          try {
            for (let i = 0; i < 2 ** 21 / piece.length; i++) [...parser.feed(piece)];
          } catch (error) {
            return error.message;
          }
        });""") == ["an event without an end"] * 3


def test_what_is_no_update(page):
    """What something else answers in Milepost's place is neither shown nor the script's end."""
    right = {"status": "uploading", "progress": 1, "message": "x", "revision": 1, "error": None,
             "created_at": "2025-12-19T10:28:00Z", "updated_at": "2025-12-19T10:28:00Z", "estimated_time_remaining": None}
    odd = [None, 5, "x", [], {}, *({**right, **wrong} for wrong in (
        {"status": 5}, {"message": None}, {"progress": "1"}, {"progress": 1.5}, {"created_at": "never"},
        {"updated_at": None}, {"revision": "1"}, {"revision": 2 ** 60}))]
    assert call(page, "update.js", "return [a[0], ...a[1]].map(m.isUpdate)", right, odd) == [True] + [False] * len(odd)


def test_socket_of_a_stranger(page):
    """A WebSocket by which comes what is not Milepost's is a connection lost."""
    assert call(page, "socket.js", """
        const shown = [];
        const options = {session: "s", since: 0, access: {ticket: async () => "x"}, signal: new AbortController().signal,
          onOpen() {}, onUpdate: (update) => shown.push(update)};
        return Promise.all(a[0].map((data) => {
          globalThis.WebSocket = class {
            constructor() { setTimeout(() => this.onopen() ?? this.onmessage({data})); }
            close() {}
          };
          const late = new Promise((resolve) => setTimeout(resolve, 2000, {end: "it goes on"}));
          return Promise.race([m.follow(options), late]);
        })).then((ends) => [ends.map(({end}) => end), shown]);
        """, ["null", "5", "<html>", "{}", '{"status": "uploading", "progress": 1, "revision": 1}']) == [["lost"] * 5, []]


STALLS = """
    const access = new m.Access(), {signal} = new AbortController();
    let listeners = 0;
    signal.addEventListener = () => listeners++;
    signal.removeEventListener = () => listeners--;
    globalThis.fetch = async (_, {signal}) => {
      const never = new Promise((_, reject) => signal.addEventListener("abort", () => reject(signal.reason)));
      return {status: 200, headers: new Headers(), text: () => never, json: () => never};
    };
    const read = access.request("/", {signal, limitMs: 50}).then((r) => r.json?.());
    return Promise.race([read, new Promise((resolve) => setTimeout(resolve, 2000, "it stalls"))])
      .catch((error) => [error.constructor.name, listeners]);
    """


def test_answers_that_stall(page):
    """They are given up, and a signal that outlives them keeps nothing of them."""
    assert call(page, "access.js", STALLS) == ["Refused", 0]


def test_strange_refusals(page):
    """A server may ask for a pause, but not for one that a timer takes for none; and has words, or none."""
    assert call(page, "access.js", """
        return Promise.all(a[0].map(async ([retry, body]) => {
          const headers = {"Retry-After": retry, "Content-Type": "application/problem+json"};
          const {retryMs, reason} = await m.refusedBy(new Response(body, {status: 503, headers}));
          return [retryMs, reason];
        }));""", [["7", '{"detail": "x"}'], ["99999999999", '{"detail": {}}'], ["soon", "null"], ["1e999", "<html>"]]) == [
            [7000, "x"], [300000, ""], [0, ""], [0, ""]]


def test_what_is_no_ticket(page):
    assert call(page, "access.js", """
        return Promise.all(a[0].map((body) => {
          globalThis.fetch = async () => new Response(body);
          return new m.Access().ticket().catch((error) => error.constructor.name);
        }));""", ["{}", "null", '{"ticket": 5}', "", '{"ticket": "x"}']) == ["Refused"] * 4 + ["x"]


@pytest.mark.parametrize("seconds,words", [
    (-5, "any moment now"), (0, "any moment now"), (1, "a few seconds left"), (7.9, "a few seconds left"),
    (8, "about 10 seconds left"), (30, "about 30 seconds left"), (52, "about 50 seconds left"),
    (53, "about a minute left"), (89, "about a minute left"), (90, "about 2 minutes left"),
    (3569, "about 59 minutes left"), (3570, "about 1 hour left"), (4500, "about 1 h 15 min left"),
    (7200, "about 2 hours left"), (90000, "about 25 hours left")])
def test_time_left(page, seconds, words):
    """As exact as an estimate is, and no more."""
    assert call(page, "words.js", "return m.left(a[0])", seconds) == words


def test_spans_and_stages(page):
    spans = {0: "0 s", 59400: "59 s", 60000: "1 min", 80000: "1 min 20 s", 601000: "10 min", 3600000: "1 h",
             7500000: "2 h 5 min"}
    assert call(page, "words.js", "return a[0].map((ms) => m.span(ms))", list(spans)) == list(spans.values())
    assert call(page, "words.js", "return a[0].map(m.stage)", ["extracting_notes", "quality_check", "x"]) == [
        "Extracting notes", "Quality check", "X"]


def test_every_reason_has_words(page):
    """Those of the contract, and one that nobody knows."""
    reasons = ["Authentication required", "Invalid authentication", "Session not found",
               "Not authorized to access this session", "Too many connections", "Too many messages"]
    titles = call(page, "words.js", "return [...a[0], 'Something else', ''].map((r) => m.refusal(r).title)", reasons)
    assert len(set(titles)) == len(reasons) + 1
    advice = call(page, "words.js", "return m.refusal('Something else').advice")
    assert "Something else" in advice
    losses = [{"code": 1012}, {"code": 1013}, {"code": 1006}, {"status": 429}, {"status": 503},
              {"status": 503, "reason": "Try again later"}]
    assert call(page, "words.js", "return a[0].map(m.loss)", losses) == [
        "The service is restarting.", "The service is full at the moment.", "The connection was lost.",
        "Too many requests come from your address at the moment.", "The service is restarting.",
        "The service is full at the moment."]


def test_delays_grow_and_differ(page):
    """From half a second to half a minute, half of each drawn; never shorter than was asked for."""
    many = call(page, "backoff.js", """
        return Array.from({length: 50}, () => {
          const backoff = new m.Backoff();
          return Array.from({length: 9}, () => backoff.next());
        })""")
    for i, delays in enumerate(zip(*many)):
        full = min(500 * 2 ** i, 30000)
        assert all(full / 2 <= delay <= full for delay in delays)
        assert max(delays) - min(delays) > full / 4, "they are spread"
    assert call(page, "backoff.js", "const b = new m.Backoff(); b.next(); b.reset(); return b.next()") <= 500
    assert call(page, "backoff.js", "return new m.Backoff().next(5000)") >= 5000
