import keras
import numpy as np
import pytest

from tfepi.models import basset, basset_2016, make_model
from tfepi.params import parse_params, read_params
from tfrecords_tools.errors import ConfigError


def trainable(model) -> int:
    return sum(int(np.prod(w.shape)) for w in model.trainable_weights)


@pytest.mark.parametrize("targets", [1, 10, 164])
def test_parameter_count_is_the_published(targets):
    assert trainable(basset(targets=targets)) == 5_850_400 + 769 * targets


def test_layer_lengths_are_the_published():
    model = basset(targets=3)
    lengths = [model.get_layer(f"tower{i}_pool").output.shape[1] for i in range(1, 7)]
    assert model.get_layer("stem_pool").output.shape[1] == 448
    assert lengths == [224, 112, 56, 28, 14, 7]
    assert model.get_layer("flatten").output.shape[1:] == (1, 1792)
    assert model.output_shape == (None, 1, 3)


def test_settings_are_the_published_not_the_defaults_of_keras():
    model = basset(targets=3)
    norms = [x for x in model.layers if isinstance(x, keras.layers.BatchNormalization)]
    assert len(norms) == 9
    assert {(n.momentum, n.epsilon) for n in norms} == {(0.9, 1e-3)}
    kernels = [x for x in model.layers if isinstance(x, keras.layers.Conv1D | keras.layers.Dense)]
    assert all(isinstance(k.kernel_initializer, keras.initializers.HeNormal) for k in kernels)
    assert [k.use_bias for k in kernels] == [False] * 9 + [True]
    gelus = [x for x in model.layers if type(x).__name__ == "Gelu"]
    assert len(gelus) == 10
    assert {g.variant for g in gelus} == {"tanh"}
    assert model.get_layer("dense_dropout").rate == 0.2
    assert model.get_layer("head").activation is keras.activations.softplus


def test_basset_of_2016():
    model = basset_2016()
    assert [model.get_layer(f"pool{i}").output.shape[1] for i in (1, 2, 3)] == [194, 46, 10]
    assert model.output_shape == (None, 1, 164)
    convolutions = 4 * 19 * 300 + 300 + 300 * 11 * 200 + 200 + 200 * 7 * 200 + 200
    dense = 2000 * 1000 + 1000 + 1000 * 1000 + 1000 + 1000 * 164 + 164
    assert trainable(model) == convolutions + dense + 2 * (300 + 200 + 200 + 1000 + 1000)


@pytest.mark.parametrize("build", [basset, basset_2016])
def test_saved_models_predict_the_same(build, tmp_path):
    small = {"tower_filters": (8, 8), "dense_units": 8, "stem_filters": 8, "neck_filters": 8}
    model = build(targets=2, input_length=240, **(small if build is basset else {}))
    x = {"sequence": np.random.default_rng(0).random((3, 240, 4), np.float32)}
    model.save(tmp_path / "m.keras")
    again = keras.saving.load_model(tmp_path / "m.keras")
    np.testing.assert_array_equal(again(x), model(x))


def test_mixed_precision_keeps_the_head_in_float32():
    model = basset(targets=2, input_length=240, tower_filters=(8,), dtype="mixed_bfloat16")
    assert model.get_layer("stem_conv").compute_dtype == "bfloat16"
    assert model.get_layer("head").compute_dtype == "float32"
    assert model(np.zeros((1, 240, 4), np.float32)).dtype == "float32"


def test_params_name_the_function_and_its_keywords():
    params = read_params("basset")
    assert trainable(make_model(params.model, 5)) == 5_850_400 + 769 * 5
    assert (params.train.learning_rate, params.train.momentum) == (0.005, 0.98)
    assert (params.train.patience, params.train.train_epochs_min) == (12, 10)


@pytest.mark.parametrize(
    ("model", "message"),
    [
        ({"name": "baset"}, "did you mean 'basset'"),
        ({"name": "basset", "dense_unit": 4}, "did you mean 'dense_units'"),
        ({"name": "basset", "targets": 4}, "targets 4, the data has 2"),
        ({"name": "basset", "input_length": 100}, "pooling factor 192"),
        ({"name": "basset", "activation": "geloo"}, "unknown activation 'geloo'"),
        ({"name": "basset", "output_activation": "softpluss"}, "did you mean 'softplus'"),
        ({"name": "basset", "dtype": "float16"}, "unknown key 'dtype'"),
        ({"name": "basset", "stem_pool": 0}, "model.stem_pool is 0, want a whole number of at"),
        ({"name": "basset", "input_length": "1344"}, "model.input_length is '1344', want a whole"),
        ({"name": "basset", "bin_width": -192}, "model.bin_width is -192, want a whole number"),
        ({"name": "basset", "dropout": 2}, "model.dropout is 2, want a number of at least 0 and"),
        ({"name": "basset", "bn_momentum": True}, "model.bn_momentum is True, want a number"),
        ({"name": "basset", "tower_filters": 3}, "tower_filters is 3, want a list of whole"),
        ({"name": "basset", "tower_filters": [8, "8"]}, r"tower_filters is \[8, '8'\], want"),
        ({"name": "basset", "activation": None}, "model.activation is None, want text"),
        ({"name": "basset_2016", "pools": [3, 4]}, r"pools is \[3, 4\], want a list of 3 whole"),
    ],
)
def test_bad_model_sections_are_refused(model, message):
    with pytest.raises(ConfigError, match=message):
        make_model(parse_params({"model": model}).model, 2)
