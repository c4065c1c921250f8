"""All figures of a test: accuracy, and of counts the residuals by predicted value."""

from pathlib import Path

from tfepi.analysis.residuals import FEWEST_POSITIONS, residuals_of
from tfepi.evaluation.bootstrap import genome_blocks
from tfepi.evaluation.matching import curves_of
from tfepi.evaluation.testing import Outcome
from tfepi.report.accuracy_figures import draw_accuracy, targets_shown
from tfepi.report.residual_figures import draw_residuals
from tfepi.report.target_names import SHARES, largest, signal_name
from tfepi.spec import Head


def draw_test(outcome: Outcome, head: Head, out: str | Path, model: str | Path) -> list[Path]:
    """Write a test's figures to out/figures.

    Residuals are of the targets that the other figures show; a probability or a beta has none, nor
    has a target with too few observed positions. The law of the negative binomial is the one
    learned with the model, or else fitted to the residuals.

    Args:
        outcome: of the test.
        head: the output tested.
        out: folder of the test.
        model: whose training curves are drawn.

    Returns:
        Paths of the figures, SVG and PNG.
    """
    folder, predictions = Path(out) / "figures", outcome.predictions
    paths = draw_accuracy(predictions, outcome.metrics, folder, head.units, curves_of(model))
    if head.units in SHARES:
        return paths
    learned = {}
    if head.dispersion is not None:
        names = (t.identifier for t in head.targets)
        learned = dict(zip(names, head.dispersion, strict=True))
    found = []
    blocks = genome_blocks(predictions.layout.windows).index
    for number in targets_shown(outcome.metrics["across_positions"]["targets"], "pearsonr"):
        target = predictions.layout.targets[number]
        observed, predicted = predictions.column(number)
        if (observed == observed).sum() >= FEWEST_POSITIONS:  # NaN is unequal to itself
            dispersion = learned.get(target.identifier)
            residuals = residuals_of(
                target.identifier, observed, predicted, dispersion=dispersion, blocks=blocks
            )
            width = predictions.layout.bin_width
            scale = signal_name(target, head.units, width, largest(observed, predicted))
            found.append((target, residuals, scale))
    return paths + (draw_residuals(found, folder) if found else [])
