"""Figure of which parts of the genome are in which split."""

from collections.abc import Mapping

import numpy as np
import seaborn
from matplotlib.figure import Figure
from matplotlib.patches import Patch

from tfepi.report.figures import LEGEND_COLUMNS, short, some, styled
from tfrecords_tools.intervals import Regions, merge_array

MOST_CONTIGS = 60
_NONE = np.zeros((0, 2), np.int64)
_DOTS = 400  # of the longest chromosome; narrower gaps would flicker
_HATCHES = ("", "////", "\\\\\\\\", "....", "xxxx", "----", "||||", "++++", "oooo", "****")


def karyogram(splits: Mapping[str, Regions], lengths: Mapping[str, int] | None = None) -> Figure:
    """Draw chromosomes as bars, with the stretches of each split in its colour and hatch.

    Gaps below a 400th of the longest chromosome are closed.

    Args:
        splits: label → chromosome → starts and ends, 0-based, half-open, int [n, 2].
        lengths: chromosome → bp, in the order to draw; None ends each where its last stretch
            does, and sorts by length.

    Raises:
        ConfigError: no stretch at all.
    """
    arrays = {
        label: {chrom: np.asarray(spans, np.int64) for chrom, spans in regions.items()}
        for label, regions in splits.items()
    }
    ends: dict[str, int] = {}
    for regions in arrays.values():
        for chrom, spans in regions.items():
            if len(spans):
                ends[chrom] = max(ends.get(chrom, 0), int(spans[:, 1].max()))
    some(ends, "stretches")
    if lengths is None:
        order = sorted(ends, key=lambda c: (-ends[c], c))
    else:
        order = [c for c in lengths if c in ends]
        ends = {c: max(lengths[c], ends[c]) for c in order}
    shown = order[:MOST_CONTIGS]
    longest = max(ends[c] for c in shown)
    unit, name = (1e6, "Mb") if longest >= 2e6 else (1e3, "kb")
    colours = seaborn.color_palette("colorblind", len(_HATCHES))
    with styled():
        figure = Figure(figsize=(8, 0.9 + 0.2 * len(shown)), layout="constrained")
        axis = figure.subplots()
        at = {chrom: i for i, chrom in enumerate(shown)}
        axis.barh(list(at.values()), [ends[c] / unit for c in shown], 0.62, color="0.93")
        handles = []
        for number, (label, regions) in enumerate(arrays.items()):
            look = {
                "facecolor": colours[number % len(colours)],
                "hatch": _HATCHES[number % len(_HATCHES)],
                "edgecolor": "white",
                "linewidth": 0,
            }
            for chrom in shown:
                spans = merge_array(regions.get(chrom, _NONE), longest // _DOTS) / unit
                pieces = [(low, high - low) for low, high in spans]
                axis.broken_barh(pieces, (at[chrom] - 0.31, 0.62), rasterized=True, **look)
            handles.append(Patch(**look, label=label))
        axis.set_yticks(list(at.values()), [short(c, 24) for c in shown])
        axis.set_ylim(len(shown) - 0.4, -0.6)  # the first on top
        axis.set_xlim(0, 1.01 * longest / unit)
        rest = len(order) - len(shown)
        left_out = f"; {rest} more sequences are not drawn" if rest else ""
        axis.set_xlabel(f"position ({name}){left_out}")
        columns = min(LEGEND_COLUMNS * 2, len(handles))
        figure.legend(handles=handles, loc="outside upper right", ncols=columns)
    return figure
