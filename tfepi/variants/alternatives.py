"""Predictions for sequences that differ little from a reference.

An evaluator is asked in two steps: `references` takes the windows as they are and keeps what it
needs of them; `alternatives` takes sequences that each differ from one of them. The plain evaluator
predicts every sequence as a whole; `incremental.IncrementalEvaluator` computes what changes.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np

from tfepi.sequences import model_inputs
from tfepi.spec import ModelSpec, Predictor, shift_sequence
from tfepi.variants.head_targets import HeadTargets


@dataclass(frozen=True, eq=False)
class Stretch:
    """A stretch of a chromosome on which windows lie.

    Attributes:
        sequence: base indices uint8 [length].
        kept: what evaluators keep of it.
    """

    sequence: np.ndarray
    kept: dict = field(default_factory=dict)

    def moved(self, shift: int, rc: bool) -> "Stretch":
        """Return the stretch as windows that are shifted and reversed read it."""
        if not shift and not rc:
            return self
        if (shift, rc) not in self.kept:
            sequence = shift_sequence(self.sequence[None], shift, rc)[0]
            self.kept[shift, rc] = Stretch(np.ascontiguousarray(sequence))
        return self.kept[shift, rc]


@dataclass(frozen=True)
class Along:
    """Where references begin on a stretch that they are cut from.

    Attributes:
        stretch: what holds all of them.
        starts: int [references].
    """

    stretch: Stretch
    starts: np.ndarray

    def moved(self, shift: int, rc: bool, length: int) -> "Along":
        """Return the same for windows that are shifted and reversed.

        Args:
            shift: bp to the right.
            rc: reverse complement.
            length: of a window.
        """
        starts = len(self.stretch.sequence) - length - self.starts if rc else self.starts
        return Along(self.stretch.moved(shift, rc), starts)


@dataclass(frozen=True)
class References:
    """Windows as they are, and what an evaluator keeps of them.

    Attributes:
        inputs: of the model, by name, each [references, …]; "sequence" as uint8 base indices.
        predictions: float32 [references, bins, targets].
        kept: what the evaluator needs again.
    """

    inputs: Mapping[str, np.ndarray]
    predictions: np.ndarray
    kept: object = None


@dataclass(frozen=True)
class Alternatives:
    """Predictions for changed sequences in the bins that a change can reach.

    Elsewhere the predictions are the reference's.

    Attributes:
        of: the reference of each, int [changes].
        starts: first bin of each, int [changes]; all bins lie inside the prediction.
        values: float32 [changes, width, targets].
    """

    of: np.ndarray
    starts: np.ndarray
    values: np.ndarray

    @property
    def bins(self) -> np.ndarray:
        """The bins of the values, int [changes, width]."""
        return self.starts[:, None] + np.arange(self.values.shape[1])

    def rows(self, which: np.ndarray) -> "Alternatives":
        """Return some of them, by number."""
        return Alternatives(self.of[which], self.starts[which], self.values[which])

    def beside(self, references: References) -> np.ndarray:
        """Return the references' predictions in the same bins: [changes, width, targets]."""
        return references.predictions[self.of[:, None], self.bins]

    def whole(self, references: References) -> np.ndarray:
        """Return the predictions in all bins: float32 [changes, bins, targets]."""
        found = references.predictions[self.of]
        found[np.arange(len(found))[:, None], self.bins] = self.values
        return found


class Evaluator(Protocol):
    """What predicts references and their alternatives for some targets of a head.

    Attributes:
        spec: the model's contract.
        shared_step: references on a stretch that are multiples of this apart, bp, share
            activations; 0: none do.
        shared_windows: how many references on a stretch of two windows make that worth while.
        windows: how many references a call is best asked for.
        changes: how many changed sequences.
    """

    spec: ModelSpec
    shared_step: int
    shared_windows: int
    windows: int
    changes: int

    def references(
        self, inputs: Mapping[str, np.ndarray], along: Along | None = None
    ) -> References:
        """Predict windows as they are.

        Args:
            inputs: of the model, by name; "sequence" base indices uint8 [references, length].
            along: the stretch that all of them are cut from, whose activations they may share.
        """
        ...

    def alternatives(
        self,
        references: References,
        of: np.ndarray,
        sequences: np.ndarray,
        bins: np.ndarray | None = None,
    ) -> Alternatives:
        """Predict changed sequences; the other inputs are their references'.

        Args:
            references: as of `references`.
            of: number of each one's reference, int [changes].
            sequences: base indices uint8 [changes, length].
            bins: the bins of each that are wanted, int [changes, 2], half-open; others need not
                be right. None for all.
        """
        ...


class FullEvaluator:
    """Predicts every sequence as a whole.

    Args:
        predictor: the model.
        chosen: the head and the targets; their transforms stay.
        columns: places of the targets among the head's; None for those of `chosen`.
        batch_size: sequences per call of the model.
    """

    def __init__(
        self,
        predictor: Predictor,
        chosen: HeadTargets,
        columns: Sequence[int] | None = None,
        batch_size: int = 64,
    ):
        self.spec = predictor.spec
        self.shared_step = self.shared_windows = 0
        self.windows = self.changes = batch_size
        self._predictor = predictor
        self._chosen = HeadTargets(
            chosen.head,
            chosen.bins,
            chosen.targets,
            chosen.columns if columns is None else list(columns),
            None,
        )

    def references(
        self, inputs: Mapping[str, np.ndarray], along: Along | None = None
    ) -> References:
        """As `Evaluator.references`."""
        inputs = model_inputs(inputs, self.spec.inputs)
        return References(inputs, self._chosen.values(self._predictor.predict(inputs)))

    def alternatives(
        self,
        references: References,
        of: np.ndarray,
        sequences: np.ndarray,
        bins: np.ndarray | None = None,
    ) -> Alternatives:
        """As `Evaluator.alternatives`, with all bins."""
        inputs = {name: values[of] for name, values in references.inputs.items()}
        values = self._chosen.values(self._predictor.predict(inputs | {"sequence": sequences}))
        return Alternatives(of, np.zeros(len(of), np.int64), values)


class Around:
    """What evaluators around another have of it: its contract, and how much it is best asked for.

    Args:
        evaluator: the other.
    """

    def __init__(self, evaluator: Evaluator):
        self.spec = evaluator.spec
        self._evaluator = evaluator

    @property
    def shared_step(self) -> int:
        """How far apart references on a stretch share activations, bp; 0 where none do."""
        return self._evaluator.shared_step

    @property
    def shared_windows(self) -> int:
        """How many references on a stretch make it worth while that they share."""
        return self._evaluator.shared_windows

    @property
    def windows(self) -> int:
        """How many references a call is best asked for."""
        return self._evaluator.windows

    @property
    def changes(self) -> int:
        """How many changed sequences a call is best asked for."""
        return self._evaluator.changes
