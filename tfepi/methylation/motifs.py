"""Motifs of a model's first layer: k-mers where a filter's activation is high, counted.

As INTERACT does (training.py, run_DNA_motif): a filter's k-mers are those at positions where its
activation is at least half of its maximum over all sequences. So the sequences are read twice:
for the maxima, and for the k-mers. Unlike there, k-mers with an N, and those that begin before or
end behind the sequence, count in neither.
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

import numpy as np

from tfepi.analysis.meme import CountedMotif
from tfepi.methylation.filters import FirstLayer

_BATCH_BYTES = 64 << 20
_CLEAR = 3.0
_N = 4

Batch = tuple[np.ndarray, np.ndarray | None]
"""Base indices uint8 [windows, length], and measured values float32 [windows, tasks] or None."""


class Correlations:
    """Pearson correlations of columns with columns, from sums over batches.

    Args:
        columns: number of the one.
        others: number of the other, in which NaN is missing.
    """

    def __init__(self, columns: int, others: int):
        self._sums = {
            name: np.zeros(shape)
            for name, shape in (
                ("n", others),
                ("x", (columns, others)),
                ("xx", (columns, others)),
                ("y", others),
                ("yy", others),
                ("xy", (columns, others)),
            )
        }
        self._shift: tuple[np.ndarray, np.ndarray] | None = None

    def add(self, x: np.ndarray, y: np.ndarray) -> None:
        """Add rows x [n, columns] and y [n, others]."""
        x, y = x.astype(np.float64), y.astype(np.float64)
        known = ~np.isnan(y)
        if self._shift is None:  # near the means, so that sums of squares keep their digits
            mean = np.where(known, y, 0).sum(axis=0) / np.maximum(known.sum(axis=0), 1)
            self._shift = x.mean(axis=0), mean
        x = x - self._shift[0]
        y = np.where(known, y - self._shift[1], 0)
        weight = known.astype(np.float64)
        for name, value in (
            ("n", weight.sum(axis=0)),
            ("x", x.T @ weight),
            ("xx", (x**2).T @ weight),
            ("y", y.sum(axis=0)),
            ("yy", (y**2).sum(axis=0)),
            ("xy", x.T @ y),
        ):
            self._sums[name] += value

    @property
    def r(self) -> np.ndarray:
        """Correlations, float64 [columns, others]; NaN where either does not vary."""
        n, x, xx, y, yy, xy = (self._sums[k] for k in ("n", "x", "xx", "y", "yy", "xy"))
        with np.errstate(divide="ignore", invalid="ignore"):
            covariance = xy - x * y / n
            spread = np.maximum(xx - x**2 / n, 0) * np.maximum(yy - y**2 / n, 0)
            found = covariance / np.sqrt(spread)
        tiny = spread <= 1e-20 * np.maximum(xx * yy, 1e-300)
        return np.where(tiny, np.nan, np.clip(found, -1, 1))


@dataclass(frozen=True)
class Maxima:
    """What the first reading finds.

    Attributes:
        activation: largest of each filter, float64 [filters]; 0 of one that never fires.
        predicted: correlation of each filter's largest activation in a window with the predicted
            value, float64 [filters, tasks].
        measured: the same with the measured value; NaN where there is none.
        windows: how many were read.
        letters: counts of A, C, G, T in them, int64 [4].
    """

    activation: np.ndarray
    predicted: np.ndarray
    measured: np.ndarray
    windows: int
    letters: np.ndarray


def whole(sequence: np.ndarray, layer: FirstLayer) -> np.ndarray:
    """Return at which positions a filter sees bases only: bool [windows, positions]."""
    unknown = np.concatenate(
        [np.zeros((len(sequence), 1), np.int64), np.cumsum(sequence == _N, axis=1)], axis=1
    )
    starts = layer.starts
    inside = (starts >= 0) & (starts + layer.width <= layer.length)
    low = np.where(inside, starts, 0)
    return inside & (unknown[:, low + layer.width] == unknown[:, low])


def find_maxima(
    batches: Iterable[Batch],
    run: Callable[[np.ndarray], tuple[np.ndarray, np.ndarray]],
    layer: FirstLayer,
    tasks: int,
) -> Maxima:
    """Return each filter's largest activation, and how it goes with the prediction.

    Args:
        batches: the windows.
        run: base indices → activations [windows, positions, filters], predictions [windows, tasks].
        layer: the first layer.
        tasks: how many there are.
    """
    largest = np.zeros(layer.filters)
    predicted, measured = (Correlations(layer.filters, tasks) for _ in range(2))
    windows, letters = 0, np.zeros(4, np.int64)
    for sequence, values in batches:
        activation, prediction = run(sequence)
        highest = _masked(activation, whole(sequence, layer)).max(axis=1)
        largest = np.maximum(largest, highest.max(axis=0))
        predicted.add(highest, prediction)
        if values is not None:
            measured.add(highest, values)
        windows += len(sequence)
        letters += np.bincount(sequence.ravel(), minlength=5)[:4]
    return Maxima(largest, predicted.r, measured.r, windows, letters)


@dataclass(frozen=True)
class Counts:
    """What the second reading finds.

    Attributes:
        letters: counts of A, C, G, T at each base of the filter's sites, int64 [filters, width, 4].
        windows: in how many windows each filter has a site, int64 [filters].
    """

    letters: np.ndarray
    windows: np.ndarray


def count_sites(
    batches: Iterable[Batch],
    run: Callable[[np.ndarray], np.ndarray],
    layer: FirstLayer,
    maxima: np.ndarray,
    share: float = 0.5,
) -> Counts:
    """Count the letters of the k-mers at which a filter reaches a share of its maximum.

    Args:
        batches: the windows, as in `find_maxima`.
        run: base indices → activations [windows, positions, filters].
        layer: the first layer.
        maxima: largest activation of each filter.
        share: of it, above 0.
    """
    fires = maxima > 0
    bound = np.where(fires, share * maxima, np.inf)
    letters = np.zeros((layer.width, layer.filters * 4), np.int64)
    windows = np.zeros(layer.filters, np.int64)
    for sequence, _ in batches:
        high = _masked(run(sequence), whole(sequence, layer)) >= bound
        windows += high.any(axis=1).sum(axis=0)
        row, position, kernel = np.nonzero(high)
        start = layer.starts[position]
        for place in range(layer.width):
            letter = sequence[row, start + place]
            letters[place] += np.bincount(kernel * 4 + letter, minlength=layer.filters * 4)
    return Counts(letters.reshape(layer.width, -1, 4).swapaxes(0, 1), windows)


def _masked(activation: np.ndarray, seen: np.ndarray) -> np.ndarray:
    """Return what is above 0 where a filter sees bases only, else 0."""
    return np.where(seen[:, :, None], np.maximum(activation, 0), 0)


def batch_windows(layer: FirstLayer, most: int) -> int:
    """Return windows per batch, so that activations take about 64 MB."""
    return max(1, min(most, _BATCH_BYTES // (4 * layer.positions * layer.filters)))


def counted(layer: FirstLayer, counts: Counts) -> list[CountedMotif]:
    """Return a motif for each filter; one that never fires has no sites."""
    motifs = []
    for number, letters in enumerate(counts.letters):
        motif = CountedMotif(f"{layer.name}_{number}", "", letters)
        also = motif.consensus if motif.sites else ""
        motifs.append(CountedMotif(motif.name, also, letters))
    return motifs


def effects(r: np.ndarray, windows: int, methylation: bool) -> list[str]:
    """Return what a filter's presence does to predictions, by the sign of the correlation.

    Args:
        r: correlation with the prediction, float [filters].
        windows: how many it is from.
        methylation: whether a prediction is the methylation of a CpG.

    Returns:
        "exposes" the CpG to methylation or "protects" it (of other models "raises", "lowers"), or
        "unclear" where |r| < 3 / √windows.
    """
    up, down = ("exposes", "protects") if methylation else ("raises", "lowers")
    bound = _CLEAR / np.sqrt(max(1, windows))
    return ["unclear" if not abs(x) >= bound else up if x > 0 else down for x in r.tolist()]


def evenly(count: int, most: int | None) -> np.ndarray:
    """Return at most so many numbers of 0 … count − 1, evenly spaced."""
    if most is None or count <= most:
        return np.arange(count)
    return np.arange(most) * count // most


def chosen(items: Iterable, numbers: np.ndarray) -> Iterator:
    """Yield the items whose numbers are named, ascending."""
    wanted = iter(numbers.tolist())
    following = next(wanted, None)
    for number, item in enumerate(items):
        if following is None:
            return
        if number == following:
            yield item
            following = next(wanted, None)
