"""What the paper found of the procedures, direction by direction, and whether it holds here.

Source: Kathail et al. (2023), sections 3.2 to 3.4, Figures 3, 4, S1 and S3.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from tfepi.evaluation.bootstrap import interval
from tfepi.specificity.accuracy import GENOME, SPECIFIC
from tfepi.specificity.cluster_file import UBIQUITOUS
from tfepi.specificity.procedure_estimates import LEVEL, paired
from tfepi.specificity.procedure_scores import MEANS, OVER, Scores
from tfepi.specificity.procedures import (
    MULTITASK,
    NON_UBIQUITOUS,
    PEAKS,
    PROCEDURES,
    SINGLE,
    Procedure,
)

UP, DOWN, NOT_UP = "up", "down", "not up"
ACCURACY, HEIGHTS = "pearsonr_log2", "pearsonr_log2_height_matched"
AUROC = "auroc_direction"
NO_SITES = "no heterozygous sites are given (--sites, -f)"


@dataclass(frozen=True)
class Claim:
    """A direction that the paper reports.

    Attributes:
        text: in words.
        statistic: of which.
        first, second: the difference is the first's value less the second's.
        group: of test windows; of two groups of one procedure also `less`.
        expected: "up", "down" or "not up".
        less: the group whose value is taken off instead of a second procedure's, or None.
    """

    text: str
    statistic: str
    first: Procedure
    second: Procedure
    group: str
    expected: str
    less: str | None = None


CLAIMS = (
    Claim(
        "multitask: specific peaks are predicted worse than ubiquitous ones",
        *(ACCURACY, MULTITASK, MULTITASK, SPECIFIC, DOWN, UBIQUITOUS),
    ),
    Claim(
        "multitask: and so at the same peak heights",
        *(HEIGHTS, MULTITASK, MULTITASK, SPECIFIC, DOWN, UBIQUITOUS),
    ),
    Claim(
        "multitask: overcorrelated in specific peaks",
        *(OVER, MULTITASK, MULTITASK, SPECIFIC, UP, None),
    ),
    Claim(
        "multitask: more overcorrelated in specific peaks than in ubiquitous ones",
        *(OVER, MULTITASK, MULTITASK, SPECIFIC, UP, UBIQUITOUS),
    ),
    Claim("single task: genome-wide accuracy falls", ACCURACY, SINGLE, MULTITASK, GENOME, DOWN),
    Claim("single task: specific peaks slightly up", ACCURACY, SINGLE, MULTITASK, SPECIFIC, UP),
    Claim("single task: less overcorrelated", OVER, SINGLE, MULTITASK, SPECIFIC, DOWN),
    Claim("peaks only: specific peaks up", ACCURACY, PEAKS, MULTITASK, SPECIFIC, UP),
    Claim("peaks only: ubiquitous peaks up", ACCURACY, PEAKS, MULTITASK, UBIQUITOUS, UP),
    Claim(
        "non-ubiquitous only: specific peaks up further than by peaks",
        *(ACCURACY, NON_UBIQUITOUS, PEAKS, SPECIFIC, UP),
    ),
    Claim(
        "non-ubiquitous only: ubiquitous peaks down",
        *(ACCURACY, NON_UBIQUITOUS, MULTITASK, UBIQUITOUS, DOWN),
    ),
    *(
        Claim(
            f"{name}: direction of allelic imbalance not told better ({group} peaks)",
            *(AUROC, procedure, MULTITASK, group, NOT_UP),
        )
        for name, procedure in (("peaks only", PEAKS), ("non-ubiquitous only", NON_UBIQUITOUS))
        for group in (SPECIFIC, UBIQUITOUS)
    ),
)


def compared_cells(scores: Scores, first: Procedure, second: Procedure) -> tuple[str, ...]:
    """Return the cell types that both procedures have."""
    return tuple(c for c in scores.cell_types[first] if c in scores.cell_types[second])


def differences(scores: Scores, level: float = LEVEL) -> list[dict]:
    """Return the paired difference over seeds between every two procedures.

    Args:
        scores: of all procedures.
        level: coverage of intervals.

    Returns:
        A dict per pair and group (`procedure_scores.MEANS`): "first", "second", "group",
        "cell_types" (those of both), "difference" (`over_seeds`), and "blocks": the interval of
        the mean over seeds when blocks of the test windows are resampled, or None.
    """
    found = []
    for number, second in enumerate(PROCEDURES):
        for first in PROCEDURES[number + 1 :]:
            cells = compared_cells(scores, first, second)
            for group in MEANS:
                a, drawn_a = scores.mean(first, group, cells)
                b, drawn_b = scores.mean(second, group, cells)
                ends = _over_blocks(drawn_a, drawn_b, level)
                found.append(
                    {
                        "first": first.name,
                        "second": second.name,
                        "group": group,
                        "cell_types": list(cells),
                        "difference": paired(a, b, level),
                        "blocks": ends,
                    }
                )
    return found


def directions(
    scores: Scores,
    aurocs: dict | None = None,
    claims: Sequence[Claim] = CLAIMS,
    no_aurocs: str = NO_SITES,
) -> list[dict]:
    """Return each of the paper's directions beside what was found.

    Args:
        scores: of all procedures.
        aurocs: (procedure, group) → seed → AUROC of the direction of imbalance; None without
            sites.
        claims: what to look at.
        no_aurocs: why there is no AUROC, where there is none.

    Returns:
        A dict per claim: "claim", "statistic", "first", "second", "group", "less", "expected",
        "difference" (`over_seeds`), "verdict" (`verdict`; "not measured" without a number),
        "reason" (why it is not measured, or None) and "blocks": the difference's interval over
        blocks of the test windows; None of AUROCs, which are over sites.
    """
    found = []
    for claim in claims:
        cells = compared_cells(scores, claim.first, claim.second)
        own = (claim.statistic, claim.first)
        first, drawn = _values(scores, aurocs, *own, claim.group, cells)
        if claim.less is not None:
            second, other = _values(scores, aurocs, *own, claim.less, cells)
        elif claim.second is claim.first:
            second, other = dict.fromkeys(first, 0.0), np.zeros(())
        else:
            of = (claim.statistic, claim.second, claim.group, cells)
            second, other = _values(scores, aurocs, *of)
        difference, blocks = paired(first, second), _over_blocks(drawn, other)
        found.append(
            {
                "claim": claim.text,
                "statistic": claim.statistic,
                "first": claim.first.name,
                "second": claim.second.name,
                "group": claim.group,
                "less": claim.less,
                "expected": claim.expected,
                "difference": difference,
                "blocks": blocks,
                "verdict": verdict(difference, claim.expected, blocks),
                "reason": _reason(claim, difference, no_aurocs),
            }
        )
    return found


def _reason(claim: Claim, difference: dict, no_aurocs: str) -> str | None:
    if difference["value"] is not None:
        return None
    return no_aurocs if claim.statistic == AUROC else "undefined for every seed"


def _over_blocks(
    first: np.ndarray | None, second: np.ndarray | None, level: float = LEVEL
) -> list | None:
    """Return the interval of a difference between means when blocks of the genome are resampled."""
    if first is None or second is None:
        return None
    ends = interval(first - second, level)
    return None if ends is None else list(ends)


def verdict(difference: dict, expected: str, blocks: Sequence[float] | None = None) -> str:
    """Return whether a difference has the direction that is expected.

    "holds" and "opposite" mean that the intervals, over seeds and over test blocks, are on that
    side of 0; "not told", that one of them spans 0. "Not up" holds unless they are above 0, which
    wide ones seldom are. Of one seed there is no interval: "as reported, one seed" and "not as
    reported, one seed".

    Args:
        difference: of `over_seeds`.
        expected: "up", "down" or "not up".
        blocks: the difference's interval over blocks of the test windows, if there is one.
    """
    value, ends = difference["value"], difference["interval"]
    if value is None:
        return "not measured"
    sign = -1 if expected == DOWN else 1
    if ends is None:
        seen = value <= 0 if expected == NOT_UP else sign * value > 0
        return f"{'' if seen else 'not '}as reported, one seed"
    ends = [sign * e for e in (*ends, *(blocks or ()))]
    low, high = min(ends), max(ends)
    if expected == NOT_UP:
        return "opposite" if low > 0 else "holds"
    return "holds" if low > 0 else "opposite" if high < 0 else "not told"


def _values(
    scores: Scores, aurocs: dict | None, statistic: str, procedure: Procedure, group: str, cells
) -> tuple[dict[int, float], np.ndarray | None]:
    """Return seed → value, and the mean's resamples over blocks, or None."""
    if statistic == AUROC:
        return (aurocs or {}).get((procedure, group), {}), None
    of = (procedure, group, cells)
    if statistic == HEIGHTS:
        return scores.mean_matched(*of), scores.drawn_matched(*of)
    if statistic == OVER:
        return scores.mean_over(*of)[OVER], scores.drawn_over(*of)
    return scores.mean(procedure, group, cells)
