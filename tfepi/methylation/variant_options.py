"""What can be chosen when the methylation effects of variants are scored."""

from dataclasses import dataclass

from tfepi.spec import METHYLATION, ModelSpec
from tfepi.variants.checks import REF_POLICIES
from tfepi.variants.options import check_predicting
from tfrecords_tools.errors import ConfigError, unknown

COMPARED = ("kept", "all", "original")
_CHUNK_WINDOWS = 1 << 13
_BASES_PER_CPG = 100  # of the human genome, on average
_LARGEST_CHUNK, _SMALLEST_CHUNK = 4096, 64


@dataclass(frozen=True)
class CpgWindow:
    """The window of a model of one CpG's methylation, whose C is in the middle.

    Attributes:
        length: bp, odd.
    """

    length: int

    @classmethod
    def of(cls, spec: ModelSpec) -> "CpgWindow":
        """Return the window of a model.

        Raises:
            ConfigError: a model of something else, or of several positions.
        """
        if spec.kind != METHYLATION:
            raise ConfigError(
                f"the model {spec.name} does not predict methylation: score variants with "
                "tfepi_variants.py"
            )
        if spec.seq_length % 2 == 0 or spec.target_length != 1 or len(spec.inputs) > 1:
            raise ConfigError(
                f"the model takes {' and '.join(spec.inputs)} of {spec.seq_length} bp and gives "
                f"{spec.target_length} positions: want the sequence alone, of odd length, and one "
                "position, that of the C in its middle"
            )
        return cls(spec.seq_length)

    @property
    def half(self) -> int:
        """Index of the C."""
        return self.length // 2


@dataclass(frozen=True)
class MethylationScoring:
    """The options that decide scores.

    Attributes:
        reach: bp from a changed base to the C of a CpG.
        compared: whose effects a variant's score is the largest of: "kept" CpGs; "all", with
            those created and destroyed; "original", as INTERACT's programs: every CpG of the
            reference, of variants that change one letter.
        pairs: keep the predictions of every variant and CpG.
        rc: average predictions over both strands.
        ref_policy: what becomes of records that cannot be scored (`checks.REF_POLICIES`).
        head: the model's output to score; None where it has one.
        batch_size: sequences per call of the model.

    Raises:
        ConfigError: an unknown name or a value out of range.
    """

    reach: int
    compared: str = "kept"
    pairs: bool = False
    rc: bool = False
    ref_policy: str = "error"
    head: str | None = None
    batch_size: int = 64

    def __post_init__(self):
        if self.reach < 1:
            raise ConfigError(f"reach is {self.reach} bp: want at least 1")
        check_predicting((0,), None, self.batch_size)
        if self.compared not in COMPARED:
            raise unknown("choice of CpGs", self.compared, COMPARED)
        if self.ref_policy not in REF_POLICIES:
            raise unknown("ref_policy", self.ref_policy, REF_POLICIES)

    @classmethod
    def from_json(cls, value: dict) -> "MethylationScoring":
        """Return the options of a JSON value."""
        return cls(**value)

    def check_reach(self, window: CpgWindow) -> None:
        """Check that the changed bases lie within the windows.

        Raises:
            ConfigError: a reach beyond the model's.
        """
        if self.reach > window.half:
            raise ConfigError(
                f"reach is {self.reach} bp, and the model sees {window.half} bp at either side of "
                f"a CpG: want at most {window.half}"
            )


def default_chunk_records(reach: int) -> int:
    """Return records per part: as many as ask for some thousand windows."""
    records = _CHUNK_WINDOWS * _BASES_PER_CPG // (2 * reach)
    return max(_SMALLEST_CHUNK, min(_LARGEST_CHUNK, 1 << max(0, records.bit_length() - 1)))
