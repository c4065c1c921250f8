"""Which stretches of the test windows are shown as examples: chosen by rule, never by eye."""

import itertools
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from tfepi.evaluation.predictions import Layout
from tfepi.report.accuracy_figures import busiest_stretch, contiguous_stretches

LOCUS_BINS = 200  # longest stretch, where a window is not longer
FEWEST_BINS = 16  # of a stretch that tells something; else windows are joined across gaps
_GAPS = 10  # typical ones that are joined across
_FEWEST = 3  # values that a correlation needs


@dataclass(frozen=True)
class Locus:
    """A stretch of windows without a gap.

    Attributes:
        names: what it is among all stretches: "busiest", "best", "median", "worst".
        windows: positions of its windows, in order.
        agreement: Pearson r of observed and predicted values in it, of each target shown; NaN
            where it is not defined.
        rank: by mean agreement, from 1; None where that is not defined.
    """

    names: tuple[str, ...]
    windows: np.ndarray
    agreement: np.ndarray
    rank: int | None

    @property
    def mean(self) -> float:
        """Mean agreement of the targets where it is defined."""
        return _mean(self.agreement)


def chosen_loci(
    layout: Layout,
    columns: Sequence[tuple[np.ndarray, np.ndarray]],
    bins: int = LOCUS_BINS,
    gap: int = 0,
) -> tuple[list[Locus], int]:
    """Return the busiest stretch, and those of best, median and worst agreement.

    Stretches shorter than half of the longest are passed over, but for the busiest; one that is
    several of the four is returned once.

    Args:
        layout: windows.
        columns: of each target shown, observed and predicted values [windows, bins].
        bins: longest stretch.
        gap: longest gap between windows of a stretch, bp (`joining_gap`).

    Returns:
        The stretches, and among how many they were ranked.
    """
    busiest = busiest_stretch(layout, [truth for truth, _ in columns], bins, gap)
    runs = [np.array(run) for run in contiguous_stretches(layout, bins, gap)]
    longest = max(map(len, runs))
    runs = [run for run in runs if 2 * len(run) >= longest]
    found = [(run, np.array([agreement(t[run], p[run]) for t, p in columns])) for run in runs]
    found = [(run, r) for run, r in found if not np.isnan(r).all()]
    found.sort(key=lambda pair: -_mean(pair[1]))
    named: dict[int, list[str]] = {}
    if found:
        for name, rank in (("best", 0), ("median", len(found) // 2), ("worst", len(found) - 1)):
            named.setdefault(rank, []).append(name)
    of_busiest = next((k for k, (run, _) in enumerate(found) if run[0] == busiest[0]), None)
    loci = []
    if of_busiest is None:
        r = np.array([agreement(t[busiest], p[busiest]) for t, p in columns])
        loci.append(Locus(("busiest",), busiest, r, None))
    else:
        also = named.pop(of_busiest, [])
        loci.append(Locus(("busiest", *also), *found[of_busiest], of_busiest + 1))
    loci += [Locus(tuple(names), *found[k], k + 1) for k, names in named.items()]
    return loci, len(found)


def joining_gap(layout: Layout, bins: int = LOCUS_BINS) -> int:
    """Return the longest gap, bp, that windows of a stretch may leave: 0 where they adjoin.

    Where windows lie apart, as those of test data often do, it is ten times the usual gap.
    """
    if max(map(len, contiguous_stretches(layout, bins))) * layout.bins >= FEWEST_BINS:
        return 0
    windows = sorted(layout.windows)
    pairs = itertools.pairwise(windows)
    gaps = [b.start - a.end for a, b in pairs if a.chrom == b.chrom and b.start > a.end]
    return int(_GAPS * np.median(gaps)) if gaps else 0


def agreement(truth: np.ndarray, prediction: np.ndarray) -> float:
    """Return Pearson r of the values that were observed; NaN where it is not defined."""
    known = ~np.isnan(truth)
    x, y = truth[known].astype(float), prediction[known].astype(float)
    if len(x) < _FEWEST or np.ptp(x) == 0 or np.ptp(y) == 0:
        return np.nan
    x, y = x - x.mean(), y - y.mean()
    return float((x * y).sum() / np.sqrt((x * x).sum() * (y * y).sum()))


def _mean(values: np.ndarray) -> float:
    known = values[~np.isnan(values)]
    return float(known.mean()) if known.size else np.nan
