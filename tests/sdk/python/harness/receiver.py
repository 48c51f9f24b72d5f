"""A web server that webhooks are sent to."""

import socket
import threading
from collections import deque
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


@dataclass(frozen=True)
class Delivery:
    """One request, as it came."""

    path: str
    content_type: str | None
    signature: str | None
    body: bytes
    status: int
    """How it was answered."""


HANGS = 0
"""Not an answer: it keeps the connection and says nothing, until it is told to hang up."""


class Receiver:
    """Answers 200, or what `answers` says next."""

    def __init__(self, port: int = 0) -> None:
        self.deliveries: list[Delivery] = []
        self.answers: deque[int] = deque()
        self._hung_up = threading.Event()
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers.get("content-length", 0)))
                status = receiver._keep(self.path, self.headers, body)
                if status == HANGS:
                    receiver._hung_up.wait()
                    self.connection.shutdown(socket.SHUT_RDWR)
                    return
                self.send_response(status)
                self.send_header("content-length", "0")
                self.end_headers()

            def log_message(self, *_: object) -> None:
                pass

        self._http = ThreadingHTTPServer(("127.0.0.1", port), Handler)
        self._lock = threading.Lock()
        threading.Thread(target=self._http.serve_forever, daemon=True).start()

    @property
    def port(self) -> int:
        return self._http.server_port

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/hook"

    @property
    def accepted(self) -> list[bytes]:
        """The bodies that were answered with 200, in order."""
        return [delivery.body for delivery in list(self.deliveries) if delivery.status == 200]

    def hang_up(self) -> None:
        """Cuts the connections that hang, and those that will."""
        self._hung_up.set()

    def stop(self) -> None:
        self.hang_up()
        self._http.shutdown()
        self._http.server_close()

    def _keep(self, path: str, headers: object, body: bytes) -> int:
        with self._lock:
            status = self.answers.popleft() if self.answers else 200
            kind, signature = headers.get("content-type"), headers.get("x-fishjam-signature-256")  # type: ignore[attr-defined]
            self.deliveries.append(Delivery(path, kind, signature, body, status))
            return status
