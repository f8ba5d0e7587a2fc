"""docs/relay.md, run as it stands: one host at work, two new ones and a Redis, each a Debian of its own under systemd, on
one network; an old machine's database is moved in; hosts leave, come back, and are gone for good."""
import contextlib
import json
import re
import subprocess

import pytest

from bed import TOP, eventually
from guides import Guide
from roots import Root, as_root_only, deb, plain_only

pytestmark = [plain_only, as_root_only]

GUIDE = Guide("relay.md")
MOVE, LEAVE = "Moving an existing", "Leaving, and hosts"
REDIS = "10.0.0.5"
QUERY = """
import json, sqlite3, sys
db = sqlite3.connect("file:/var/lib/milepost/milepost.db?mode=ro", uri=True, timeout=20)
print(json.dumps(db.execute(sys.argv[1], sys.argv[2:]).fetchall()))
"""
# The site by which workers reach a host, as docs/nginx.md would have it.
NGINX = """
rm -f /etc/nginx/sites-enabled/* /etc/nginx/conf.d/*
echo 'include /etc/nginx/milepost/milepost-http.conf;
server { listen 80; include /etc/nginx/milepost/milepost.conf; }' >/etc/nginx/conf.d/milepost.conf
systemctl restart nginx
"""


def network(redis, hosts):
    """A wire from each host to Redis, which has one address at all of them."""
    redis.run("ip", "addr", "add", f"{REDIS}/32", "dev", "lo")
    for i, host in enumerate(hosts, 1):
        redis.run("ip", "link", "add", f"host{i}", "type", "veth", "peer", "name", "near")
        subprocess.run([*redis.enter()[:1], "--net", "--target", str(redis.pid), "--", "ip", "link", "set", "near", "netns",
                        str(host.pid)], check=True)
        redis.sh(f"ip link set host{i} up; ip route add 10.0.0.{i}/32 dev host{i}")
        host.sh(f"ip addr add 10.0.0.{i}/32 dev near; ip link set near up; ip route add {REDIS}/32 dev near")


class Host:
    def __init__(self, root, name):
        self.root, self.name = root, name

    def sql(self, statement, *args):
        """Reads inside, where the database's path is the path that SQLite finds the other files by."""
        said = self.root.run("runuser", "-u", "milepost", "--", "/usr/bin/python3", "-c", QUERY, statement, *args).stdout
        return [tuple(row) for row in json.loads(said)]

    def ctl(self, *args):
        return self.root.run("runuser", "-u", "milepost", "--", "milepostctl", *args).stdout.strip()

    def status(self):
        return self.root.run("runuser", "-u", "milepost", "--", "milepostctl", "status", check=False).stdout

    def report(self, key, *args):
        self.root.run("env", f"MILEPOST_KEY={key}", "milepostctl", "report", *args)

    def newest(self, session):
        return self.sql("SELECT e.status, e.progress FROM event e JOIN session s ON s.number = e.session WHERE s.id = ? "
                        "ORDER BY revision DESC LIMIT 1", session)

    def sees(self, *others):
        lines = self.status()
        return all(re.search(rf"^  {other} +here, lag \d+ ms, 0 waiting, heard of \d+ s ago$", lines, re.M) for other in others)


def known(host):
    return [host.sql(f"SELECT {columns} ORDER BY 1") for columns in
            ("id, role, email FROM user", "id, patient_id FROM session", "hex(hash), name FROM key")]


def agreed(hosts):
    return all(known(host) == known(hosts[0]) for host in hosts)


def work(host, count=3):
    """What there is on a host that has been at work: a worker's key, and sessions."""
    key, sessions = host.ctl("key", "add", f"pipeline of {host.name}", "--scope", "worker"), []
    for _ in range(count):
        user = host.ctl("user", "add", "-", "--role", "patient")
        sessions.append(host.ctl("session", "add", "-", "--patient", user))
        host.report(key, sessions[-1], "transcribing", "45")
    return key, sessions


@pytest.fixture(scope="module")
def machines():
    with contextlib.ExitStack() as stack:
        redis, *roots = [stack.enter_context(Root()) for _ in range(5)]
        network(redis, roots[:3])
        for root in roots:
            root.copy(deb(), "/tmp")
            root.sh(f"cd /tmp; apt-get install -y ./milepost_*.deb\n{NGINX}")
        hosts = [Host(root, f"host{i}") for i, root in enumerate(roots, 1)]
        yield redis, hosts[:3], hosts[3]


def join(host, password):
    """Part 3, on one of the hosts."""
    files = GUIDE.files("3. On each host")
    assert list(files) == ["/etc/milepost/milepost.conf"]
    text = files["/etc/milepost/milepost.conf"].replace("relay_host = host1", f"relay_host = {host.name}")
    host.root.sh("cat >>/etc/milepost/milepost.conf", input=text)
    said = host.root.sh(GUIDE.script("3. On each host"), input=f"{password}\n").stdout
    assert said == "ok\n"
    mode = host.root.run("stat", "-c", "%a %U:%G", "/etc/milepost/redis.password").stdout
    assert mode == "640 root:milepost\n"


@pytest.fixture(scope="module")
def three(machines):
    """Parts 1 to 5."""
    redis, hosts, _ = machines
    first = hosts[0]
    key, sessions = work(first)
    install, settle = GUIDE.blocks("sh", "1. Redis")
    redis.sh(install)
    for path, text in GUIDE.files("1. Redis").items():
        redis.sh(f"cat >>{path}", input=text)
    password = redis.sh(settle).stdout.strip()
    assert re.fullmatch("[0-9a-f]{64}", password)
    secret = first.root.path("/etc/milepost/jwt.secret").read_text()
    for host in hosts[1:]:
        host.root.write("/root/jwt.secret", secret, 0o600)
        host.root.sh(f"cd /root\n{GUIDE.script('2. The new hosts')}")
    for host in hosts:
        join(host, password)
    for host in hosts:
        host.root.sh(GUIDE.script("4. The host that has"))
    for host in hosts:
        eventually(lambda: host.sees("host1", "host2", "host3"), f"{host.name} sees all", 60)
    said = hosts[2].root.sh(GUIDE.script("5. Look")).stdout
    [block] = GUIDE.indented("5. Look")
    shown = block.splitlines()
    assert len(shown) == 4
    for line in shown:  # as on the first, but for the numbers
        pattern = re.sub(r"\d+(?= (ms|s|waiting)\b)", r"\\d+", line.replace("host1: here", "host3: here"))
        assert re.search(f"^{pattern}$", said, re.M), (pattern, said)
    return hosts, key, sessions, password


def test_from_one_to_three(three):
    """What the first had is on all; what is reported on any, too; a token of one is good on all."""
    hosts, key, sessions, password = three
    for host in hosts:
        eventually(lambda: all(host.newest(s) == [("transcribing", 45)] for s in sessions), "it is there")
    eventually(lambda: agreed(hosts), "all agree")
    hosts[2].report(key, sessions[0], "processed")
    eventually(lambda: hosts[0].newest(sessions[0]) == [("processed", 100)], "it is on the first")
    assert len({host.root.path("/etc/milepost/jwt.secret").read_text() for host in hosts}) == 1
    for host in hosts:
        assert host.root.run("systemctl", "is-enabled", "milepost-relay").stdout == "enabled\n"
        logs = host.root.sh("journalctl -b --no-pager; ps axww").stdout
        assert "event=relay.here" in logs and password not in logs and "sandbox=on" in logs


def move(old, host):
    take, put = GUIDE.blocks("sh", MOVE)
    old.root.sh(take)
    host.root.path("/root/moving.db").write_bytes(old.root.path("/var/lib/milepost/moving.db").read_bytes())
    host.root.sh(put)


def test_moving_in(three, machines):
    """An old machine's database, on a host that takes part already: all have what it had, and it what they had."""
    hosts, key, sessions, _ = three
    old = machines[2]
    old_key, brought = work(old, 2)
    move(old, hosts[2])
    eventually(lambda: agreed(hosts) and all(host.newest(s) for host in hosts for s in [*brought, *sessions]), "all agree", 60)
    hosts[2].report(key, brought[0], "extracting_notes", "70")
    hosts[0].report(old_key, brought[1], "extracting_notes", "80")
    eventually(lambda: hosts[0].newest(brought[0]) == [("extracting_notes", 70)] and
               hosts[2].newest(brought[1]) == [("extracting_notes", 80)], "it goes on")
    for host in hosts:
        eventually(lambda: host.sees("host1", "host2", "host3"), f"{host.name} sees all", 60)


def test_leaving(three):
    """A host leaves, comes back, and is gone for good."""
    hosts, key, sessions, password = three
    leave, remove, forget = GUIDE.blocks("sh", LEAVE)
    hosts[2].root.sh(leave)
    assert "relay  " not in hosts[2].status()
    user = hosts[0].ctl("user", "add", "-", "--role", "therapist")
    [again] = GUIDE.inline("systemctl enable")
    hosts[2].root.sh(again)
    eventually(lambda: hosts[2].sql("SELECT 1 FROM user WHERE id = ?", user) and agreed(hosts), "it is back", 60)

    hosts[2].root.sh("systemctl kill --kill-whom=main -s KILL milepost-relay; systemctl disable --now milepost-relay")
    said = hosts[1].root.sh(remove, input=f"{password}\n").stdout
    assert said.split()[-1] == "1", said
    for host in hosts[:2]:
        host.root.sh(forget)
        host.root.sh("\n".join(GUIDE.inline("milepostctl status")), "milepost")
        eventually(lambda: host.sees("host1", "host2"), f"{host.name} goes on", 60)
        assert "host3" not in host.status()


def test_acl():
    """The manual has the guide's."""
    guide, manual = (re.search(r"user milepost on >[A-Z-]+ (~milepost.*?\+expire)$", text, re.S | re.M)[1].split()
                     for text in (GUIDE.text, (TOP / "man/milepost-relay.8").read_text()))
    assert guide == manual
