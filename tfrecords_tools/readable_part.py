"""What can be read of a data folder with damaged shards, and how much that leaves out."""

import logging
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from tfrecords_tools.data import Data
from tfrecords_tools.errors import InputFileError
from tfrecords_tools.framing import read_frames
from tfrecords_tools.number_text import number_of
from tfrecords_tools.progress import progress
from tfrecords_tools.record_sizes import checked_features

log = logging.getLogger(__name__)


def readable_part(data: Data, labels: Sequence[str], quiet: bool = False) -> Data:
    """Return data without the records of damaged shards, from the damage to the shard's end.

    All shards of the labels are read, and checked, to the end. What is left out is said, with
    its place and number.

    Args:
        data: opened with `damaged`.
        labels: whose shards are read.
        quiet: no progress bar.

    Raises:
        InputFileError: nothing of a label can be read.
    """
    shards = {label: data.shards(label) for label in labels if label in data.labels}
    found = dict(data.readable)
    counts = dict(data.counts)
    total = sum(map(len, shards.values()))
    with progress(total=total, unit="shard", label="check", quiet=quiet) as bar:
        for label, paths in shards.items():
            read = 0
            for path in paths:
                count, problem = _whole_records(data, path)
                if problem is not None:
                    found[str(path)] = count
                    log.warning("%s: its other records are left out (%d are read)", problem, count)
                read += count
                bar.update(1)
            if not read:
                raise InputFileError(
                    f"nothing of label {label!r} in {data.folder} can be read: fetch its shards "
                    "again, or build the data again"
                )
            if left := counts[label] - read:
                share = 100 * left / counts[label]
                log.warning(
                    "label %r: %s of %d (%.2g%%) left out",
                    label,
                    number_of(left, "record"),
                    counts[label],
                    share,
                )
            counts[label] = read
    return replace(data, counts=counts, readable=found) if found else data


def _whole_records(data: Data, path: Path) -> tuple[int, str | None]:
    """Return how many records come before a shard's damage, and what that is, if there is any."""
    count = 0
    try:
        for frame in read_frames(path):
            checked_features(frame, data, f"shard {path} record {count}")
            count += 1
    except InputFileError as error:
        return count, str(error).partition(": rebuild")[0]
    return count, None
