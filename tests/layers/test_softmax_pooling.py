import numpy as np
import pytest

from tfepi.layers import SoftmaxPool1D
from tfrecords_tools.errors import ConfigError

X = np.random.default_rng(0).normal(size=(2, 12, 3)).astype(np.float32)


def slow(x, kernel, size):
    out = np.zeros((len(x), x.shape[1] // size, x.shape[2]))
    for b in range(len(x)):
        for i in range(out.shape[1]):
            window = x[b, i * size : (i + 1) * size].astype(float)
            weight = np.exp(window @ kernel)
            out[b, i] = (window * weight).sum(0) / weight.sum()
    return out


@pytest.mark.parametrize("size", [2, 3, 12])
def test_a_weighted_mean_of_each_window(size):
    layer = SoftmaxPool1D.from_config(SoftmaxPool1D(size).get_config())
    y = layer(X)
    np.testing.assert_array_equal(np.ravel(layer.kernel), [2, 0, 0])
    np.testing.assert_allclose(y, slow(X, np.asarray(layer.kernel, float), size), atol=1e-6)
    layer.kernel.assign(np.array([[0.3], [-1], [0.7]]))
    np.testing.assert_allclose(layer(X), slow(X, np.asarray(layer.kernel, float), size), atol=1e-6)
    assert layer.compute_output_shape(X.shape) == y.shape
    assert (layer.geometry, layer.reach[1]) == ("local", size)


@pytest.mark.parametrize("size", [2, 3])
def test_each_channel_may_have_its_own_weights(size):
    layer = SoftmaxPool1D.from_config(SoftmaxPool1D(size, per_channel=True).get_config())
    layer.build(X.shape)
    np.testing.assert_array_equal(layer.kernel, 2 * np.eye(3))
    kernel = np.random.default_rng(1).normal(size=(3, 3))
    layer.kernel.assign(kernel)
    want = np.stack([slow(X, kernel[:, c : c + 1], size)[..., c] for c in range(3)], axis=-1)
    np.testing.assert_allclose(layer(X), want, atol=1e-6)


def test_no_gain_is_the_mean():
    want = X.reshape(2, 4, 3, 3).mean(axis=2)
    np.testing.assert_allclose(SoftmaxPool1D(3, init_gain=0)(X), want, atol=1e-6)


def test_a_rest_is_refused():
    with pytest.raises(ConfigError, match="length 12 is no multiple of pool_size 5"):
        SoftmaxPool1D(5)(X)
