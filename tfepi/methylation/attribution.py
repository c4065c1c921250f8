"""What each base around a CpG does to its predicted methylation.

Of a sequence's one-hot code x [positions, 4] and a prediction f(x):

- gradient × input: ∂f/∂x at the letter that is there;
- corrected: the same less the gradient's mean over the four letters of the position. One-hot codes
  always sum to one, so no change of a base moves x along that mean (Majdandzic et al. 2023, Genome
  Biology 24:109);
- mutagenesis: f less the mean of f over the three other letters of the position.

The gradient's first-order guess of a change to letter b is ∂f/∂x at b less that at the letter
there, and what mutagenesis compares it with is the change itself.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from scipy.stats import rankdata

from tfepi.analysis.attribution import at_own, corrected

_FEWEST = 3


def gradient_function(
    model, head: str, tasks: list[int], rc_step: int | None = None
) -> Callable[[np.ndarray], tuple[np.ndarray, np.ndarray]]:
    """Return the function from base indices to predictions and their gradients.

    Args:
        model: a Keras model from "sequence" to [batch, bins, tasks], or to a dict of them by head.
            Bins are summed.
        head: which of these.
        tasks: numbers of the tasks.
        rc_step: average with the other strand, whose sequence moves right by so many bp; None for
            the forward strand alone.

    Returns:
        A function from uint8 [batch, length] to float32 [batch, tasks] and float32
        [batch, length, 4, tasks].
    """
    from tfepi.startup import import_tensorflow

    tf = import_tensorflow()

    @tf.function(autograph=False, reduce_retracing=True)
    def call(sequence):
        x = tf.one_hot(sequence, 4, dtype=tf.float32)
        with tf.GradientTape(persistent=True) as tape:
            tape.watch(x)
            values = _predicted(model, x, head, tasks, tf)
            if rc_step is not None:
                other = tf.reverse(x, axis=[1, 2])
                if rc_step:
                    empty = tf.zeros_like(other[:, :rc_step])
                    other = tf.concat([empty, other[:, :-rc_step]], axis=1)
                values = (values + _predicted(model, other, head, tasks, tf)) / 2
            each = tf.unstack(values, num=len(tasks), axis=-1)
        return values, tf.stack([tape.gradient(value, x) for value in each], axis=-1)

    def run(sequence: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        values, gradient = call(sequence)
        return values.numpy(), gradient.numpy()

    return run


def _predicted(model, x, head: str, tasks: list[int], tf):
    out = model({"sequence": x}, training=False)
    out = out[head] if isinstance(out, dict) else out
    return tf.gather(tf.reduce_sum(tf.cast(out, tf.float32), axis=1), tasks, axis=-1)


def guessed(gradient: np.ndarray, own: np.ndarray) -> np.ndarray:
    """Return the change of the prediction to each letter that the gradient says: as `gradient`.

    Args:
        gradient: float [positions, 4, tasks].
        own: one-hot letters, [positions, 4].
    """
    return gradient - at_own(gradient, own)[:, None]


def cost(change: np.ndarray, own: np.ndarray) -> np.ndarray:
    """Return the prediction less its mean over the other letters: float [positions, tasks].

    Args:
        change: of the prediction to each letter, [positions, 4, tasks]; 0 at the own letter.
        own: one-hot letters, [positions, 4]; NaN is returned for N.
    """
    known = own.any(axis=1)
    return np.where(known[:, None], -change.sum(axis=1) / 3, np.nan)


@dataclass(frozen=True)
class Agreement:
    """How far two attributions of one CpG's prediction agree.

    Attributes:
        positions: compared: letters within the span, without N and the CpG itself.
        letters: Pearson correlation of corrected gradient × input with mutagenesis, a value per
            position.
        letters_rank: Spearman's of the same.
        changes: Pearson correlation of the changes the gradient says with those that are, three
            per position.
        same_sign: share of positions at which corrected gradient × input and mutagenesis have
            the same sign.
    """

    positions: int
    letters: float
    letters_rank: float
    changes: float
    same_sign: float


def agreement(gradient: np.ndarray, change: np.ndarray, own: np.ndarray, middle: int) -> Agreement:
    """Compare a gradient with mutagenesis of the same positions and task.

    A change of the CpG's C or G leaves no CpG in the middle, which the model never saw; they are
    left out.

    Args:
        gradient: float [positions, 4].
        change: of the prediction to each letter, float [positions, 4].
        own: one-hot letters, [positions, 4].
        middle: index of the CpG's C among the positions; may lie outside.
    """
    place = np.arange(len(own))
    kept = own.any(axis=1) & (place != middle) & (place != middle + 1)
    gradient, change, own = gradient[kept, :, None], change[kept, :, None], own[kept] > 0
    by_gradient = at_own(corrected(gradient), own)[:, 0]
    by_change = cost(change, own)[:, 0]
    says, does = guessed(gradient, own)[~own][:, 0], change[~own][:, 0]
    same = np.sign(by_gradient) == np.sign(by_change)
    return Agreement(
        int(kept.sum()),
        _correlation(by_gradient, by_change),
        _correlation(rankdata(by_gradient), rankdata(by_change)),
        _correlation(says, does),
        float(same.mean()) if len(same) else float("nan"),
    )


def _correlation(one: np.ndarray, other: np.ndarray) -> float:
    """Return Pearson's correlation; NaN of fewer than three values, or ones that do not vary."""
    if len(one) < _FEWEST or np.ptp(one) == 0 or np.ptp(other) == 0:
        return float("nan")
    return float(np.corrcoef(one.astype(float), other.astype(float))[0, 1])
