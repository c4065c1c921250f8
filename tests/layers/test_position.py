import numpy as np
import pytest

from tfepi.layers import ConcatPosition
from tfrecords_tools.errors import ConfigError


@pytest.mark.parametrize("length", [6, 7])
@pytest.mark.parametrize("power", [1, 3])
@pytest.mark.parametrize("transform", [None, "abs", "reversed"])
def test_the_position_comes_first(length, power, transform):
    x = np.random.default_rng(0).normal(size=(2, length, 3)).astype(np.float32)
    position = np.array([i - (length + 1) // 2 for i in range(length)])
    if transform == "abs":
        position = abs(position)
    if transform == "reversed":
        position = position[::-1]
    layer = ConcatPosition(transform, power)
    y = np.asarray(ConcatPosition.from_config(layer.get_config())(x))
    np.testing.assert_array_equal(y[..., 1:], x)
    np.testing.assert_array_equal(y[..., 0], [position**power] * 2)
    assert layer.compute_output_shape(x.shape) == y.shape


def test_large_powers_do_not_overflow():
    y = ConcatPosition(power=2)(np.zeros((1, 131_072, 1), np.float32))
    assert np.asarray(y)[0, 0, 0] == 2.0**32


def test_bad_arguments_and_precisions_are_refused():
    with pytest.raises(ConfigError, match="unknown transform 'log'"):
        ConcatPosition("log")
    with pytest.raises(ConfigError, match=r"power is 1\.5"):
        ConcatPosition(power=1.5)
    with pytest.raises(ConfigError, match="reach 1000000, above float16"):
        ConcatPosition(power=3, dtype="mixed_float16")(np.zeros((1, 200, 1), np.float32))
