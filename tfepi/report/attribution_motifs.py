"""Figures of known motifs and the mean contributions where seqlets match them."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure

from tfepi.analysis.attribution_report import FLANK, MotifLogo
from tfepi.report.figures import save_figure, short, some, styled
from tfepi.report.motif_figures import draw_logo
from tfrecords_tools.files import remove_parts

FOLDER, STEM = "figures", "motifs"
MOST = 12


def draw_motifs(folder: Path, logos: Sequence[MotifLogo]) -> list[Path]:
    """Draw up to 12 motifs of each output, those that are the best match most often first.

    Args:
        folder: of the run; figures go to its figures/.
        logos: of `attribution_report`.

    Returns:
        The files; none where nothing matched.
    """
    (folder / FOLDER).mkdir(exist_ok=True)
    remove_parts(folder / FOLDER)
    for old in (folder / FOLDER).glob(f"{STEM}*.*"):  # of other seqlets
        old.unlink()
    paths = []
    for number, output in enumerate(dict.fromkeys(logo.output for logo in logos)):
        mine = [logo for logo in logos if logo.output == output][:MOST]
        stem = STEM if number == 0 else f"{STEM}_{number}"
        paths += save_figure(motif_figure(mine, output), folder / FOLDER / stem)
    return paths


def motif_figure(logos: Sequence[MotifLogo], output: str) -> Figure:
    """Draw each motif, as high as its information, beside the mean contributions at its matches.

    Args:
        logos: of one output.
        output: its name.

    Raises:
        ConfigError: no motifs.
    """
    some(logos, "motifs")
    with styled():
        figure = Figure(figsize=(7.2, 0.7 + 1.25 * len(logos)), layout="constrained")
        figure.suptitle(f"known motifs at the seqlets of {short(output, 50)}", fontsize=9)
        axes = figure.subplots(len(logos), 2, squeeze=False)
        for logo, (known, mean) in zip(logos, axes, strict=True):
            motif = logo.motif
            draw_logo(known, motif.shares * motif.information[:, None])
            known.set_xlim(-FLANK - 0.5, len(motif.shares) + FLANK - 0.5)
            known.set_ylim(0, 2)
            known.set_yticks([0, 1, 2])
            known.set_ylabel("bits")
            name = f"{motif.name} {motif.also}".strip()
            known.set_title(short(name, 40), fontsize=8)
            draw_logo(mean, logo.mean, -FLANK)
            low, high = np.minimum(logo.mean, 0).min(), np.maximum(logo.mean, 0).max()
            room = 0.05 * (high - low) or 1.0
            mean.set_ylim(low - room, high + room)
            mean.set_ylabel("contribution")
            mean.set_title(f"mean of {logo.matches:,} matches", fontsize=8)
    return figure
