"""The JavaScript client: its own tests, by node's test runner, against a Bed; its types, by TypeScript."""
import json
import os
import pathlib
import re
import shutil
import signal
import subprocess
import urllib.parse

import pytest

from bed import Bed, TOP, eventually
from browser import Browser
from guides import Guide
from remote import Remote

SOURCE = TOP / "clients" / "js"
README = Guide("clients/js/README.md")
DEBIANS = pathlib.Path("/usr/share/nodejs")
LIBRARIES = ("ws", "react", "react-test-renderer")
TEST = re.compile(r'^ *test\("([^"]+)"', re.M)
NOBODYS = "00000000-0000-4000-8000-000000000000"
RESULT = re.compile(r"^ *(ok|not ok) \d+ - (.*)$", re.M)


@pytest.fixture(scope="module")
def package(tmp_path_factory):
    """What npm would publish, and the tests beside it, which find Debian's libraries."""
    package = tmp_path_factory.mktemp("js")
    manifest = json.loads((SOURCE / "package.json").read_text())
    shutil.copy(SOURCE / "package.json", package)
    for name in (*manifest["files"], "test"):
        shutil.copytree(SOURCE / name, package / name)
    (package / "node_modules").mkdir()
    for name in LIBRARIES:
        (package / "node_modules" / name).symlink_to(DEBIANS / name)
    return package


@pytest.fixture(scope="module")
def run(package):
    """Runs a file of tests, once; returns its output."""
    outputs = {}
    with Bed(heartbeat_interval="400ms", jwt_leeway="0s", drain_time="0s") as bed, Remote(bed) as remote:
        # Programs are restarted under open connections.
        bed.announced.append(r".*\[(crit|error|alert)\] .*(connect\(\)|recv\(\)|upstream|open socket).*")
        env = {**os.environ, "NODE_PATH": str(DEBIANS), "MILEPOST_BED": remote.url,
               "MILEPOST_URL": f"http://localhost:{bed.port}"}

        def run(file):
            if file not in outputs:
                outputs[file] = subprocess.run(["node", "--test", "--test-reporter=tap", f"test/{file}"], cwd=package,
                                               env=env, text=True, capture_output=True, timeout=120).stdout
            return outputs[file]

        run.bed = bed
        yield run


def cases():
    return [(path.name, test) for path in sorted((SOURCE / "test").glob("*.test.js"))
            for test in TEST.findall(path.read_text())]


@pytest.mark.parametrize("file,test", cases())
def test_js(run, file, test):
    output = run(file)
    assert [result for result, name in RESULT.findall(output) if name == test] == ["ok"], output


def test_readme(package, run):
    """Its programs run as they stand; what they take for given is put before them."""
    blocks = README.indented(part="watchSession")
    assert len(blocks) == 4
    session, token = run.bed.session(), run.bed.therapist()
    run.bed.report(session, "processed")
    url = f"http://localhost:{run.bed.port}"
    given = (f'const url = "{url}", sessionId = "{session}", token = "{token}";\n'
             "const login = async () => ({ access_token: token }), onUpdate = console.log;\n")
    for block in blocks:
        imported = "" if 'from "milepost"' in block else 'import { watchSession } from "milepost";\n'
        program = imported + given + block.replace("https://example.org", url)
        result = subprocess.run(["node", "--input-type=module", "-e", program], cwd=package, text=True,
                                capture_output=True, timeout=60)
        assert result.returncode == 0 and "Processing complete" in result.stdout, (program, result)


RENDER = """
import { createElement } from "react";
import { act, create } from "react-test-renderer";
import { UploadProgress } from "./UploadProgress.js";

globalThis.location = { origin: process.argv[3] };
const [sessionId, token] = [process.argv[1], process.argv[2]];
const shown = [];
let root;

act(() => {
  root = create(createElement(UploadProgress, { sessionId, token }));
});
while (shown.at(-1)?.type !== "progress" && !JSON.stringify(shown).includes("Error")) {
  await act(() => new Promise((resolve) => setTimeout(resolve, 10)));
  shown.push(root.toJSON());
}
console.log(JSON.stringify([shown[0], shown.at(-1)]));
root.unmount();
"""


def test_readme_react(package, run, tmp_path):
    """The README's component, in JSX as it stands: waiting, the bar, and a refusal in words."""
    [component] = README.indented(part="useSessionProgress")
    (tmp_path / "UploadProgress.jsx").write_text(f'import * as React from "react";\n{component}\nexport {{ UploadProgress }};')
    subprocess.run(["tsc", "--allowJs", "--jsx", "react", "--target", "es2022", "--module", "es2022", "--noResolve",
                    "--outDir", package, "UploadProgress.jsx"], cwd=tmp_path, check=True)
    session = run.bed.session()
    run.bed.report(session, "transcribing", 45)
    for token, last in ((run.bed.therapist(), {"type": "progress", "props": {"value": 45, "max": 100}, "children": None}),
                        ("not.a.token", {"type": "div", "props": {}, "children": ["Error: ", "Invalid authentication"]})):
        result = subprocess.run(["node", "--input-type=module", "-e", RENDER, session, token, f"http://localhost:{run.bed.port}"],
                                cwd=package, text=True, capture_output=True, timeout=60,
                                env={**os.environ, "NODE_PATH": str(DEBIANS)})
        assert result.returncode == 0, result
        assert json.loads(result.stdout) == [{"type": "div", "props": {}, "children": ["Connecting..."]}, last], result


def test_install(package, tmp_path):
    """The README's command, for which nothing comes from elsewhere."""
    [install] = README.indented(part="npm install")
    shutil.copytree(SOURCE, tmp_path / "clients/js")
    env = {**os.environ, "npm_config_offline": "true", "npm_config_audit": "false", "npm_config_cache": str(tmp_path / "cache")}
    result = subprocess.run(["sh", "-ec", f"{install}\nnode --input-type=module -e "
                             "'import { watchSession } from \"milepost\"; console.log(typeof watchSession)'"],
                            cwd=tmp_path, env=env, text=True, capture_output=True)
    assert result.returncode == 0 and result.stdout.endswith("function\n"), result


def test_browser(package):
    """In a real Chromium, served by the same nginx: WebSocket, tickets, events, refusals."""
    with Bed() as bed:
        conf = bed.dir / "nginx" / "example.conf"
        conf.write_text(conf.read_text().replace("location = / {", f'location /client/ {{ alias "{package}/"; }}\nlocation = / {{'))
        bed.procs["nginx"].send_signal(signal.SIGHUP)
        page = "/client/test/browser.html"
        eventually(lambda: bed.http("GET", page).status == 200, "the page is there")
        session, token = bed.session(), bed.therapist()
        for status, progress in (("uploading", 5), ("transcribing", 30), ("processed", 100)):
            bed.report(session, status, progress)
        right = {"sessionId": session, "token": token, "since": 0}
        watches = [{**right, **wrong} for wrong in (
            {"transport": "websocket"}, {"auth": "ticket"}, {"auth": "query"}, {"transport": "sse"},
            {"transport": "sse", "auth": "ticket"}, {"sessionId": NOBODYS}, {"token": "not.a.token", "transport": "sse"})]
        with Browser(f"https://localhost:{bed.tls_port}{page}#{urllib.parse.quote(json.dumps(watches))}",
                     bed.dir / "tls.crt") as browser:
            browser.driver.get(browser.url)
            told = eventually(lambda: browser.js("return globalThis.told"), "the page's word")
    for each in told[:5]:
        assert (each["progress"], each["end"], each["states"][:2]) == ([5, 30, 100], "processed", ["connecting", "open"])
    assert [(each["end"], each["code"]) for each in told[5:]] == [("Session not found", 1008), ("Invalid authentication", 401)]


def test_types(package):
    """The sources keep to the declared types, and so does a program that uses them."""
    result = subprocess.run(["tsc", "-p", SOURCE], text=True, capture_output=True)
    assert result.returncode == 0, result.stdout


def test_exports(package):
    """What is declared is there, and nothing else."""
    for entry, declarations in (("milepost", "index.d.ts"), ("milepost/react", "react.d.ts")):
        declared = re.findall(r"^export (?:declare )?(?:class|function|const) (\w+)",
                              (package / "src" / declarations).read_text(), re.M)
        program = f'import * as m from "{entry}"; console.log(JSON.stringify(Object.keys(m)))'
        exported = subprocess.run(["node", "--input-type=module", "-e", program], cwd=package, text=True,
                                  capture_output=True, check=True).stdout
        assert sorted(json.loads(exported)) == sorted(declared)
