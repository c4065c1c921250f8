"""Figures of an overlay: association and variant scores along a locus; enrichment in mQTLs."""

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from tfepi.association.joining import plain_chromosome
from tfepi.methylation.candidates import single_causal_pip
from tfepi.methylation.loci import Locus
from tfepi.methylation.overlay import Overlaid
from tfepi.report.figures import (
    FIRST,
    GREY,
    LEGEND_COLUMNS,
    SECOND,
    save_figure,
    short,
    some,
    styled,
)
from tfrecords_tools.genome import Genome
from tfrecords_tools.intervals import Interval

_BINS, _BIN = 200, 500  # most bins of the density of CpGs, and least bp of one
_NAMED_GENES = 25
_GENE_ROWS = 4


@dataclass(frozen=True)
class LocusPanel:
    """What is drawn of a locus. Positions are 1-based.

    Attributes:
        locus: where.
        position: of the variants of the GWAS.
        log10p: −log10 p of each.
        pip: of each; NaN has none.
        member: which are of a credible set.
        scored_position: of the variants with a score.
        score: of each.
        scored_member: which are of a credible set.
        top: (position, score, name) of the best candidate; None has no score.
        cpgs: C of each CpG; None is not known.
        genes: to draw.
        line: −log10 p of a line across.
    """

    locus: Locus
    position: np.ndarray
    log10p: np.ndarray
    pip: np.ndarray
    member: np.ndarray
    scored_position: np.ndarray
    score: np.ndarray
    scored_member: np.ndarray
    top: tuple[int, float, str] | None = None
    cpgs: np.ndarray | None = None
    genes: Sequence[Interval] = field(default_factory=tuple)
    line: float | None = None


def locus_figure(panel: LocusPanel) -> Figure:
    """Draw −log10 p coloured by PIP over scores over CpGs and genes, on one axis of positions.

    Raises:
        ConfigError: no variant.
    """
    some(panel.position, f"variants in locus {panel.locus.name}")
    below = (panel.cpgs is not None) + bool(len(panel.genes))
    heights = [2.0, 1.6, *[0.8] * below]
    with styled():
        figure = Figure(figsize=(8, sum(heights) + 1), layout="constrained")
        axes = figure.subplots(len(heights), 1, sharex=True, height_ratios=heights)
        _association(figure, axes[0], panel)
        _scores(axes[1], panel)
        if panel.cpgs is not None:
            _density(axes[2], panel)
        if len(panel.genes):
            _genes(axes[-1], panel)
        axes[-1].set_xlim((panel.locus.start + 1) / 1e3, panel.locus.end / 1e3)
        axes[-1].set_xlabel(f"position on {panel.locus.chrom} (kb)")
        axes[-1].ticklabel_format(useOffset=False, style="plain", axis="x")
        figure.suptitle(short(panel.locus.name, 60), fontsize=9)
    return figure


def _association(figure: Figure, axis: Axes, panel: LocusPanel) -> None:
    x, known = panel.position / 1e3, ~np.isnan(panel.pip)
    without = ~known & ~panel.member
    axis.scatter(x[without], panel.log10p[without], s=8, color="0.75", linewidth=0, rasterized=True)
    order = np.argsort(np.where(known, panel.pip, -1), kind="stable")  # the likeliest on top
    for chosen, marker, size, edge in ((~panel.member, "o", 10, 0), (panel.member, "D", 26, 0.7)):
        at = order[(known & chosen)[order]]
        found = axis.scatter(
            x[at],
            panel.log10p[at],
            c=panel.pip[at],
            vmin=0,
            vmax=1,
            cmap="viridis",
            s=size,
            marker=marker,
            edgecolor="black",
            linewidth=edge,
            rasterized=not edge,
            label="credible set" if edge and len(at) else None,
        )
    if known.any():
        bar = figure.colorbar(found, ax=axis, pad=0.01, shrink=0.9)
        bar.set_label("PIP")
    if panel.line is not None:
        axis.axhline(panel.line, color=GREY, linewidth=0.8, linestyle="--")
    axis.set_ylabel("−log10 p")
    axis.set_ylim(bottom=0)
    if panel.member.any():
        axis.legend(loc="upper right")


def _scores(axis: Axes, panel: LocusPanel) -> None:
    for chosen, colour, marker, size, label in (
        (~panel.scored_member, "0.7", "o", 6, None),
        (panel.scored_member, FIRST, "D", 22, "credible set"),
    ):
        if chosen.any():
            x, y = panel.scored_position[chosen] / 1e3, panel.score[chosen]
            axis.vlines(x, 0, y, color=colour, linewidth=0.6, rasterized=True)
            look = {"color": colour, "marker": marker, "s": size, "linewidth": 0}
            axis.scatter(x, y, **look, label=label, rasterized=label is None)
    if panel.top is not None:
        place, score, name = panel.top
        axis.scatter([place / 1e3], [score], s=60, marker="o", color="none", edgecolor=SECOND)
        axis.annotate(
            short(name),
            (place / 1e3, score),
            xytext=(5, 4),
            textcoords="offset points",
            color=SECOND,
            fontsize=8,
        )
    axis.set_ylabel("score\n(largest |Δ beta|)")
    axis.set_ylim(0, max(1.25 * panel.score.max(initial=0), 1e-6))


def _density(axis: Axes, panel: LocusPanel) -> None:
    bins = int(np.clip((panel.locus.end - panel.locus.start) / _BIN, 1, _BINS))
    edges = np.linspace(panel.locus.start + 1, panel.locus.end + 1, bins + 1)
    counts, _ = np.histogram(panel.cpgs, edges)
    axis.stairs(counts / np.diff(edges / 1e3), edges / 1e3, fill=True, color="0.6")
    axis.set_ylabel("CpGs\nper kb")


def _genes(axis: Axes, panel: LocusPanel) -> None:
    ends = [-np.inf] * _GENE_ROWS
    gap = 0.08 * (panel.locus.end - panel.locus.start)  # room for a name
    for gene in sorted(panel.genes, key=lambda g: (g.start, g.end)):
        row = next((r for r, end in enumerate(ends) if gene.start > end), _GENE_ROWS - 1)
        ends[row] = gene.end + gap
        axis.hlines(-row, (gene.start + 1) / 1e3, gene.end / 1e3, color=GREY, linewidth=3)
        if len(panel.genes) <= _NAMED_GENES:
            middle = np.clip(gene.start, panel.locus.start, panel.locus.end) / 1e3
            axis.text(middle, -row + 0.25, short(gene.label, 16), fontsize=7, clip_on=True)
    axis.set_ylim(-max(1, sum(e > -np.inf for e in ends)) + 0.5, 1)
    axis.set_yticks([])
    axis.set_ylabel("genes")


def enrichment_figure(rows: Sequence[dict]) -> Figure:
    """Draw odds ratios at each threshold, and AUROC, with intervals, by tissue and score.

    Args:
        rows: of `tfepi.methylation.enrichment.enrichment`.

    Raises:
        ConfigError: no statistic is defined.
    """
    shown = [r for r in rows if r["value"] is not None and r["value"] > 0]
    some(shown, "statistics of enrichment")
    lines = list(dict.fromkeys((r["tissue"], r["score"]) for r in rows))
    names = [t if s == "score" else f"{t}, task {s.removesuffix('_score')}" for t, s in lines]
    tops = sorted({r["top"] for r in rows if r["top"] is not None})
    looks = dict(zip(tops, zip((FIRST, SECOND, GREY) * 9, "os^" * 9, strict=True), strict=False))
    with styled():
        figure = Figure(figsize=(8, 0.45 * len(lines) + 1.4), layout="constrained")
        left, right = figure.subplots(1, 2, sharey=True)
        for r in shown:
            ratio = r["statistic"] == "odds_ratio"
            axis, y = (left if ratio else right), -lines.index((r["tissue"], r["score"]))
            colour, marker = looks[r["top"]] if ratio else (FIRST, "o")
            if ratio:
                y += 0.22 * (len(tops) - 1) / 2 - 0.22 * tops.index(r["top"])
            if r["low"] is not None and r["high"] is not None:
                axis.hlines(y, max(r["low"], 1e-3), r["high"], color=colour, linewidth=1.2)
            axis.plot(r["value"], y, marker, color=colour, markersize=4.5)
        for axis, chance in ((left, 1), (right, 0.5)):
            axis.axvline(chance, color=GREY, linewidth=0.8, linestyle="--")
        for top, (colour, marker) in looks.items():
            left.plot([], [], marker, color=colour, label=f"top {100 * top:g}%", markersize=4.5)
        left.set_xscale("log")
        left.xaxis.set_major_formatter("{x:g}")
        left.set_xlabel("odds ratio of mQTLs to matched controls")
        left.set_yticks([-i for i in range(len(lines))], [short(n) for n in names])
        left.set_ylim(-len(lines) + 0.4, 0.6)
        right.set_xlabel("AUROC, mQTLs and matched controls")
        figure.legend(loc="outside upper center", ncols=min(len(tops), LEGEND_COLUMNS))
    return figure


def draw_overlay(
    found: Overlaid,
    folder: Path,
    count: int = 10,
    fasta: str | None = None,
    genes: Sequence[Interval] = (),
    p_line: float | None = None,
) -> list[Path]:
    """Write figures of the loci with the smallest p, and of enrichment, to folder/figures.

    Args:
        found: of `tfepi.methylation.overlay.overlay`.
        folder: of results.
        count: of loci.
        fasta: genome whose CpGs are drawn.
        genes: to draw.
        p_line: p that a line is drawn at.

    Returns:
        Paths of the figures, SVG and PNG.
    """
    folder = Path(folder) / "figures"
    folder.mkdir(exist_ok=True)
    paths = []
    line = None if p_line is None else -np.log10(p_line)
    for number, locus in enumerate(found.loci[:count], 1):
        panel = _panel(found, locus, fasta, genes, line)
        if len(panel.position):
            name = re.sub(r"[^A-Za-z0-9._-]+", "_", locus.name)[:60]
            paths += save_figure(locus_figure(panel), folder / f"locus_{number:02d}_{name}")
    rows = found.summary.get("enrichment", ())
    if any(r["value"] for r in rows):
        paths += save_figure(enrichment_figure(rows), folder / "enrichment")
    return paths


def _panel(
    found: Overlaid,
    locus: Locus,
    fasta: str | None,
    genes: Sequence[Interval],
    line: float | None,
) -> LocusPanel:
    signals, members = found.signals, found.signals.members(locus)
    rows, scored = signals.rows_of_gwas(locus), signals.in_scores(locus)
    inside = signals.gwas.iloc[rows]
    if members is None:
        beta, se = (inside[c].to_numpy(float) for c in ("beta", "se"))
        pip, listed, of_set = single_causal_pip(beta, se), np.zeros(0), np.zeros(0)
    else:
        listed, of_set = (members[c].to_numpy() for c in ("gwas_row", "row"))
        pip = pd.Series(members["pip"].to_numpy(), listed)
        pip = pip[~pip.index.duplicated()].reindex(rows).to_numpy(float)
    top = found.candidates[found.candidates["locus"] == locus.name].iloc[:1]
    top = top[top["score"].notna()]
    cpgs = None
    if fasta is not None:
        with Genome(fasta) as genome:
            if locus.chrom in genome.chroms:
                bases = genome.indices(locus.chrom, locus.start, locus.end + 1)
                cpgs = locus.start + 1 + np.flatnonzero((bases[:-1] == 1) & (bases[1:] == 2))
    chrom = plain_chromosome(locus.chrom)
    near = [g for g in genes if g.start < locus.end and g.end > locus.start]
    near = [g for g in near if plain_chromosome(g.chrom) == chrom]
    return LocusPanel(
        locus,
        inside["pos"].to_numpy(),
        inside["log10p"].to_numpy(),
        pip,
        np.isin(rows, listed),
        scored["pos"].to_numpy(),
        scored["score"].to_numpy(),
        np.isin(scored.index, of_set),
        next(zip(top["pos"], top["score"], top["variant"], strict=True), None),
        cpgs,
        near,
        line,
    )
