"""browser.py: a headless Chromium for tests of the watch page.

It starts with an empty profile and trusts no certificate but one. What it showed is asked for by
what a reader would see: only visible text counts.
"""
import base64
import contextlib
import hashlib
import json
import pathlib
import shutil
import sqlite3
import subprocess
import tempfile

from selenium import webdriver
from selenium.webdriver.chrome.service import Service
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys

from bed import eventually

# Nothing but the tests' own traffic: this Chromium looks up and tells nothing by itself.
FLAGS = ("headless=new", "no-sandbox", "disable-gpu", "disable-quic", "no-first-run", "disable-sync",
         "disable-background-networking", "disable-component-update", "disable-dev-shm-usage",
         "no-proxy-server", "window-size=1000,900")

# The visible elements that fit a selector.
VISIBLE = "[...document.querySelectorAll(arguments[0])].filter((e) => e.checkVisibility({visibilityProperty: true}))"


# Each visible text's colour and the ground behind it, as [r, g, b, alpha], the innermost ground first.
COLOURS = """
const parse = (colour) => {
  const [r, g, b, alpha = 1] = colour.match(/[\\d.]+/g).map(Number);
  return [r, g, b, alpha];
};
return [...document.querySelectorAll('body *')].filter((e) => e.checkVisibility({visibilityProperty: true})
    && [...e.childNodes].some((n) => n.nodeType === 3 && n.data.trim())).map((e) => {
  const grounds = [];
  for (let at = e; at; at = at.parentElement) grounds.push(parse(getComputedStyle(at).backgroundColor));
  return [e.textContent.trim(), parse(getComputedStyle(e).color), grounds];
});
"""


def luminance(colour):
    """WCAG's relative luminance."""
    linear = [c / 255 / 12.92 if c / 255 <= 0.04045 else ((c / 255 + 0.055) / 1.055) ** 2.4 for c in colour[:3]]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(a, b):
    """WCAG's contrast ratio of two opaque colours."""
    dark, light = sorted((luminance(a), luminance(b)))
    return (light + 0.05) / (dark + 0.05)


def pin_of(certificate):
    """What Chromium calls a certificate's key: the SHA-256 of its public half."""
    key = subprocess.run(["openssl", "x509", "-in", certificate, "-pubkey", "-noout"], check=True, capture_output=True)
    der = subprocess.run(["openssl", "pkey", "-pubin", "-outform", "DER"], input=key.stdout, check=True,
                         capture_output=True)
    return base64.b64encode(hashlib.sha256(der.stdout).digest()).decode()


class Browser:
    """One Chromium, for the watch page at url, which may have this certificate."""

    def __init__(self, url, certificate=None):
        self.url = url
        self.profile = pathlib.Path(tempfile.mkdtemp(prefix="mp.chromium."))
        self.expected = []  # what the console may say: parts of a line
        options = webdriver.ChromeOptions()
        options.binary_location = "/usr/bin/chromium"
        for flag in (*FLAGS, f"user-data-dir={self.profile}"):
            options.add_argument(f"--{flag}")
        if certificate is not None:
            options.add_argument(f"--ignore-certificate-errors-spki-list={pin_of(certificate)}")
        options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
        try:
            self.driver = webdriver.Chrome(service=Service("/usr/bin/chromedriver"), options=options)
        except BaseException:
            shutil.rmtree(self.profile, ignore_errors=True)
            raise

    @classmethod
    def of(cls, bed):
        """For the bed's watch page, by TLS."""
        return cls(f"https://localhost:{bed.tls_port}/milepost/watch/", bed.dir / "tls.crt")

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.driver.quit()
        shutil.rmtree(self.profile, ignore_errors=True)

    def cdp(self, command, **arguments):
        return self.driver.execute_cdp_cmd(command, arguments)

    def js(self, script, *arguments):
        return self.driver.execute_script(script, *arguments)

    @contextlib.contextmanager
    def fresh(self):
        """A tab that knows nothing of the ones before it, in their place; its console must be empty at the end
        but for what is expected: so no script failed, and nothing tried what the policy forbids."""
        before = self.driver.window_handles
        self.cdp("Target.createTarget", url="about:blank")
        for handle in before:
            self.driver.switch_to.window(handle)
            self.driver.close()
        self.driver.switch_to.window(*self.driver.window_handles)
        self.prefer()
        self.resize(1000, 900)
        self.console()
        self.requests()
        self.expected = []
        yield
        odd = [line for line in self.console() if not any(part in line for part in self.expected)]
        assert not odd, odd

    def watch(self, session, token):
        """Opens a link as somebody was given it."""
        self.driver.get("about:blank")
        self.driver.get(f"{self.url}#session={session}&token={token}")

    # --- as a reader's settings and device ---

    def prefer(self, scheme="light", motion="no-preference"):
        self.cdp("Emulation.setEmulatedMedia", features=[
            {"name": "prefers-color-scheme", "value": scheme}, {"name": "prefers-reduced-motion", "value": motion}])

    def resize(self, width, height, mobile=False):
        self.cdp("Emulation.setDeviceMetricsOverride", width=width, height=height,
                 deviceScaleFactor=2 if mobile else 1, mobile=mobile)

    # --- what is shown ---

    def text(self, selector):
        """The visible text of the first such element; empty if there is none."""
        return self.js(f"return ({VISIBLE}[0]?.innerText ?? '').trim()", selector)

    def texts(self, selector):
        return self.js(f"return {VISIBLE}.map((e) => e.innerText.trim())", selector)

    def attribute(self, selector, name):
        return self.js("return document.querySelector(arguments[0])?.getAttribute(arguments[1])", selector, name)

    def style(self, selector, name, pseudo=None):
        return self.js("return getComputedStyle(document.querySelector(arguments[0]), arguments[2])[arguments[1]]",
                       selector, name, pseudo)

    def shows(self, selector, text):
        """Waits until the visible text has this in it."""
        eventually(lambda: text in self.text(selector), f"{selector} shows {text!r}")

    def click(self, selector):
        self.driver.find_element(By.CSS_SELECTOR, selector).click()

    def type(self, selector, text):
        self.driver.find_element(By.CSS_SELECTOR, selector).send_keys(text)

    def press(self, *keys):
        webdriver.ActionChains(self.driver).send_keys(*keys).perform()

    def press_back(self):
        """Shift and Tab."""
        webdriver.ActionChains(self.driver).key_down(Keys.SHIFT).send_keys(Keys.TAB).key_up(Keys.SHIFT).perform()

    def focused(self):
        """What has the keyboard's focus: its text, or its name."""
        return self.js("""
            const e = document.activeElement;
            return e === document.body ? '' : e.innerText.trim() || e.name || e.type""")

    def contrasts(self):
        """Each visible text's contrast with its ground: pairs of ratio and text."""
        def ground(layers):
            opaque = next(i for i, layer in enumerate(layers) if layer[3] == 1)
            assert all(layer[3] == 0 for layer in layers[:opaque]), "nothing is half transparent"
            return layers[opaque]
        return [(contrast(colour, ground(layers)), text) for text, colour, layers in self.js(COLOURS)]

    def accessible(self, role):
        """Name and value of all elements of this role, as a screen reader is told."""
        nodes = self.cdp("Accessibility.getFullAXTree")["nodes"]
        return [(node["name"]["value"], node.get("value", {}).get("value")) for node in nodes
                if not node["ignored"] and node["role"]["value"] == role]

    # --- what happened behind it ---

    def console(self):
        """What its console said since the last call."""
        return [entry["message"] for entry in self.driver.get_log("browser")]

    def requests(self):
        """What was sent since the last call: the URLs, without fragments, and all headers, as pairs."""
        urls, headers = [], []
        for entry in self.driver.get_log("performance"):
            message = json.loads(entry["message"])["message"]
            params = message["params"]
            if message["method"] == "Network.requestWillBeSent":
                urls.append(params["request"]["url"])
            elif message["method"] == "Network.webSocketCreated":
                urls.append(params["url"])
            elif message["method"] == "Network.requestWillBeSentExtraInfo":
                headers += params["headers"].items()
            elif message["method"] == "Network.webSocketWillSendHandshakeRequest":
                headers += params["request"]["headers"].items()
        return urls, headers

    def kept_addresses(self, part):
        """The addresses with this in them that Chromium keeps of what was opened; ends it."""
        self.driver.quit()
        db = sqlite3.connect(self.profile / "Default" / "History")
        with contextlib.closing(db):
            return [url for url, in db.execute("SELECT url FROM urls") if part in url]
