"""Independent jobs, done here, by worker processes that end with this one, or elsewhere."""

import contextlib
import itertools
import multiprocessing
import os
import sys
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, Executor, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from pathlib import Path

from tfrecords_tools.errors import ConfigError, TfepiError
from tfrecords_tools.files import write_json
from tfrecords_tools.progress import progress

LOOK_S = 10  # between looks at a pool that has nothing to tell
SEEN_S = 90


class PatientExecutor(Executor):
    """An executor whose workers are elsewhere: they may be few, lost, or beyond reach."""

    @property
    def ahead(self) -> int:
        """How many jobs to give out at a time, so that memory does not grow with all of them."""
        return sys.maxsize

    def look(self) -> None:
        """Raise, or say, what is wrong where nothing was done for a while."""

    def explain(self, error: Exception, label: str) -> TfepiError | None:
        """Return the error for a job that the engine could not do, None for one of the job.

        Args:
            error: that came instead of the job's result.
            label: what the job makes.
        """


def check_workers(workers: int) -> None:
    """Refuse fewer than one process."""
    if workers < 1:
        raise ConfigError(f"processes (-p) is {workers}, want at least 1")


@contextlib.contextmanager
def worker_pool(executor: Executor | None, workers: int) -> Iterator[Executor | None]:
    """Yield the executor given, else a pool of processes, or None where one is enough.

    The processes do not inherit this one's threads, and end when it is killed.
    """
    if executor is not None or workers <= 1:
        yield executor
        return
    context = multiprocessing.get_context(
        "forkserver" if "forkserver" in multiprocessing.get_all_start_methods() else "spawn"
    )
    if context.get_start_method() == "forkserver":
        context.set_forkserver_preload(["tfrecords_tools.build", "pyBigWig"])
    with ProcessPoolExecutor(workers, context, initializer=_end_with_parent) as pool:
        try:
            yield pool
        except BaseException:
            pool.shutdown(wait=True, cancel_futures=True)
            raise


def _end_with_parent() -> None:
    """Let a worker end when the process that made it is killed, instead of waiting for ever."""
    parent = multiprocessing.parent_process()

    def watch() -> None:
        parent.join()
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()


def run_jobs(pool, function, jobs, label, unit, quiet) -> None:
    """Run the jobs that have no marker yet, here or in the pool, with a progress bar.

    A job's marker is written here when the job is done: on a network file system what another
    machine wrote a moment ago may not be seen yet.

    Args:
        pool: an executor, or None to work in this process.
        function: does a job and returns what its marker is to tell, a JSON value.
        jobs: each has a length in units; `path`, the file that it makes; and `marker`, a path
            that exists once it is done.
        label, unit: of the bar.
        quiet: no bar.

    Raises:
        TfepiError: a worker process was killed.
    """
    waiting = [j for j in jobs if not j.marker.exists()]
    finished = sum(map(len, jobs)) - sum(map(len, waiting))
    with progress(
        total=sum(map(len, jobs)), initial=finished, unit=unit, label=label, quiet=quiet
    ) as bar:
        for job, told in completed(pool, function, waiting, label):
            await_file(job.path)
            write_json(job.marker, told)
            bar.update(len(job))


def completed(
    pool: Executor | None, function: Callable, jobs: Iterable, label: str
) -> Iterator[tuple[object, object]]:
    """Yield (job, what `function` returns of it), in the order in which they are done.

    Args:
        pool: an executor, or None to work in this process.
        function: takes a job.
        jobs: looked at as they are given out.
        label: what the jobs make, for messages.

    Raises:
        TfepiError: a worker process was killed.
    """
    if pool is None:
        for job in jobs:
            yield job, function(job)
        return
    rest, running = iter(jobs), {}
    patient = isinstance(pool, PatientExecutor)
    try:
        while True:
            room = (pool.ahead if patient else sys.maxsize) - len(running)
            running |= {pool.submit(function, j): j for j in itertools.islice(rest, max(0, room))}
            if not running:
                return
            done, _ = wait(running, timeout=LOOK_S, return_when=FIRST_COMPLETED)
            if not done and patient:
                pool.look()
            for future in done:
                job = running.pop(future)
                try:
                    result = future.result()
                except Exception as error:
                    told = pool.explain(error, label) if patient else None
                    if told is None:
                        raise
                    raise told from None
                yield job, result
    except BrokenProcessPool:
        raise TfepiError(
            f"a worker process was killed while writing {label} (was memory short?): run the "
            "same command with --resume, with fewer processes (-p)"
        ) from None
    finally:
        for future in running:
            future.cancel()


def await_file(path: Path, seconds: float = SEEN_S) -> None:
    """Wait until a file that a worker has written is seen here.

    Network file systems remember for up to a minute that a name was not there.

    Raises:
        TfepiError: it is not seen in time.
    """
    until = time.monotonic() + seconds
    while not path.exists():
        if time.monotonic() > until:
            raise TfepiError(
                f"a worker wrote {path}, but it is not seen here: do both see the same file "
                "system? Run the same command with --resume"
            )
        time.sleep(0.2)


def absolute(path: str) -> str:
    """Return a path that means the same in a process with another working directory."""
    return path if "://" in path else os.path.abspath(path)


def existing_above(path: Path) -> Path:
    """Return the folder itself, or the nearest one above it that is there."""
    return next(p for p in (path, *path.parents) if p.is_dir())
