"""Streaming metrics for monitoring, per target, missing values left out (`streaming`)."""

from collections.abc import Sequence

import keras
from keras import ops

from tfepi.train_params import TrainParams
from tfepi.training.methylation_metrics import (
    FEWEST_SAMPLES,
    Accuracy,
    CpgPearsonR,
    Sensitivity,
    Specificity,
)
from tfepi.training.streaming import Moments, PerTarget

THRESHOLDS = 200


@keras.saving.register_keras_serializable(package="tfepi")
class PearsonR(Moments):
    """Pearson correlation over batch and bins, per target, then averaged."""

    def __init__(self, targets: int, name: str = "pearsonr", origin=None, **kwargs):
        super().__init__(targets, name, origin, **kwargs)

    def per_target(self):
        """Return [targets]; 0 where the prediction does not vary, NaN where the truth does not."""
        yy, pp, yp = self.centred()
        r = yp / ops.maximum(ops.sqrt(yy) * ops.sqrt(pp), 1e-20)
        return ops.where(
            yy > 0, ops.where(pp > 0, r, ops.zeros_like(r)), ops.full_like(r, float("nan"))
        )


@keras.saving.register_keras_serializable(package="tfepi")
class GlobalPearsonR(PearsonR):
    """Pearson correlation over the values of all targets together."""

    each_target = False

    def __init__(self, name: str = "global_pearsonr", origin=None, **kwargs):
        super().__init__(1, name, origin, **kwargs)  # to one target all values belong

    def get_config(self):
        """Return the arguments."""
        config = super().get_config()
        del config["targets"]
        return config


@keras.saving.register_keras_serializable(package="tfepi")
class R2(Moments):
    """Coefficient of determination 1 − Σ(y − ŷ)²/Σ(y − ȳ)², per target, then averaged."""

    def __init__(self, targets: int, name: str = "r2", origin=None, **kwargs):
        super().__init__(targets, name, origin, **kwargs)

    def per_target(self):
        """Return [targets]; NaN where the truth does not vary."""
        yy, _, _ = self.centred()
        residual = self._yy - 2 * self._yp + self._pp
        r2 = 1 - residual / ops.maximum(yy, 1e-20)
        return ops.where(yy > 0, r2, ops.full_like(r2, float("nan")))


class _Thresholds(PerTarget):
    """Numbers of positives and negatives by predicted probability: [targets, intervals].

    Interval k holds predictions in (k/199, (k + 1)/199], the first one also 0: Keras's 200 evenly
    spaced thresholds. A truth above a half is positive.
    """

    def __init__(self, targets: int, name: str, **kwargs):
        super().__init__(targets, name, **kwargs)
        shape = (targets, THRESHOLDS - 1)
        self._positives = self.add_weight(shape=shape, initializer="zeros", name="positives")
        self._negatives = self.add_weight(shape=shape, initializer="zeros", name="negatives")

    def update_state(self, y_true, y_pred, sample_weight=None):
        """Add a batch [batch, bins, targets]."""
        seen, y, p = self.observed(y_true, y_pred)
        intervals = THRESHOLDS - 1
        interval = ops.cast(ops.ceil(p * intervals), "int32") - 1
        interval = ops.clip(interval, 0, intervals - 1)
        place = ops.reshape(interval + ops.arange(self.targets) * intervals, (-1,))
        positive = ops.cast(y > 0.5, "float32")
        for total, count in (
            (self._positives, seen * positive),
            (self._negatives, seen * (1 - positive)),
        ):
            sums = ops.segment_sum(ops.reshape(count, (-1,)), place, self.targets * intervals)
            total.assign_add(ops.reshape(sums, total.shape))

    def per_target(self):
        """Return [targets]; NaN where the truth is never, or always, positive."""
        # Counts above each threshold, from all to none: [targets, thresholds].
        hits, misses = (
            ops.pad(ops.flip(ops.cumsum(ops.flip(counts, 1), 1), 1), ((0, 0), (0, 1)))
            for counts in map(ops.convert_to_tensor, (self._positives, self._negatives))
        )
        defined = ops.logical_and(hits[:, 0] > 0, misses[:, 0] > 0)
        area = self._area(hits, misses)
        return ops.where(defined, area, ops.full_like(area, float("nan")))


@keras.saving.register_keras_serializable(package="tfepi")
class AUROC(_Thresholds):
    """Area under the ROC curve by trapezoids over 200 thresholds, per target, then averaged."""

    def __init__(self, targets: int, name: str = "auroc", **kwargs):
        super().__init__(targets, name, **kwargs)

    def _area(self, hits, misses):
        heights = (hits[:, :-1] + hits[:, 1:]) / 2
        area = ops.sum((misses[:, :-1] - misses[:, 1:]) * heights, axis=1)
        return area / ops.maximum(hits[:, 0] * misses[:, 0], 1.0)


@keras.saving.register_keras_serializable(package="tfepi")
class AUPRC(_Thresholds):
    """Area under the precision-recall curve over 200 thresholds, per target, then averaged.

    Between two thresholds hits are linear in the number of positive calls (Davis and Goadrich
    2006), which integrates to slope·(Δhits + intercept·log(calls ratio)).
    """

    def __init__(self, targets: int, name: str = "auprc", **kwargs):
        super().__init__(targets, name, **kwargs)

    def _area(self, hits, misses):
        calls = hits + misses
        gained, called = hits[:, :-1] - hits[:, 1:], calls[:, :-1] - calls[:, 1:]
        slope = gained / ops.maximum(called, 1.0)
        intercept = hits[:, 1:] - slope * calls[:, 1:]
        # With no call above, all hits of the interval come at its own precision.
        ratio = ops.where(
            calls[:, 1:] > 0, calls[:, :-1] / ops.maximum(calls[:, 1:], 1.0), ops.ones_like(called)
        )
        area = ops.sum(slope * (gained + intercept * ops.log(ratio)), axis=1)
        return area / ops.maximum(hits[:, 0], 1.0)


@keras.saving.register_keras_serializable(package="tfepi")
class Dice(PerTarget):
    """Leopard's soft overlap (2·Σyŷ + 10) / (Σy + Σŷ + 10), per target, then averaged.

    Sums over batch and bins; Leopard's are over targets as well (Li and Guan 2021, `unet.py`).
    """

    def __init__(self, targets: int, name: str = "dice", **kwargs):
        super().__init__(targets, name, **kwargs)
        for label in ("count", "overlap", "total"):
            weight = self.add_weight(shape=(targets,), initializer="zeros", name=label)
            setattr(self, f"_{label}", weight)

    def update_state(self, y_true, y_pred, sample_weight=None):
        """Add a batch [batch, bins, targets]."""
        seen, y, p = self.observed(y_true, y_pred)
        p = ops.where(seen > 0, p, ops.zeros_like(p))
        for total, value in ((self._count, seen), (self._overlap, y * p), (self._total, y + p)):
            total.assign_add(ops.sum(value, axis=0))

    def per_target(self):
        """Return [targets]; NaN where there is no truth."""
        dice = (2 * self._overlap + 10) / (self._total + 10)
        return ops.where(self._count > 0, dice, ops.full_like(dice, float("nan")))


def make_metrics(
    train: TrainParams, targets: int, origin: Sequence[float] | None = None
) -> list[keras.metrics.Metric]:
    """Return what is monitored.

    Of the loss bce AUROC, AUPRC and dice, else Pearson's R and R². Of methylation the correlation
    of all values and, with bce, AUROC and the calls' accuracy, else the correlations of samples
    and, where there are enough of them, across samples.

    Args:
        train: the section.
        targets: their number.
        origin: a value near each target's mean (`streaming.Moments`); None: 0.
    """
    origin = list(origin or [0.0] * targets)
    middle = [sum(origin) / targets]
    if train.metrics == "methylation":
        if train.loss == "bce":
            calls = (AUROC, Accuracy, Sensitivity, Specificity)
            return [GlobalPearsonR(origin=middle), *(kind(targets) for kind in calls)]
        across = [CpgPearsonR()] if targets >= FEWEST_SAMPLES else []
        return [GlobalPearsonR(origin=middle), PearsonR(targets, origin=origin), *across]
    if train.loss == "bce":
        return [kind(targets) for kind in (AUROC, AUPRC, Dice)]
    return [kind(targets, origin=origin) for kind in (PearsonR, R2)]
