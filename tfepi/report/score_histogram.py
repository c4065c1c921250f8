"""Figure of how large variant scores are."""

import numpy as np
from matplotlib.figure import Figure

from tfepi.report.figures import FIRST, styled
from tfrecords_tools.errors import ConfigError


def score_histogram(edges: np.ndarray, counts: np.ndarray, statistic: str) -> Figure:
    """Draw how many variants have which largest magnitude over targets, on a log scale.

    Args:
        edges: log10 of magnitudes, [bins + 1].
        counts: of variants, [bins].
        statistic: name of the score.

    Raises:
        ConfigError: edges and counts that do not go together.
    """
    if len(edges) != len(counts) + 1:
        raise ConfigError(f"{len(edges)} edges for {len(counts)} counts: want one more")
    with styled():
        figure = Figure(figsize=(8, 2.4), layout="constrained")
        axis = figure.subplots()
        axis.stairs(counts, 10.0 ** np.asarray(edges), fill=True, color=FIRST)
        axis.set_xscale("log")
        axis.set(xlabel=f"|{statistic}|, largest over targets", ylabel="variants")
    return figure
