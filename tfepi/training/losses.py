"""Losses that leave missing values out.

Each is the mean over an example's observed values, then over the batch, so that how examples
are put into batches does not matter. NaN in the truth is missing: both branches of the mask are
finite, so the gradient is too.
"""

import keras
from keras import ops

from tfrecords_tools.errors import unknown

EPSILON = 1e-7


def observed_mean(y_true, y_pred, value, fill_pred: float):
    """Return the mean of value(truth, prediction) over each example's observed entries.

    Args:
        y_true: [batch, …], NaN where missing.
        y_pred: same shape.
        value: function of two tensors without NaN.
        fill_pred: a prediction at which `value` of truth 0 is finite.

    Returns:
        [batch]; 0 for an example without any observed entry.
    """
    y_pred = ops.convert_to_tensor(y_pred)
    y_true = ops.cast(y_true, y_pred.dtype)
    seen = ops.logical_not(ops.isnan(y_true))
    truth = ops.where(seen, y_true, ops.zeros_like(y_true))
    prediction = ops.where(seen, y_pred, ops.full_like(y_pred, fill_pred))
    values = ops.where(seen, value(truth, prediction), ops.zeros_like(y_pred))
    axes = tuple(range(1, len(y_pred.shape)))
    count = ops.sum(ops.cast(seen, y_pred.dtype), axis=axes)
    return ops.sum(values, axis=axes) / ops.maximum(count, 1.0)


@keras.saving.register_keras_serializable(package="tfepi")
class Poisson(keras.losses.Loss):
    """Poisson negative log likelihood less its constant: ŷ − y·log(ŷ + 1e-7)."""

    def call(self, y_true, y_pred):
        """Return [batch]."""
        return observed_mean(y_true, y_pred, lambda y, p: p - y * ops.log(p + EPSILON), 1.0)


@keras.saving.register_keras_serializable(package="tfepi")
class MeanSquaredError(keras.losses.Loss):
    """Squared error (ŷ − y)²."""

    def call(self, y_true, y_pred):
        """Return [batch]."""
        return observed_mean(y_true, y_pred, lambda y, p: ops.square(p - y), 0.0)


@keras.saving.register_keras_serializable(package="tfepi")
class BinaryCrossentropy(keras.losses.Loss):
    """Cross-entropy of probabilities, which are kept within [1e-7, 1 − 1e-7]."""

    def call(self, y_true, y_pred):
        """Return [batch]."""

        def value(y, p):
            p = ops.clip(p, EPSILON, 1 - EPSILON)
            return -(y * ops.log(p) + (1 - y) * ops.log(1 - p))

        return observed_mean(y_true, y_pred, value, 0.5)


LOSSES = {"poisson": Poisson, "mse": MeanSquaredError, "bce": BinaryCrossentropy}


def make_loss(name: str) -> keras.losses.Loss:
    """Return a loss by its name in params.json, one of `tfepi.params.LOSSES`.

    Raises:
        ConfigError: unknown name.
    """
    if name not in LOSSES:
        raise unknown("loss", name, LOSSES)
    return LOSSES[name](name=name)
