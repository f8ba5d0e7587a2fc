"""The first five minutes: somebody who has only the README gets from a clone to a bar that moves."""
import os
import pathlib
import subprocess
import sys

import pytest

from bed import BUILD


@pytest.mark.skipif(BUILD.name.startswith(("build-sanitize", "build-thread")),
                    reason="./run builds what it runs; it is tested once")
def test_try_it():
    """./run listens where the README says: so this runs in a network of its own, where nobody else does."""
    unshare = ["unshare", "--net"] + ([] if os.getuid() == 0 else ["--map-root-user"])
    tests = pathlib.Path(__file__).with_name("try_it.py")
    done = subprocess.run([*unshare, sys.executable, "-m", "pytest", "-q", tests], text=True, capture_output=True)
    assert done.returncode == 0, done.stdout + done.stderr
