"""Negatives that lie like the positives of an exam.

Each feature is cut into bins of equal numbers of positives, so that the cells are small where
positives lie densely, as near start sites; negatives are the nearest candidates in the cell of
their positive. Candidates beyond all positives in a feature lie in no cell.
"""

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from types import MappingProxyType

import numpy as np

from tfepi.evaluation.classification import FEWEST
from tfepi.evaluation.controls import Controls, cells, draw_controls
from tfepi.evaluation.delong import delong
from tfepi.evaluation.matched_sets import balance
from tfepi.qtl.exam_features import FREQUENCY, LD, PEAK, TSS
from tfrecords_tools.errors import ConfigError, unknown

FEATURE_NAMES = {"tss": TSS, "peak": PEAK, "frequency": FREQUENCY, "ld": LD}
"""What `--match` calls a feature → the feature."""
_SOURCES = {
    TSS: "--tss FILE, or name a column with --columns distance=NAME",
    PEAK: "--peaks FILE",
    FREQUENCY: "a background with AF, or name a column with --columns frequency=NAME",
    LD: "--ld_scores FILE, or name a column with --columns ld_score=NAME",
}
_MOST_BINS = 10
_FEWEST_BINS = 4  # rather than fewer: fewer negatives of each, and then fewer positives
_STREAM = 7  # spawn key: this module's own random stream
_KEPT = 0.9  # of the positives that could be matched at all
_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Matching:
    """Positives with the negatives drawn for them.

    Attributes:
        controls: cases and controls, rows of the labelled variants.
        features: that were matched.
        edges: feature → where its second bin and each further one begins.
        lacking: positives without one of the features.
        asked: most negatives of each that were asked for.
    """

    controls: Controls
    features: tuple[str, ...]
    edges: dict[str, np.ndarray]
    lacking: int
    asked: int

    @property
    def negatives(self) -> np.ndarray:
        """Rows of the negatives, int64, ascending."""
        return np.sort(self.controls.controls.ravel())

    def to_json(self) -> dict:
        """Return how it went, as JSON."""
        cases, each = self.controls.controls.shape
        return {
            "features": list(self.features),
            "bins": {n: len(e) + 1 for n, e in self.edges.items()},
            "positives": cases,
            "negatives": cases * each,
            "negatives_of_each": each,
            "negatives_asked": self.asked,
            "unmatched": self.controls.unmatched,
            "without_feature": self.lacking,
        }


def chosen_features(
    features: Mapping[str, np.ndarray],
    positive: np.ndarray,
    asked: Sequence[str] | None = None,
) -> dict[str, np.ndarray]:
    """Return the features to match on.

    Args:
        features: name → value of each variant; NaN is missing.
        positive: which are positives, bool [variants].
        asked: keys of `FEATURE_NAMES`; None for all that positives and others have, with a warning
            of one that only positives, or only others, have.

    Raises:
        ConfigError: an unknown name, or one that is not known of both.
    """
    if asked is not None:
        names = []
        for name in asked:
            if name not in FEATURE_NAMES:
                raise unknown("feature", name, FEATURE_NAMES, "in --match")
            names.append(FEATURE_NAMES[name])
    else:
        names = [n for n in FEATURE_NAMES.values() if n in features]
    found = {}
    for name in names:
        known = ~np.isnan(features.get(name, np.full(len(positive), np.nan)))
        sides = {"positive": known & positive, "candidate negative": known & ~positive}
        missing = [side for side, rows in sides.items() if not rows.any()]
        if not missing:
            found[name] = features[name]
            continue
        message = f"no {' and no '.join(missing)} has a value"
        if asked is not None and (~positive).any():
            raise ConfigError(f"cannot match on {name}: {message}; give {_SOURCES[name]}")
        if (~positive).any():
            _log.warning("variants are not matched on %s: %s", name, message)
    return found


def match(
    features: Mapping[str, np.ndarray],
    positive: np.ndarray,
    per_case: int = 4,
    bins: int | None = None,
    seed: int = 44,
    cuts: Mapping[str, Sequence[float]] = MappingProxyType({}),
) -> Matching:
    """Find negatives for positives in their cells, none twice.

    Args:
        features: name → value of each variant; those lacking one are left out; none: all variants
            are alike.
        positive: which are positives, bool [variants]; the others are candidates.
        per_case: most negatives of each; fewer where they are scarce (`draw_controls`).
        bins: of each feature; None: 4 to 10, the most that leave all negatives to 90% of the
            positives that have the features; where 4 do not, each has fewer negatives, and where
            one for each is too many, positives are lost.
        seed: of the draw.
        cuts: feature → values that are edges too, as those of groups by distance.

    Raises:
        ConfigError: fewer than one bin or negative, or no positive with all features.
    """
    if bins is not None and bins < 1:
        raise ConfigError(f"features have {bins} bins: want 1 or more")
    if not features:
        alike = draw_controls(positive, ~positive, np.zeros(len(positive), int), per_case, seed)
        return Matching(alike, (), {}, 0, per_case)
    whole = ~np.isnan(np.array(list(features.values()))).any(axis=0)
    sides = (positive & whole, ~positive & whole)
    if not sides[0].any():
        raise ConfigError(
            f"no positive has all of {', '.join(features)}: name those to match on with --match"
        )
    tried = {b: _cells(features, sides[0], whole, b, cuts) for b in _numbers(bins)}
    enough = _KEPT * min(side.sum() for side in sides)
    each, count = 1, min(tried)
    for wanted in range(per_case, 0, -1):
        found = [b for b, (of, _) in tried.items() if _kept(of, positive, wanted) >= enough]
        if found:
            each, count = wanted, max(found)
            break
    of, edges = tried[count]
    controls = draw_controls(positive, ~positive, of, each, seed)
    controls = replace(controls, controls=_nearest(controls, of, positive, features, seed))
    lacking = int((positive & ~whole).sum())
    return Matching(controls, tuple(features), edges, lacking, per_case)


def _nearest(
    controls: Controls,
    of: np.ndarray,
    positive: np.ndarray,
    features: Mapping[str, np.ndarray],
    seed: int,
) -> np.ndarray:
    """Return for each case the nearest candidates of its cell, none twice, case after case.

    Nearest is by the sum of squares of features, each over its standard deviation among cases.
    Where a cell has no more candidates than are needed, this is the draw again.
    """
    values = np.stack([scaled(name, v) for name, v in features.items()], axis=1)
    spread = values[controls.cases].std(axis=0) if len(controls.cases) else 1.0
    values = values / np.where(spread, spread, 1)
    candidates = np.flatnonzero(~positive & (of >= 0))
    candidates = candidates[np.argsort(of[candidates], kind="stable")]
    cell_of = of[candidates]
    chosen, each = np.empty_like(controls.controls), controls.controls.shape[1]
    rng = np.random.default_rng(np.random.SeedSequence(seed, spawn_key=(_STREAM,)))
    left: dict[int, np.ndarray] = {}
    for case in rng.permutation(len(chosen)):
        cell = int(of[controls.cases[case]])
        if cell not in left:
            ends = np.searchsorted(cell_of, [cell, cell + 1])
            left[cell] = candidates[slice(*ends)]
        pool = left[cell]
        away = ((values[pool] - values[controls.cases[case]]) ** 2).sum(axis=1)
        near = np.argpartition(away, each - 1)[:each]
        chosen[case] = pool[near]
        left[cell] = np.delete(pool, near)
    return chosen


def scaled(name: str, values: np.ndarray) -> np.ndarray:
    """Return a feature on the scale it is compared on: log10(bp + 1) of distances."""
    return np.log10(values + 1) if name in (TSS, PEAK) else values


def _numbers(bins: int | None) -> range:
    return range(_FEWEST_BINS, _MOST_BINS + 1) if bins is None else range(bins, bins + 1)


def _cells(
    features: Mapping[str, np.ndarray],
    cases: np.ndarray,
    whole: np.ndarray,
    bins: int,
    cuts: Mapping[str, Sequence[float]],
) -> tuple[np.ndarray, dict[str, np.ndarray]]:
    """Return the cell of each variant, -1 for none, and the edges of bins."""
    edges = cells({n: v[cases] for n, v in features.items()}, bins).edges
    of, inside = np.zeros(len(whole), np.int64), whole.copy()
    for name, values in features.items():
        low, high = values[cases].min(), values[cases].max()
        own = [c for c in cuts.get(name, ()) if low < c <= high]
        edges[name] = np.union1d(edges[name], own)
        of = of * (len(edges[name]) + 1) + np.searchsorted(edges[name], values, side="right")
        inside &= (values >= low) & (values <= high)
    return np.where(inside, of, -1), edges


def _kept(of: np.ndarray, positive: np.ndarray, each: int) -> int:
    """Return how many positives could have so many negatives of their own."""
    count = of.max(initial=-1) + 1
    cases, others = (
        np.bincount(of[rows & (of >= 0)], minlength=count) for rows in (positive, ~positive)
    )
    return int(np.minimum(cases, others // each).sum())


def balance_table(
    features: Mapping[str, np.ndarray], positive: np.ndarray, matching: Matching
) -> list[dict]:
    """Return how alike positives and negatives are in each feature, before and after matching.

    Distances are compared as log10(bp + 1), since a few far variants would decide their mean.

    Args:
        features: of all labelled variants, those not matched on too.
        positive: which are positives.
        matching: of them.

    Returns:
        A dict per feature with the keys of `matched_sets.balance`, "_before" and "_after", the
        AUROC of the feature alone (of -distance: near variants are higher), and "matched".
    """
    values = {name: scaled(name, v) for name, v in features.items()}
    sets = {
        "before": (positive, ~positive),
        "after": (matching.controls.cases, matching.negatives),
    }
    rows = {n: {"feature": n, "matched": n in matching.features} for n in features}
    for when, (cases, others) in sets.items():
        for row in balance(values, cases, others):
            name = row.pop("feature")
            rows[name] |= {f"{key}_{when}": value for key, value in row.items()}
            rows[name][f"auroc_{when}"] = _auroc(baseline(name, features), cases, others)
    return list(rows.values())


def baseline(name: str, features: Mapping[str, np.ndarray]) -> np.ndarray:
    """Return a feature as a score: near variants are high, and frequent ones, and in much LD."""
    return -features[name] if name in (TSS, PEAK) else features[name]


def _auroc(values: np.ndarray, cases: np.ndarray, others: np.ndarray) -> float:
    a, b = (v[~np.isnan(v)] for v in (values[cases], values[others]))
    if min(len(a), len(b)) < FEWEST:
        return float("nan")
    truth = np.r_[np.ones(len(a)), np.zeros(len(b))]
    return float(delong(truth, np.r_[a, b]).auroc[0])
