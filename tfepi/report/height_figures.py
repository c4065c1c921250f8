"""Figures of peak heights, and of accuracy at the same heights (Kathail et al., Figure S1)."""

import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from matplotlib.patches import Patch

from tfepi.report.figures import FIRST, SECOND, short, some, styled
from tfepi.specificity.accuracy import MEAN, SPECIFIC
from tfepi.specificity.cluster_file import UBIQUITOUS
from tfepi.specificity.height_matching import MATCHINGS, OWN

_R = "Pearson r of log2(x + 1)"
_NAME = 30
_MATCHED = {
    "none": "as they are",
    "sampled": "matched,\nspecific kept",
    "equal": "matched,\nequal",
}


def heights_figure(table: pd.DataFrame) -> Figure:
    """Draw how high peaks are in specific and in ubiquitous clusters, by cell type.

    Boxes hold the middle half, whiskers the middle 90%.

    Args:
        table: `accuracy_run.height_table`.

    Raises:
        ConfigError: no peaks.
    """
    cells = list(dict.fromkeys(table["cell_type"]))
    some(cells, "cell types")
    looks = {UBIQUITOUS: SECOND, SPECIFIC: FIRST, OWN: "0.7"}
    looks = {g: c for g, c in looks.items() if (table["group"].eq(g) & table["n"].gt(0)).any()}
    some(looks, "ubiquitous or specific peaks")
    step, handles = 0.84 / len(looks), []
    with styled():
        figure = Figure(figsize=(max(4.2, 1.6 + 0.5 * len(cells)), 3.8), layout="constrained")
        axis = figure.subplots()
        for number, (group, colour) in enumerate(looks.items()):
            own = table[(table["group"] == group) & (table["n"] > 0)]
            aside = step * (number - (len(looks) - 1) / 2)
            boxes = [
                {"med": r.q50, "q1": r.q25, "q3": r.q75, "whislo": r.q05, "whishi": r.q95}
                for r in own.itertuples()
            ]
            at = [cells.index(c) + aside for c in own["cell_type"]]
            drawn = axis.bxp(
                boxes,
                at,
                widths=0.85 * step,
                showfliers=False,
                patch_artist=True,
                manage_ticks=False,
            )
            for box in drawn["boxes"]:
                box.set(facecolor=colour, alpha=0.6)
            for line in drawn["medians"]:
                line.set(color="black")
            name = "the cell type's own clusters" if group == OWN else f"{group} peaks"
            label = f"{name} ({_counts(own['n'])})"
            handles.append(Patch(facecolor=colour, alpha=0.6, label=label))
        axis.set_xticks(
            range(len(cells)),
            [short(c, _NAME) for c in cells],
            rotation=45,
            ha="right",
            rotation_mode="anchor",
            fontsize=7,
        )
        axis.set(ylabel="peak height, log2(x + 1)")
        note = "box: middle half of the bins, whiskers: middle 90%"
        axis.set_title(note, loc="left", fontsize=8)
        figure.legend(handles=handles, loc="outside upper center", ncols=1)
    return figure


def _counts(n: pd.Series) -> str:
    """Return how many bins a cell type has: the same for all, or from the fewest to the most."""
    low, high = int(n.min()), int(n.max())
    return f"{high:,} bins" if low == high else f"{low:,} to {high:,} bins by cell type"


def matched_figure(table: pd.DataFrame) -> Figure:
    """Draw accuracy in specific and ubiquitous peaks, as they are and at the same heights.

    A line per cell type joins its two values; wide marks are means with their intervals.

    Args:
        table: `height_matching.height_matched`.

    Raises:
        ConfigError: an empty table.
    """
    some(table, "matched sets")
    sets = list(dict.fromkeys(table["set"]))
    with styled():
        figure = Figure(figsize=(2.0 + 2.6 * len(sets), 3.4), layout="constrained")
        axes = figure.subplots(1, len(sets), squeeze=False, sharey=True)[0]
        for axis, kind in zip(axes, sets, strict=True):
            for m, how in enumerate(MATCHINGS):
                own = table[(table["set"] == kind) & (table["matching"] == how)]
                for row in own[own["cell_type"] != MEAN].itertuples():
                    pair = (row.specific, row.ubiquitous)
                    axis.plot((m - 0.18, m + 0.18), pair, color="0.75", linewidth=0.7, zorder=1)
                for mean in own[own["cell_type"] == MEAN].itertuples():
                    for aside, name, colour in (
                        (-0.18, "specific", FIRST),
                        (0.18, "ubiquitous", SECOND),
                    ):
                        value = getattr(mean, name)
                        ends = [
                            [value - getattr(mean, f"{name}_low")],
                            [getattr(mean, f"{name}_high") - value],
                        ]
                        ends = np.abs(np.nan_to_num(ends))
                        axis.errorbar(
                            m + aside, value, ends, fmt="o", color=colour, markersize=6, zorder=3
                        )
            axis.set_xticks(range(len(MATCHINGS)), [_MATCHED[m] for m in MATCHINGS], fontsize=7)
            title = "all specific peaks" if kind == SPECIFIC else "the cell type's own clusters"
            own = table[(table["set"] == kind) & (table["cell_type"] != MEAN)]
            of = own["cell_type"].nunique()
            counted = of - own[own["note"] != ""]["cell_type"].nunique()
            left = "" if counted == of else f"\nmeans of {counted} of {of} cell types"
            axis.set_title(title + left, loc="left")
            axis.axhline(0, color="0.8", linewidth=0.8, zorder=0)
        axes[0].set_ylabel(_R)
        handles = [axes[0].plot([], [], "o", color=c, markersize=6)[0] for c in (FIRST, SECOND)]
        handles.append(axes[0].plot([], [], color="0.75")[0])
        names = ["specific, mean", "ubiquitous, mean", "a cell type"]
        figure.legend(handles, names, loc="outside upper center", ncols=3)
    return figure
