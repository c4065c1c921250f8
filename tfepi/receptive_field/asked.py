"""What is asked for predictions: a Predictor, or any function of one-hot codes."""

import copy
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import numpy as np

from tfepi.spec import Predictor
from tfrecords_tools.errors import ConfigError, unknown
from tfrecords_tools.genome import one_hot

RANDOM, ZERO = FILLS = ("random", "zero")


@dataclass(frozen=True)
class Asked:
    """A model as a function, and its inputs.

    Attributes:
        predict: from inputs by name, the sequence as base indices uint8 [batch, length], to
            [batch, bins, values].
        length: of the sequence, bp.
        others: shapes of the inputs besides the sequence, by name, without the batch.
        fill: what those hold: "random", drawn from 0 … 1 once a repeat, or "zero".
        target: place of the only value that counts; None for all.
    """

    predict: Callable[[dict[str, np.ndarray]], np.ndarray]
    length: int
    others: Mapping[str, tuple[int, ...]] = field(default_factory=dict)
    fill: str = RANDOM
    target: int | None = None

    def __post_init__(self):
        if self.fill not in FILLS:
            raise unknown("fill", self.fill, FILLS, "of the inputs besides the sequence")
        if self.length < 2:
            raise ConfigError(f"the sequence has {self.length} bp: want at least 2")

    @classmethod
    def of(cls, source: object, length: int | None = None, head: str | None = None) -> "Asked":
        """Return what is asked, of whatever there is.

        Args:
            source: a `Predictor`; an `Asked`, as it is; or a function from one-hot codes float32
                [batch, length, 4] to predictions [batch, bins, values].
            length: bp, of a function.
            head: of a Predictor, where it has several.

        Raises:
            ConfigError: a function without a length, or something else.
        """
        if isinstance(source, cls):
            return source
        if hasattr(source, "predict") and hasattr(source, "spec"):
            return _of_predictor(source, head)
        if not callable(source):
            raise ConfigError(
                f"a {type(source).__name__} cannot be asked: give a Predictor or a function from "
                "one-hot codes [batch, length, 4] to predictions [batch, bins, values]"
            )
        if length is None:
            raise ConfigError("a function says nothing of its sequence: give its length, bp")
        return cls(lambda inputs: source(one_hot(inputs["sequence"])), length)

    def drawn(self, rng: np.random.Generator) -> dict[str, np.ndarray]:
        """Return a random sequence uint8 [length], and the other inputs, without a batch."""
        found = {"sequence": rng.integers(0, 4, self.length, dtype=np.uint8)}
        for name, shape in self.others.items():
            if self.fill == RANDOM:
                found[name] = rng.random(shape, dtype=np.float32)
            else:
                found[name] = np.zeros(shape, np.float32)
        return found

    def ask(self, inputs: Mapping[str, np.ndarray], sequences: np.ndarray) -> np.ndarray:
        """Return predictions [batch, bins, values] of sequences.

        Args:
            inputs: as `drawn`; the others are repeated.
            sequences: uint8 [batch, length].

        Raises:
            ConfigError: predictions of another shape, or that are no finite numbers.
        """
        batch = {
            name: np.repeat(value[None], len(sequences), 0)
            for name, value in inputs.items()
            if name != "sequence"
        }
        found = np.asarray(self.predict({"sequence": sequences, **batch}))
        if found.ndim != 3 or len(found) != len(sequences):
            raise ConfigError(
                f"the model predicts an array of shape {found.shape} of {len(sequences)} "
                "sequences: want [batch, bins, values]"
            )
        if not np.isfinite(found).all():
            raise ConfigError(
                "the model predicts numbers that are not finite of a random sequence: its weights "
                "are damaged, or too large"
            )
        if self.target is None:
            return found
        if not 0 <= self.target < found.shape[2]:
            raise ConfigError(
                f"target {self.target} is none of the model's {found.shape[2]}, counted from 0"
            )
        return found[:, :, self.target : self.target + 1]


def _of_predictor(predictor: Predictor, head: str | None) -> Asked:
    name = predictor.spec.head(head).name
    inputs = dict(predictor.spec.inputs)
    length = inputs.pop("sequence")[0]
    own = copy.copy(predictor)

    def predict(given: dict[str, np.ndarray]) -> np.ndarray:
        if hasattr(own, "batch_size"):
            own.batch_size = len(given["sequence"])  # all are of one size: nothing to fill up
        return own.predict(given)[name]

    return Asked(predict, length, inputs)
