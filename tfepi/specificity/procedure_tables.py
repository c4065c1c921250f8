"""What a comparison of procedures writes: procedures.tsv, procedures.json, the summary."""

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd

from tfepi.specificity.accuracy import GENOME, MEAN, SPECIFIC, Correlations
from tfepi.specificity.cluster_file import UBIQUITOUS
from tfepi.specificity.procedure_estimates import over_seeds
from tfepi.specificity.procedure_scores import MATCHED, MEANS, Scores
from tfepi.specificity.procedures import MULTITASK, PROCEDURES, SINGLE, Procedure
from tfrecords_tools.number_text import number_of

FORMAT = "tfepi-procedures"
FORMAT_VERSION = 1
COLUMNS = ("procedure", "seed", "statistic", "group", "cell_type", "other", "n", "value")
_SHOWN = (GENOME, SPECIFIC, UBIQUITOUS)


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
        "ceiling" and "less_ceiling" (mean over the cell types that have one, else None).
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
    none = {"ceiling": None, "less_ceiling": None}
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
    below = {s: scores.correlations[procedure, s].mean(pairs)[0] - top for s in scores.seeds}
    return {"ceiling": top, "less_ceiling": over_seeds(below)}


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


def summary(found: Mapping) -> str:
    """Return the table for people, and which of the paper's directions hold.

    Args:
        found: the value of procedures.json.
    """
    header = ("procedure", "training windows", "steps")
    header += ("all", "specific", "ubiquitous", "R − ceiling (specific, ubiquitous)")
    by_key = {(m["procedure"], m["cells"], m["group"]): m for m in found["means"]}
    titles = {p.name: p.title for p in PROCEDURES}
    rows = [header]
    for name, kind in dict.fromkeys((m["procedure"], m["cells"]) for m in found["means"]):
        windows = found["training"][name]
        of = by_key[name, kind, GENOME]["cell_types"]
        cells = [text(by_key[name, kind, group]["pearsonr_log2"]) for group in _SHOWN]
        below = [by_key[name, kind, group]["less_ceiling"] for group in _SHOWN[1:]]
        rows.append(
            (
                f"{titles[name]} ({number_of(len(of), 'cell type')})",
                f"{windows['windows']:,}",
                f"{windows['mean_steps']:,.0f}",
                *cells,
                ", ".join(text(b) for b in below) if any(below) else "–",
            )
        )
    width = [max(len(row[i]) for row in rows) for i in range(len(header))]
    lines = [" | ".join(c.ljust(w) for c, w in zip(row, width, strict=True)) for row in rows]
    lines = [line.rstrip() for line in lines]
    shared = by_key[MULTITASK.name, "all", GENOME]["cell_types"]
    size = f"{found['parameters'][MULTITASK.name]:,} trained parameters"
    lines += [f"model: {size} with {number_of(len(shared), 'cell type')}", ""]
    lines += ["the paper's directions, and what is seen here (difference; over test blocks)"]
    longest = max(len(d["claim"]) for d in found["directions"])
    for d in found["directions"]:
        line = f"{d['claim'].ljust(longest)}  {d['verdict']}: {text(d['difference'], True)}"
        if d["blocks"] is not None:
            line += f"; [{', '.join(f'{e:+.3f}' for e in d['blocks'])}]"
        lines.append(line)
    return "\n".join(lines)


def text(estimate: Mapping | None, sign: bool = False) -> str:
    """Return a mean with its interval for people."""
    if estimate is None or estimate["value"] is None:
        return "–"
    plus = "+" if sign else ""
    shown = f"{estimate['value']:{plus}.3f}"
    if estimate["interval"] is None:
        return shown
    return f"{shown} [{', '.join(f'{e:{plus}.3f}' for e in estimate['interval'])}]"
