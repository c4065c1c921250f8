import keras
import numpy as np
import pytest

from tfepi.layers import LearnedPosition
from tfrecords_tools.errors import ConfigError

X = np.random.default_rng(0).normal(size=(3, 4, 2)).astype(np.float32)


def test_each_position_has_its_row_from_the_start():
    layer = LearnedPosition(6)
    layer.build(X.shape)
    table = np.arange(12).reshape(6, 2)
    layer.table.assign(table)
    want = X.copy()
    for example in range(3):
        for position in range(4):
            want[example, position] += table[position]
    np.testing.assert_allclose(layer(X), want, rtol=1e-6)
    assert layer.compute_output_shape((None, 4, 2)) == (None, 4, 2)
    assert layer.geometry == "pointwise"
    assert layer.table.trainable


def test_the_initializer_is_kept_in_the_configuration():
    layer = LearnedPosition(600, keras.initializers.RandomNormal(stddev=0.02))
    again = LearnedPosition.from_config(layer.get_config())
    assert again.get_config() == layer.get_config()
    again.build((None, 4, 50))
    assert np.asarray(again.table).std() == pytest.approx(0.02, rel=0.05)


def test_it_survives_saving_and_has_the_policys_precision(tmp_path):
    model = keras.Sequential([keras.Input((4, 2)), LearnedPosition(5, dtype="mixed_bfloat16")])
    assert keras.backend.standardize_dtype(model(X).dtype) == "bfloat16"
    model.save(tmp_path / "m.keras")
    again = keras.saving.load_model(tmp_path / "m.keras")
    got, want = (keras.ops.cast(m(X), "float32") for m in (again, model))
    np.testing.assert_array_equal(got, want)


@pytest.mark.parametrize(
    ("positions", "shape", "message"),
    [
        (3, (None, 4, 2), "place has 4 positions for a table of 3: use more positions or a"),
        (3, (None, None, 2), r"shape \(None, None, 2\), want \[batch, length, channels\] of known"),
        (3, (None, 2), "want .batch, length, channels. of known length"),
        (0, None, "positions is 0, want a whole number >= 1"),
        (2.5, None, "positions is 2.5"),
    ],
)
def test_bad_arguments_are_refused(positions, shape, message):
    with pytest.raises(ConfigError, match=message):
        LearnedPosition(positions, name="place").build(shape)
