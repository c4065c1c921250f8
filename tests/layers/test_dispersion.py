import keras
import numpy as np
import pytest

from tfepi.layers import Dispersion
from tfrecords_tools.errors import ConfigError

X = np.random.default_rng(0).normal(size=(2, 5, 3)).astype(np.float32)


def test_values_pass_and_every_target_has_a_dispersion():
    layer = Dispersion(0.25)
    np.testing.assert_array_equal(layer(X), X)
    np.testing.assert_allclose(layer.dispersion, [0.25] * 3, rtol=1e-6)
    assert [w.name for w in layer.trainable_weights] == ["log_dispersion"]
    assert layer.compute_output_shape(X.shape) == X.shape
    assert Dispersion.from_config(layer.get_config()).initial == 0.25


@pytest.mark.parametrize(("start", "push", "want"), [(9e3, -1.0, 1e4), (2e-6, 1.0, 1e-6)])
def test_an_optimiser_cannot_push_it_out_of_bounds_for_good(start, push, want):
    layer = Dispersion(start)
    layer.build(X.shape)
    optimizer = keras.optimizers.SGD(5.0)
    optimizer.build(layer.trainable_variables)
    optimizer.apply([np.full(3, push, np.float32)])
    np.testing.assert_allclose(layer.dispersion, [want] * 3, rtol=1e-5)
    optimizer.apply([np.full(3, -push / 5, np.float32)])
    np.testing.assert_allclose(layer.dispersion, [want * np.exp(push)] * 3, rtol=1e-4)


@pytest.mark.parametrize("initial", [0, 1e-7, 2e4, -1, float("nan")])
def test_a_dispersion_out_of_range_is_refused(initial):
    with pytest.raises(ConfigError, match=r"dispersion is .*, want 1e-06 to 10000"):
        Dispersion(initial)
