"""Seqlets: stretches whose bases contribute more together than by chance.

The sum of a stretch is that of its bases' contributions. By chance is what the same contributions
give in random order: each window's are permuted within blocks of ten times the stretch, so that
what is large in one part of the window stays there, ten times over. A stretch's z is its sum over
the root mean square of the permuted sums of its window, so that windows of high and of low
predictions are judged alike. Of the z above 0 the threshold is the smallest t with

    (share of permuted stretches that reach t) / (share of stretches that reach t) <= fdr,

and of those below 0 likewise. From the largest |z| on, stretches that reach the threshold become
seqlets unless they overlap one of the same window.
"""

from collections.abc import Iterable
from dataclasses import asdict, dataclass

import numpy as np

from tfrecords_tools.errors import ConfigError

SIZE, FDR = 15, 0.05
_BLOCK, _ORDERS = 10, 10  # stretches per block; permutations of each
_BIN = 1 / 256  # of z
_STREAM, _CONTROL_STREAM = 32, 33


@dataclass(frozen=True)
class SeqletOptions:
    """What decides seqlets.

    Attributes:
        size: of a seqlet, bp.
        fdr: share of seqlets expected by chance, above 0 and below 1.
        seed: of permutations and controls.
    """

    size: int = SIZE
    fdr: float = FDR
    seed: int = 44

    def __post_init__(self):
        if self.size < 2:
            raise ConfigError(f"seqlet_size is {self.size}: want at least 2 bp")
        if not 0 < self.fdr < 1:
            raise ConfigError(f"fdr is {self.fdr}: want a number above 0 and below 1")


@dataclass(frozen=True)
class Seqlet:
    """A stretch of a window.

    Attributes:
        window: number of the window.
        first: index of its first base along the window's sequence.
        score: sum of its bases' contributions.
        z: that over what chance gives.
    """

    window: int
    first: int
    score: float
    z: float


@dataclass(frozen=True)
class Thresholds:
    """From which z stretches are seqlets; infinite where none is.

    Attributes:
        positive: of z above 0.
        negative: of −z of those below 0.
    """

    positive: float
    negative: float

    def to_json(self) -> dict[str, float | None]:
        """Return the JSON value; none is null."""
        return {k: v if np.isfinite(v) else None for k, v in asdict(self).items()}


def stretch_sums(values: np.ndarray, size: int) -> np.ndarray:
    """Return the sums of all stretches: float64 [..., length − size + 1], or none.

    Args:
        values: contributions, [..., length].
        size: of a stretch.
    """
    total = np.cumsum(values, axis=-1, dtype=float)
    total = np.concatenate([np.zeros((*total.shape[:-1], 1)), total], axis=-1)
    return total[..., size:] - total[..., :-size]


def permuted(values: np.ndarray, block: int, rng: np.random.Generator) -> np.ndarray:
    """Return values in random order within blocks; the last one may be shorter."""
    order = np.lexsort((rng.random(len(values)), np.arange(len(values)) // block))
    return values[order]


def chance_sums(values: np.ndarray, window: int, options: SeqletOptions) -> np.ndarray:
    """Return the sums of stretches of a window's contributions in random order, [orders, …].

    Args:
        values: contributions, [length].
        window: number of the window, which with the seed decides the orders.
        options: the options.
    """
    rng = np.random.default_rng(np.random.SeedSequence(options.seed, spawn_key=(_STREAM, window)))
    orders = [permuted(values, _BLOCK * options.size, rng) for _ in range(_ORDERS)]
    return stretch_sums(np.array(orders), options.size)


def _scale(chance: np.ndarray) -> float:
    """Return what sums are divided by; infinite where there are none but 0."""
    mean = float(np.sqrt((chance**2).mean())) if chance.size else 0.0
    return mean if mean > 0 else np.inf


def thresholds(windows: Iterable[np.ndarray], options: SeqletOptions) -> Thresholds:
    """Return the thresholds of an output, to 1/256.

    Args:
        windows: contributions of each window, [length], from the first on.
        options: the options.
    """
    counts = np.zeros((2, 2, 1), np.int64)  # found or by chance; above or below 0; by z
    for number, values in enumerate(windows):
        chance = chance_sums(values, number, options)
        scale = _scale(chance)
        for kind, sums in enumerate((stretch_sums(values, options.size), chance)):
            for sign in (0, 1):
                side = (-sums if sign else sums) / scale
                found = np.bincount((side[side > 0] / _BIN).astype(np.int64))
                if (more := len(found) - counts.shape[-1]) > 0:
                    counts = np.pad(counts, ((0, 0), (0, 0), (0, more)))
                counts[kind, sign, : len(found)] += found
    reach = counts[:, :, ::-1].cumsum(axis=-1)[:, :, ::-1]
    found, chance = reach[0], reach[1] / _ORDERS
    good = (found > 0) & (chance <= options.fdr * found)
    edges = [float(row.argmax() * _BIN) if row.any() else np.inf for row in good]
    return Thresholds(*edges)


def call(
    values: np.ndarray, window: int, least: Thresholds, options: SeqletOptions
) -> list[Seqlet]:
    """Return the seqlets of a window in the order of its sequence.

    Args:
        values: contributions, [length].
        window: its number.
        least: the thresholds.
        options: as those were found.
    """
    sums, size = stretch_sums(values, options.size), options.size
    z = sums / _scale(chance_sums(values, window, options))
    left = np.where((z >= least.positive) | (-z >= least.negative), np.abs(z), 0)
    found = []
    while left.size and left.max() > 0:
        first = int(left.argmax())
        found.append(Seqlet(window, first, float(sums[first]), float(z[first])))
        left[max(0, first - size + 1) : first + size] = 0
    return sorted(found, key=lambda s: s.first)


def controls(length: int, seqlets: list[Seqlet], options: SeqletOptions) -> list[int]:
    """Return first bases of stretches of a window that touch no seqlet, as many where there are.

    Args:
        length: of the window.
        seqlets: of the window, all of one output.
        options: as they were called.
    """
    if not seqlets:
        return []
    free = np.ones(max(0, length - options.size + 1), bool)
    for s in seqlets:
        free[max(0, s.first - options.size + 1) : s.first + options.size] = False
    places = np.flatnonzero(free)
    key = (_CONTROL_STREAM, seqlets[0].window)
    rng = np.random.default_rng(np.random.SeedSequence(options.seed, spawn_key=key))
    return sorted(rng.permutation(places)[: len(seqlets)].tolist())
