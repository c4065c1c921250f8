"""Windows that overlap along a chromosome, and which of their bins count.

Leopard (Li and Guan 2021, Genome Research 31:721, Methods) predicts a chromosome in windows of
10,240 bp from two offsets, 0 and 5,120 bp, leaves out 100 bp at both edges of each window, where
the model sees half of what it sees in the middle, and averages what is left.
"""

from dataclasses import dataclass

import numpy as np

from tfepi.prediction.windows import Site
from tfrecords_tools.errors import ConfigError


@dataclass(frozen=True)
class Phases:
    """How windows overlap; window i of a chromosome begins at bin floor(i · bins / count).

    The last one ends where the chromosome ends, so that only a chromosome shorter than a window
    has one that reaches beyond its end.

    Attributes:
        count: windows that begin within the length of one.
        edge: bins that do not count at both ends of a window, unless the chromosome ends there.
        bins: of a window.
        bin_width: bp.

    Raises:
        ConfigError: a number out of range, or bins that no window would give a value.
    """

    count: int
    edge: int
    bins: int
    bin_width: int

    @classmethod
    def of(cls, count: int, edge: int, site: Site) -> "Phases | None":
        """Return the phases of windows of a site, or None where they lie side by side.

        Args:
            count: of phases.
            edge: bp, rounded up to whole bins.
            site: what is kept of each window.
        """
        if count == 1 and not edge:
            return None
        return cls(count, -(-edge // site.bin_width), site.bins, site.bin_width)

    def __post_init__(self):
        if not 1 <= self.count <= self.bins:
            raise ConfigError(
                f"phases are {self.count}: want 1 to {self.bins}, the bins of a window"
            )
        step = -(-self.bins // self.count)
        most = (self.bins - step) // 2
        width = self.bin_width
        if self.edge < 0:
            raise ConfigError(f"edge is {self.edge * width} bp: want 0 or more")
        if self.edge > most:
            bins = " (whole bins)" if width > 1 else ""
            raise ConfigError(
                f"edge is {self.edge * width} bp{bins}: {self.count} phases of windows of "
                f"{self.bins * width} bp would leave bases without a value; want an edge of at "
                f"most {most * width} bp, or more phases"
            )

    def touching(
        self, length: int, low: int, high: int
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Return the windows of a chromosome that count somewhere in a stretch of it.

        Args:
            length: of the chromosome, bins, the last of which may be a part of one.
            low: first bin of the stretch.
            high: the bin behind it.

        Returns:
            Of each window the first bin, the first that counts, and the one behind the last.
        """
        latest = max(0, length - self.bins)
        last = -(-latest * self.count // self.bins)
        number = np.arange(
            max(0, (low - self.bins) * self.count // self.bins),
            min(last, high * self.count // self.bins + 1) + 1,
        )
        start = np.minimum(number * self.bins // self.count, latest)
        begin = np.where(number == 0, 0, start + self.edge)
        end = np.where(number == last, length, start + self.bins - self.edge)
        near = (begin < high) & (end > low)
        return start[near], begin[near], end[near]
