"""Streaming metrics against the whole in numpy, and against the original tools' values."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from tfepi.evaluation.ranks import auprc, auroc
from tfepi.train_params import TrainParams
from tfepi.training.losses import make_loss
from tfepi.training.metrics import AUPRC, AUROC, R2, Dice, PearsonR, make_metrics


@pytest.fixture
def sample():
    rng = np.random.default_rng(4)
    y = rng.gamma(1, 50, (40, 5, 3)) + np.array([0, 300, 1000])
    p = y * 0.5 + rng.normal(0, 20, y.shape)
    y[rng.random(y.shape) < 0.2] = np.nan
    return y.astype(np.float32), p.astype(np.float32)


@pytest.fixture
def binary():
    """Calls in steps of 1/199, so that 200 thresholds tell them all apart."""
    rng = np.random.default_rng(5)
    y = (rng.random((40, 5, 3)) < [0.1, 0.5, 0.9]).astype(np.float32)
    p = np.clip(rng.normal(0.3 + 0.3 * y, 0.2), 0, 1)
    p = (np.round(p * 198) / 199 + 0.0025).astype(np.float32)
    y[rng.random(y.shape) < 0.2] = np.nan
    p[np.isnan(y)] = np.nan
    return y, p


def plain(y, p):
    r, r2 = [], []
    for t in range(y.shape[2]):
        seen = ~np.isnan(y[..., t])
        a, b = y[..., t][seen].astype(float), p[..., t][seen].astype(float)
        r.append(np.corrcoef(a, b)[0, 1])
        r2.append(1 - np.sum((a - b) ** 2) / np.sum((a - a.mean()) ** 2))
    return np.array(r), np.array(r2)


def plain_auprc(y, p):
    """Return the interpolated area by small steps along the number of hits, between calls."""
    area = hits = misses = 0.0
    for value in np.unique(p)[::-1]:
        gained, lost = np.sum(y[p == value] == 1), np.sum(y[p == value] == 0)
        for share in (np.arange(20_000) + 0.5) / 20_000:
            now = hits + share * gained
            area += gained / 20_000 * now / (now + misses + share * lost)
        hits, misses = hits + gained, misses + lost
    return area / hits


def values_of(metric, y, p, step=16, **keywords):
    m = metric(y.shape[2], **keywords)
    for low in range(0, len(y), step):
        m.update_state(y[low : low + step], p[low : low + step])
    return m, np.asarray(m.per_target())


@pytest.mark.parametrize(("metric", "column"), [(PearsonR, 0), (R2, 1)])
def test_streaming_equals_the_whole(sample, metric, column):
    y, p = sample
    origin = [50, 350, 1050]
    m, values = values_of(metric, y, p, origin=origin)
    want = plain(y, p)[column]
    np.testing.assert_allclose(values, want, rtol=2e-4)
    assert float(m.result()) == pytest.approx(want.mean(), rel=2e-4)
    m.reset_state()
    m.update_state(y[:16], p[:16])
    np.testing.assert_allclose(np.asarray(m.per_target()), plain(y[:16], p[:16])[column], rtol=2e-4)


def test_correlation_does_not_depend_on_scale(sample):
    y, p = sample
    origin = [5e-7, 3.5e-6, 1.05e-5]
    np.testing.assert_allclose(
        values_of(PearsonR, y * 1e-8, p * 1e-8, origin=origin)[1], plain(y, p)[0], rtol=2e-4
    )


def test_the_origin_changes_nothing_but_the_rounding(sample):
    y, p = (v[..., :1] for v in sample)
    values = [values_of(R2, y, p, origin=origin)[1] for origin in ([0], [50], [-300])]
    np.testing.assert_allclose(values, [values[0]] * 3, rtol=1e-3)
    again = PearsonR.from_config(PearsonR(1, origin=[50]).get_config())
    assert again.origin == (50.0,)


def test_what_does_not_vary():
    y = np.zeros((4, 2, 2), np.float32)
    y[:, 0, 0] = 1
    p = np.ones_like(y)
    r = PearsonR(2)
    r.update_state(y, p)
    values = np.asarray(r.per_target())
    assert values[0] == 0
    assert np.isnan(values[1])
    assert float(r.result()) == 0


def test_areas_equal_the_exact_ones(binary):
    y, p = binary
    m, values = values_of(AUROC, y, p)
    want = [auroc(y[..., t], p[..., t]) for t in range(3)]
    np.testing.assert_allclose(values, want, rtol=1e-5)
    assert float(m.result()) == pytest.approx(np.mean(want), rel=1e-5)
    m.reset_state()
    m.update_state(y[:16], p[:16])
    want = [auroc(y[:16, :, t], p[:16, :, t]) for t in range(3)]
    np.testing.assert_allclose(np.asarray(m.per_target()), want, rtol=1e-5)


def test_precision_is_interpolated(binary):
    y, p = (v[:12, :, 1:2] for v in binary)
    seen = ~np.isnan(y)
    _, values = values_of(AUPRC, y, p, step=5)
    assert values[0] == pytest.approx(plain_auprc(y[seen], p[seen]), rel=1e-4)
    # Average precision takes each threshold's precision for all its hits.
    assert values[0] == pytest.approx(auprc(y, p), abs=0.03)


def test_values_are_the_originals():
    # Baskerville on TensorFlow 2.15.
    k = np.arange(36)
    y, p = ((v.reshape(2, 6, 3)).astype(np.float32) for v in (k * 7 % 5, (k * 13 % 29 + 1) / 8))
    for metric, want in (
        (PearsonR, [-0.12448108941316605, 0.06574602425098419, -0.1273936927318573]),
        (R2, [-0.7229381799697876, -0.45966124534606934, -0.6735490560531616]),
    ):
        np.testing.assert_allclose(values_of(metric, y, p)[1], want, rtol=1e-5)
    k = np.arange(120)
    y = k * 7 % 11 < 4
    p = 0.6 * (k * 37 % 101 / 100) + 0.4 * y * (k % 3 / 2)
    y, p = (v.reshape(5, 8, 3).astype(np.float32) for v in (y, p))
    for metric, want in (
        (AUROC, [0.47008541226387024, 0.6306664943695068, 0.9088541865348816]),
        (AUPRC, [0.5824148654937744, 0.6417877674102783, 0.8689625859260559]),
    ):
        m, values = values_of(metric, y, p, step=2)
        np.testing.assert_allclose(values, want, rtol=2e-6)
        assert float(m.result()) == pytest.approx(np.mean(want), rel=1e-5)


def test_ends_of_the_scale():
    y = np.array([0, 0, 1, 1, 1, 0], np.float32).reshape(1, 6, 1)
    p = np.array([0, 0, 1, 1, 0, 1], np.float32).reshape(1, 6, 1)
    assert values_of(AUROC, y, p)[1] == pytest.approx(2 / 3)
    assert values_of(AUROC, y, y)[1] == 1
    assert values_of(AUPRC, y, y)[1] == 1


@pytest.mark.parametrize("metric", [AUROC, AUPRC])
def test_one_class_only_has_no_area(metric):
    y = np.zeros((4, 2, 3), np.float32)
    y[0, :, 0], y[..., 1], y[:, 0, 2] = 1, 1, np.nan
    p = np.full_like(y, 0.25)
    p[0, :, 0] = 0.75
    m, values = values_of(metric, y, p)
    assert values[0] == 1
    assert np.isnan(values[1:]).all()
    assert float(m.result()) == 1


def test_metrics_of_a_loss():
    for loss, names in (
        ("bce", ["auroc", "auprc", "dice"]),
        ("poisson_mn", ["pearsonr", "r2"]),
        ("negative_binomial", ["pearsonr", "r2"]),
    ):
        metrics = make_metrics(TrainParams(loss=loss), 5)
        assert [m.name for m in metrics] == names
        assert {m.targets for m in metrics} == {5}


def test_dice_is_leopards_per_target(binary):
    y, p = binary
    want = []
    for t in range(3):
        seen = ~np.isnan(y[..., t])
        a, b = (v[..., t][seen].astype(float) for v in (y, p))
        want.append((2 * np.sum(a * b) + 10) / (np.sum(a) + np.sum(b) + 10))
    m, values = values_of(Dice, y, p)
    np.testing.assert_allclose(values, want, rtol=1e-5)
    assert float(m.result()) == pytest.approx(np.mean(want), rel=1e-5)
    one = y[..., :1], p[..., :1]  # of one target it is Leopard's own
    assert values_of(Dice, *one)[1] == pytest.approx(want[:1], rel=1e-5)


def test_dice_of_a_target_without_truth_is_left_out():
    y, p = np.ones((2, 30, 2), np.float32), np.full((2, 30, 2), 0.5, np.float32)
    y[..., 1] = np.nan
    m, values = values_of(Dice, y, p)
    assert values[0] == pytest.approx((2 * 30 + 10) / (60 + 30 + 10))
    assert np.isnan(values[1])
    assert float(m.result()) == pytest.approx(0.7)


@pytest.mark.parametrize("metric", [PearsonR, R2, AUROC, AUPRC, Dice])
def test_metrics_are_registered(metric):
    config = keras.saving.serialize_keras_object(metric(3))
    again = keras.saving.deserialize_keras_object(config)
    assert (type(again), again.targets) == (metric, 3)


@pytest.mark.parametrize("kind", [AUROC, AUPRC])
def test_areas_compile_with_xla(binary, kind):
    y, p = binary
    metric = kind(3)
    tf.function(metric.update_state, jit_compile=True)(tf.constant(y), tf.constant(p))
    np.testing.assert_array_equal(metric.per_target(), values_of(kind, y, p, step=len(y))[1])


def test_areas_are_monitored_in_fit():
    rng = np.random.default_rng(1)
    x = rng.random((16, 4, 2), np.float32)
    y = (x[..., :1] > 0.5).astype(np.float32)
    model = keras.Sequential([keras.layers.Dense(1, activation="sigmoid")])
    train = TrainParams(loss="bce")
    model.compile("sgd", make_loss(train), metrics=make_metrics(train, 1), jit_compile=False)
    logs = model.fit(x, y, batch_size=5, verbose=0).history
    assert 0 <= logs["auroc"][0] <= 1
    found = model.evaluate(x, y, batch_size=5, verbose=0, return_dict=True)
    assert found["auroc"] == pytest.approx(auroc(y, model.predict(x, verbose=0)), abs=0.05)
