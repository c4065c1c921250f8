"""Residuals of predictions that a test saved: tables, figures, and which loss fits each target."""

from collections.abc import Iterator, Sequence
from pathlib import Path

from tfepi.analysis.loss_fit import UNDETERMINED, LossFit
from tfepi.analysis.residuals import Residuals, residuals_of
from tfepi.evaluation.bootstrap import genome_blocks
from tfepi.evaluation.metrics import format_estimate
from tfepi.evaluation.predictions import SavedPredictions
from tfepi.report.residual_figures import draw_residuals
from tfrecords_tools.errors import InputFileError, unknown
from tfrecords_tools.progress import progress
from tfrecords_tools.targets import Target


def open_test(folder: str | Path) -> SavedPredictions:
    """Return the predictions that a test saved.

    Raises:
        InputFileError: no such folder, one that holds no saved predictions, or a damaged file.
    """
    folder = Path(folder)
    if not folder.is_dir():
        what = "is a file" if folder.exists() else "does not exist"
        raise InputFileError(
            f"test folder {folder} {what}: name the folder of -o of tfepi_test.py --save"
        )
    return SavedPredictions(folder)


def chosen_numbers(saved: SavedPredictions, names: Sequence[str]) -> list[int]:
    """Return positions of targets by identifier, all if none is named.

    Raises:
        ConfigError: an unknown one.
    """
    there = [target.identifier for target in saved.layout.targets]
    for name in names:
        if name not in there:
            raise unknown("target", name, there, f"in -t, of test {saved.folder}")
    return [there.index(name) for name in names] or list(range(len(there)))


def draw_saved(
    saved: SavedPredictions,
    numbers: Sequence[int],
    out: str | Path,
    block_bp: int | None = None,
    seed: int = 44,
    quiet: bool = False,
) -> dict[str, LossFit]:
    """Write residuals.tsv, residuals.json and a figure of each target.

    Args:
        saved: predictions with observed values.
        numbers: positions of the targets.
        out: folder.
        block_bp: size of the blocks that intervals are made from; None: as `genome_blocks` chooses.
        seed: of the resampling.
        quiet: no progress bar.

    Returns:
        Identifier → which loss fits.

    Raises:
        ConfigError: a target with too few observed positions, or too few blocks.
    """
    layout = saved.layout
    blocks, found = genome_blocks(layout.windows, block_bp), {}

    def each() -> Iterator[tuple[Target, Residuals, str]]:
        for number in progress(numbers, unit="target", quiet=quiet):
            target = layout.targets[number]
            values = saved.column(number)
            residuals = residuals_of(target.identifier, *values, blocks=blocks.index, seed=seed)
            found[target.identifier] = residuals.fit
            yield target, residuals, f"value per {layout.bin_width} bp"

    draw_residuals(each(), out)
    return found


def loss_table(found: dict[str, LossFit]) -> str:
    """Return a line per target: the loss to take, those not told apart, how others score.

    Scores are mean log densities of held-out positions; each of the other laws is said to score
    so much more or less than the one of the loss to take.
    """
    rows = [("target", "loss", "not told apart", "how the other laws score, nats a position")]
    for name, fit in found.items():
        others = "; ".join(f"{law} {_beside(margin)}" for law, margin in fit.margins.items())
        rows.append((name, fit.loss, ", ".join(fit.alike) or "-", others))
    width = [max(len(row[i]) for row in rows) for i in range(3)]
    lines = [
        "  ".join([*(c.ljust(w) for c, w in zip(row, width, strict=False)), row[3]]) for row in rows
    ]
    simpler = [n for n, f in found.items() if any(m["value"] < 0 for m in f.margins.values())]
    if simpler:
        lines.append(
            f"{', '.join(simpler)}: the negative binomial scores more than Poisson, of which it is "
            "the wider case, but not surely so: Poisson is named"
        )
    if unsure := [name for name, fit in found.items() if fit.divisor is None]:
        lines.append(f"{', '.join(unsure)}: {UNDETERMINED}")
    return "\n".join(lines)


def _beside(margin: dict) -> str:
    """Return a law's score beside the best one's in words: "0.790 less [0.590, 0.980]"."""
    sign = -1 if margin["value"] < 0 else 1
    interval = margin["interval"] and sorted(sign * v for v in margin["interval"])
    text = format_estimate({"value": abs(margin["value"]), "interval": interval})
    value, bracket, rest = text.partition(" [")
    return f"{value} {'more' if sign < 0 else 'less'}{bracket}{rest}"
