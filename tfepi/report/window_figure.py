"""Figure of a model's window: what is read, what is predicted, how far one bin sees."""

from matplotlib.figure import Figure

from tfepi.report.figures import FIRST, SECOND, styled
from tfrecords_tools.errors import ConfigError


def window_figure(length: int, crop: int, bin_width: int, field: int) -> Figure:
    """Draw the sequence, the bins, and the receptive field of the bin in the middle.

    Args:
        length: of the sequence, bp.
        crop: bp at either end without bins.
        bin_width: bp.
        field: bp of the sequence that the bin in the middle depends on.

    Raises:
        ConfigError: a crop that leaves no bin.
    """
    covered = length - 2 * crop
    if covered < bin_width:
        raise ConfigError(f"a crop of {crop} bp leaves no bin of {bin_width} bp in {length} bp")
    bins = covered // bin_width
    seen = min(field, length)
    rows = (
        (f"sequence: {length:,} bp", -length / 2, length, "0.75"),
        (f"predicted: {bins:,} × {bin_width:,} bp", -covered / 2, covered, FIRST),
        (f"one bin sees: {seen:,} bp", -seen / 2, seen, SECOND),
    )
    unit, name = (1000, "kb") if length >= 10_000 else (1, "bp")
    with styled():
        figure = Figure(figsize=(8, 1.7), layout="constrained")
        axis = figure.subplots()
        for place, (_, start, width, colour) in enumerate(rows):
            axis.barh(place, width / unit, left=start / unit, height=0.5, color=colour)
        axis.barh(1, bin_width / unit, left=-bin_width / 2 / unit, height=0.5, color="black")
        axis.set_yticks(range(len(rows)), [text for text, *_ in rows])
        axis.invert_yaxis()
        axis.set_xlabel(f"distance from the middle ({name}); black: the bin in the middle")
    return figure
