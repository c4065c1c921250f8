"""Track files: per-base values of bigWig, BED/narrowPeak and HDF5 over stretches of a genome."""

import os
from collections.abc import Iterable
from pathlib import Path
from typing import Protocol

import numpy as np

from tfrecords_tools.errors import InputFileError
from tfrecords_tools.files import existing
from tfrecords_tools.genome import missing_chrom
from tfrecords_tools.intervals import Interval, intersect_array, merged, read_bed

_BIGWIG_MAGIC = {b"\x26\xfc\x8f\x88", b"\x88\x8f\xfc\x26"}


class Track(Protocol):
    """A file of per-base values.

    `chroms` maps chromosome names to lengths in bp, or to None where the file does not say.
    `values` returns float32 [end - start] of a 0-based, half-open stretch; NaN is no value.
    """

    path: Path
    chroms: dict[str, int | None]

    def values(self, chrom: str, start: int, end: int) -> np.ndarray: ...

    def close(self) -> None: ...


class BigWigTrack:
    """A bigWig; bases outside its intervals are NaN.

    Raises:
        InputFileError: missing, not a bigWig, truncated, or a block that cannot be read.
    """

    def __init__(self, path: str | Path):
        import pyBigWig

        self.path = existing(path, "bigWig")
        with open(self.path, "rb") as handle:
            head = handle.read(4)
            handle.seek(0, os.SEEK_END)
            size = handle.tell()
            handle.seek(max(0, size - 4))
            tail = handle.read(4)
        if not size:
            raise InputFileError(f"bigWig {path} is empty: fetch or write it again")
        if head not in _BIGWIG_MAGIC:
            raise InputFileError(f"{path} is no bigWig: it starts with {head!r}")
        if tail != head:
            raise InputFileError(
                f"bigWig {path} is truncated at {size} bytes: its closing mark is missing; "
                "fetch or write it again"
            )
        try:
            with _quiet_stderr():
                self._file = pyBigWig.open(str(self.path))
        except RuntimeError as error:
            raise InputFileError(f"cannot open bigWig {path}: {error}") from None
        if not self._file.isBigWig():
            raise InputFileError(f"{path} is a bigBed: want a bigWig")
        self.chroms: dict[str, int | None] = dict(self._file.chroms())

    def values(self, chrom: str, start: int, end: int) -> np.ndarray:
        """Return float32 [end - start]; NaN where the bigWig has no interval."""
        length = _length(self, chrom)
        if end > length:
            raise InputFileError(
                f"bigWig {self.path}: {chrom} is {length} bp, but {chrom}:{start}-{end} is needed: "
                "is it of another genome build?"
            )
        try:
            with _quiet_stderr():
                return self._file.values(chrom, start, end, numpy=True)
        except RuntimeError as error:
            raise InputFileError(
                f"cannot read {chrom}:{start}-{end} of bigWig {self.path}: {error}; "
                "the file is damaged: fetch or write it again"
            ) from None

    def close(self) -> None:
        """Close the file."""
        self._file.close()


class BedTrack:
    """A BED or narrowPeak: 1 inside its intervals, 0 elsewhere, no NaN.

    Attributes:
        last: chromosome → its last interval's start and end.

    Raises:
        InputFileError: missing, not a BED, or without an interval.
    """

    def __init__(self, path: str | Path):
        self.path = existing(path, "BED file")
        self._regions = merged(read_bed(path))
        if not self._regions:
            raise InputFileError(
                f"BED track {path} has no interval, every target would be 0: name another track"
            )
        self.chroms: dict[str, int | None] = dict.fromkeys(self._regions)
        self.last = {c: Interval(c, *spans[-1].tolist()) for c, spans in self._regions.items()}

    def values(self, chrom: str, start: int, end: int) -> np.ndarray:
        """Return float32 [end - start] of 0 and 1; a chromosome without interval is all 0."""
        out = np.zeros(end - start, np.float32)
        spans = self._regions.get(chrom)
        if spans is not None:
            for low, high in intersect_array(np.array([[start, end]]), spans):
                out[low - start : high - start] = 1
        return out

    def close(self) -> None:
        """Nothing to close."""


class HDF5Track:
    """An HDF5 file with one dataset of values per chromosome (w5)."""

    def __init__(self, path: str | Path):
        import h5py

        self.path = existing(path, "HDF5 track")
        try:
            self._file = h5py.File(self.path, "r")
        except OSError as error:
            raise InputFileError(f"cannot open HDF5 {path}: {error}") from None
        self.chroms: dict[str, int | None] = {
            name: item.shape[0]
            for name, item in self._file.items()
            if isinstance(item, h5py.Dataset) and item.ndim == 1
        }

    def values(self, chrom: str, start: int, end: int) -> np.ndarray:
        """Return float32 [end - start]."""
        length = _length(self, chrom)
        if end > length:
            raise InputFileError(f"HDF5 {self.path}: {chrom} has {length} values, {end} are needed")
        self.check_numbers(chrom)
        try:
            return self._file[chrom][start:end].astype(np.float32)
        except OSError as error:
            raise InputFileError(
                f"cannot read {chrom}:{start}-{end} of HDF5 {self.path}: {error}; "
                "the file is damaged: fetch or write it again"
            ) from None

    def check_numbers(self, chrom: str) -> None:
        """Refuse a dataset of anything but real numbers, such as text."""
        kind = self._file[chrom].dtype
        if kind.kind not in "fiub":
            raise InputFileError(
                f"HDF5 {self.path}: dataset {chrom!r} is of type {kind}, want one number per base"
            )

    def close(self) -> None:
        """Close the file."""
        self._file.close()


def is_bed(path: str | Path) -> bool:
    """Tell whether a track is a BED by its suffix, so that its bases are 0 and 1."""
    name = str(path).lower().removesuffix(".gz")
    return Path(name).suffix in (".bed", ".narrowpeak", ".broadpeak")


def open_track(path: str | Path) -> Track:
    """Open a track by its suffix: .bw .bigwig, .bed .narrowpeak (also .gz), .h5 .hdf5 .w5.

    Raises:
        InputFileError: another suffix, or what the reader of that format raises.
    """
    name = str(path).lower()
    suffix = Path(name.removesuffix(".gz")).suffix
    if suffix in (".bw", ".bigwig") and not name.endswith(".gz"):
        return BigWigTrack(path)
    if is_bed(path):
        return BedTrack(path)
    if suffix in (".h5", ".hdf5", ".w5", ".wdf5"):
        return HDF5Track(path)
    raise InputFileError(
        f"track {path} has the suffix {suffix!r}: want .bw, .bigWig, .bed, .narrowPeak, .h5 or .w5"
    )


def check_chroms(track: Track, wanted: dict[str, int]) -> None:
    """Check that a track has every chromosome of `wanted` with the same length.

    Args:
        track: an open track.
        wanted: chromosome → length in bp, of the genome.

    Raises:
        InputFileError: a chromosome is absent, of another length or, in a BED, has an interval
            past its end (another build); or an HDF5 dataset holds no numbers.
    """
    if isinstance(track, BedTrack):
        check_ends(track.path, track.last.values(), wanted)
        if track.chroms and not set(track.chroms) & set(wanted):
            chrom = next(iter(track.chroms))
            raise InputFileError(
                missing_chrom(chrom, wanted, f"the genome, read for {track.path},")
            )
        return
    for chrom, length in wanted.items():
        found = _length(track, chrom)
        if isinstance(track, HDF5Track):
            track.check_numbers(chrom)
        if found != length:
            raise InputFileError(
                f"{track.path}: {chrom} is {found} bp, in the genome {length} bp: "
                "the track is of another genome build or was cut; use matching files"
            )


def check_ends(path: str | Path, intervals: Iterable[Interval], chroms: dict[str, int]) -> None:
    """Check that a BED's intervals end within their chromosomes, as far as `chroms` has these.

    Raises:
        InputFileError: one does not.
    """
    for i in intervals:
        if i.end > chroms.get(i.chrom, i.end):
            raise InputFileError(
                f"{path}: {i} ends beyond {i.chrom}, which is {chroms[i.chrom]} bp: "
                "is the BED of another genome build?"
            )


class _quiet_stderr:
    """Silence what libBigWig writes to stderr itself; ours says the same with the file's name."""

    def __enter__(self):
        try:
            self._stderr = os.dup(2)
        except OSError:  # there is no stderr
            self._stderr = None
            return
        null = os.open(os.devnull, os.O_WRONLY)
        os.dup2(null, 2)
        os.close(null)

    def __exit__(self, *_):
        if self._stderr is not None:
            os.dup2(self._stderr, 2)
            os.close(self._stderr)


def _length(track: Track, chrom: str) -> int:
    if chrom not in track.chroms:
        raise InputFileError(
            missing_chrom(chrom, track.chroms, str(track.path))
            + "; leave the chromosome out, or add it to the file"
        )
    return track.chroms[chrom]
