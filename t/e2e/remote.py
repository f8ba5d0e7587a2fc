"""remote.py: a Bed for tests in another language: its methods, by HTTP and JSON."""
import contextlib
import http.server
import json
import signal
import threading

from bed import eventually
from proxy import Proxy


class Remote:
    """Serves POST /NAME with a JSON array of arguments, where NAME is a method below; answers with what
    it returns, as JSON, or with 500 and what went wrong."""

    def __init__(self, bed):
        self.bed, self.proxies, self.exits = bed, {}, contextlib.ExitStack()
        remote = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_POST(self):
                try:
                    args = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                    status, value = 200, getattr(remote, "do_" + self.path[1:])(*args)
                except Exception as error:  # the other side is told, and fails
                    status, value = 500, repr(error)
                body = json.dumps(value).encode()
                self.send_response(status)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}"

    def __enter__(self):
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *_):
        self.server.shutdown()
        self.server.server_close()
        self.exits.close()

    # --- what the other side may call ---

    def do_user(self, role):
        return self.bed.user(role)

    def do_token(self, user=None, claims=None):
        """Of the user, or of a new therapist; claims may hold what Bed.token takes by name."""
        return self.bed.token(user or self.bed.user("therapist"), **(claims or {}))

    def do_session(self, patient=None):
        return self.bed.session(patient)

    def do_report(self, session, status, progress=None, members=None):
        """The stored update."""
        reply = self.bed.report(session, status, progress, **(members or {}))
        assert reply.status == 200, reply.body
        return reply.json

    def do_batch(self, session, count):
        """So many updates, whose messages count from 0."""
        updates = [{"status": "transcribing", "progress": 20, "message": str(i)} for i in range(count)]
        for i in range(0, count, 5000):
            assert self.bed.batch(session, updates[i:i + 5000]).status == 200

    def do_delete(self, what):
        assert self.bed.http("DELETE", f"/milepost/v1/{what}", bearer=self.bed.admin_key).status == 204

    def do_stored(self, session):
        """Revisions and messages of all its updates, in order."""
        return self.bed.stored(session)

    def do_metric(self, name):
        return self.bed.metric(name)

    def do_restart(self, name):
        """Ends a program, as a planned stop does, and starts it again."""
        assert self.bed.end(name) == 0
        {"ws0": self.bed.start_ws, "api": self.bed.start_api, "nginx": self.bed.start_nginx}[name]()
        self.bed.ready()

    def do_configure(self, config):
        """Changes milepost-ws's configuration."""
        reloads = self.bed.logs().count("event=ws.reload")
        self.bed.write_config(**config)
        self.bed.procs["ws0"].send_signal(signal.SIGHUP)
        eventually(lambda: self.bed.logs().count("event=ws.reload") > reloads, "the new configuration")

    def do_proxy(self):
        """Starts a proxy; returns its port, which names it below."""
        proxy = self.exits.enter_context(Proxy(self.bed.port))
        self.proxies[proxy.port] = proxy
        return proxy.port

    def do_proxy_mode(self, port, mode):
        self.proxies[port].mode = mode

    def do_proxy_cut(self, port):
        self.proxies[port].cut()

    def do_proxy_upgrades(self, port):
        return self.proxies[port].upgrades
