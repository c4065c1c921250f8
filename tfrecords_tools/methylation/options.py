"""The options of a build of methylation records, checked by themselves."""

import json
from dataclasses import asdict, dataclass

from tfrecords_tools.errors import ConfigError
from tfrecords_tools.methylation.store import SiteSettings
from tfrecords_tools.records import check_writing
from tfrecords_tools.splits import CONTIG_LIMIT
from tfrecords_tools.windows import Windowing


@dataclass(frozen=True)
class MethylationOptions:
    """Everything of a build besides its two main inputs; names follow tfepi_data.py's options.

    Attributes:
        seq_length: of a window, bp, odd: the CpG's C lies in the middle.
        valid, test, folds, split_bed, contig_limit, chroms, gaps, limit: how the genome is
            divided among labels, as of the usual kind.
        sample: share of the CpGs to keep, each drawn by itself.
        min_coverage: reads below which a value is missing, where a file has counts.
        per: columns: "sample", or "tissue": its samples' reads added up, or their mean without.
        calls: (low, high): values up to low become 0, from high 1, between them none; or None.
        store_coverage: keep the coverage of each value beside it.
        records_per_shard, encoding: as of the usual kind.
        seed: of the split, the sample and the order.
    """

    seq_length: int = 2001
    valid: str = "0.05"
    test: str = "0.05"
    folds: int | None = None
    split_bed: str | None = None
    contig_limit: int | None = CONTIG_LIMIT
    chroms: tuple[str, ...] = ()
    gaps: str | None = None
    limit: str | None = None
    sample: float = 1.0
    min_coverage: float = 5.0
    per: str = "sample"
    calls: tuple[float, float] | None = None
    store_coverage: bool = False
    records_per_shard: int = 8192
    encoding: str = "index"
    seed: int = 44

    def __post_init__(self):
        if self.seq_length < 3 or self.seq_length % 2 == 0:
            raise ConfigError(
                f"-l is {self.seq_length} bp, want an odd number from 3: the CpG's C lies in the "
                "middle"
            )
        check_writing(self.encoding, self.records_per_shard)
        if not 0 < self.sample <= 1:
            raise ConfigError(f"sample is {self.sample}, want above 0 and at most 1")
        self.settings()
        if self.folds is not None and self.split_bed:
            raise ConfigError("folds and a split BED exclude each other: name one")
        if self.contig_limit is not None and self.contig_limit < self.seq_length:
            raise ConfigError(
                f"--break is {self.contig_limit}, want at least {self.seq_length} bp: shorter "
                "contigs hold no window"
            )

    @property
    def half(self) -> int:
        """Bases of a window on either side of the C."""
        return self.seq_length // 2

    def windowing(self) -> Windowing:
        """Return the geometry of a record: one bin of one base, the C, in the middle."""
        return Windowing(self.seq_length, self.half, 1)

    def settings(self) -> SiteSettings:
        """Return how sites are collected."""
        return SiteSettings(min_coverage=self.min_coverage, per=self.per, calls=self.calls)

    def to_json(self) -> dict:
        """Return the options as JSON values."""
        return json.loads(json.dumps(asdict(self)))
