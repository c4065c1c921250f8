"""Figure of training: losses, accuracy and learning rate by epoch."""

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from tfepi.report.figures import FIRST, GREY, SECOND, some, styled

LOWEST_R2 = -1.0
_QUANTITIES = {
    "loss": "loss",
    "pearsonr": "Pearson r, mean over targets",
    "r2": "R², mean over targets",
    "auroc": "AUROC, mean over targets",
    "auprc": "AUPRC, mean over targets",
    "learning_rate": "learning rate",
}
_LOOKS = {"": (GREY, "--", "training"), "valid_": (FIRST, "-", "validation")}


def training_curves(epochs: Sequence[dict], best: int | None = None) -> Figure:
    """Draw loss, correlation, R² and learning rate by epoch.

    R² has no lower limit, and of a first epoch it may be −100: the axis ends at −1, where
    triangles mark the epochs that lie lower and a note tells the lowest value.

    Args:
        epochs: one dict per epoch: "epoch", and any of "loss", "pearsonr", "r2", each also
            with "valid_" before it, "learning_rate".
        best: the epoch whose model was kept, which a dotted line marks, or None.

    Raises:
        ConfigError: no epochs, or none of these quantities.
    """
    some(epochs, "epochs")

    def curve(name: str) -> np.ndarray:
        return np.array([e[name] if _is_number(e.get(name)) else np.nan for e in epochs], float)

    number = np.array([e.get("epoch", i) for i, e in enumerate(epochs)], float)
    curves = {}
    for name in _QUANTITIES:
        found = {before: curve(before + name) for before in _LOOKS}
        found = {before: v for before, v in found.items() if not np.isnan(v).all()}
        if found:
            curves[name] = found
    some(curves, "quantities (loss, pearsonr, …) in the training metrics")
    columns = min(2, len(curves))
    rows = -(-len(curves) // columns)
    with styled():
        figure = Figure(figsize=(4 * columns, 2.6 * rows), layout="constrained")
        axes = figure.subplots(rows, columns, squeeze=False).ravel()
        for axis, (name, found) in zip(axes, curves.items(), strict=False):
            for before, values in found.items():
                colour, style, who = _LOOKS[before]
                marker = "o" if len(values) <= 30 else None
                look = {"color": colour, "linestyle": style, "marker": marker, "markersize": 3}
                axis.plot(number, values, **look, label=who)
            if best is not None:
                axis.axvline(best, color=SECOND, linewidth=0.8, linestyle=":", label="best epoch")
            axis.set(xlabel="epoch", ylabel=_QUANTITIES[name])
            axis.xaxis.get_major_locator().set_params(integer=True)
            if name == "r2":
                _cut(axis, number, found)
            if name == "learning_rate":
                axis.set_ylim(0, 1.08 * max(np.nanmax(values) for values in found.values()) or 1)
            else:
                axis.legend()
        for axis in axes[len(curves) :]:
            axis.set_axis_off()
    return figure


def _cut(axis: Axes, number: np.ndarray, curves: dict[str, np.ndarray]) -> None:
    """End the axis at `LOWEST_R2`, and mark what lies lower."""
    if not any((values < LOWEST_R2).any() for values in curves.values()):
        return
    highest = max(np.nanmax(values) for values in curves.values())
    axis.set_ylim(LOWEST_R2, max(0.05, highest + 0.05))
    for before, values in curves.items():
        low = values < LOWEST_R2
        if not low.any():
            continue
        at_end = {"transform": axis.get_xaxis_transform(), "clip_on": False, "zorder": 3}
        axis.plot(number[low], np.zeros(low.sum()), "v", color=_LOOKS[before][0], **at_end)
    lowest = min(np.nanmin(values) for values in curves.values())
    note = f"▼ below the axis, down to {lowest:.3g}".replace("-", "−")
    axis.set_title(note, loc="right", fontsize=8)


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and np.isfinite(value)
