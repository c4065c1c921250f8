"""What stops a training: lost workers, losses that are no number."""

import contextlib
import errno
import os
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import tensorflow as tf

from tfepi.training.head import HeadTraining
from tfepi.training.strategy import Team
from tfrecords_tools.data import Data
from tfrecords_tools.errors import TfepiError, WorkerLostError
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
_LEAVE = "build the data without them, or with a clip in the targets table"


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
    places = head.batch_records(seed, epoch, number)
    infinite = _infinite(head.source.data, head.label, places)
    if folder is not None:
        entries = [
            {"shard": s, "record": r, "infinite_targets": infinite.get((s, r), [])}
            for s, r in places
        ]
        value = {"format": FORMAT, "format_version": FORMAT_VERSION, "head": head.source.head}
        value |= {"epoch": epoch, "batch": number, "records": entries}
        write_json(folder / BAD_BATCH, value)
    if infinite:
        return (
            f"infinite targets in {_shown(list(infinite))}; {BAD_BATCH} lists the batch: {_LEAVE}"
        )
    return (
        f"no target of its records is infinite; they are {_shown(places)}; {BAD_BATCH} lists them: "
        "use a lower learning rate or clip_norm"
    )


def check_validated(head: HeadTraining, loss: float, epoch: int, folder: Path) -> None:
    """Refuse a validation loss that is no number.

    Args:
        head: that was validated.
        loss: of it.
        epoch, folder: of the run.

    Raises:
        TfepiError: it names records with infinite targets, if there are any.
    """
    if np.isfinite(loss):
        return
    infinite = list(_infinite(head.source.data, head.valid_label))
    why = f"infinite targets in {_shown(infinite)}: {_LEAVE}"
    if not infinite:
        why = "no target is infinite, the model's output is: use a lower learning rate or clip_norm"
    raise TfepiError(
        f"the validation loss of epoch {epoch} is {loss}: {why}; {folder} keeps what was before"
    )


def _infinite(
    data: Data, label: str, places: Sequence[tuple[str, int]] | None = None
) -> dict[tuple[str, int], list[str]]:
    """Return (shard, record) → identifiers of its infinite targets.

    Args:
        data, label: where the records are.
        places: (shard, record) of those to look at; None: all.
    """
    found = {}
    for shard in data.shards(label):
        wanted = None if places is None else {r for name, r in places if name == shard.name}
        if wanted is not None and not wanted:
            continue
        for record, frame in enumerate(read_frames(shard)):
            if wanted is not None and record > max(wanted):
                break
            if wanted is None or record in wanted:
                features = checked_features(frame, data, f"shard {shard} record {record}")
                bad = np.isinf(data.target(features, shard, record)).any(axis=0)
                if bad.any():
                    names = [data.targets[t].identifier for t in np.flatnonzero(bad)]
                    found[shard.name, record] = names
    return found


def _shown(places: Sequence[tuple[str, int]]) -> str:
    shown = ", ".join(f"{shard} record {record}" for shard, record in places[:_SHOWN])
    return shown + (f", … ({len(places)} in all)" if len(places) > _SHOWN else "")
