"""The real server: the all-in-one binary on free loopback ports."""

import os
import re
import signal
import subprocess
import time
from pathlib import Path
from urllib.request import Request, urlopen

from harness.patience import PATIENCE_S

_ROOT = Path(__file__).parents[4]
_BINARY = os.environ.get("VELELLA_BIN") or str(_ROOT / "target/debug/velella")
_LOGS = Path(__file__).parents[1] / "artifacts"
_LISTENING = re.compile(r"listening on (http://\S+)")

MANAGEMENT_TOKEN = "development"
WEBHOOK_SECRET = "a secret that only the webhooks' receiver knows"


class Server:
    """A running server; `origin` is `http://127.0.0.1:port`."""

    def __init__(self, origin: str, process: subprocess.Popen[str], log: Path) -> None:
        self.origin = origin
        self.log = log
        self._process = process

    @classmethod
    def start(cls, name: str) -> "Server":
        _LOGS.mkdir(exist_ok=True)
        log = _LOGS / f"server-{name}.log"
        settings = {
            "VELELLA_MANAGEMENT_TOKEN": MANAGEMENT_TOKEN,
            "VELELLA_WEBHOOK_SECRET": WEBHOOK_SECRET,
            "RUST_BACKTRACE": "1",
            "NO_COLOR": "1",
        }
        with log.open("w") as lines:
            process = subprocess.Popen(
                [_BINARY, "--listen", "127.0.0.1:0", "--workers", "2", "--udp", "127.0.0.1:0"],
                stdin=subprocess.DEVNULL,
                stdout=lines,
                stderr=subprocess.STDOUT,
                env=os.environ | settings,
                text=True,
            )
        try:
            server = cls(_origin(process, log), process, log)
            server._wait_for_a_worker()
        except BaseException:
            process.kill()
            raise
        return server

    @property
    def address(self) -> str:
        """`host:port`, as the older SDKs want it."""
        return self.origin.removeprefix("http://")

    @property
    def base(self) -> str:
        """What the current SDKs call the Fishjam ID."""
        return f"{self.origin}/api/v1/connect/sdk"

    @property
    def alive(self) -> bool:
        return self._process.poll() is None

    def stop(self) -> None:
        if not self.alive:
            return
        self._process.send_signal(signal.SIGTERM)
        try:
            self._process.wait(PATIENCE_S)
        except subprocess.TimeoutExpired:
            self._process.kill()

    def _wait_for_a_worker(self) -> None:
        """Before it knows one, it answers 503."""
        request = Request(f"{self.origin}/cluster/workers", headers={"authorization": f"Bearer {MANAGEMENT_TOKEN}"})
        deadline = time.monotonic() + PATIENCE_S
        while b'"ready"' not in urlopen(request, timeout=PATIENCE_S).read():
            assert time.monotonic() < deadline, f"no worker is ready, see {self.log}"
            time.sleep(0.02)


def _origin(process: subprocess.Popen[str], log: Path) -> str:
    deadline = time.monotonic() + PATIENCE_S
    while not (found := _LISTENING.search(log.read_text())):
        assert process.poll() is None, f"{_BINARY} ended with {process.returncode}, see {log}"
        assert time.monotonic() < deadline, f"{_BINARY} did not say where it listens, see {log}"
        time.sleep(0.02)
    return found.group(1).rstrip("/")
