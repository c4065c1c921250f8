"""What not to conclude, of the runs that are on the page."""

from tfepi.report.page.content import Note, Section
from tfepi.report.page.folders import BASELINE, DATA, OTHER, TEST, TRAIN, VARIANTS, Folder, Runs


def limits_section(runs: Runs) -> Section:
    """Return the section on what these runs do not show."""
    points = []
    if runs.of(TRAIN):
        points.append(
            "One training is one draw: another seed gives another model, whose single scores "
            "differ more than its accuracy does. Train several, and average, before relying on "
            "one number."
        )
    if runs.of(TEST):
        points += [
            "Accuracy across positions says that the model knows where on the genome signal is, "
            "not that it knows what a change of sequence does: variant effects are another test.",
            "It is of held-out stretches of the same genome and of the samples trained on; of "
            "other cell types, people or species it says nothing.",
            "Targets that are alike share most of their signal: a high value in each is not as "
            "many successes. The accuracy between targets at one place is usually much lower.",
        ]
    if runs.of(TEST) and not runs.of(BASELINE):
        points.append(
            "No baseline is on this page. Counts of 6-mers alone often reach much of a network's "
            "accuracy: tfepi_baseline.py DATA --compare TEST."
        )
    points += [point for folder in runs.of(VARIANTS) for point in _of_variants(folder)]
    if runs.of(VARIANTS):
        points += [
            "A score is a prediction of a model, not a measurement. Across people even the best "
            "models often get the direction of real effects wrong (Sasse et al. 2023; Huang et "
            "al. 2023).",
            "A large score does not make a variant causal of a trait: neighbours in linkage have "
            "scores too, and most effects on chromatin change nothing else.",
            "The share of the VCF that is smaller is not a p-value. Compare with a background of "
            "matched variants (tfepi_calibrate.py).",
            "Variants further from a gene or an element than the receptive field have no score "
            "there, whatever they do.",
        ]
    if any(f.command == "tfepi_conditioning" for f in runs.of(OTHER)):
        points.append(
            "A cell type that was held out is one draw as well: how well another is predicted "
            "depends on how near it is to those trained on."
        )
    if any(_has_missing(f) for f in runs.of(DATA)):
        points.append("Bins without a value were left out of loss and accuracy, not taken as 0.")
    if not points:
        points.append(
            "These folders hold no accuracy and no scores: nothing follows from them yet."
        )
    return Section("limits", "What not to conclude", [Note(points=points)])


def _of_variants(folder: Folder) -> list[str]:
    scoring = folder.manifest.get("scoring", {})
    points = []
    if not scoring.get("rc"):
        points.append(
            f"{folder.name} was scored on one strand: score again with --rc before reading small "
            "effects, which change most."
        )
    if folder.manifest.get("window", {}).get("bins") == 1:
        points.append(
            f"{folder.name} is of one bin around each variant: effects elsewhere, and changes of "
            "shape, are not seen."
        )
    return points


def _has_missing(folder: Folder) -> bool:
    return any(t.get("missing_share") for t in folder.manifest.get("tracks", ()))
