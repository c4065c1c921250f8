"""Whether a scheduler's workers are like this machine, before they are given jobs."""

import contextlib
import logging
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

from tfrecords_tools import cluster_worker
from tfrecords_tools.errors import ConfigError, TfepiError
from tfrecords_tools.number_text import number_of
from tfrecords_tools.workers import existing_above

ANSWER_S = 30
WORKERS_S = 60  # to wait for a first worker
_log = logging.getLogger(__name__)


def admit(
    client, address: str, folder: str | Path | None, predicts: bool
) -> cluster_worker.Admission:
    """Check the scheduler and all workers that are there; return what later ones must be like.

    Args:
        client: of the scheduler.
        address: of the scheduler, for messages.
        folder: of the output, which every worker must see; None asks nothing.
        predicts: whether the jobs run models.

    Raises:
        ConfigError, TfepiError: as `cluster.open_cluster`.
    """
    threads = _first_workers(client, address)
    for worker, count in threads.items():
        cluster_worker.check_jobs(count, f"worker {worker}", address)
    mine = cluster_worker.versions()
    _check_report(f"scheduler {address}", _scheduler_report(client), mine)
    with _token(folder) as token:
        told = in_time(lambda: client.run(cluster_worker.report, token, on_error="return"))
    for worker, report in told.items():
        _check_report(f"worker {worker}", report, mine)
        if not report["sees"]:
            raise cluster_worker.unseen(folder, f"worker {worker}")
    if predicts:
        warn_of_unlike(told)
    _log.info("%s at %s", number_of(len(told), "worker"), address)
    return cluster_worker.Admission(mine, None if folder is None else Path(folder).absolute())


def _scheduler_report(client) -> object:
    """Return what the scheduler, which reads every job, is like; or why it cannot tell."""
    try:
        return in_time(lambda: client.run_on_scheduler(cluster_worker.report, None))
    except (TfepiError, KeyboardInterrupt):
        raise
    except Exception as error:
        return error


def _check_report(who: str, report: object, mine: Mapping[str, str]) -> None:
    """Refuse a process that cannot tell what it is like, or has other versions."""
    if isinstance(report, ImportError):
        raise ConfigError(f"{who} cannot import tfepi ({report}): install the same version there")
    if isinstance(report, Exception):
        raise ConfigError(f"{who} fails: {' '.join(str(report).split())[:160]}")
    cluster_worker.check_versions(mine, report["versions"], who)


def _first_workers(client, address: str) -> dict[str, int]:
    """Return address → threads of every worker, when there is one."""
    until = time.monotonic() + WORKERS_S
    told = False
    while not (found := in_time(client.nthreads)):
        if not told:
            _log.warning("no worker at %s yet: waits %d s for one", address, WORKERS_S)
            told = True
        if time.monotonic() > until:
            raise ConfigError(
                f"the scheduler at {address} has no worker, and none came in {WORKERS_S} s: start "
                f"some (dask worker {address} --nthreads 1)"
            )
        time.sleep(0.5)
    return found


@contextlib.contextmanager
def _token(folder: str | Path | None) -> Iterator[cluster_worker.Token | None]:
    """Yield a file in the folder, or where it is going to be made, that has just been written."""
    if folder is None:
        yield None
        return
    place = existing_above(Path(folder).absolute())
    token = cluster_worker.Token.of(place)
    token.path.write_text(token.text)
    try:
        yield token
    finally:
        token.path.unlink(missing_ok=True)


def warn_of_unlike(told: Mapping[str, dict]) -> None:
    """Warn of workers whose predictions may differ.

    Args:
        told: worker → what it is like (`cluster_worker.report`).
    """
    for name, what in (("processor", "processors"), ("threads", "numbers of threads")):
        kinds = sorted({str(report[name]) for report in told.values()})
        if len(kinds) > 1:
            _log.warning(
                "the workers have different %s (%s): the last bits of predictions depend on them, "
                "so that the results may differ from those of one machine",
                what,
                "; ".join(kinds),
            )


def in_time(ask: Callable):
    """Return what a question to the cluster is answered with.

    Raises:
        TfepiError: no answer in time.
    """
    found: list = []

    def work() -> None:
        try:
            found.append((True, ask()))
        except BaseException as error:
            found.append((False, error))

    thread = threading.Thread(target=work, daemon=True)
    thread.start()
    thread.join(ANSWER_S)
    if not found:
        raise TfepiError(
            f"the workers or the scheduler did not answer in {ANSWER_S} s: is one of them stopped?"
        )
    fine, value = found[0]
    if not fine:
        raise value
    return value
