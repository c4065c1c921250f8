"""What streaming metrics are made of: sums that batches add to, missing values left out.

Every one is additive, so that replicas may each add their rows. They are kept in float32; sums of
squares are about an origin near the targets' means, which keeps the cancellation of large counts
small. Reported accuracy is computed in float64 by `tfepi.evaluation`.
"""

from collections.abc import Sequence

import keras
from keras import ops


class PerTarget(keras.metrics.Metric):
    """The mean over targets of what a subclass's `per_target` returns.

    Args:
        targets: number of targets.
        name: of the metric.

    Attributes:
        each_target: whether `per_target` has a value for each target of the data.
    """

    each_target = True

    def __init__(self, targets: int, name: str, **kwargs):
        super().__init__(name=name, **kwargs)
        self.targets = targets

    def observed(self, y_true, y_pred):
        """Return which entries are observed (1 or 0), truth (0 if not) and prediction: [n, t]."""
        y = ops.reshape(ops.cast(y_true, "float32"), (-1, self.targets))
        p = ops.reshape(ops.cast(y_pred, "float32"), (-1, self.targets))
        seen = ops.logical_not(ops.isnan(y))
        return ops.cast(seen, "float32"), ops.where(seen, y, ops.zeros_like(y)), p

    def result(self):
        """Return the mean over targets whose value is defined."""
        values = self.per_target()
        known = ops.logical_not(ops.isnan(values))
        total = ops.sum(ops.where(known, values, ops.zeros_like(values)))
        return total / ops.maximum(ops.sum(ops.cast(known, "float32")), 1.0)

    def get_config(self):
        """Return the arguments."""
        return {**super().get_config(), "targets": self.targets}


class Moments(PerTarget):
    """Sums over batch and bins of truth, prediction, their squares and product: [targets].

    Args:
        targets: number of targets.
        name: of the metric.
        origin: what is subtracted from truth and prediction first, of each target; None: 0.
    """

    def __init__(self, targets: int, name: str, origin: Sequence[float] | None = None, **kwargs):
        super().__init__(targets, name, **kwargs)
        self.origin = tuple(float(value) for value in origin or [0.0] * targets)
        for label in ("count", "y", "yy", "p", "pp", "yp"):
            weight = self.add_weight(shape=(targets,), initializer="zeros", name=label)
            setattr(self, f"_{label}", weight)

    def update_state(self, y_true, y_pred, sample_weight=None):
        """Add a batch [batch, bins, targets]."""
        weight, y, p = self.observed(y_true, y_pred)
        count = ops.sum(weight, axis=0)
        origin = ops.convert_to_tensor(self.origin, "float32")
        y = (y - origin) * weight
        p = (p - origin) * weight
        self._count.assign_add(count)
        for total, value in (
            (self._y, y),
            (self._yy, y * y),
            (self._p, p),
            (self._pp, p * p),
            (self._yp, y * p),
        ):
            total.assign_add(ops.sum(value, axis=0))

    def centred(self):
        """Return the sums of squared deviations of truth and prediction, and of their product."""
        n = ops.maximum(self._count, 1.0)
        yy = ops.maximum(self._yy - self._y * self._y / n, 0.0)
        pp = ops.maximum(self._pp - self._p * self._p / n, 0.0)
        return yy, pp, self._yp - self._y * self._p / n

    def get_config(self):
        """Return the arguments."""
        return {**super().get_config(), "origin": list(self.origin)}
