"""The README's "Drop it in": each of its two ways, from the sources to an update that is seen, as it stands there."""
import re

import pytest
import websockets

from bed import PATIENCE, receive
from guides import Guide
from roots import Root, as_root_only, deb, package, plain_only

pytestmark = [plain_only, as_root_only]

README = Guide("README.md")
PACKAGE, SOURCES, USER, INIT, ENABLE, INCLUDE, PEOPLE, _ = README.indented("Drop it in")
POOLS, HEADS, PRUNE = Guide("operating.md").indented()
SUDO = """#!/bin/bash
[ "$1" = -u ] || exec "$@"
exec runuser -u "$2" -- "${@:3}"
"""


@pytest.fixture
def root():
    with Root() as root:
        root.write("/usr/local/bin/sudo", SUDO, mode=0o755)
        root.sh("rm -f /etc/nginx/sites-enabled/* /etc/nginx/conf.d/*")
        yield root


async def check(root):
    """From "nginx" on: include it, make a key and people, report and watch."""
    http, server = INCLUDE.splitlines()
    root.write("/etc/nginx/conf.d/site.conf", f"{http}\nserver {{\nlisten 80;\n{POOLS}{HEADS}{server}\n}}\n")
    root.sh("nginx -t && systemctl restart nginx")
    patient = root.sh("milepostctl user add - --role patient", "milepost").stdout.strip()
    made = root.run("bash", "-euc", PEOPLE.replace("PATIENT_ID", patient), input="a password\n").stdout.split()
    key, therapist, session = made
    token = root.sh(f"milepostctl token {therapist}", "milepost").stdout.strip()
    with root.network():
        async with websockets.connect(f"ws://localhost/api/sessions/ws/{session}?token={token}", ping_interval=None,
                                      open_timeout=PATIENCE) as ws:
            root.run("curl", "-fsS", "-H", f"Authorization: Bearer {key}", "-d", "status=uploading", "-d", "progress=7",
                     f"http://localhost/api/sessions/{session}/progress")
            assert (await receive(ws))["progress"] == 7
    root.sh(PRUNE, "milepost")
    root.sh("\n".join(README.inline("milepostctl")), "milepost")
    [judge] = README.inline("systemd-analyze")
    assert re.search(r"Overall exposure level for milepost-api.service: 0\.\d ", root.sh(judge).stdout)


async def test_package(root):
    """The package is built by the README's command, and installed by it without a question."""
    build, install = PACKAGE.splitlines()
    assert build == "dpkg-buildpackage -us -uc -b", "by which package() has built it"
    assert (package() / "build.log").read_text()
    root.sh("mkdir -p /usr/src/milepost")
    root.copy(deb(), "/usr/src")
    root.sh(f"cd /usr/src/milepost\n{install}")
    await check(root)


async def test_sources(root):
    """Built, checked and installed, without optimisation, which would only take time."""
    root.copy_sources("/usr/src/milepost")
    root.sh(f"cd /usr/src/milepost; export CFLAGS=-O0 MAKEFLAGS='-j2 -s'\n{SOURCES}", timeout=900)
    root.sh("\n".join((USER, INIT, ENABLE)))
    root.sh("\n".join(f"cd /usr/src/milepost; {command} >/dev/null" for command in README.inline("man ")))
    await check(root)
