"""Figures of predicted allelic imbalance: ROC, AUROC by target and by cluster, predicted ratios."""

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from tfepi.allelic.analysis import DIRECTION, IMBALANCE, Analysis
from tfepi.allelic.positives import ImbalanceSets
from tfepi.allelic.report_text import ends_text
from tfepi.allelic.seen_sites import ALL, HELD_OUT
from tfepi.allelic.tasks import SPECIFIC
from tfepi.evaluation.classification import FEWEST
from tfepi.report.figures import FIRST, GREY, SECOND, short, styled
from tfepi.specificity.cluster_file import UBIQUITOUS

TASKS = {IMBALANCE: "imbalanced or not", DIRECTION: "direction of imbalance"}
_ABOVE = {"loc": "lower left", "bbox_to_anchor": (0, 1), "borderaxespad": 0.3}
_MOST_TARGETS = 40
_SETS = ((ALL, "all sites", FIRST, "o"), (HELD_OUT, "held-out sites", SECOND, "s"))
_WHOLE, _MATCHED = "all sites", "matched in imbalance"
_SERIES = {
    _WHOLE: {"facecolor": FIRST, "edgecolor": "white"},
    _MATCHED: {"facecolor": SECOND, "edgecolor": "white"},
    f"{UBIQUITOUS}, matched with it": {"facecolor": "0.75", "edgecolor": "white", "hatch": "//"},
}
_NONE = {"auroc": None}
_BROAD = {"linewidth": 5, "alpha": 0.3, "solid_capstyle": "butt"}  # intervals of blocks


def scatter_figure(found: Analysis) -> Figure:
    """Draw observed against predicted ratios of the proxy."""
    predicted, ratio = found.predicted.column(found.predicted.proxy), found.tested.sites.ratio
    positive = found.sets[ALL].positive
    with styled():
        figure = Figure(figsize=(4.2, 3.8), layout="constrained")
        axis = figure.subplots()
        for rows, colour, size, name in (
            (~positive, "0.6", 6, "not imbalanced"),
            (positive, SECOND, 14, "imbalanced"),
        ):
            label = f"{name} ({int(rows.sum()):,})"
            look = {"s": size, "color": colour, "linewidth": 0, "rasterized": True}
            axis.scatter(predicted[rows], ratio[rows], label=label, **look)
        axis.axhline(0.5, color=GREY, linewidth=0.8, linestyle="--")
        axis.axvline(0.5, color=GREY, linewidth=0.8, linestyle="--")
        axis.set(
            xlabel=f"predicted REF / (REF + ALT), {short(found.predicted.proxy)}",
            ylabel="observed REF / (REF + ALT)",
            ylim=(-0.02, 1.02),
        )
        axis.legend(ncols=2, **_ABOVE)
    return figure


def roc_figure(found: Analysis) -> Figure | None:
    """Draw ROC curves of both tasks: the proxy, and thin the other targets; None of too few."""
    sets, tasks = found.sets[ALL], found.tasks[ALL]
    drawn = [t for t in TASKS if tasks[found.predicted.proxy][t]["auroc"]["value"] is not None]
    if not drawn:
        return None
    with styled():
        figure = Figure(figsize=(3.5 * len(drawn) + 0.2, 3.7), layout="constrained")
        for axis, task in zip(figure.subplots(1, len(drawn), squeeze=False)[0], drawn, strict=True):
            for name in found.predicted.names:
                truth, score = labelled(found, sets, task, found.predicted.column(name))
                is_proxy = name == found.predicted.proxy
                look = {"color": FIRST if is_proxy else "0.8", "zorder": 3 if is_proxy else 1}
                if is_proxy:
                    look |= {"linewidth": 1.6, "label": _named(name, tasks[name][task])}
                else:
                    look |= {"linewidth": 0.7}
                axis.plot(*roc(truth, score), **look)
            if len(found.predicted.names) > 1:
                axis.plot([], [], color="0.8", label="each other target")
            axis.plot((0, 1), (0, 1), color=GREY, linestyle="--", linewidth=0.8)
            told = tasks[found.predicted.proxy][task]
            axis.set(
                title=f"{TASKS[task]} ({told['positives']:,} and {told['negatives']:,} sites)",
                xlabel="false positive rate",
                ylabel="true positive rate",
                xlim=(0, 1),
                ylim=(0, 1),
                aspect="equal",
            )
            axis.legend(loc="lower right")
    return figure


def labelled(
    found: Analysis, sets: ImbalanceSets, task: str, predicted: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Return truth, bool, and score of the sites of a task that have a prediction.

    Args:
        found: of a sample.
        sets: positives and negatives.
        task: "imbalance" or "direction".
        predicted: REF / (REF + ALT), [sites].
    """
    if task == IMBALANCE:
        used, truth, score = sets.positive | sets.negative, sets.positive, np.abs(predicted - 0.5)
    else:
        direction = found.tested.direction
        used, truth, score = sets.positive & (direction != 0), direction > 0, predicted
    used = used & ~np.isnan(score)
    return truth[used], score[used]


def roc(truth: np.ndarray, score: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return false and true positive rates from (0, 0) to (1, 1), a point per distinct score."""
    order = np.argsort(-score, kind="stable")
    last = np.append(np.diff(score[order]) != 0, True)
    true, false = np.cumsum(truth[order])[last], np.cumsum(~truth[order])[last]
    return np.append(0, false / max(1, false[-1])), np.append(0, true / max(1, true[-1]))


def _named(name: str, told: dict) -> str:
    auroc = told["auroc"]
    text = f"{short(name, 20)}: {auroc['value']:.3f}"
    if auroc["interval"] is not None:
        text += f"\nby blocks {ends_text(auroc['interval'])}"
    return text + f"\nby DeLong {ends_text(auroc['delong'])}"


def accuracy_figure(found: Analysis) -> Figure | None:
    """Draw AUROC of both tasks by target, of all sites and of those held out; None of too few.

    The thin line is DeLong's interval, the broad one that of resampled blocks of the genome.
    """
    shown = [s for s in _SETS if s[0] in found.tasks]
    if len(shown) == 2 and np.array_equal(found.subsets[ALL], found.subsets[HELD_OUT]):
        shown = shown[:1]
    names = found.predicted.names[:_MOST_TARGETS]
    drawn = [
        t
        for t in TASKS
        if any(found.tasks[s][n][t]["auroc"]["value"] is not None for s, *_ in shown for n in names)
    ]
    if not drawn:
        return None
    with styled():
        size = (3.2 * len(drawn) + 1.8, 0.15 * (1 + len(shown)) * len(names) + 1.7)
        figure = Figure(figsize=size, layout="constrained")
        axes = figure.subplots(1, len(drawn), squeeze=False, sharex=True, sharey=True)[0]
        for axis, task in zip(axes, drawn, strict=True):
            title = TASKS[task]
            for number, (subset, label, colour, mark) in enumerate(shown):
                told = [found.tasks[subset][n][task] for n in names]
                at = np.arange(len(names)) + (number - (len(shown) - 1) / 2) * 0.3
                _dots(axis, at, [t["auroc"] for t in told], colour, mark)
                if all(t["note"] for t in told):
                    counts = f"{told[0]['positives']:,} and {told[0]['negatives']:,}"
                    title += f"\n{label}: too few ({counts})"
            axis.axvline(0.5, color=GREY, linestyle="--", linewidth=0.8)
            axis.set(xlabel="AUROC", title=title)
        axes[0].set_yticks(np.arange(len(names)), [short(n, 34) for n in names])
        axes[0].set_ylim(len(names) - 0.4, -0.6)
        low, high = axes[0].get_xlim()
        axes[0].set_xlim(max(low, -0.02), min(high, 1.02))
        _explain(figure, axes, shown)
    return figure


def _explain(figure: Figure, axes: np.ndarray, shown: list[tuple]) -> None:
    """Add the legend: sets of sites, and what the lines are."""
    handles = [
        Line2D([], [], color=colour, marker=mark, markersize=4, linewidth=0, label=label)
        for _, label, colour, mark in shown
    ]
    handles.append(Line2D([], [], color=GREY, linewidth=1.2, label="DeLong's 95% interval"))
    if any(line.get_alpha() for axis in axes for line in axis.get_lines()):
        handles.append(Line2D([], [], color=GREY, label="of resampled blocks", **_BROAD))
    figure.legend(handles=handles, loc="outside upper left", ncols=2)


def _dots(axis: Axes, at: np.ndarray, told: list[dict], colour: str, mark: str) -> None:
    """Draw each AUROC that there is, with DeLong's interval and, behind it, that of blocks."""
    for y, each in zip(at, told, strict=True):
        if each["value"] is None:
            continue
        axis.plot(each["delong"], (y, y), color=colour, linewidth=1.2)
        axis.plot(each["value"], y, mark, color=colour, markersize=4)
        if each["interval"] is not None:
            axis.plot(each["interval"], (y, y), color=colour, zorder=1, **_BROAD)


def cluster_figure(found: Analysis) -> Figure | None:
    """Draw how well the direction is told in each cluster, in the manner of Figure 4b.

    Of each cluster up to three bars: all its sites, those matched with the ubiquitous cluster in
    the size of the imbalance, and the ubiquitous ones matched with it. Where a bar has too few
    sites it says so; what has too few in all clusters is left out; None if nothing is left.
    """
    rows = found.clusters[ALL][found.predicted.proxy]
    drawn = [s for s in _SERIES if any((_told(r, s) or _NONE)["auroc"] is not None for r in rows)]
    if not drawn:
        return None
    with styled():
        figure = Figure(figsize=(max(5.0, 0.95 * len(rows) + 1.6), 3.6), layout="constrained")
        axis = figure.subplots()
        for place, row in enumerate(rows):
            own = [(s, told) for s in drawn if (told := _told(row, s)) is not None]
            for number, (series, told) in enumerate(own):
                at = place + (number - (len(own) - 1) / 2) * 0.27
                if told["auroc"] is None:
                    _mark_few(axis, at)
                    continue
                axis.bar(at, told["auroc"] - 0.5, 0.25, bottom=0.5, **_SERIES[series])
                axis.plot((at, at), told["delong"], color=GREY, linewidth=1)
        axis.axhline(0.5, color=GREY, linewidth=0.8)
        axis.set_xticks(np.arange(len(rows)), [_cluster_label(row) for row in rows])
        axis.set_xlim(-0.6, len(rows) - 0.4)
        axis.set(ylabel="AUROC of the direction,\nDeLong's 95% interval")
        handles = [Patch(label=name, **_SERIES[name]) for name in drawn]
        figure.legend(handles=handles, loc="outside upper left", ncols=3)
    return figure


def _told(row: dict, series: str) -> dict | None:
    """Return "auroc" and "delong" of a cluster's bar, None where the cluster has no such bar."""
    if series == _WHOLE:
        return {"auroc": row["all"]["auroc"]["value"], "delong": row["all"]["auroc"]["delong"]}
    if "matched" not in row:
        return None
    return row["matched"][row["cluster"] if series == _MATCHED else UBIQUITOUS]


def _mark_few(axis: Axes, at: float) -> None:
    """Write in a bar's place why there is none."""
    text = f"fewer than {FEWEST}"
    look = {"rotation": 90, "ha": "center", "va": "bottom", "fontsize": 6.5, "color": GREY}
    back = {"facecolor": "white", "edgecolor": "none", "pad": 0.5}
    axis.text(at, 0.02, text, transform=axis.get_xaxis_transform(), bbox=back, **look)


def _cluster_label(row: dict) -> str:
    name = "all specific" if row["cluster"] == SPECIFIC else short(row["cluster"], 13)
    counted = row["all"]["positives"] + row["all"]["negatives"]
    return f"{name}\n{counted:,}"
