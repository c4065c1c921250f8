"""Signal of the tracks of a targets table: in peaks, and in bins along the genome."""

from collections.abc import Iterator, Sequence
from contextlib import closing
from pathlib import Path

import numpy as np

from tfepi.specificity.peak_calls import CallRule, joined_bins, threshold_of, value_counts
from tfrecords_tools.errors import InputFileError
from tfrecords_tools.genome import missing_chrom
from tfrecords_tools.intervals import Interval, Regions
from tfrecords_tools.pooling import Pooling, stretch_values, window_values
from tfrecords_tools.progress import progress
from tfrecords_tools.targets import Target, read_targets, resolve
from tfrecords_tools.tracks import is_bed, open_track

_STRETCH = 4_000_000  # bp read at once


class TrackSignal:
    """The tracks of cell types, each by its row of a targets table.

    Clip, soft clip, scale, statistic and NaN policy of a row act as when records are built.

    Args:
        targets: rows with the paths of their tracks.
        nan: what becomes of bases without value, where a row does not say ("zero", "interpolate"
            or "keep": a peak or bin with a value at fewer than half of its bases is NaN).
        quiet: no progress bars.
    """

    def __init__(self, targets: Sequence[Target], nan: str = "zero", quiet: bool = True):
        self.targets, self.quiet, self._nan = tuple(targets), quiet, nan
        self.cell_types = tuple(t.identifier for t in targets)

    @classmethod
    def read(cls, table: str | Path, nan: str = "zero", quiet: bool = True) -> "TrackSignal":
        """Return the tracks of a targets table.

        Raises:
            InputFileError, ConfigError: as `read_targets`.
        """
        return cls(resolve(read_targets(table, with_files=True, extra=True), table), nan, quiet)

    @property
    def files(self) -> dict[str, Path]:
        """Label → path of every track."""
        return {f"track {t.identifier}": Path(t.file) for t in self.targets}

    def at(self, peaks: Sequence[Interval]) -> np.ndarray:
        """Return the signal in each peak, all its bases being one bin: float32 [peaks, cell types].

        Raises:
            InputFileError: a track that cannot be read, lacks a chromosome or is shorter.
        """
        out = np.empty((len(peaks), len(self.targets)), np.float32)
        rows = range(len(peaks))
        needed = list(dict.fromkeys(p.chrom for p in peaks))
        for column, target in enumerate(self.targets):
            with closing(open_track(target.file)) as track:
                _check_chroms(track, target, needed)
                for row in progress(
                    rows, unit="peak", label=target.identifier[:20], quiet=self.quiet
                ):
                    p = peaks[row]
                    values = track.values(p.chrom, p.start, p.end)
                    pooling = Pooling(len(p), target, target.nan or self._nan)
                    out[row, column] = window_values(values, pooling)[0]
        return out

    def calls(
        self, rule: CallRule, chroms: Sequence[str] | None = None
    ) -> tuple[list[Regions], list[float]]:
        """Return each cell type's open bins, joined, and the value above which a bin is open.

        Args:
            rule: when a bin is open; bins lie side by side from each chromosome's start.
            chroms: names; None: all of the track.

        Raises:
            InputFileError: a track that lacks a chromosome, does not tell chromosomes' lengths, or
                has no signal.
        """
        found, thresholds = [], []
        for target in self.targets:
            with closing(open_track(target.file)) as track:
                _check_chroms(track, target, chroms or ())
                lengths = {c: n for c, n in track.chroms.items() if chroms is None or c in chroms}
                if None in lengths.values() or not lengths:
                    raise InputFileError(
                        f"{target.file} does not say how long its chromosomes are: peaks are "
                        "called from bigWig or HDF5 tracks; give peaks with --peaks"
                    )
                bins = list(self._bins(track, target, lengths, rule.width))
            counts = sum(value_counts(values) for _, _, values in bins)
            limit = threshold_of(counts, rule, target.identifier)
            opened = (
                (chrom, start[values.astype(np.float32) > limit]) for chrom, start, values in bins
            )
            found.append(joined_bins(opened, rule.width))
            thresholds.append(limit)
        return found, thresholds

    def _bins(
        self, track, target: Target, lengths: dict[str, int], width: int
    ) -> Iterator[tuple[str, np.ndarray, np.ndarray]]:
        """Yield chromosome, starts and float16 values of bins."""
        pooling = Pooling(width, target, target.nan or self._nan)
        step = max(1, _STRETCH // width) * width
        none = np.zeros((0, 2), np.int64)
        label = target.identifier[:20]
        with progress(total=sum(lengths.values()), unit="bp", label=label, quiet=self.quiet) as bar:
            for chrom, length in lengths.items():
                for low in range(0, length, step):
                    high = min(low + step, length // width * width)
                    if high > low:
                        values = track.values(chrom, low, high)
                        starts = np.arange(0, high - low, width)
                        pooled = stretch_values(values, starts, width, pooling, none)[:, 0]
                        yield chrom, starts + low, pooled
                    bar.update(min(step, length - low))


def _check_chroms(track, target: Target, needed: Sequence[str]) -> None:
    """Check that a track that tells its chromosomes has those of the peaks.

    Raises:
        InputFileError: naming the first that is missing.
    """
    if is_bed(target.file):  # it has only those with an interval, and 0 elsewhere
        return
    for chrom in needed:
        if chrom not in track.chroms:
            raise InputFileError(
                f"track of {target.identifier}: {missing_chrom(chrom, track.chroms, target.file)}; "
                "are the peaks of this genome? If so, --chroms names chromosomes all tracks have"
            )
