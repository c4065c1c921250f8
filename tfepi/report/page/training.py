"""Training: curves, the epoch that was kept, and whether it went well."""

from tfepi.report.accuracy_figures import best_epoch, read_curves
from tfepi.report.page.content import Check, Column, Note, Section, Table
from tfepi.report.page.folders import TRAIN, Folder, Runs
from tfepi.report.page.pictures import picture
from tfepi.report.training_figure import training_curves

METRICS = "metrics.jsonl"
_EPOCHS = (
    Column("epoch", "epoch", None),
    Column("loss", "loss"),
    Column("valid_loss", "validation loss"),
    Column("pearsonr", "Pearson r"),
    Column("valid_pearsonr", "validation Pearson r"),
    Column("valid_r2", "validation R²"),
    Column("learning_rate", "learning rate", 3),
    Column("seconds", "seconds", 3),
    Column("examples_per_second", "examples per second", 3),
)
_BEHIND = 0.2  # of Pearson r, by which validation may lie behind training


def training_section(runs: Runs) -> Section | None:
    """Return the section on the training runs; None without one."""
    folders = runs.of(TRAIN)
    if not folders:
        return None
    blocks, checks = [], []
    for number, folder in enumerate(folders):
        epochs = _epochs(folder)
        of = f" of {folder.name}" if len(folders) > 1 else ""
        best = best_epoch(folder.path / METRICS)
        checks += _checks(folder, epochs, best, of)
        if not epochs:
            blocks.append(Note(f"{folder.name} has not ended an epoch yet."))
            continue
        last = epochs[-1]
        text = (
            f"Training curves{of}: {len(epochs)} epochs; loss from {_shown(epochs[0], 'loss')} to "
            f"{_shown(last, 'loss')}, validation Pearson r from "
            f"{_shown(epochs[0], 'valid_pearsonr')} to {_shown(last, 'valid_pearsonr')}."
        )
        if best is not None:
            text += f" Kept: epoch {best}."
        blocks.append(picture(training_curves(epochs, best), f"curves_{number}", text))
        columns = [c for c in _EPOCHS if any(c.key in e for e in epochs)]
        blocks.append(Table(f"epochs_{number}", f"Epochs{of}.", columns, epochs))
    return Section("training", "Training", blocks, checks)


def _epochs(folder: Folder) -> list[dict]:
    path = folder.path / METRICS
    single = (int, float, str, type(None))
    lines = read_curves(path) if path.exists() else []
    return [{k: v for k, v in line.items() if isinstance(v, single)} for line in lines]


def _shown(epoch: dict, key: str) -> str:
    value = epoch.get(key)
    return f"{value:.4g}" if isinstance(value, int | float) else "unknown"


def _checks(folder: Folder, epochs: list[dict], best: int | None, of: str) -> list[Check]:
    checks = []
    if (folder.path / "bad_batch.json").exists():
        checks.append(
            Check(
                "Loss stayed a number" + of,
                "fail",
                "training stopped at a batch whose loss was no number (bad_batch.json)",
                "look at the examples it names, or use a lower learning rate",
            )
        )
    if best is None or not epochs:
        return checks
    train = folder.read("params.json").get("train", {}) if _has_params(folder) else {}
    most = train.get("train_epochs_max")
    if len(epochs) > 1 and best == len(epochs) - 1:
        full = isinstance(most, int) and len(epochs) >= most
        checks.append(
            Check(
                "Training went on long enough" + of,
                "warn",
                f"the best epoch, {best}, is the last of {len(epochs)}",
                "it was still improving: raise train_epochs_max"
                if full
                else "it was still improving: go on with --resume and more epochs",
            )
        )
    else:
        found = f"the best of {len(epochs)} epochs is {best}"
        checks.append(Check("Training went on long enough" + of, "pass", found))
    kept = epochs[best] if best < len(epochs) else epochs[-1]
    ours, theirs = kept.get("pearsonr"), kept.get("valid_pearsonr")
    if isinstance(ours, float) and isinstance(theirs, float):
        behind = ours - theirs
        found = f"Pearson r {ours:.3f} in training, {theirs:.3f} in validation"
        checks.append(
            Check("No gap between training and validation" + of, "pass", found)
            if behind <= _BEHIND
            else Check(
                "No gap between training and validation" + of,
                "warn",
                found,
                "the model has learned its examples: more data, dropout or weight decay",
            )
        )
    return checks


def _has_params(folder: Folder) -> bool:
    return (folder.path / "params.json").exists()
