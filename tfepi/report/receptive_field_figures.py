"""Figures of receptive fields: which are drawn, models side by side, effects by distance."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, NullFormatter

from tfepi.receptive_field.cut import cut_by
from tfepi.receptive_field.field import Found
from tfepi.receptive_field.places import CENTRE
from tfepi.receptive_field.profile import GRADIENT, PERTURBATION, SCAN
from tfepi.receptive_field.subjects import STATE_NAMES
from tfepi.receptive_field.tables import StateField
from tfepi.report.figures import FIRST, SECOND, save_figure, some, styled
from tfepi.report.receptive_field_edges import edges_figure
from tfepi.report.receptive_field_profiles import LOOKS, found_at, profile_figure

FOLDER = "figures"
_OF = {
    GRADIENT: "the gradient of one output",
    SCAN: "the change of one output",
    PERTURBATION: "what one base changes",
}
_CUT = {"input": "cut by the input's ends", "output": "cut by the output's ends"}
_ARROWS, _BESIDE = {"input": ">", "output": "4"}, 1.06
_THRESHOLDS = (("1e-01", "0.25"), ("1e-02", "0.5"), ("1e-04", "0.72"))


def draw_fields(out: str | Path, states: Sequence[StateField]) -> list[Path]:
    """Write the figures of a run to its figures/; return their paths.

    Args:
        out: folder of the run.
        states: everything that was measured.
    """
    folder = Path(out) / FOLDER
    folder.mkdir(exist_ok=True)
    paths = []
    for name in dict.fromkeys(s.model for s in states):
        of_model = [s for s in states if s.model == name]
        for method in (PERTURBATION, SCAN, GRADIENT):
            if found_at(of_model[0], method) is not None:
                figure = profile_figure(of_model, method)
                paths += save_figure(figure, folder / f"{name}_{method}")
        if any(f.measured.place != CENTRE for f in of_model[0].field.found):
            paths += save_figure(edges_figure(of_model), folder / f"{name}_edges")
    paths += save_figure(comparison_figure(states), folder / "comparison")
    return [*paths, *save_figure(cumulative_figure(states), folder / "cumulative")]


def comparison_figure(states: Sequence[StateField]) -> Figure:
    """Draw the fields of models side by side, bp on a logarithmic axis.

    The bars are widths of the mean profile at a tenth, a hundredth and a ten-thousandth of its
    largest; the dot is the longest non-zero span, the line the theoretical one, an arrow where the
    ends of input or output cut it. Of each model the gradient is drawn, which is of one output in
    the middle and as sharp as the sequence; where there is none, the scan or the perturbation. The
    axis says which, or the rows where they differ.

    Args:
        states: of one or more models.

    Raises:
        ConfigError: none.
    """
    some(states, "models")
    rows = [(s, _main(s)) for s in states]
    method, labels = _methods(rows)
    shown: set[str] = set()

    def once(label: str) -> str | None:
        new = label not in shown
        shown.add(label)
        return label if new else None

    with styled():
        figure = Figure(figsize=(8.4, 0.34 * len(rows) + 1.7), layout="constrained")
        axis = figure.subplots()
        for place, (one, found) in enumerate(rows):
            summary = found.measured.summary()
            least = max(1, found.measured.extent // 2)
            for share, shade in reversed(_THRESHOLDS):
                width = max(summary[f"above_{share}"], least)
                label = once(f"mean above {float(share):g} of its largest")
                axis.barh(place, width, 0.62, color=shade, label=label)
            if summary["span_max"]:
                label = once("longest span that is not 0")
                axis.plot(summary["span_max"], place, "o", color=FIRST, markersize=5, label=label)
            if found.agreement is not None:
                end = max(1, found.agreement.theory[1])
                look = {"color": SECOND, "markersize": 13, "markeredgewidth": 2}
                axis.plot(end, place, "|", **look, label=once("theory"))
                if by := cut_by(found, one.field):
                    look = {"color": SECOND, "markersize": 5, "label": once(_CUT[by])}
                    axis.plot(_BESIDE * end, place, _ARROWS[by], **look)
        axis.set_yticks(range(len(rows)), labels)
        axis.set(xscale="log", xlabel=f"width {method} (bp)")
        axis.set_xlim(1, 1.6 * axis.get_xlim()[1])
        axis.xaxis.set_major_formatter(FuncFormatter(lambda v, _: f"{v:,.0f}"))
        axis.xaxis.set_minor_formatter(NullFormatter())
        axis.set_ylim(len(rows) - 0.4, -0.6)
        axis.tick_params(axis="y", length=0)
        figure.legend(loc="outside upper center", ncols=3)
    return figure


def _methods(rows: Sequence[tuple[StateField, Found]]) -> tuple[str, list[str]]:
    """Return of what widths are, in words, and labels of models that say it where it differs."""
    methods = [found.measured.method for _, found in rows]
    labels = [f"{s.label}, {STATE_NAMES[s.state]}" for s, _ in rows]
    if len(set(methods)) == 1:
        return f"of {_OF[methods[0]]}", labels
    return "of the effect", [f"{a} ({m})" for a, m in zip(labels, methods, strict=True)]


def _main(one: StateField) -> Found:
    for method in (GRADIENT, SCAN, PERTURBATION):
        found = found_at(one, method)
        if found is not None:
            return found
    return one.field.found[0]


def cumulative_figure(states: Sequence[StateField]) -> Figure:
    """Draw the share of the effect that lies within a distance, of each model and state.

    Of the same measurement as `comparison_figure`.

    Args:
        states: of one or more models.

    Raises:
        ConfigError: none.
    """
    some(states, "models")
    names = list(dict.fromkeys(s.model for s in states))
    with styled():
        figure = Figure(figsize=(8.4, 4.4), layout="constrained")
        axis = figure.subplots()
        colours = _colours(len(names))
        rows = [(s, _main(s)) for s in states]
        method, labels = _methods(rows)
        for (one, found), label in zip(rows, labels, strict=True):
            distance, share = found.measured.aligned().cumulative()
            if np.isnan(share).all():
                continue
            _, style = LOOKS[one.state]
            look = {"color": colours[names.index(one.model)], "linestyle": style}
            axis.step(distance + 1, share, where="post", linewidth=1.2, label=label, **look)
        for share in (0.5, 0.9, 0.99):
            axis.axhline(share, color="0.85", linewidth=0.8, zorder=0)
        axis.set(xscale="log", ylim=(0, 1.02), xlabel="distance + 1 (bp)")
        axis.set_ylabel(f"share {method} within")
        axis.xaxis.set_major_formatter(FuncFormatter(lambda v, _: f"{v:,.0f}"))
        figure.legend(loc="outside right center", fontsize=7)
    return figure


def _colours(count: int) -> list:
    import seaborn

    if count <= len(seaborn.color_palette("colorblind")):
        return list(seaborn.color_palette("colorblind", count))
    return list(seaborn.color_palette("viridis", count + 2))[:count]  # without the palest
