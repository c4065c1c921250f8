"""What stops a training: signals, lost workers, losses that are no number."""

import contextlib
import errno
import os
import signal
import threading
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import tensorflow as tf

from tfepi.training.head import HeadTraining
from tfepi.training.strategy import Team
from tfrecords_tools.errors import TfepiError
from tfrecords_tools.files import write_json
from tfrecords_tools.framing import read_frames
from tfrecords_tools.record_sizes import checked_features

FORMAT, FORMAT_VERSION = "tfepi-bad-batch", 1
BAD_BATCH = "bad_batch.json"
_LOST = (
    tf.errors.UnavailableError,
    tf.errors.AbortedError,
    tf.errors.CancelledError,
    tf.errors.DeadlineExceededError,
    tf.errors.InternalError,
    tf.errors.FailedPreconditionError,
)
_SHOWN = 5


class WorkerLostError(TfepiError):
    """Another process of the run is gone."""


class Terminate:
    """Whether the process was told to end (SIGTERM)."""

    asked = False

    def __call__(self, number, frame) -> None:
        """Take the signal."""
        self.asked = True


@contextlib.contextmanager
def on_sigterm() -> Iterator[Terminate]:
    """Yield what tells of a SIGTERM within the block, which does not end the process."""
    terminate = Terminate()
    if threading.current_thread() is not threading.main_thread():
        yield terminate  # signals come to the main thread alone
        return
    before = signal.signal(signal.SIGTERM, terminate)
    try:
        yield terminate
    finally:
        signal.signal(signal.SIGTERM, before)


@contextlib.contextmanager
def told_in_a_line(team: Team) -> Iterator[None]:
    """Turn TensorFlow's many errors of a lost process, or of no memory, into one line.

    Raises:
        WorkerLostError: instead of the first.
        TfepiError: instead of the second.
    """
    try:
        yield
    except tf.errors.ResourceExhaustedError as error:
        if os.strerror(errno.ENOSPC) in error.message:  # of event files
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC)) from None
        raise TfepiError(
            "the device has too little memory for a step: use --accumulate 2 or more, "
            "--rematerialise, or a smaller batch_size"
        ) from None
    except _LOST as error:
        if team.workers == 1:
            raise
        raise WorkerLostError(
            f"{team.hosts} lost another worker, or the way to it: start all workers again with the "
            f"same command and --resume ({type(error).__name__}: {_reason(error)})"
        ) from None


def _reason(error: tf.errors.OpError) -> str:
    """Return the first line of an error that says more than that there was one."""
    lines = [line.strip() for line in error.message.splitlines()]
    said = [x for x in lines if x and not x.startswith(("Graph execution", "Detected at", "File "))]
    return said[0][:160] if said else "no reason given"


def name_bad_batch(
    head: HeadTraining, seed: int, epoch: int, number: int, folder: Path | None
) -> str:
    """Return what is known of the records of a batch whose loss is no number.

    Args:
        head: that the batch is of.
        seed, epoch: of the run.
        number: of the batch among the head's own in the epoch.
        folder: where bad_batch.json with all of them goes, or None.
    """
    data = head.source.data
    places = head.batch_records(seed, epoch, number)
    infinite: dict[tuple[str, int], list[str]] = {}
    for shard in data.shards(head.label):
        wanted = {record for name, record in places if name == shard.name}
        for record, frame in enumerate(read_frames(shard)) if wanted else ():
            if record in wanted:
                features = checked_features(frame, data, f"shard {shard} record {record}")
                bad = np.isinf(data.target(features, shard, record)).any(axis=0)
                if bad.any():
                    names = [data.targets[t].identifier for t in np.flatnonzero(bad)]
                    infinite[shard.name, record] = names
            if record >= max(wanted):
                break
    if folder is not None:
        entries = [
            {"shard": s, "record": r, "infinite_targets": infinite.get((s, r), [])}
            for s, r in places
        ]
        value = {"format": FORMAT, "format_version": FORMAT_VERSION, "head": head.source.head}
        value |= {"epoch": epoch, "batch": number, "records": entries}
        write_json(folder / BAD_BATCH, value)
    listed = list(infinite) or places
    shown = ", ".join(f"{shard} record {record}" for shard, record in listed[:_SHOWN])
    more = f", … ({len(listed)} in all)" if len(listed) > _SHOWN else ""
    if infinite:
        return f"infinite targets in {shown}{more}"
    return f"no target of its records is infinite; they are {shown}{more}"
