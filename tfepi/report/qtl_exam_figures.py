"""Figures of variant scores as judged by fine-mapped QTLs."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from tfepi.qtl.exam_accuracy import NAMES, group_name
from tfepi.qtl.exam_notes import BALANCED
from tfepi.qtl.exam_result import Exam
from tfepi.report.figures import FIRST, GREY, LEGEND_COLUMNS, SECOND, save_figure, some, styled

_SCORES = (FIRST, SECOND, "#029e73", "#cc78bc", "#ca9161", "#56b4e9")
_MOST_PANELS = 3
_OF = {
    "auroc": "with negatives",
    "sign_accuracy": "with signs",
    "spearman": "with effects",
}


def draw_exam(exam: Exam, folder: str | Path) -> list[Path]:
    """Write the figures of an exam into folder/figures: those for which there are numbers."""
    folder = Path(folder) / "figures"
    folder.mkdir(parents=True, exist_ok=True)
    result, paths = exam.result, []
    if all(m["auroc"]["value"] is not None for m in _whole(result["accuracy"])):
        paths += save_figure(curves_figure(exam), folder / "curves")
    if result["distance"] is not None:
        paths += save_figure(distance_figure(result), folder / "distance")
    if any(m["spearman"]["value"] is not None for m in _whole(result["accuracy"])):
        paths += save_figure(effects_figure(exam), folder / "effects")
    if result["balance"]:
        paths += save_figure(balance_figure(result["balance"]), folder / "balance")
    return paths


def _whole(marks: Sequence[Mapping]) -> list[Mapping]:
    return [m for m in marks if m["from"] is None and m["to"] is None]


def curves_figure(exam: Exam) -> Figure:
    """Draw ROC and precision against recall of each score, of all matched variants.

    Args:
        exam: with ten positives and negatives or more.
    """
    marks = _whole(exam.result["accuracy"])
    chosen = exam.sheet.matched
    truth = exam.sheet.positive[chosen]
    with styled():
        figure = Figure(figsize=(7.6, 4.2), layout="constrained")
        left, right = figure.subplots(1, 2)
        for number, found in enumerate(marks):
            size = exam.values(found["score"])[1][chosen]
            seen = ~np.isnan(size)
            hits, misses = _cumulated(truth[seen], size[seen])
            look = {"color": _SCORES[number % len(_SCORES)], "linewidth": 1.2}
            label = f"{found['score']}: {_estimate(found['auroc'])}"
            left.plot(misses / misses[-1], hits / hits[-1], label=label, **look)
            shares = hits[1:] / (hits + misses)[1:]
            label = f"{found['score']}: {_estimate(found['auprc'])}"
            right.step(hits[1:] / hits[-1], shares, where="pre", label=label, **look)
        left.plot((0, 1), (0, 1), color=GREY, linewidth=0.8, linestyle=":")
        right.axhline(truth.mean(), color=GREY, linewidth=0.8, linestyle=":")
        left.set(xlabel="share of matched negatives above", ylabel="share of causal variants above")
        right.set(xlabel="recall", ylabel="precision", ylim=(0, 1.02), xlim=(0, 1))
        for axis, title in ((left, "AUROC"), (right, "AUPRC")):
            above = {"loc": "lower left", "bbox_to_anchor": (0, 1), "borderaxespad": 0.3}
            axis.legend(title=title, title_fontsize=8, alignment="left", **above)
    return figure


def _cumulated(truth: np.ndarray, size: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return how many positives and negatives lie at or above each threshold, from 0 on."""
    order = np.argsort(-size, kind="stable")
    last = np.r_[np.diff(size[order]) != 0, True]  # equal scores are passed together
    hits, misses = (np.cumsum(t[order])[last] for t in (truth, ~truth))
    return np.r_[0, hits], np.r_[0, misses]


def _estimate(found: Mapping) -> str:
    ends = found["interval"]
    text = f"{found['value']:.3f}" + (f" [{ends[0]:.3f}, {ends[1]:.3f}]" if ends else "")
    return text.replace("-", "−")


def distance_figure(result: Mapping) -> Figure:
    """Draw AUROC, sign accuracy and Spearman's correlation by distance.

    Beside AUROC of scores stands that of the first matched feature alone. Each panel says how many
    positives its values are of: AUROC is of those with matched negatives, the others need none.

    Args:
        result: of exam.json.
    """
    panels = {"auroc": 0.5, "sign_accuracy": 0.5, "spearman": 0.0}
    drawn = {
        (m["from"], m["to"])
        for m in result["accuracy"]
        if m["positives"] or any(m[name]["value"] is not None for name in panels)
    }
    rows = [m for m in result["accuracy"] if (m["from"], m["to"]) in drawn]
    places = list(dict.fromkeys((m["from"], m["to"]) for m in rows))
    scores = list(result["scores"])
    with styled():
        figure = Figure(figsize=(2.2 + 2.2 * len(places), 3.8), layout="constrained")
        axes = figure.subplots(1, len(panels))
        for axis, (statistic, chance) in zip(axes, panels.items(), strict=True):
            alone = [b for b in result["baselines"] if statistic == "auroc"]
            names = [*scores, *dict.fromkeys(b["score"] for b in alone)][: len(scores) + 1]
            for number, name in enumerate(names):
                colour = _SCORES[number % len(_SCORES)] if number < len(scores) else GREY
                shift = (number - (len(names) - 1) / 2) * min(0.2, 0.8 / len(names))
                own = {
                    (m["from"], m["to"]): m[statistic] for m in rows + alone if m["score"] == name
                }
                _points(axis, [own.get(p) for p in places], shift, colour, name)
            axis.axhline(chance, color=GREY, linewidth=0.8, linestyle=":")
            of = {p: [] for p in places}
            for m in rows:
                of[m["from"], m["to"]].append(_number(m, statistic))
            ticks = [f"{group_name(*p)}\nn = {_span(of[p])}" for p in places]
            axis.set_xticks(range(len(places)), ticks, fontsize=7)
            axis.set(ylabel=NAMES[statistic], xlim=(-0.5, len(places) - 0.5))
            axis.set_xlabel(f"{result['distance']}\nn: positives {_OF[statistic]}", fontsize=8)
        handles, labels = axes[0].get_legend_handles_labels()
        figure.legend(
            handles, labels, loc="outside upper left", ncols=min(len(labels), LEGEND_COLUMNS)
        )
    return figure


def _number(marks: Mapping, statistic: str) -> int:
    """Return how many positives a statistic is of."""
    if statistic == "sign_accuracy":
        return marks[statistic]["variants"]
    return marks["positives" if statistic == "auroc" else "effects"]


def _span(counts: Sequence[int]) -> str:
    """Return a number, or the lowest and highest where scores differ."""
    low, high = min(counts), max(counts)
    return f"{low}" if low == high else f"{low}–{high}"


def _points(
    axis: Axes, found: Sequence[Mapping | None], shift: float, colour: str, name: str
) -> None:
    """Draw a score's values with their intervals, one at each place; None has none."""
    values = [np.nan if f is None or f["value"] is None else f["value"] for f in found]
    x = np.arange(len(values)) + shift
    for at, f in zip(x, found, strict=True):
        if f is not None and f["value"] is not None and f["interval"] is not None:
            axis.vlines(at, *f["interval"], color=colour, linewidth=1.2)
    axis.plot(x, values, "o", color=colour, markersize=4.5, label=name)


def effects_figure(exam: Exam) -> Figure:
    """Draw the score against the effect of positives, of the first three scores.

    Both axes are ranks from -1 to 1 of magnitudes with their signs, so that a few large values do
    not hide the others: the largest decrease is at -1, no change at 0.
    """
    marks = _whole(exam.result["accuracy"])[:_MOST_PANELS]
    with styled():
        figure = Figure(figsize=(3.4 * len(marks) + 0.5, 4.3), layout="constrained")
        axes = figure.subplots(1, len(marks), squeeze=False).ravel()
        for axis, found in zip(axes, marks, strict=True):
            score = exam.values(found["score"])[0]
            used = exam.sheet.positive & np.isfinite(exam.sheet.effect) & np.isfinite(score)
            x, y = (_signed_ranks(v[used]) for v in (exam.sheet.effect, score))
            same = x * y > 0
            for rows, colour, label in ((same, FIRST, "same sign"), (~same, SECOND, "other sign")):
                look = {"color": colour, "markersize": 2.5, "alpha": 0.6, "label": label}
                axis.plot(x[rows], y[rows], "o", **look)
            axis.axhline(0, color=GREY, linewidth=0.8)
            axis.axvline(0, color=GREY, linewidth=0.8)
            text = [
                f"{NAMES[s]} {_estimate(found[s])}"
                for s in ("sign_accuracy", "spearman", "spearman_abs")
                if found[s]["value"] is not None
            ]
            signs = found["sign_accuracy"]
            if signs["value"] is not None and signs["variants"] < used.sum():
                text[0] += f" (n = {signs['variants']})"
            heading = "\n".join([f"{found['score']} (n = {used.sum()})", *text])
            axis.set_title(heading, loc="left", fontsize=8)
            limits = {"xlim": (-1.05, 1.05), "ylim": (-1.05, 1.05), "aspect": "equal"}
            axis.set(xlabel="effect of ALT, signed rank", **limits)
        axes[0].set_ylabel("score, signed rank")
        handles, labels = axes[0].get_legend_handles_labels()
        figure.legend(handles, labels, loc="outside upper left", ncols=2)
    return figure


def _signed_ranks(values: np.ndarray) -> np.ndarray:
    """Return sign × rank of the magnitude over the number of values."""
    order = np.argsort(np.argsort(np.abs(values), kind="stable"), kind="stable")
    return np.sign(values) * (order + 1) / max(1, len(values))


def balance_figure(rows: Sequence[Mapping]) -> Figure:
    """Draw standardised differences between positives and negatives, before and after matching.

    Args:
        rows: of `exam_matching.balance_table`.

    Raises:
        ConfigError: no feature.
    """
    some(rows, "features")
    with styled():
        figure = Figure(figsize=(5.2, 1.5 + 0.4 * len(rows)), layout="constrained")
        axis = figure.subplots()
        y = np.arange(len(rows))[::-1]
        for key, colour, label in (
            ("difference_before", GREY, "all candidates"),
            ("difference_after", FIRST, "matched"),
        ):
            x = [np.nan if r[key] is None else r[key] for r in rows]
            face = "none" if key == "difference_before" else colour
            axis.plot(x, y, "o", color=colour, markerfacecolor=face, markersize=5.5, label=label)
        axis.axvline(0, color=GREY, linewidth=0.8)
        for at in (-BALANCED, BALANCED):
            axis.axvline(at, color=GREY, linewidth=0.8, linestyle=":")
        names = [r["feature"] + ("" if r["matched"] else "\n(not matched)") for r in rows]
        axis.set_yticks(y, names)
        axis.set_ylim(-0.6, len(rows) - 0.4)
        axis.set_xlabel("positives − negatives, in standard deviations")
        figure.legend(loc="outside upper left", ncols=2)
    return figure
