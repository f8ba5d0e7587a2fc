"""results.py: what was measured, as tables: on the terminal, and in bench/RESULTS.md."""
import pathlib
import platform
import re
import subprocess
import statistics
import sys
import textwrap
import time

import plot
from systems import bed
from targets import TARGETS
from workloads import WORKLOADS

HERE = pathlib.Path(__file__).resolve().parent
PACKAGES = ["nginx", "libfcgi0ldbl", "libsqlite3-0", "libev4", "libjwt0", "libnginx-mod-nchan", "python3-fastapi",
            "python3-uvicorn", "python3-websockets", "python3-uvloop", "python3-httptools", "gcc"]

FLOORS = {"milepost": "floor", "floor": "floor", "milepost-tcp": "floor-tcp", "floor-tcp": "floor-tcp"}

# Columns: a figure, its heading, how it is written. Those that no system of a workload has are left out.
COLUMNS = [
    ("cost", "CPU µs", "{:.2f}"),
    ("ratio", "ratio", "{:.2f}"),
    ("deliveries_per_s", "deliveries/s", "{:,.0f}"),
    ("updates_per_s", "updates/s", "{:,.0f}"),
    ("connections_per_s", "connects/s", "{:,.0f}"),
    ("latency p50", "p50 ms", "{:.2f}"),
    ("latency p99", "p99 ms", "{:.2f}"),
    ("commit p50", "from commit p50 ms", "{:.2f}"),
    ("answer p50", "answered p50 ms", "{:.2f}"),
    ("answer p99", "answered p99 ms", "{:.2f}"),
    ("answer max", "answered max ms", "{:.1f}"),
    ("idle", "KB each", "{:.2f}"),
    ("memory grown", "memory grown KB", "{:,.0f}"),
    ("beside", "pruned in s", "{:.1f}"),
    ("refused", "refused", "{:,.0f}"),
    ("elsewhere", "CPUs elsewhere", "{:.2f}"),
]


def check_build():
    """Ends with a message where the programs were not built as users have them."""
    makefile = bed.BUILD / "Makefile"
    text = makefile.read_text() if makefile.exists() else ""
    if re.search(r"^(SANITIZE_)?CFLAGS = .*(-fsanitize|-O0)", text, re.M) or "-O2" not in text:
        sys.exit(f"bench: {bed.BUILD} is not built with -O2 and without sanitizers")
    for program in ("milepost-ws", "milepost-api", "bench/load"):
        if not (bed.BUILD / program).exists():
            sys.exit(f"bench: there is no {bed.BUILD / program}; make bench-programs")


def floor_of(name, workload):
    """What a system is compared to: the floor by the same way; where there is none, the first system."""
    return FLOORS.get(name) or ("floor-nginx" if "floor-nginx" in workload.sides else workload.sides[0])


def rows(head, lines):
    """A table in Markdown, its columns aligned for a terminal too."""
    cells = [head, *lines]
    widths = [max(len(row[i]) for row in cells) for i in range(len(head))]

    def line(row):
        return "| " + " | ".join(cell.ljust(width) if i == 0 else cell.rjust(width)
                                 for i, (cell, width) in enumerate(zip(row, widths))) + " |"

    rule = ["-" * (width + 2) if i == 0 else "-" * (width + 1) + ":" for i, width in enumerate(widths)]
    return "\n".join([line(head), f"|{'|'.join(rule)}|", *map(line, lines)]) + "\n"


def parts(values):
    """The cost by program."""
    found = {key[len("cost of "):]: value for key, value in values.items() if key.startswith("cost of ")}
    return " + ".join(f"{name} {value:.2f}" for name, value in sorted(found.items(), key=lambda item: -item[1]))


def table(workload, medians):
    for name, values in medians.items():
        if floor := medians.get(floor_of(name, workload)):
            values["ratio"] = values["cost"] / floor["cost"]
    columns = [column for column in COLUMNS if any(column[0] in values for values in medians.values())]
    lines = [[name, *(form.format(values[key]) if key in values else "" for key, _, form in columns), parts(values)]
             for name, values in medians.items()]
    per = workload.unit[:-3] + "y" if workload.unit == "deliveries" else workload.unit[:-1]
    head = ["", *(f"{title}/{per}" if key == "cost" else title for key, title, _ in columns), "by program"]
    return f"**{workload.name}**: {workload.title}.\n\n{rows(head, lines)}"


def targets(medians):
    lines = []
    for target in TARGETS:
        value = target.measured(medians)
        unit = f" {target.unit}" if target.unit else ""
        if value is None:
            continue
        lines.append([f"{target.number}. {target.what}",
                      f"{'≥' if target.at_least else '≤'} {target.limit:,g}{unit}",
                      f"{value:,.0f}" if value >= 100 else f"{value:.2f}",
                      "reached" if target.is_reached(value) else "**not reached**"])
    return rows(["", "must be", "measured", ""], lines) if lines else ""


def output(*command):
    return subprocess.run(command, capture_output=True, text=True, check=False).stdout.strip()


def versions():
    lines = [output(str(bed.BUILD / "milepost-ws"), "--version")]
    for package in PACKAGES:
        version = output("dpkg-query", "-W", "-f", "${Version}", package)
        if version:
            lines.append(f"{package} {version}")
    return ", ".join(lines)


def machine():
    cpu = re.search(r"model name\s*: (.*)", pathlib.Path("/proc/cpuinfo").read_text())
    count = pathlib.Path("/proc/cpuinfo").read_text().count("processor\t")
    return f"{count} × {cpu[1] if cpu else platform.machine()}, Linux {platform.release()}"


def elsewhere(medians):
    return statistics.fmean(values["elsewhere"] for systems in medians.values() for values in systems.values()
                            if "beside" not in values)


HEAD = """# Results of the bench

Written by `{command}` on {date}: medians of rounds in which the systems take turns, each started
anew for each measurement. Absolute figures are this machine's and move from run to run; what counts is the ratio to
the floor in the same run. How to read the tables stands in [README.md](README.md). While it was measured, something
else used {elsewhere:.2f} CPUs on the average: the nearer to none, the better the figures.

{surroundings}

Left out: uWebSockets, which no package of Debian 12 has{left_out}; a soak's memory, which `./test --long` measures.

![the costs, as bars](results.svg)

## Where it must stand

{targets}
## What was measured

"""


def write(medians, left_out, command):
    """bench/RESULTS.md and bench/results.svg."""
    text = HEAD.format(command=command, date=time.strftime("%Y-%m-%d", time.gmtime()),
                       elsewhere=elsewhere(medians), targets=targets(medians),
                       surroundings=textwrap.fill(f"Machine: {machine()}. Versions: {versions()}.", 116),
                       left_out="".join(f"; {said}" for said in left_out))
    text += "\n".join(table(WORKLOADS[name], values) for name, values in medians.items())
    (HERE / "RESULTS.md").write_text(text)
    (HERE / "results.svg").write_text(plot.draw(medians))
    print(f"written: {HERE / 'RESULTS.md'}")
