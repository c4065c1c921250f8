import numpy as np

from tfepi.layers import FactorInverse, Scale

X = np.random.default_rng(0).normal(size=(2, 5, 3)).astype(np.float32)


def test_each_channel_has_its_factor():
    layer = Scale()
    assert not np.asarray(layer(X)).any()
    layer.scale.assign([1, 2, -3])
    np.testing.assert_allclose(layer(X), X * np.array([1, 2, -3]), rtol=1e-6)
    assert layer.scale.trainable


def test_the_start_is_kept_in_the_configuration():
    layer = Scale.from_config(Scale("ones").get_config())
    np.testing.assert_array_equal(layer(X), X)


def test_the_components_do_not_train():
    layer = FactorInverse.from_config(FactorInverse(4).get_config())
    assert layer(X).shape == layer.compute_output_shape(X.shape) == (2, 5, 4)
    assert not layer.trainable_weights
    components = np.arange(12).reshape(3, 4)
    layer.components.assign(components)
    np.testing.assert_allclose(layer(X), X @ components, rtol=1e-4, atol=1e-5)
