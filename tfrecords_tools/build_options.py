"""The options of a build, checked by themselves."""

import json
import math
from dataclasses import asdict, dataclass, fields

from tfrecords_tools import compat
from tfrecords_tools.errors import ConfigError, unknown
from tfrecords_tools.records import check_writing
from tfrecords_tools.regions import REGIONS, UBIQUITOUS_SHARE
from tfrecords_tools.splits import CONTIG_LIMIT
from tfrecords_tools.targets import NAN_POLICIES
from tfrecords_tools.variable_regions import VARIABLE_SHARE
from tfrecords_tools.windows import Windowing, stride_bp

_LATER = (
    "tracks",
    "track_width",
    "track_context",
    "random_windows",
    "variable_share",
    "positive_share",
    "hold_out",
)


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
    tracks: str | None = None
    track_width: int | None = None
    track_context: int = 0
    random_windows: int | None = None
    variable_share: float = VARIABLE_SHARE
    positive_share: float | None = None
    hold_out: tuple[str, ...] = ()

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
        self._check_tracks()
        self._check_sampling()

    def _check_sampling(self) -> None:
        if self.random_windows is not None:
            if self.random_windows < 1:
                raise ConfigError(f"--random is {self.random_windows}, want at least 1 window")
            if self.stride_train != 1:
                raise ConfigError(
                    f"--random {self.random_windows} draws training windows, which --stride "
                    f"{self.stride_train:g} would lay: leave one of the two out"
                )
        if not 0 < self.variable_share < 1:
            raise ConfigError(f"--variable_share is {self.variable_share}, want above 0, below 1")
        if self.positive_share is not None and not 0 < self.positive_share <= 1:
            raise ConfigError(
                f"--positive_share is {self.positive_share}, want above 0 and at most 1"
            )
        for value, option in (
            (self.random_windows, "--random"),
            (self.positive_share, "--positive_share"),
        ):
            if value is not None and self.compat:
                raise ConfigError(
                    f"--compat {self.compat} has no {option}: leave one of the two out"
                )

    def _check_tracks(self) -> None:
        if self.tracks is None:
            if self.track_width is not None or self.track_context:
                raise ConfigError(
                    "--track_width and --track_context are of input tracks: name them with --tracks"
                )
            return
        if self.compat:
            raise ConfigError(
                f"--compat {self.compat} has no input tracks (--tracks): leave one of the two out"
            )
        width = self.input_bin_width
        if width < 1:
            raise ConfigError(f"--track_width is {width}, want at least 1 bp")
        if self.seq_length % width:
            raise ConfigError(
                f"the sequence of {self.seq_length} bp is not a multiple of --track_width {width} "
                "(by default the bin width): use a width that divides it"
            )
        if self.track_context < 0 or self.track_context % width:
            raise ConfigError(
                f"--track_context is {self.track_context}, want a multiple of --track_width {width}"
            )

    @property
    def input_bin_width(self) -> int:
        """Width of an input track's bins, bp."""
        return self.bin_width if self.track_width is None else self.track_width

    @property
    def track_length(self) -> int:
        """Bins of an input track, 0 without."""
        if self.tracks is None:
            return 0
        return (self.seq_length + 2 * self.track_context) // self.input_bin_width

    def to_json(self) -> dict:
        """Return the options as JSON values; later ones only where they are set.

        So that data that do not use them keep their manifest, byte for byte.
        """
        value = json.loads(json.dumps(asdict(self)))
        defaults = {f.name: f.default for f in fields(self)}
        return {
            k: v for k, v in value.items() if k not in _LATER or getattr(self, k) != defaults[k]
        }

    @classmethod
    def from_json(cls, value: dict) -> "BuildOptions":
        """Return the options of what `to_json` gave.

        Raises:
            ConfigError: an unknown option, or a value out of range.
        """
        names = [f.name for f in fields(cls)]
        for name in value:
            if name not in names:
                raise unknown("option", name, names, "of a build")
        lists = {k: tuple(v) for k, v in value.items() if isinstance(v, list)}
        return cls(**(value | lists))

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
