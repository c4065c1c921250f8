"""The files of a training run: checkpoints, the best model, metrics.jsonl, state.json.

Whatever writing is stopped after, a resumed run finds a checkpoint that state.json speaks of, and
the best model, or the checkpoint that it is a copy of.
"""

import json
import os
from collections.abc import Sequence
from pathlib import Path

import keras
import numpy as np

from tfepi.training import checkpoints
from tfepi.training.checkpoints import Checkpoint
from tfepi.training.loop import BatchStatistics
from tfepi.training.state import Kept, Settings, write_state
from tfrecords_tools.errors import TfepiError
from tfrecords_tools.files import atomic_path, existing, sha256, write_text

METRICS = "metrics.jsonl"


class RunFolder:
    """What the chief writes and reads of a run.

    Args:
        out: the folder.
        model: the whole model, compiled with its optimiser.
        statistics: of its batch normalisation.
        settings: of the run.
        key: what must be equal for it to be continued.
    """

    def __init__(
        self,
        out: Path,
        model: keras.Model,
        statistics: BatchStatistics,
        settings: Settings,
        key: dict,
    ):
        self.out, self._model, self._statistics = out, model, statistics
        self._settings, self._key = settings, key
        self._kept: list[Checkpoint] = []
        self._best_sha256: str | None = None

    def begin(
        self, kept: Kept | None, counts: Sequence[int]
    ) -> tuple[Checkpoint, list[list[np.ndarray]]]:
        """Begin metrics.jsonl, or load the newest checkpoint that is whole.

        Args:
            kept: what state.json says, or None.
            counts: of arrays that each head's metrics sum up.

        Returns:
            Where the run stands, and the sums of the heads' metrics within an epoch.

        Raises:
            UnfinishedError: no checkpoint is whole.
            InputFileError: metrics.jsonl is missing.
        """
        at, sums, path = Checkpoint(0, replicas=0), [], self.out / METRICS
        if kept is not None:
            at = checkpoints.newest_whole(self.out, kept.checkpoints)
            best_epoch = kept.checkpoints[-1].best_epoch
            checkpoints.restore_best(self.out, kept.best_sha256, best_epoch, kept.checkpoints)
            self._best_sha256 = kept.best_sha256
            self._kept = list(kept.checkpoints[: kept.checkpoints.index(at) + 1])
            self._model.load_weights(self.out / at.model)
            if at.step:
                sums = checkpoints.read_sums(self.out / at.arrays, counts)
        lines = existing(path).read_text().splitlines(keepends=True) if at.epoch else []
        write_text(path, "".join(lines[: at.epoch]))
        return at, sums

    def append(self, line: dict) -> None:
        """Add an epoch to metrics.jsonl."""
        with open(self.out / METRICS, "a") as handle:
            handle.write(json.dumps(line) + "\n")
            handle.flush()
            os.fsync(handle.fileno())

    def write(
        self,
        checkpoint: Checkpoint,
        sums: Sequence[Sequence[np.ndarray]] | None = None,
        better: bool = False,
    ) -> None:
        """Write a checkpoint, the state that speaks of it, the best model; remove old ones.

        Args:
            checkpoint: where the run stands; is told its files.
            sums: of the heads' metrics, within an epoch.
            better: whether it is the best model so far.

        Raises:
            TfepiError: a weight is no number.
        """
        checkpoint.files[checkpoint.model] = self._save(checkpoint.model)
        if sums is not None:
            path = self.out / checkpoint.arrays
            checkpoints.write_sums(path, sums)
            checkpoint.files[path.name] = sha256(path)
        if better:
            self._best_sha256 = checkpoint.files[checkpoint.model]
        self._kept = [*self._kept, checkpoint][-self._settings.keep :]
        write_state(self.out, self._kept, self._best_sha256, self._key)
        if better:
            checkpoints.copy_best(self.out, checkpoint)
        checkpoints.remove_others(self.out, self._kept)

    def _save(self, name: str) -> str:
        """Write the model; return its file's SHA-256."""
        for weight in self._model.weights:
            if not np.isfinite(keras.ops.convert_to_numpy(weight)).all():
                raise TfepiError(
                    f"weight {weight.path} is no number after a step: {self.out} keeps what was "
                    "before; use a lower learning rate or clip_norm"
                )
        # A file's layers are those of one device, which other back ends can read.
        self._statistics.synchronise(False)
        try:
            with atomic_path(self.out / name) as part:
                self._model.save(part)
        finally:
            self._statistics.synchronise(self._settings.sync_batch_norm)
        return sha256(self.out / name)
