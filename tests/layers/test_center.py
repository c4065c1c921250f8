import numpy as np
import pytest

from tfepi.layers import CenterAverage, CenterSlice
from tfrecords_tools.errors import ConfigError

X = np.random.default_rng(0).normal(size=(2, 9, 3)).astype(np.float32)


@pytest.mark.parametrize(
    ("length", "center", "first"), [(9, 3, 3), (9, 4, 2), (8, 3, 2), (9, 9, 0)]
)
def test_the_middle(length, center, first):
    x = X[:, :length]
    want = x[:, first : first + center]
    for layer, wanted in (
        (CenterSlice(center), want),
        (CenterAverage(center), want.mean(axis=1, keepdims=True)),
    ):
        y = type(layer).from_config(layer.get_config())(x)
        np.testing.assert_allclose(y, wanted, rtol=1e-6, atol=1e-6)
        assert layer.compute_output_shape(x.shape) == y.shape


@pytest.mark.parametrize("center", [0, 10])
def test_more_than_there_is_or_nothing_is_refused(center):
    with pytest.raises(ConfigError, match=f"center is {center}, want 1 to the length 9"):
        CenterSlice(center)(X)
