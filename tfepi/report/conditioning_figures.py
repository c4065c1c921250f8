"""Figures of models compared: training curves, accuracy by mark, differences, variant effects.

Models are rows, so that many fit and their names can be read; groups of cell types are columns.
"""

from collections.abc import Mapping, Sequence

import numpy as np
import seaborn
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator

from tfepi.report.figures import FIRST, GREY, SECOND, short, some, styled
from tfepi.report.model_panels import NO_ESTIMATE, draw_estimates, draw_ratios, name_rows

GROUPS = ("seen cells", "unseen cell")
LABELS = {
    "auprc": "AUPRC (average precision)",
    "auprc_leopard": "AUPRC (Leopard's step sum)",
    "auroc": "AUROC",
    "sign_accuracy": "sign accuracy",
    "spearmanr": "Spearman correlation",
}
_CHANCE = {"auroc": 0.5, "sign_accuracy": 0.5, "spearmanr": 0.0}
_NAME = 34
_LINES = ("-", "--", ":", "-.")
_SEEDS = "(small circles: single seeds)"
_WIDE = 6.0


def training_curves_of_models(
    curves: Mapping[tuple[str, int], Sequence[dict]], label: str = "loss"
) -> Figure:
    """Draw loss by epoch of several models: a thin line per seed, a thick one for their mean.

    The scale is logarithmic where all losses are above 0: those of the first epochs may be many
    times the others.

    Args:
        curves: (model, seed) → one dict per epoch: "epoch", "loss" and "valid_loss". The mean is
            drawn as far as every seed got.
        label: of the loss.

    Raises:
        ConfigError: no curves, or none with a loss.
    """
    some(curves, "training curves")
    models = list(dict.fromkeys(model for model, _ in curves))
    panels = [
        (key, title)
        for key, title in (("loss", "training"), ("valid_loss", "validation"))
        if any(np.isfinite(e.get(key, np.nan)) for epochs in curves.values() for e in epochs)
    ]
    some(panels, "losses (loss, valid_loss) in the training curves")
    with styled():
        figure = Figure(figsize=(3.4 * len(panels) + 1.4, 3.4), layout="constrained")
        axes = figure.subplots(1, len(panels), squeeze=False, sharey=True)[0]
        for axis, (key, title) in zip(axes, panels, strict=True):
            for number, model in enumerate(models):
                colour, style = _look(number)
                runs = [_curve(epochs, key) for (m, _), epochs in curves.items() if m == model]
                for epoch, loss in runs:
                    axis.plot(epoch, loss, color=colour, linewidth=0.6, alpha=0.5)
                length = min(len(epoch) for epoch, _ in runs)
                mean = np.mean([loss[:length] for _, loss in runs], axis=0)
                axis.plot(
                    runs[0][0][:length],
                    mean,
                    color=colour,
                    linestyle=style,
                    linewidth=1.8,
                    marker="o",
                    markersize=3,
                    label=short(model),
                )
            axis.set(title=title, xlabel="epoch")
            axis.xaxis.get_major_locator().set_params(integer=True)
            axis.grid(axis="y", color="0.9", linewidth=0.6)
        axes[0].set_ylabel(label)
        values = [x for line in axes[0].lines + axes[-1].lines for x in line.get_ydata()]
        if np.nanmin(values) > 0:
            axes[0].set_yscale("log")
            axes[0].yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
            axes[0].yaxis.set_major_formatter("{x:g}")
            axes[0].yaxis.set_minor_formatter("")
        handles, names = axes[0].get_legend_handles_labels()
        figure.legend(handles, names, loc="outside right center", handlelength=3)
    return figure


def _look(number: int) -> tuple:
    return seaborn.color_palette("colorblind")[number % 10], _LINES[number % len(_LINES)]


def _curve(epochs: Sequence[dict], key: str) -> tuple[np.ndarray, np.ndarray]:
    epoch = np.array([e.get("epoch", i) for i, e in enumerate(epochs)], float)
    values = [e.get(key) for e in epochs]
    return epoch, np.array([np.nan if v is None else v for v in values], float)


def accuracy_by_mark(
    rows: Sequence[dict],
    statistic: str = "auprc",
    counted: str = "all",
    groups: Sequence[str] = GROUPS,
    title: str = "",
    unit: str = "positions",
) -> Figure:
    """Draw each model's accuracy with its interval: a row of panels per mark, a column per group.

    Small open circles below are single seeds; a dashed line is the positive rate of the same
    positions where the statistic is an average precision, or what guessing gives.

    Args:
        rows: of `conditioning.measured.scores_of`, baselines among them.
        statistic: one of their keys.
        counted: the set of positions or variants.
        groups: columns; those without a row are left out.
        title: above the panels.
        unit: "positions" or "variants".

    Raises:
        ConfigError: no such row.
    """
    chosen = [r for r in rows if r["set"] == counted and r["group"] in groups]
    some(chosen, f"scores of {counted} {unit} in {', '.join(groups)}")

    def draw(axis: Axes, panel: Sequence[dict], models: Sequence[str]) -> None:
        guess = _guess(panel, statistic)
        if guess is not None:
            axis.axvline(guess, color=GREY, linewidth=0.9, linestyle="--")
            if statistic.startswith("auprc"):
                _say(axis, guess, f"positive rate {guess:.3f}")
        by_model = {r["model"]: r[statistic] for r in panel}
        draw_estimates(axis, [by_model.get(m, NO_ESTIMATE) for m in models])

    models = list(dict.fromkeys(r["model"] for r in chosen))
    figure = _grid(chosen, groups, models, [short(m, _NAME) for m in models], draw, title, 13)
    label = f"{LABELS.get(statistic, statistic)}, {counted} {unit}"
    _name_below(figure, label, _seeded(chosen, statistic))
    return figure


def _name_below(figure: Figure, label: str, seeded: bool) -> None:
    """Write what the values are, in two lines where one does not fit."""
    note = f"{' ' if figure.get_figwidth() > _WIDE else chr(10)}{_SEEDS}" if seeded else ""
    figure.supxlabel(f"{label}{note}", fontsize=9)


def _guess(panel: Sequence[dict], statistic: str) -> float | None:
    if not statistic.startswith("auprc"):
        return _CHANCE.get(statistic)
    rates = [r[k]["value"] for r in panel for k in ("positive_rate", "effect_rate") if k in r]
    return next((r for r in rates if r is not None), None)


def differences(
    rows: Sequence[dict],
    statistic: str = "auprc",
    counted: str = "all",
    groups: Sequence[str] = GROUPS,
    title: str = "",
    unit: str = "positions",
) -> Figure:
    """Draw differences between models with their intervals around 0, as `accuracy_by_mark`.

    Args:
        rows: of `conditioning.contrasts.contrasts_of`.
        statistic: one of their keys.
        counted: the set of positions or variants.
        groups: columns; those without a row are left out.
        title: above the panels.
        unit: "positions" or "variants".

    Raises:
        ConfigError: no such row.
    """
    chosen = [r for r in rows if r["set"] == counted and r["group"] in groups]
    some(chosen, f"differences on {counted} {unit} in {', '.join(groups)}")

    def draw(axis: Axes, panel: Sequence[dict], pairs: Sequence[tuple[str, str]]) -> None:
        axis.axvline(0, color=GREY, linewidth=0.9)
        by_pair = {(r["first"], r["second"]): r[statistic] for r in panel}
        draw_estimates(axis, [by_pair.get(p, NO_ESTIMATE) for p in pairs])

    pairs = list(dict.fromkeys((r["first"], r["second"]) for r in chosen))
    names = [f"{short(a)} − {short(b)}" for a, b in pairs]
    figure = _grid(chosen, groups, pairs, names, draw, title)
    label = LABELS.get(statistic, statistic)
    _name_below(figure, f"difference in {label}, {counted} {unit}", _seeded(chosen, statistic))
    return figure


def _seeded(rows: Sequence[dict], statistic: str) -> bool:
    return any(r[statistic]["by_seed"] for r in rows)


def _grid(rows, groups, keys, names, draw, title: str, pad: float = 6) -> Figure:
    """Return panels of marks by groups with a line per key, drawn by `draw`."""
    marks = list(dict.fromkeys(r["mark"] for r in rows))
    groups = [g for g in groups if any(r["group"] == g for r in rows)]
    with styled():
        width = 0.075 * max(map(len, names)) + 2.9 * len(groups)
        height = (0.24 * len(names) + 0.55) * len(marks) + 0.4
        figure = Figure(figsize=(width, height), layout="constrained")
        axes = figure.subplots(len(marks), len(groups), squeeze=False, sharey=True, sharex=True)
        for line, mark in zip(axes, marks, strict=True):
            for axis, group in zip(line, groups, strict=True):
                panel = [r for r in rows if (r["mark"], r["group"]) == (mark, group)]
                draw(axis, panel, keys)
                cells = panel[0].get("cells", ()) if panel else ()
                where = f"{group} ({cells[0]})" if len(cells) == 1 else group
                axis.set_title(f"{short(mark)}, {short(where)}", pad=pad)
                name_rows(axis, names)
        if title:
            figure.suptitle(title, fontsize=9)
    return figure


def _say(axis: Axes, x: float, text: str) -> None:
    """Write a few words above an axis at x."""
    axis.annotate(
        text,
        (x, 1),
        (0, 2),
        ("data", "axes fraction"),
        "offset points",
        fontsize=7,
        color=GREY,
        ha="left",
        va="bottom",
    )


def variant_effects(
    rows: Sequence[dict],
    ratios: Mapping[str, Sequence[float]] | None = None,
    statistics: Sequence[str] = ("sign_accuracy", "spearmanr", "auroc"),
    counted: str = "all",
    title: str = "",
) -> Figure:
    """Draw how well models predict variant effects, and how little they look at the sequence.

    Blue dots are seen cell types, orange squares the unseen one.

    Args:
        rows: of `conditioning.measured.scores_of` of effects.
        ratios: model → ratio of gradient norms, sequence over accessibility, of each seed; a model
            without accessibility has none.
        statistics: columns.
        counted: the set of variants.
        title: above the panels.

    Raises:
        ConfigError: no such row.
    """
    chosen = [r for r in rows if r["set"] == counted and r["group"] in GROUPS]
    some(chosen, f"effects of {counted} variants")
    marks = list(dict.fromkeys(r["mark"] for r in chosen))
    models = list(dict.fromkeys(r["model"] for r in chosen))
    names = [short(m, _NAME) for m in models]
    columns = len(statistics) + bool(ratios)
    with styled():
        width = 0.075 * max(map(len, names)) + 2.1 * columns
        size = (width, (0.26 * len(names) + 0.55) * len(marks) + 0.5)
        figure = Figure(figsize=size, layout="constrained")
        axes = figure.subplots(len(marks), columns, squeeze=False, sharey=True, sharex="col")
        for line, mark in zip(axes, marks, strict=True):
            for axis, statistic in zip(line, statistics, strict=False):
                if statistic in _CHANCE:
                    axis.axvline(_CHANCE[statistic], color=GREY, linewidth=0.9, linestyle="--")
                for group, colour, marker, offset in zip(
                    GROUPS, (FIRST, SECOND), "os", (-0.17, 0.17), strict=True
                ):
                    found = {
                        r["model"]: r[statistic]
                        for r in chosen
                        if (r["mark"], r["group"]) == (mark, group)
                    }
                    if found:
                        estimates = [found.get(m, NO_ESTIMATE) for m in models]
                        draw_estimates(axis, estimates, colour, marker, offset, group)
                axis.set_title(f"{short(mark)}: {LABELS.get(statistic, statistic)}")
                name_rows(axis, names)
        if ratios:
            draw_ratios(axes[0, -1], [ratios.get(m, ()) for m in models])
            name_rows(axes[0, -1], names)
            for axis in axes[1:, -1]:
                axis.set_axis_off()
        handles, labels = axes[0, 0].get_legend_handles_labels()
        figure.legend(handles, labels, loc="outside upper right", ncols=2)
        figure.supxlabel(
            "dashed: a guess, or equal gradients; small circles: single seeds", fontsize=8
        )
        if title:
            figure.suptitle(title, fontsize=9, x=0.02, ha="left")
    return figure
