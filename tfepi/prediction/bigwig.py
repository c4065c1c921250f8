"""Predictions as bigWig tracks: the bins of all windows in the order of the genome."""

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import numpy as np

from tfepi.prediction.parts import PredictedParts
from tfepi.prediction.windows import Windows
from tfepi.variants.disk import full_disk
from tfrecords_tools.bigwig import BigWigWriter, check_count
from tfrecords_tools.chrom_sizes import read_sizes
from tfrecords_tools.errors import InputFileError
from tfrecords_tools.files import atomic_path, remove_parts
from tfrecords_tools.genome import Genome
from tfrecords_tools.overlaps import Spans, averaged, windows_at_once
from tfrecords_tools.progress import progress
from tfrecords_tools.targets import Target

FOLDER = "bigwig"
_WINDOWS = 1 << 17  # of one chromosome, looked at at once


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
        sizes: a table that lists some of them, as `chrom_sizes.read_sizes` takes it.

    Raises:
        InputFileError: a table that is none, another length than the FASTA's, or no line for a
            chromosome with windows.
        ConfigError: more chromosomes than a track can list.
    """
    found = dict(genome.chroms) if sizes is None else read_sizes(sizes)
    check_count(found)
    for name, length in found.items():
        if genome.chroms.get(name, length) != length:
            raise InputFileError(
                f"chromosome sizes {sizes} say {name} has {length} bp, FASTA {genome.path} has "
                f"{genome.chroms[name]}: is it of another build?"
            )
    for numbers in windows.in_order(_WINDOWS):
        name = windows.chroms[windows.block(numbers[:1])[0][0]]
        if name not in found:
            raise InputFileError(
                f"chromosome sizes {sizes} lack {name}, which has windows: add it, or leave the "
                "table out for the FASTA's"
            )
    return found


def write_track(
    path: Path, lengths: dict[str, int], spans: Iterable[Spans], bin_width: int
) -> None:
    """Write a bigWig, whole or not at all.

    Args:
        path: of the file.
        lengths: chromosome → length, bp; the file lists them by name, as its readers expect.
        spans: by name of chromosome; what lies beyond a chromosome is left out, and NaN.
        bin_width: bp.

    Raises:
        OSError: the file could not be written; ENOSPC where the disk is full.
        InputFileError: no value is a finite number.
    """
    with (
        atomic_path(path) as temporary,
        full_disk(path),
        BigWigWriter(temporary, lengths, bin_width) as writer,
    ):
        written = False
        for chrom, start, end, values in spans:
            start, end = np.maximum(start, 0), np.minimum(end, lengths[chrom])
            kept = np.isfinite(values) & (start < end)
            writer.add(chrom, start[kept], end[kept], values[kept])
            written |= bool(kept.any())
        if not written:
            raise InputFileError(f"track {path} has no finite value: nothing to write")


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
            path = track_path(parts.folder, target)
            write_track(path, lengths, averaged(blocks, bin_width), bin_width)


def _blocks(parts, windows, column, advance) -> Iterator[tuple[str, np.ndarray, np.ndarray]]:
    most = windows_at_once(parts.read(0).shape[2], bool(windows.overlapping))
    for numbers in windows.in_order(most):
        chrom, start = windows.block(numbers)
        yield windows.chroms[chrom[0]], start, parts.target(column, numbers)
        advance(len(numbers))
