"""Servers on localhost that tests of remote files read from, each real, in a process of its own."""

import contextlib
import os
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

BUCKET = "lab"
_MOTO = "from moto.server import main; main(['-H', '127.0.0.1', '-p', '{port}'])"
_GCS = """
import signal
from gcp_storage_emulator.server import create_server
create_server('127.0.0.1', {port}, in_memory=True, default_bucket='lab').start()
signal.pause()
"""


def free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return found.getsockname()[1]


def start(program: str, environment: dict | None = None) -> tuple[subprocess.Popen, str]:
    """Return a running server's process and its address."""
    port = free_port()
    process = subprocess.Popen(
        [sys.executable, "-c", program.format(port=port)],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        env=os.environ | (environment or {}),
    )
    for _ in range(600):
        with socket.socket() as tried:
            if tried.connect_ex(("127.0.0.1", port)) == 0:
                return process, f"http://127.0.0.1:{port}"
        assert process.poll() is None, "the server has ended"
        time.sleep(0.05)
    raise AssertionError("the server does not answer")


@pytest.fixture(scope="session")
def s3_server():
    """Address of an S3-protocol server."""
    process, address = start(_MOTO, {"AWS_ACCESS_KEY_ID": "key", "AWS_SECRET_ACCESS_KEY": "secret"})
    yield address
    process.kill()
    process.wait()


@pytest.fixture(scope="session")
def gs_server():
    """Address of an emulator of Google's storage, with a bucket."""
    process, address = start(_GCS)
    yield address
    process.kill()
    process.wait()


@pytest.fixture(scope="session")
def s3_client(s3_server):
    """The server's owner."""
    import boto3

    return boto3.client(
        "s3",
        endpoint_url=s3_server,
        aws_access_key_id="key",
        aws_secret_access_key="secret",
        region_name="us-east-1",
    )


class Bucket:
    """A bucket of the S3 server, and what the tests' commands need to find it."""

    def __init__(self, client, address: str, name: str):
        self.address, self.name, self._client = address, name, client
        self._client.create_bucket(Bucket=name)

    def url(self, key: str = "") -> str:
        return f"s3://{self.name}/{key}"

    def put(self, key: str, content: bytes) -> str:
        self._client.put_object(Bucket=self.name, Key=key, Body=content)
        return self.url(key)

    def upload(self, folder: Path, key: str) -> str:
        for path in folder.rglob("*"):
            if path.is_file():
                self.put(f"{key}/{path.relative_to(folder).as_posix()}", path.read_bytes())
        return self.url(key)

    def delete(self, key: str) -> None:
        self._client.delete_object(Bucket=self.name, Key=key)


@pytest.fixture
def cache(tmp_path, monkeypatch) -> Path:
    """An empty cache, which this process and the commands it starts use."""
    folder = tmp_path / "cache"
    monkeypatch.setenv("TFEPI_CACHE_DIR", str(folder))
    return folder


@pytest.fixture
def bucket(s3_server, s3_client, cache, tmp_path, monkeypatch) -> Bucket:
    """An empty bucket, the server's address and credentials in the environment."""
    for name in list(os.environ):
        if name.startswith(("AWS_", "FSSPEC_", "S3_")):
            monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "key")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    monkeypatch.setenv("AWS_ENDPOINT_URL", s3_server)
    name = "".join(c if c.isalnum() else "-" for c in tmp_path.name.lower()).strip("-")
    return Bucket(s3_client, s3_server, f"{name[-40:].strip('-')}-{os.getpid()}")


@pytest.fixture
def written():
    """A function: when a file was written, as which; reading it (its access time) is not seen."""

    def of(path: Path) -> tuple[int, int, int]:
        found = path.stat()
        return found.st_ino, found.st_mtime_ns, found.st_size

    return of


@pytest.fixture
def quick(monkeypatch):
    """Waits between tries that a test can wait for."""
    from tfrecords_tools import remote_failures

    monkeypatch.setattr(remote_failures, "WAITS", (0.02, 0.02, 0.02))


class CutOff:
    """A TCP relay in front of a server that closes connections after some bytes of its answers.

    Attributes:
        limit: bytes a connection passes, or None for all.
        times: connections that are cut, the next ones; -1 is all.
        cut: connections that were.
    """

    def __init__(self, address: str):
        host, port = address.removeprefix("http://").split(":")
        self._behind = (host, int(port))
        self.limit: int | None = None
        self.times, self.cut = -1, 0
        self._listening = socket.create_server(("127.0.0.1", 0))
        self.address = f"http://127.0.0.1:{self._listening.getsockname()[1]}"
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self) -> None:
        while True:
            try:
                client, _ = self._listening.accept()
            except OSError:
                return
            server = socket.create_connection(self._behind)
            threading.Thread(target=self._pass_on, args=(client, server), daemon=True).start()
            threading.Thread(target=self._answer, args=(server, client), daemon=True).start()

    def _pass_on(self, client: socket.socket, server: socket.socket) -> None:
        try:
            while data := client.recv(1 << 16):
                server.sendall(data)
        except OSError:
            pass
        server.close()

    def _answer(self, server: socket.socket, client: socket.socket) -> None:
        passed = 0
        try:
            while data := server.recv(1 << 14):
                if self.limit is not None and self.times and passed + len(data) > self.limit:
                    client.sendall(data[: self.limit - passed])
                    self.times -= 1
                    self.cut += 1
                    break
                client.sendall(data)
                passed += len(data)
        except OSError:
            pass
        for end in (client, server):
            close_both_ways(end)

    def close(self) -> None:
        self._listening.close()


def close_both_ways(end: socket.socket) -> None:
    with contextlib.suppress(OSError):
        end.shutdown(socket.SHUT_RDWR)
    end.close()


@pytest.fixture
def cut_off(s3_server, bucket, monkeypatch):
    """A relay that cuts connections, between the commands and the bucket."""
    relay = CutOff(s3_server)
    monkeypatch.setenv("AWS_ENDPOINT_URL", relay.address)
    yield relay
    relay.close()
