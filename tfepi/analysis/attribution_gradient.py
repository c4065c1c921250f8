"""The number that is attributed, and its gradient on the one-hot code, of any Keras model.

Of a window's one-hot code x [length, 4] a model predicts a value per bin and target; the number is
their sum over some bins, weighted by target. It is averaged over strands and shifts: the code is
moved, and its gradient moved back, so that both are of the window as it was given.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from tfepi.analysis.attribution_outputs import Bins, Output
from tfepi.spec import METHYLATION, ModelSpec, check_shifts, shift_sequence
from tfrecords_tools.errors import ConfigError


@dataclass(frozen=True)
class Scalar:
    """Sums of a model's predictions over bins, weighted by target.

    Attributes:
        value: function of inputs by name (the sequence as one-hot codes, float32
            [batch, length, 4]), weights of the head's values float32 [batch or 1, values], and the
            first bin; to float32 [batch].
        gradient: the same, to values and their gradients on the code, float32 [batch, length, 4].
    """

    value: Callable[[Mapping[str, np.ndarray], np.ndarray, int], np.ndarray]
    gradient: Callable[[Mapping[str, np.ndarray], np.ndarray, int], tuple[np.ndarray, np.ndarray]]


def scalar_of(model, head: str, count: int, values: int, total: int) -> Scalar:
    """Return the sums of a Keras model's predictions.

    Args:
        model: takes a dict of inputs by name; returns [batch, bins, values], or a dict of them by
            head; of any precision.
        head: which of these.
        count: bins that are summed.
        values: that the head has, by the model's contract.
        total: bins that it has, likewise.

    Raises:
        ConfigError: it has others.
    """
    from tfepi.startup import import_tensorflow

    tf = import_tensorflow()
    out = model.output[head] if isinstance(model.output, dict) else model.output
    if (found := tuple(out.shape[1:])) != (total, values):
        raise ConfigError(
            f"the model gives {found[0]} bins of {found[-1]} values, its contract says {total} of "
            f"{values}: export it again, or give the params.json it was trained with"
        )
    signature = [
        {t.name: tf.TensorSpec([None, *t.shape[1:]], tf.float32) for t in model.inputs},
        tf.TensorSpec([None, values], tf.float32),
        tf.TensorSpec([], tf.int32),
    ]

    def value_of(inputs, weights, first):
        out = model(inputs, training=False)
        out = out[head] if isinstance(out, dict) else out
        summed = tf.reduce_sum(tf.cast(out[:, first : first + count], tf.float32), axis=1)
        return tf.reduce_sum(summed * weights, axis=-1)

    def gradient_of(inputs, weights, first):
        with tf.GradientTape(watch_accessed_variables=False) as tape:
            tape.watch(inputs["sequence"])
            value = value_of(inputs, weights, first)
        # Sequences of a batch do not see each other: the gradient of the sum is each one's own.
        zero = tf.UnconnectedGradients.ZERO
        return value, tape.gradient(value, inputs["sequence"], unconnected_gradients=zero)

    ask, ask_both = (
        tf.function(f, autograph=False, input_signature=signature) for f in (value_of, gradient_of)
    )

    def run(inputs, weights, first):
        return ask(dict(inputs), weights, np.int32(first)).numpy()

    def run_both(inputs, weights, first):
        value, gradient = ask_both(dict(inputs), weights, np.int32(first))
        return value.numpy(), gradient.numpy()

    return Scalar(run, run_both)


@dataclass(frozen=True)
class AveragedScalar:
    """A scalar averaged over strands and shifts, and its logarithm.

    Sequences, bins and strand pairs are moved as `spec.AveragedPredictor` does.

    Attributes:
        scalar: of the model.
        bins: that are summed.
        rc: average with the reverse complement.
        shifts: bp to average over.
        step: bp by which the reverse complement is moved to the right, 1 of methylation.
        mean: divide by the number of bins.
        log: take log(1 + number), after averaging.
    """

    scalar: Scalar
    bins: Bins
    rc: bool = False
    shifts: tuple[int, ...] = (0,)
    step: int = 0
    mean: bool = False
    log: bool = False

    @classmethod
    def of(
        cls,
        model,
        spec: ModelSpec,
        head: str,
        bins: Bins,
        rc: bool = False,
        shifts: Sequence[int] = (0,),
        mean: bool = False,
        log: bool = False,
        values: int | None = None,
    ) -> "AveragedScalar":
        """Return the averages of a Keras model; arguments as the attributes.

        Args:
            values: of the head; None for one per target.

        Raises:
            ConfigError: shifts that do not suit the model, or other outputs than its contract says.
        """
        check_shifts(spec, tuple(shifts))
        values = len(spec.head(head).targets) if values is None else values
        scalar = scalar_of(model, head, bins.count, values, bins.total)
        step = int(spec.kind == METHYLATION)
        return cls(scalar, bins, rc, tuple(shifts), step, mean, log)

    @property
    def passes(self) -> int:
        """Passes of the model per code."""
        return len(self.shifts) * (1 + self.rc)

    def value(
        self, codes: np.ndarray, output: Output, further: Mapping[str, np.ndarray] | None = None
    ) -> np.ndarray:
        """Return the number of each code, float64 [batch].

        Args:
            codes: float32 [batch, length, 4].
            output: weights of the head's values.
            further: the model's other inputs, [batch, …], which stay as they are.

        Raises:
            ConfigError: a number without logarithm, where that is asked for.
        """
        total = sum(
            self.scalar.value(*moved).astype(np.float64)
            for moved, _, _ in self._moved(codes, output, further)
        )
        return self._finished(total)[0]

    def gradient(
        self, codes: np.ndarray, output: Output, further: Mapping[str, np.ndarray] | None = None
    ) -> tuple[np.ndarray, np.ndarray]:
        """Return the number of each code and its gradient, float32 [batch, length, 4].

        Args and errors as of `value`.
        """
        total, gradients = np.zeros(len(codes)), 0
        for moved, shift, rc in self._moved(codes, output, further):
            value, gradient = self.scalar.gradient(*moved)
            total += value
            if rc:
                gradient = shift_sequence(gradient, -self.step)[:, ::-1, ::-1]
            gradients = gradients + shift_sequence(gradient, -shift)
        value, slope = self._finished(total)
        return value, gradients * (slope / self.passes).astype(np.float32)[:, None, None]

    def _moved(self, codes, output, further):
        """Yield the arguments of each pass, its shift, and whether it is reverse-complemented."""
        further = further or {}
        for shift in self.shifts:
            for rc in (False, True) if self.rc else (False,):
                inputs = dict(further)
                inputs["sequence"] = shift_sequence(codes, shift, rc)
                if rc:
                    inputs["sequence"] = shift_sequence(inputs["sequence"], self.step)
                    if "tracks" in inputs:  # which, like the bins, stay where they are in a shift
                        inputs["tracks"] = inputs["tracks"][:, ::-1]
                weights = output.partners if rc else output.weights
                first = self.bins.mirrored if rc else self.bins.first
                yield (inputs, weights[None], first), shift, rc

    def _finished(self, total: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return the numbers of sums over all passes, and their slope on what was averaged."""
        scale = 1 / self.bins.count if self.mean else 1.0
        value = total * scale / self.passes
        if not self.log:
            return value, np.full(len(value), scale)
        if (value <= -1).any():
            raise ConfigError(
                f"the model predicts {value.min():.3g}, and 1 more has no logarithm: leave --log1p "
                "out"
            )
        return np.log1p(value), scale / (1 + value)
