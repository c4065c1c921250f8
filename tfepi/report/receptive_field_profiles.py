"""Figures of one model's receptive field: its profile by distance."""

from collections.abc import Sequence

import numpy as np
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from matplotlib.ticker import FuncFormatter, LogLocator, NullLocator

from tfepi.receptive_field.cut import cut_by
from tfepi.receptive_field.field import Found
from tfepi.receptive_field.places import CENTRE
from tfepi.receptive_field.profile import GRADIENT, PERTURBATION, SCAN, Profile
from tfepi.receptive_field.subjects import RANDOMISED, STATE_NAMES, TRAINED, UNTRAINED
from tfepi.receptive_field.tables import StateField
from tfepi.report.figures import FIRST, GREY, SECOND, some, styled
from tfrecords_tools.number_text import number_of

_THIRD = "#029e73"  # of seaborn's "colorblind" palette
LOOKS = {TRAINED: (FIRST, "-"), UNTRAINED: (SECOND, "--"), RANDOMISED: (_THIRD, ":")}
_AXES = {
    PERTURBATION: ("position of the output relative to the mutation", "|difference|"),
    SCAN: ("position of the mutation relative to the output", "|difference|"),
    GRADIENT: ("position of the input relative to the output", "|gradient|"),
}
PLAIN = FuncFormatter(lambda value, _: f"{value:.3g}".replace("-", "−"))
_MOST_POINTS = 1500
_DECADES = 9  # of a logarithmic axis, at most
_DASHES = (0, (4, 3))
_NARROW = 100  # ends of a logarithmic axis that holds few powers of ten
_THOUSAND = 20_000  # bp from which axes are in kb


def profile_figure(states: Sequence[StateField], method: str) -> Figure:
    """Draw a model's profile at the centre: a row for each state, linear and logarithmic.

    The line is the mean over random sequences and phases, the shade their largest; dashed lines
    are where the theoretical field ends, and the legend says what cuts it, if not the layers.

    Args:
        states: of one model, that were measured by the method.
        method: one of `profile.METHODS`.

    Raises:
        ConfigError: none was.
    """
    both = [(s, found_at(s, method)) for s in states]
    both = [(s, f) for s, f in both if f is not None]
    some(both, "measurements")
    along, across = _AXES[method]
    with styled():
        size = (8.4, 1.9 * len(both) + 0.9)
        figure = Figure(figsize=size, layout="constrained")
        axes = figure.subplots(len(both), 2, squeeze=False, sharex=True)
        for row, (one, found) in zip(axes, both, strict=True):
            profile = found.measured.aligned()
            low, high = _shown_range(found, profile)
            for axis, log in zip(row, (False, True), strict=True):
                _profile(axis, profile, low, high, one.state, log)
                _theory_ends(axis, found)
                axis.set_xlim(low, high)
            row[0].set_title(STATE_NAMES[one.state], loc="left")
            row[1].set_title(f"{STATE_NAMES[one.state]}, logarithmic", loc="left")
            row[0].set_ylabel(across)
        for axis in axes[-1]:
            distance_axis(axis, along)
        figure.suptitle(f"{states[0].label}: {counts_text(both[0][1])}", fontsize=9)
        figure.legend(handles=_legend(*both[0]), loc="outside lower center", ncols=3)
    return figure


def _legend(one: StateField, found: Found) -> list[Artist]:
    """Return what stands for mean, largest and theory."""
    handles: list[Artist] = [
        Line2D([], [], color=GREY, linewidth=1.2, label="mean"),
        Patch(color=GREY, alpha=0.25, linewidth=0, label="largest"),
    ]
    if found.reach is not None:
        by = cut_by(found, one.field)
        label = f"ends of the field by theory{f', cut by the {by}' if by else ''}"
        handles.append(Line2D([], [], color=GREY, linewidth=1, linestyle=_DASHES, label=label))
    return handles


def counts_text(found: Found) -> str:
    """Return the method of a measurement, and of how many sequences and phases it is."""
    measured = found.measured
    phases = len(measured.phases)
    text = f"{measured.method}, {number_of(measured.repeats, 'random sequence')}"
    return f"{text}, {phases} phases" if phases > 1 else text


def found_at(one: StateField, method: str, place: str = CENTRE) -> Found | None:
    """Return the measurement of a state by a method at a place, or None."""
    found = (f for f in one.field.found if (f.measured.method, f.measured.place) == (method, place))
    return next(found, None)


def _theory_span(found: Found) -> tuple[int, int]:
    """Return the furthest that theory has to either side, bp from where distances begin.

    Of wide bins that is the start of a bin, as of the profile, not the base.
    """
    low, high = np.array(found.reach.low), np.array(found.reach.high)
    held = high > low
    if not held.any():
        return 0, 0
    anchor = found.measured.anchor
    return int((low - anchor)[held].min()), int((high - anchor)[held].max())


def _shown_range(found: Found, profile: Profile) -> tuple[int, int]:
    """Return the distances to draw: the theoretical field, and room to see where it ends."""
    if found.reach is None:
        return int(profile.offsets[0]), int(profile.offsets[-1]) + profile.extent
    low, high = _theory_span(found)
    room = max(5, int(0.08 * (high - low)), profile.extent)
    return low - room, high + room


def _profile(axis: Axes, profile: Profile, low: int, high: int, state: str, log: bool) -> None:
    chosen = (profile.offsets >= low - profile.extent) & (profile.offsets <= high)
    x, mean, most = to_ends(
        *thinned(*(v[chosen] for v in (profile.offsets, profile.mean, profile.most))),
        profile.extent,
    )
    colour, _ = LOOKS[state]
    axis.fill_between(x, most, step="mid", color=colour, alpha=0.25, linewidth=0)
    axis.step(x, mean, where="mid", color=colour, linewidth=0.7)
    if log:
        log_axis(axis, mean, most)
    else:
        axis.set_ylim(0, None)
        axis.yaxis.set_major_formatter(PLAIN)
    if not most.any():
        axis.text(0.5, 0.5, "no effect", ha="center", va="center", transform=axis.transAxes)


def thinned(x: np.ndarray, mean: np.ndarray, most: np.ndarray):
    """Return at most so many points: means of means, and the largest, of stretches."""
    size = -(-len(x) // _MOST_POINTS)
    if size == 1:
        return x, mean, most
    starts = np.arange(0, len(x), size)
    counts = np.diff(np.append(starts, len(x)))
    held = np.maximum.reduceat(most, starts)
    return np.add.reduceat(x, starts) / counts, np.add.reduceat(mean, starts) / counts, held


def to_ends(x: np.ndarray, mean: np.ndarray, most: np.ndarray, extent: int):
    """Return middles of positions with their values, and both ends of them all as further points.

    Steps around middles would show half of the first and of the last position only.

    Args:
        x: where positions begin, ascending; of 1 bp their middles.
        mean, most: values there.
        extent: bp of a position.
    """
    if not len(x):
        return x, mean, most
    half = extent / 2
    x = x + half if extent > 1 else x
    x = np.r_[x[0] - half, x, x[-1] + half]
    return x, *(np.r_[v[:1], v, v[-1:]] for v in (mean, most))


def log_axis(axis: Axes, mean: np.ndarray, most: np.ndarray) -> None:
    """Make the axis up logarithmic, from the smallest mean to the largest, nine decades at most."""
    if not mean.any():
        return
    low = max(mean[mean > 0].min(), mean.max() * 10.0**-_DECADES)
    axis.set_yscale("log")
    ends = low / 2, most.max() * 2
    axis.set_ylim(*ends)
    narrow = ends[1] < _NARROW * ends[0]
    axis.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5) if narrow else (1,), numticks=6))
    if narrow:
        axis.yaxis.set_major_formatter(PLAIN)
    axis.yaxis.set_minor_locator(NullLocator())


def _theory_ends(axis: Axes, found: Found) -> None:
    if found.reach is None:
        return
    low, high = _theory_span(found)
    beside = 0.5 if found.measured.extent == 1 else 0  # bases are drawn around their middle
    for end in (low - beside, high - beside):
        axis.axvline(end, color=GREY, linewidth=1, linestyle=_DASHES)


def distance_axis(axis: Axes, label: str) -> None:
    """Label an axis of positions or distances, in bp or kb as its limits want."""
    low, high = axis.get_xlim()
    unit, scale, text = ("kb", 1000, "g") if high - low >= _THOUSAND else ("bp", 1, ",.0f")
    axis.xaxis.set_major_formatter(lambda v, _: f"{v / scale:{text}}".replace("-", "−"))
    axis.set_xlabel(f"{label} ({unit})")
