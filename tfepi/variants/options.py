"""What can be chosen when variants are scored."""

from dataclasses import dataclass

from tfepi.spec import Head, ModelSpec
from tfepi.variants.checks import REF_POLICIES
from tfepi.variants.scores import check_names
from tfepi.variants.untransform import STYLES
from tfrecords_tools.errors import ConfigError, unknown

INDEL_ALIGNMENTS = ("stitch", "left")
COMPAT = ("basenji", "hound")
INCREMENTAL = ("auto", "on", "off")
_LARGEST_BATCH = 64
_BATCH_BASES = 1 << 21
_BATCH_VALUES = 1 << 24
_LARGEST_CHUNK = 4096
_CHUNK_BASES = 1 << 23


@dataclass(frozen=True)
class Scoring:
    """The options that decide scores.

    Attributes:
        stats: names of statistics (`scores.NAMES`).
        rc: average predictions over both strands.
        shifts: average predictions over these shifts, bp.
        ref_policy: what becomes of records that cannot be scored (`checks.REF_POLICIES`).
        indel_align: "stitch" joins both registers of an indel, "left" keeps Basenji's.
        head: the model's output to score; None where it has one.
        untransform: undo the targets' transforms first (`untransform.STYLES`), or None.
        compat: do as basenji_sad.py (bases other than ACGT are a quarter of each; the file is
            sad.h5) or as hound_snp.py (statistics of each shift, then averaged), or None.
        batch_size: sequences per call of the model.
        incremental: how changed sequences are predicted (`evaluators.make_evaluator`).
        window_step: windows start at multiples of this, bp, so that neighbours share them or
            their activations; 0 has each variant in the middle.

    Raises:
        ConfigError: an unknown name or a value out of range.
    """

    stats: tuple[str, ...] = ("SAD",)
    rc: bool = False
    shifts: tuple[int, ...] = (0,)
    ref_policy: str = "error"
    indel_align: str = "stitch"
    head: str | None = None
    untransform: str | None = None
    compat: str | None = None
    batch_size: int = _LARGEST_BATCH
    incremental: str = "auto"
    window_step: int = 0

    def __post_init__(self):
        check_names(self.stats)
        check_predicting(self.shifts, self.untransform, self.batch_size)
        check_incremental(self.incremental)
        if self.ref_policy not in REF_POLICIES:
            raise unknown("ref_policy", self.ref_policy, REF_POLICIES)
        if self.indel_align not in INDEL_ALIGNMENTS:
            raise unknown("indel_align", self.indel_align, INDEL_ALIGNMENTS)
        if self.compat is not None and self.compat not in COMPAT:
            raise unknown("compat", self.compat, COMPAT)

    @property
    def file(self) -> str:
        """Name of the HDF5 file of scores."""
        return "sad.h5" if self.compat == "basenji" else "scores.h5"

    @property
    def passes(self) -> tuple[tuple[int, ...], ...]:
        """Shifts whose predictions are averaged before statistics are taken, pass by pass."""
        return tuple((s,) for s in self.shifts) if self.compat == "hound" else (self.shifts,)

    @classmethod
    def from_json(cls, value: dict) -> "Scoring":
        """Return the options of a JSON value."""
        lists = {k: tuple(v) for k, v in value.items() if isinstance(v, list)}
        return cls(**(value | lists))


def check_incremental(choice: str) -> None:
    """Check the word that says how changed sequences are predicted.

    Raises:
        ConfigError: none of `INCREMENTAL`.
    """
    if choice not in INCREMENTAL:
        raise unknown("choice of incremental", choice, INCREMENTAL)


def check_predicting(shifts: tuple[int, ...], style: str | None, batch_size: int) -> None:
    """Check how predictions are made, by themselves.

    Args:
        shifts: to average over, bp.
        style: undo the targets' transforms (`untransform.STYLES`), or None.
        batch_size: sequences per call of the model.

    Raises:
        ConfigError: no shift or one twice, an unknown style, or a size below 1.
    """
    if not shifts or len(set(shifts)) < len(shifts):
        raise ConfigError(f"shifts are {list(shifts)}: want different numbers, as 0,1,-1")
    if style is not None and style not in STYLES:
        raise unknown("untransform style", style, STYLES)
    if batch_size < 1:
        raise ConfigError(f"batch_size is {batch_size}: want at least 1")


def default_batch_size(spec: ModelSpec, head: Head) -> int:
    """Return sequences per call: 64, fewer for long windows or many values."""
    values = spec.target_length * len(head.targets)
    fit = min(_BATCH_BASES // spec.seq_length, _BATCH_VALUES // max(1, values))
    return min(_LARGEST_BATCH, _power_of_two(fit))


def default_chunk_records(spec: ModelSpec) -> int:
    """Return records per part: 4096, fewer for long windows, so that a kill loses minutes."""
    return max(64, min(_LARGEST_CHUNK, _power_of_two(_CHUNK_BASES // spec.seq_length)))


def check_chunk_records(count: int) -> None:
    """Check a number of records per part.

    Raises:
        ConfigError: below 1.
    """
    if count < 1:
        raise ConfigError(f"chunk_records is {count}: want at least 1")


def _power_of_two(number: int) -> int:
    return 1 << max(0, number.bit_length() - 1)


def check_stated(stated: dict[str, object], spec: ModelSpec, head: Head) -> None:
    """Check the sizes that params.json states against the model's contract.

    Args:
        stated: any of "name", "seq_length", "crop", "bin width", "number of targets" → value.
        spec: the contract.
        head: the output that is scored.

    Raises:
        ConfigError: naming each that differs, with both values.
    """
    of_model = {
        "name": spec.name,
        "seq_length": spec.seq_length,
        "crop": spec.crop,
        "bin width": spec.bin_width,
        "number of targets": len(head.targets),
    }
    wrong = [
        f"{key} is {value} in params.json and {of_model[key]} in the model"
        for key, value in stated.items()
        if key in of_model and value != of_model[key]
    ]
    if wrong:
        raise ConfigError(f"{'; '.join(wrong)}: give the params.json the model was trained with")
