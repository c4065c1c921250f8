"""Predictions as bigWig tracks: the bins of all windows in the order of the genome.

Where windows overlap, a base's value is the mean over the windows that cover it.
"""

import errno
import shutil
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import numpy as np
import pyBigWig

from tfepi.prediction.parts import PredictedParts
from tfepi.prediction.windows import Windows
from tfrecords_tools.errors import InputFileError
from tfrecords_tools.files import atomic_path, existing, remove_parts
from tfrecords_tools.genome import Genome
from tfrecords_tools.progress import progress
from tfrecords_tools.targets import Target

FOLDER = "bigwig"
_BINS = 1 << 17  # values held at once
_OVERLAPPING_BINS = 1 << 14  # the same where each may be cut at many edges
_NO_ROOM = 1 << 20

Spans = tuple[str, np.ndarray, np.ndarray, np.ndarray]
"""Chromosome, starts, ends and values of disjoint stretches, ascending."""


def track_path(folder: str | Path, target: Target) -> Path:
    """Return the path of a target's track: named by the index of its row in the table."""
    return Path(folder) / FOLDER / f"t{target.index}.bw"


def track_chroms(
    genome: Genome, windows: Windows, sizes: str | Path | None = None
) -> dict[str, int]:
    """Return the chromosomes that tracks list, with their lengths in bp.

    Args:
        genome: the FASTA, which has them all.
        windows: what is predicted.
        sizes: a table, name and length in each line, that lists some of them.

    Raises:
        InputFileError: a line that is none, another length than the FASTA's, or no line for a
            chromosome with windows.
    """
    if sizes is None:
        return dict(genome.chroms)
    found = {}
    for number, line in enumerate(existing(sizes, "chromosome sizes").read_text().splitlines(), 1):
        fields = line.split()
        if not fields:
            continue
        if len(fields) < 2 or not fields[1].isdecimal():
            raise InputFileError(
                f"chromosome sizes {sizes} line {number} is {line[:60]!r}: want a name and a length"
            )
        name, length = fields[0], int(fields[1])
        if genome.chroms.get(name, length) != length:
            raise InputFileError(
                f"chromosome sizes {sizes} line {number} says {name} has {length} bp, FASTA "
                f"{genome.path} has {genome.chroms[name]}: is it of another build?"
            )
        found[name] = length
    for numbers in windows.in_order(_BINS):
        name = windows.chroms[windows.block(numbers[:1])[0][0]]
        if name not in found:
            raise InputFileError(
                f"chromosome sizes {sizes} lack {name}, which has windows: add it, or leave the "
                "table out for the FASTA's"
            )
    return found


def write_track(path: Path, lengths: dict[str, int], spans: Iterable[Spans]) -> None:
    """Write a bigWig, whole or not at all.

    Args:
        path: of the file.
        lengths: chromosome → length, bp; the file lists them by name, as its readers expect.
        spans: by name of chromosome; what lies beyond a chromosome is left out, and NaN.

    Raises:
        OSError: the file could not be written; ENOSPC where the disk is full.
        InputFileError: no value is a finite number.
    """
    with atomic_path(path) as temporary:
        covered = 0
        try:
            with pyBigWig.open(str(temporary), "w") as file:
                file.addHeader(sorted(lengths.items()))
                for chrom, start, end, values in spans:
                    start, end = np.maximum(start, 0), np.minimum(end, lengths[chrom])
                    kept = np.isfinite(values) & (start < end)
                    start, end, values = start[kept], end[kept], values[kept]
                    covered += int((end - start).sum())
                    _add(file, chrom, start, end, values.astype(np.float64))
        except RuntimeError as error:
            raise _not_written(path, str(error)) from None
        if not covered:
            raise InputFileError(f"track {path} has no finite value: nothing to write")
        _check_written(temporary, path, covered)


def _add(file, chrom: str, start: np.ndarray, end: np.ndarray, values: np.ndarray) -> None:
    """Add stretches in the most compact of the format's three ways that holds them."""
    if not len(start):
        return
    width = int(end[0] - start[0])
    other = np.flatnonzero(end - start != width)
    if len(other) == 1 and other[0] == len(start) - 1 and len(start) > 1:  # cut at the end
        _add(file, chrom, start[:-1], end[:-1], values[:-1])
        _add(file, chrom, start[-1:], end[-1:], values[-1:])
    elif len(other):
        file.addEntries(np.full(len(start), chrom), start, ends=end, values=values)
    elif (np.diff(start) == width).all():
        file.addEntries(chrom, int(start[0]), values=values, span=width, step=width)
    else:
        file.addEntries(chrom, start, values=values, span=width)


def _check_written(temporary: Path, path: Path, covered: int) -> None:
    """Read the summary back: the library does not say when closing a file fails."""
    try:
        with pyBigWig.open(str(temporary)) as file:
            if file.header()["nBasesCovered"] == covered:
                return
    except RuntimeError:
        pass
    raise _not_written(path, "it is not whole")


def _not_written(path: Path, reason: str) -> OSError:
    full = shutil.disk_usage(path.parent).free < _NO_ROOM
    return OSError(errno.ENOSPC if full else errno.EIO, f"cannot write: {reason}", str(path))


def write_tracks(
    parts: PredictedParts,
    windows: Windows,
    bin_width: int,
    targets: Sequence[tuple[int, Target]],
    lengths: dict[str, int],
    quiet: bool = False,
) -> None:
    """Write the tracks of targets that are not there yet.

    Args:
        parts: predictions.
        windows: what they are of.
        bin_width: bp.
        targets: position among the parts' targets, and the target.
        lengths: chromosome → length, bp, of every chromosome with windows.
        quiet: no progress bar.
    """
    (parts.folder / FOLDER).mkdir(exist_ok=True)
    remove_parts(parts.folder / FOLDER)
    todo = [(c, t) for c, t in targets if not track_path(parts.folder, t).exists()]
    with progress(total=len(todo) * len(windows), unit="windows", label="bigWig", quiet=quiet) as b:
        for column, target in todo:
            blocks = _blocks(parts, windows, column, b.update)
            write_track(track_path(parts.folder, target), lengths, averaged(blocks, bin_width))


def _blocks(parts, windows, column, advance) -> Iterator[tuple[str, np.ndarray, np.ndarray]]:
    bins = parts.read(0).shape[2]
    most = _OVERLAPPING_BINS if windows.overlapping else _BINS
    for numbers in windows.in_order(max(1, most // bins)):
        chrom, start = windows.block(numbers)
        yield windows.chroms[chrom[0]], start, parts.target(column, numbers)
        advance(len(numbers))


def averaged(
    blocks: Iterable[tuple[str, np.ndarray, np.ndarray]], bin_width: int
) -> Iterator[Spans]:
    """Yield disjoint stretches with the mean of all finite values that cover them.

    Args:
        blocks: chromosome, starts [windows] and values [windows, bins], by chromosome and start.
        bin_width: bp.
    """
    held = None
    for chrom, start, values in blocks:
        if held is not None:
            same = held[0] == chrom
            done, rest = _split(*held[1:], int(start[0]) if same else None)
            yield held[0], *done
            held = (chrom, *rest) if same else None
        first = (start[:, None] + bin_width * np.arange(values.shape[1])).ravel()
        mine = (first, first + bin_width, values.ravel())
        if held is not None:
            mine = tuple(np.concatenate(pair) for pair in zip(held[1:], mine, strict=True))
        held = (chrom, *mine)
    if held is not None:
        yield held[0], *_split(*held[1:], None)[0]


def _split(start: np.ndarray, end: np.ndarray, values: np.ndarray, limit: int | None):
    """Return what lies before `limit`, made disjoint, and what lies behind it, as it is."""
    if limit is None:
        return _disjoint(start, end, values), None
    before, behind = start < limit, end > limit
    done = _disjoint(start[before], np.minimum(end[before], limit), values[before])
    return done, (np.maximum(start[behind], limit), end[behind], values[behind])


def _disjoint(start: np.ndarray, end: np.ndarray, values: np.ndarray):
    if (start[1:] >= end[:-1]).all():
        return start, end, values
    kept = np.isfinite(values)
    start, end, values = start[kept], end[kept], values[kept]
    edges = np.unique(np.concatenate([start, end]))
    low, high = np.searchsorted(edges, start), np.searchsorted(edges, end)
    count = high - low  # stretches between edges that each value covers
    place = np.repeat(low - np.cumsum(count) + count, count) + np.arange(count.sum())
    total = np.bincount(place, np.repeat(values.astype(np.float64), count), len(edges))
    over = np.bincount(place, minlength=len(edges))
    covered = np.flatnonzero(over)
    return edges[covered], edges[covered + 1], total[covered] / over[covered]
