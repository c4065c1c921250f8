"""Servers of a SavedModel as processes of their own, which can be killed and started again."""

import os
import socket
import subprocess
import sys
import time
from pathlib import Path

HERE = Path(__file__).parent
ROOT = HERE.parent.parent.parent
OTHERS = "TFEPI_SERVING_PYTHON"  # has KServe and OpenVINO: scripts/test_serving.sh makes it
KINDS = ("grpc", "kserve")


def free_port() -> int:
    """Return a port that nothing listens on."""
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return found.getsockname()[1]


class ServerProcess:
    """A server on a port of its own.

    Args:
        kind: of `KINDS`.
        saved_model: folder.
        log: file for what it writes.
        name: that the model is served under.
    """

    def __init__(self, kind: str, saved_model: Path, log: Path, name: str = "model"):
        self.kind, self.port = kind, free_port()
        self.url = f"{'http' if kind == 'kserve' else 'grpc'}://127.0.0.1:{self.port}"
        script = str(HERE / f"{kind}_server.py")
        python = os.environ[OTHERS] if kind == "kserve" else sys.executable
        self._command = [python, script, str(saved_model), name, str(self.port)]
        self._environment = os.environ | {"TF_CPP_MIN_LOG_LEVEL": "3"}
        self._environment.pop("PYTHONPATH", None)
        if kind == "grpc":
            self._environment["PYTHONPATH"] = str(ROOT)
        self._log = log
        self.process: subprocess.Popen | None = None

    def start(self, limit: float = 180.0) -> None:
        """Start it and wait until it listens, which it does when the model is loaded."""
        with open(self._log, "ab") as log:
            self.process = subprocess.Popen(
                self._command, env=self._environment, stdout=log, stderr=log
            )
        until = time.monotonic() + limit
        while not self.listens():
            if self.process.poll() is not None or time.monotonic() > until:
                self.kill()
                raise RuntimeError(f"{self.kind}: {self._log.read_text()[-3000:]}")
            time.sleep(0.05)

    def listens(self) -> bool:
        """Tell whether a connection can be made."""
        with socket.socket() as found:
            return found.connect_ex(("127.0.0.1", self.port)) == 0

    def kill(self) -> None:
        """End it as a crash does (SIGKILL)."""
        if self.process is not None:
            self.process.kill()
            self.process.wait()
