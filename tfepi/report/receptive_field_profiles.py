"""Figures of one model's receptive field: its profile, and what bases near the ends change."""

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, LogLocator, NullLocator

from tfepi.receptive_field.field import Found
from tfepi.receptive_field.places import CENTRE
from tfepi.receptive_field.profile import GRADIENT, PERTURBATION, SCAN, Profile
from tfepi.receptive_field.subjects import RANDOMISED, TRAINED, UNTRAINED
from tfepi.receptive_field.tables import StateField
from tfepi.report.figures import FIRST, GREY, SECOND, some, styled
from tfrecords_tools.number_text import number_of

_THIRD = "#029e73"  # of seaborn's "colorblind" palette
LOOKS = {TRAINED: (FIRST, "-"), UNTRAINED: (SECOND, "--"), RANDOMISED: (_THIRD, ":")}
NAMES = {
    TRAINED: "trained",
    UNTRAINED: "untrained",
    RANDOMISED: "untrained, zeros drawn",
}
_AXES = {
    PERTURBATION: ("position of the output relative to the mutation", "|difference|"),
    SCAN: ("position of the mutation relative to the output", "|difference|"),
    GRADIENT: ("position of the input relative to the output", "|gradient|"),
}
_PLAIN = FuncFormatter(lambda value, _: f"{value:.3g}")
_MOST_POINTS = 1500
_DECADES = 9  # of a logarithmic axis, at most
_NARROW = 100  # ends of a logarithmic axis that holds few powers of ten
_THOUSAND = 20_000  # bp from which axes are in kb


def profile_figure(states: Sequence[StateField], method: str) -> Figure:
    """Draw a model's profile at the centre: a row for each state, linear and logarithmic.

    The line is the mean over random sequences and phases, the shade their largest; dashed lines
    are where the theoretical field ends.

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
            low, high = _shown_range(one, found, profile)
            for axis, log in zip(row, (False, True), strict=True):
                _profile(axis, profile, low, high, one.state, log)
                _theory_ends(axis, found, low, high)
                axis.set_xlim(low, high)
            row[0].set_title(NAMES[one.state], loc="left")
            row[1].set_title(f"{NAMES[one.state]}, logarithmic", loc="left")
            row[0].set_ylabel(across)
        for axis in axes[-1]:
            _distance_axis(axis, along)
        figure.suptitle(f"{states[0].label}: {_counts(both[0][1])}", fontsize=9)
    return figure


def _counts(found: Found) -> str:
    measured = found.measured
    phases = len(measured.phases)
    text = f"{measured.method}, {number_of(measured.repeats, 'random sequence')}"
    return f"{text}, {phases} phases" if phases > 1 else text


def found_at(one: StateField, method: str, place: str = CENTRE) -> Found | None:
    """Return the measurement of a state by a method at a place, or None."""
    found = (f for f in one.field.found if (f.measured.method, f.measured.place) == (method, place))
    return next(found, None)


def _shown_range(one: StateField, found: Found, profile: Profile) -> tuple[int, int]:
    """Return the distances to draw: the theoretical field and a little more, as far as there is."""
    ends = int(profile.offsets[0]), int(profile.offsets[-1]) + profile.extent
    if found.reach is None:
        return ends
    room = max(5, int(0.08 * (found.reach.left + found.reach.right)), profile.extent)
    return max(ends[0], -found.reach.left - room), min(ends[1], found.reach.right + room)


def _profile(axis: Axes, profile: Profile, low: int, high: int, state: str, log: bool) -> None:
    chosen = (profile.offsets >= low - profile.extent) & (profile.offsets <= high)
    x, mean, most = _thinned(*(v[chosen] for v in (profile.offsets, profile.mean, profile.most)))
    x = x + profile.extent / 2 if profile.extent > 1 else x
    colour, _ = LOOKS[state]
    axis.fill_between(x, most, step="mid", color=colour, alpha=0.25, linewidth=0)
    axis.step(x, mean, where="mid", color=colour, linewidth=0.7)
    if log:
        _log_axis(axis, mean, most)
    else:
        axis.set_ylim(0, None)
        axis.yaxis.set_major_formatter(_PLAIN)
    if not most.any():
        axis.text(0.5, 0.5, "no effect", ha="center", va="center", transform=axis.transAxes)


def _thinned(x: np.ndarray, mean: np.ndarray, most: np.ndarray):
    """Return at most so many points: means of means, and the largest, of stretches."""
    size = -(-len(x) // _MOST_POINTS)
    if size == 1:
        return x, mean, most
    starts = np.arange(0, len(x), size)
    counts = np.diff(np.append(starts, len(x)))
    held = np.maximum.reduceat(most, starts)
    return np.add.reduceat(x, starts) / counts, np.add.reduceat(mean, starts) / counts, held


def _log_axis(axis: Axes, mean: np.ndarray, most: np.ndarray) -> None:
    if not mean.any():
        return
    low = max(mean[mean > 0].min(), mean.max() * 10.0**-_DECADES)
    axis.set_yscale("log")
    ends = low / 2, most.max() * 2
    axis.set_ylim(*ends)
    narrow = ends[1] < _NARROW * ends[0]
    axis.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5) if narrow else (1,), numticks=6))
    if narrow:
        axis.yaxis.set_major_formatter(_PLAIN)
    axis.yaxis.set_minor_locator(NullLocator())


def _theory_ends(axis: Axes, found: Found, low: int, high: int) -> None:
    if found.reach is None:
        return
    for end in (-found.reach.left, found.reach.right):
        if low < end < high:
            axis.axvline(end, color=GREY, linewidth=0.8, linestyle=(0, (4, 3)))


def _distance_axis(axis: Axes, label: str) -> None:
    low, high = axis.get_xlim()
    if high - low >= _THOUSAND:
        axis.xaxis.set_major_formatter(FuncFormatter(lambda v, _: f"{v / 1000:g}"))
        label = f"{label} (kb)"
    else:
        axis.xaxis.set_major_formatter(FuncFormatter(lambda v, _: f"{v:,.0f}"))
        label = f"{label} (bp)"
    axis.set_xlabel(label)


def edges_figure(states: Sequence[StateField]) -> Figure:
    """Draw what a base near either end changes: a row for each place, position on the sequence.

    The bar at the top stands where the base is. Lines are means over random sequences and phases.

    Args:
        states: of one model.
    """
    found = [f for f in states[0].field.found if f.measured.method == PERTURBATION]
    some(found, "places")
    length = states[0].field.grid.length
    with styled():
        figure = Figure(figsize=(8.4, 1.9 * len(found) + 1.1), layout="constrained")
        axes = figure.subplots(len(found), 2, squeeze=False, sharex=True)
        for row, first in zip(axes, found, strict=True):
            place = first.measured.place
            for axis, log in zip(row, (False, True), strict=True):
                _place(axis, states, place, log)
            row[0].set_title(f"mutation at {int(first.measured.at[0]):,} ({place})", loc="left")
            row[1].set_title("logarithmic", loc="left")
            row[0].set_ylabel("|difference|")
            row[0].set_xlim(0, length)
        for axis in axes[-1]:
            _distance_axis(axis, "position on the sequence")
        handles, labels = axes[0][0].get_legend_handles_labels()
        figure.legend(handles, labels, loc="outside lower center", ncols=3)
        figure.suptitle(f"{states[0].label}: {_counts(found[0])}", fontsize=9)
    return figure


def _place(axis: Axes, states: Sequence[StateField], place: str, log: bool) -> None:
    drawn = []
    for one in states:
        found = found_at(one, PERTURBATION, place)
        if found is None:
            continue
        profile = found.measured.aligned()
        x = profile.offsets + int(found.measured.anchor[0]) + profile.extent / 2
        x, mean, _ = _thinned(x, profile.mean, profile.most)
        colour, _ = LOOKS[one.state]
        shown = np.where(mean > 0, mean, np.nan) if log else mean
        look = {"color": colour, "linewidth": 0.8, "label": NAMES[one.state]}
        axis.step(x, shown, where="mid", **look)
        drawn.append(mean)
        at = int(found.measured.at[0])
    if log and any(mean.any() for mean in drawn):
        together = np.concatenate(drawn)
        _log_axis(axis, together, together)
    elif not log:
        axis.set_ylim(0, None)
        axis.yaxis.set_major_formatter(_PLAIN)
    axis.plot(
        [at, at], [0.93, 1], color="black", linewidth=2.5, transform=axis.get_xaxis_transform()
    )
