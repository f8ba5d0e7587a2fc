"""measure.py: measures systems side by side, in turns. bench/run builds what it needs and starts it; see --help."""
import argparse
import collections
import json
import os
import shlex
import statistics
import subprocess
import sys

from systems import SIDES, bed
from workloads import WORKLOADS, figures

UNITS = {"cost": "µs CPU", "idle": "KB", "load": "CPUs"}


def parse(argv):
    parser = argparse.ArgumentParser(prog="bench/run", description=__doc__)
    parser.add_argument("--workload", action="append", default=[], metavar="NAME",
                        help="only this, or those whose name begins so; again for more: " + ", ".join(WORKLOADS))
    parser.add_argument("--system", action="append", default=[], metavar="NAME",
                        help="only this; again for more: " + ", ".join(SIDES))
    parser.add_argument("--rounds", type=int, default=3, metavar="N", help="default 3; medians are told")
    parser.add_argument("--quick", action="store_true", help="a second a measurement, one round unless --rounds")
    parser.add_argument("--under", metavar="COMMAND", default="",
                        help="run each measurement under this command: taskset, a lock, ...")
    args = parser.parse_args(argv)
    if args.quick and "--rounds" not in " ".join(argv):
        args.rounds = 1
    return args


def chosen(names, known):
    """What begins with one of the names; all, where none is given."""
    for name in names:
        if not any(k.startswith(name) for k in known):
            sys.exit(f"bench: there is no \"{name}\"; there are: {', '.join(known)}")
    return [k for k in known if not names or any(k == name or k.startswith(f"{name}-") and name not in known
                                                 for name in names)]


def run_load(system, side, workload, args):
    """One measurement of the load client, as the figures of workloads.py."""
    action, *rest = workload.load_args(args.quick)
    command = [*shlex.split(args.under), str(bed.BUILD / "bench" / "load"), action,
               *map(str, system.load_args(side.by)), *rest]
    result = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=False)
    if result.returncode != 0:
        raise RuntimeError(f"{workload.name} of {side.name} failed")
    return figures(json.loads(result.stdout), side, workload)


def measure(name, workload, args):
    kind, side = SIDES[name]
    with kind(workload.sessions) as system:
        return run_load(system, side, workload, args)


def rounds(workload, names, args):
    """The figures of each system, by name: those of all rounds, which take turns."""
    found = collections.defaultdict(list)
    for turn in range(args.rounds):
        for name in names:
            print(f"{workload.name} {turn + 1}/{args.rounds} {name}", end="\r", file=sys.stderr)
            found[name].append(measure(name, workload, args))
            print(" " * 60, end="\r", file=sys.stderr)
    return found


def median(found):
    keys = dict.fromkeys(key for figures in found for key in figures)
    return {key: statistics.median(f[key] for f in found if key in f) for key in keys}


def show(workload, medians):
    print(f"{workload.name}: {workload.title}")
    for name, values in medians.items():
        print(f"  {name:16}", " ".join(f"{key}={value:.4g}" for key, value in values.items()))
    sys.stdout.flush()


def main():
    args = parse(sys.argv[1:])
    systems = chosen(args.system, SIDES)
    for name in {name for name in systems if (missing := SIDES[name][0].missing())}:
        systems.remove(name)
        print(f"left out: {name}; {SIDES[name][0].missing()} is not installed")
    bed.raise_limit()
    for key in chosen(args.workload, WORKLOADS):
        workload = WORKLOADS[key]
        names = [name for name in workload.sides if name in systems]
        if names:
            found = rounds(workload, names, args)
            show(workload, {name: median(values) for name, values in found.items()})


if __name__ == "__main__":
    main()
