"""The signal of accessibility tracks at sampled positions, and the maps that normalise it."""

import tempfile
from collections.abc import Collection, Iterator
from contextlib import closing
from dataclasses import dataclass

import numpy as np

from tfrecords_tools.errors import ConfigError, unknown
from tfrecords_tools.normalize_runs import runs_of, stretches
from tfrecords_tools.normalize_tracks import MEAN, NAN, CellTrack, Signal
from tfrecords_tools.progress import progress
from tfrecords_tools.quantile import QuantileMap, check_sample, resampled, sample_positions

_KNOTS_LISTED = 1000
_RANKS_SHOWN = 300
_POSITIONS_SHOWN = 20_000


@dataclass(frozen=True)
class QuantileOptions:
    """How tracks are normalised.

    Attributes:
        reference: cell type whose distribution all get, or "mean": the mean of the sorted samples.
        hold_out: cell types that enter neither that mean nor the average.
        seed: of the sampled positions.
        interval: bp per sampled position.
        nan: what a base without value is: "zero", or "keep" for no value.
        chroms: the chromosomes; none for all.

    Raises:
        ConfigError: an interval below 1, an unknown `nan`, or the reference held out.
    """

    reference: str = MEAN
    hold_out: tuple[str, ...] = ()
    seed: int = 44
    interval: int = 1000
    nan: str = "zero"
    chroms: tuple[str, ...] = ()

    def __post_init__(self):
        if self.interval < 1:
            raise ConfigError(f"--interval is {self.interval}: want at least 1 bp")
        if self.nan not in NAN:
            raise unknown("--nan", self.nan, NAN)
        if self.reference in self.hold_out:
            raise ConfigError(
                f"--reference {self.reference!r} is held out, but all tracks would take its "
                "distribution: choose another reference"
            )


@dataclass(frozen=True, eq=False)
class NormalizedCell:
    """What normalising did to a cell type's track, for figures.

    Attributes:
        cell, assay: of the table.
        held_out: whether it enters neither mean nor average.
        share: shares of the sampled positions, rising.
        before, after: float64 [shares], the signal that so large a share of positions reaches.
        signal_before, signal_after: float32 [positions] at the same positions of every cell type.
    """

    cell: str
    assay: str | None
    held_out: bool
    share: np.ndarray
    before: np.ndarray
    after: np.ndarray
    signal_before: np.ndarray
    signal_after: np.ndarray


class Survey:
    """The signal of every cell type at the sampled positions; every base is checked by the way.

    The samples lie in a temporary file.

    Args:
        cells: whose tracks are read.
        chroms: chromosome → length, bp.
        options: how.
        quiet: no progress bar.

    Attributes:
        runs: about how many runs of equal values each track has.

    Raises:
        InputFileError: a negative or infinite value.
    """

    def __init__(
        self,
        cells: tuple[CellTrack, ...],
        chroms: dict[str, int],
        options: QuantileOptions,
        quiet: bool,
    ):
        self._cells, self._options = cells, options
        places = {
            c: sample_positions(c, n, options.interval, options.seed) for c, n in chroms.items()
        }
        self._positions = sum(map(len, places.values()))
        with tempfile.TemporaryFile() as file:
            shape = (len(cells), self._positions)
            self._samples = np.memmap(file, np.float64, "w+", shape=shape)
        total = len(cells) * sum(chroms.values())
        self.runs = []
        with progress(total=total, unit="bp", label="sample", quiet=quiet) as bar:
            for row, cell in enumerate(cells):
                at = runs = 0
                for values, positions in _stretches(cell, options.nan, chroms, places):
                    self._samples[row, at : at + len(positions)] = values[positions]
                    at += len(positions)
                    runs += len(runs_of(values, 0)[0])
                    bar.update(len(values))
                self.runs.append(runs)

    def maps(self, averaged: Collection[CellTrack]) -> list[QuantileMap]:
        """Return each cell type's map; `averaged` make the mean, where that is the reference.

        Raises:
            InputFileError: a track with one value only.
        """
        chosen = averaged
        if self._options.reference != MEAN:
            chosen = [c for c in self._cells if c.cell == self._options.reference]
        reference = np.zeros(self._positions)
        for row, cell in enumerate(self._cells):
            if cell in chosen:
                reference += resampled(self._sorted(row), self._positions)
        reference /= len(chosen)
        return [QuantileMap.of(self._sorted(row), reference) for row in range(len(self._cells))]

    def _sorted(self, row: int) -> np.ndarray:
        sample = np.array(self._samples[row])
        sample = np.sort(sample[~np.isnan(sample)])
        check_sample(sample, f"the track of cell {self._cells[row].cell!r}")
        return sample

    def results(self, maps: list[QuantileMap]) -> dict:
        """Return what normalize.json says of the samples and maps."""
        cells = []
        for row, (cell, found) in enumerate(zip(self._cells, maps, strict=True)):
            knots = len(found.signal)
            listed = np.linspace(0, knots - 1, min(knots, _KNOTS_LISTED)).astype(int)
            cells.append(
                {
                    "cell": cell.cell,
                    "assay": cell.assay,
                    "held_out": cell.cell in self._options.hold_out,
                    "tracks": [r.identifier for r in cell.replicates],
                    "sampled": int((~np.isnan(self._samples[row])).sum()),
                    "knots": {
                        "count": knots,
                        "signal": found.signal[listed].tolist(),
                        "normalised": found.normalised[listed].tolist(),
                    },
                    "above": {"slope": found.slope, "intercept": found.intercept},
                }
            )
        return {"positions": self._positions, "cells": cells}

    def shown(self, row: int, found: QuantileMap) -> NormalizedCell:
        """Return what a figure shows of a cell type."""
        cell, sample = self._cells[row], self._sorted(row)
        ranks = np.unique(np.geomspace(1, len(sample), _RANKS_SHOWN).round().astype(int))
        before = sample[len(sample) - ranks]
        signal = np.array(self._samples[row, :: max(1, self._positions // _POSITIONS_SHOWN)])
        return NormalizedCell(
            cell.cell,
            cell.assay,
            cell.cell in self._options.hold_out,
            ranks / len(sample),
            before,
            found(before),
            signal.astype(np.float32),
            found(signal).astype(np.float32),
        )


def _stretches(
    cell: CellTrack, nan: str, chroms: dict[str, int], places: dict[str, np.ndarray]
) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Yield the signal of each stretch of the genome, and where in it the positions are."""
    with closing(Signal(cell, nan)) as signal:
        for chrom, length in chroms.items():
            for low, high in stretches(length):
                first, last = np.searchsorted(places[chrom], (low, high))
                yield signal.values(chrom, low, high), places[chrom][first:last] - low
