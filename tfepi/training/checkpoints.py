"""Checkpoints of a training run: whole or absent, a few kept, verified before they are used."""

import logging
import shutil
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path

import numpy as np

from tfrecords_tools.errors import UnfinishedError, why_unread
from tfrecords_tools.files import atomic_path, sha256

BEST = "model_best.keras"
PREFIX = "model_check-"
log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Checkpoint:
    """What a run can go on from.

    Attributes:
        epoch: whole epochs that are done.
        step: steps done of the next.
        best: highest validation score so far.
        best_epoch: of which model_best.keras is, −1 before the first.
        unimproved: epochs since.
        losses: sums of the losses of these steps, of each head.
        replicas: that computed a batch.
        files: name → SHA-256 of each of its files; None was not noted (version 1).
    """

    epoch: int
    step: int = 0
    best: float | None = None
    best_epoch: int = -1
    unimproved: int = 0
    losses: tuple[float, ...] = ()
    replicas: int = 1
    files: dict[str, str | None] = field(default_factory=dict)

    @property
    def name(self) -> str:
        """The stem of its files."""
        return f"{PREFIX}{self.epoch}" + (f"-{self.step}" if self.step else "")

    @property
    def model(self) -> str:
        """Name of the file with model and optimiser."""
        return f"{self.name}.keras"

    @property
    def arrays(self) -> str:
        """Name of the file with the sums of the metrics, of a checkpoint within an epoch."""
        return f"{self.name}.npz"

    def __str__(self) -> str:
        return f"epoch {self.epoch}" + (f", step {self.step}" if self.step else "")

    def to_json(self) -> dict:
        """Return what state.json says of it."""
        return asdict(self)

    @classmethod
    def of(cls, value: dict) -> "Checkpoint":
        """Return the checkpoint of an entry of state.json."""
        return cls(**{**value, "losses": tuple(value["losses"])})


def is_whole(folder: Path, checkpoint: Checkpoint) -> bool:
    """Tell whether the files of a checkpoint are those that were written."""
    return all(_is_same(folder / name, known) for name, known in checkpoint.files.items())


def _is_same(path: Path, known: str | None) -> bool:
    return path.is_file() and (known is None or sha256(path) == known)


def newest_whole(folder: Path, checkpoints: Sequence[Checkpoint]) -> Checkpoint:
    """Return the newest checkpoint whose files are whole, and say which newer ones are not.

    Args:
        folder: of the run.
        checkpoints: that were kept, the newest last.

    Raises:
        UnfinishedError: none is whole.
    """
    if not checkpoints:
        raise UnfinishedError(f"{folder}/state.json names no checkpoint: train with --overwrite")
    for checkpoint in reversed(checkpoints):
        if is_whole(folder, checkpoint):
            return checkpoint
        log.warning(
            "the checkpoint of %s in %s is damaged or missing: falls back to the one before",
            checkpoint,
            folder,
        )
    raise UnfinishedError(
        f"no checkpoint in {folder} is whole: put {checkpoints[-1].model} back, or train anew with "
        "--overwrite"
    )


def restore_best(
    folder: Path, known: str | None, best_epoch: int, checkpoints: Sequence[Checkpoint]
) -> None:
    """Put the best model back where it is damaged, from the checkpoint of its epoch.

    Raises:
        UnfinishedError: it is damaged, and no whole checkpoint is of that epoch.
    """
    if best_epoch < 0 or _is_same(folder / BEST, known):
        return
    for checkpoint in checkpoints:
        of_best = checkpoint.epoch == best_epoch + 1 and not checkpoint.step
        if of_best and is_whole(folder, checkpoint):
            log.warning("%s is not whole: taken from %s", folder / BEST, checkpoint.model)
            copy_best(folder, checkpoint)
            return
    raise UnfinishedError(
        f"{folder / BEST}, of epoch {best_epoch}, is damaged or missing, and no checkpoint of that "
        "epoch is kept: put it back, or train anew with --overwrite"
    )


def copy_best(folder: Path, checkpoint: Checkpoint) -> None:
    """Make a checkpoint the best model."""
    with atomic_path(folder / BEST) as part:
        shutil.copyfile(folder / checkpoint.model, part)


def remove_others(folder: Path, checkpoints: Sequence[Checkpoint]) -> None:
    """Remove the files of checkpoints that are not among those to keep."""
    kept = {name for checkpoint in checkpoints for name in checkpoint.files}
    for path in folder.glob(f"{PREFIX}*"):
        if path.name not in kept:
            path.unlink()


def write_sums(path: Path, sums: Sequence[Sequence[np.ndarray]]) -> None:
    """Write the sums of each head's metrics."""
    arrays = {f"{h}-{i}": a for h, of_head in enumerate(sums) for i, a in enumerate(of_head)}
    with atomic_path(path) as part, open(part, "wb") as handle:
        np.savez(handle, **arrays)


def read_sums(path: Path, counts: Sequence[int]) -> list[list[np.ndarray]]:
    """Return what `write_sums` wrote.

    Args:
        path: the file.
        counts: of arrays, of each head.

    Raises:
        UnfinishedError: the file holds others.
    """
    try:
        with np.load(path, allow_pickle=False) as found:
            return [[found[f"{h}-{i}"] for i in range(n)] for h, n in enumerate(counts)]
    except (OSError, ValueError, KeyError) as error:
        raise UnfinishedError(f"{path} is damaged: {why_unread(error)}") from None
