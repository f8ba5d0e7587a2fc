"""measure.py: measures systems side by side, in turns. bench/run builds what it needs and starts it; see --help."""
import argparse
import collections
import contextlib
import json
import os
import resource
import shlex
import statistics
import subprocess
import sys

import results
from crowd import CROWDS
from kept import Kept, KeptMany, Pruned
from systems import Floor, FloorTcp, Milepost, MilepostTcp, Nchan, Null, Replaced, bed
from workloads import WORKLOADS, figures

SYSTEMS = [Floor, FloorTcp, Milepost, MilepostTcp, Null, Nchan, Replaced, Kept, KeptMany, Pruned, *CROWDS]
SIDES = {side.name: (system, side) for system in SYSTEMS for side in system.SIDES}

ELSEWHERE_MAX = 0.15  # CPUs that something else may use while we measure, or we try anew
FILES = 1 << 17

EPILOG = f"""
workloads: {', '.join(WORKLOADS)}
systems: {', '.join(SIDES)}

Without --workload, --system and --quick the results go to bench/RESULTS.md and bench/results.svg, else to the
terminal alone. Where a machine is shared, MILEPOST_BENCH_UNDER may be a command that runs another when the machine is
free, such as "flock FILE": each round waits for it.
"""


class LoadError(Exception):
    """A measurement came to nothing; the load client said why."""


def parse(argv):
    parser = argparse.ArgumentParser(prog="bench/run", description=__doc__, epilog=EPILOG,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--workload", action="append", default=[], metavar="NAME",
                        help="only this, or all of fan-out; again for more")
    parser.add_argument("--system", action="append", default=[], metavar="NAME", help="only this; again for more")
    parser.add_argument("--rounds", type=int, metavar="N", help="medians of so many (default 3)")
    parser.add_argument("--quick", action="store_true", help="one round, a second a measurement")
    parser.add_argument("--tries", type=int, default=3, metavar="N",
                        help="measure up to so many times where something else keeps the machine busy (default 3)")
    parser.add_argument("--json", metavar="FILE", help="write every measurement's figures there, too")
    args = parser.parse_args(argv)
    args.rounds = args.rounds or (1 if args.quick else 3)
    return args


def chosen(names, known):
    """Those named, or whose name goes on behind a hyphen where none is named so; all, where none is given."""
    for name in names:
        if name not in known and not any(k.startswith(f"{name}-") for k in known):
            sys.exit(f"bench: there is no \"{name}\"; there are: {', '.join(known)}")
    return [k for k in known
            if not names or k in names or any(n not in known and k.startswith(f"{n}-") for n in names)]


def run_load(system, side, workload, quick):
    """One measurement of the load client, as the figures of workloads.py."""
    action, *rest = workload.load_args(quick)
    command = [bed.BUILD / "bench" / "load", action, *system.load_args(side.by), *rest]
    result = subprocess.run(list(map(str, command)), stdout=subprocess.PIPE, text=True, check=False)
    if result.returncode != 0:
        raise LoadError(f"{side.name} failed at {workload.name}")
    return figures(json.loads(result.stdout), side, workload) | system.figures()


def is_disturbed(figures):
    """Did something else use the machine? (What is run beside on purpose does.)"""
    return figures["elsewhere"] > ELSEWHERE_MAX and "beside" not in figures


def measure(name, workload, args):
    """The figures of one measurement; the least disturbed of some, where something else kept the machine busy."""
    kind, side = SIDES[name]
    tries = []
    while not tries or is_disturbed(tries[-1]) and len(tries) < args.tries:
        with kind(workload.sessions) as system:
            tries.append(run_load(system, side, workload, args.quick))
    return min(tries, key=lambda figures: figures["elsewhere"])


def say(text=""):
    """What is being done, where a person looks."""
    if sys.stderr.isatty():
        print(f"\r\033[K{text}", end="", file=sys.stderr, flush=True)


@contextlib.contextmanager
def held():
    """While the command of $MILEPOST_BENCH_UNDER lets another run, if there is one."""
    under = shlex.split(os.environ.get("MILEPOST_BENCH_UNDER", ""))
    if not under:
        yield
        return
    # Holds on until our end of the pipe is closed, however we end.
    reader, writer = os.pipe()
    holder = subprocess.Popen([*under, "sh", "-c", f"echo; cat <&{reader}"], pass_fds=[reader], stdout=subprocess.PIPE)
    os.close(reader)
    try:
        if not holder.stdout.read(1):
            sys.exit(f"bench: {shlex.join(under)} does not run what it is given")
        yield
    finally:
        os.close(writer)
        holder.wait()


def take_turns(workload, names, args):
    """The figures of each system, by name, of every round; and of those that failed, what is to be said."""
    found, failed = collections.defaultdict(list), {}
    for turn in range(args.rounds):
        say(f"{workload.name}, round {turn + 1} of {args.rounds}")
        with held():
            for name in names:
                say(f"{workload.name}, round {turn + 1} of {args.rounds}: {name}")
                try:
                    found[name].append(measure(name, workload, args))
                except LoadError as error:
                    print(f"bench: {error}", file=sys.stderr)
                    failed[name] = str(error)
        names = [name for name in names if name not in failed]
    say()
    return found, list(failed.values())


def median(found):
    keys = dict.fromkeys(key for figures in found for key in figures)
    return {key: statistics.median(f[key] for f in found if key in f) for key in keys}


def leave_out(systems):
    """Takes away what is not installed; returns what is to be said of it."""
    said = []
    for name, (kind, _) in SIDES.items():
        if name in systems and (package := kind.missing()):
            systems.remove(name)
            said.append(f"{name}, as {package} is not installed")
    return said


def allow_files():
    """For the most watchers, and nginx's two a watcher; more than the hard limit only for root."""
    with contextlib.suppress(ValueError, PermissionError):
        resource.setrlimit(resource.RLIMIT_NOFILE, (FILES, FILES))
    bed.raise_limit()


def main():
    args = parse(sys.argv[1:])
    systems, workloads = chosen(args.system, SIDES), chosen(args.workload, WORKLOADS)
    left_out = leave_out(systems)
    results.check_build()
    allow_files()
    found, medians = {}, {}
    for workload in map(WORKLOADS.get, workloads):
        if names := [name for name in workload.sides if name in systems]:
            found[workload.name], failures = take_turns(workload, names, args)
            left_out += failures
            medians[workload.name] = {name: median(values) for name, values in found[workload.name].items() if values}
            if medians[workload.name]:
                print(results.table(workload, medians[workload.name]))
    print(results.targets(medians))
    if args.json:
        with open(args.json, "w") as file:
            json.dump(found, file, indent=1)
    if not (args.workload or args.system or args.quick):
        results.write(medians, left_out, shlex.join(["bench/run", *sys.argv[1:]]))


if __name__ == "__main__":
    main()
