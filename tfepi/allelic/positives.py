"""Imbalanced sites, and balanced ones with as many reads: the two sets of Kathail et al. (B.2)."""

import logging
from dataclasses import dataclass

import numpy as np

from tfepi.allelic.testing import SitesTested
from tfepi.evaluation.matched_sets import Matched, balance, largest_matched
from tfrecords_tools.errors import ConfigError
from tfrecords_tools.number_text import number_of

IMBALANCED, BALANCED, UNUSED, NEITHER = "imbalanced", "balanced", "unmatched", "neither"
CHOICE = "by default one for every 5 imbalanced sites, at least one and at most 10"
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
        matched: how the negatives were chosen; None without positives.
        balance: how alike positives are to candidates ("before") and to negatives ("after") in
            reads and dosage: rows of `matched_sets.balance` with "when".
    """

    positive: np.ndarray
    candidate: np.ndarray
    negative: np.ndarray
    ratio: float | None
    matched: Matched | None
    balance: tuple[dict, ...]

    @property
    def bins(self) -> int | None:
        """Bins of log reads that negatives were chosen in; in one they are not matched."""
        return None if self.matched is None else len(self.matched.wanted)

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
    negative, ratio, matched = np.zeros(len(depth), bool), None, None
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
    return ImbalanceSets(positive, candidate, negative, ratio, matched, tuple(rows))


def matching_text(sets: ImbalanceSets) -> str:
    """Return how balanced sites were matched to imbalanced ones, or why they were not."""
    positives, taken = int(sets.positive.sum()), int(sets.negative.sum())
    if not positives or not sets.candidate.any():
        return "none to match" if not positives else "none to be matched"
    if sets.bins == 1:
        return f"not matched in reads: {number_of(positives, 'imbalanced site')} in one bin"
    if not taken:
        return f"none matches in reads: {_scarcest(sets)}"
    return f"of which {taken:,} match in reads ({sets.ratio:.2f} for each, in {sets.bins} bins)"


def _scarcest(sets: ImbalanceSets) -> str:
    """Return where there are fewest balanced sites for each imbalanced one."""
    found = sets.matched
    b = int(np.argmin(found.available / found.wanted))
    ends = np.round(10**found.edges).astype(int).tolist()
    place = f"from {ends[b - 1]:,}" if b else ""
    place += f" to {ends[b] - 1:,}" if b < len(ends) else " on"
    return (
        f"of {found.wanted[b]} imbalanced sites with reads {place.strip()} there are "
        f"{found.available[b]} balanced ones"
    )


def warn_of_sets(tested: SitesTested, sets: ImbalanceSets, of: str = "") -> list[str]:
    """Log what makes the sets doubtful, and return it.

    Balanced sites are lost for want of reads, match badly or not at all; or imbalanced ones favour
    neither allele.

    Args:
        tested: the sites.
        sets: of all of them.
        of: name of the sample, for the message.
    """
    found = [text for text in (_of_matching(sets), _of_directions(tested, sets)) if text]
    for text in found:
        _log.warning("%s%s", f"{of}: " if of else "", text)
    return found


def _of_matching(sets: ImbalanceSets) -> str | None:
    positives, candidates = int(sets.positive.sum()), int(sets.candidate.sum())
    if not positives or not candidates:
        return None
    apart = next(r["difference"] for r in sets.balance if r["when"] == "after")
    if not sets.negative.any():
        return (
            f"none of {candidates} balanced sites is matched to the {positives} imbalanced ones: "
            f"{_scarcest(sets)}; --match_bins with fewer bins matches less closely"
        )
    if sets.bins == 1:
        by = f"; log reads differ by {apart:.2f} standard deviations" if np.isfinite(apart) else ""
        return (
            "balanced sites are not matched in reads: there is one bin for "
            f"{number_of(positives, 'imbalanced site')} ({CHOICE}){by}: what separates them may be "
            "their depth; --match_bins makes more bins"
        )
    if positives >= _FEWEST and _APART < abs(apart) < np.inf:
        return (
            f"imbalanced sites and the balanced ones matched to them differ in log reads by "
            f"{apart:.2f} standard deviations: what separates them may be their depth; "
            "--match_bins with more bins matches more closely, where there are sites enough"
        )
    return None


def _of_directions(tested: SitesTested, sets: ImbalanceSets) -> str | None:
    neither = tested.favouring(sets.positive)["none"]
    if not neither:
        return None
    return (
        f"{neither} of {number_of(int(sets.positive.sum()), 'imbalanced site')} favour neither "
        "allele: their ratios lie between the two that their dosage leads one to expect, as they "
        "do where a dosage is wrong; they have no direction, and Task 2 leaves them out"
    )
