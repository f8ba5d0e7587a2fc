"""workloads.py: the workloads of the bench, and the figures that are taken from one run of the load client."""
import dataclasses


@dataclasses.dataclass
class Workload:
    name: str
    title: str
    args: list         # of the load client
    sessions: int
    unit: str          # what the cost is told for: a key of the load client's result
    sides: list        # in which order they are measured
    seconds: float = 3

    def load_args(self, quick):
        args = [str(arg) for arg in self.args]
        if args[0] != "connect":
            seconds = min(self.seconds, 1) if quick else self.seconds
            args += ["--seconds", str(seconds)]
        return args


ALL = ["floor", "milepost", "floor-nginx", "milepost-nginx", "nchan", "replaced"]

WORKLOADS = {w.name: w for w in [
    Workload("fan-out-1000", "one session, 1,000 watchers", ["deliver", "--watchers", 1000], 1, "deliveries", ALL),
    Workload("fan-out-5000", "one session, 5,000 watchers", ["deliver", "--watchers", 5000], 1, "deliveries", ALL),
    Workload("wide", "8,000 sessions with a watcher each, 16 posters",
             ["deliver", "--watchers", 8000, "--posters", 16, "--window", 32], 8000, "updates", ALL),
    Workload("steady", "100 updates a second to 100 watchers",
             ["deliver", "--watchers", 100, "--posters", 64, "--rate", 100], 1, "deliveries", ALL, seconds=6),
    Workload("connect", "8,000 connections, 256 handshakes under way", ["connect", "--watchers", 8000], 8000,
             "connections", ALL),
    Workload("post", "16 posters, one update a POST", ["post", "--posters", 16], 1000, "updates",
             ["null-fcgi", "milepost-nginx"]),
    Workload("batch", "16 posters, 250 updates a POST", ["post", "--posters", 16, "--lines", 250,
             "--post-path", "/milepost/v1/progress"], 4000, "updates", ["milepost-nginx"]),
]}


def figures(result, side, workload):
    """One measurement's figures, by name: costs in microseconds of CPU time, times in milliseconds, memory in KB."""
    out = {"cost": sum(result["cpu_us"].get(tree, 0) for tree in side.counted) / result[workload.unit]}
    for tree, us in result["cpu_us"].items():
        out[f"cost of {tree}"] = us / result[workload.unit]
    for key in ("updates_per_s", "deliveries_per_s", "connections_per_s", "late"):
        if key in result:
            out[key] = result[key]
    for key in ("latency_us", "answer_us"):
        if result.get(key, {}).get("count"):
            for percentile in ("p50", "p99"):
                out[f"{key[:-3]} {percentile}"] = result[key][percentile] / 1000
    if "pss_kb" in result:
        trees = [tree for tree in side.memory if tree in result["pss_kb"]]
        grown = sum(result["pss_kb"][tree] - result["pss_before_kb"][tree] for tree in trees)
        out["idle"] = grown / result["connections"]
    out["load"] = result["load_cpu_us"] / 1e6 / result["seconds"]
    return out
