"""Tables of pairs: pairs.tsv, a line per element and start site; accuracy.tsv of labelled ones."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from tfepi.analysis.element_pairs import Element, Pair
from tfepi.analysis.pair_accuracy import EDGES, best_of_pair, pair_accuracy
from tfepi.analysis.tss import StartSite
from tfrecords_tools.files import write_text

TABLE, ACCURACY = "pairs.tsv", "accuracy.tsv"
_COLUMNS = ("gene", "name", "chrom", "tss", "strand", "start", "end", "distance", "inside")
_MISSING = "NA"


def shown(value: object) -> str:
    """Return a cell: numbers with six digits, NaN and None as NA."""
    if value is None or (isinstance(value, float | np.floating) and np.isnan(value)):
        return _MISSING
    return f"{value:.6g}" if isinstance(value, float | np.floating) else str(value)


def write_pairs(
    path: Path,
    pairs: Sequence[Pair],
    sites: Sequence[StartSite],
    elements: Sequence[Element],
    columns: Mapping[str, Sequence],
) -> None:
    """Write the table of elements, in their order.

    Args:
        path: of the file.
        pairs: the table that was read.
        sites: start sites.
        elements: pairs at start sites.
        columns: further columns by name, a value for each element.
    """
    labelled = bool(pairs) and pairs[0].label is not None
    lines = ["\t".join((*_COLUMNS, *(["label"] * labelled), *columns))]
    for number, element in enumerate(elements):
        pair, site = pairs[element.pair], sites[element.site]
        cells = [site.gene, site.name, site.chrom, site.position, site.strand]
        cells += [pair.start, pair.end, element.distance, float(element.inside)]
        cells += [int(pair.label)] * labelled
        cells += [values[number] for values in columns.values()]
        lines.append("\t".join(map(shown, cells)))
    write_text(path, "\n".join(lines) + "\n")


def write_accuracy(
    path: Path,
    pairs: Sequence[Pair],
    sites: Sequence[StartSite],
    elements: Sequence[Element],
    scores: Mapping[str, np.ndarray],
    edges: Sequence[int] = EDGES,
    seed: int = 44,
) -> list[dict]:
    """Write AUPRC and AUROC of scores by distance; return the rows, none of pairs without labels.

    Args:
        path: of the file.
        pairs: the table that was read.
        sites: start sites.
        elements: pairs at start sites.
        scores: name → value of each element, higher for one that regulates.
        edges: distances between groups, bp.
        seed: of the resampling.
    """
    if not pairs or pairs[0].label is None:
        return []
    numbers, nearest, best = best_of_pair(
        np.array([e.pair for e in elements]), np.array([e.distance for e in elements]), scores
    )
    gene_of = {e.pair: sites[e.site].gene for e in elements}
    label = np.array([bool(pairs[n].label) for n in numbers])
    genes = [gene_of[n] for n in numbers.tolist()]
    rows = pair_accuracy(label, genes, nearest, best, edges, seed=seed)
    lines = ["\t".join(rows[0])]
    lines += ["\t".join(map(shown, row.values())) for row in rows]
    write_text(path, "\n".join(lines) + "\n")
    return rows
