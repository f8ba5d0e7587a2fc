"""crowd.py: Milepost by several processes on one machine."""
from systems import Milepost, Watched


class Crowd(Milepost):
    ws, workers = 1, 1

    def __init__(self, sessions):
        super().__init__(sessions, ws=self.ws)

    def write_files(self):
        super().write_files()
        self.change_nginx("worker_processes auto;", f"worker_processes {self.workers};")

    def start_servers(self):
        super().start_servers()
        for i in range(1, self.ws):
            self.start_ws(i)


def crowd(ws, workers):
    """The kind of System with so many milepost-ws and nginx workers."""
    side = Watched(f"ws{ws}-nginx{workers}", "nginx", ["nginx", "api", *(f"ws{i}" for i in range(ws))])
    return type(f"Crowd{ws}{workers}", (Crowd,), {"ws": ws, "workers": workers, "SIDES": [side]})


CROWDS = [crowd(ws, workers) for workers in (1, 2, 4) for ws in (1, 2)]
