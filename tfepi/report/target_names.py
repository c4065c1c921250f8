"""How figures name targets: identifier with description, kind, and what their values are."""

import re
from collections.abc import Sequence

import numpy as np

from tfepi.report.figures import short
from tfrecords_tools.targets import Target

MOST_GROUPS = 14
SHARES = ("beta", "probability")  # units that lie between 0 and 1
_HISTONE = re.compile(r"H([1-4]|2[AB])", re.IGNORECASE)


def title(target: Target, length: int = 40, between: str = "  ") -> str:
    """Return the identifier and the description, each cut to a length, or one if they agree.

    Args:
        target: to name.
        length: of either, at most.
        between: the two, such as a line break.
    """
    names = dict.fromkeys((target.identifier, target.description))
    return between.join(short(name, length) for name in names if name)


def signal_name(target: Target, unit: str, bin_width: int, highest: float = 0.0) -> str:
    """Return what a target's values are, for an axis.

    Values other than plain sums are named in the targets table's own terms, because what these
    compute differs between styles of transforms, which tables do not state.

    Args:
        target: whose values they are.
        unit: of the model's output, such as "coverage" or "beta".
        bin_width: bp.
        highest: largest absolute value; clips that it does not reach have changed nothing, and
            are left out.
    """
    if unit in SHARES:
        return unit
    per = f" per {bin_width} bp" if bin_width > 1 else ""
    done = [] if target.scale == 1 else [f"scale {target.scale:.3g}"]
    for name in ("clip_soft", "clip"):
        limit = getattr(target, name)
        if limit is not None and highest >= limit:
            done.append(f"{name} {limit:g}")
    if target.threshold is not None:
        done.append(f"threshold {target.threshold:g}")
    if target.sum_stat == "sum" and not done:
        return unit + per
    terms = [term.replace(" ", "\N{NO-BREAK SPACE}") for term in (target.sum_stat, *done)]
    return f"signal{per}: {', '.join(terms)}"


def largest(*values: np.ndarray) -> float:
    """Return the largest absolute value of arrays; NaN is passed over, 0 if there is no other."""
    return max(float(np.fmax.reduce(np.abs(v), axis=None, initial=0)) for v in values)


def track_group(label: str) -> str:
    """Return the kind of a track by its description: what comes before the first colon.

    ChIP-seq of histones is told apart from that of other proteins (CHIP:H3K27ac:…).
    """
    kind, colon, rest = label.partition(":")
    if not colon:
        return "other"
    if kind.upper() == "CHIP":
        return "CHIP, histones" if _HISTONE.match(rest) else "CHIP, others"
    return kind


def track_groups(labels: Sequence[str]) -> dict[str, np.ndarray]:
    """Return kind → positions of its tracks, the most frequent first, `MOST_GROUPS` at most.

    If there are more, the rarest are put together as "rarer kinds".

    Args:
        labels: descriptions of tracks.
    """
    groups = np.array([track_group(label) for label in labels], object)
    names, counts = np.unique(groups, return_counts=True)
    kept = names[np.lexsort((names.astype(str), -counts))].tolist()
    if len(kept) > MOST_GROUPS:
        kept = kept[: MOST_GROUPS - 1]
        groups[~np.isin(groups, kept)] = "rarer kinds"
        kept.append("rarer kinds")
    return {name: np.flatnonzero(groups == name) for name in kept}
