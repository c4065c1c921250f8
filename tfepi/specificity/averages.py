"""The paper's averages of accuracy in peaks, alone and beside the correlation between donors.

Source: Kathail et al., sections 3.2 and 3.3, Figures 3a,b and 4a.
"""

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd

from tfepi.specificity.accuracy import GENOME, PEAKS, SPECIFIC, Correlations, ends_of
from tfepi.specificity.cluster_file import UBIQUITOUS

OVERALL = "genome-wide"
_VALUES = ("pearsonr_log2", "ceiling", "difference")


def pairs_of(
    found: Correlations, belongs: Mapping[str, Sequence[str]] | None = None
) -> dict[str, list[tuple[str, str]]]:
    """Return the (group, cell type) whose mean each average is; see `averages`."""
    cells = found.cell_types
    clusters = [g for g in found.groups if g not in (SPECIFIC, PEAKS, GENOME, UBIQUITOUS)]
    pairs = {
        "specific peaks": [(SPECIFIC, c) for c in cells],
        "specific clusters": [(g, c) for g in clusters for c in cells],
        "own clusters": [
            (g, c) for g in clusters for c in (belongs or {}).get(g, ()) if c in cells
        ],
        "ubiquitous peaks": [(UBIQUITOUS, c) for c in cells if UBIQUITOUS in found.groups],
        "all peaks": [(PEAKS, c) for c in cells],
        OVERALL: [(GENOME, c) for c in cells],
    }
    return {name: own for name, own in pairs.items() if own}


def averages(
    found: Correlations, belongs: Mapping[str, Sequence[str]] | None = None
) -> pd.DataFrame:
    """Return the paper's averages: accuracy in specific and in ubiquitous peaks.

    Args:
        found: correlations by cluster and cell type.
        belongs: specific cluster → the cell types in which it is open; None where not known.

    Returns:
        Columns: average, pairs (how many are defined), pearsonr_log2, low, high. Averages:
        "specific peaks", all of them at once, mean over cell types; "specific clusters", mean over
        all (cluster, cell type); "own clusters", mean over those whose cell type is one of the
        cluster's; "ubiquitous peaks", "all peaks" and "genome-wide", mean over cell types; and
        "ubiquitous less specific", the difference of the averages over these peaks.
    """
    pairs = pairs_of(found, belongs)
    means = {name: found.mean(p) for name, p in pairs.items()}
    counts = {name: len(_defined(found, p)) for name, p in pairs.items()}
    if "ubiquitous peaks" in means:
        first, second = means["ubiquitous peaks"], means["specific peaks"]
        name = "ubiquitous less specific"
        means[name] = (first[0] - second[0], first[1] - second[1])
        counts[name] = min(counts["ubiquitous peaks"], counts["specific peaks"])
    rows = [
        (name, counts[name], value, *ends_of(value, resampled, found.level))
        for name, (value, resampled) in means.items()
    ]
    return pd.DataFrame(rows, columns=("average", "pairs", "pearsonr_log2", "low", "high"))


def beside_donors(
    found: Correlations,
    donors: Correlations,
    belongs: Mapping[str, Sequence[str]] | None = None,
) -> pd.DataFrame:
    """Return the averages of a model and of pairs of donors, over the same clusters and cell types.

    An average over cell types is no measure beside the donors of some of them: both are of the
    (cluster, cell type) in which both are defined.

    Args:
        found: of the model.
        donors: correlations between donors (`replicates.ceiling`), of the same resamples.
        belongs: as of `averages`.

    Returns:
        Columns: average, cell_types (names, comma-separated), pairs, pearsonr_log2, ceiling and
        difference (the model's less the donors'), each with _low and _high. Without "genome-wide",
        which donors are not compared over, and averages of which nothing is defined.
    """
    rows = []
    for name, pairs in pairs_of(found, belongs).items():
        both = [p for p in _defined(found, pairs) if p in _defined(donors, pairs)]
        if name == OVERALL or not both:
            continue
        (own, drawn), (top, again) = found.mean(both), donors.mean(both)
        row = {"average": name, "cell_types": ",".join(dict.fromkeys(c for _, c in both))}
        row["pairs"] = len(both)
        each = ((own, drawn), (top, again), (own - top, drawn - again))
        for column, (value, resampled) in zip(_VALUES, each, strict=True):
            row[column] = value
            row[f"{column}_low"], row[f"{column}_high"] = ends_of(value, resampled, found.level)
        rows.append(row)
    ends = [f"{v}{end}" for v in _VALUES for end in ("", "_low", "_high")]
    return pd.DataFrame(rows, columns=["average", "cell_types", "pairs", *ends])


def _defined(found: Correlations, pairs: Sequence[tuple[str, str]]) -> list[tuple[str, str]]:
    return [
        (g, c)
        for g, c in pairs
        if not np.isnan(found.value[found.groups.index(g), found.cell_types.index(c)])
    ]
