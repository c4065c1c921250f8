"""Figure of how well scores tell which elements regulate a gene, by distance."""

from collections.abc import Sequence

import numpy as np
from matplotlib.figure import Figure

from tfepi.analysis.pair_accuracy import BASELINE
from tfepi.report.figures import FIRST, GREY, LEGEND_COLUMNS, SECOND, some, styled

_SCORES = (FIRST, SECOND, "#029e73", "#cc78bc")


def accuracy_figure(rows: Sequence[dict], statistic: str = "auprc") -> Figure:
    """Draw the accuracy of scores by distance, beside that of distance.

    Args:
        rows: of `pair_accuracy.pair_accuracy`.
        statistic: which.

    Raises:
        ConfigError: it is not defined anywhere.
    """
    rows = [r for r in rows if r["statistic"] == statistic]
    some([r for r in rows if r["value"] is not None], f"values of {statistic}")
    columns = ("from", "to", "pairs", "positives")
    groups = list(dict.fromkeys(tuple(r[c] for c in columns) for r in rows if r["pairs"]))
    scores = list(dict.fromkeys(r["score"] for r in rows))
    step = min(0.25, 0.8 / len(scores))
    with styled():
        figure = Figure(figsize=(max(4.5, 1.5 * len(groups) + 1), 3.4), layout="constrained")
        axis = figure.subplots()
        for number, score in enumerate(scores):
            colour = GREY if score == BASELINE else _SCORES[number % len(_SCORES)]
            shown = [r for r in rows if r["score"] == score and r["value"] is not None]
            place = {(r["from"], r["to"]): r for r in shown}
            x = [i + (number - (len(scores) - 1) / 2) * step for i in range(len(groups))]
            for at, group in zip(x, groups, strict=True):
                row = place.get(group[:2])
                if row is not None and row["low"] is not None:
                    axis.vlines(at, row["low"], row["high"], color=colour, linewidth=1.2)
            values = [place[g[:2]]["value"] if g[:2] in place else np.nan for g in groups]
            axis.plot(x, values, "o", color=colour, markersize=5, label=score)
        for i, (_, _, pairs, positives) in enumerate(groups):
            chance = positives / pairs if statistic == "auprc" else 0.5
            axis.hlines(chance, i - 0.45, i + 0.45, color=GREY, linewidth=0.8, linestyle=":")
        axis.set_xticks(range(len(groups)), [_group(*g) for g in groups])
        axis.set(
            ylabel=statistic.upper(),
            ylim=(0, 1.02),
            xlabel="distance from the TSS, and elements that regulate, of all",
        )
        figure.legend(loc="outside upper right", ncols=min(len(scores), LEGEND_COLUMNS))
    return figure


def _group(low: int | None, high: int | None, pairs: int, positives: int) -> str:
    def kb(value: int) -> str:
        return f"{value / 1000:g}"

    if low is None and high is None:
        name = "all"
    elif low is None:
        name = f"< {kb(high)} kb"
    else:
        name = f"≥ {kb(low)} kb" if high is None else f"{kb(low)}–{kb(high)} kb"
    return f"{name}\n{positives} of {pairs}"
