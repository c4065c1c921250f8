import json

import keras
import numpy as np
import pytest
from keras.layers import BatchNormalization, LayerNormalization

from tfepi.layers import Scale
from tfepi.models.basenji import basenji
from tfepi.models.blocks import creation_order
from tfrecords_tools.errors import ConfigError, InputFileError

STEM = {"name": "conv_dna", "filters": 6, "kernel_size": 5}
FINAL = {"name": "final", "units": 3, "activation": "softplus"}


def build(*trunk, heads=None, **settings):
    settings = {"seq_length": 32, **settings}
    return basenji(trunk=[STEM, *trunk], heads=heads or {"output": FINAL}, **settings)


def layers_of(model, kind):
    return [layer for layer in creation_order(model) if isinstance(layer, kind)]


def sequences(batch=2, length=32):
    return np.eye(4, dtype=np.float32)[np.random.default_rng(1).integers(4, size=(batch, length))]


def test_the_fixture_has_the_originals_weights(test_data):
    folder = test_data / "fixtures/basenji/model"
    section = json.loads((folder / "small.params.json").read_text())["model"]
    section = {k: v for k, v in section.items() if not k.startswith("augment")}
    model = basenji(heads={"output": section.pop("head")}, **section)
    names = {
        "Conv1D": "conv1d",
        "Dense": "dense",
        "BatchNormalization": "batch_normalization",
    }
    counts, ours = dict.fromkeys(names, 0), []
    for layer in creation_order(model):
        kind = type(layer).__name__
        name = f"{names[kind]}_{counts[kind]}".removesuffix("_0")
        counts[kind] += 1
        ours += [[f"{name}/{weight.name}:0", list(weight.shape)] for weight in layer.weights]
    assert ours == json.loads((folder / "small.weights.json").read_text())
    assert model.output_shape == (None, 1, 6)


def test_layers_are_named_after_section_block_and_part():
    model = build(
        {"name": "conv_tower", "filters_init": 6, "filters_mult": 1.5, "repeat": 2},
        heads={"human": [{"name": "conv_nac"}, FINAL], "mouse": FINAL},
        activation="gelu",
    )
    names = [layer.name for layer in creation_order(model)]
    assert names == [
        "trunk_1_conv_dna_conv",
        "trunk_2_conv_tower_conv",
        "trunk_2_conv_tower_conv2",
        "head_human_1_conv_nac_conv",
        "head_human_2_final_dense",
        "head_mouse_1_final_dense",
    ]
    rest = {layer.name for layer in model.layers} - set(names)
    assert "trunk_activation" in rest
    assert all(name == "sequence" or name.startswith(("trunk", "head_")) for name in rest)


def test_one_head_gives_a_tensor_and_several_a_dict():
    x = {"sequence": sequences()}
    assert build()(x).shape == (2, 32, 3)
    y = build(heads={"b": FINAL, "a": [{"name": "center_slice", "center": 4}, FINAL]})(x)
    assert {name: tuple(v.shape) for name, v in y.items()} == {"b": (2, 32, 3), "a": (2, 4, 3)}


def test_order_of_creation_follows_the_heads_given_also_after_loading(tmp_path):
    model = build(heads={"b": [{"name": "dense_nac"}, FINAL], "a2": FINAL, "a10": FINAL})
    names = [layer.name for layer in layers_of(model, keras.layers.Dense)]
    assert [n.split("_")[1] for n in names] == ["b", "b", "a2", "a10"]
    model.save(tmp_path / "m.keras")
    again = keras.saving.load_model(tmp_path / "m.keras")
    assert [layer.name for layer in layers_of(again, keras.layers.Dense)] == names


def test_the_trunk_ends_in_the_activation():
    for without in (None, "linear"):
        names = [layer.name for layer in build(activation=without).layers]
        assert "trunk_activation" not in names
        # The blocks keep their own default, "relu", where the model has none.
        assert ("trunk_1_conv_dna_activation" in names) == (without is None)
    assert build(activation="gelu").get_layer("trunk_activation").variant == "tanh"


def test_model_wide_settings_reach_the_blocks_that_take_them():
    model = build(
        {"name": "conv_block", "norm_type": None, "kernel_initializer": "zeros"},
        {"name": "conv_nac", "bn_momentum": 0.5, "kernel_size": 3},
        {"name": "Conv1D", "filters": 4, "kernel_size": 3},
        {"name": "Dense", "units": 4},
        heads={"output": {"name": "final", "units": 3}},
        activation="tanh",
        norm_type="batch",
        bn_momentum=0.8,
        l2_scale=0.01,
        l1_scale=0.02,
        padding="valid",
        kernel_initializer="lecun_normal",
    )
    assert [n.momentum for n in layers_of(model, BatchNormalization)] == [0.8, 0.5]
    convolutions = layers_of(model, keras.layers.Conv1D)
    assert [c.padding for c in convolutions] == ["same", "same", "valid", "valid"]
    initializers = [type(c.kernel_initializer).__name__ for c in convolutions]
    assert initializers == ["LecunNormal", "Zeros", "LecunNormal", "GlorotUniform"]
    assert [c.use_bias for c in convolutions] == [False, True, True, True]
    dense, final = layers_of(model, keras.layers.Dense)
    assert dense.activation is keras.activations.linear
    assert dense.kernel_regularizer is None
    assert final.activation is keras.activations.tanh
    assert (final.kernel_regularizer.l1, final.kernel_regularizer.l2) == pytest.approx((0.02, 0.01))


def test_penalties_are_those_of_the_kernels():
    model = build(
        {"name": "conv_block", "conv_type": "separable", "kernel_size": 3},
        heads={"output": {"name": "final", "units": 3, "l2_scale": 0.5}},
        l2_scale=0.01,
        l1_scale=0.02,
    )
    kernels = {w.path: np.asarray(w) for w in model.weights if "kernel" in w.path}
    final = kernels.pop("head_output_1_final_dense/kernel")
    assert len(kernels) == 3
    want = 0.01 * sum(np.sum(k.astype(float) ** 2) for k in kernels.values())
    want += 0.5 * np.sum(final**2) + 0.02 * np.sum(np.abs(final))
    assert float(sum(model.losses)) == pytest.approx(want, rel=1e-5)


@pytest.mark.parametrize("norm_type", ["batch", "batch-sync", "layer"])
def test_norms_have_the_originals_settings_and_start_at_one(norm_type):
    model = build(
        {"name": "conv_tower", "filters_init": 6, "filters_mult": 1, "repeat": 2, "pool_size": 2},
        {"name": "conv_nac"},
        {"name": "unet_conv"},
        {"name": "dense_block"},
        norm_type=norm_type,
    )
    kind = LayerNormalization if norm_type == "layer" else BatchNormalization
    norms = layers_of(model, kind)
    assert len(norms) == 7
    assert {n.epsilon for n in norms} == {1e-3}
    assert all(np.all(np.asarray(n.gamma) == 1) for n in norms)
    if norm_type != "layer":
        assert {n.momentum for n in norms} == {0.99}
        assert {n.synchronized for n in norms} == {norm_type == "batch-sync"}


def test_conv_next_has_its_own_epsilon():
    (norm,) = layers_of(build({"name": "conv_next"}), LayerNormalization)
    assert norm.epsilon == 1e-5


def test_residual_branches_start_switched_off():
    x = {"sequence": sequences()}
    plain = keras.Model(*(lambda m: (m.inputs, m.get_layer("trunk_activation").output))(build()))
    for block in (
        {"name": "dilated_residual", "filters": 4, "repeat": 2},
        {"name": "dilated_residual", "filters": 4, "repeat": 2, "norm_type": "batch"},
        {"name": "dense_block", "residual": True, "norm_type": "batch"},
    ):
        model = build(block)
        if block["name"] == "dilated_residual" and "norm_type" not in block:
            assert len(layers_of(model, Scale)) == 2
        model.get_layer("trunk_1_conv_dna_conv").set_weights(
            plain.get_layer("trunk_1_conv_dna_conv").get_weights()
        )
        trunk = keras.Model(model.inputs, model.get_layer("trunk_activation").output)
        np.testing.assert_allclose(trunk(x), plain(x), atol=1e-6)


CUSTOM = {
    "softmax pooling": [{"name": "conv_block", "pool_size": 2, "pool_type": "softmax"}],
    "scale": [{"name": "res_tower", "filters_init": 4, "filters_mult": 2, "repeat": 2}],
    "position": [{"name": "concat_position", "transform": "reversed", "power": 2}],
    "center": [{"name": "center_slice", "center": 8}, {"name": "center_average", "center": 3}],
    "activations": [
        {"name": "exp", "base": 1.5, "minus": 1},
        *({"name": "dense_nac", "activation": a} for a in ("exp", "softplus", "polyrelu", "tanh")),
    ],
    "unet": [
        {"name": "conv_tower", "filters_init": 4, "filters_end": 8, "repeat": 2, "pool_size": 2},
        {"name": "unet_conv"},
        {"name": "unet_concat", "norm_type": "layer"},
    ],
    "flatten": [{"name": "Flatten"}],
}


@pytest.mark.parametrize("case", CUSTOM)
def test_saved_models_predict_the_same(case, tmp_path):
    model = build(*CUSTOM[case], norm_type="batch")
    for number, weight in enumerate(model.weights):
        weight.assign(
            weight + 0.1 * np.sin(number + np.arange(np.prod(weight.shape))).reshape(weight.shape)
        )
    model.save(tmp_path / "m.keras")
    again = keras.saving.load_model(tmp_path / "m.keras")
    x = {"sequence": sequences()}
    y = np.asarray(model(x))
    assert y.ndim == 3
    assert np.isfinite(y).all()
    np.testing.assert_array_equal(again(x), y)


@pytest.mark.parametrize("policy", ["mixed_float16", "mixed_bfloat16"])
@pytest.mark.parametrize("case", CUSTOM)
def test_mixed_precision_keeps_the_heads_in_float32(case, policy):
    heads = {"output": [{"name": "conv_nac"}, FINAL] if case != "flatten" else FINAL}
    model = build(*CUSTOM[case], norm_type="batch", dtype=policy, heads=heads)
    for layer in model.layers:
        if layer.name.startswith("head_"):
            assert layer.compute_dtype == "float32"
        elif layer.name != "sequence":
            assert layer.compute_dtype == policy.removeprefix("mixed_")
            assert {w.dtype for w in layer.weights} <= {"float32"}
    y = model({"sequence": sequences()})
    assert y.dtype == "float32"
    assert np.isfinite(y).all()


def test_positions_that_float16_cannot_hold_are_refused():
    block = {"name": "concat_position"}
    with pytest.raises(ConfigError, match="reach 70000, above float16's largest"):
        build(block, seq_length=140_000, dtype="mixed_float16")
    build(block, seq_length=140_000, dtype="mixed_bfloat16")


def test_factor_inverse_multiplies_by_the_file_and_does_not_need_it_again(tmp_path):
    components = np.random.default_rng(0).normal(size=(3, 5)).astype(np.float32)
    np.save(tmp_path / "components.npy", components)
    factor = {"name": "factor_inverse", "components_file": str(tmp_path / "components.npy")}
    model = build(heads={"output": [FINAL, factor]})
    before = keras.Model(model.inputs, model.get_layer("head_output_1_final_dense").output)
    x = {"sequence": sequences()}
    np.testing.assert_allclose(model(x), np.asarray(before(x)) @ components, rtol=1e-5, atol=1e-6)
    assert not model.get_layer("head_output_2_factor_inverse_factor").trainable_weights
    assert "factor" not in creation_order(model)[-1].name
    model.save(tmp_path / "m.keras")
    (tmp_path / "components.npy").unlink()
    np.testing.assert_array_equal(keras.saving.load_model(tmp_path / "m.keras")(x), model(x))


def test_factor_inverse_refuses_other_files(tmp_path):
    def factor(name):
        block = {"name": "factor_inverse", "components_file": str(tmp_path / name)}
        return build(heads={"output": [FINAL, block]})

    np.save(tmp_path / "objects.npy", np.array([{}], dtype=object), allow_pickle=True)
    np.save(tmp_path / "rows.npy", np.zeros((4, 5)))
    np.savez(tmp_path / "two.npz", np.zeros((3, 5)))
    (tmp_path / "text.npy").write_text("no numbers")
    for name in ("none.npy", "objects.npy", "text.npy"):
        with pytest.raises(InputFileError, match=r"model.head\[1\], factor_inverse: .*cannot"):
            factor(name)
    for name, message in (
        ("rows.npy", r"shape \(4, 5\), want one row for each of 3"),
        ("two.npz", "shape None"),
    ):
        with pytest.raises(ConfigError, match=message):
            factor(name)


def test_every_layer_survives_training_and_export(tmp_path):
    import tensorflow as tf

    keras.utils.set_random_seed(1)
    model = build(
        {"name": "concat_position"},
        {"name": "conv_block", "filters": 4, "pool_size": 2, "pool_type": "softmax"},
        {"name": "res_tower", "filters_init": 4, "filters_mult": 2, "repeat": 1},
        *({"name": "dense_nac", "activation": a} for a in ("gelu", "softplus", "tanh", "polyrelu")),
        {"name": "unet_conv", "kernel_size": 3},
        {"name": "exp", "base": 1.1, "minus": 1},
        {"name": "center_slice", "center": 6},
        norm_type="batch-sync",
        activation="gelu",
    )
    x = sequences(batch=4)
    model.compile("sgd", "poisson", jit_compile=False)
    model.fit({"sequence": x}, np.ones((4, 6, 3)), epochs=1, batch_size=2, verbose=0)
    y = np.asarray(model({"sequence": x}))
    assert np.isfinite(y).all()
    model.export(str(tmp_path / "saved"), verbose=False)
    served = tf.saved_model.load(str(tmp_path / "saved"))
    np.testing.assert_allclose(served.serve({"sequence": tf.constant(x)}), y, rtol=1e-5, atol=1e-6)
