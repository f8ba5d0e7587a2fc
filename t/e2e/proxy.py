"""proxy.py: a TCP proxy before nginx that does to connections what networks do to them."""
import contextlib
import socket
import threading
import time

CHUNK = 65536


def shut(*sockets):
    for sock in sockets:
        with contextlib.suppress(OSError):
            sock.shutdown(socket.SHUT_RDWR)


class Proxy:
    """Listens on a port of the kernel's choice until it is closed.

    Its mode may change at any time: "pass"; "swallow": what comes, from either side, goes nowhere, and
    nothing is closed; "block": a request to upgrade is not answered, its connection is closed; "deaf":
    the same without the closing; "away": every connection is closed at once. Without answers, what
    nginx says goes nowhere.
    """

    def __init__(self, port):
        self.target, self.mode, self.sockets = port, "pass", []
        self.lock = threading.Lock()  # a connection that comes is cut by this cut or the next, never by none
        self.answers = True
        self.upgrades = 0  # requests for a WebSocket that came
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        threading.Thread(target=self.accept, daemon=True).start()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        shut(self.listener)
        self.listener.close()
        self.cut()

    def cut(self):
        """Ends what is open, without a word of WebSocket's."""
        with self.lock:
            sockets, self.sockets = self.sockets, []
        shut(*sockets)

    def accept(self):
        with contextlib.suppress(OSError):  # the listener's end
            while True:
                client, _ = self.listener.accept()
                try:
                    self.connect(client)
                except OSError:
                    client.close()

    def connect(self, client):
        """OSError: nginx is away, or is to seem so."""
        if self.mode == "away":
            raise ConnectionError
        server = socket.create_connection(("127.0.0.1", self.target))
        with self.lock:
            self.sockets += [client, server]
        for args in ((client, server, False), (server, client, True)):
            threading.Thread(target=self.pump, args=args, daemon=True).start()

    def passes(self, data):
        """Whether the data may go on; ConnectionError: its connection may not."""
        is_upgrade = b"upgrade: websocket" in data.lower()
        self.upgrades += is_upgrade
        if is_upgrade and self.mode == "block":
            raise ConnectionError
        return self.mode != "swallow" and not (is_upgrade and self.mode == "deaf")

    def pump(self, source, sink, is_answer):
        with contextlib.suppress(OSError):
            while data := source.recv(CHUNK):
                if self.passes(data) and (self.answers or not is_answer):
                    sink.sendall(data)
        while self.mode == "swallow" and source in self.sockets:
            time.sleep(0.01)  # an end is swallowed too
        shut(source, sink)
