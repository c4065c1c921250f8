"""What can be chosen when predictions are attributed to bases."""

from dataclasses import dataclass

from tfepi.variants.checks import REF_POLICIES
from tfepi.variants.options import check_predicting
from tfrecords_tools.errors import ConfigError, unknown

METHODS = ("gradient", "corrected", "integrated", "expected")
BASELINES = ("uniform", "zeros", "shuffles")
STEPS, SHUFFLES = 50, 50
_FEW_SHUFFLES = 10  # of integrated gradients, each of which has all steps


@dataclass(frozen=True)
class AttributionOptions:
    """The options that decide attributions.

    Attributes:
        method: of `METHODS`.
        steps: points on the line from a baseline, of integrated gradients; None for 50.
        shuffles: baselines drawn per window, of expected gradients, or of integrated gradients
            from shuffles; None for 50, or for 10 lines with all steps.
        baseline: of integrated gradients (`BASELINES`); None for uniform.
        rc: average over both strands.
        shifts: average over these shifts, bp.
        bins: whose predictions are summed (`attribution_outputs.Bins.parse`).
        mean: their mean instead of their sum.
        log: of log(1 + that), after averaging.
        length: bp in the middle of the window that are written; None for all.
        ref_policy: of a VCF's records that cannot be used (`checks.REF_POLICIES`).
        seed: of random numbers.
        batch_size: sequences per call of the model.

    Raises:
        ConfigError: an unknown name, a value out of range, or one that the method does not use.
    """

    method: str = "corrected"
    steps: int | None = None
    shuffles: int | None = None
    baseline: str | None = None
    rc: bool = False
    shifts: tuple[int, ...] = (0,)
    bins: str = "all"
    mean: bool = False
    log: bool = False
    length: int | None = None
    ref_policy: str = "error"
    seed: int = 44
    batch_size: int = 64

    def __post_init__(self):
        if self.method not in METHODS:
            raise unknown("method of attribution", self.method, METHODS)
        if self.baseline is not None and self.baseline not in BASELINES:
            raise unknown("baseline", self.baseline, BASELINES)
        if self.ref_policy not in REF_POLICIES:
            raise unknown("ref_policy", self.ref_policy, REF_POLICIES)
        check_predicting(self.shifts, None, self.batch_size)
        integrated = self.method == "integrated"
        for name, used in (
            ("steps", integrated),
            ("baseline", integrated),
            ("shuffles", self.shuffled),
        ):
            value = getattr(self, name)
            if value is not None and not used:
                what = self.method + " gradients" * (self.method in ("integrated", "expected"))
                of = f" from {self.lines_from}" if integrated else ""
                raise ConfigError(f"--{name} {value} means nothing to {what}{of}: leave it out")
            if isinstance(value, int) and value < 1:
                raise ConfigError(f"{name} is {value}: want at least 1")

    @property
    def lines_from(self) -> str | None:
        """Where integrated or expected gradients begin (`BASELINES`); None of others."""
        if self.method == "expected":
            return "shuffles"
        return (self.baseline or BASELINES[0]) if self.method == "integrated" else None

    @property
    def shuffled(self) -> bool:
        """Whether shuffles are drawn."""
        return self.lines_from == "shuffles"

    @property
    def lines(self) -> int:
        """Baselines per window; 0 without."""
        if not self.shuffled:
            return int(self.lines_from is not None)
        return self.shuffles or (SHUFFLES if self.method == "expected" else _FEW_SHUFFLES)

    @property
    def points(self) -> int:
        """Codes per window and output of which a gradient is taken."""
        if self.method == "integrated":
            return self.lines * (self.steps or STEPS)
        return self.lines or 1
