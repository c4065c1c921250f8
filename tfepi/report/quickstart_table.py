"""The quickstart's last word: accuracy per target, and predicted against true variant effects."""

import csv
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import h5py
import numpy as np
from matplotlib.figure import Figure

from tfepi.evaluation.bootstrap import estimate, multiplicities
from tfepi.evaluation.metrics import format_estimate
from tfepi.report.figures import FIRST, GREY, save_figure, short, some, styled
from tfrecords_tools import command
from tfrecords_tools.errors import InputFileError
from tfrecords_tools.files import existing, read_json

STATISTIC = "SAD"
RESAMPLES = 1000
_SEED = 44


@dataclass(frozen=True)
class Effects:
    """Predicted and true effects of the same variants, by target.

    Attributes:
        targets: identifiers.
        predicted: ALT − REF over the bins, float64 [variants, targets].
        true: what the simulated law gives, float64 [variants, targets].
    """

    targets: tuple[str, ...]
    predicted: np.ndarray
    true: np.ndarray


def read_effects(scores: str | Path, truth: str | Path) -> Effects:
    """Read predicted effects from scores.h5 and true ones from effects.tsv, matched by id.

    Raises:
        InputFileError: a file is missing or no such file, lacks a target, or a variant.
    """
    with open(existing(truth, "table of effects")) as handle:
        rows = {r["id"]: r for r in csv.DictReader(handle, delimiter="\t")}
    try:
        with h5py.File(existing(scores, "scores file"), "r") as file:
            ids = file["snp"].asstr()[:]
            targets = tuple(file["target_ids"].asstr()[:])
            predicted = file[STATISTIC][:].astype(np.float64)
    except (OSError, KeyError) as error:
        raise InputFileError(f"{scores} is no scores file with {STATISTIC}: {error}") from None
    unknown = [i for i in ids if i not in rows]
    if unknown:
        raise InputFileError(
            f"{scores} has the variant {unknown[0]!r}, which {truth} lacks: "
            "score the VCF that was simulated with it"
        )
    columns = [f"diff_{t}" for t in targets]
    for column in columns:
        if not rows or column not in next(iter(rows.values())):
            raise InputFileError(f"{truth} has no column {column!r}, which {scores} has scores of")
    true = np.array([[float(rows[i][c]) for c in columns] for i in ids]).reshape(predicted.shape)
    return Effects(targets, predicted, true)


def correlation(predicted: np.ndarray, true: np.ndarray) -> dict:
    """Return the Pearson correlation with its 95% interval from a bootstrap over variants.

    Args:
        predicted: float [variants].
        true: float [variants].

    Returns:
        `{"value", "interval"}`, null where undefined.
    """
    drawn = multiplicities(len(true), RESAMPLES, _SEED) if len(true) else np.zeros((0, 0), int)
    value = _pearson(predicted, true, np.ones((1, len(true))))[0]
    return estimate(value, _pearson(predicted, true, drawn))


def _pearson(x: np.ndarray, y: np.ndarray, weight: np.ndarray) -> np.ndarray:
    """Return the correlation under each row of weights: [rows]."""
    if len(x) < 2:
        return np.full(len(weight), np.nan)
    x, y = x - x.mean(), y - y.mean()
    n = weight.sum(axis=1)
    mx, my = weight @ x / n, weight @ y / n
    with np.errstate(invalid="ignore", divide="ignore"):
        spread = np.sqrt((weight @ x**2 / n - mx**2) * (weight @ y**2 / n - my**2))
        return np.where(spread > 0, (weight @ (x * y) / n - mx * my) / spread, np.nan)


def table(metrics: dict, effects: Effects) -> str:
    """Return the closing table.

    Args:
        metrics: the value of metrics.json.
        effects: of the scored variants.
    """
    tested = {e["identifier"]: e for e in metrics["across_positions"]["targets"]}
    head = ("target", "test Pearson R", "predicted vs true effect, R")
    rows = [head]
    for position, target in enumerate(effects.targets):
        found = correlation(effects.predicted[:, position], effects.true[:, position])
        accuracy = tested.get(target, {}).get("pearsonr")
        rows.append((target, format_estimate(accuracy), format_estimate(found)))
    widths = [max(len(r[i]) for r in rows) for i in range(3)]
    lines = ["  ".join(c.ljust(w) for c, w in zip(r, widths, strict=True)).rstrip() for r in rows]
    level = f"{metrics['bootstrap']['level']:.0%}"
    lines.append(
        f"{level} intervals: blocks of the genome ({metrics['windows']:,} windows of "
        f"{metrics['label']}), and variants ({len(effects.true):,})"
    )
    return "\n".join(lines)


def effects_figure(effects: Effects) -> Figure:
    """Draw predicted against true effects, one panel per target.

    Raises:
        ConfigError: no targets.
    """
    some(effects.targets, "targets")
    columns = min(3, len(effects.targets))
    rows = -(-len(effects.targets) // columns)
    with styled():
        figure = Figure(figsize=(2.9 * columns, 2.9 * rows), layout="constrained")
        axes = figure.subplots(rows, columns, squeeze=False).ravel()
        for axis, target, true, predicted in zip(
            axes, effects.targets, effects.true.T, effects.predicted.T, strict=False
        ):
            axis.axline((0, 0), slope=1, color=GREY, linewidth=0.6, linestyle=":")
            axis.plot(true, predicted, "o", color=FIRST, markersize=3, alpha=0.6, mew=0)
            axis.set_title(short(target))
            axis.set_xlabel("true ALT − REF (coverage of the bin)")
            axis.set_ylabel(f"predicted ({STATISTIC})")
        for axis in axes[len(effects.targets) :]:
            axis.set_axis_off()
    return figure


def report(folder: str | Path) -> str:
    """Draw the quickstart's effects and return its table and the paths of all figures.

    Args:
        folder: what scripts/quickstart.sh wrote: genome/, test/, variants/.

    Raises:
        InputFileError: a file of these is missing or damaged.
    """
    folder = Path(folder)
    effects = read_effects(folder / "variants" / "scores.h5", folder / "genome" / "effects.tsv")
    metrics = read_json(folder / "test" / "metrics.json")
    save_figure(effects_figure(effects), folder / "variants" / "effects")
    figures = sorted(p for p in folder.rglob("*.svg") if not p.name.startswith("."))
    return table(metrics, effects) + "\n\nfigures (also as PNG):\n" + "\n".join(map(str, figures))


def main(argv: Sequence[str] | None = None) -> int:
    """Write the report of the folder named by the only argument; return the exit status."""
    arguments = list(sys.argv[1:] if argv is None else argv)
    if len(arguments) != 1:
        sys.stderr.write("usage: python -m tfepi.report.quickstart_table FOLDER\n")
        return command.BAD_INPUT
    return command.run(lambda: sys.stdout.write(report(arguments[0]) + "\n"))


if __name__ == "__main__":
    raise SystemExit(main())
