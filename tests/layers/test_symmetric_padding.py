import keras
import numpy as np
import pytest

from tfepi.layers.symmetric_padding import SymmetricPadding1D
from tfrecords_tools.errors import ConfigError


def test_the_ends_are_mirrored_with_their_first_position():
    x = np.arange(8, dtype=np.float32).reshape(1, 4, 2)
    got = np.asarray(SymmetricPadding1D(3)(x))
    np.testing.assert_array_equal(got[0, :, 0], [4, 2, 0, 0, 2, 4, 6, 6, 4, 2])
    np.testing.assert_array_equal(SymmetricPadding1D(0)(x), x)


def test_shape_config_and_saving(tmp_path):
    layer = SymmetricPadding1D(2, dtype="mixed_float16")
    assert layer.geometry == "local"
    assert SymmetricPadding1D.from_config(layer.get_config()).padding == 2
    assert layer(keras.Input((None, 3))).shape == (None, None, 3)
    model = keras.Sequential([keras.Input((4, 3)), layer])
    assert model.output_shape == (None, 8, 3)
    model.save(tmp_path / "m.keras")
    x = np.random.default_rng(0).random((2, 4, 3), np.float32)
    loaded = keras.saving.load_model(tmp_path / "m.keras")
    np.testing.assert_array_equal(loaded(x), model(x))


def test_bad_padding_is_refused():
    with pytest.raises(ConfigError, match="of -1 positions, want 0 or more"):
        SymmetricPadding1D(-1)
    with pytest.raises(ConfigError, match="of 5 positions, the sequence has only 4"):
        SymmetricPadding1D(5)(np.zeros((1, 4, 2), np.float32))
