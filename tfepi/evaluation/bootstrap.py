"""Intervals from a bootstrap over blocks of the genome.

Neighbouring positions share sequence and signal, so they are not independent draws: whole
blocks of the genome are resampled (Künsch 1989, Annals of Statistics 17:1217), and a
resample is the number of times each block was drawn.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from tfrecords_tools.errors import ConfigError
from tfrecords_tools.intervals import Interval
from tfrecords_tools.number_text import number_of

BLOCK_SIZES = (1_000_000, 500_000, 200_000, 100_000, 50_000, 20_000, 10_000, 5_000, 2_000, 1_000)
WANTED_BLOCKS = 20
FEWEST_BLOCKS = 5
UNDEFINED_LIMIT = 0.05
_STREAM = 1  # spawn key: this module's own random stream


@dataclass(frozen=True)
class Bootstrap:
    """How intervals are made.

    Attributes:
        resamples: resamples of statistics that are functions of sums; 0 for no intervals.
        rank_resamples: resamples of rank statistics, which cost a pass over the data each.
        block_bp: block size, bp; None: the largest of `BLOCK_SIZES` that gives 20 blocks.
        level: coverage of the interval.
        seed: seed of the resampling.
    """

    resamples: int = 1000
    rank_resamples: int = 200
    block_bp: int | None = None
    level: float = 0.95
    seed: int = 44

    def __post_init__(self):
        for name in ("resamples", "rank_resamples"):
            value = getattr(self, name)
            if value < 0 or 0 < value < 20:
                what = "of rank statistics " if name == "rank_resamples" else ""
                raise ConfigError(
                    f"bootstrap {what}has {value} resamples: want 0 for no intervals, or at least "
                    "20"
                )
        _check_size(self.block_bp)
        if not 0 < self.level < 1:
            raise ConfigError(f"interval level is {self.level}: want a number between 0 and 1")


@dataclass(frozen=True)
class Blocks:
    """Which block of the genome each window lies in.

    Attributes:
        index: block number of each window, int64 [windows].
        count: number of blocks that hold a window.
        block_bp: size, bp.
    """

    index: np.ndarray
    count: int
    block_bp: int

    @property
    def enough(self) -> bool:
        """Whether there are blocks enough for an interval."""
        return self.count >= FEWEST_BLOCKS


def genome_blocks(windows: Sequence[Interval], block_bp: int | None = None) -> Blocks:
    """Return the blocks of windows: stretches of block_bp on a grid over each chromosome.

    A window belongs, with all its bins, to the block that holds its midpoint. Without
    block_bp, the largest of `BLOCK_SIZES` that gives at least 20 blocks is taken, but none
    shorter than a window.

    Raises:
        ConfigError: no windows, or a given block_bp that leaves fewer than 5 blocks.
    """
    if not len(windows):
        raise ConfigError("there are no windows to test: choose a label that has some")
    _check_size(block_bp)
    if block_bp is not None:
        blocks = _grid(windows, block_bp)
        if not blocks.enough:
            raise _too_few(blocks)
        return blocks
    longest = max(len(w) for w in windows)
    blocks = _grid(windows, BLOCK_SIZES[0])
    for size in BLOCK_SIZES[1:]:
        if blocks.count >= WANTED_BLOCKS or size < longest:
            break
        blocks = _grid(windows, size)
    return blocks


def position_blocks(
    chrom: Sequence[str], position: Sequence[int], block_bp: int | None = None
) -> Blocks:
    """As `genome_blocks` of single positions, of millions at once.

    Args:
        chrom: name of each position's chromosome.
        position: 0-based.
        block_bp: as of `genome_blocks`.

    Raises:
        ConfigError: as of `genome_blocks`.
    """
    _check_size(block_bp)
    place = np.asarray(position, np.int64)
    if not len(place):
        raise ConfigError("there are no positions, so no blocks of the genome to resample")
    code = pd.Categorical(chrom).codes.astype(np.int64) << 32
    for size in BLOCK_SIZES if block_bp is None else (block_bp,):
        names, index = np.unique(code + place // size, return_inverse=True)
        blocks = Blocks(index, len(names), size)
        if blocks.count >= WANTED_BLOCKS:
            break
    if block_bp is not None and not blocks.enough:
        raise _too_few(blocks)
    return blocks


def _check_size(block_bp: int | None) -> None:
    if block_bp is not None and block_bp < 1:
        raise ConfigError(f"block_bp is {block_bp}: want a positive number of bp")


def _too_few(blocks: Blocks) -> ConfigError:
    return ConfigError(
        f"block_bp {blocks.block_bp} leaves {number_of(blocks.count, 'block')} of the genome, "
        f"want at least {FEWEST_BLOCKS} for an interval: name a smaller size, or none to let it be "
        "chosen"
    )


def _grid(windows: Sequence[Interval], block_bp: int) -> Blocks:
    numbers: dict[tuple[str, int], int] = {}
    index = np.empty(len(windows), np.int64)
    for i, w in enumerate(windows):
        key = (w.chrom, (w.start + w.end) // 2 // block_bp)
        index[i] = numbers.setdefault(key, len(numbers))
    return Blocks(index, len(numbers), block_bp)


def multiplicities(blocks: int, resamples: int, seed: int) -> np.ndarray:
    """Return how often each block is drawn in each resample: int64 [resamples, blocks].

    Rows sum to the number of blocks. The first rows are the same whatever `resamples`.
    """
    stream = np.random.SeedSequence(seed, spawn_key=(_STREAM,))
    return np.random.default_rng(stream).multinomial(
        blocks, np.full(blocks, 1 / blocks), size=resamples
    )


def interval(replicates: np.ndarray, level: float = 0.95) -> tuple[float, float] | None:
    """Return the percentile interval of a statistic's resamples.

    Returns:
        Low and high end, or None if there are no resamples or more than 5% are undefined.
    """
    replicates = np.asarray(replicates, float)
    defined = replicates[~np.isnan(replicates)]
    if not len(defined) or len(defined) < (1 - UNDEFINED_LIMIT) * len(replicates):
        return None
    low, high = np.quantile(defined, [(1 - level) / 2, (1 + level) / 2])
    return float(low), float(high)


def estimate(value: float, replicates: np.ndarray | None, level: float = 0.95) -> dict:
    """Return a statistic with its interval as JSON: undefined numbers become null.

    Returns:
        `{"value": number | None, "interval": [low, high] | None}`.
    """
    value = float(value)
    if np.isnan(value):
        return {"value": None, "interval": None}
    ends = None if replicates is None else interval(replicates, level)
    return {"value": value, "interval": None if ends is None else list(ends)}
