"""Figure of a preflight: N per chromosome, and what each track covers of each chromosome."""

from pathlib import Path

import numpy as np
from matplotlib.figure import Figure

from tfepi.report.figures import FIRST, GREY, save_figure, short, styled
from tfrecords_tools.preflight import Chromosome, Preflight

_SHOWN = 40


def draw_preflight(found: Preflight, folder: str | Path) -> list[Path]:
    """Draw N fraction per chromosome over a heat map of coverage per track.

    Of a genome with many sequences the 40 longest are drawn.

    Args:
        found: the preflight.
        folder: where preflight.svg and preflight.png go.

    Returns:
        The two paths.
    """
    longest = sorted(found.chromosomes, key=lambda c: -c.length)[:_SHOWN]
    chromosomes = [c for c in found.chromosomes if c in longest]
    rows = len(found.tracks)
    ratios = [2.2, 0.6 + 0.3 * rows] if rows else [1]
    width = 3.0 + 0.3 * max(len(chromosomes), 8)
    height = 3.0 + (1.0 + 0.3 * rows if rows else 0)
    with styled():
        figure = Figure(figsize=(width, height), layout="constrained")
        axes = figure.subplots(len(ratios), 1, squeeze=False, height_ratios=ratios)[:, 0]
        _draw_unknown(axes[0], chromosomes, len(found.chromosomes))
        if rows:
            axes[0].tick_params(labelbottom=False)
            _draw_coverage(figure, axes[1], found, [c.name for c in chromosomes])
    return save_figure(figure, Path(folder) / "preflight")


def _draw_unknown(axes, chromosomes: list[Chromosome], total: int) -> None:
    at = np.arange(len(chromosomes))
    axes.bar(at, [100 * c.n_fraction for c in chromosomes], color=FIRST, width=0.8)
    axes.set_xlim(-0.5, len(chromosomes) - 0.5)
    axes.set_xticks(at, [short(c.name) for c in chromosomes], rotation=90)
    axes.set_ylabel("N (% of bases)")
    highest = max((c.n_fraction for c in chromosomes), default=0)
    axes.set_ylim(0, 105 * max(highest, 0.01))
    if not highest:
        axes.text(0.5, 0.5, "no N", transform=axes.transAxes, ha="center", color=GREY)
    shown = f", the {len(chromosomes)} longest of {total:,}" if total > len(chromosomes) else ""
    axes.set_title(f"N per chromosome{shown}", loc="left")


def _draw_coverage(figure, axes, found: Preflight, names: list[str]) -> None:
    """Draw the share of bases with a value; chromosomes that a track lacks stay white."""
    shares = np.full((len(found.tracks), len(names)), np.nan)
    for row, track in enumerate(found.tracks):
        for c in track.coverage:
            if c.chrom in names:
                shares[row, names.index(c.chrom)] = 100 * c.covered
    image = axes.imshow(shares, aspect="auto", vmin=0, vmax=100, cmap="viridis")
    axes.set_xticks(np.arange(len(names)), [short(n) for n in names], rotation=90)
    axes.set_yticks(np.arange(len(found.tracks)), [short(t.identifier) for t in found.tracks])
    axes.set_title(
        "bases with a value, per track (white: not in the file)", loc="left", fontsize=10
    )
    figure.colorbar(image, ax=axes, label="covered (%)", fraction=0.05, pad=0.02)
