"""The processes of a training meet before TensorFlow waits for them.

TensorFlow waits where no signal is heard, its chief without end. Here every worker tells the chief
who it is, at the port that will be TensorFlow's; when all have come, all go on at once.
"""

import contextlib
import errno
import json
import socket
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from tfepi.training.hosts import Hosts
from tfepi.training.terminate import Terminate
from tfrecords_tools.errors import ConfigError, Terminated, TfepiError

_GO, _REFUSED = "go", "refused: "
_LONGEST = 1 << 20  # bytes of a line
_POLL, _ANSWER = 0.2, 5.0  # seconds


@dataclass
class _Wait:
    """How long to wait, and what ends that.

    Attributes:
        hosts: the processes.
        terminate: SIGTERM of this one.
        seconds: at most.
    """

    hosts: Hosts
    terminate: Terminate
    seconds: float

    def __post_init__(self):
        self._until = time.monotonic() + self.seconds

    def look(self, missing: Callable[[], str]) -> None:
        """Go on waiting, or raise Terminated or TfepiError."""
        if self.terminate.asked:
            raise Terminated("told to end (SIGTERM) before all processes had come: nothing begun")
        if time.monotonic() > self._until:
            raise TfepiError(
                f"{self.hosts}: {missing()} did not come within {self.seconds:.0f} s: start all at "
                "the same time"
            )


def meet(hosts: Hosts, devices: int, terminate: Terminate, seconds: float) -> None:
    """Return when all processes have called this.

    Args:
        hosts: the processes.
        devices: that this one trains on.
        terminate: whether it was told to end.
        seconds: to wait at most.

    Raises:
        ConfigError: processes with other addresses or another number of devices, two that are the
            same worker, or a port that is taken.
        TfepiError: not all came.
        Terminated: it was told to end.
    """
    wait = _Wait(hosts, terminate, seconds)
    with _listening(hosts) as server:
        if hosts.chief:
            _gather(server, hosts, devices, wait)
            return
    _report(hosts, devices, wait)


def _split(address: str) -> tuple[str, int]:
    host, _, port = address.rpartition(":")
    return host.strip("[]"), int(port)


@contextlib.contextmanager
def _listening(hosts: Hosts) -> Iterator[socket.socket]:
    """Yield a socket at this process's own port, open to whom TensorFlow's will be."""
    host, port = _split(hosts.addresses[hosts.index])
    own = host if host in ("localhost", "::1") or host.startswith("127.") else ""
    family = socket.AF_INET6 if ":" in own else socket.AF_INET
    both = not own and socket.has_dualstack_ipv6()
    try:
        server = socket.create_server(
            (own, port), family=socket.AF_INET6 if both else family, dualstack_ipv6=both
        )
    except OSError as error:
        if error.errno != errno.EADDRINUSE:
            raise
        raise ConfigError(
            f"{hosts}: port {port} is taken by another process, perhaps of a run that has not "
            "ended, or the same worker was started twice: end that, or name another port"
        ) from None
    with server:
        server.settimeout(_POLL)
        yield server


def _gather(server: socket.socket, hosts: Hosts, devices: int, wait: _Wait) -> None:
    """Let workers come until all are there; tell them to go on."""
    came: dict[int, socket.socket] = {}

    def missing() -> str:
        rest = [i for i in range(1, len(hosts)) if i not in came]
        return "worker " + ", ".join(f"{i} ({hosts.addresses[i]})" for i in rest)

    answer = _GO
    try:
        while len(came) < len(hosts) - 1:
            wait.look(missing)
            _forget_closed(came)
            with contextlib.suppress(TimeoutError):
                connection = server.accept()[0]
                _welcome(connection, hosts, devices, came)
    except ConfigError as error:
        answer = f"{_REFUSED}{error}"
        raise
    finally:
        complete = len(came) == len(hosts) - 1 or answer != _GO
        for connection in came.values():
            with connection, contextlib.suppress(OSError):
                if complete:
                    connection.sendall(f"{answer}\n".encode())
                    connection.settimeout(_ANSWER)
                    connection.recv(1)  # it closes first, so that the port is free at once


def _welcome(
    connection: socket.socket, hosts: Hosts, devices: int, came: dict[int, socket.socket]
) -> None:
    """Keep a worker's connection; what is not of a worker is closed."""
    connection.settimeout(_ANSWER)
    try:
        told = json.loads(_line(connection))
        index, addresses, theirs = told["worker"], told["addresses"], told["devices"]
    except (OSError, ValueError, KeyError, TypeError):
        connection.close()
        return
    _forget_closed(came)
    problem = _problem(hosts, devices, index, addresses, theirs, came)
    if problem is None:
        came[index] = connection
        return
    with connection, contextlib.suppress(OSError):
        connection.sendall(f"{_REFUSED}{problem}\n".encode())
        connection.recv(1)
    raise ConfigError(problem)


def _problem(
    hosts: Hosts,
    devices: int,
    index: int,
    addresses: Sequence[str],
    theirs: int,
    came: dict[int, socket.socket],
) -> str | None:
    """Return why a worker cannot take part, or None."""
    if list(addresses) != list(hosts.addresses):
        return (
            f"worker {index} was started with the processes {', '.join(map(str, addresses))}, "
            f"worker 0 with {', '.join(hosts.addresses)}: want the same in every TF_CONFIG"
        )
    if index in came or index == 0:
        return f"two processes are worker {index}: want another index in each TF_CONFIG"
    if theirs != devices:
        return (
            f"worker {index} has {theirs} device(s), worker 0 has {devices}: each process must "
            "have as many, set CUDA_VISIBLE_DEVICES"
        )
    return None


def _report(hosts: Hosts, devices: int, wait: _Wait) -> None:
    """Tell the chief that this worker is there; return when all are."""
    address = hosts.addresses[0]
    told = {"worker": hosts.index, "addresses": list(hosts.addresses), "devices": devices}
    while True:
        wait.look(lambda: f"worker 0 ({address})")
        try:
            with socket.create_connection(_split(address), timeout=_ANSWER) as connection:
                if connection.getsockname() != connection.getpeername():  # no one but itself
                    connection.sendall(f"{json.dumps(told)}\n".encode())
                    connection.settimeout(_POLL)
                    answer = _line(connection, lambda: wait.look(lambda: "another worker"))
        except TfepiError:
            raise
        except (OSError, ValueError):  # not there yet, or a process of a run that ends
            answer = ""
        if answer == _GO:
            return
        if answer.startswith(_REFUSED):
            raise ConfigError(answer.removeprefix(_REFUSED))
        time.sleep(_POLL)


def _line(connection: socket.socket, meanwhile: Callable[[], None] | None = None) -> str:
    """Return the line that comes, "" where the other end closes.

    Args:
        connection: with a time-out.
        meanwhile: called at each of these; None: that is an error.

    Raises:
        TimeoutError: as said.
        ValueError: a line that is too long, or no text.
    """
    found = b""
    while not found.endswith(b"\n"):
        try:
            more = connection.recv(1 << 16)
        except TimeoutError:
            if meanwhile is None:
                raise
            meanwhile()
            continue
        if not more:
            return ""
        found += more
        if len(found) > _LONGEST:
            raise ValueError("the line is too long")
    return found.decode().strip()


def _forget_closed(came: dict[int, socket.socket]) -> None:
    """Let workers that have left come again."""
    for index in [i for i, connection in came.items() if _is_closed(connection)]:
        came.pop(index).close()


def _is_closed(connection: socket.socket) -> bool:
    connection.setblocking(False)
    try:
        return not connection.recv(1)
    except BlockingIOError:
        return False
    except OSError:
        return True
