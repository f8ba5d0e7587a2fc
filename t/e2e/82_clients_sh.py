"""The shell's clients: milepost-run around real commands, and the lines that the README says to type."""
import itertools
import os
import pathlib
import pty
import re
import shlex
import shutil
import signal
import subprocess
import sys
import tempfile

import pytest

from answers import answering
from bed import PATIENCE, TOP, eventually
from guides import Guide
from proxy import Proxy

CLIENT = TOP / "clients" / "sh"
SHELLS = [["dash"], ["bash", "--posix"]]


class Runner:
    """milepost-run with the environment of a worker."""

    def __init__(self, bed, shell, url=None):
        self.bed, self.shell = bed, shell
        self.session = bed.session()
        self.env = {**os.environ, "MILEPOST_URL": url or f"http://localhost:{bed.port}", "MILEPOST_KEY": bed.worker_key}

    def argv(self, *command, status="transcribing", **options):
        options = {"session": self.session, "status": status, "interval": "0.05", **options}
        flags = [text for name, value in options.items() for text in (f"--{name.replace('_', '-')}", str(value))]
        return [*self.shell, CLIENT / "milepost-run", *flags, "--", *command]

    def __call__(self, *command, stdin=b"", **options):
        return subprocess.run(self.argv(*command, **options), input=stdin, capture_output=True, env=self.env, timeout=60)

    def start(self, *command, start_new_session=False, **options):
        return subprocess.Popen(self.argv(*command, **options), env=self.env, stdin=subprocess.PIPE,
                                stdout=subprocess.PIPE, stderr=subprocess.PIPE, start_new_session=start_new_session)

    @property
    def progress(self):
        return self.bed.sql("SELECT e.status, e.progress FROM event e JOIN session s ON s.number = e.session "
                            "WHERE s.id = ? ORDER BY e.revision", self.session)

    @property
    def newest(self):
        return self.bed.http("GET", f"/api/sessions/{self.session}/progress", bearer=self.bed.admin_key).json


@pytest.fixture(params=SHELLS, ids=lambda shell: shell[0])
def run(bed, request):
    return Runner(bed, request.param)


def test_percentages(bed, run):
    """However they are written, on whichever stream: each is a share of the stage; the end follows."""
    command = run.start("sh", "-c", 'while read -r line; do printf %b "$line"; done', message="At it", done="transcribed")
    for line, progress in (("begin", 20), ("at 10% of it\\n", 24), ("\\r[##  ] 25.5 %\\r", 30), ("50%|### | 1/2", 40),
                           ("over 100%, 999%, x%, 1000% and 0.75%", 60)):
        command.stdin.write(line.encode() + b"\n")
        command.stdin.flush()
        if progress == 60:
            break  # none of these is a percentage of anything
        eventually(lambda: run.progress and run.progress[-1] == ("transcribing", progress), f"{progress}: {run.progress}")
    out, err = command.communicate(timeout=PATIENCE)
    assert (command.returncode, err) == (0, b"")
    assert out == b"beginat 10% of it\n\r[##  ] 25.5 %\r50%|### | 1/2over 100%, 999%, x%, 1000% and 0.75%"
    assert run.progress[-2:] == [("transcribing", 60), ("transcribed", 60)]
    assert {message for _, message in bed.stored(run.session)} == {"At it", "Transcription complete"}


def test_both_streams(run):
    command = run.start("sh", "-c", "echo 10% >&2; read -r line; echo 30%; read -r line")
    for progress in (24, 32):
        eventually(lambda: run.progress and run.progress[-1][1] == progress, f"{progress}")
        command.stdin.write(b"\n")
        command.stdin.flush()
    out, err = command.communicate(timeout=PATIENCE)
    assert (command.returncode, out, err) == (0, b"30%\n", b"10%\n")
    assert run.newest["progress"] == 60


def test_transparent(run):
    """What the command reads and writes is left as it is, and so is its exit status."""
    data = bytes(range(256)) * 4096 + b"no newline at the end"
    result = run("sh", "-c", "cat; echo to stderr >&2", stdin=data)
    assert (result.returncode, result.stdout, result.stderr) == (0, data, b"to stderr\n")
    run.session = run.bed.session()  # for in that one, a report that begins anew would be refused
    for status in (1, 3, 125, 255):
        result = run("sh", "-c", f"echo out; exit {status}")
        assert (result.returncode, result.stdout, result.stderr) == (status, b"out\n", b"")
    assert run("sh", "-c", "kill -9 $$").returncode == 128 + 9
    assert run("/nonexistent/command").returncode == 127
    result = run(sys.executable, "-c", "import sys; print(sys.argv[1:])", "a b", "", "*", "-x", "$HOME")
    assert result.stdout == b"['a b', '', '*', '-x', '$HOME']\n"


def test_failure(run):
    """It is reported with the command's name and exit status, at the progress that it reached."""
    assert run("sh", "-c", "echo 50%; sleep 0.3; exit 7").returncode == 7
    assert (run.newest["status"], run.newest["error"]) == ("failed", "sh: exit status 7")
    assert run.progress[-2:] == [("transcribing", 40), ("failed", 40)]
    assert run("false", error="The audio is empty").returncode == 1
    assert run.newest["error"] == "The audio is empty"


def test_failure_is_the_last(run):
    """A report that is on its way when the command fails never arrives behind the failure."""
    for i in range(10):
        assert run("sh", "-c", f"echo 50%; sleep 0.0{i}; echo 75%; exit 1", interval="0.01").returncode == 1
        assert run.newest["status"] == "failed", run.progress


@pytest.mark.parametrize("name", ["TERM", "HUP", "INT"])
def test_signals(run, name):
    """The command gets them, and milepost-run ends when it does."""
    command = run.start("sh", "-c", f"trap 'echo got {name}; exit 9' {name}; echo ready; while :; do sleep 0.01; done")
    assert command.stdout.readline() == b"ready\n"
    command.send_signal(getattr(signal, f"SIG{name}"))
    out, _ = command.communicate(timeout=PATIENCE)
    assert (command.returncode, out) == (9, f"got {name}\n".encode())
    assert run.newest["error"] == "sh: exit status 9"


def test_group(run):
    """A signal to all of its processes, as a supervisor sends it, ends the command and nothing before it; the
    command gets it by milepost-run, too."""
    program = "trap 'echo got it; sleep 0.2; echo cleaned up; exit 9' TERM; echo ready; while :; do sleep 0.01; done"
    command = run.start("sh", "-c", program, start_new_session=True)
    assert command.stdout.readline() == b"ready\n"
    os.killpg(command.pid, signal.SIGTERM)
    out, _ = command.communicate(timeout=PATIENCE)
    assert command.returncode == 9 and re.fullmatch(b"(got it\n){1,2}cleaned up\n", out), out
    assert run.newest["error"] == "sh: exit status 9"


def test_keyboard(run):
    """At a terminal the command reads from it, and gets an interrupt once."""
    program = "trap 'echo got it; got=it' INT; echo ready; while [ -z \"$got\" ]; do sleep 0.01; done; " \
              "read -r line; echo \"read $line\"; exit 5"
    argv = run.argv("sh", "-c", program)
    pid, terminal = pty.fork()
    if pid == 0:
        os.execvpe(argv[0], argv, run.env)
    shown = b""

    def shows(text):
        nonlocal shown
        while text not in shown:
            shown += os.read(terminal, 4096)

    shows(b"ready")
    os.write(terminal, b"\x03")
    shows(b"got it")
    os.write(terminal, b"a line\n")
    shows(b"read a line")
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 5 and shown.count(b"got it") == 1
    os.close(terminal)
    assert run.newest["error"] == "sh: exit status 5"


def test_left_output(run):
    """To whom the command leaves its output is waited for, and what it writes counts; a signal ends that."""
    program = "echo 10%; (while ! [ -e $0 ]; do sleep 0.01; done; echo 75%) & echo left"
    for sent in (None, signal.SIGTERM):
        with tempfile.TemporaryDirectory() as folder:
            go = pathlib.Path(folder) / "go"
            command = run.start("sh", "-c", program, go)
            assert [command.stdout.readline() for _ in range(2)] == [b"10%\n", b"left\n"]
            eventually(lambda: run.progress, "the first report")
            assert command.poll() is None
            if sent:
                # One that comes before the command's end is known is the command's.
                eventually(lambda: command.send_signal(sent) or command.poll() is not None, "it ends")
            go.touch()
            assert command.communicate(timeout=PATIENCE) == (b"75%\n", b"") and command.returncode == 0
        assert run.newest["progress"] == 60
        run.session = run.bed.session()


def test_milepost_away(bed, run):
    """The command does not notice; what went wrong is said once for the way, and for the end."""
    run.env["MILEPOST_URL"] = "http://localhost:1"
    result = run("sh", "-c", "for i in 1 2 3 4 5; do echo $i%; sleep 0.1; done; exit 4", patience=1)
    lines = result.stderr.decode().splitlines()
    assert (result.returncode, result.stdout) == (4, b"1%\n2%\n3%\n4%\n5%\n")
    assert len(lines) == 2 and all(re.fullmatch(
        f"milepost-run: session {run.session}: status=(transcribing|failed) is not reported: .*connect.*", line)
        for line in lines), lines
    assert run.progress == []


def test_end_is_tried_again(bed, run):
    """Milepost comes back after the command has ended."""
    with Proxy(bed.port) as proxy:
        proxy.mode = "away"
        run.env["MILEPOST_URL"] = f"http://localhost:{proxy.port}"
        command = run.start("true", done="transcribed")
        assert b"is not reported" in command.stderr.readline()
        proxy.mode = "pass"
        command.communicate(timeout=PATIENCE)
    assert command.returncode == 0 and run.newest["status"] == "transcribed"


def test_refused(bed, run):
    """The server's words are passed on."""
    for options, words in (({"session": "00000000-0000-4000-8000-000000000000"}, b"Session not found"),
                           ({"status": "dreaming", "from": 0, "to": 1}, b"status"),
                           ({"to": 99}, b"progress must be from 20 to 60 for status transcribing")):
        result = run("true", patience=0, **options)
        assert result.returncode == 0 and words in result.stderr, result.stderr
    run.env["MILEPOST_KEY"] = "mpw_wrong"
    assert b"Invalid authentication" in run("true", patience=0).stderr


def test_key_is_hidden(bed, run):
    """It is in no command's arguments while curl waits for an answer."""
    with Proxy(bed.port) as proxy:
        proxy.mode = "swallow"
        run.env["MILEPOST_URL"] = f"http://localhost:{proxy.port}"
        command = run.start("cat")

        def curls():
            """The arguments of curls that ask the proxy."""
            out = subprocess.run(["ps", "-e", "-o", "args"], text=True, capture_output=True, check=True).stdout
            return [line for line in out.splitlines() if line.startswith("curl ") and str(proxy.port) in line]

        assert bed.worker_key not in eventually(curls, "curl waits")[0]
        proxy.mode = "pass"
        proxy.cut()
        command.communicate(timeout=PATIENCE)


def test_key_is_hidden_by_every_shell(bed, run, tmp_path):
    """In some printf is a command."""
    (tmp_path / "printf").write_text(f'#!/bin/sh\necho "$@" >>{tmp_path}/told\nexec /usr/bin/printf "$@"\n')
    (tmp_path / "printf").chmod(0o755)
    run.env["PATH"] = f"{tmp_path}:{os.environ['PATH']}"
    run.shell = ["bash", "-c", 'enable -n printf; . "$0"']
    assert run("true").returncode == 0 and run.newest["progress"] == 60
    run.session = "00000000-0000-4000-8000-000000000000"
    assert b"Session not found" in run("true", patience=0).stderr
    assert bed.worker_key not in (tmp_path / "told").read_text()


def test_strangers(bed, run):
    """No proxy reads the key, no scheme is guessed, no password is told; and no answer commands the terminal."""
    evil = rb'{"status":403,"detail":"no\0033[2J' + b'\x1b]0;title\x07\xc2\x9b2J\\\\033[2J"}'
    with answering(itertools.repeat((403, {}, evil))) as (stranger, asked):
        run.env.update({name: stranger for name in ("http_proxy", "all_proxy", "ALL_PROXY")})
        assert run("true").stderr == b"" and run.newest["progress"] == 60 and not asked
        run.env["MILEPOST_URL"] = stranger
        told = run("true", patience=0).stderr
        assert asked and re.fullmatch(rb"[ -~\n]+", told) and b"is not reported: no" in told, told
        tries = len(asked)
        for url in (stranger.removeprefix("http://"), stranger.replace("//", "//me:secret@"), f"-K/{stranger}"):
            result = run("true", url=url)
            assert result.returncode == 125 and b"secret" not in result.stderr and len(asked) == tries


def test_killed(run, tmp_path):
    """Of one that is killed nothing stays but its command, and that ends as ever."""
    run.env["TMPDIR"] = str(tmp_path)
    command = run.start("cat", start_new_session=True)
    eventually(lambda: run.progress, "the first report")
    command.kill()
    command.wait(PATIENCE)
    command.stdin.close()
    pgrep = ["pgrep", "-s", str(command.pid)]
    eventually(lambda: subprocess.run(pgrep, capture_output=True).returncode == 1, "all are gone")
    assert not list(tmp_path.iterdir())


def test_key_file(bed, run, tmp_path):
    del run.env["MILEPOST_KEY"]
    (tmp_path / "key").write_text(bed.worker_key + "\n")
    assert run("true", key_file=tmp_path / "key").stderr == b""
    assert run.newest["progress"] == 60


@pytest.mark.parametrize("args,word", [
    ("", "no command"), ("--nonsense", "unknown option \"--nonsense\""), ("--status", "--status needs a value"),
    ("true", "no session"), ("--session x/y true", "--session \"x/y\""), ("--session 5 true", "no status"),
    ("--session 5 --status dreaming true", "status \"dreaming\""),
    ("--session 5 --status uploading --to 101 true", "--to \"101\""),
    ("--session 5 --status uploading --interval 0 true", "--interval \"0\""),
    ("--session 5 --status uploading --patience soon true", "--patience \"soon\""),
    ("--session 5 --status uploading --key-file /none true", "--key-file: /none"),
    ("--session 5 --status uploading true", "no key")])
def test_usage(run, args, word):
    """What is wrong is named, and the command is not run."""
    del run.env["MILEPOST_KEY"]
    result = subprocess.run([*run.shell, CLIENT / "milepost-run", *shlex.split(args)], env=run.env, text=True,
                            capture_output=True)
    assert result.returncode == 125 and word in result.stderr.splitlines()[-1], result.stderr


def test_help(run):
    result = subprocess.run([*run.shell, CLIENT / "milepost-run", "--help"], text=True, capture_output=True)
    manual = (TOP / "man" / "milepost-run.1").read_text().replace("\\-", "-")
    options = re.findall(r"--([a-z-]+)", result.stdout)
    assert result.returncode == 0 and len(options) > 10
    for option in options:
        assert f"Fl -{option}" in manual, option


def test_readme(bed, run, tmp_path):
    """Each of its lines does what it says."""
    (tmp_path / "transcribe").write_text("#!/bin/sh\necho 50%\n")
    (tmp_path / "transcribe").chmod(0o755)
    shutil.copy(CLIENT / "milepost-run", tmp_path)
    env = {**run.env, "PATH": f"{tmp_path}:{os.environ['PATH']}"}
    guide = Guide("clients/sh/README.md")
    make_key, ask_help = guide.inline()
    bed.ctl("key", "delete", "pipeline", check=False)  # which the test before this one made
    key = bed.ctl(*make_key.split()[1:]).stdout.strip()
    text = "".join(guide.indented()) + ask_help
    for old, new in (("https://example.org", run.env["MILEPOST_URL"]), ("550e8400-e29b-41d4-a716-446655440000", run.session),
                     ("mpw_...", key)):
        assert old in text
        text = text.replace(old, new)
    result = subprocess.run(["sh", "-e", "-c", text], env=env, cwd=tmp_path, capture_output=True, text=True)
    assert result.returncode == 0, result
    assert [status for status, _ in run.progress][-1] == "processed", run.progress
