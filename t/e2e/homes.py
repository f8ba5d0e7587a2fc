"""homes.py: a home directory of somebody who is not root, with Milepost's source and programs built for it.

Where the tests run as root, its owner is nobody.
"""
import atexit
import functools
import os
import pathlib
import shutil
import subprocess
import tempfile

from bed import BUILD

NOBODY = 65534


class Home:
    """A folder, and commands that its owner gives, with nothing in the environment but HOME and PATH."""

    def __init__(self):
        # Short, for the paths of unix sockets.
        self.dir = pathlib.Path(tempfile.mkdtemp(prefix="mph."))
        self.dir.chmod(0o755)
        self.own()

    def own(self):
        """All in it is its owner's, whoever put it there."""
        if os.getuid() == 0:
            subprocess.run(["chown", "-R", f"{NOBODY}:{NOBODY}", self.dir], check=True)

    def command(self, *command, **env):
        drop = ["setpriv", f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups"] if os.getuid() == 0 else []
        pairs = {"HOME": self.dir, "PATH": "/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin", **env}
        return ["env", "-i", *(f"{name}={value}" for name, value in pairs.items()), *drop, *map(str, command)]

    def sh(self, script, folder=".", **env):
        """Runs a script; returns what it printed."""
        result = subprocess.run(self.command("bash", "-euo", "pipefail", "-c", script, **env), text=True,
                                cwd=self.dir / folder, capture_output=True, stdin=subprocess.DEVNULL, timeout=600)
        assert result.returncode == 0, (script, result.stdout[-3000:], result.stderr[-3000:])
        return result.stdout

    def write(self, path, text):
        """Writes a file, at its end if there is one."""
        file = self.dir / path
        file.parent.mkdir(parents=True, exist_ok=True)
        with open(file, "a") as f:
            f.write(text)
        self.own()


@functools.cache
def source():
    """A home with the release's source in milepost-src. It lives as long as the tests."""
    home = Home()
    atexit.register(shutil.rmtree, home.dir)
    subprocess.run(["make", "-s", "-C", BUILD, "distdir", f"distdir={home.dir / 'milepost-src'}"], check=True,
                   capture_output=True, stdin=subprocess.DEVNULL, timeout=300)
    home.own()
    return home
