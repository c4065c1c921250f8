"""Imbalanced sites, and balanced ones with as many reads: the two sets of Kathail et al. (B.2)."""

import logging
from dataclasses import dataclass

import numpy as np

from tfepi.allelic.testing import SitesTested
from tfepi.evaluation.matched_sets import balance, largest_matched
from tfrecords_tools.errors import ConfigError

IMBALANCED, BALANCED, UNUSED, NEITHER = "imbalanced", "balanced", "unmatched", "neither"
LABELS = (IMBALANCED, BALANCED, UNUSED, NEITHER)
_APART = 0.25  # standard deviations that matched sets may differ by, in log reads
_FEWEST = 5  # positives of which that is told
_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Cut:
    """What makes a site imbalanced, or balanced.

    Attributes:
        fdr: imbalanced below this false discovery rate.
        null_p: balanced above this p-value.
        bins: of log reads in which balanced sites are chosen; None for `largest_matched`'s own.
        seed: of the choice among balanced sites that have as many reads.

    Raises:
        ConfigError: no share between 0 and 1.
    """

    fdr: float = 0.01
    null_p: float = 0.1
    bins: int | None = None
    seed: int = 44

    def __post_init__(self):
        for name in ("fdr", "null_p"):
            if not 0 < getattr(self, name) < 1:
                raise ConfigError(f"{name} is {getattr(self, name)}: want a number between 0 and 1")
        if self.bins is not None and self.bins < 1:
            raise ConfigError(f"bins of reads are {self.bins}: want at least 1")


@dataclass(frozen=True)
class ImbalanceSets:
    """Positives and negatives of Task 1.

    Attributes:
        positive: imbalanced, bool [sites].
        candidate: balanced, bool [sites].
        negative: those of the balanced that have the positives' distribution of read counts, the
            most there can be, bool [sites].
        ratio: negatives for each positive; None without positives.
        balance: how alike positives are to candidates ("before") and to negatives ("after") in
            reads and dosage: rows of `matched_sets.balance` with "when".
    """

    positive: np.ndarray
    candidate: np.ndarray
    negative: np.ndarray
    ratio: float | None
    balance: tuple[dict, ...]

    @property
    def label(self) -> np.ndarray:
        """Return a word for each site (`LABELS`)."""
        return np.select(
            [self.positive, self.negative, self.candidate], [IMBALANCED, BALANCED, UNUSED], NEITHER
        )


def imbalance_sets(
    tested: SitesTested,
    cut: Cut = Cut(),
    among: np.ndarray | None = None,
) -> ImbalanceSets:
    """Return imbalanced sites and as many balanced ones as match their logarithms of reads.

    Args:
        tested: sites with p and q.
        cut: what makes a site either.
        among: only these, bool [sites]; None for all.
    """
    among = np.ones(len(tested.p), bool) if among is None else among
    positive = among & (tested.q < cut.fdr)
    candidate = among & (tested.p > cut.null_p) & ~positive
    depth = np.log10(tested.sites.reads)
    negative, ratio = np.zeros(len(depth), bool), None
    if positive.any():
        matched = largest_matched(depth[positive], depth[candidate], cut.bins, cut.seed)
        negative[np.flatnonzero(candidate)[matched.rows]] = True
        ratio = matched.ratio
    features = {"log10 reads": depth, "dosage": tested.sites.dosage}
    rows = [
        {"when": when} | row
        for when, others in (("before", candidate), ("after", negative))
        for row in balance(features, positive, others)
    ]
    return ImbalanceSets(positive, candidate, negative, ratio, tuple(rows))


def warn_of_sets(sets: ImbalanceSets, of: str = "") -> list[str]:
    """Log that balanced sites are lost for want of reads, or match badly, and return it.

    Args:
        sets: of all sites.
        of: name of the sample, for the message.
    """
    positives, candidates = int(sets.positive.sum()), int(sets.candidate.sum())
    if not positives or not candidates:
        return []
    apart = next(r["difference"] for r in sets.balance if r["when"] == "after")
    if not sets.negative.any():
        text = (
            f"none of {candidates} balanced sites is matched to the {positives} imbalanced ones: "
            "among those with as many reads as some of these have, none is balanced; --match_bins "
            "with fewer bins matches less closely"
        )
    elif positives >= _FEWEST and _APART < abs(apart) < np.inf:
        text = (
            f"imbalanced sites and the balanced ones matched to them differ in log reads by "
            f"{apart:.2f} standard deviations: what separates them may be their depth; "
            "--match_bins with more bins matches more closely, where there are sites enough"
        )
    else:
        return []
    _log.warning("%s%s", f"{of}: " if of else "", text)
    return [text]
