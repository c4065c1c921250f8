"""Signal of the targets of a data folder, from its records: in peaks, and in its bins."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from tfepi.evaluation.filling import other_count
from tfepi.specificity.peak_calls import CallRule, joined_bins, threshold_of, value_counts
from tfepi.specificity.peaks import overlaps
from tfrecords_tools.data import Data
from tfrecords_tools.errors import InputFileError
from tfrecords_tools.intervals import Interval, Regions
from tfrecords_tools.progress import progress

_VALUES = 1 << 20  # held at once
_SHOWN = 3  # chromosomes in a message


class RecordSignal:
    """The values that a model is trained and tested on, of all labels.

    Args:
        data: data folder.
        columns: numbers of the targets that are cell types; None: all.
        quiet: no progress bars.
    """

    def __init__(self, data: Data, columns: Sequence[int] | None = None, quiet: bool = True):
        self.data, self.quiet = data, quiet
        self._columns = list(range(len(data.targets)) if columns is None else columns)
        self.targets = tuple(data.targets[c] for c in self._columns)
        self.cell_types = tuple(t.identifier for t in self.targets)

    @property
    def files(self) -> dict[str, Path]:
        """Label → path of what identifies the data."""
        return {"data": self.data.folder / "statistics.json"}

    def at(self, peaks: Sequence[Interval]) -> np.ndarray:
        """Return the mean over the bins of each peak, by overlap: float32 [peaks, cell types].

        NaN where observed bins cover less than half of a peak. A bin in several windows counts for
        each of them.

        Args:
            peaks: disjoint.

        Raises:
            InputFileError: no peak is on a chromosome of the data.
        """
        width = self.data.pool_width
        chrom = np.array([p.chrom for p in peaks], str)
        self._check_chroms(np.unique(chrom).tolist())
        place = np.array([(p.start, p.end) for p in peaks], np.int64).reshape(-1, 2)
        numbers = {}
        for name in np.unique(chrom):
            rows = np.flatnonzero(chrom == name)
            numbers[str(name)] = rows[np.argsort(place[rows, 0])]
        total = np.zeros((len(peaks), len(self._columns)))
        weight = np.zeros_like(total)
        for name, start, values in self._bins("signal in peaks"):
            if name not in numbers:
                continue
            own = numbers[name]
            row, hit, shared = overlaps(start, width, place[own])
            seen = ~np.isnan(values[row])
            share = shared[:, None] * seen
            np.add.at(total, own[hit], share * np.where(seen, values[row], 0))
            np.add.at(weight, own[hit], share)
        half = (place[:, 1] - place[:, 0])[:, None] / 2
        with np.errstate(invalid="ignore", divide="ignore"):
            return np.where(weight >= half, total / weight, np.nan).astype(np.float32)

    def calls(
        self, rule: CallRule, chroms: Sequence[str] | None = None
    ) -> tuple[list[Regions], list[float]]:
        """Return each cell type's open bins, joined, and the value above which a bin is open.

        Args:
            rule: when a bin is open; its width is the data's.
            chroms: names; None: all.

        Raises:
            InputFileError: none of the chromosomes is in the data, or a cell type without signal.
        """
        if chroms is not None:
            self._check_chroms(chroms)
        cells, width = len(self._columns), self.data.pool_width
        if rule.width != width:
            rule = replace(rule, width=width)
        counts = np.zeros((cells, 1 << 16), np.int64)
        for name, _, values in self._bins("distribution"):
            if chroms is None or name in chroms:
                for column in range(cells):
                    counts[column] += value_counts(values[:, column])
        limits = [threshold_of(n, rule, c) for n, c in zip(counts, self.cell_types, strict=True)]
        opened: list[list] = [[] for _ in range(cells)]
        for name, start, values in self._bins("peaks"):
            if chroms is None or name in chroms:
                for column, limit in enumerate(limits):
                    opened[column].append(
                        (name, start[values[:, column].astype(np.float32) > limit])
                    )
        return [joined_bins(o, width) for o in opened], limits

    def _check_chroms(self, chroms: Sequence[str]) -> None:
        """Check that a chromosome of peaks is among those of the windows."""
        own = dict.fromkeys(w.chrom for name in self.data.labels for w in self.data.windows(name))
        if not set(own) & set(chroms):
            raise InputFileError(
                f"no window of {self.data.folder} lies on {', '.join(chroms[:_SHOWN])}: its "
                f"windows are on {', '.join(list(own)[:_SHOWN])}{', …' * (len(own) > _SHOWN)}; "
                "give peaks, or --chroms, of the data's genome"
            )

    def _bins(self, label: str) -> Iterator[tuple[str, np.ndarray, np.ndarray]]:
        """Yield chromosome, starts [n] and float16 values [n, cell types] of bins.

        Raises:
            InputFileError: a label has another number of records than of windows.
        """
        data = self.data
        at_once = max(1, _VALUES // (data.target_length * len(data.targets)))
        offsets = data.pool_width * np.arange(data.target_length)
        total = sum(data.counts.values())
        with progress(total=total, unit="window", label=label, quiet=self.quiet) as bar:
            for name in data.labels:
                windows, count = data.windows(name), 0
                held: list[tuple[Interval, np.ndarray]] = []
                for shard, record, features in data.frames(name):
                    count += 1
                    if count <= len(windows):
                        values = data.target(features, shard, record)[:, self._columns]
                        held.append((windows[count - 1], values))
                    if len(held) >= at_once:
                        yield from _by_chrom(held, offsets)
                        held = []
                    bar.update()
                if count != len(windows):
                    raise other_count(name, count, len(windows))
                yield from _by_chrom(held, offsets)


def _by_chrom(
    held: list[tuple[Interval, np.ndarray]], offsets: np.ndarray
) -> Iterator[tuple[str, np.ndarray, np.ndarray]]:
    """Yield chromosome, starts and values of the bins of windows, which may be in any order."""
    of: dict[str, list[int]] = {}
    for number, (window, _) in enumerate(held):
        of.setdefault(window.chrom, []).append(number)
    for chrom, numbers in of.items():
        start = np.concatenate([held[n][0].start + offsets for n in numbers])
        yield chrom, start, np.concatenate([held[n][1] for n in numbers])
