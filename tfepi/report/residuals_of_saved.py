"""Residuals of predictions that a test saved: tables, figures, and which loss fits each target."""

from collections.abc import Iterator, Sequence
from pathlib import Path

from tfepi.analysis.loss_fit import LossFit
from tfepi.analysis.residuals import Residuals, residuals_of
from tfepi.evaluation.bootstrap import genome_blocks
from tfepi.evaluation.metrics import format_estimate
from tfepi.evaluation.predictions import SavedPredictions
from tfepi.report.residual_figures import draw_residuals
from tfrecords_tools.errors import unknown
from tfrecords_tools.progress import progress
from tfrecords_tools.targets import Target


def chosen_numbers(saved: SavedPredictions, names: Sequence[str]) -> list[int]:
    """Return positions of targets by identifier, all if none is named.

    Raises:
        ConfigError: an unknown one.
    """
    there = [target.identifier for target in saved.layout.targets]
    for name in names:
        if name not in there:
            raise unknown("target", name, there, f"of {saved.folder}")
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
    """Return a line per target: the loss, those not told apart, how much lower others score."""
    rows = [("target", "loss", "not told apart", "score less the best one's, with interval")]
    for name, fit in found.items():
        less = {
            law: {
                "value": -margin["value"],
                "interval": margin["interval"] and [-v for v in reversed(margin["interval"])],
            }
            for law, margin in fit.margins.items()
        }
        others = "; ".join(f"{law} {format_estimate(value)}" for law, value in less.items())
        rows.append((name, fit.loss, ", ".join(fit.alike) or "-", others))
    width = [max(len(row[i]) for row in rows) for i in range(3)]
    return "\n".join(
        "  ".join([*(c.ljust(w) for c, w in zip(row, width, strict=False)), row[3]]) for row in rows
    )
