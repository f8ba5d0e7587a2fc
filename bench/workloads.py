"""workloads.py: the workloads of the bench, and the figures that are taken from one run of the load client."""
import dataclasses


@dataclasses.dataclass
class Workload:
    name: str
    title: str
    args: list        # of the load client
    sessions: int
    unit: str         # what the cost is told for: a key of the load client's result
    sides: list       # in which order they are measured
    seconds: float = 3
    apart: tuple = ()    # processes whose cost is told, but not counted
    alone: bool = False  # one update is under way at a time, so that the bell tells its commit

    def load_args(self, quick):
        args = [str(arg) for arg in self.args]
        if args[0] != "connect":
            args += ["--seconds", str(min(self.seconds, 1) if quick else self.seconds)]
        return args


ALL = ["floor", "milepost", "floor-tcp", "milepost-tcp", "floor-nginx", "milepost-nginx", "nchan", "replaced"]
WIDE = ["deliver", "--watchers", 8000, "--posters", 16, "--window", 32]

WORKLOADS = {w.name: w for w in [
    Workload("fan-out-1000", "One session, 1,000 watchers, the next update when all have the last",
             ["deliver", "--watchers", 1000], 1, "deliveries", ALL, alone=True),
    Workload("fan-out-5000", "One session, 5,000 watchers, the next update when all have the last",
             ["deliver", "--watchers", 5000], 1, "deliveries", ALL, alone=True),
    Workload("wide", "8,000 sessions with a watcher each, 16 posters, at most 32 updates undelivered",
             WIDE, 8000, "updates", ALL),
    Workload("steady", "100 updates a second to 100 watchers, from before the POST to the parsed frame",
             ["deliver", "--watchers", 100, "--posters", 64, "--rate", 100], 1, "deliveries", ALL, seconds=6,
             alone=True),
    Workload("connect", "8,000 connections, each to a session of its own, 256 handshakes under way",
             ["connect", "--watchers", 8000], 8000, "connections", ALL),
    Workload("shared", "8,000 connections to one session", ["connect", "--watchers", 8000], 1, "connections",
             ["floor", "milepost"]),
    Workload("post", "16 posters, an update a POST, durable and authorised; nobody watches",
             ["post", "--posters", 16], 1000, "updates", ["null-fcgi", "milepost-nginx"], apart=("ws0",)),
    Workload("paced", "The same at 4,000 updates a second, which both can do", ["post", "--posters", 16, "--rate",
             4000], 1000, "updates", ["null-fcgi", "milepost-nginx"], apart=("ws0",)),
    Workload("batch", "16 posters, 250 updates a POST", ["post", "--posters", 16, "--lines", 250, "--post-path",
             "/milepost/v1/progress"], 4000, "updates", ["milepost-nginx"], apart=("ws0",)),
    Workload("kept", "16 posters, an update a POST, to a database that holds much",
             ["post", "--posters", 16], 0, "updates", ["kept-1k", "kept-1m"]),
    Workload("prune", "500 updates a second, each to one watcher, while half of 1,000,000 are pruned",
             ["deliver", "--watchers", 5000, "--posters", 64, "--rate", 500], 0, "updates", ["pruned"]),
    Workload("processes", "wide, as above, by several milepost-ws and nginx workers", WIDE, 8000, "updates",
             ["ws1-nginx1", "ws2-nginx1", "ws1-nginx2", "ws2-nginx2"]),
    # An nginx worker needs two descriptors a watcher: four workers, as a process may have few.
    Workload("crowd", "15,000 watchers, 2,000 updates a second to 5,000 of them",
             ["deliver", "--watchers", 15000, "--posted", 5000, "--rate", 2000, "--posters", 64], 15000, "updates",
             ["ws1-nginx4", "ws2-nginx4"], seconds=5),
]}


def figures(result, side, workload):
    """One measurement's figures, by name: costs in microseconds of CPU time, times in milliseconds, memory in KB."""
    count = result[workload.unit]
    out = {"cost": sum(us for tree, us in result["cpu_us"].items()
                       if tree in side.counted and tree not in workload.apart) / count}
    for tree, us in result["cpu_us"].items():
        if tree in side.counted or us >= count / 100:
            out[f"cost of {tree}"] = us / count
    for key in ("updates_per_s", "deliveries_per_s", "connections_per_s", "late"):
        if key in result:
            out[key] = result[key]
    for key in ("latency_us", "answer_us", *(("commit_us",) if workload.alone else ())):
        if result.get(key, {}).get("count"):
            for percentile in ("p50", "p99", "max"):
                out[f"{key[:-3]} {percentile}"] = result[key][percentile] / 1000
    if "beside_s" in result:
        out["beside"], out["refused"] = result["beside_s"], result["refused"]
    if "pss_kb" in result:
        out["memory"] = sum(result["pss_kb"][tree] for tree in side.counted)
        grown = out["memory"] - sum(result["pss_before_kb"][tree] for tree in side.counted)
        if workload.unit == "connections":
            out["idle"] = grown / count
        else:
            out["memory grown"] = grown
    out["load"], out["elsewhere"] = result["load_cpus"], result["elsewhere_cpus"]
    return out
