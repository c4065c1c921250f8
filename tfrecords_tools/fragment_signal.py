"""How fragments become signal: cut sites, coverage or midpoints, per base.

A fragment [start, end) has the cut sites `start` and `end` - 1, its first and its last base, and
the midpoint (start + end) // 2.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from tfrecords_tools.errors import ConfigError, unknown
from tfrecords_tools.normalize_runs import Runs, stretches

SIGNALS = ("cuts", "coverage", "midpoints")
SCALES = ("cpm", "none")
SHIFT = (4, -5)  # Buenrostro et al., Nature Methods 10:1213 (2013)
_MILLION = 1e6


@dataclass(frozen=True)
class FragmentOptions:
    """Which fragments count, and where.

    Attributes:
        signal: what is counted (`SIGNALS`).
        spread: bp on either side of a cut site or midpoint at which it counts too.
        min_length, max_length: of fragments to use, bp, both included; None is any.
        shift: move starts by +4 and ends by -5 bp.
        scale: "cpm", per million of what is counted of the cluster; or "none".
        chroms: the chromosomes; none for all of the genome.

    Raises:
        ConfigError: an unknown name, or a number out of range.
    """

    signal: str = "cuts"
    spread: int = 0
    min_length: int = 1
    max_length: int | None = None
    shift: bool = False
    scale: str = "cpm"
    chroms: tuple[str, ...] = ()

    def __post_init__(self):
        if self.signal not in SIGNALS:
            raise unknown("--signal", self.signal, SIGNALS)
        if self.scale not in SCALES:
            raise unknown("--scale", self.scale, SCALES)
        if self.spread < 0:
            raise ConfigError(f"--spread is {self.spread}: want 0 or more bp")
        if self.spread and self.signal == "coverage":
            raise ConfigError(
                f"--spread {self.spread} does not go with --signal coverage, which counts whole "
                "fragments: leave it out"
            )
        if self.min_length < 1:
            raise ConfigError(f"--min_length is {self.min_length}: want at least 1 bp")
        if self.max_length is not None and self.max_length < self.min_length:
            raise ConfigError(
                f"--max_length is {self.max_length}, below --min_length {self.min_length}"
            )

    def factor(self, fragments: int) -> float:
        """Return what a count is multiplied with, for a cluster of so many fragments."""
        if self.scale == "none":
            return 1.0
        return _MILLION / (2 * fragments if self.signal == "cuts" else fragments)


def counted(start: np.ndarray, end: np.ndarray, options: FragmentOptions) -> list[np.ndarray]:
    """Return starts and ends of the stretches that count once each.

    Args:
        start, end: uint32 [n], of fragments.
        options: signal and spread.

    Returns:
        Two uint32 [n] (cuts: [2n]), each sorted by itself; a stretch that would begin before the
        chromosome begins with it.
    """
    if options.signal == "coverage":
        low, high = start.copy(), end.copy()
    else:
        if options.signal == "cuts":
            at = np.concatenate([start, end - np.uint32(1)])
        else:
            at = start + (end - start) // np.uint32(2)  # no sum that overflows
        spread = np.uint32(options.spread)
        low, high = np.maximum(at, spread) - spread, at + spread + np.uint32(1)
    low.sort()
    high.sort()
    return [low, high]


def depth_runs(low: np.ndarray, high: np.ndarray, length: int, factor: float) -> Iterator[Runs]:
    """Yield runs of how many stretches cover each base of a chromosome.

    Args:
        low, high: their starts and ends, each sorted by itself, as of `counted`.
        length: of the chromosome, bp; what lies beyond is left out.
        factor: on every count.
    """
    depth = 0
    for first, last in stretches(length):
        # Of the same type, or all edges would be copied to another one.
        here = np.array([first, last], np.uint32)
        begin, finish = (e[slice(*np.searchsorted(e, here))] for e in (low, high))
        edges = np.unique(np.concatenate([here[:1], begin, finish]))
        counts = np.searchsorted(begin, edges, "right") - np.searchsorted(finish, edges, "right")
        yield edges.astype(np.int64), ((depth + counts) * factor).astype(np.float32)
        depth += len(begin) - len(finish)
