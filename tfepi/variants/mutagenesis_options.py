"""What can be chosen in saturation mutagenesis."""

from dataclasses import dataclass

from tfepi.variants.checks import REF_POLICIES
from tfepi.variants.mutagenesis_scores import NAMES
from tfepi.variants.options import check_incremental, check_predicting
from tfepi.variants.scores import check_names
from tfrecords_tools.errors import ConfigError, unknown


@dataclass(frozen=True)
class Mutagenesis:
    """The options that decide scores.

    Attributes:
        stats: names of statistics (`mutagenesis_scores.NAMES`).
        length: bp to mutate in the middle of the sequence, where neither `up` nor `down` is set;
            None for 200.
        up: bp to mutate before the middle.
        down: bp to mutate from the middle on.
        rc: average predictions over both strands.
        shifts: average predictions over these shifts, bp.
        head: the model's output; None where it has one.
        untransform: undo the targets' transforms first (`untransform.STYLES`), or None.
        ref_policy: of a VCF's records that cannot be used (`checks.REF_POLICIES`).
        batch_size: sequences per call of the model.
        incremental: how changed sequences are predicted (`evaluators.make_evaluator`).

    Raises:
        ConfigError: an unknown name, a value out of range, or both `length` and `up` or `down`.
    """

    stats: tuple[str, ...] = ("sum",)
    length: int | None = None
    up: int = 0
    down: int = 0
    rc: bool = False
    shifts: tuple[int, ...] = (0,)
    head: str | None = None
    untransform: str | None = None
    ref_policy: str = "error"
    batch_size: int = 64
    incremental: str = "auto"

    def __post_init__(self):
        check_names(self.stats, NAMES)
        check_predicting(self.shifts, self.untransform, self.batch_size)
        check_incremental(self.incremental)
        if self.ref_policy not in REF_POLICIES:
            raise unknown("ref_policy", self.ref_policy, REF_POLICIES)
        if self.length is not None and (self.up or self.down):
            raise ConfigError(
                f"{self.length} bp in the middle (-l) are to be mutated, and {self.up} bp before "
                f"and {self.down} bp after it (-u, -d): give -l alone, or -u and -d"
            )
