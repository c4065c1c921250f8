"""How well scores tell causal variants, and say the direction and the size of their effects.

AUROC and AUPRC are of positives against matched negatives; sign accuracy and correlations with
effects are of positives alone. Intervals are of a bootstrap over blocks of the genome; all scores
are resampled alike, so that differences between them have intervals too.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from scipy.stats import binomtest

from tfepi.evaluation.bootstrap import Blocks, Bootstrap, estimate, interval, multiplicities
from tfepi.evaluation.classification import FEWEST, classification
from tfepi.evaluation.delong import delong
from tfepi.evaluation.ranks import RankedPair
from tfrecords_tools.number_text import number_of

STATISTICS = ("auroc", "auprc", "sign_accuracy", "spearman", "spearman_abs")
NAMES = {
    "auroc": "AUROC",
    "auprc": "AUPRC",
    "sign_accuracy": "sign accuracy",
    "spearman": "Spearman with effect",
    "spearman_abs": "Spearman of magnitudes",
}
_CHANGES = {"spearman": np.asarray, "spearman_abs": np.abs}


@dataclass(frozen=True)
class Sheet:
    """The variants of an exam, positives and negatives.

    Attributes:
        positive: bool [variants].
        matched: which are in the matched sets: all negatives, and the positives that have some.
        effect: of ALT; NaN where it is not known.
        distance: bp, for groups; NaN where it is not known, None for no groups.
        blocks: of the genome.
        floor: smallest effect whose sign counts.
    """

    positive: np.ndarray
    matched: np.ndarray
    effect: np.ndarray
    distance: np.ndarray | None
    blocks: Blocks
    floor: float = 0.0

    @property
    def matched_blocks(self) -> Blocks:
        """Blocks of the matched variants."""
        return replace(self.blocks, index=self.blocks.index[self.matched])

    @property
    def causal_blocks(self) -> int:
        """Number of blocks that hold a positive: the fewer, the less sure the intervals."""
        return len(np.unique(self.blocks.index[self.positive]))

    def signed(self, score: np.ndarray) -> np.ndarray:
        """Return which positives have an effect whose sign counts, and a score, bool [variants]."""
        large = np.isfinite(self.effect) & (np.abs(self.effect) >= self.floor)
        return self.positive & large & (self.effect != 0) & np.isfinite(score)

    def rows(self, low: int | None, high: int | None) -> "Sheet":
        """Return those at a distance from low to below high; None is no end."""
        if low is None and high is None:
            return self
        inside = self.inside(low, high)
        return Sheet(
            *(v[inside] for v in (self.positive, self.matched, self.effect, self.distance)),
            replace(self.blocks, index=self.blocks.index[inside]),
            self.floor,
        )

    def inside(self, low: int | None, high: int | None) -> np.ndarray:
        """Return which variants lie at a distance, bool [variants]."""
        if low is None and high is None:
            return np.ones(len(self.positive), bool)
        return (self.distance >= (low or 0)) & (self.distance < (np.inf if high is None else high))


def groups(sheet: Sheet, edges: Sequence[int]) -> list[tuple[int | None, int | None]]:
    """Return (low, high) of all variants, and of each group by distance; None is no end."""
    if sheet.distance is None or not len(edges):
        return [(None, None)]
    return [(None, None), *zip((None, *edges), (*edges, None), strict=True)]


def group_name(low: int | None, high: int | None) -> str:
    """Return what a group by distance is called."""

    def bp(value: int) -> str:
        return f"{value / 1000:g} kb" if value >= 1000 else f"{value} bp"

    if low is None:
        return "all" if high is None else f"< {bp(high)}"
    if high is None:
        return f"≥ {bp(low)}"
    number, unit = bp(low).split()
    return f"{number}–{bp(high)}" if bp(high).endswith(unit) else f"{bp(low)}–{bp(high)}"


def accuracy(sheet: Sheet, score: np.ndarray, size: np.ndarray, bootstrap: Bootstrap) -> dict:
    """Return all statistics of a score.

    Args:
        sheet: the variants.
        score: with its sign, [variants].
        size: higher for causal variants, [variants].
        bootstrap: number of resamples (`rank_resamples`), level and seed.

    Returns:
        What `classification` returns of the matched variants, and "sign_accuracy" (`direction`),
        "spearman", "spearman_abs" with "effects" (how many) and "effect_note".
    """
    chosen, blocks = sheet.matched, sheet.matched_blocks
    found = classification(sheet.positive[chosen], size[chosen], blocks, bootstrap)
    found |= direction(sheet, score, bootstrap) | _correlations(sheet, score, bootstrap)
    signs = found["sign_accuracy"]
    if found["effect_note"] is None and signs["value"] is None:
        found["effect_note"] = (
            f"{number_of(signs['variants'], 'positive')} with a sign, {signs['zero']} with a score "
            f"of 0: no sign accuracy of fewer than {FEWEST}"
        )
    return found


def direction(sheet: Sheet, score: np.ndarray, bootstrap: Bootstrap) -> dict:
    """Return the share of positives whose score has the sign of the effect.

    Args:
        sheet: the variants.
        score: with its sign, [variants]; 0 says nothing, and is left out.
        bootstrap: as `accuracy`.

    Returns:
        "sign_accuracy": {"value", "interval" of the bootstrap, "exact" (Clopper and Pearson's
        interval), "p" (two-sided, against one half), "same", "variants", "zero"}; None below ten.
    """
    known = sheet.signed(score)
    used = known & (score != 0)
    same = np.sign(score[used]) == np.sign(sheet.effect[used])
    count = int(used.sum())
    found = {"value": None, "interval": None, "exact": None, "p": None}
    found |= {"same": int(same.sum()), "variants": count, "zero": int((known & ~used).sum())}
    if count < FEWEST:
        return {"sign_accuracy": found}
    replicates = _shares(sheet, used, same, _drawn(sheet, bootstrap))
    found |= estimate(same.mean(), replicates, bootstrap.level)
    test = binomtest(int(same.sum()), count)
    ends = test.proportion_ci(bootstrap.level, "exact")
    return {"sign_accuracy": found | {"exact": [ends.low, ends.high], "p": float(test.pvalue)}}


def _correlations(sheet: Sheet, score: np.ndarray, bootstrap: Bootstrap) -> dict:
    used = sheet.positive & np.isfinite(sheet.effect) & np.isfinite(score)
    found: dict = {"effects": int(used.sum()), "effect_note": None}
    none = {"value": None, "interval": None}
    if found["effects"] < FEWEST:
        count = number_of(found["effects"], "positive")
        note = f"{count} with an effect: no statistics of fewer than {FEWEST}"
        return found | {"spearman": none, "spearman_abs": none, "effect_note": note}
    index = sheet.blocks.index[used]
    for name, change in _CHANGES.items():
        pair = RankedPair(change(sheet.effect[used]), change(score[used]))
        drawn = [pair.statistics(w[index])["spearmanr"] for w in _drawn(sheet, bootstrap)]
        replicates = np.array(drawn) if drawn else None
        found[name] = estimate(pair.statistics()["spearmanr"], replicates, bootstrap.level)
    return found


def _drawn(sheet: Sheet, bootstrap: Bootstrap) -> np.ndarray:
    """Return how often each block is drawn in each resample, float64; no row for no intervals."""
    resamples = bootstrap.rank_resamples if sheet.blocks.enough else 0
    return multiplicities(sheet.blocks.count, resamples, bootstrap.seed).astype(float)


def _shares(
    sheet: Sheet, used: np.ndarray, same: np.ndarray, drawn: np.ndarray
) -> np.ndarray | None:
    """Return the share of used variants that are the same in each resample; None without."""
    if not len(drawn):
        return None
    index, count = sheet.blocks.index[used], sheet.blocks.count
    with np.errstate(invalid="ignore"):
        return (drawn @ np.bincount(index, same, count)) / (drawn @ np.bincount(index, None, count))


def differences(
    sheet: Sheet,
    scores: Mapping[str, tuple[np.ndarray, np.ndarray]],
    bootstrap: Bootstrap,
) -> list[dict]:
    """Return each statistic of each further score less that of the first, on the same variants.

    Args:
        sheet: the variants.
        scores: name → (score, size), each [variants].
        bootstrap: as `accuracy`.

    Returns:
        A dict per further score and statistic: "score", "less" (the first's name), "statistic",
        "value", "interval" of the paired bootstrap, and "p" (DeLong's, of AUROC alone).
    """
    names = list(scores)
    drawn = [_replicates(sheet, *scores[name], bootstrap) for name in names]
    chosen, rows = sheet.matched, []
    truth = sheet.positive[chosen]
    enough = min(truth.sum(), (~truth).sum()) >= FEWEST
    covered = delong(truth, np.array([s[1][chosen] for s in scores.values()])) if enough else None
    for number, name in enumerate(names[1:], 1):
        for statistic in STATISTICS:
            apart = drawn[number][statistic] - drawn[0][statistic]
            row = {"score": name, "less": names[0], "statistic": statistic}
            row |= {"value": None, "interval": None, "p": None}
            if np.isfinite(apart[0]):
                ends = interval(apart[1:], bootstrap.level)
                row |= {"value": float(apart[0]), "interval": None if ends is None else list(ends)}
            if statistic == "auroc" and covered is not None:
                row["p"] = covered.difference(number, 0)[2]
            rows.append(row)
    return rows


def _replicates(
    sheet: Sheet, score: np.ndarray, size: np.ndarray, bootstrap: Bootstrap
) -> dict[str, np.ndarray]:
    """Return each statistic, and after it that of each resample; NaN where there is none."""
    drawn = np.concatenate([np.ones((1, sheet.blocks.count)), _drawn(sheet, bootstrap)])
    found = {name: np.full(len(drawn), np.nan) for name in STATISTICS}
    index, chosen = sheet.blocks.index, sheet.matched
    truth = sheet.positive[chosen].astype(float)
    if min(truth.sum(), (1 - truth).sum()) >= FEWEST:
        pair = RankedPair(truth, size[chosen], binary=True)
        for i, w in enumerate(drawn):
            values = pair.statistics(w[index[chosen]])
            found["auroc"][i], found["auprc"][i] = values["auroc"], values["auprc"]
    known = sheet.positive & np.isfinite(sheet.effect) & np.isfinite(score)
    if known.sum() < FEWEST:
        return found
    for name, change in _CHANGES.items():
        pair = RankedPair(change(sheet.effect[known]), change(score[known]))
        found[name] = np.array([pair.statistics(w[index[known]])["spearmanr"] for w in drawn])
    used = sheet.signed(score) & (score != 0)
    if used.sum() >= FEWEST:
        same = np.sign(score[used]) == np.sign(sheet.effect[used])
        found["sign_accuracy"] = _shares(sheet, used, same, drawn)
    return found
