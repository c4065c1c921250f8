"""Records beside their windows, streaming: which place of the genome each record is of."""

from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path

from tfrecords_tools.data import Data, windows_file
from tfrecords_tools.errors import InputFileError
from tfrecords_tools.framing import read_frames
from tfrecords_tools.intervals import Interval, bed_rows

WINDOWS = "sequences.bed"


def chosen_labels(data: Data, labels: list[str]) -> list[str]:
    """Return the labels asked for, once each, or by default every label that has records.

    Raises:
        ConfigError: a label without records.
    """
    for label in labels:
        data.shards(label)
    return list(dict.fromkeys(labels)) or data.labels


def stream_windows(folder: Path) -> Iterator[Interval]:
    """Yield the rows of sequences.bed, one at a time.

    Raises:
        InputFileError: missing, or a line that is no interval with a label.
    """
    path = windows_file(folder)
    for window, _ in bed_rows(path):
        if not window.label or not len(window):
            raise InputFileError(
                f"{path} has {window} with label {window.label!r}: want chromosome, start, a later "
                "end and a label"
            )
        yield window


def window_counts(folder: Path) -> Counter[str]:
    """Return the number of windows that sequences.bed lists, by label."""
    return Counter(window.label for window in stream_windows(folder))


def check_places(data: Data, labels: list[str], windows: Mapping[str, int]) -> None:
    """Check, as far as the folder's files tell, that each record has a window.

    Args:
        data: the folder.
        labels: to check.
        windows: label → windows that sequences.bed lists.

    Raises:
        InputFileError: a label has another number of records than windows.
    """
    for label in labels:
        if windows[label] != data.counts[label]:
            raise _disagree(data, label, windows[label], data.counts[label])


def check_counted(data: Data, label: str, windows: int) -> None:
    """Check that each record of a label has a window, by reading all its shards.

    Of another tool's folder no file tells how many records there are.

    Args:
        data: the folder.
        label: to check.
        windows: of the label, that sequences.bed lists.

    Raises:
        InputFileError: another number of records, or a damaged shard.
    """
    records = sum(1 for shard in data.shards(label) for _ in read_frames(shard))
    if records != windows:
        raise _disagree(data, label, windows, records)


def placed_records(
    data: Data, label: str
) -> Iterator[tuple[Interval, Path, int, dict[str, bytes]]]:
    """Yield (window, shard, number in the shard, features) of each record of a label.

    Raises:
        InputFileError: another number of records than sequences.bed lists windows of the label,
            a window of another length than the records, or a damaged shard.
    """
    windows = (w for w in stream_windows(data.folder) if w.label == label)
    frames = data.frames(label)
    rows = 0
    for shard, number, features in frames:
        window = next(windows, None)
        if window is None:
            raise _disagree(data, label, rows, rows + 1 + sum(1 for _ in frames))
        rows += 1
        yield data.cropped(window), shard, number, features
    more = sum(1 for _ in windows)
    if more:
        raise _disagree(data, label, rows + more, rows)


def _disagree(data: Data, label: str, windows: int, records: int) -> InputFileError:
    return InputFileError(
        f"{data.folder / WINDOWS} lists {windows} window{'' if windows == 1 else 's'} of {label}, "
        f"its shards hold {records} record{'' if records == 1 else 's'}: the places of the records "
        "are not known; fetch the file that belongs to them"
    )
