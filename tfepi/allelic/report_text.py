"""What a run prints of a sample: a line for each thing that was found."""

from collections.abc import Iterator, Sequence

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
    site = "site" if len(tested.sites) == 1 else "sites"
    yield f"{len(tested.sites):,} {site} with more than {testing.reads} reads ({few})"
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
    """Yield a line for each AUROC, what the intervals are, and what there are too few sites for."""
    if not found.tasks:
        return
    few, aurocs, proxy = [], [], found.predicted.proxy
    for subset, of in _sets(found):
        for task, name in _NAMES.items():
            told = found.tasks[subset][proxy][task]
            if told["note"]:
                few.append(f"{name}{of} {_counts(told)}")
            else:
                yield f"{name} by {proxy}{of}: {_auroc(told)}"
                aurocs.append(told["auroc"])
    few_clusters = []
    for row in found.clusters[ALL].get(proxy, ()):
        if row["all"]["note"]:
            few_clusters.append(f"{row['cluster']} {_counts(row['all'])}")
        else:
            yield f"direction in cluster {row['cluster']}: {_auroc(row['all'])}"
            aurocs.append(row["all"]["auroc"])
    if any(auroc["interval"] for auroc in aurocs):
        yield "intervals: of resampled blocks of the genome; DeLong's takes sites for independent"
    elif aurocs:
        yield "intervals: DeLong's takes sites for independent; there are none of resampled blocks"
    for name in found.subsets:
        if name not in found.tasks:
            yield f"no tested site is of the set {_called(name)}"
    if few_clusters:
        few.append(f"direction in cluster {', '.join(few_clusters)}")
    if few:
        yield f"no AUROC of fewer than {FEWEST_OF_AUROC} positives or negatives: {'; '.join(few)}"


def _sets(found: Analysis) -> Iterator[tuple[str, str]]:
    """Yield each set of sites and how it is called; of the same sites once, but for all."""
    yield ALL, ""
    parts = [name for name in found.tasks if name != ALL]
    while parts:
        same = [n for n in parts if found.same_as(n) == found.same_as(parts[0])]
        yield parts[0], ", " + " = ".join(map(_called, same))
        parts = [n for n in parts if n not in same]


def _called(subset: str) -> str:
    return subset.replace("_", " ")


def _counts(told: dict) -> str:
    return f"{told['positives']:,}/{told['negatives']:,}"


def _auroc(told: dict) -> str:
    counts = f"{told['positives']:,} and {told['negatives']:,}"
    blocks, ends = told["auroc"]["interval"], ends_text(told["auroc"]["delong"])
    value = f"{told['auroc']['value']:.3f}" + (f" {ends_text(blocks)}" if blocks else "")
    return f"AUROC {value}, by DeLong {ends}, of {counts}"


def ends_text(interval: Sequence[float]) -> str:
    """Return an interval of AUROC as text."""
    return f"[{interval[0]:.3f}, {interval[1]:.3f}]"
