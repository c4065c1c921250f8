"""The figures of a comparison of conditioned models."""

from pathlib import Path

from tfepi.conditioning.compare import mean_ratios
from tfepi.conditioning.plan import Plan
from tfepi.conditioning.runs import curves
from tfepi.report.conditioning_figures import (
    accuracy_by_mark,
    differences,
    training_curves_of_models,
    variant_effects,
)
from tfepi.report.figures import save_figure


def draw_conditioning(plan: Plan, found: dict, out: Path) -> list[Path]:
    """Draw training curves, accuracy, differences and, of variants, their effects.

    Args:
        plan: what was compared.
        found: what `conditioning.compare.compare` returned.
        out: folder of the experiment; figures go to out/figures.

    Returns:
        The files.
    """
    folder = out / "figures"
    folder.mkdir(exist_ok=True)
    scores = found["scores"]
    loss = {params.train.loss for params in plan.models.values()}
    label = "cross-entropy" if loss == {"bce"} else "loss"
    made = {
        "training_curves": training_curves_of_models(curves(plan, out), label),
        "auprc": accuracy_by_mark(scores["scores"]),
    }
    if any(row["set"] == "differing" and row["count"] for row in scores["scores"]):
        made["auprc_differing"] = accuracy_by_mark(scores["scores"], counted="differing")
    if scores["contrasts"]:
        made["contrasts"] = differences(scores["contrasts"])
    if "effects" in found:
        ratios = mean_ratios(found["gradients"])
        made["variant_effects"] = variant_effects(found["effects"]["scores"], ratios)
    return [path for name, figure in made.items() for path in save_figure(figure, folder / name)]
