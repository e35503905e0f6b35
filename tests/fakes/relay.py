"""HTTP on a TCP port for processes whose health answers on Unix sockets: /<process>/metrics, for a scraper."""

from __future__ import annotations

import http.client
import socket
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


class OverUnix(http.client.HTTPConnection):
    """HTTP over a Unix socket."""

    def __init__(self, path: str) -> None:
        super().__init__("localhost", timeout=5)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(5)
        self.sock.connect(self._path)


@contextmanager
def relay(sockets: Mapping[str, str]) -> Iterator[str]:
    """Serve every socket under its name; yields host:port. A process that does not answer is a 502."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            _, name, path = self.path.split("/", 2)
            connection = OverUnix(sockets[name])
            try:
                connection.request("GET", f"/{path}")
                answer = connection.getresponse()
                status, body, kind = answer.status, answer.read(), answer.headers["Content-Type"]
            except OSError:
                status, body, kind = 502, b"", "text/plain"
            finally:
                connection.close()
            try:
                self.send_response(status)
                self.send_header("Content-Type", kind)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)
            except (BrokenPipeError, ConnectionResetError):
                return  # the scraper's time was over

        def log_message(self, *_: Any) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()
    server.server_close()
