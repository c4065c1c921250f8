"""The figures of a test: which targets and which stretch of the genome they show."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure

from tfepi.evaluation.predictions import Layout, PredictionParts
from tfepi.report.figures import save_figure
from tfepi.report.panels import Observed, observed_predicted, sites, tracks
from tfepi.report.target_accuracy import accuracy_per_target
from tfepi.report.target_names import SHARES, largest, signal_name
from tfepi.report.training_figure import training_curves
from tfrecords_tools.errors import InputFileError
from tfrecords_tools.files import existing, read_json

SHOWN = 6
TRACKS = 4
STRETCH_BINS = 400
STRETCH_SITES = 20_000  # bp
_LABELS = {
    "pearsonr": "Pearson r",
    "pearsonr_log2": "Pearson r of log2(x + 1)",
    "spearmanr": "Spearman r",
    "auroc": "AUROC",
    "auprc": "AUPRC",
}


def draw_accuracy(
    predictions: PredictionParts,
    metrics: dict,
    folder: str | Path,
    unit: str = "coverage",
    curves: str | Path | None = None,
) -> list[Path]:
    """Write the figures of a test: accuracy, observed against predicted, tracks, curves.

    Shown are up to six targets, evenly spaced by rank of accuracy from best to worst, and for
    the tracks the contiguous stretch of windows, of up to 400 bins, in which these have the
    most observed signal; of single bases, such as CpGs, the 20 kb that hold the most of them.

    Args:
        predictions: observed and predicted values.
        metrics: the value of metrics.json.
        folder: where to; made if absent.
        unit: of the model's output: "coverage", "beta" or "probability".
        curves: metrics.jsonl of the training run, or None.

    Returns:
        Paths of the figures, SVG and PNG.

    Raises:
        InputFileError: the training metrics are no JSON lines.
    """
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    entries = metrics["across_positions"]["targets"]
    binary = any("auroc" in e for e in entries)
    second = "spearmanr" if unit in SHARES else "pearsonr_log2"
    names = ("auroc", "auprc") if binary else ("pearsonr", second)
    layout = predictions.layout
    level = metrics["bootstrap"]["level"]
    axis = f"accuracy across positions, {metrics['label']} windows"
    if metrics["bootstrap"]["resamples"]:
        axis += f" (line: {level:.0%} interval)"
    missing = {"value": None, "interval": None}
    dots = {_LABELS[n]: [e.get(n, missing) for e in entries] for n in names}
    figure = accuracy_per_target(layout.targets, dots, axis)
    paths = save_figure(figure, folder / "accuracy")
    shown = targets_shown(entries, names[0])
    panels = []
    for t in shown:
        values = [v.astype(float) for v in predictions.column(t)]
        target = layout.targets[t]
        scale = signal_name(target, unit, layout.bin_width, largest(*values))
        panels.append(Observed(target, *values, _note(entries[t], names), scale))
    paths += save_figure(observed_predicted(panels), folder / "observed_predicted")
    panels = [panels[i] for i in _spread(len(panels), TRACKS)]
    along = _along_sites if layout.bins * layout.bin_width == 1 else _along_bins
    paths += save_figure(along(layout, panels, metrics["label"]), folder / "tracks")
    if curves is not None:
        paths += save_figure(
            training_curves(read_curves(curves), best_epoch(curves)), folder / "training"
        )
    return paths


def _along_bins(layout: Layout, panels: list[Observed], label: str) -> Figure:
    windows = busiest_stretch(layout, [p.truth for p in panels])
    starts = _bin_starts(layout, windows)
    heading = f"{label} windows: the contiguous stretch with the most observed signal"
    heading += " (accuracy: of all windows)"
    chrom = layout.windows[windows[0]].chrom
    return tracks(chrom, starts, layout.bin_width, _only(panels, windows), heading)


def _along_sites(layout: Layout, panels: list[Observed], label: str) -> Figure:
    windows = densest_stretch(layout)
    positions = np.array([layout.windows[i].start for i in windows])
    heading = f"{label} sites: the {STRETCH_SITES // 1000} kb that hold the most"
    heading += " (accuracy: of all sites)"
    chrom = layout.windows[windows[0]].chrom
    return sites(chrom, positions, _only(panels, windows), heading)


def _only(panels: list[Observed], windows: np.ndarray) -> list[Observed]:
    return [
        replace(p, truth=p.truth[windows].ravel(), prediction=p.prediction[windows].ravel())
        for p in panels
    ]


def densest_stretch(layout: Layout, span: int = STRETCH_SITES) -> np.ndarray:
    """Return the windows, by position, of the stretch of `span` bp that holds the most."""
    order = sorted(range(len(layout.windows)), key=lambda i: layout.windows[i])
    best, first = range(0, 1), 0
    for last, i in enumerate(order):
        end = layout.windows[i]
        while layout.windows[order[first]].chrom != end.chrom or (
            end.end - layout.windows[order[first]].start > span
        ):
            first += 1
        best = max(best, range(first, last + 1), key=len)
    return np.array(order[best.start : best.stop])


def targets_shown(entries: list[dict], name: str, count: int = SHOWN) -> list[int]:
    """Return up to `count` positions of targets, evenly spaced by rank, best first."""
    value = [e.get(name, {}).get("value") for e in entries]
    order = np.argsort([np.inf if v is None else -v for v in value], kind="stable")
    return [int(order[rank]) for rank in _spread(len(order), count)]


def _spread(available: int, count: int) -> list[int]:
    """Return up to `count` whole numbers, evenly spaced from 0 to available - 1."""
    steps = np.linspace(0, available - 1, min(count, available))
    return steps.round().astype(int).tolist()


def contiguous_stretches(layout: Layout, bins: int = STRETCH_BINS, gap: int = 0) -> list[list[int]]:
    """Return the windows of each stretch without a gap, by position; of up to `bins` bins.

    Windows that overlap the one before are passed over.

    Args:
        layout: windows.
        bins: longest stretch.
        gap: longest gap between windows of a stretch, bp.
    """
    size = max(1, bins // layout.bins)
    order = sorted(range(len(layout.windows)), key=lambda i: layout.windows[i])
    runs: list[list[int]] = []
    for i in order:
        window = layout.windows[i]
        last = layout.windows[runs[-1][-1]] if runs else None
        if last is not None and last.chrom == window.chrom and window.start < last.end:
            continue
        joins = last is not None and last.chrom == window.chrom and window.start - last.end <= gap
        if joins and len(runs[-1]) < size:
            runs[-1].append(i)
        else:
            runs.append([i])
    return runs


def busiest_stretch(
    layout: Layout, truths: list[np.ndarray], bins: int = STRETCH_BINS, gap: int = 0
) -> np.ndarray:
    """Return the windows, in order, of the contiguous stretch with the most signal.

    Args:
        layout: windows; those that overlap the one before are passed over.
        truths: observed values [windows, bins] of the targets shown, each weighed by its mean.
        bins: longest stretch.
        gap: longest gap between windows of a stretch, bp.

    Returns:
        Positions of windows.
    """
    signal = np.zeros(len(layout.windows))
    for truth in truths:
        mean = np.nanmean(truth) if (~np.isnan(truth)).any() else 0
        if mean > 0:
            signal += np.nansum(truth, axis=1) / mean
    runs = contiguous_stretches(layout, bins, gap)
    return np.array(max(runs, key=lambda run: signal[run].sum()))


def _bin_starts(layout: Layout, windows: np.ndarray) -> np.ndarray:
    steps = np.arange(layout.bins) * layout.bin_width
    return np.concatenate([layout.windows[i].start + steps for i in windows])


def _note(entry: dict, names: tuple[str, ...]) -> str:
    symbols = {"pearsonr": "r", "pearsonr_log2": "r(log2)", "spearmanr": "ρ"}
    symbols |= {"auroc": "AUROC", "auprc": "AUPRC"}
    parts = [
        f"{symbols[n]} = {entry[n]['value']:.2f}"
        for n in names
        if entry.get(n, {}).get("value") is not None
    ]
    return ", ".join(parts)


def read_curves(path: str | Path) -> list[dict]:
    """Read metrics.jsonl: one JSON object per epoch.

    Raises:
        InputFileError: missing, or a line that is no JSON object (with its number).
    """
    epochs = []
    for number, line in enumerate(existing(path, "training metrics").read_text().splitlines(), 1):
        if not line.strip():
            continue
        try:
            epoch = json.loads(line)
        except json.JSONDecodeError:
            epoch = None
        if not isinstance(epoch, dict):
            raise InputFileError(f"{path} line {number} is no JSON object: {line[:60]!r}")
        epochs.append(epoch)
    return epochs


def best_epoch(path: str | Path) -> int | None:
    """Return the best epoch by the state.json beside a metrics.jsonl; None without one."""
    state = Path(path).parent / "state.json"
    return read_json(state).get("best_epoch") if state.exists() else None
