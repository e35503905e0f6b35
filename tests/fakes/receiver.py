"""A real HTTP server that receives alerts: what it got, in order, and what it answers."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


@dataclass
class Receiver:
    """`answer` is the status of every request; while `free` is not set, a request gets none."""

    answer: int = 200
    url: str = ""
    got: list[tuple[str, dict[str, str], Any]] = field(default_factory=list)  # path, headers, body
    accepted: list[Any] = field(default_factory=list)
    free: threading.Event = field(default_factory=threading.Event)

    def events(self) -> list[str]:
        return [body["event"] for body in self.accepted]


@contextmanager
def receiver() -> Iterator[Receiver]:
    """A receiver on a free port of loopback."""
    made = Receiver()
    made.free.set()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            made.got.append((self.path, dict(self.headers), body))
            made.free.wait(30)
            status = made.answer
            if 200 <= status < 300:
                made.accepted.append(body)
            try:
                self.send_response(status)
                if status in {301, 302, 307, 308}:
                    self.send_header("Location", made.url)
                self.send_header("Content-Length", "0")
                self.end_headers()
            except (BrokenPipeError, ConnectionResetError):
                return  # the sender did not wait

        def log_message(self, *_: Any) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    made.url = f"http://127.0.0.1:{server.server_port}/services/very-secret-path"
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield made
    made.free.set()
    server.shutdown()
    thread.join()
    server.server_close()
