"""roots.py: a whole Debian of a test's own: its packages, its users, its systemd and its network.

A Root is an overlay over a system's files, seen only from namespaces of its own, in which systemd runs as the
first process: over the files of this machine, which takes a second, or over a new Debian by debootstrap. What is
done in it is gone with it. Needs root.
"""
import contextlib
import ctypes
import functools
import os
import pathlib
import re
import shutil
import subprocess
import tempfile

import pytest

from bed import BUILD, PATIENCE, TOP, eventually

MIRROR = os.environ.get("MILEPOST_MIRROR", "http://deb.debian.org/debian")
SYSTEMD = "/lib/systemd/systemd"
IS_PLAIN_BUILD = BUILD.name == "build-test"
# What is installed is built anew, without sanitizers, whatever the build that is being tested.
plain_only = pytest.mark.skipif(not IS_PLAIN_BUILD, reason="builds what it tests; it is tested once")
as_root_only = pytest.mark.skipif(os.getuid() != 0, reason="needs root for namespaces and mounts")

# Until systemd: an overlay in memory, with a /dev of the plainest devices, in which nothing of the machine around
# can be written to.
BOOT = """
set -eu
mount -t tmpfs tmpfs "$1"
mkdir "$1/upper" "$1/work" "$1/root"
mount -t overlay overlay -o "lowerdir=$2,upperdir=$1/upper,workdir=$1/work" "$1/root"
cd "$1/root"
mount -t proc proc proc
mount -t sysfs -o ro sysfs sys
mount -t cgroup2 cgroup2 sys/fs/cgroup
mount -t tmpfs tmpfs run
mkdir run/upper
mount --bind "$1/upper" run/upper
mount -t tmpfs tmpfs tmp
mount -t tmpfs -o mode=755 tmpfs dev
for device in null zero full random urandom tty; do
    touch dev/$device
    mount --bind /dev/$device dev/$device
done
mkdir dev/pts dev/shm .old
mount -t devpts -o newinstance,ptmxmode=0666 devpts dev/pts
mount -t tmpfs tmpfs dev/shm
ln -s pts/ptmx dev/ptmx
ln -s /proc/self/fd dev/fd
ip link set lo up
# An image for containers forbids that packages start their services.
[ ! -e usr/sbin/policy-rc.d ] || mount --bind bin/true usr/sbin/policy-rc.d
# What this machine has is there, in the version that it has: nothing newer is to be had without a network.
[ "$2" != / ] || mount -t tmpfs tmpfs var/lib/apt/lists
pivot_root . .old
umount -l /.old
rmdir /.old
exec env -i container=milepost-test PATH=/usr/sbin:/usr/bin:/sbin:/bin \\
    /lib/systemd/systemd --system --log-target=journal --unit="$3" >/dev/null 2>&1
"""
CLONE_NEWNET = 0x40000000
ENVIRONMENT = ("PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "HOME=/root", "LANG=C.UTF-8")


class Root:
    """A system over the files of another, which stay as they are."""

    def __init__(self, lower="/", target="sysinit.target"):
        self.lower, self.target = str(lower), target

    def __enter__(self):
        self.dir = tempfile.mkdtemp(prefix="mproot.")
        self.log = tempfile.TemporaryFile("w+")
        # Whatever ends the test ends this, and the end of its first process all others in it.
        self.proc = subprocess.Popen(
            ["setpriv", "--pdeathsig", "KILL", "unshare", "--mount", "--propagation", "private", "--net", "--pid",
             "--fork", "--kill-child", "--cgroup", "--uts", "--ipc", "sh", "-c", BOOT, "sh", self.dir, self.lower,
             self.target], stdin=subprocess.DEVNULL, stdout=self.log, stderr=self.log)
        try:
            self.pid = eventually(self.find_first, "the first process is there")
            eventually(self.is_up, "systemd is up")
            # Packages that come and go would have the index of all manuals made anew each time.
            self.run("rm", "-f", "/var/lib/man-db/auto-update")
        except BaseException:
            self.log.seek(0)
            print(self.log.read())
            self.__exit__()
            raise
        return self

    def __exit__(self, *_):
        self.proc.kill()
        self.proc.wait(PATIENCE)
        self.log.close()
        os.rmdir(self.dir)

    def find_first(self):
        assert self.proc.poll() is None, "no namespaces, or no overlay, can be made here"
        children = pathlib.Path(f"/proc/{self.proc.pid}/task/{self.proc.pid}/children").read_text().split()
        return int(children[0]) if children else None

    def is_up(self):
        assert self.proc.poll() is None, "it ended while starting"
        if not pathlib.Path(f"/proc/{self.pid}/exe").resolve().name == "systemd":
            return False
        state = self.run("systemctl", "is-system-running", check=False).stdout.strip()
        return state in ("running", "degraded")

    def enter(self, *command, online=False):
        """The command line that runs a command in it, with nothing of our environment; online, in the network around."""
        spaces = ["--mount", "--uts", "--ipc", "--cgroup", "--pid"] if online else ["--all"]
        return ["nsenter", *spaces, "--target", str(self.pid), "--", "env", "-i", *ENVIRONMENT, *map(str, command)]

    def run(self, *command, check=True, timeout=120, online=False, **kw):
        """Runs a command in it, without questions: its standard input is empty."""
        if "input" not in kw:
            kw["stdin"] = subprocess.DEVNULL
        result = subprocess.run(self.enter(*command, online=online), text=True, capture_output=True, timeout=timeout, **kw)
        assert not check or result.returncode == 0, (command, result.stdout, result.stderr)
        return result

    def sh(self, script, user=None, check=True, **kw):
        """The same for a script, by a user."""
        command = ["bash", "-euo", "pipefail", "-c", script]
        return self.run(*(["runuser", "-u", user, "--", *command] if user else command), check=check, **kw)

    def path(self, path):
        """Where a file of it is, seen from here."""
        return pathlib.Path(f"/proc/{self.pid}/root{path}")

    def write(self, path, text, mode=0o644):
        file = self.path(path)
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
        file.chmod(mode)

    def copy(self, source, path):
        shutil.copy(source, self.path(path))

    def copy_sources(self, path):
        """The release's sources, in a folder of the root's."""
        subprocess.run(["make", "-s", "-C", BUILD, "distdir", f"distdir={self.path(path)}"], check=True,
                       capture_output=True, stdin=subprocess.DEVNULL, timeout=300)

    def changes(self):
        """The paths of what was changed since the start, folders only where they are new and empty, but for what
        systems write about themselves."""
        found = self.sh("cd /run/upper && find . -type d -empty -printf '%P/\\n' -o ! -type d -printf '%P\\n'").stdout
        return {f"/{path}" for path in found.splitlines() if not re.match(
            r"(tmp|run|var/log|var/cache|var/lib/(dpkg|apt|systemd|logrotate))(/|$)", path)
            and not (path.endswith("/") and pathlib.Path(self.lower, path).is_dir())}

    @contextlib.contextmanager
    def network(self):
        """Sockets that this thread makes inside are in its network: its loopback alone."""
        libc = ctypes.CDLL(None, use_errno=True)

        def enter(fd):
            if libc.setns(fd, CLONE_NEWNET) != 0:
                raise OSError(ctypes.get_errno(), "setns")

        with open("/proc/thread-self/ns/net") as own, open(f"/proc/{self.pid}/ns/net") as other:
            enter(other.fileno())
            try:
                yield
            finally:
                enter(own.fileno())


def new_debian():
    """A Debian as debootstrap makes it, with systemd, kept for the next time. Returns its folder."""
    folder = BUILD / "bookworm"
    if not folder.exists():
        making = folder.with_suffix(".new")
        shutil.rmtree(making, ignore_errors=True)
        making.mkdir(parents=True)
        subprocess.run(["debootstrap", "--variant=minbase", "--include=systemd-sysv,iproute2,curl", "bookworm", making,
                        MIRROR], check=True, stdout=subprocess.DEVNULL, timeout=1800)
        # Packages are installed before systemd runs; nothing of them is to be started then.
        policy = making / "usr/sbin/policy-rc.d"
        policy.write_text("#!/bin/sh\n[ -d /run/systemd/system ] || exit 101\n")
        policy.chmod(0o755)
        making.rename(folder)
    return folder


@functools.cache
def package():
    """The package, built from the release's archive as anybody would; the folder where it and what belongs to it
    are."""
    folder = BUILD / "package"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    with open(folder / "build.log", "w") as log:
        def run(*command, **kw):
            result = subprocess.run(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, timeout=1200, **kw)
            assert result.returncode == 0, (folder / "build.log").read_text()[-4000:]

        run("make", "-s", "-C", BUILD, "distdir", f"distdir={folder / 'milepost'}")
        # Its unit tests are this build's.
        run("dpkg-buildpackage", "-us", "-uc", "-b", cwd=folder / "milepost",
            env={**os.environ, "DEB_BUILD_OPTIONS": f"nocheck parallel={os.cpu_count()}"})
    return folder


def deb():
    return next(package().glob("milepost_*.deb"))
