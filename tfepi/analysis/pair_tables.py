"""Tables of pairs: pairs.tsv, a line per element and start site; accuracy.tsv of labelled ones."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np

from tfepi.analysis.pair_accuracy import best_of_pair, pair_accuracy
from tfepi.analysis.site_run import SiteRun
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
    folder: Path,
    run: SiteRun,
    columns: Mapping[str, np.ndarray],
    scores: Mapping[str, np.ndarray],
) -> list[dict]:
    """Write pairs.tsv, a line per element, and of labelled pairs AUPRC and AUROC by distance.

    Args:
        folder: of the results.
        run: with pairs and elements.
        columns: further columns by name, a value for each element.
        scores: name → value of each element, higher for one that regulates.

    Returns:
        Rows of `pair_accuracy`, none of pairs without labels.
    """
    labelled = run.pairs[0].label is not None
    lines = ["\t".join((*_COLUMNS, *(["label"] * labelled), *columns))]
    for number, element in enumerate(run.elements):
        pair, site = run.pairs[element.pair], run.sites[element.site]
        cells = [site.gene, site.name, site.chrom, site.position, site.strand]
        cells += [pair.start, pair.end, element.distance, float(element.inside)]
        cells += [int(pair.label)] * labelled
        cells += [values[number] for values in columns.values()]
        lines.append("\t".join(map(shown, cells)))
    write_text(folder / TABLE, "\n".join(lines) + "\n")
    return _write_accuracy(folder / ACCURACY, run, scores) if labelled else []


def _write_accuracy(path: Path, run: SiteRun, scores: Mapping[str, np.ndarray]) -> list[dict]:
    elements = run.elements
    numbers, nearest, best = best_of_pair(
        np.array([e.pair for e in elements]), np.array([e.distance for e in elements]), scores
    )
    gene_of = {e.pair: run.sites[e.site].gene for e in elements}
    label = np.array([bool(run.pairs[n].label) for n in numbers])
    genes = [gene_of[n] for n in numbers.tolist()]
    options = run.of_pairs
    rows = pair_accuracy(label, genes, nearest, best, options.edges, seed=options.seed)
    lines = ["\t".join(rows[0])]
    lines += ["\t".join(map(shown, row.values())) for row in rows]
    write_text(path, "\n".join(lines) + "\n")
    return rows
