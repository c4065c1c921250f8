"""Figures of allelic counts: ratios, p-values, reads of matched sets, imbalance by cluster."""

from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator, NullFormatter

from tfepi.allelic.analysis import Analysis
from tfepi.allelic.null import expected_histogram
from tfepi.allelic.seen_sites import ALL
from tfepi.allelic.tasks import EDGES, SPECIFIC
from tfepi.report.allelic_accuracy_figures import (
    accuracy_figure,
    cluster_figure,
    roc_figure,
    scatter_figure,
)
from tfepi.report.figures import FIRST, GREY, SECOND, save_figure, styled
from tfepi.specificity.cluster_file import UBIQUITOUS

FOLDER = "figures"
_ABOVE = {"loc": "lower left", "bbox_to_anchor": (0, 1), "borderaxespad": 0.3}
_RATIO = "REF / (REF + ALT)"


def draw_allelic(found: Analysis, folder: str | Path) -> list[Path]:
    """Write the figures of a sample to figures/ of a folder, and return their paths.

    What there is nothing to draw of (fewer than ten positives or negatives, no clusters) is left
    out.
    """
    folder = Path(folder) / FOLDER
    folder.mkdir(exist_ok=True)
    figures = {"ratios": ratio_figure(found), "p_values": p_value_figure(found)}
    if found.sets[ALL].positive.any():
        figures["read_counts"] = read_figure(found)
    if found.cluster is not None and {*map(bool, _sides(found))} == {True}:
        figures["imbalance_by_cluster"] = imbalance_figure(found)
    if found.predicted is not None:
        figures["observed_predicted"] = scatter_figure(found)
        figures["roc"] = roc_figure(found)
        figures["auroc"] = accuracy_figure(found)
        if found.cluster is not None:
            figures["auroc_by_cluster"] = cluster_figure(found)
    paths = []
    for name, figure in figures.items():
        if figure is not None:
            paths += save_figure(figure, folder / name)
    return paths


def ratio_figure(found: Analysis) -> Figure:
    """Draw the ratios of all tested sites, those expected without imbalance, and mapping bias.

    With dosages a ratio of 0.5 is not what is expected, so that the centre is not drawn.
    """
    tested, sites = found.tested, found.tested.sites
    with styled():
        figure = Figure(figsize=(4.6, 4.0), layout="constrained")
        axis = figure.subplots()
        edges = np.linspace(0, 1, 42)  # of an odd number of bins, so that 0.5 is inside of one
        axis.hist(sites.ratio, edges, color="0.75", label="all tested sites")
        chosen = sites.ratio[found.sets[ALL].positive]
        axis.hist(chosen, edges, color=SECOND, label="imbalanced")
        equal = (sites.dosage == 1).all()
        reads = (sites.reads, sites.dosage)
        expected = expected_histogram(*reads, edges, tested.theta, tested.centre)
        label = "expected of as many sites without imbalance"
        label += "" if equal else ", by dosage"
        axis.stairs(expected, edges, color="black", linewidth=1, label=label)
        if equal:
            text = "expected share of REF"
            axis.axvline(tested.centre, color=GREY, linestyle="--", linewidth=1, label=text)
        if tested.bias is not None:
            low, high = tested.bias.interval
            text = f"most likely share of REF{'' if equal else ' at dosage 1'}: "
            text += f"{tested.bias.centre:.3f} ({low:.3f} to {high:.3f})"
            axis.axvline(tested.bias.centre, color=FIRST, linewidth=1.2, label=text)
        axis.set(xlabel=f"observed {_RATIO}", ylabel="sites", xlim=(0, 1))
        axis.legend(**_ABOVE)
    return figure


def p_value_figure(found: Analysis) -> Figure:
    """Draw p-values: how often each, and against those of sites without any imbalance."""
    p = np.sort(found.tested.p)
    with styled():
        figure = Figure(figsize=(7.4, 3.4), layout="constrained")
        left, right = figure.subplots(1, 2)
        left.hist(p, np.linspace(0, 1, 21), color="0.75")
        left.axhline(len(p) / 20, color=GREY, linestyle="--", linewidth=1)
        left.set(xlabel="p", ylabel="sites", xlim=(0, 1))
        expected = -np.log10((np.arange(len(p)) + 0.5) / len(p))
        observed = -np.log10(np.maximum(p, 1e-300))
        imbalanced = np.sort(found.tested.p[found.sets[ALL].positive])
        if len(imbalanced):
            share = len(imbalanced)
            right.plot(
                expected[:share],
                observed[:share],
                ".",
                color=SECOND,
                label=f"imbalanced ({share:,})",
            )
        rest = slice(len(imbalanced), None)
        right.plot(expected[rest], observed[rest], ".", color=FIRST, label="not imbalanced")
        right.plot((0, expected[0]), (0, expected[0]), color=GREY, linestyle="--", linewidth=1)
        right.set(xlabel="expected −log10 p", ylabel="observed −log10 p")
        right.legend(loc="upper left")
    return figure


def read_figure(found: Analysis) -> Figure:
    """Draw how many reads imbalanced sites have, and balanced ones before and after matching."""
    sets, reads = found.sets[ALL], found.tested.sites.reads
    with styled():
        figure = Figure(figsize=(4.6, 3.4), layout="constrained")
        axis = figure.subplots()
        taken = "balanced, taken but not matched" if sets.bins == 1 else "balanced, matched"
        for rows, colour, style, width, name in (
            (sets.positive, SECOND, "-", 1.5, "imbalanced"),
            (sets.candidate, "0.75", "-", 4.0, "balanced"),  # seen below what covers it
            (sets.negative, FIRST, "--", 1.5, taken),
        ):
            look = {"color": colour, "linestyle": style, "linewidth": width}
            _cumulative(axis, reads[rows], f"{name} ({int(rows.sum()):,})", look)
        axis.set(xscale="log", xlabel="reads of both alleles", ylabel="share of sites", ylim=(0, 1))
        low, high = axis.get_xlim()
        axis.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5) if high < 200 * low else (1,)))
        axis.xaxis.set_minor_formatter(NullFormatter())
        axis.xaxis.set_major_formatter(lambda value, _position: f"{value:,.0f}")
        axis.legend(**_ABOVE)
    return figure


def imbalance_figure(found: Analysis) -> Figure:
    """Draw how imbalanced sites of specific and of ubiquitous peaks are, in the manner of S4."""
    with styled():
        figure = Figure(figsize=(4.6, 3.4), layout="constrained")
        axis = figure.subplots()
        for values, colour, style, name in zip(
            _sides(found), (SECOND, FIRST), ("-", "--"), (SPECIFIC, UBIQUITOUS), strict=True
        ):
            share = np.full(len(values), 1 / len(values))
            look = {"histtype": "step", "color": colour, "linestyle": style, "linewidth": 1.4}
            label = f"{name} (n = {len(values):,}, median {np.median(values):.3f})"
            axis.hist(values, EDGES, weights=share, label=label, **look)
        axis.set(xlabel=f"|{_RATIO} − 0.5|", ylabel="share of sites", xlim=(0, 0.5))
        axis.legend(loc="upper right")
    return figure


def _sides(found: Analysis) -> tuple[list[float], list[float]]:
    """Return the imbalance of sites in specific and in ubiquitous peaks."""
    size, cluster = found.tested.imbalance, found.cluster
    specific = (cluster != "") & (cluster != UBIQUITOUS)
    return size[specific].tolist(), size[cluster == UBIQUITOUS].tolist()


def _cumulative(axis: Axes, values: np.ndarray, label: str, look: dict) -> None:
    """Draw the share of values up to each; of none the legend alone."""
    x = np.sort(values)
    share = np.arange(1, len(x) + 1) / max(1, len(x))
    axis.step(np.append(x[:1], x), np.append([0.0] * len(x[:1]), share), where="post", **look)
    axis.get_lines()[-1].set_label(label)
