"""make install and make uninstall: what comes goes, and nothing else."""
import pytest

from guides import Guide
from homes import source
from roots import plain_only

pytestmark = plain_only


@pytest.fixture(scope="module")
def home():
    """Built as the README says, without optimisation, which would only take time."""
    home = source()
    [install] = Guide("README.md").inline("./configure")
    home.sh(install, "milepost-src", CFLAGS="-O0", MAKEFLAGS="-j2 -s")
    home.sh("rm -r milepost")
    return home


def tree(folder):
    """Every path below, and what files hold."""
    return {path.relative_to(folder): path.read_bytes() if path.is_file() else None for path in folder.rglob("*")}


def test_leaves_nothing(home):
    """Beside others' files, which stay, as do the folders that are everybody's."""
    home.sh("mkdir -p stage$HOME/milepost; cd stage$HOME/milepost; mkdir -p bin sbin etc/nginx var/lib var/run "
            "lib/systemd/system lib/tmpfiles.d share/man/man1 share/man/man5 share/man/man7 share/man/man8; echo x >bin/x;"
            "echo y >lib/systemd/system/y")
    before = tree(home.dir / "stage")
    home.sh('make -s install DESTDIR="$HOME/stage"', "milepost-src")
    installed = tree(home.dir / "stage").keys() - before.keys()
    assert len([path for path in installed if (home.dir / "stage" / path).is_file()]) > 20
    install, uninstall = Guide("shared-host.md").inline("make")
    assert uninstall == "make uninstall" and install == "make install"
    home.sh(f'{uninstall} -s DESTDIR="$HOME/stage"', "milepost-src")
    assert tree(home.dir / "stage") == before


def test_keeps_what_is_the_operators(home):
    """A changed configuration survives the next installation and the removal; so do secret and database."""
    conf = home.dir / "milepost/etc/milepost/milepost.conf"
    home.sh("rm -rf milepost")
    home.sh('make -s install\n"$HOME/milepost/bin/milepostctl" init', "milepost-src")
    home.write("milepost/etc/milepost/milepost.conf", "log_level = debug\n")
    home.sh("make -s install", "milepost-src")
    assert conf.read_text().endswith("log_level = debug\n")
    home.sh("make -s uninstall", "milepost-src")
    left = {str(path.relative_to(home.dir / "milepost")) for path in (home.dir / "milepost").rglob("*") if path.is_file()}
    assert left == {"etc/milepost/milepost.conf", "etc/milepost/jwt.secret", "var/lib/milepost/milepost.db",
                    "var/lib/milepost/milepost.db-bell"}
    assert set(home.sh("find milepost -name '*milepost*' -type d").split()) == {
        "milepost", "milepost/etc/milepost", "milepost/var/lib/milepost"}
    home.sh("rm -r milepost stage")
