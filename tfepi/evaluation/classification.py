"""How well a score tells positives from negatives, with two intervals, or why that is not said.

DeLong's interval takes positives and negatives for independent draws; the bootstrap's draws
blocks of the genome, so that neighbours may depend on each other.
"""

import numpy as np

from tfepi.evaluation.bootstrap import Blocks, Bootstrap, estimate, multiplicities
from tfepi.evaluation.delong import delong
from tfepi.evaluation.ranks import RankedPair
from tfrecords_tools.number_text import number_of

_DEFAULT = Bootstrap()
FEWEST = 10
"""Positives, and negatives, below which no AUROC is given."""


def classification(
    truth: np.ndarray,
    score: np.ndarray,
    blocks: Blocks | None = None,
    bootstrap: Bootstrap = _DEFAULT,
) -> dict:
    """Return AUROC and AUPRC of a score.

    Args:
        truth: bool or 0/1 [n].
        score: [n], higher for positives; NaN is left out.
        blocks: of the genome, one of each row; None for no bootstrap.
        bootstrap: number of resamples (`rank_resamples`), level and seed.

    Returns:
        "positives", "negatives", "missing" (without score) and "prevalence"; "auroc" and "auprc",
        each {"value", "interval" of the bootstrap}, with "delong" of AUROC; and "note", None or why
        there are no numbers: fewer than ten positives or negatives are no basis for an AUROC.
    """
    truth, score = np.asarray(truth).astype(bool), np.asarray(score, float)
    seen = ~np.isnan(score)
    positives, negatives = int(truth[seen].sum()), int((~truth[seen]).sum())
    none = {"value": None, "interval": None}
    found = {
        "positives": positives,
        "negatives": negatives,
        "missing": int((~seen).sum()),
        "prevalence": positives / (positives + negatives) if seen.any() else None,
        "auroc": none | {"delong": None},
        "auprc": none,
        "note": None,
    }
    if min(positives, negatives) < FEWEST:
        what = "positive" if positives <= negatives else "negative"
        few = number_of(min(positives, negatives), what)
        found["note"] = f"{few}: no AUROC of fewer than {FEWEST}; get more"
        return found
    pair = RankedPair(truth[seen].astype(float), score[seen], binary=True)
    values = pair.statistics()
    drawn: list[dict] = []
    if blocks is not None and blocks.enough and bootstrap.rank_resamples:
        index = blocks.index[seen]
        rows = multiplicities(blocks.count, bootstrap.rank_resamples, bootstrap.seed)
        drawn = [pair.statistics(row[index].astype(float)) for row in rows]
    for name in ("auroc", "auprc"):
        replicates = np.array([d[name] for d in drawn]) if drawn else None
        found[name] = estimate(values[name], replicates, bootstrap.level)
    ends = delong(truth[seen], score[seen]).interval(0, bootstrap.level)
    found["auroc"]["delong"] = list(ends)
    return found
