"""Differences between models, paired by block and seed, and tables of results."""

from collections.abc import Sequence

import numpy as np

from tfepi.conditioning.measured import Measured
from tfrecords_tools.errors import unknown

REPORTED = (("C", "A"), ("B", "D"), ("B", "A"))  # the contrasts that the report planned


def contrasts_of(measured: Measured, pairs: Sequence[tuple[str, str]] = REPORTED) -> list[dict]:
    """Return a row of each difference, first model minus second, group, mark and set.

    A resample draws the same blocks and the same seeds for both.

    Args:
        measured: the statistics.
        pairs: models.

    Returns:
        Dicts of "first", "second", "group", "cells", "mark", "set", and each statistic's "value",
        "interval", "by_seed" and "above_zero", the share of resamples in which the difference
        is above 0 (equal ones count half), or None. A pair of which one model predicts nothing
        in a group has no row of it. Statistics of the labels alone are left out.

    Raises:
        ConfigError: unknown model.
    """
    design = measured.design
    for name in (n for pair in pairs for n in pair):
        if name not in design.models:
            raise unknown("model", name, design.models, "in a contrast")
    chosen = [n for n in measured.statistics if not n.endswith("_rate")]
    rows = []
    for group, cells in design.groups.items():
        by_seed, resampled = measured.means(cells)
        for s, counted in enumerate(measured.sets):
            for k, mark in enumerate(design.marks):
                for first, second in pairs:
                    a, b = (design.models.index(n) for n in (first, second))
                    difference = by_seed[:, s, k, a] - by_seed[:, s, k, b]
                    if np.isnan(difference).all():
                        continue
                    every = resampled[:, :, s, k, a] - resampled[:, :, s, k, b]
                    seeded = not {first, second} <= set(design.unseeded)
                    row = {"first": first, "second": second, "group": group}
                    row |= {"cells": [design.cells[c] for c in cells], "mark": mark, "set": counted}
                    for name in chosen:
                        n = measured.statistics.index(name)
                        found = measured.estimate(difference[n], every[:, n], seeded)
                        row[name] = found | {"above_zero": _above_zero(every[:, n])}
                    rows.append(row)
    return rows


def _above_zero(differences: np.ndarray) -> float | None:
    defined = differences[~np.isnan(differences)]
    return float((np.sign(defined) / 2 + 0.5).mean()) if len(defined) else None


def scores_table(rows: Sequence[dict], statistics: Sequence[str]) -> str:
    """Return scores as tab-separated text; undefined numbers are left empty.

    Args:
        rows: of `measured.scores_of`.
        statistics: columns, each followed by the ends of its interval and by every seed's value.
    """
    return _table(rows, ("model", "group", "mark", "set", "count"), statistics)


def contrasts_table(rows: Sequence[dict], statistics: Sequence[str]) -> str:
    """Return contrasts as tab-separated text; undefined numbers are left empty.

    Args:
        rows: of `contrasts_of`.
        statistics: columns, as in `scores_table`, and the share of resamples above 0.
    """
    return _table(rows, ("first", "second", "group", "mark", "set"), statistics, ("above_zero",))


def _table(
    rows: Sequence[dict], keys: Sequence[str], statistics: Sequence[str], more: Sequence[str] = ()
) -> str:
    header = list(keys)
    for name in statistics:
        header += [name, f"{name}_low", f"{name}_high", *(f"{name}_{m}" for m in more)]
        header.append(f"{name}_by_seed")
    lines = ["\t".join(header)]
    for row in rows:
        cells = [str(row[k]) for k in keys]
        for name in statistics:
            found = row[name]
            ends = found["interval"] or (None, None)
            cells += [_number(v) for v in (found["value"], *ends, *(found[m] for m in more))]
            cells.append(" ".join(f"{s}:{_number(v)}" for s, v in found["by_seed"].items()))
        lines.append("\t".join(cells))
    return "\n".join(lines) + "\n"


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:.5f}"
