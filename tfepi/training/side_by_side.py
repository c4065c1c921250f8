"""The trainings of an experiment, one after the other or side by side."""

import logging
from collections.abc import Sequence
from concurrent.futures import as_completed
from concurrent.futures.process import BrokenProcessPool
from typing import Protocol

from tfrecords_tools.errors import TfepiError
from tfrecords_tools.progress import progress
from tfrecords_tools.workers import check_workers, worker_pool

log = logging.getLogger(__name__)


class Job(Protocol):
    """A training that can be sent to another process; `str` names it."""

    def run(self) -> None:
        """Train, or go on with what was stopped."""


def run_jobs(jobs: Sequence[Job], processes: int = 1, done: int = 0, quiet: bool = False) -> None:
    """Run trainings.

    Args:
        jobs: those to run, quiet where there are several processes.
        processes: trainings side by side, each a process with one thread; 1: one after the
            other in this process, with all threads. How many are side by side does not matter to
            the weights; whether any are, to their last digits.
        done: trainings of the experiment that are finished already.
        quiet: no progress bar.

    Raises:
        ConfigError: processes below 1.
        TfepiError: a process was killed; or as of the trainings.
    """
    check_workers(processes)
    total = done + len(jobs)
    if processes == 1:
        for number, job in enumerate(jobs, done + 1):
            log.info("model %s (%d of %d)", job, number, total)
            job.run()
        return
    with (
        progress(total=total, initial=done, unit="model", label="train", quiet=quiet) as bar,
        worker_pool(None, processes) as pool,
    ):
        try:
            for finished in as_completed([pool.submit(_with_one_thread, job) for job in jobs]):
                log.info("trained %s", finished.result())
                bar.update(1)
        except BrokenProcessPool:
            raise TfepiError(
                "a training process was killed (was memory short?): run the same command with "
                "--resume, with fewer processes (-p)"
            ) from None


def _with_one_thread(job: Job) -> str:
    """Train in a worker process."""
    from tfepi.startup import import_tensorflow

    tf = import_tensorflow(deterministic=True)
    if tf.config.threading.get_intra_op_parallelism_threads() != 1:
        tf.config.threading.set_intra_op_parallelism_threads(1)
    job.run()
    return str(job)
