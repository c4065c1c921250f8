"""Whether theory and measurement agree, and if not, what the numbers say of the cause."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from tfepi.receptive_field.profile import PERTURBATION, Measured
from tfepi.receptive_field.theory import Reach

SHORT = 0.9  # of the theoretical span: below, the two disagree
_CLOSED = 0.75  # of the gap: what closes less of it was not its cause alone
_STEP = float(np.finfo(np.float32).eps)


@dataclass(frozen=True)
class Agreement:
    """Theory beside one measurement.

    Attributes:
        theory: bp, least and most over the phases that were measured.
        share: of the theoretical stretches that the measured ones cover, all phases together; of a
            stretch that any repeat affects. NaN where theory says nothing is touched.
        beyond: the largest effect outside the theoretical stretch, above the floor; 0 of none.
        beyond_bp: how far outside.
    """

    theory: tuple[int, int]
    share: float
    beyond: float
    beyond_bp: int

    @property
    def is_short(self) -> bool:
        """Whether the measured field falls short of the theoretical one."""
        return self.share < SHORT

    def to_json(self) -> dict:
        """Return the JSON value."""
        share = None if np.isnan(self.share) else round(self.share, 4)
        return {
            "theory": list(self.theory),
            "share_of_theory": share,
            "largest_beyond": self.beyond,
            "beyond_bp": self.beyond_bp,
        }


def compare(measured: Measured, reach: Reach) -> Agreement:
    """Return theory beside a measurement.

    Args:
        measured: the field.
        reach: what theory says of the same phases, of the same bases or output positions.
    """
    low, high = np.array(reach.low), np.array(reach.high)
    spans = high - low
    union = measured.union
    starts, ends = measured.positions, measured.positions + measured.extent
    beyond, furthest = 0.0, 0
    for row, most in enumerate(measured.most):
        outside = (ends <= low[row]) | (starts >= high[row])
        seen = np.flatnonzero(outside & (most > measured.floor))
        if len(seen):
            beyond = max(beyond, float(most[seen].max()))
            gaps = np.maximum(low[row] - starts[seen], ends[seen] - high[row])
            furthest = max(furthest, int(gaps.max()))
    # A scan sees the ends of a field to within its step.
    union = np.where(union > 0, np.minimum(union + measured.step - measured.extent, spans), 0)
    total = int(spans.sum())
    share = float(union.sum() / total) if total else float("nan")
    return Agreement((int(spans.min()), int(spans.max())), share, beyond, furthest)


def warnings(
    name: str,
    state: str,
    measured: Measured,
    found: Agreement,
    zeros: Sequence[str] = (),
    with_zeros_drawn: Agreement | None = None,
) -> list[str]:
    """Return a line for each way in which theory and a measurement disagree.

    Args:
        name: of the model.
        state: its name, of `subjects.STATE_NAMES`.
        measured: the field.
        found: theory beside it.
        zeros: variables of the state that are all zero and not merely added; none where a gradient
            of the same state shows that they hide nothing.
        with_zeros_drawn: theory beside the same measurement after these were drawn.
    """
    where = f"{name} ({state}), {measured.method} at {measured.place}"
    lines = []
    if found.beyond:
        lines.append(
            f"theory and measurement disagree: {where}: an effect of {found.beyond:.3g} lies "
            f"{found.beyond_bp} bp outside the theoretical field, above the noise of "
            f"{measured.floor:.3g}: the arithmetic does not hold for a layer of this model"
        )
    if found.is_short:
        span, most = int(measured.union.max()), found.theory[1]
        lines.append(
            f"theory and measurement disagree: {where}: {span} bp are affected of {most} that "
            f"theory has: {_cause(measured, found, zeros, with_zeros_drawn)}"
        )
    return lines


def _cause(
    measured: Measured,
    found: Agreement,
    zeros: Sequence[str],
    with_zeros_drawn: Agreement | None,
) -> str:
    """Return what the numbers say of why a field falls short."""
    more = f", … ({len(zeros)} in all)" if len(zeros) > 2 else ""
    named = ", ".join(zeros[:2]) + more
    drawn = with_zeros_drawn.share if with_zeros_drawn is not None else 0.0
    if zeros and drawn >= SHORT and drawn - found.share >= _CLOSED * (1 - found.share):
        return (
            f"the zero-initialised variables {named} hide the rest: with them drawn at random "
            f"{drawn:.0%} of it is reached"
        )
    reasons = []
    if zeros and drawn > 1.1 * found.share:
        reasons.append(
            f"the zero-initialised variables {named} hide a part: with them drawn at random "
            f"{drawn:.0%} is reached"
        )
    elif zeros and with_zeros_drawn is None:
        reasons.append(f"the variables {named} are zero and pass nothing on")
    if not (measured.most > measured.floor).any():
        reasons.append(
            "no effect at all: outputs are saturated, dead, or do not depend on the sequence"
        )
        return "; ".join(reasons)
    if _rounded(measured):
        reasons.append(
            f"the smallest effects are as large as float32's rounding of predictions of "
            f"{measured.scale:.2g}: smaller ones are lost"
        )
    half = measured.repeats // 2
    if not half:
        reasons.append("one random sequence says little: raise --repeats")
    elif measured.grown(half).sum() < 0.98 * measured.union.sum():
        reasons.append("the field still grows with the number of random sequences: raise --repeats")
    if not reasons:
        reasons.append(
            "neither zeros, rounding nor few repeats show: ReLUs and max pooling that pass nothing "
            "of these sequences on, or weights that came to be zero"
        )
    return "; ".join(reasons)


def _rounded(measured: Measured) -> bool:
    """Tell whether the smallest effects of a perturbation are last bits of predictions."""
    if measured.method != PERTURBATION and np.isnan(measured.scale):
        return False
    seen = measured.most[measured.most > measured.floor]
    return bool(len(seen)) and float(seen.min()) <= 2 * _STEP * measured.scale
