"""The watch page for all of its readers: therapists, patients, by keyboard, by ear, on a phone, in the dark."""
import re

import pytest
from selenium.webdriver.common.keys import Keys

from bed import TOP, Bed, eventually
from browser import contrast

PASSWORD = "correct horse battery"


@pytest.fixture(scope="module")
def bed():
    with Bed() as bed:
        bed.hidden.append(PASSWORD)
        yield bed


@pytest.fixture
def running(bed):
    """Two sessions that run, and nothing else that does."""
    bed.sql("DELETE FROM session")
    first, second = bed.session(), bed.session()
    bed.report(first, "uploading", 10, message="The first")
    bed.report(second, "transcribing", 40, message="The second", estimated_time_remaining=300)
    return first, second


def account(bed, role):
    """An e-mail address to log in by."""
    user = bed.user(role)
    email = f"{user[:8]}@example.org"
    assert bed.json("PUT", f"/milepost/v1/users/{user}", {"email": email, "password": PASSWORD},
                    bearer=bed.admin_key).status == 200
    return email


def row(session):
    return f".row:has(a[href$='{session}'])"


def renewed(page, selector, text):
    """Waits until the list shows this, and does not leave it to its own pace."""
    eventually(lambda: page.js("dispatchEvent(new Event('online'))") or text in page.text(selector),
               f"{selector} shows {text!r}")


# --- all sessions ---


def test_list(bed, page, running):
    """All that runs, as it moves, at the page's own pace; what begins is there, what ends is told apart."""
    first, second = running
    page.watch("", bed.therapist())
    page.shows("h1", "Sessions")
    page.shows(row(second), "about 5 minutes left")
    assert page.driver.title == "2 sessions running – Milepost"
    assert page.text(f"{row(first)} .stage") == "Uploading" and page.text(f"{row(first)} .percent") == "10%"
    bed.report(first, "extracting_notes", 70)
    third = bed.session()
    bed.report(third, "uploading", 1)
    page.shows(row(third), "Uploading")
    assert page.text(f"{row(first)} .percent") == "70%"
    bed.report(second, "failed", error="No speech in it")
    renewed(page, "section[aria-labelledby=ended]", "No speech in it")
    assert page.texts("section[aria-labelledby=running] .id") == [third, first]
    page.type("input[type=search]", "notes")
    assert page.texts(".row .id") == [first]
    page.press(Keys.ENTER)
    page.shows("#connection", "Live")
    assert page.text("h1") == "Extracting notes"
    page.driver.back()
    page.shows(row(third), "Uploading")


def test_list_is_empty(bed, page, running):
    bed.sql("DELETE FROM session")
    page.watch("", bed.therapist())
    page.shows(".empty", "Nothing is running at the moment.")


def test_list_while_away(bed, page, running):
    """A list that is not renewed says so."""
    page.expected += ["503"]
    page.watch("", bed.therapist())
    page.shows(row(running[0]), "Uploading")
    bed.end("api")
    renewed(page, ".notice", "The service is restarting.")
    bed.start_api()
    renewed(page, "#connection", "Live")
    assert page.text(".notice") == ""


def test_admins_see_all(bed, page, running):
    page.watch("", bed.token(bed.user("admin")))
    page.shows(row(running[0]), "Uploading")
    assert len(page.texts(".row")) == 2


def test_patients_see_their_own(bed, page, running):
    patient = bed.user("patient")
    own = bed.session(patient)
    bed.report(own, "uploading", 1)
    page.watch("", bed.token(patient))
    page.shows(row(own), "Uploading")
    assert page.texts(".row .id") == [own]
    page.type("input[type=search]", f" {running[0].upper()} ")
    page.shows(".empty", "It is not under way.")
    page.press(Keys.ENTER)
    page.shows("h1", "You can’t see this session")


def test_many(bed, page, running):
    """A hundred at first, more when they are asked for; who was crowded out has not ended."""
    sessions = [bed.session() for _ in range(120)]
    for session in sessions[:99]:
        bed.report(session, "uploading", 1)
    page.watch("", bed.therapist())
    page.shows(".more", "Show more")
    assert len(page.texts(".row")) == 100
    for session in sessions[99:]:
        bed.report(session, "uploading", 2)
    renewed(page, row(sessions[-1]), "2%")
    assert page.text("section[aria-labelledby=ended]") == ""
    page.click(".more")
    page.shows(row(running[0]), "Uploading")
    assert len(page.texts(".row")) == 122 and page.text(".more") == ""


# --- signing in ---


def test_login(bed, page, running):
    page.expected += ["401"]
    email = account(bed, "therapist")
    page.driver.get(f"{page.url}#session={running[0]}")
    page.shows("h1", "Watch a session")
    page.type("[name=email]", email)
    page.type("[name=password]", "wrong password\n")
    page.shows(".error", "Incorrect email or password.")
    page.type("[name=password]", f"{PASSWORD}\n")
    page.shows("h1", "Uploading")
    page.click(".back a")
    page.shows(row(running[1]), "Transcribing")


def test_without_login(bed, page):
    """Where a backend issues the tokens, no login is offered."""
    conf = bed.dir / "nginx" / "example.conf"
    text = conf.read_text()
    conf.write_text(re.sub(r".*milepost-login.conf.*\n", "", text))
    bed.procs["nginx"].send_signal(1)
    eventually(lambda: bed.http("GET", "/milepost/watch/site.json").json == {"login": False}, "nginx has reloaded")
    page.driver.get(page.url)
    page.shows(".by-token", "Access token")
    assert page.text(".by-password") == "" and page.text("summary") == ""
    page.type("[name=token]", "nonsense\n")
    page.shows(".error", "That is no access token")
    conf.write_text(text)
    bed.procs["nginx"].send_signal(1)
    eventually(lambda: bed.http("GET", "/milepost/watch/site.json").json == {"login": True}, "nginx has reloaded")


# --- by keyboard, by ear ---


def test_keyboard(bed, page, running):
    """Everything can be reached and done without a mouse, and what has the focus is seen to."""
    first, _ = running
    token = bed.therapist()

    def tab_to(name):
        eventually(lambda: page.press(Keys.TAB) or page.focused().startswith(name), f"Tab comes to {name}")
        assert page.js("""
            const e = document.activeElement;
            return [e, [e, '::after']].some((at) => getComputedStyle(...[at].flat()).outlineStyle !== 'none')"""), name

    page.driver.get(page.url)
    page.shows("h1", "Watch a session")
    tab_to("I have an access token")
    page.press(Keys.ENTER)
    tab_to("token")
    page.press(token)
    tab_to("session")
    page.press(first)
    tab_to("Watch")
    page.press(Keys.SPACE)
    page.shows("h1", "Uploading")
    assert page.focused() == page.text("h1")
    tab_to("The update")
    page.press(Keys.ENTER)
    page.shows("tbody", "The first")
    eventually(lambda: page.press_back() or page.focused() == "All sessions", "Shift and Tab go back to the link")
    page.press(Keys.ENTER)
    page.shows(row(first), "Uploading")
    assert page.focused() == "Sessions"
    tab_to("search")
    page.press(first[:8])
    tab_to(first)
    page.press(Keys.ENTER)
    page.shows("#connection", "Live")


def test_screen_reader(bed, page):
    """The bar has a name and a value; a stage is announced when it begins, a percent never, an error at once."""
    session = bed.session()
    page.watch(session, bed.therapist())
    page.shows("h1", "Waiting to start")
    page.js("""
        window.said = [];
        new MutationObserver(() => said.push(document.getElementById('spoken').textContent))
            .observe(document.getElementById('spoken'), {childList: true, characterData: true, subtree: true})""")
    for progress in range(20, 60, 4):
        bed.report(session, "transcribing", progress)
    bed.report(session, "extracting_notes", 70)
    page.shows("h1", "Extracting notes")
    assert page.accessible("progressbar") == [("Progress", 70)]
    assert page.attribute("[role=progressbar]", "aria-valuetext") == "70 percent, Extracting notes"
    assert [name for name, _ in page.accessible("heading")] == ["Extracting notes", "History"]
    assert page.js("return said") == ["Transcribing, 20 percent", "Extracting notes, 70 percent"]
    assert page.attribute("#spoken", "role") == "status"
    assert page.attribute(".steps li:last-child", "aria-current") == "step"
    assert page.attribute("html", "lang") == "en"
    bed.report(session, "failed", error="No speech in it")
    page.shows("[role=alert]", "No speech in it")


# --- for eyes ---


def views(bed, page, running):
    """Goes through the views; yields the name of each."""
    first, second = running
    token = bed.therapist()
    page.expected += ["503", "WebSocket connection to"]
    page.watch(first, token)
    page.shows("#connection", "Live")
    page.click("summary")
    yield "session"
    bed.end("ws0")
    bed.end("api")
    page.shows("#connection", "Retry in")
    yield "waiting"
    bed.start_ws()
    bed.start_api()
    page.shows("#connection", "Live")
    bed.report(first, "failed", error="No speech in it")
    page.shows("#connection", "Ended")
    yield "failed"
    bed.report(first, "uploading", 1, message="Once more")
    page.watch("", token)
    page.shows(row(first), "Uploading")
    for session in running:
        bed.report(session, "failed", error="No speech in it")
    renewed(page, "section[aria-labelledby=ended]", "No speech in it")
    bed.report(second, "uploading", 1)
    renewed(page, f"section[aria-labelledby=running] {row(second)}", "Uploading")
    yield "list"
    page.watch(second, bed.token(bed.user("patient")))
    page.shows("h1", "You can’t see this session")
    yield "refused"
    page.watch("", bed.token(bed.user("patient")))
    page.shows(".empty", "Nothing is running")
    yield "empty"
    page.click("#sign-out")
    page.shows("h1", "Watch a session")
    page.click("summary")
    page.type("[name=token]", "x\n")
    page.shows(".error", "That is no access token")
    yield "sign in"


def test_colours_and_sizes(bed, page, running):
    """In every view, light and dark: each text has WCAG's contrast of 4.5, each bar 3 to its track; and at 320
    pixels nothing is cut off nor wider than the screen, and what is pressed is no smaller than 24."""
    for view in views(bed, page, running):
        grounds = set()
        for scheme in ("light", "dark"):
            page.prefer(scheme, motion="reduce")
            texts = page.contrasts()
            assert texts and not [text for text in texts if text[0] < 4.5], (view, scheme)
            for fill, track in page.js("""
                    return [...document.querySelectorAll('.fill')].map((e) => [e, e.parentElement].map(
                        (e) => getComputedStyle(e).backgroundColor.match(/\\d+/g).map(Number)))"""):
                assert contrast(fill, track) >= 3, (view, scheme)
            grounds.add(page.style("body", "backgroundColor"))
        assert len(grounds) == 2, "the dark is another one"
        page.prefer()
        page.resize(320, 640, mobile=True)
        assert page.js("return document.documentElement.scrollWidth") <= 320, view
        small = page.js("""
            return [...document.querySelectorAll('button, input, summary, header a, .row a')].filter((e) =>
                e.checkVisibility()).map((e) => [e.innerText || e.name, e.getBoundingClientRect(),
                    getComputedStyle(e, '::after').position]).filter(([, {width, height}, after]) =>
                after !== 'absolute' && (width < 24 || height < 24)).map(([name]) => name)""")
        assert not small, (view, small)
        page.resize(1000, 900)


def test_reduced_motion(bed, page, running):
    """Nothing moves by itself where the reader wants it so."""
    page.watch(running[0], bed.therapist())
    page.shows("#connection", "Live")
    moving = "return document.getAnimations().length"
    eventually(lambda: page.js(moving) > 0, "it moves else")
    page.prefer(motion="reduce")
    eventually(lambda: page.js(moving) == 0, "nothing moves")
    assert page.style(".fill", "transitionDuration") == "0s" or page.style(".fill", "transitionProperty") == "none"


# --- the policy ---


def test_policy(bed, page):
    """The policy allows nothing inline, nothing from elsewhere, no markup made of text; and it holds."""
    headers = bed.http("GET", "/milepost/watch/").headers
    policy = dict(part.split(" ", 1) for part in headers["Content-Security-Policy"].split("; "))
    assert f"""content="{headers['Content-Security-Policy'].removesuffix("; frame-ancestors 'none'")}">""" in \
        (TOP / "www" / "index.html").read_text(), "it holds behind another server as well"
    assert policy["default-src"] == "'none'" and "unsafe" not in headers["Content-Security-Policy"]
    assert {policy[name] for name in ("script-src", "style-src", "connect-src", "img-src")} == {"'self'"}
    assert headers["Referrer-Policy"] == "no-referrer" and headers["X-Content-Type-Options"] == "nosniff"
    assert bed.http("GET", "/milepost/watch").headers["Location"].endswith("/milepost/watch/")
    for file in (TOP / "www").iterdir():
        assert bed.http("GET", f"/milepost/watch/{file.name}").headers["Content-Security-Policy"], file
    page.expected += ["Content Security Policy", "This document requires 'Trusted", "Refused to"]
    page.driver.get(page.url)
    assert page.js("""
        const broken = [];
        document.addEventListener('securitypolicyviolation', (e) => broken.push(e.effectiveDirective));
        const script = document.createElement('script');
        script.append('window.inline = true');
        document.body.append(script);
        const style = document.createElement('style');
        style.append('body { display: none }');
        document.body.append(style);
        const image = document.createElement('img');
        image.src = 'https://example.org/x.png';
        try { document.body.innerHTML = '<b>x</b>'; } catch {}
        return fetch('https://example.org/').catch(() => new Promise((done) => setTimeout(done)))
            .then(() => [window.inline ?? false, [...new Set(broken)].sort()]);""") == [
                False, ["connect-src", "img-src", "require-trusted-types-for", "style-src-elem"]]
