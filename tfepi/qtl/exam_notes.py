"""What a reader of an exam must know of results that are not there, or of fewer variants."""

from collections.abc import Mapping, Sequence

from tfepi.qtl.exam_accuracy import group_name
from tfepi.qtl.exam_matching import Matching
from tfepi.qtl.exam_variants import Labelled
from tfrecords_tools.number_text import number_of

BALANCED = 0.1
"""Standardised differences below this are called balanced (Austin 2009)."""
FEWEST_BLOCKS = 30
"""Blocks with positives, below which intervals of the bootstrap are said to be too narrow."""


def notes(
    marks: Sequence[Mapping], labelled: Labelled, matching: Matching, apart: Sequence[Mapping]
) -> list[str]:
    """Return sentences, none where all is as it should be.

    Args:
        marks: statistics of each score and group by distance; the first is of all variants.
        labelled: positives and candidates.
        matching: of them.
        apart: rows of `exam_matching.balance_table`.
    """
    found = [m["note"] for m in marks[:1] if m["note"]]
    found += _effects(marks[0], labelled) + _matched(labelled, matching)
    found += _blocks(marks)
    each = matching.controls.controls.shape[1]
    advice = ["fewer --controls"] if each > 1 else []
    advice += ["more --bins", "more candidates"]
    for row in apart:
        left = row["difference_after"]
        if row["matched"] and left is not None and abs(left) > BALANCED:
            found.append(
                f"matched positives and negatives still differ in {row['feature']} by {left:.2f} "
                f"standard deviations: try {', '.join(advice[:-1])}, or {advice[-1]}"
            )
    return found


def _effects(whole: Mapping, labelled: Labelled) -> list[str]:
    if not labelled.counts["with_effect"] and labelled.no_effects:
        return [f"no sign accuracy and no correlation with effects: {labelled.no_effects}"]
    return [whole["effect_note"]] if whole["effect_note"] else []


def _matched(labelled: Labelled, matching: Matching) -> list[str]:
    counts, found = labelled.counts, []
    left, each = matching.controls.unmatched, matching.controls.controls.shape[1]
    if left:
        lacking = f", {matching.lacking} for want of a feature" if matching.lacking else ""
        found.append(f"{left} of {counts['positives']} positives have no matched negative{lacking}")
    if not counts["candidates"]:
        found.append(
            "no scored variant is a candidate negative: score some, or give a --background"
        )
        return found
    if each < matching.asked:
        found.append(
            f"{number_of(each, 'matched negative')} of each positive, not {matching.asked} "
            f"(--controls): too few of the {counts['candidates']} candidates lie like positives"
        )
    if not matching.features:
        found.append("negatives are not matched on anything: no feature is known of both sides")
    return found


def _blocks(marks: Sequence[Mapping]) -> list[str]:
    """Return the warning of intervals that are of few blocks of the genome."""
    few = {}
    for row in marks:
        drawn = any(row[name]["interval"] for name in ("auroc", "sign_accuracy", "spearman"))
        if drawn and row["blocks"] < FEWEST_BLOCKS:
            few[group_name(row["from"], row["to"])] = row["blocks"]
    if not few:
        return []
    shown = ", ".join(f"{name}: {count}" for name, count in few.items())
    return [
        f"positives lie in fewer than {FEWEST_BLOCKS} blocks of the genome ({shown}): intervals of "
        "the bootstrap may be too narrow; read DeLong's beside them, and formula_low and "
        "formula_high in exam.tsv"
    ]
