"""What is monitored of methylation besides correlations of samples: across samples, and calls."""

import keras
from keras import ops

from tfepi.training.streaming import PerTarget

FEWEST_SAMPLES = 3  # observed at a CpG whose correlation across samples counts
CALL = 0.5  # above it a CpG is called methylated


@keras.saving.register_keras_serializable(package="tfepi")
class CpgPearsonR(keras.metrics.Metric):
    """Mean over CpGs of the Pearson correlation across samples.

    A CpG with fewer than three observed samples, or whose truth does not vary, is left out; one
    whose prediction does not vary counts as 0.
    """

    each_target = False

    def __init__(self, name: str = "cpg_pearsonr", **kwargs):
        super().__init__(name=name, **kwargs)
        self._total = self.add_weight(shape=(), initializer="zeros", name="total")
        self._count = self.add_weight(shape=(), initializer="zeros", name="count")

    def update_state(self, y_true, y_pred, sample_weight=None):
        """Add a batch [batch, bins, targets]; a CpG is a bin of an example."""
        y, p = ops.cast(y_true, "float32"), ops.cast(y_pred, "float32")
        seen = ops.logical_not(ops.isnan(y))
        y, p = _deviations(y, seen), _deviations(p, seen)
        yy, pp, yp = (ops.sum(product, axis=-1) for product in (y * y, p * p, y * p))
        samples = ops.sum(ops.cast(seen, "int32"), axis=-1)
        counts = ops.logical_and(samples >= FEWEST_SAMPLES, yy > 0)
        defined = ops.logical_and(counts, pp > 0)
        scale = ops.where(defined, ops.sqrt(yy) * ops.sqrt(pp), ops.ones_like(yy))
        self._total.assign_add(ops.sum(ops.where(defined, yp / scale, ops.zeros_like(yp))))
        self._count.assign_add(ops.sum(ops.cast(counts, "float32")))

    def result(self):
        """Return the mean; 0 if there is no such CpG."""
        return self._total / ops.maximum(self._count, 1.0)


def _deviations(values, seen):
    """Return each CpG's deviations from its mean over observed samples, 0 for the others.

    They are taken from its lowest value first: what does not vary is then 0, without rounding,
    and what varies little keeps its digits.
    """
    lowest = ops.min(ops.where(seen, values, ops.full_like(values, float("inf"))), -1, True)
    zeros = ops.zeros_like(values)
    above = ops.where(seen, values - lowest, zeros)
    count = ops.sum(ops.cast(seen, values.dtype), axis=-1, keepdims=True)
    mean = ops.sum(above, axis=-1, keepdims=True) / ops.maximum(count, 1.0)
    return ops.where(seen, above - mean, zeros)


class _Calls(PerTarget):
    """A share of right calls, per target, then averaged; truth above a half is methylated."""

    def __init__(self, targets: int, name: str, **kwargs):
        super().__init__(targets, name, **kwargs)
        for label in ("positives", "hits", "negatives", "rejections"):
            weight = self.add_weight(shape=(targets,), initializer="zeros", name=label)
            setattr(self, f"_{label}", weight)

    def update_state(self, y_true, y_pred, sample_weight=None):
        """Add a batch [batch, bins, targets]."""
        seen, y, p = self.observed(y_true, y_pred)
        positive = ops.cast(y > CALL, "float32")
        called = ops.cast(p > CALL, "float32")
        for total, value in (
            (self._positives, positive),
            (self._hits, positive * called),
            (self._negatives, 1 - positive),
            (self._rejections, (1 - positive) * (1 - called)),
        ):
            total.assign_add(ops.sum(seen * value, axis=0))

    def per_target(self):
        """Return [targets]; NaN where there is nothing to call."""
        right, every = self._calls()
        share = right / ops.maximum(every, 1.0)
        return ops.where(every > 0, share, ops.full_like(share, float("nan")))


@keras.saving.register_keras_serializable(package="tfepi")
class Accuracy(_Calls):
    """Share of right calls, per target, then averaged."""

    def __init__(self, targets: int, name: str = "accuracy", **kwargs):
        super().__init__(targets, name, **kwargs)

    def _calls(self):
        return self._hits + self._rejections, self._positives + self._negatives


@keras.saving.register_keras_serializable(package="tfepi")
class Sensitivity(_Calls):
    """Share of what is methylated that is called so, per target, then averaged."""

    def __init__(self, targets: int, name: str = "sensitivity", **kwargs):
        super().__init__(targets, name, **kwargs)

    def _calls(self):
        return self._hits, self._positives


@keras.saving.register_keras_serializable(package="tfepi")
class Specificity(_Calls):
    """Share of what is not methylated that is called so, per target, then averaged."""

    def __init__(self, targets: int, name: str = "specificity", **kwargs):
        super().__init__(targets, name, **kwargs)

    def _calls(self):
        return self._rejections, self._negatives
