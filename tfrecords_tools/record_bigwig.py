"""The targets of records as bigWigs at their places in the genome.

Shards are read once: the targets go to a file of fixed-size rows, from which each bigWig is
written in the order of the genome. Memory is that of a record and a few bytes per window.
"""

import logging
import os
import re
import tempfile
from array import array
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from tfrecords_tools import transforms
from tfrecords_tools.bigwig import BigWigWriter
from tfrecords_tools.chrom_sizes import read_sizes
from tfrecords_tools.data import Data
from tfrecords_tools.data_writer import claim_output, source_files
from tfrecords_tools.errors import ConfigError, InputFileError
from tfrecords_tools.files import atomic_path
from tfrecords_tools.genome import missing_chrom
from tfrecords_tools.number_text import number_of
from tfrecords_tools.output import check_room, run_record
from tfrecords_tools.overlaps import averaged, windows_at_once
from tfrecords_tools.progress import progress
from tfrecords_tools.record_windows import (
    check_places,
    chosen_labels,
    placed_records,
    stream_windows,
)
from tfrecords_tools.select_records import chosen_targets
from tfrecords_tools.target_summary import TargetSums
from tfrecords_tools.targets import Target

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Survey:
    """What sequences.bed tells before any record is read.

    Attributes:
        sizes: chromosome → length, bp.
        windows: number of windows, by label.
    """

    sizes: dict[str, int]
    windows: dict[str, int]


def write_bigwigs(
    data: Data,
    out: str | Path,
    names: str | None = None,
    labels: list[str] | None = None,
    sizes: str | Path | None = None,
    style: str | None = None,
    overwrite: bool = False,
    quiet: bool = False,
) -> list[Path]:
    """Write a bigWig per target; where windows overlap, the mean of their bins.

    Args:
        data: the records.
        out: the folder.
        names: targets, as `select_records.chosen_targets` takes them; by default all.
        labels: whose records; by default all that have any.
        sizes: a table of chromosome and length, a .fai, or a FASTA that has one; by default a
            chromosome ends with its last window.
        style: of the transforms to undo, or None to write values as they are stored.
        overwrite: remove what is there.
        quiet: no progress bars.

    Returns:
        The files, `{identifier}.bw`.

    Raises:
        ConfigError: an unknown label, a target without inverse, two identifiers that give the
            same file name, or too little room on the disk.
        InputFileError: records whose places are not known, or not in the genome; a value that
            the transforms cannot give.
        UnfinishedError: the folder has results.
    """
    labels = chosen_labels(data, labels or [])
    positions = chosen_targets(data, names)
    targets = tuple(data.targets[p] for p in positions)
    if style is not None:
        transforms.check_style(style, targets)
    files = file_names(targets)
    survey = survey_windows(data, labels, sizes)
    check_places(data, labels, survey.windows)
    need = 2 * sum(survey.windows.values()) * data.target_length * len(targets)
    check_room(out, need, "choose fewer --targets or --labels, or name another folder")
    folder = claim_output(out, data, overwrite)
    inputs = source_files(data) | ({"sizes": sizes} if sizes else {})
    facts = {"data_sha256": data.manifest_sha256, "labels": labels, "untransform": style}
    with (
        run_record(folder, inputs, **facts) as record,
        tempfile.TemporaryFile(dir=folder) as spool,
    ):
        sums = TargetSums(targets, style or "current")
        index = _Index(data, len(targets), spool.fileno(), survey)
        for label in labels:
            placed = placed_records(data, label)
            total = survey.windows[label]
            for window, shard, number, features in progress(
                placed, total=total, unit="record", label=label, quiet=quiet
            ):
                values = np.ascontiguousarray(data.target(features, shard, number)[:, positions])
                if style is not None:
                    _check_stored(values, targets, style, f"shard {shard} record {number}")
                sums.add(values)
                spool.write(np.ascontiguousarray(values.T).tobytes())
                index.add(window.chrom, window.start)
        spool.flush()
        index.sort()
        record["overlapping_windows"] = index.overlapping()
        if record["overlapping_windows"]:
            log.info(
                "bins are means where windows overlap the one before: %s",
                number_of(record["overlapping_windows"], "window"),
            )
        written = []
        for row in progress(range(len(targets)), unit="bigWig", quiet=quiet):
            with (
                atomic_path(folder / files[row]) as part,
                BigWigWriter(part, survey.sizes, data.pool_width) as writer,
            ):
                blocks = index.blocks(row, targets[row], style)
                for span in averaged(blocks, data.pool_width):
                    writer.add(*span)
            written.append(folder / files[row])
    for found in sums.summaries():
        if found.infinite:
            bins = number_of(found.infinite, "infinite bin")
            log.warning("%s: left out %s", found.identifier, bins)
        if style is not None and found.at_clip:
            log.warning(
                "%s: %s at the hard clip, where true values are unknown",
                found.identifier,
                number_of(found.at_clip, "bin"),
            )
    return written


def _check_stored(values: np.ndarray, targets: tuple[Target, ...], style: str, where: str) -> None:
    """Check that values can be untransformed; NaN can."""
    for column, target in enumerate(targets):
        try:
            transforms.check_stored(values[:, column].astype(np.float64), target, style)
        except InputFileError as error:
            raise InputFileError(f"{where}: {error}") from None


def file_names(targets: tuple[Target, ...]) -> list[str]:
    """Return a file name per target: its identifier, what no file name should hold as `_`.

    Raises:
        ConfigError: two targets get the same.
    """
    names: dict[str, Target] = {}
    for target in targets:
        name = re.sub(r"[^A-Za-z0-9+_.-]", "_", target.identifier).lstrip(".") + ".bw"
        if name in names:
            raise ConfigError(
                f"targets {names[name].identifier!r} and {target.identifier!r} would both be "
                f"written to {name}: choose one with --targets"
            )
        names[name] = target
    return list(names)


def survey_windows(data: Data, labels: list[str], sizes: str | Path | None) -> Survey:
    """Return what sequences.bed tells of the labels' windows.

    Raises:
        InputFileError: a window outside the genome, or a table of lengths that is none.
    """
    known = read_sizes(sizes) if sizes else None
    counts, ends = dict.fromkeys(labels, 0), {}
    for window in stream_windows(data.folder):
        if window.label not in counts:
            continue
        counts[window.label] += 1
        window = data.cropped(window)
        if known is not None and window.chrom not in known:
            raise InputFileError(missing_chrom(window.chrom, known, str(sizes)))
        if known is not None and window.end > known[window.chrom]:
            raise InputFileError(
                f"window {window} ends beyond {window.chrom}, which is {known[window.chrom]} bp "
                f"in {sizes}: is it of another genome build?"
            )
        ends[window.chrom] = max(window.end, ends.get(window.chrom, 0))
    if known is None:
        log.info("chromosomes end with their last window: give their lengths with -g")
    return Survey(known or ends, counts)


class _Index:
    """Which row of the file of targets is of which place."""

    def __init__(self, data: Data, targets: int, file: int, survey: Survey):
        self._file, self._targets = file, targets
        self._bins, self._width = data.target_length, data.pool_width
        self._names = sorted(survey.sizes, key=str.encode)
        self._numbers = {name: n for n, name in enumerate(self._names)}
        self._chroms, self._starts = array("I"), array("q")

    def add(self, chrom: str, start: int) -> None:
        self._chroms.append(self._numbers[chrom])
        self._starts.append(start)

    def sort(self) -> None:
        """Order the rows by place."""
        self.chroms = np.frombuffer(self._chroms, np.uint32)
        self.starts = np.frombuffer(self._starts, np.int64)
        self.order = np.lexsort((self.starts, self.chroms)).astype(np.int64)

    def overlapping(self) -> int:
        """Return how many windows begin before the end of one before them."""
        chroms, starts = self.chroms[self.order], self.starts[self.order]
        close = np.diff(starts) < self._bins * self._width
        return int((close & (chroms[1:] == chroms[:-1])).sum())

    def blocks(
        self, column: int, target: Target, style: str | None
    ) -> Iterator[tuple[str, np.ndarray, np.ndarray]]:
        """Yield (chromosome, starts, values [windows, bins]) of a target in the genome's order."""
        most = windows_at_once(self._bins, self.overlapping() > 0)
        for rows in np.split(self.order, np.flatnonzero(np.diff(self.chroms[self.order])) + 1):
            name = self._names[self.chroms[rows[0]]]
            for low in range(0, len(rows), most):
                part = rows[low : low + most]
                yield name, self.starts[part], self._values(part, column, target, style)

    def _values(
        self, rows: np.ndarray, column: int, target: Target, style: str | None
    ) -> np.ndarray:
        size = self._bins * 2
        places = ((rows * self._targets + column) * size).tolist()
        data = b"".join(os.pread(self._file, size, place) for place in places)
        values = np.frombuffer(data, np.float16).reshape(len(rows), -1).astype(np.float64)
        values[np.isinf(values)] = np.nan
        return values if style is None else transforms.inverse(values, target, style)
