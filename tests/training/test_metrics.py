import keras
import numpy as np
import pytest

from tfepi.training.metrics import R2, PearsonR


@pytest.fixture
def sample():
    rng = np.random.default_rng(4)
    y = rng.gamma(1, 50, (40, 5, 3)) + np.array([0, 300, 1000])
    p = y * 0.5 + rng.normal(0, 20, y.shape)
    y[rng.random(y.shape) < 0.2] = np.nan
    return y.astype(np.float32), p.astype(np.float32)


def plain(y, p):
    r, r2 = [], []
    for t in range(y.shape[2]):
        seen = ~np.isnan(y[..., t])
        a, b = y[..., t][seen].astype(float), p[..., t][seen].astype(float)
        r.append(np.corrcoef(a, b)[0, 1])
        r2.append(1 - np.sum((a - b) ** 2) / np.sum((a - a.mean()) ** 2))
    return np.array(r), np.array(r2)


@pytest.mark.parametrize(("metric", "column"), [(PearsonR, 0), (R2, 1)])
def test_streaming_equals_the_whole(sample, metric, column):
    y, p = sample
    m = metric(3)
    for low in range(0, 40, 16):
        m.update_state(y[low : low + 16], p[low : low + 16])
    want = plain(y, p)[column]
    np.testing.assert_allclose(np.asarray(m.per_target()), want, rtol=2e-4)
    assert float(m.result()) == pytest.approx(want.mean(), rel=2e-4)
    m.reset_state()
    m.update_state(y[:16], p[:16])
    np.testing.assert_allclose(np.asarray(m.per_target()), plain(y[:16], p[:16])[column], rtol=2e-4)


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


@pytest.mark.parametrize("metric", [PearsonR, R2])
def test_metrics_are_registered(metric):
    config = keras.saving.serialize_keras_object(metric(3))
    again = keras.saving.deserialize_keras_object(config)
    assert (type(again), again.targets) == (metric, 3)
