"""What becomes of the values of methylation that are read."""

import math
from dataclasses import dataclass

from tfrecords_tools.errors import ConfigError, unknown

FORMAT, FORMAT_VERSION = "tfepi-methylation-store", 1
NAME = "store.json"
PER = ("sample", "tissue")


@dataclass(frozen=True)
class SiteSettings:
    """What becomes of the values that are read.

    Attributes:
        min_coverage: reads of a CpG below which its value is missing, where there are counts;
            of a tissue's samples together.
        merge_strands: add both strands of a CpG up; else the forward one alone is kept.
        per: a column for each "sample", or for each "tissue".
        calls: (low, high): beta up to low becomes 0, from high on 1, between them missing.
        code: modified base that is read of modkit's files.

    Raises:
        ConfigError: a value out of range, or an unknown `per`.
    """

    min_coverage: float = 5
    merge_strands: bool = True
    per: str = "sample"
    calls: tuple[float, float] | None = None
    code: str = "m"

    def __post_init__(self):
        if not 0 <= self.min_coverage < math.inf:
            raise ConfigError(f"minimum coverage is {self.min_coverage}, want 0 or more reads")
        if self.per not in PER:
            raise unknown("column of the store", self.per, PER)
        if self.calls is not None:
            low, high = self.calls
            if not 0 <= low < high <= 1:
                raise ConfigError(f"calls are {low:g} and {high:g}, want 0 <= low < high <= 1")
