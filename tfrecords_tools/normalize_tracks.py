"""Accessibility tracks to be normalised: one per cell type, the sum of its replicates."""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from tfrecords_tools.builds import build_of
from tfrecords_tools.errors import ConfigError, InputFileError
from tfrecords_tools.genome import missing_chrom
from tfrecords_tools.input_tracks import AVERAGE, check_signal, read_accessibility
from tfrecords_tools.targets import Target, resolve
from tfrecords_tools.tracks import open_track

MEAN = "mean"
NAN = ("zero", "keep")


@dataclass(frozen=True)
class CellTrack:
    """The tracks of a cell type.

    Attributes:
        cell: its name.
        assay: "DNase", "ATAC", or None where the table does not say.
        replicates: rows of the table, with paths resolved.
    """

    cell: str
    assay: str | None
    replicates: tuple[Target, ...]


def read_cells(path: str | Path) -> tuple[CellTrack, ...]:
    """Read a table of tracks, in which several rows of a cell type are replicates.

    Args:
        path: tab-separated; columns identifier, file, cell, and assay and scale where known.

    Returns:
        The cell types in the order of their first row.

    Raises:
        InputFileError: as `targets.read_table`.
        ConfigError: the same; or a row without cell, a cell named "average" or "mean", replicates
            of two assays, an unknown assay, a clip or threshold, or a scale below 0.
    """
    where = f"tracks table {path}"
    rows = resolve(read_accessibility(path, where), path)
    by_cell: dict[str, list[Target]] = {}
    for row in rows:
        what = f"{where}: track {row.identifier!r}"
        if row.cell in (AVERAGE, MEAN):
            raise ConfigError(
                f"{what} has the cell {row.cell!r}, which means the average of all: name it "
                "otherwise, or leave it out"
            )
        for column in ("clip", "clip_soft", "threshold"):
            if getattr(row, column) is not None:
                raise ConfigError(
                    f"{what} has {column} {getattr(row, column):g}, but ranks are taken of the "
                    "signal as it is: leave the column empty"
                )
        if row.scale < 0:
            raise ConfigError(f"{what} has scale {row.scale:g}: want a number above 0")
        by_cell.setdefault(row.cell, []).append(row)
    for cell, found in by_cell.items():
        assays = list(dict.fromkeys(str(r.assay) for r in found))
        if len(assays) > 1:
            raise ConfigError(
                f"{where}: tracks of cell {cell!r} have the assays {' and '.join(assays)}, but "
                "replicates are summed: give one of them another cell"
            )
    return tuple(CellTrack(c, found[0].assay, tuple(found)) for c, found in by_cell.items())


def stems(names: Iterable[str], taken: Iterable[str] = ()) -> dict[str, str]:
    """Return a stem for file names per name; what no file name should hold becomes `_`.

    Args:
        names: of cell types or clusters.
        taken: stems that other files have.

    Raises:
        ConfigError: a stem that is taken, or that two names share.
    """
    owner = dict.fromkeys(taken, "another output")
    found = {}
    for name in names:
        stem = re.sub(r"[^A-Za-z0-9+_.-]", "_", name).lstrip(".") or "_"
        for used in (stem, f"{stem}_delta"):
            if used in owner:
                raise ConfigError(
                    f"{name!r} and {owner[used]} would both be written to {used}.bw: rename one"
                )
            owner[used] = repr(name)
        found[name] = stem
    return found


def common_chroms(cells: Iterable[CellTrack], chosen: Iterable[str] = ()) -> dict[str, int]:
    """Return the chromosomes of all tracks and their lengths, which must be the same in all.

    Args:
        cells: whose tracks are opened and closed.
        chosen: names; none for all that the tracks have.

    Raises:
        InputFileError: a track that cannot be opened or does not know lengths, a chromosome that
            a track lacks, or of another length than in the track before.
    """
    first, chroms = None, {}
    for row in (r for cell in cells for r in cell.replicates):
        track = open_track(row.file)
        found = dict(track.chroms)
        track.close()
        if None in found.values():
            raise InputFileError(
                f"track {row.file} of {row.identifier!r} is a BED, which holds no signal: want a "
                "bigWig or HDF5"
            )
        wanted = tuple(chosen) or tuple(chroms or found)
        for chrom in wanted:
            if chrom not in found:
                raise InputFileError(
                    f"{missing_chrom(chrom, found, str(row.file))}; "
                    "name the chromosomes that all tracks have with --chroms"
                )
        if first is None:
            first, chroms = row, {c: found[c] for c in wanted}
            continue
        for chrom, length in chroms.items():
            if found[chrom] != length:
                raise InputFileError(
                    f"{row.file}: {chrom} is {found[chrom]:,} bp, in {first.file} {length:,} bp: "
                    f"the tracks are of two genome builds ({_build(found)}, {_build(chroms)}) or "
                    "one was cut"
                )
        extra = [c for c in found if c not in chroms]
        if extra and not chosen:
            raise InputFileError(
                f"{missing_chrom(extra[0], chroms, str(first.file))}, but {row.file} has it; "
                "name the chromosomes that all tracks have with --chroms"
            )
    return chroms


def _build(chroms: dict[str, int]) -> str:
    return build_of(chroms) or "unknown"


class Signal:
    """The open tracks of a cell type, summed.

    Args:
        cell: whose tracks.
        nan: what a base without value is: "zero", or "keep" for NaN where no replicate has one.
    """

    def __init__(self, cell: CellTrack, nan: str = "zero"):
        self._rows, self._keep = cell.replicates, nan == "keep"
        self._tracks = [open_track(row.file) for row in cell.replicates]

    def values(self, chrom: str, start: int, end: int) -> np.ndarray:
        """Return float64 [end - start] of a stretch, 0-based, half-open.

        Raises:
            InputFileError: a negative or infinite value.
        """
        total = np.zeros(end - start)
        seen = np.zeros(end - start, bool) if self._keep else None
        for row, track in zip(self._rows, self._tracks, strict=True):
            values = track.values(chrom, start, end)
            check_signal(values, row, chrom, start)
            known = ~np.isnan(values)
            np.add(total, np.multiply(values, row.scale, dtype=np.float64), out=total, where=known)
            if self._keep:
                seen |= known
        if self._keep:
            total[~seen] = np.nan
        return total

    def close(self) -> None:
        """Close the files."""
        for track in self._tracks:
            track.close()
