"""Independent jobs, done here or by worker processes that end with this one."""

import contextlib
import multiprocessing
import os
import threading
from collections.abc import Iterator
from concurrent.futures import Executor, Future, ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool

from tfrecords_tools.errors import ConfigError, TfepiError
from tfrecords_tools.progress import progress


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

    Args:
        pool: an executor, or None to work in this process.
        function: does a job and returns how many units that was.
        jobs: each has a length in units, and `marker`, a path that exists once it is done.
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
        if pool is None:
            for job in waiting:
                bar.update(function(job))
            return
        try:
            futures: list[Future] = [pool.submit(function, job) for job in waiting]
            for future in as_completed(futures):
                bar.update(future.result())
        except BrokenProcessPool:
            raise TfepiError(
                f"a worker process was killed while writing {label} (was memory short?): run the "
                "same command with --resume, with fewer processes (-p)"
            ) from None
