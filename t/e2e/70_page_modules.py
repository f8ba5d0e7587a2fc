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
        import('/milepost/watch/{module}').then((m) => done((() => {{ {body} }})()), (error) => done(String(error)));
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
