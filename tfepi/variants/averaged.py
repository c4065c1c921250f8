"""Predictions for references and their alternatives, averaged over strands and shifts."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from tfepi.sequences import model_inputs
from tfepi.spec import METHYLATION, ModelSpec, check_shifts, shift_sequence
from tfepi.variants.alternatives import Along, Alternatives, Evaluator, References
from tfepi.variants.head_targets import HeadTargets
from tfepi.variants.untransform import untransform
from tfrecords_tools.targets import Target


@dataclass(frozen=True)
class _Pass:
    """One of the predictions that are averaged.

    Attributes:
        evaluator: of the targets, or of their strand partners.
        shift: bp to the right.
        rc: of the reverse complement.
    """

    evaluator: Evaluator
    shift: int
    rc: bool

    def sequences(self, given: np.ndarray) -> np.ndarray:
        """Return sequences as this pass reads them."""
        moved = shift_sequence(given, self.shift, self.rc)
        if self.rc and self.evaluator.spec.kind == METHYLATION:  # the CpG's other C in the middle
            moved = shift_sequence(moved, 1)
        return moved

    def along(self, given: Along | None) -> Along | None:
        """Return the stretch as this pass reads it."""
        if given is None or self.evaluator.spec.kind == METHYLATION:
            return None
        return given.moved(self.shift, self.rc, self.evaluator.spec.seq_length)

    def moved(self, inputs: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        """Return the inputs of references as this pass reads them."""
        found = dict(inputs)
        found["sequence"] = self.sequences(inputs["sequence"])
        if self.rc and "tracks" in found:  # which, like the bins, stay where they are in a shift
            found["tracks"] = found["tracks"][:, ::-1]
        return found


@dataclass(frozen=True)
class AveragedEvaluator:
    """Averages predictions over strands and shifts, as `spec.AveragedPredictor` does.

    Attributes:
        spec: the model's contract.
        passes: what is averaged.
        targets: what the last axis holds.
        style: undo their transforms on the averages (`untransform.STYLES`), or None.
    """

    spec: ModelSpec
    passes: tuple[_Pass, ...]
    targets: tuple[Target, ...]
    style: str | None = None

    @property
    def shared_step(self) -> int:
        """How far apart references on a stretch share activations, bp; 0 where none do."""
        return min(p.evaluator.shared_step for p in self.passes)

    @property
    def shared_windows(self) -> int:
        """How many references on a stretch make it worth while that they share."""
        return max(p.evaluator.shared_windows for p in self.passes)

    @property
    def windows(self) -> int:
        """How many references a call is best asked for."""
        return min(p.evaluator.windows for p in self.passes)

    @property
    def changes(self) -> int:
        """How many changed sequences a call is best asked for."""
        return min(p.evaluator.changes for p in self.passes)

    def references(
        self, inputs: Mapping[str, np.ndarray], along: Along | None = None
    ) -> References:
        """As `Evaluator.references`."""
        inputs = model_inputs(inputs, self.spec.inputs)
        each = [p.evaluator.references(p.moved(inputs), p.along(along)) for p in self.passes]
        total = sum(
            r.predictions[:, ::-1] if p.rc else r.predictions
            for p, r in zip(self.passes, each, strict=True)
        )
        return References(inputs, self._finished(total), each)

    def alternatives(
        self,
        references: References,
        of: np.ndarray,
        sequences: np.ndarray,
        bins: np.ndarray | None = None,
    ) -> Alternatives:
        """As `Evaluator.alternatives`."""
        count = references.predictions.shape[1]
        found = []
        for p, kept in zip(self.passes, references.kept, strict=True):
            wanted = count - bins[:, ::-1] if p.rc and bins is not None else bins
            a = p.evaluator.alternatives(kept, of, p.sequences(sequences), wanted)
            width, predictions = a.values.shape[1], kept.predictions
            if p.rc:
                a = Alternatives(of, count - a.starts - width, a.values[:, ::-1])
                predictions = predictions[:, ::-1]
            found.append((a, predictions))
        if len(found) == 1:
            a = found[0][0]
            return Alternatives(of, a.starts, self._finished(a.values))
        low = np.min([a.starts for a, _ in found], axis=0)
        high = np.max([a.starts + a.values.shape[1] for a, _ in found], axis=0)
        width = int((high - low).max()) if len(low) else 0
        starts = np.minimum(low, count - width)
        rows = np.arange(len(of))[:, None]
        total = np.zeros((len(of), width, len(self.targets)), np.float32)
        for a, predictions in found:
            one = predictions[of[:, None], starts[:, None] + np.arange(width)]
            one[rows, a.bins - starts[:, None]] = a.values
            total += one
        return Alternatives(of, starts, self._finished(total))

    def _finished(self, total: np.ndarray) -> np.ndarray:
        mean = total / np.float32(len(self.passes)) if len(self.passes) > 1 else total
        mean = mean.astype(np.float32, copy=False)
        return untransform(mean, self.targets, self.style) if self.style else mean


def averaged(
    make: Callable[[Sequence[int] | None], Evaluator],
    spec: ModelSpec,
    chosen: HeadTargets,
    rc: bool = False,
    shifts: Sequence[int] = (0,),
) -> AveragedEvaluator:
    """Return the evaluator of averages over strands and shifts.

    Args:
        make: takes places of targets among the head's, or None for all, and returns an evaluator
            of them, as `lambda columns: FullEvaluator(predictor, chosen, columns)`.
        spec: the model's contract.
        chosen: the head and the targets, with the style that undoes their transforms.
        rc: average with the reverse complement, strand pairs swapped.
        shifts: bp to average over.

    Raises:
        ConfigError: as `check_shifts`.
    """
    check_shifts(spec, tuple(shifts))
    order = spec.head(chosen.head).strand_order
    forward = make(chosen.columns)
    partners = forward
    if rc and order is not None:
        columns = range(len(order)) if chosen.columns is None else chosen.columns
        partners = make([order[c] for c in columns])
    strands = (False, True) if rc else (False,)
    passes = tuple(_Pass(partners if r else forward, s, r) for s in shifts for r in strands)
    return AveragedEvaluator(spec, passes, chosen.targets, chosen.style)
