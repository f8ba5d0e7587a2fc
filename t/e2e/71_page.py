"""The watch page in a real Chromium, through a real nginx with TLS: one session."""
import contextlib
import signal

import pytest

from bed import Bed, RawWatcher, eventually
from browser import Browser
from guides import Guide

MAX = 6  # connections


@pytest.fixture(scope="module")
def bed():
    with Bed(max_connections=MAX, max_connections_per_user=2) as bed:
        yield bed


# --- what is shown ---


def test_moves(bed, page):
    """Every update moves the bar and the words around it, up to the end."""
    patient = bed.user("patient")
    session = bed.session(patient)
    bed.report(session, "uploading", 5)
    page.watch(session, bed.token(patient))
    page.shows("h1", "Uploading")
    page.shows("#connection", "Live")
    bed.report(session, "transcribing", 45, message="<b>Transcribing</b> audio...", estimated_time_remaining=30)
    page.shows("h1", "Transcribing")
    assert page.text(".message") == "<b>Transcribing</b> audio...", "text, never markup"
    assert page.text(".percent") == "45%"
    assert page.text(".left") in ("about 30 seconds left", "about 25 seconds left")
    assert page.driver.title == "45% Transcribing – Milepost"
    shown = "return document.querySelector('.fill').offsetWidth / document.querySelector('.bar').offsetWidth"
    eventually(lambda: abs(page.js(shown) - 0.45) < 0.01, "the bar is at 45 %")
    bed.report(session, "processed")
    page.shows("h1", "Finished")
    page.shows("#connection", "Ended")
    assert page.texts(".steps .name") == ["Uploading", "Transcribing", "Finished"]
    assert page.driver.title == "Finished – Milepost"
    eventually(lambda: bed.metric("watchers") == 0, "the connection is closed")


def test_no_session(bed, page):
    """What is no session's id is neither shown, for a link could say anything by it, nor asked for."""
    for name in ("..", "Please call 555", "%2e%2e%2fx"):
        page.watch(name, bed.therapist())
        page.shows("h1", "There is no such session")
        assert page.text(".session") == ""
    assert not [url for url in page.requests()[0] if "/api/" in url or "/milepost/v1/" in url]


def test_failed_and_again(bed, page):
    """What went wrong is told at once; when the job is tried again, that shows by itself."""
    session = bed.session()
    bed.report(session, "transcribing", 30)
    page.watch(session, bed.therapist())
    page.shows("#connection", "Live")
    bed.report(session, "failed", error="The audio has no speech in it")
    page.shows(".error", "The audio has no speech in it")
    assert page.attribute(".error", "role") == "alert", "it interrupts"
    assert page.text("h1") == "Failed" and page.text(".again") != ""
    bed.report(session, "uploading", 3, message="Once more")
    page.js("dispatchEvent(new Event('online'))")
    page.shows(".message", "Once more")
    assert page.texts(".steps .name") == ["Uploading"] and page.text(".error") == ""
    page.shows("#connection", "Live")


def test_stages_of_the_installation(bed, page):
    """A stage that the page has never heard of has a name, too."""
    bed.sql("INSERT INTO stage (name, rank, min, max, message) VALUES ('quality_check', 35, 60, 99, 'Checking...')")
    session = bed.session()
    bed.report(session, "quality_check", 97)
    page.watch(session, bed.therapist())
    page.shows("h1", "Quality check")


def test_before_the_first_update(bed, page):
    session = bed.session()
    page.watch(session, bed.therapist())
    page.shows("h1", "Waiting to start")
    assert page.accessible("progressbar") == [("Progress", None)]
    bed.report(session, "uploading", 1)
    page.shows("h1", "Uploading")


# --- where the token goes ---


def test_token_is_nowhere(bed, page):
    """Taken out of the address bar; in no URL, cookie or Referer, but in an Authorization header; and a one-time
    ticket opens the WebSocket. (That no log has it is asserted at the end of every bed.)"""
    session, token = bed.session(), bed.therapist()
    bed.report(session, "uploading", 5)
    page.watch(session, token)
    page.shows("#connection", "Live")
    assert page.driver.current_url == f"{page.url}#session={session}"
    urls, headers = page.requests()
    sockets = [url for url in urls if url.startswith("wss:")]
    assert len(sockets) == 1 and "?ticket=mpt_" in sockets[0]
    bed.hidden.append(sockets[0].partition("ticket=")[2].partition("&")[0])
    assert not any(token in url for url in urls)
    assert {name for name, value in headers if token in value} == {"Authorization"}
    assert not [value for name, value in headers if name.lower() == "referer"]
    assert page.js("return document.cookie + localStorage.length + (history.state ?? '')") == "0"
    page.driver.refresh()
    page.shows("#connection", "Live")
    page.click("#sign-out")
    page.shows("h1", "Watch a session")
    assert page.js("return sessionStorage.length") == 0
    page.driver.refresh()
    page.shows("h1", "Watch a session")


def test_token_from_the_same_site(bed):
    """A page of the same site hands the token over in the tab's storage: then the browser itself, which keeps the
    addresses that were opened, has never seen it."""
    session, token = bed.session(), bed.therapist()
    bed.report(session, "uploading", 5)
    with Browser.of(bed) as browser:
        browser.driver.get(browser.url + "icon.svg")
        [snippet] = Guide("README.md").indented("Drop it in", "sessionStorage")
        browser.js(f"const [token, id] = arguments;\n{snippet}", token, session)
        browser.shows("#connection", "Live")
        assert browser.kept_addresses(f"session={session}") and not browser.kept_addresses(token)


# --- refusals ---


REFUSALS = {
    "Invalid authentication": "Your access is no longer valid",
    "Session not found": "There is no such session",
    "Not authorized to access this session": "You can’t see this session",
    "Too many connections": "It is open in too many places",
}


def refuse(bed, page, reason):
    """Has a reader refused for this reason: the words are there, with what to do, and nothing goes on."""
    session, user = bed.session(), bed.user("patient" if reason.startswith("Not") else "therapist")
    token = bed.token(user, lifetime=-3600 if reason.startswith("Invalid") else 3600)
    bed.report(session, "uploading", 5)
    with contextlib.ExitStack() as stack:
        if reason.startswith("Session"):
            bed.sql("DELETE FROM session WHERE id = ?", session)
        if reason.startswith("Too many"):
            for _ in range(2):
                stack.enter_context(RawWatcher(bed, session, token))
        page.watch(session, token)
        page.shows("h1", REFUSALS[reason])
        assert len(page.text(".advice")) > 40 and page.text(".session .id") == session
        page.requests()
        assert page.requests() == ([], [])


@pytest.mark.parametrize("reason", REFUSALS)
def test_refused(bed, page, reason):
    """Every refusal is told in words, with what to do; nothing is tried again by itself."""
    page.expected += ["401"] if reason.startswith("Invalid") else []
    refuse(bed, page, reason)
    if reason.startswith("Too many"):
        eventually(lambda: bed.metric("watchers") == 0, "the others are gone")
        page.click(".retry")
        page.shows("h1", "Uploading")
    elif reason.startswith("Session"):
        assert page.texts(".actions > *") == ["Back to the start"]
    else:
        page.click(".sign-in")
        page.shows("h1", "Watch a session")


ENDS = {
    "deactivated": ("UPDATE user SET is_active = 0 WHERE id = ?2", "Your access is no longer valid"),
    "given to another": ("UPDATE session SET patient_id = NULL WHERE id = ?1", "You can’t see this session"),
    "deleted": ("DELETE FROM session WHERE id = ?1", "There is no such session"),
}


@pytest.mark.parametrize("what", ENDS)
def test_refused_while_watching(bed, page, what):
    """Rights that end end the view at once."""
    statement, title = ENDS[what]
    patient = bed.user("patient")
    session = bed.session(patient)
    bed.report(session, "uploading", 5)
    page.watch(session, bed.token(patient))
    page.shows("#connection", "Live")
    bed.sql(statement.replace("?1", f"'{session}'").replace("?2", f"'{patient}'"))
    page.shows("h1", title)
    assert page.text(".percent") == "", "nothing of the session is left"


def test_links_that_are_damaged(bed, page):
    """A token that can't be one, or none, asks for another."""
    page.watch(bed.session(), "eyJhbGci")
    page.shows(".reason", "The link is damaged")
    page.driver.get("about:blank")
    page.driver.get(f"{page.url}#session={bed.session()}")
    page.shows("h1", "Watch a session")
    page.watch("550e8400", bed.therapist())
    page.shows("h1", "There is no such session")


def test_full(bed, page):
    """A server that is full is said to be, and tried again."""
    session = bed.session()
    bed.report(session, "uploading", 5)
    with contextlib.ExitStack() as stack:
        for token in [bed.therapist() for _ in range(MAX // 2)]:
            for _ in range(2):
                stack.enter_context(RawWatcher(bed, session, token))
        page.watch(session, bed.therapist())
        page.shows(".notice", "The service is full at the moment.")
        page.shows("#connection", "Retry in")
    page.shows("#connection", "Live")


# --- connections that break ---


def messages(page):
    """All messages in the history, oldest first."""
    return page.js("return [...document.querySelectorAll('tbody td:last-child')].map((e) => e.textContent).reverse()")


@pytest.mark.parametrize("sig", [signal.SIGTERM, signal.SIGKILL])
def test_restart(bed, page, sig):
    """milepost-ws stops and comes back: all updates are there, in order, none twice; meanwhile it is polled."""
    page.expected += ["WebSocket connection to", "503"]
    session = bed.session()
    sent = ["before 1", "before 2"]
    for message in sent:
        bed.report(session, "uploading", 5, message=message)
    page.watch(session, bed.therapist())
    page.shows("#connection", "Live")
    bed.end("ws0", sig)
    bed.ws_socket().unlink(missing_ok=True)
    page.shows("#connection", "Every 3 s")
    for i in range(3):
        sent.append(f"away {i}")
        bed.report(session, "transcribing", 30, message=sent[-1])
    bed.start_ws()
    page.shows("#connection", "Live")
    sent.append("after")
    bed.report(session, "transcribing", 40, message="after")
    page.shows(".message", "after")
    assert messages(page) == sent


def test_closed_by_another(bed, page):
    """A 1000 that is not Milepost's, as of a proxy that is tired of the connection, is no end: the page goes on."""
    session = bed.session()
    bed.report(session, "uploading", 5)
    page.cdp("Page.addScriptToEvaluateOnNewDocument", source="""
        const Real = WebSocket;
        globalThis.sockets = [];
        WebSocket = class extends Real {
          constructor(...args) {
            super(...args);
            sockets.push(this);
          }
        };""")
    page.watch(session, bed.therapist())
    page.shows("#connection", "Live")
    page.js("""
        const shown = document.getElementById("connection");
        globalThis.said = [];
        new MutationObserver(() => said.push(shown.textContent)).observe(
          shown, {childList: true, subtree: true, characterData: true});
        sockets[0].onclose(new CloseEvent("close", {code: 1000, reason: "Idle timeout"}));""")
    bed.report(session, "transcribing", 30)
    page.shows(".percent", "30%")
    page.shows("#connection", "Live")
    assert page.js("return sockets.length") == 2 and "Ended" not in " ".join(page.js("return said"))


def test_nothing_answers(bed, page):
    """With nginx away what was last seen stays, and is said to be old; the reader can hurry the next try."""
    page.expected += ["WebSocket connection to", "ERR_CONNECTION_REFUSED"]
    session = bed.session()
    bed.report(session, "uploading", 5)
    page.watch(session, bed.therapist())
    page.shows("#connection", "Live")
    bed.end("nginx")
    page.shows(".notice", "The connection was lost. What you see is from")
    assert page.text("h1") == "Uploading"
    spoken = "return document.getElementById('spoken').textContent"
    eventually(lambda: page.js(spoken) == "The connection was lost.", "it is said")
    eventually(lambda: page.text(".notice button") == "Try now", "there is time to press it")
    bed.start_nginx()
    bed.ready()
    # Unless the page was faster, and the button is gone.
    page.js("document.querySelector('.notice button')?.click()")
    page.shows("#connection", "Live")
    assert page.text(".notice") == "" and page.js(spoken) == "The connection is back."


# --- where not every way is open ---


@contextlib.contextmanager
def blocked(bed, *locations):
    """nginx refuses these locations, as a proxy on the way may, or a host that has no such program."""
    conf = bed.dir / "nginx" / "milepost.conf"
    before = after = conf.read_text()
    for location in locations:
        assert f"location {location} {{" in before
        after = after.replace(f"location {location} {{", f"location {location} {{\n    return 403;")

    def load(text, status):
        conf.write_text(text)
        bed.procs["nginx"].send_signal(signal.SIGHUP)
        eventually(lambda: bed.http("GET", "/api/sessions/ws/x").status == status, "nginx has reloaded")

    load(after, 403)
    yield
    load(before, 426)


WEBSOCKETS, EVENTS = "^~ /api/sessions/ws/", "~ ^/api/sessions/[^/]+/events$"


def test_without_websockets(bed, page):
    """Server-Sent Events do the same: live, resumed after a restart, nothing twice, and an end that is known."""
    page.expected += ["WebSocket connection to", "503"]
    patient = bed.user("patient")
    session, token = bed.session(patient), bed.token(patient)
    sent = ["one", "two"]
    for message in sent:
        bed.report(session, "uploading", 5, message=message)
    with blocked(bed, WEBSOCKETS):
        page.watch(session, token)
        page.shows("#connection", "Live")
        assert bed.metric("watchers") == 1
        bed.end("ws0")
        page.shows("#connection", "Every 3 s")
        sent.append("away")
        bed.report(session, "transcribing", 30, message="away")
        bed.start_ws()
        page.shows("#connection", "Live")
        sent.append("after")
        bed.report(session, "transcribing", 40, message="after")
        page.shows(".message", "after")
        sent.append("end")
        bed.report(session, "processed", message="end")
        page.shows("h1", "Finished")
        page.shows("#connection", "Ended")
        assert messages(page) == sent
        urls, _ = page.requests()
        assert any(url.endswith("/events") for url in urls) and not any(token in url for url in urls)


def test_refused_without_websockets(bed, page):
    """Of the reasons that a WebSocket's close tells, a stream's answer tells the same."""
    page.expected += ["WebSocket connection to", "40", "429"]
    with blocked(bed, WEBSOCKETS):
        for reason in REFUSALS:
            refuse(bed, page, reason)


def test_polling_alone(bed, page):
    """Where nothing can be followed, as on a host that runs CGI programs only: the page asks again and again."""
    page.expected += ["WebSocket connection to", "403"]
    session, sent = bed.session(), ["one", "two", "three"]
    bed.report(session, "uploading", 5, message="one")
    with blocked(bed, WEBSOCKETS, EVENTS):
        page.watch(session, bed.therapist())
        page.shows("#connection", "Every 3 s")
        bed.report(session, "transcribing", 40, message="two")
        bed.report(session, "processed", message="three")
        page.shows("h1", "Finished")
        assert messages(page) == sent
        page.watch(bed.session(), bed.token(bed.user("patient")))
        page.shows("h1", REFUSALS["Not authorized to access this session"])
