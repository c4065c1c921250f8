"""What a run prints of a sample: a line for each thing that was found."""

from collections.abc import Iterator

from tfepi.allelic.analysis import DIRECTION, IMBALANCE, Analysis
from tfepi.allelic.dispersion import FEWEST, Overdispersion
from tfepi.allelic.positives import matching_text
from tfepi.allelic.seen_sites import ALL
from tfepi.allelic.testing import HowTested, SitesTested
from tfepi.evaluation.classification import FEWEST as FEWEST_OF_AUROC

_NAMES = {IMBALANCE: "imbalanced or not", DIRECTION: "direction among the imbalanced"}


def lines(found: Analysis, testing: HowTested) -> Iterator[str]:
    """Yield lines of text.

    Args:
        found: of a sample.
        testing: how it was tested.
    """
    tested, sets = found.tested, found.sets[ALL]
    few = f"{tested.few_reads:,} with fewer"
    yield f"{len(tested.sites):,} sites with more than {testing.reads} reads ({few})"
    if tested.overdispersion is not None:
        yield f"overdispersion {_spread(tested.overdispersion)}"
    if testing.per_dosage:
        yield from _by_dosage(tested)
    counts = f"{int(sets.positive.sum()):,} imbalanced, {int(sets.candidate.sum()):,} balanced"
    yield f"{counts}, {matching_text(sets)}"
    favoured = tested.favouring(sets.positive)
    if sets.positive.any():
        yield (
            f"the imbalanced favour REF at {favoured['REF']:,} sites, ALT at {favoured['ALT']:,}, "
            f"neither at {favoured['none']:,}"
        )
    yield from _accuracies(found)


def _spread(found: Overdispersion) -> str:
    low, high = found.interval
    return f"rho {found.rho:.3g} ({low:.3g} to {high:.3g})"


def _by_dosage(tested: SitesTested) -> Iterator[str]:
    """Yield the overdispersion of each dosage, or why it has none of its own."""
    dosages = tested.dosages()
    for dosage, count in dosages.items():
        if dosage in tested.by_dosage:
            yield f"at dosage {dosage:g}: {_spread(tested.by_dosage[dosage])} of {count:,} sites"
        elif len(dosages) == 1:
            yield f"at dosage {dosage:g}: all sites"
        else:
            yield f"at dosage {dosage:g}: that of all, as {count} sites are fewer than {FEWEST}"


def _accuracies(found: Analysis) -> Iterator[str]:
    """Yield a line for each AUROC, then one for all that there are too few sites for."""
    few = []
    proxy = found.predicted.proxy if found.tasks else ""
    for subset, columns in found.tasks.items():
        of = "" if subset == ALL else f", {subset.replace('_', ' ')}"
        for task, name in _NAMES.items():
            told = columns[proxy][task]
            if told["note"]:
                few.append(f"{name}{of} {_counts(told)}")
            else:
                yield f"{name} by {proxy}{of}: {_auroc(told)}"
    few_clusters = []
    for row in found.clusters.get(ALL, {}).get(proxy, ()):
        if row["all"]["note"]:
            few_clusters.append(f"{row['cluster']} {_counts(row['all'])}")
        else:
            yield f"direction in cluster {row['cluster']}: {_auroc(row['all'])}"
    if few_clusters:
        few.append(f"direction in cluster {', '.join(few_clusters)}")
    if few:
        yield f"no AUROC of fewer than {FEWEST_OF_AUROC} positives or negatives: {'; '.join(few)}"


def _counts(told: dict) -> str:
    return f"{told['positives']:,}/{told['negatives']:,}"


def _auroc(told: dict) -> str:
    low, high = told["auroc"]["delong"]
    counts = f"{told['positives']:,} and {told['negatives']:,}"
    return f"AUROC {told['auroc']['value']:.3f} ({low:.3f} to {high:.3f}) of {counts}"
