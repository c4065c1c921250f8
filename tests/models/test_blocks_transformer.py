import keras
import numpy as np
import pytest

from tfepi.models.blocks.arguments import block_arguments, check_arguments
from tfepi.models.blocks.context import Context
from tfepi.models.blocks.transformer import BLOCKS
from tfrecords_tools.errors import ConfigError

HEADS = {"key_size": 4, "heads": 3}

# Outputs of calico/baskerville's blocks (544073b, TensorFlow 2.15; calico/basenji's 74b8671 are
# the same) with weights by `fill`, on `data`: of the second example at positions 0, 5 and last
# the first and last channel, and the mean of all absolute values.
GOLDEN = {
    "transformer": (
        ("transformer", {"key_size": 5, "heads": 3}, 16, 12),
        [1.616433, 0.2247769, -0.08217654, 0.6422729, 0.3660401, 2.044898, 0.9137094],
    ),
    "position features": (
        ("transformer", {"key_size": 4, "heads": 2, "num_position_features": 6}, 16, 12),
        [1.734722, 0.4700312, 0.04000872, 0.7469629, 0.6105548, 2.016254, 0.923345],
    ),
    "no position features": (
        ("transformer", {"key_size": 4, "heads": 2, "num_position_features": 0}, 16, 12),
        [1.432042, 0.2148173, 0.6972146, 0.6106458, 0.4123417, 2.84737, 0.97689],
    ),
    "no content in positions, no dense layers": (
        (
            "transformer",
            {"key_size": 4, "heads": 2, "content_position_bias": False, "dense_expansion": 0},
            16,
            12,
        ),
        [0.9882803, 0.2881721, -0.2823564, 0.4910201, -0.2759098, 1.180065, 0.7282406],
    ),
    "wide queries": (
        (
            "transformer",
            {"key_size": 4, "heads": 2, "qkv_width": 3, "dense_expansion": 1.5},
            17,
            12,
        ),
        [-1.41028, -0.06427157, 0.2317538, -0.6477757, -0.5605879, 0.211643, 0.7710898],
    ),
    "one head, odd sizes": (
        ("transformer", {"key_size": 4, "heads": 1}, 17, 13),
        [1.709563, 0.2280367, 1.612108, -0.7708875, 1.296221, -0.4281638, 0.9151745],
    ),
    "trained on another length": (
        ("transformer", {"key_size": 4, "heads": 2, "seqlen_train": 40}, 16, 12),
        [1.713922, 0.4945712, 0.03045195, 0.7442122, 0.6026884, 1.987719, 0.9232935],
    ),
    "tower": (
        ("transformer_tower", {"key_size": 4, "heads": 3, "repeat": 2}, 16, 12),
        [-0.2699314, -0.805977, -1.080843, 0.2409728, -1.130268, 1.592885, 0.9229724],
    ),
    "tower of swin": (
        ("transformer_tower", {"key_size": 4, "heads": 3, "block_type": "swin"}, 16, 12),
        [-0.956865, -1.662156, -2.186845, -0.6370285, -3.397832, 1.60003, 1.521711],
    ),
    "swin": (
        ("swin_transformer", {"key_size": 4, "heads": 2, "num_position_features": 4}, 32, 12),
        [-0.3316361, 0.9818654, 1.611022, 0.09003592, -0.4590317, 0.1436358, 0.9300636],
    ),
}


def build(block, options, length=16, channels=12, dtype="float32"):
    keras.utils.set_random_seed(3)
    check_arguments(BLOCKS[block], block, options)
    inputs = keras.Input((length, channels))
    context = Context(dtype, "trunk_1_block")
    return keras.Model(inputs, BLOCKS[block](inputs, context, **options))


def fill(model):
    """Set the weights by their place among all, in the order of the original .h5 files."""
    weights = [w for layer in model.layers for w in layer.weights]
    for place, weight in enumerate(weights):
        k = np.arange(np.prod(weight.shape), dtype=np.float64)
        values = 0.3 * np.sin(0.37 * k * k + place) + (weight.name == "gamma")
        weight.assign(values.reshape(weight.shape))


def data(length=16, channels=12):
    k = np.arange(2 * length * channels, dtype=np.float64)
    return np.sin(0.11 * k * k + 0.5).reshape(2, length, channels).astype(np.float32)


@pytest.mark.parametrize(("case", "want"), GOLDEN.values(), ids=GOLDEN)
def test_outputs_are_the_originals(case, want):
    model = build(*case)
    fill(model)
    y = np.asarray(model(data(*case[2:])))
    got = [*y[1][[0, 5, -1]][:, [0, -1]].ravel(), np.abs(y).mean()]
    np.testing.assert_allclose(got, want, rtol=1e-5, atol=1e-6)


def test_defaults_are_the_originals():
    defaults = {n: p.default for n, p in block_arguments(BLOCKS["transformer"]).items()}
    needed = defaults.pop("key_size")
    assert needed is block_arguments(BLOCKS["transformer"])["key_size"].empty
    assert defaults == {
        "heads": 1,
        "dense_expansion": 2.0,
        "content_position_bias": True,
        "dropout": 0.25,
        "attention_dropout": 0.05,
        "position_dropout": 0.01,
        "l2_scale": 0,
        "mha_l2_scale": 0,
        "num_position_features": None,
        "qkv_width": 1,
        "mha_initializer": "he_normal",
        "kernel_initializer": "he_normal",
        "seqlen_train": None,
    }
    tower = {n: p.default for n, p in block_arguments(BLOCKS["transformer_tower"]).items()}
    assert (tower.pop("repeat"), tower.pop("block_type")) == (2, "transformer")
    assert tower == {"key_size": needed, **defaults}
    assert {*block_arguments(BLOCKS["swin_transformer"])} == {*tower} - {"seqlen_train"}


def test_layers_stand_in_the_order_of_the_original():
    names = [
        layer.name.removeprefix("trunk_1_block_") for layer in build("transformer", HEADS).layers
    ]
    dense = ["layer_norm2", "dense", "dropout2", "activation", "dense2", "dropout3", "add2"]
    assert names[1:] == ["layer_norm", "attention", "dropout", "add", *dense]
    bare = build("transformer", {**HEADS, "dropout": 0, "dense_expansion": 0})
    assert [type(layer).__name__ for layer in bare.layers][1:] == [
        "LayerNormalization",
        "MultiheadAttention",
        "Add",
    ]


def test_settings_reach_the_layers():
    settings = {
        "dropout": 0.3,
        "attention_dropout": 0.06,
        "position_dropout": 0.02,
        "l2_scale": 0.1,
        "mha_l2_scale": 0.2,
        "mha_initializer": "glorot_normal",
        "kernel_initializer": "lecun_normal",
    }
    model = build("transformer", {**HEADS, **settings})
    attention = model.get_layer("trunk_1_block_attention")
    assert (attention.attention_dropout, attention.position_dropout) == (0.06, 0.02)
    assert attention.l2_scale == 0.2
    assert attention.kernel_initializer["class_name"] == "GlorotNormal"
    for layer in model.layers:
        if isinstance(layer, keras.layers.Dense):
            assert type(layer.kernel_initializer).__name__ == "LecunNormal"
            assert float(layer.kernel_regularizer.l2) == pytest.approx(0.1)
        if isinstance(layer, keras.layers.Dropout):
            assert layer.rate == 0.3
        if isinstance(layer, keras.layers.LayerNormalization):
            assert layer.epsilon == 1e-3


def test_it_starts_as_the_residual():
    model = build("transformer", {**HEADS, "dense_expansion": 0})
    np.testing.assert_array_equal(model(data()), data())


def test_windows_of_swin_do_not_see_each_other():
    inputs = keras.Input((16, 12))
    tensor = BLOCKS["swin_transformer"](inputs, Context("float32", "trunk_1"), **HEADS)
    model = keras.Model(inputs, tensor)
    fill(model)
    halves = keras.Model(inputs, model.get_layer("trunk_1_add").output)
    changed = data()
    changed[:, 12] += 1
    moved = np.abs(np.asarray(halves(changed)) - np.asarray(halves(data()))).max(axis=(0, 2))
    assert (moved[:8] == 0).all()
    assert (moved[8:] > 0).all()
    # Two attention layers, each called on two or three windows.
    kinds = [type(layer).__name__ for layer in model.layers]
    assert (kinds.count("MultiheadAttention"), kinds.count("Cropping1D")) == (2, 5)


@pytest.mark.parametrize("block", BLOCKS)
@pytest.mark.parametrize("dtype", ["float32", "mixed_float16"])
def test_models_train_and_are_saved(block, dtype, tmp_path):
    model = build(block, HEADS, dtype=dtype)
    fill(model)
    assert keras.backend.standardize_dtype(model(data()).dtype) == dtype.removeprefix("mixed_")
    if dtype != "float32":
        full = build(block, HEADS)
        fill(full)
        np.testing.assert_allclose(model(data()), full(data()), atol=0.03)
    model.save(tmp_path / "m.keras")
    loaded = keras.saving.load_model(tmp_path / "m.keras")
    np.testing.assert_array_equal(loaded(data()), model(data()))
    model.compile(keras.optimizers.SGD(1e-3), "mse", run_eagerly=True)
    assert np.isfinite(model.train_on_batch(data(), data()[:, ::-1]))
    assert all(np.isfinite(np.asarray(w)).all() for w in model.weights)


@pytest.mark.parametrize(
    ("block", "options", "message"),
    [
        ("transformer", {"key_size": 4, "heads": 5}, "12 channels cannot be divided among 5 heads"),
        ("transformer", {"key_size": 4, "heads": 0}, "heads is 0, want a whole number"),
        ("transformer", {"key_size": 0, "heads": 3}, "key_size is 0"),
        ("transformer", {**HEADS, "num_position_features": 5}, "want an even number"),
        ("transformer_tower", {**HEADS, "block_type": "transformer2"}, "unknown block_type"),
        ("transformer_tower", {**HEADS, "repeat": 0}, "repeat is 0, want a whole number of"),
        ("transformer_tower", {**HEADS, "block_type": "swim"}, "did you mean 'swin'"),
        (
            "transformer_tower",
            {**HEADS, "block_type": "swin", "seqlen_train": 8},
            "unknown argument 'seqlen_train' of block 'swin'",
        ),
        ("swin_transformer", HEADS, "18 positions cannot be divided by 4"),
    ],
)
def test_what_cannot_be_built_is_refused(block, options, message):
    with pytest.raises(ConfigError, match=message):
        build(block, options, length=18)


@pytest.mark.parametrize("key", ["activation", "out_size", "norm_type", "splits"])
def test_arguments_without_effect_are_refused(key):
    with pytest.raises(ConfigError, match=f"unknown argument '{key}' of block 'transformer'"):
        check_arguments(BLOCKS["transformer"], "transformer", {"key_size": 4, key: 1})
    with pytest.raises(ConfigError, match="'transformer' needs key_size"):
        check_arguments(BLOCKS["transformer"], "transformer", {})
