"""What a run prints of a sample: a line for each thing that was found."""

from collections.abc import Iterator

from tfepi.allelic.analysis import DIRECTION, IMBALANCE, Analysis
from tfepi.allelic.seen_sites import ALL

_NAMES = {IMBALANCE: "imbalanced or not", DIRECTION: "direction among the imbalanced"}


def lines(found: Analysis, reads: int) -> Iterator[str]:
    """Yield lines of text.

    Args:
        found: of a sample.
        reads: that tested sites have more of.
    """
    tested, sets = found.tested, found.sets[ALL]
    few = f"{tested.few_reads:,} with fewer"
    yield f"{len(tested.sites):,} sites with more than {reads} reads ({few})"
    if tested.overdispersion is not None:
        spread = tested.overdispersion
        low, high = spread.interval
        yield f"overdispersion rho {spread.rho:.3g} ({low:.3g} to {high:.3g})"
    matched = "none to match" if sets.ratio is None else f"{sets.ratio:.2f} for each"
    yield (
        f"{int(sets.positive.sum()):,} imbalanced, {int(sets.candidate.sum()):,} balanced, of "
        f"which {int(sets.negative.sum()):,} match in reads ({matched})"
    )
    for subset, columns in found.tasks.items():
        of = "" if subset == ALL else f", {subset.replace('_', ' ')}"
        for task, name in _NAMES.items():
            told = columns[found.predicted.proxy][task]
            yield f"{name} by {found.predicted.proxy}{of}: {_accuracy(told)}"
    for row in found.clusters.get(ALL, {}).get(found.predicted.proxy, ()) if found.tasks else ():
        yield f"direction in cluster {row['cluster']}: {_accuracy(row['all'])}"


def _accuracy(told: dict) -> str:
    if told["note"]:
        return told["note"]
    low, high = told["auroc"]["delong"]
    counts = f"{told['positives']:,} and {told['negatives']:,}"
    return f"AUROC {told['auroc']['value']:.3f} ({low:.3f} to {high:.3f}) of {counts}"
