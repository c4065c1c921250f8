"""The options of a build, checked by themselves."""

import math
from dataclasses import dataclass

from tfrecords_tools import compat
from tfrecords_tools.errors import ConfigError, unknown
from tfrecords_tools.records import check_writing
from tfrecords_tools.regions import REGIONS, UBIQUITOUS_SHARE
from tfrecords_tools.splits import CONTIG_LIMIT
from tfrecords_tools.targets import NAN_POLICIES
from tfrecords_tools.windows import Windowing, stride_bp


@dataclass(frozen=True)
class BuildOptions:
    """Everything of a build besides its two main inputs; names follow tfepi_data.py's options."""

    seq_length: int = 131_072
    bin_width: int = 128
    crop: int = 0
    stride_train: float = 1.0
    stride_test: float = 1.0
    snap: int = 1
    valid: str = "0.05"
    test: str = "0.05"
    folds: int | None = None
    split_bed: str | None = None
    chroms: tuple[str, ...] = ()
    gaps: str | None = None
    blacklist: str | None = None
    unmappable: str | None = None
    unmappable_share: float = 0.5
    unmappable_clip: float = 1.0
    unmappable_store: bool = False
    limit: str | None = None
    peaks_only: bool = False
    regions: str = "all"
    region_labels: tuple[str, ...] = ("train", "valid")
    ubiquitous_share: float = UBIQUITOUS_SHARE
    ubiquitous_bed: str | None = None
    nan: str = "zero"
    decimals: int | None = None
    sample: float = 1.0
    contig_limit: int | None = CONTIG_LIMIT
    records_per_shard: int = 256
    encoding: str = "index"
    seed: int = 44
    compat: str | None = None

    def __post_init__(self):
        for name, choices, kind in (
            (self.regions, REGIONS, "training region kind"),
            (self.nan, NAN_POLICIES, "NaN policy"),
        ):
            if name not in choices:
                raise unknown(kind, name, choices)
        check_writing(self.encoding, self.records_per_shard, self.decimals)
        if self.compat is not None and self.compat not in compat.TOOLS:
            raise unknown("tool", self.compat, compat.TOOLS, "of --compat")
        if self.compat and self.nan == "keep":
            raise ConfigError(
                f"--nan is 'keep', which --compat {self.compat} does not have: use zero or "
                "interpolate, or leave --compat out"
            )
        for name in ("unmappable_share", "unmappable_clip"):
            if not 0 <= getattr(self, name) <= 1:
                raise ConfigError(f"{name} is {getattr(self, name)}, want between 0 and 1")
        if self.unmappable_store and not self.unmappable:
            raise ConfigError(
                "unmappable bins cannot be stored (--umap_tfr) without their BED: name it with -u"
            )
        for name, option in (("stride_train", "--stride"), ("stride_test", "--stride_test")):
            stride = getattr(self, name)
            if not 0 < stride < math.inf or not stride_bp(stride, max(1, self.seq_length)):
                raise ConfigError(
                    f"{option} is {stride}, want above 0: up to 1 a share of -l, else bp"
                )
        if self.folds is not None and self.split_bed:
            raise ConfigError("folds and a split BED exclude each other: name one")

    def windowing(self) -> Windowing:
        """Return the geometry, strides in bp."""
        return Windowing(
            self.seq_length,
            self.crop,
            self.bin_width,
            stride_bp(self.stride_train, self.seq_length),
            stride_bp(self.stride_test, self.seq_length),
            self.snap,
        )
