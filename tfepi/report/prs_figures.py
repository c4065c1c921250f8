"""The figure of polygenic scores: what they explain, what a prior adds, where heritability is."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from tfepi.report.figures import FIRST, GREY, SECOND, save_figure, short, some, styled

_NAMES = {"ct": "clumping and thresholding", "inf": "posterior means"}


def draw_prs(result: Mapping, out: Path) -> list[Path]:
    """Draw the figure of a run into its figures/; return the files.

    Args:
        result: the value of prs.json.
        out: folder of the run.
    """
    (out / "figures").mkdir(exist_ok=True)
    return save_figure(prs_figure(result["accuracy"], result["enrichment"]), out / "figures/prs")


def prs_figure(accuracy: Sequence[Mapping], enrichment: Sequence[Mapping]) -> Figure:
    """Draw R² with and without prior, the gain, and the enrichment of each bin of scores.

    Args:
        accuracy: rows of a cohort and method: cohort, method, people, r2, gain, each of the two
            with _low and _high.
        enrichment: rows of a bin: score, snps, enrichment, standard_error, prior.

    Raises:
        ConfigError: no cohorts.
    """
    some(accuracy, "cohorts")
    groups = [(r["cohort"], m) for r in accuracy for m in _NAMES if r["method"] == m]
    by = {(r["cohort"], r["method"]): r for r in accuracy}
    labels = [f"{short(c, 16)}, n = {by[c, m]['people']}\n{_NAMES[m]}" for c, m in groups]
    place = np.arange(len(groups))[::-1]
    with styled():
        height = 1.4 + 0.62 * len(groups)
        figure = Figure(figsize=(11.5, max(height, 2.8)), layout="constrained")
        left, middle, right = figure.subplots(1, 3, width_ratios=[1.2, 1, 1])
        for suffix, offset, colour, marker, label in (
            ("", 0.12, GREY, "o", "without prior"),
            ("_mrv", -0.12, FIRST, "s", "with prior"),
        ):
            rows = [by[c, m + suffix] for c, m in groups]
            _points(left, rows, "r2", place + offset, colour, marker, label)
        rows = [by[c, m + "_mrv"] for c, m in groups]
        _points(middle, rows, "gain", place, FIRST, "s", None)
        middle.axvline(0, color=GREY, linewidth=0.8)
        left.set_yticks(place, labels)
        left.set_xlabel("R² of the phenotype")
        left.set_xlim(left=min(0, left.get_xlim()[0]))
        middle.set_yticks(place, [])
        middle.set_xlabel("gain by the prior")
        for axis in (left, middle):
            axis.set_ylim(-0.6, len(groups) - 0.4)
            axis.grid(axis="x", color="0.9", linewidth=0.6)
            axis.set_axisbelow(True)
        left.legend(loc="upper left", bbox_to_anchor=(0, 1.16), ncols=2)
        _enrichment(right, enrichment)
    return figure


def _points(
    axis: Axes, rows: Sequence[Mapping], name: str, y: np.ndarray, colour: str, marker: str, label
) -> None:
    value, low, high = (
        np.array([np.nan if r[k] is None else r[k] for r in rows], float)
        for k in (name, f"{name}_low", f"{name}_high")
    )
    axis.hlines(y, low, high, color=colour, linewidth=1.2)
    axis.plot(value, y, marker, color=colour, markersize=4.5, linestyle="none", label=label)


def _enrichment(axis: Axes, rows: Sequence[Mapping]) -> None:
    shown = [r for r in rows if r["snps"]]
    y = np.arange(len(shown))
    value, error, prior = (
        np.array([np.nan if r[k] is None else r[k] for r in shown], float)
        for k in ("enrichment", "standard_error", "prior")
    )
    axis.hlines(y, value - 1.96 * error, value + 1.96 * error, color=GREY, linewidth=1.2)
    axis.plot(value, y, "o", color=GREY, markersize=4.5, label="estimate, ± 1.96 standard errors")
    axis.plot(prior, y, "|", color=SECOND, markersize=11, markeredgewidth=2, label="prior")
    axis.axvline(1, color=GREY, linewidth=0.8)
    axis.set_yticks(y, [f"{r['score']}\n{r['snps']:,} SNPs" for r in shown])
    axis.set_ylabel("score of the variant")
    axis.set_xlabel("variance of an effect, over the mean")
    axis.legend(loc="upper left", bbox_to_anchor=(0, 1.16), ncols=2)
