"""Streaming metrics for monitoring, per target, missing values left out.

Sums are kept in float32 about each target's first batch mean, which keeps the cancellation of
large counts small; reported accuracy is computed in float64 by `tfepi.evaluation`.
"""

import keras
from keras import ops


class _Moments(keras.metrics.Metric):
    """Sums over batch and bins of truth, prediction, their squares and product: [targets].

    A subclass has `per_target`, the metric of each target from these sums.
    """

    def __init__(self, targets: int, name: str, **kwargs):
        super().__init__(name=name, **kwargs)
        self.targets = targets
        for label in ("count", "origin", "y", "yy", "p", "pp", "yp", "started"):
            shape = () if label == "started" else (targets,)
            setattr(
                self, f"_{label}", self.add_weight(shape=shape, initializer="zeros", name=label)
            )

    def update_state(self, y_true, y_pred, sample_weight=None):
        """Add a batch [batch, bins, targets]."""
        y = ops.reshape(ops.cast(y_true, "float32"), (-1, self.targets))
        p = ops.reshape(ops.cast(y_pred, "float32"), (-1, self.targets))
        seen = ops.logical_not(ops.isnan(y))
        weight = ops.cast(seen, "float32")
        y = ops.where(seen, y, ops.zeros_like(y))
        count = ops.sum(weight, axis=0)
        mean = ops.sum(y, axis=0) / ops.maximum(count, 1.0)
        self._origin.assign(ops.where(self._started > 0, self._origin, mean))
        self._started.assign(ops.ones_like(self._started))
        y = (y - self._origin) * weight
        p = (p - self._origin) * weight
        self._count.assign_add(count)
        for total, value in (
            (self._y, y),
            (self._yy, y * y),
            (self._p, p),
            (self._pp, p * p),
            (self._yp, y * p),
        ):
            total.assign_add(ops.sum(value, axis=0))

    def _centred(self):
        n = ops.maximum(self._count, 1.0)
        yy = ops.maximum(self._yy - self._y * self._y / n, 0.0)
        pp = ops.maximum(self._pp - self._p * self._p / n, 0.0)
        return yy, pp, self._yp - self._y * self._p / n

    def result(self):
        """Return the mean over targets whose value is defined."""
        values = self.per_target()
        known = ops.logical_not(ops.isnan(values))
        total = ops.sum(ops.where(known, values, ops.zeros_like(values)))
        return total / ops.maximum(ops.sum(ops.cast(known, "float32")), 1.0)

    def get_config(self):
        """Return the arguments."""
        return {**super().get_config(), "targets": self.targets}


@keras.saving.register_keras_serializable(package="tfepi")
class PearsonR(_Moments):
    """Pearson correlation over batch and bins, per target, then averaged."""

    def __init__(self, targets: int, name: str = "pearsonr", **kwargs):
        super().__init__(targets, name, **kwargs)

    def per_target(self):
        """Return [targets]; 0 where the prediction does not vary, NaN where the truth does not."""
        yy, pp, yp = self._centred()
        r = yp / ops.sqrt(ops.maximum(yy * pp, 1e-20))
        return ops.where(
            yy > 0, ops.where(pp > 0, r, ops.zeros_like(r)), ops.full_like(r, float("nan"))
        )


@keras.saving.register_keras_serializable(package="tfepi")
class R2(_Moments):
    """Coefficient of determination 1 − Σ(y − ŷ)²/Σ(y − ȳ)², per target, then averaged."""

    def __init__(self, targets: int, name: str = "r2", **kwargs):
        super().__init__(targets, name, **kwargs)

    def per_target(self):
        """Return [targets]; NaN where the truth does not vary."""
        yy, _, _ = self._centred()
        residual = self._yy - 2 * self._yp + self._pp
        r2 = 1 - residual / ops.maximum(yy, 1e-20)
        return ops.where(yy > 0, r2, ops.full_like(r2, float("nan")))
