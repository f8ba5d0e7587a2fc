"""answers.py: a server of HTTP that says what it is told to."""
import contextlib
import http.server
import threading


@contextlib.contextmanager
def answering(answers):
    """A server of HTTP that gives these answers, (status, headers, body), one after another. Yields its URL, and the
    paths that were asked for."""
    asked, answers = [], iter(answers)

    class Handler(http.server.BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self):
            asked.append(self.path)
            status, headers, body = next(answers)
            self.send_response(status)
            for name, value in {**headers, "Content-Length": len(body), "Connection": "close"}.items():
                self.send_header(name, str(value))
            self.end_headers()
            self.wfile.write(body)

        do_GET = do_PUT = do_POST

        def log_message(self, *_):
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}", asked
        server.shutdown()
