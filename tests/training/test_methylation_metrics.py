"""Metrics of methylation, batch by batch, against the whole in numpy."""

import keras
import numpy as np
import pytest

from tfepi.train_params import TrainParams
from tfepi.training.methylation_metrics import Accuracy, CpgPearsonR, Sensitivity, Specificity
from tfepi.training.metrics import GlobalPearsonR, make_metrics


@pytest.fixture
def betas():
    """Truth and prediction of 60 CpGs in 7 samples, most of them high, half of them missing."""
    rng = np.random.default_rng(6)
    y = 0.97 + rng.normal(0, 0.01, (60, 1, 7))
    p = 0.3 * y + rng.normal(0, 0.004, y.shape) + 0.6
    y[rng.random(y.shape) < 0.5] = np.nan
    y[0], y[1, 0, 2:], y[2, 0, :4] = np.nan, np.nan, 0.875  # none, at most two; one value only
    y[2, 0, 4:] = np.nan
    y[3, 0, :3], p[3] = (0.1, 0.5, 0.9), 0.7  # a prediction that does not vary
    return y.astype(np.float32), p.astype(np.float32)


def streamed(metric, y, p, step=13):
    for low in range(0, len(y), step):
        metric.update_state(y[low : low + step], p[low : low + step])
    return float(metric.result())


def test_the_global_correlation_is_of_all_values(betas):
    y, p = betas
    seen = ~np.isnan(y)
    want = np.corrcoef(y[seen].astype(float), p[seen].astype(float))[0, 1]
    metric = GlobalPearsonR()
    assert streamed(metric, y, p) == pytest.approx(want, rel=1e-3)
    again = keras.saving.deserialize_keras_object(keras.saving.serialize_keras_object(metric))
    assert (type(again), again.name) == (GlobalPearsonR, "global_pearsonr")


def test_correlation_across_samples(betas):
    y, p = betas
    each = []
    for truth, prediction in zip(y[:, 0].astype(float), p[:, 0].astype(float), strict=True):
        seen = ~np.isnan(truth)
        if seen.sum() < 3 or np.ptp(truth[seen]) == 0:
            continue
        flat = np.ptp(prediction[seen]) == 0
        each.append(0.0 if flat else np.corrcoef(truth[seen], prediction[seen])[0, 1])
    assert 30 < len(each) < 58
    metric = CpgPearsonR()
    assert streamed(metric, y, p) == pytest.approx(np.mean(each), rel=1e-3)
    assert float(metric._count) == len(each)
    metric.reset_state()
    assert float(metric.result()) == 0
    assert streamed(metric, y[:3], p[:3]) == 0  # no CpG that counts


def test_a_constant_prediction_counts_as_0_whatever_rounding_does():
    rng = np.random.default_rng(1)
    y = rng.random((500, 1, 7)).astype(np.float32)
    p = np.repeat(rng.random((500, 1, 1), np.float32), 7, axis=2)
    metric = CpgPearsonR()
    assert streamed(metric, y, p) == 0
    assert float(metric._count) == 500


def test_small_differences_keep_their_digits():
    rng = np.random.default_rng(2)
    y = rng.random((50, 1, 9)).astype(np.float32)
    p = (0.9 + 1e-5 * rng.random(y.shape)).astype(np.float32)
    want = [np.corrcoef(*(v[i, 0].astype(float) for v in (y, p)))[0, 1] for i in range(50)]
    assert streamed(CpgPearsonR(), y, p) == pytest.approx(np.mean(want), rel=1e-4)


@pytest.fixture
def calls():
    rng = np.random.default_rng(8)
    y = (rng.random((50, 1, 4)) < [0.2, 0.5, 0.9, 0]).astype(np.float32)
    p = np.clip(0.4 * y + rng.random(y.shape) * 0.7, 0, 1).astype(np.float32)
    y[rng.random(y.shape) < 0.3] = np.nan
    p[0] = 0.5  # at the threshold, not above
    return y, p


@pytest.mark.parametrize(
    ("kind", "among", "right"),
    [
        (Accuracy, lambda y: ~np.isnan(y), lambda y, p: (y == 1) == (p > 0.5)),
        (Sensitivity, lambda y: y == 1, lambda y, p: p > 0.5),
        (Specificity, lambda y: y == 0, lambda y, p: p <= 0.5),
    ],
)
def test_shares_of_right_calls(calls, kind, among, right):
    y, p = calls
    metric = kind(4)
    total = streamed(metric, y, p)
    want = [right(y, p)[..., t][among(y)[..., t]] for t in range(4)]
    want = [np.mean(v) if len(v) else np.nan for v in want]
    assert np.isnan(want[3]) == (kind is Sensitivity)
    np.testing.assert_allclose(np.asarray(metric.per_target()), want, rtol=1e-6)
    assert total == pytest.approx(np.nanmean(want), rel=1e-6)


def test_what_is_monitored():
    def names(targets=3, **train):
        return [m.name for m in make_metrics(TrainParams(**train), targets)]

    mean = {"metrics": "methylation", "best_by": "global_pearsonr", "loss": "mse"}
    assert names(**mean) == ["global_pearsonr", "pearsonr", "cpg_pearsonr"]
    assert names(2, **mean) == ["global_pearsonr", "pearsonr"]
    assert names(loss="bce", metrics="methylation") == [
        "global_pearsonr",
        "auroc",
        "accuracy",
        "sensitivity",
        "specificity",
    ]
    each = [m.each_target for m in make_metrics(TrainParams(**mean), 3)]
    assert each == [False, True, False]


@pytest.mark.parametrize("kind", [Accuracy, Sensitivity, Specificity, CpgPearsonR])
def test_they_are_registered(kind):
    metric = kind() if kind is CpgPearsonR else kind(3)
    again = keras.saving.deserialize_keras_object(keras.saving.serialize_keras_object(metric))
    assert type(again) is kind
    assert again.name == metric.name
