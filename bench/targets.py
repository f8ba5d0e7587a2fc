"""targets.py: where Milepost must stand: ratios within one run, and a few absolute figures."""
import dataclasses
import typing


@dataclasses.dataclass
class Target:
    number: str
    what: str
    limit: float
    at_least: bool
    value: typing.Callable  # of the medians; a KeyError: not measured
    unit: str = ""

    def measured(self, medians):
        """The value, or None where it was not measured."""
        try:
            return self.value(medians)
        except KeyError:
            return None

    def is_reached(self, value):
        return value >= self.limit if self.at_least else value <= self.limit


def ratio(workload, figure, side, to):
    return lambda medians: medians[workload][side][figure] / medians[workload][to][figure]


def figure(workload, side, name):
    return lambda medians: medians[workload][side][name]


def at_most(number, what, limit, value, unit=""):
    return Target(number, what, limit, False, value, unit)


def at_least(number, what, limit, value, unit=""):
    return Target(number, what, limit, True, value, unit)


OURS, FLOOR = "milepost-nginx", "floor-nginx"

TARGETS = [
    *(at_most("1", f"milepost-ws without nginx, by {way}: CPU a delivery to {n:,} watchers, of the floor's", 1.10,
              ratio(f"fan-out-{n}", "cost", f"milepost{end}", f"floor{end}"))
      for way, end in (("unix socket", ""), ("TCP", "-tcp")) for n in (1000, 5000)),
    *(at_most("1", f"milepost-ws without nginx: memory of an idle connection, {whose}", 0.5,
              figure(workload, "milepost", "idle"), "KB")
      for whose, workload in (("all of one session", "shared"), ("each of its own session", "connect"))),
    *(at_most("2", f"through nginx: CPU a delivery to {n:,} watchers, of the floor's behind nginx", 1.05,
              ratio(f"fan-out-{n}", "cost", OURS, FLOOR)) for n in (1000, 5000)),
    at_most("2", "through nginx: memory of an idle connection, all processes", 8,
            figure("connect", OURS, "idle"), "KB"),
    at_most("2", "through nginx: CPU a connect, of the floor's behind nginx", 1.5,
            ratio("connect", "cost", OURS, FLOOR)),
    *(at_most("3", f"CPU a durable, authorised POST, of an empty libfcgi program's, {pace}", 1.6,
              ratio(workload, "cost", OURS, "null-fcgi"))
      for pace, workload in (("each as fast as it can", "post"), ("both at 4,000 a second", "paced"))),
    at_least("3", "durable POSTs a second, 16 posters", 5000, figure("post", OURS, "updates_per_s")),
    at_least("3", "durable updates a second, in batches", 25000, figure("batch", OURS, "updates_per_s")),
    at_most("4", "steady: p99, of the floor's behind nginx", 1.5, ratio("steady", "latency p99", OURS, FLOOR)),
    at_most("4", "steady: median from the commit to a watcher's having the frame, at its socket", 1,
            figure("steady", "milepost", "commit p50"), "ms"),
    *(at_least("5", f"FastAPI behind nginx: its CPU a delivery to {n:,} watchers, of ours", 3,
               ratio(f"fan-out-{n}", "cost", "replaced", OURS)) for n in (1000, 5000)),
    at_least("5", "FastAPI behind nginx: its CPU an update in wide, of ours", 1.5,
             ratio("wide", "cost", "replaced", OURS)),
    at_most("5", "memory of an idle connection, of FastAPI's", 0.25, ratio("connect", "idle", OURS, "replaced")),
    at_most("5", "CPU a connect, of FastAPI's", 0.1, ratio("connect", "cost", OURS, "replaced")),
    at_most("6", "CPU an update with 1,000,000 kept and 100,000 sessions, of that with 1,000", 1.5,
            ratio("kept", "cost", "kept-1m", "kept-1k")),
    at_most("6", "longest answer to an update while half a million are pruned", 50,
            figure("prune", "pruned", "answer max"), "ms"),
    at_most("6", "updates refused while half a million are pruned", 0, figure("prune", "pruned", "refused")),
]
