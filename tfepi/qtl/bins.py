"""Bins of equal width along chromosomes; the last of each may be shorter."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from tfrecords_tools.errors import ConfigError

WIDTH = 10_000


@dataclass(frozen=True)
class GenomeBins:
    """The bins of some chromosomes, numbered from 0 along one after the other.

    Attributes:
        chroms: names of the chromosomes.
        lengths: of each, bp.
        width: of a bin, bp.

    Raises:
        ConfigError: no chromosome, a width below 1, or more than 2^31 bins.
    """

    chroms: tuple[str, ...]
    lengths: tuple[int, ...]
    width: int = WIDTH

    def __post_init__(self):
        if not self.chroms or self.width < 1:
            raise ConfigError(
                f"bins of {self.width} bp on {len(self.chroms)} chromosomes: want a width and a "
                "number above 0"
            )
        if len(self) >= 1 << 31:
            raise ConfigError(f"bins of {self.width} bp are {len(self)}: want fewer than 2^31")

    @classmethod
    def of(cls, lengths: Mapping[str, int], width: int = WIDTH) -> "GenomeBins":
        """Return the bins of chromosome → length."""
        return cls(tuple(lengths), tuple(lengths.values()), width)

    @cached_property
    def counts(self) -> np.ndarray:
        """Number of bins of each chromosome, rounded up: int64 [chromosomes]."""
        return -(-np.array(self.lengths, np.int64) // self.width)

    @cached_property
    def first(self) -> np.ndarray:
        """Number of each chromosome's first bin, and behind the last all bins: int64 [n + 1]."""
        return np.concatenate([[0], np.cumsum(self.counts)]).astype(np.int64)

    def __len__(self) -> int:
        return int(self.counts.sum())

    def coordinates(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Return chromosome number, start and end (0-based, half-open) of each bin: int64."""
        chrom = np.repeat(np.arange(len(self.chroms)), self.counts)
        start = (np.arange(len(self)) - self.first[chrom]) * self.width
        return chrom, start, np.minimum(start + self.width, np.array(self.lengths)[chrom])
