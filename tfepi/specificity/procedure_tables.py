"""What a comparison of procedures writes: procedures.tsv, procedures.json."""

from collections.abc import Sequence

import numpy as np
import pandas as pd

from tfepi.specificity.accuracy import MEAN, SPECIFIC, Correlations
from tfepi.specificity.cluster_file import UBIQUITOUS
from tfepi.specificity.procedure_estimates import over_seeds
from tfepi.specificity.procedure_scores import MATCHED, MEANS, Scores
from tfepi.specificity.procedures import MULTITASK, PROCEDURES, SINGLE, Procedure

FORMAT = "tfepi-procedures"
FORMAT_VERSION = 1
COLUMNS = ("procedure", "seed", "statistic", "group", "cell_type", "other", "n", "value")


def long_table(scores: Scores, more: Sequence[tuple] = ()) -> pd.DataFrame:
    """Return every number of every model: a row per procedure, seed, group and cell type.

    Args:
        scores: of all procedures.
        more: further rows.

    Returns:
        Columns `COLUMNS`. Statistics: "pearsonr_log2" by group and cell type, and the same at
        matched heights, "pearsonr_log2_height_matched"; "experimental" and "predicted"
        (correlation between cell_type and other), and "overcorrelation", their difference.
    """
    rows = []
    for (procedure, seed), found in scores.correlations.items():
        for g, group in enumerate(found.groups):
            for c, cell in enumerate(found.cell_types):
                values = ("pearsonr_log2", group, cell, "", int(found.n[g, c]), found.value[g, c])
                rows.append((procedure.name, seed, *values))
    for (procedure, seed), table in scores.matched.items():
        own = table[(table["set"] == SPECIFIC) & (table["matching"] == MATCHED)]
        for row in own[own["cell_type"] != MEAN].to_dict("records"):
            for group in (SPECIFIC, UBIQUITOUS):
                place = ("pearsonr_log2_height_matched", group, row["cell_type"], "")
                rows.append((procedure.name, seed, *place, row[f"n_{group}"], row[group]))
    for (procedure, seed, group), over in scores.over.items():
        cells = scores.cell_types[procedure]
        for i, j in zip(*np.triu_indices(len(cells), 1), strict=True):
            for name, values in (
                ("experimental", over.experimental),
                ("predicted", over.predicted),
                ("overcorrelation", over.over),
            ):
                place = (name, group, cells[i], cells[j], int(over.n[i, j]), values[i, j])
                rows.append((procedure.name, seed, *place))
    return pd.DataFrame([*rows, *more], columns=COLUMNS)


def means(scores: Scores, ceiling: Correlations | None = None) -> list[dict]:
    """Return each procedure's mean accuracy over cell types, with intervals over seeds.

    Args:
        scores: of all procedures.
        ceiling: correlation between donors, or None.

    Returns:
        A dict per procedure, set of cell types ("all", or "single": those trained alone) and
        group: "procedure", "cells", "cell_types", "group", "pearsonr_log2" (`over_seeds`),
        "ceiling" and "less_ceiling" (`over_seeds`), both over the cell types that have donors,
        as are "with_donors": these "cell_types" and the procedure's "pearsonr_log2" in them; None
        where there are none.
    """
    found = []
    for procedure, kind in shown(scores):
        cells = scores.cell_types[SINGLE if kind == "single" else procedure]
        for group in MEANS:
            row = {"procedure": procedure.name, "cells": kind, "cell_types": list(cells)}
            row |= {"group": group}
            row["pearsonr_log2"] = over_seeds(scores.mean(procedure, group, cells)[0])
            row |= _beside(scores, procedure, group, cells, ceiling)
            found.append(row)
    return found


def shown(scores: Scores) -> list[tuple[Procedure, str]]:
    """Return the rows of a summary: first what is compared on the cell types trained alone."""
    pairs = [(SINGLE, "single"), (MULTITASK, "single")]
    pairs += [(p, "all") for p in PROCEDURES if not p.alone]
    return [(p, kind) for p, kind in pairs if p in scores.cell_types]


def _beside(
    scores: Scores,
    procedure: Procedure,
    group: str,
    cells: Sequence[str],
    ceiling: Correlations | None,
) -> dict:
    """Return the ceiling, and how far below it a procedure is, over cells that have one."""
    none = {"ceiling": None, "less_ceiling": None, "with_donors": None}
    if ceiling is None:
        return none
    pairs = [
        (g, c)
        for g, c in scores.pairs(ceiling, group, cells)
        if not np.isnan(ceiling.value[ceiling.groups.index(g), ceiling.cell_types.index(c)])
    ]
    if not pairs:
        return none
    top = ceiling.mean(pairs)[0]
    own = {s: scores.correlations[procedure, s].mean(pairs)[0] for s in scores.seeds}
    beside = {"cell_types": list(dict.fromkeys(c for _, c in pairs))}
    beside["pearsonr_log2"] = over_seeds(own)
    below = over_seeds({s: r - top for s, r in own.items()})
    return {"ceiling": top, "less_ceiling": below, "with_donors": beside}


def matched(scores: Scores) -> list[dict]:
    """Return mean accuracy in specific and ubiquitous peaks of the same heights, as `means`.

    Specific peaks stay and as many ubiquitous ones are drawn in each bin of heights.

    Returns:
        A dict per procedure, set of cell types and group: "pearsonr_log2" (`over_seeds`).
    """
    found = []
    for procedure, kind in shown(scores):
        cells = scores.cell_types[SINGLE if kind == "single" else procedure]
        for group in (SPECIFIC, UBIQUITOUS):
            row = {"procedure": procedure.name, "cells": kind, "cell_types": list(cells)}
            value = over_seeds(scores.mean_matched(procedure, group, cells))
            found.append(row | {"group": group, "pearsonr_log2": value})
    return found


def overcorrelations(scores: Scores) -> list[dict]:
    """Return mean correlations between cell types, as `means` returns accuracy.

    Returns:
        A dict per procedure, set of cell types and group: "experimental", "predicted" and
        "overcorrelation", each of `over_seeds`.
    """
    found = []
    for procedure, kind in shown(scores):
        cells = scores.cell_types[SINGLE if kind == "single" else procedure]
        groups = dict.fromkeys(g for p, _, g in scores.over if p == procedure)
        for group in groups:
            of = scores.mean_over(procedure, group, cells)
            row = {"procedure": procedure.name, "cells": kind, "cell_types": list(cells)}
            row |= {"group": group} | {name: over_seeds(v) for name, v in of.items()}
            found.append(row)
    return found
