"""Jobs on many machines: the workers of a Dask scheduler, behind `concurrent.futures`.

Dask sends a job to another worker where one is lost; a job's file is renamed when whole, so that
one that was done twice is there once.
"""

import asyncio
import contextlib
import logging
import socket
import time
import warnings
from collections.abc import Callable, Iterator
from concurrent.futures import CancelledError, Future
from dataclasses import replace
from pathlib import Path

from tfrecords_tools import cluster_worker
from tfrecords_tools.cluster_address import parse_address
from tfrecords_tools.cluster_admission import admit, in_time
from tfrecords_tools.errors import ConfigError, TfepiError
from tfrecords_tools.number_text import number_of
from tfrecords_tools.workers import PatientExecutor

CONNECT_S = 10
CLOSE_S = 2
LOST_S = 600  # to wait for another one when all are lost
_AHEAD = 4  # jobs given to each worker, so that none waits for the next
_RESUME = "run the same command with --resume"
_log = logging.getLogger(__name__)


class Cluster(PatientExecutor):
    """An executor on the workers of a Dask scheduler; `open_cluster` makes it.

    Every job is preceded by a check of its worker, once for each: workers may come later.
    """

    def __init__(self, client, address: str, admission: cluster_worker.Admission):
        self._client, self._address, self._admission = client, address, admission
        self._executor = client.get_executor(pure=False)
        self._alone: float | None = None

    @property
    def unplaced(self) -> "Cluster":
        """The same workers, for what is done before there is an output folder."""
        return Cluster(self._client, self._address, replace(self._admission, folder=None))

    @property
    def ahead(self) -> int:
        """How many jobs to give out at a time."""
        return _AHEAD * max(1, len(self._workers()))

    def _workers(self) -> dict[str, int]:
        """Return address → threads of every worker.

        Raises:
            TfepiError: the scheduler is gone.
        """
        if self._client.status != "running":
            raise self._gone()
        try:
            return in_time(self._client.nthreads)
        except (OSError, CancelledError):
            raise self._gone() from None

    def submit(self, function: Callable, /, *args, **kwargs) -> Future:
        """Have a worker call a function that it can import."""
        job = cluster_worker.admitted
        return self._executor.submit(job, self._admission, function, *args, **kwargs)

    def look(self) -> None:
        """Say where no worker is left, and wait for another one no longer than ten minutes.

        Raises:
            TfepiError: it took longer, or the scheduler is gone.
        """
        if self._workers():
            self._alone = None
            return
        if self._alone is None:
            self._alone = time.monotonic()
            _log.warning(
                "no worker is left at %s: waits %d min for another", self._address, LOST_S // 60
            )
        if time.monotonic() - self._alone > LOST_S:
            raise TfepiError(
                f"no worker was left at {self._address} for {LOST_S // 60} min: start some, then "
                f"{_RESUME}"
            )

    def explain(self, error: Exception, label: str) -> TfepiError | None:
        """Return the error for what Dask says of a job that could not be done, else None."""
        from distributed import KilledWorker

        if isinstance(error, KilledWorker):
            return TfepiError(
                f"{number_of(error.allowed_failures + 1, 'worker')} died over the same job while "
                f"writing {label}, the last at {error.last_worker.address} (was memory short?): "
                f"look at its log, give workers more memory, then {_RESUME}"
            )
        if isinstance(error, CancelledError):
            return self._gone()
        if isinstance(error, RuntimeError) and "deserialization" in str(error):
            return TfepiError(
                f"the scheduler at {self._address} cannot read a job: what it imports must be "
                "installed there as it is here"
            )
        return None

    def _gone(self) -> TfepiError:
        return TfepiError(
            f"the scheduler at {self._address} is gone: start it again with its workers, then "
            f"{_RESUME}"
        )

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        """Let go of what was submitted; the workers stay."""
        if self._client.status == "running":
            self._executor.shutdown(wait=wait and not cancel_futures)


@contextlib.contextmanager
def open_cluster(
    address: str, folder: str | Path | None = None, predicts: bool = False
) -> Iterator[Cluster]:
    """Yield an executor on the workers of a Dask scheduler (extra `cluster`).

    Args:
        address: of the scheduler, tcp://HOST:PORT, or tls://HOST:PORT with the certificates that
            Dask's configuration names.
        folder: of the output, which every worker must see; None asks nothing.
        predicts: whether the jobs run models: then unlike workers are warned of.

    Raises:
        ConfigError: distributed is not installed; an address of another form, or where no
            scheduler answers; no worker in a minute; a worker with several threads, with other
            versions, or that does not see the folder.
    """
    host, port = parse_address(address)
    try:
        import dask
        import distributed
    except ImportError:
        raise ConfigError(
            f"--cluster {address} needs Dask, which is not installed: pip install 'tfepi[cluster]'"
        ) from None
    settings = {"distributed.admin.large-graph-warning-threshold": "1GiB"}
    with dask.config.set(settings), _quiet():
        client = _connect(distributed, address, host, port)
        try:
            admission = admit(client, address, folder, predicts)
            yield Cluster(client, address, admission)
        finally:
            with contextlib.suppress(OSError, TimeoutError, CancelledError):
                client.close(timeout=CLOSE_S)


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Let Dask say nothing: what matters is said here, in one line."""
    names = [n for n in logging.root.manager.loggerDict if n.split(".")[0] == "distributed"]
    loggers = [logging.getLogger(name) for name in names]
    levels = [logger.level for logger in loggers]
    for logger in loggers:
        logger.setLevel(logging.CRITICAL + 1)
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", module="distributed")
            yield
    finally:
        for logger, level in zip(loggers, levels, strict=True):
            logger.setLevel(level)


def _connect(distributed, address: str, host: str, port: int):
    """Return a client of the scheduler."""
    try:
        socket.create_connection((host, port), timeout=CONNECT_S).close()
    except OSError as error:
        raise ConfigError(
            f"nobody answers at --cluster {address} ({error.strerror or error}): start a scheduler "
            f"there (dask scheduler --host {host} --port {port}), or correct the address"
        ) from None
    try:
        found = asyncio.run(asyncio.wait_for(_identity(distributed, address), CONNECT_S))
        if found.get("type") == "Scheduler":
            return distributed.Client(address, timeout=CONNECT_S, set_as_default=False)
        why = f"it is a {found.get('type')}"
    except TimeoutError:
        why = f"it says nothing for {CONNECT_S} s"
    except Exception as error:  # whatever another protocol or version makes of it
        why = " ".join(str(error).split())[:160]
    raise ConfigError(
        f"what answers at --cluster {address} is no Dask scheduler to talk with ({why}): give "
        "the scheduler's address, the certificates of tls:// in Dask's configuration, and install "
        "the same version of distributed here and there"
    )


async def _identity(distributed, address: str) -> dict:
    """Return what a process of Dask says that it is."""
    certificates = distributed.Security().get_connection_args("client")
    async with distributed.rpc(address, timeout=CONNECT_S, connection_args=certificates) as remote:
        return await remote.identity()
