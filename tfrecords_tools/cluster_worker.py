"""What runs on a worker of a cluster before its jobs: is it like the machine that asks?"""

import os
import platform
import secrets
import socket
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

from tfrecords_tools import output
from tfrecords_tools.errors import ConfigError

_admitted: list["Admission"] = []  # of this process


@dataclass(frozen=True)
class Token:
    """A file that shows whether a folder is the same here and there.

    Attributes:
        path: of the file.
        text: that it holds.
    """

    path: Path
    text: str

    @classmethod
    def of(cls, folder: Path) -> "Token":
        """Return a token in a folder, with a name that nobody has looked for before."""
        return cls(folder / f".tfepi-seen-{secrets.token_hex(8)}", secrets.token_hex(16))

    def is_seen(self) -> bool:
        """Tell whether this process sees the file, and may write beside it."""
        try:
            return self.path.read_text() == self.text and os.access(self.path.parent, os.W_OK)
        except OSError:
            return False


@dataclass(frozen=True)
class Admission:
    """What a worker must be like.

    Attributes:
        versions: package → version.
        folder: of the output, which it must see; or None.
    """

    versions: dict[str, str]
    folder: Path | None


def versions() -> dict[str, str]:
    """Return the versions that shape results, and that of the engine."""
    return output.versions() | {"distributed": metadata.version("distributed")}


def report(token: Token | None) -> dict:
    """Return what this process is like.

    Args:
        token: to look for, or None.

    Returns:
        `versions`; `sees`, whether the token is seen; `processor`; `threads`, how many
        TensorFlow computes with.
    """
    return {
        "versions": versions(),
        "sees": token is None or token.is_seen(),
        "processor": processor(),
        "threads": threads(),
    }


def processor() -> str:
    """Return the processor's name."""
    try:
        with open("/proc/cpuinfo") as lines:
            for line in lines:
                if line.startswith("model name"):
                    return line.partition(":")[2].strip()
    except OSError:
        pass
    return platform.processor() or platform.machine()


def threads() -> int:
    """Return how many threads an operation of TensorFlow takes in this process."""
    asked = os.environ.get("TF_NUM_INTRAOP_THREADS", "")
    if asked.isdecimal() and int(asked):
        return int(asked)
    try:
        return len(os.sched_getaffinity(0))
    except AttributeError:
        return os.cpu_count() or 1


def admitted(admission: Admission, function: Callable, /, *args, **kwargs):
    """Call a function on a worker that is like the machine that asks.

    Raises:
        ConfigError: it is not.
    """
    if admission not in _admitted:
        name = f"worker on {socket.gethostname()}"
        check_jobs(_jobs_at_a_time(), name)
        check_versions(admission.versions, versions(), name)
        folder = admission.folder
        if folder is not None and not (folder / output.MARKER).exists():
            raise unseen(folder, name)
        _admitted[:] = [admission]
    return function(*args, **kwargs)


def _jobs_at_a_time() -> int:
    """Return how many threads this worker has for jobs; 1 in a process that is none."""
    import distributed

    try:
        return distributed.get_worker().state.nthreads
    except ValueError:
        return 1


def check_jobs(count: int, who: str, address: str = "ADDRESS") -> None:
    """Refuse a worker that does several jobs at a time.

    Args:
        count: how many it does.
        who: it is.
        address: of the scheduler.

    Raises:
        ConfigError: more than one.
    """
    if count != 1:
        raise ConfigError(
            f"{who} does {count} jobs at a time in one process: start workers with --nthreads 1, "
            f"such as: dask worker {address} --nthreads 1 --nworkers {count}"
        )


def check_versions(mine: Mapping[str, str], theirs: Mapping[str, str], who: str) -> None:
    """Refuse a process with other versions.

    Raises:
        ConfigError: naming the first that differs.
    """
    for name in mine | theirs:
        own, other = (found.get(name, "no such package") for found in (mine, theirs))
        if own != other:
            raise ConfigError(
                f"{who} has {name} {other}, here it is {own}: results may differ; install the same "
                "versions and start it again"
            )


def unseen(folder: str | Path, who: str) -> ConfigError:
    """Return the error for a worker that does not see the output folder."""
    return ConfigError(
        f"{who} does not see the output folder {folder} as it is here, or may not write "
        "to it: name one on a file system that all machines share"
    )
