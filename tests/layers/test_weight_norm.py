import keras
import numpy as np
import pytest

from tfepi.layers import WeightNormDense
from tfrecords_tools.errors import ConfigError

X = np.random.default_rng(0).normal(size=(3, 2, 5)).astype(np.float32)


def make(**options):
    keras.utils.set_random_seed(4)
    layer = WeightNormDense(4, **options)
    layer.build(X.shape)
    return layer


def test_one_gain_and_one_norm_for_the_whole_matrix():
    layer = make()
    rng = np.random.default_rng(1)
    kernel, bias = rng.normal(size=(5, 4)), rng.normal(size=4)
    layer.set_weights([kernel, bias, np.array(-1.7)])
    matrix = np.empty((5, 4))
    for i in range(5):
        for j in range(4):
            matrix[i, j] = -1.7 * kernel[i, j] / np.sqrt(np.sum(kernel * kernel))
    np.testing.assert_allclose(layer(X), X @ matrix + bias, rtol=1e-5, atol=1e-6)
    layer.set_weights([100 * kernel, bias, np.array(-1.7)])  # the kernel's length says nothing
    np.testing.assert_allclose(layer(X), X @ matrix + bias, rtol=1e-5, atol=1e-6)


def test_it_starts_as_the_dense_layer_of_its_kernel():
    layer = make(kernel_initializer=keras.initializers.RandomNormal(stddev=0.3))
    np.testing.assert_allclose(layer(X), X @ np.asarray(layer.kernel), rtol=1e-5, atol=1e-6)
    assert float(layer.gain) == pytest.approx(np.linalg.norm(np.asarray(layer.kernel)), rel=1e-6)
    assert 0.15 < np.asarray(layer.kernel).std() < 0.45
    assert layer.gain.trainable
    assert layer.gain.shape == ()


def test_saved_and_configured_again_it_is_the_same(tmp_path):
    layer = make(kernel_initializer=keras.initializers.RandomNormal(stddev=0.3))
    layer.gain.assign(2.5)
    again = WeightNormDense.from_config(layer.get_config())
    assert again.get_config() == layer.get_config()
    assert again.compute_output_shape((None, 7, 5)) == (None, 7, 4)
    model = keras.Sequential([keras.Input((2, 5)), layer])
    model.save(tmp_path / "m.keras")
    loaded = keras.saving.load_model(tmp_path / "m.keras")
    np.testing.assert_array_equal(loaded(X), model(X))
    assert layer.geometry == "pointwise"


def test_half_precision_is_the_policys():
    layer, half = make(), make(dtype="mixed_bfloat16")
    got = half(X)
    assert keras.backend.standardize_dtype(got.dtype) == "bfloat16"
    assert keras.backend.standardize_dtype(half.kernel.dtype) == "float32"
    np.testing.assert_allclose(keras.ops.cast(got, "float32"), layer(X), atol=0.05)


@pytest.mark.parametrize("units", [0, -1, 2.0, True, None])
def test_bad_units_are_refused(units):
    with pytest.raises(ConfigError, match=f"units is {units!r}, want a whole number >= 1"):
        WeightNormDense(units)
