"""The figure of what bases change that lie near the ends of the sequence, beside the centre."""

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from tfepi.receptive_field.cut import ends
from tfepi.receptive_field.field import Found
from tfepi.receptive_field.profile import PERTURBATION
from tfepi.receptive_field.subjects import STATE_NAMES
from tfepi.receptive_field.tables import StateField
from tfepi.report.figures import some, styled
from tfepi.report.receptive_field_profiles import (
    LOOKS,
    PLAIN,
    counts_text,
    distance_axis,
    found_at,
    log_axis,
    thinned,
    to_ends,
)

_MARK = {"color": "black", "linestyle": "none", "marker": "v", "markersize": 7}
_UNSEEN = "0.92"  # shade of what is not predicted


def edges_figure(states: Sequence[StateField]) -> Figure:
    """Draw what a base near either end changes: a row for each place, position on the sequence.

    Each row shows the part of the sequence that theory lets its base touch. The triangle at the
    top stands where the base is; what the model does not predict is shaded. Lines are means over
    random sequences and phases.

    Args:
        states: of one model.

    Raises:
        ConfigError: no perturbation was measured.
    """
    found = [f for f in states[0].field.found if f.measured.method == PERTURBATION]
    some(found, "places")
    grid = states[0].field.grid
    with styled():
        figure = Figure(figsize=(8.4, 2.1 * len(found) + 1.1), layout="constrained")
        axes = figure.subplots(len(found), 2, squeeze=False)
        for row, first in zip(axes, found, strict=True):
            place, limits = first.measured.place, _limits(first, grid.length)
            for axis, log in zip(row, (False, True), strict=True):
                _place(axis, states, place, limits, log)
                axis.set_xlim(*limits)
                for unseen in ((0, ends(first, grid)[0]), (ends(first, grid)[1], grid.length)):
                    if unseen[1] > unseen[0]:
                        axis.axvspan(*unseen, color=_UNSEEN, linewidth=0, zorder=0)
                distance_axis(axis, "position on the sequence")
            row[0].set_title(f"mutation at {int(first.measured.at[0]):,} ({place})", loc="left")
            row[1].set_title("logarithmic", loc="left")
            row[0].set_ylabel("mean |difference|")
        for axis in axes[:-1].flat:
            axis.set_xlabel("")
        handles = [
            Line2D([], [], color=LOOKS[s.state][0], label=STATE_NAMES[s.state]) for s in states
        ]
        handles.append(Line2D([], [], **_MARK, label="mutation"))
        if ends(found[0], grid) != (0, grid.length):
            handles.append(Patch(color=_UNSEEN, label="not predicted"))
        figure.legend(handles=handles, loc="outside lower center", ncols=5)
        figure.suptitle(f"{states[0].label}: {counts_text(found[0])}", fontsize=9)
    return figure


def _limits(found: Found, length: int) -> tuple[float, float]:
    """Return the part of the sequence to draw: the base, what it may touch, and some room."""
    if found.reach is None:
        return 0, length
    at = (int(found.measured.at.min()), int(found.measured.at.max()) + 1)
    held = [s for s in zip(found.reach.low, found.reach.high, strict=True) if s[1] > s[0]]
    low, high = min([at[0], *(a for a, _ in held)]), max([at[1], *(b for _, b in held)])
    room = max(5.0, 0.08 * (high - low))
    return max(-0.5, low - room), min(length - 0.5, high + room)


def _place(
    axis: Axes,
    states: Sequence[StateField],
    place: str,
    limits: tuple[float, float],
    log: bool,
) -> None:
    drawn = []
    for one in states:
        found = found_at(one, PERTURBATION, place)
        if found is None:
            continue
        profile = found.measured.aligned()
        x = profile.offsets + int(found.measured.anchor[0])
        held = (x >= limits[0] - profile.extent) & (x <= limits[1])
        cut = thinned(*(v[held] for v in (x, profile.mean, profile.most)))
        x, mean, _ = to_ends(*cut, profile.extent)
        colour, _ = LOOKS[one.state]
        shown = np.where(mean > 0, mean, np.nan) if log else mean
        look = {"color": colour, "linewidth": 1.1, "label": STATE_NAMES[one.state]}
        axis.step(x, shown, where="mid", **look)
        drawn.append(mean)
        at = int(found.measured.at[0])
    if log and any(mean.any() for mean in drawn):
        together = np.concatenate(drawn)
        log_axis(axis, together, together)
    elif not log:
        axis.set_ylim(0, None)
        axis.yaxis.set_major_formatter(PLAIN)
    above = axis.get_xaxis_transform()
    axis.plot(at, 1, **_MARK, transform=above, clip_on=False, zorder=5)
