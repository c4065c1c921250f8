"""Contribution scores: gradient × input of the expression predicted at a start site.

Expression is the sum of the predictions in the bins around the TSS, averaged over tracks by their
weights, over strands and over shifts. Its gradient on a window's one-hot code is taken in one
backward pass per strand and shift, and moved back to where the window was not shifted or turned;
the contribution of a base is the gradient at its own letter (Avsec et al. 2021, Nature Methods
18:1196, figure 2). N has no letter, so that its contribution is 0.

One-hot codes always sum to one: no change of a letter moves a sequence along the mean over the
four letters, but a network's gradient has such a part. `corrected` takes it off (Majdandzic et al.
2023, Genome Biology 24:109).
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from tfepi.analysis.attribution import at_own, corrected
from tfepi.analysis.attribution_gradient import scalar_of
from tfepi.analysis.tss_windows import TssWindow
from tfepi.spec import Head, shift_sequence
from tfrecords_tools.errors import ConfigError
from tfrecords_tools.genome import one_hot

_Gradient = Callable[[np.ndarray, np.ndarray, int], tuple[np.ndarray, np.ndarray]]


def gradient_function(model, head: str, count: int) -> _Gradient:
    """Return the function from sequences to expression and its gradient.

    Args:
        model: a Keras model from "sequence" to [batch, bins, targets], or to a dict of them by
            head; of any precision.
        head: which of these.
        count: bins that are summed.

    Returns:
        A function of base indices uint8 [batch, length], weights of the targets float32
        [batch, targets], and the first bin; to expression float32 [batch] and its gradient on the
        one-hot code, float32 [batch, length, 4].
    """
    out = model.output[head] if isinstance(model.output, dict) else model.output
    scalar = scalar_of(model, head, count, out.shape[-1], out.shape[1])

    def run(sequence, weights, first):
        return scalar.gradient({"sequence": one_hot(sequence)}, weights, first)

    return run


@dataclass(frozen=True)
class Averaged:
    """Expression and its gradient, averaged over strands and shifts.

    A shift of s moves the sequence s bp to the right, filling with N, and leaves the bins where
    they are; in the reverse complement bins are mirrored and strand pairs swapped, as
    `spec.AveragedPredictor` does.

    Attributes:
        gradient: of `gradient_function`.
        window: how windows lie.
        order: of the head's targets in the reverse complement; None where it is the same.
        rc: average with the reverse complement.
        shifts: bp to average over.
    """

    gradient: _Gradient
    window: TssWindow
    order: tuple[int, ...] | None = None
    rc: bool = False
    shifts: tuple[int, ...] = (0,)

    @classmethod
    def of(
        cls,
        model,
        head: Head,
        window: TssWindow,
        rc: bool = False,
        shifts: tuple[int, ...] = (0,),
    ) -> "Averaged":
        """Return the averaged gradient of a Keras model; arguments as the attributes."""
        found = gradient_function(model, head.name, window.count)
        return cls(found, window, head.strand_order, rc, shifts)

    @property
    def passes(self) -> int:
        """Backward passes per sequence."""
        return len(self.shifts) * (1 + self.rc)

    def __call__(self, sequences: np.ndarray, weights: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return expression float64 [batch] and its gradient, float32 [batch, length, 4].

        Args:
            sequences: base indices, uint8 [batch, length].
            weights: of the head's targets, float32 [batch, targets].
        """
        other = weights if self.order is None else weights[:, self.order]
        total, gradients = np.zeros(len(sequences)), 0
        for shift in self.shifts:
            for rc in (False, True) if self.rc else (False,):
                moved = shift_sequence(sequences, shift, rc)
                first = self.window.mirrored if rc else self.window.first
                value, gradient = self.gradient(moved, other if rc else weights, first)
                total += value
                back = gradient[:, ::-1, ::-1] if rc else gradient
                gradients = gradients + shift_sequence(back, -shift)
        return total / self.passes, gradients / np.float32(self.passes)


def log_gradient(value: np.ndarray, gradient: np.ndarray, pseudocount: float) -> np.ndarray:
    """Return the gradient of log2(expression + pseudocount).

    Args:
        value: expression, [batch].
        gradient: of it, [batch, length, 4].
        pseudocount: above 0 of expression that may be 0.

    Raises:
        ConfigError: an expression without logarithm.
    """
    if (value + pseudocount <= 0).any():
        raise ConfigError(
            f"the model predicts an expression of {value.min():.3g}, which has no logarithm with "
            f"a pseudocount of {pseudocount:g}: use a larger --pseudocount, or leave --log out"
        )
    slope = 1 / (np.log(2) * (value + pseudocount))
    return gradient * slope.astype(np.float32)[:, None, None]


def contributions(sequence: np.ndarray, gradient: np.ndarray, centred: bool = False) -> np.ndarray:
    """Return what each base contributes: gradient × input, float32 [length]; 0 at N.

    Args:
        sequence: base indices, uint8 [length].
        gradient: on its one-hot code, [length, 4].
        centred: take off the gradient's mean over the four letters first.
    """
    gradient = gradient[:, :, None]  # these formulas are of several outputs
    if centred:
        gradient = corrected(gradient)
    return at_own(gradient, one_hot(sequence))[:, 0]
