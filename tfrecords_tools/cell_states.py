"""A vector for every cell type: given in a table, or its accessibility at marker regions.

Marker regions are those of the training windows whose accessibility differs most between the
training cell types. A cell type's vector is log(1 + mean accessibility) at each of them, less the
training cell types' mean there and over their standard deviation, taken over all regions.
"""

import csv
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from tfrecords_tools.data import Data
from tfrecords_tools.errors import ConfigError, InputFileError
from tfrecords_tools.files import existing
from tfrecords_tools.intervals import Interval


@dataclass(frozen=True)
class CellStates:
    """Vectors of cell types.

    Attributes:
        vectors: cell type → its values, all as many.
        regions: the marker regions, where the vectors were computed; () of given ones.
        mean: of the training cell types, by region.
        sd: over all regions.
    """

    vectors: dict[str, tuple[float, ...]]
    regions: tuple[Interval, ...] = ()
    mean: tuple[float, ...] = ()
    sd: float = 1.0
    size: int = field(init=False)

    def __post_init__(self):
        object.__setattr__(self, "size", len(next(iter(self.vectors.values()))))

    def array(self, cells: Sequence[str]) -> np.ndarray:
        """Return the vectors of cell types, float32 [cells, size].

        Raises:
            ConfigError: one has none.
        """
        for cell in cells:
            if cell not in self.vectors:
                raise ConfigError(
                    f"cell type {cell!r} has no vector; there are those of "
                    f"{', '.join(self.vectors)}: add it to the table of cell states, or give its "
                    "accessibility"
                )
        return np.array([self.vectors[c] for c in cells], np.float32)

    def vector(self, accessibility: np.ndarray) -> np.ndarray:
        """Return the vector of any cell type from its mean accessibility at each region.

        Args:
            accessibility: float [regions]; NaN, not measured, counts as the training mean.
        """
        value = (np.log1p(accessibility) - np.array(self.mean)) / self.sd
        return np.where(np.isnan(value), 0, value).astype(np.float32)

    def to_json(self) -> dict:
        """Return the JSON value."""
        return {
            "vectors": {c: list(v) for c, v in self.vectors.items()},
            "regions": [[r.chrom, r.start, r.end] for r in self.regions],
            "mean": list(self.mean),
            "sd": self.sd,
        }

    @classmethod
    def from_json(cls, value: dict) -> "CellStates":
        """Return what `to_json` was of."""
        return cls(
            {c: tuple(v) for c, v in value["vectors"].items()},
            tuple(Interval(*r) for r in value["regions"]),
            tuple(value["mean"]),
            value["sd"],
        )


def read_states(path: str | Path, cells: Sequence[str]) -> CellStates:
    """Read a tab-separated table: a cell type and its values per line, no header.

    Args:
        path: of the table.
        cells: that must be in it.

    Raises:
        InputFileError: missing, a value that is no finite number, lines of different lengths, a
            cell type twice, or one of `cells` that is not there.
    """
    path = existing(path, "table of cell states")
    vectors: dict[str, tuple[float, ...]] = {}
    with open(path, newline="", encoding="utf-8") as handle:
        rows = [r for r in csv.reader(handle, delimiter="\t") if r and not r[0].startswith("#")]
    for number, (cell, *texts) in enumerate(rows, 1):
        try:
            values = tuple(map(float, texts))
        except ValueError:
            values = (np.nan,)
        if not values or not np.isfinite(values).all():
            raise InputFileError(
                f"{path} line {number}: want a cell type and finite numbers, tab-separated; got "
                f"{' '.join([cell, *texts])[:60]!r}"
            )
        if cell in vectors:
            raise InputFileError(f"{path} line {number} has cell type {cell!r} a second time")
        vectors[cell] = values
    sizes = {len(v) for v in vectors.values()}
    if len(sizes) != 1:
        raise InputFileError(
            f"{path} has lines of {' and '.join(map(str, sorted(sizes))) or 'no'} values: want as "
            "many for every cell type"
        )
    for cell in cells:
        if cell not in vectors:
            raise InputFileError(
                f"{path} has no line for cell type {cell!r}; it has {', '.join(vectors)}"
            )
    return CellStates(vectors)


def marker_states(
    data: Data, label: str, columns: Mapping[str, int], training: Sequence[str], size: int, bp: int
) -> CellStates:
    """Return vectors from the input tracks of a data folder's training windows.

    Args:
        data: with input tracks.
        label: of the training windows, whose chromosomes alone are looked at.
        columns: cell type → position of its track.
        training: cell types that choose and scale the regions.
        size: number of regions.
        bp: length of a region; a multiple of the bin width of the tracks.

    Returns:
        Vectors of every cell type of `columns`.

    Raises:
        ConfigError: fewer regions than asked for, or lengths that do not fit.
    """
    width = data.track_width
    if bp % width or bp > data.seq_length:
        raise ConfigError(
            f"region_bp is {bp}: want a multiple of the tracks' bin width {width}, at most the "
            f"sequence of {data.seq_length} bp"
        )
    bins, per = data.seq_length // width, bp // width
    first = (data.track_length - bins) // 2
    count = bins // per
    names = list(columns)
    chosen = [columns[c] for c in names]
    numbers: dict[str, int] = {}
    windows, values = [], []
    for window, (_, _, tracks) in zip(
        data.windows(label), data.records_with_tracks(label), strict=True
    ):
        inside = tracks[first : first + count * per, chosen].astype(np.float32)
        with np.errstate(invalid="ignore", divide="ignore"):
            seen = ~np.isnan(inside)
            sums = np.where(seen, inside, 0).reshape(count, per, -1).sum(axis=1)
            values.append(sums / seen.reshape(count, per, -1).sum(axis=1))
        number = numbers.setdefault(window.chrom, len(numbers))
        windows.append((number, window.start - data.crop_bp))
    at = np.array(windows, np.int64).reshape(-1, 2)
    chroms, starts = at[:, 0].repeat(count), (at[:, 1:] + bp * np.arange(count)).ravel()
    means = np.concatenate(values)
    trained = np.log1p(means[:, [names.index(c) for c in training]])
    spread = trained.var(axis=1)
    order = np.argsort(-np.where(np.isnan(spread), -1, spread), kind="stable")
    order = order[~np.isnan(spread[order])]
    rows = _apart(chroms[order], starts[order], bp, size)
    if len(rows) < size:
        raise ConfigError(
            f"cell_state wants {size} marker regions of {bp} bp, the training windows have "
            f"{len(rows)} apart from each other: use fewer or shorter ones"
        )
    kept = order[rows]
    mean = trained[kept].mean(axis=1)
    sd = float((trained[kept] - mean[:, None]).std()) or 1.0
    names_of = list(numbers)
    regions = tuple(
        Interval(names_of[c], s, s + bp)
        for c, s in zip(chroms[kept].tolist(), starts[kept].tolist(), strict=True)
    )
    mean = tuple(mean.astype(float).tolist())
    blank = CellStates({training[0]: (0.0,) * size}, regions, mean, sd)
    vectors = {c: tuple(blank.vector(means[kept, n]).tolist()) for n, c in enumerate(names)}
    return CellStates(vectors, regions, mean, sd)


def _apart(chroms: np.ndarray, starts: np.ndarray, bp: int, size: int) -> list[int]:
    """Return the first `size` of ranked places that overlap none before them."""
    found: list[int] = []
    kept: dict[tuple[int, int], list[int]] = {}
    for number, (chrom, start) in enumerate(zip(map(int, chroms), map(int, starts), strict=True)):
        cell = start // bp
        near = [s for c in (cell - 1, cell, cell + 1) for s in kept.get((chrom, c), [])]
        if any(abs(s - start) < bp for s in near):
            continue
        kept.setdefault((chrom, cell), []).append(start)
        found.append(number)
        if len(found) == size:
            break
    return found
