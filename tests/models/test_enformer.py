import os
from pathlib import Path

import keras
import numpy as np
import pytest

from tfepi import geometry
from tfepi.layers import BatchNorm, MultiheadAttention, SoftmaxPool1D
from tfepi.layers.relative_position import enformer_features
from tfepi.models import attention_weights, bin_width, enformer, make_model
from tfepi.models.enformer import tower_widths
from tfepi.models.sizes import sized
from tfepi.params import parse_params, read_params
from tfrecords_tools.errors import ConfigError

SMALL = {
    "input_length": 2048,
    "channels": 48,
    "width_rounding": 8,
    "transformer_layers": 2,
    "key_size": 8,
    "target_length": 10,
    "output_heads": {"human": 5, "mouse": 3},
}
DATA = os.environ.get("TFEPI_TEST_DATA")


@pytest.fixture(autouse=True)
def seeded():
    keras.utils.set_random_seed(1)


def sequences(count=2, length=SMALL["input_length"]):
    rng = np.random.default_rng(3)
    x = np.eye(4, dtype=np.float32)[rng.integers(0, 4, (count, length))]
    x[:, 100:130] = 0
    return x


def randomised(model):
    """Return a model whose weights, of attention outputs too, are all random."""
    rng = np.random.default_rng(5)
    for weight in model.weights:
        if weight.dtype != "float32":
            continue
        if any(word in weight.name for word in ("variance", "gamma")):
            weight.assign(rng.uniform(0.5, 1.5, weight.shape))
        else:
            weight.assign(rng.normal(0, 0.3 / max(1, np.sqrt(weight.shape[0])), weight.shape))
    return model


def count(weights) -> int:
    return sum(int(np.prod(w.shape)) for w in weights)


def test_the_default_is_the_published_model():
    # Built once: it takes a gigabyte.
    model = enformer()
    heads = count(w for w in model.weights if w.path.startswith("head"))
    assert count(model.trainable_weights) == 251_221_292
    assert heads == 21_375_788
    assert model.count_params() == 251_221_292 + 29_696  # moving averages
    shapes = {x.name: tuple(x.output.shape[1:]) for x in model.layers}
    assert shapes["sequence"] == (196_608, 4)
    assert shapes["stem_pool"] == (98_304, 768)
    widths = (768, 896, 1024, 1152, 1280, 1536)
    towers = [shapes[f"tower{n}_pool"] for n in range(1, 7)]
    assert towers == [(98_304 // 2**n, w) for n, w in enumerate(widths, 1)]
    assert shapes["transformer10_hidden"] == (1536, 3072)
    assert shapes["transformer10_add"] == (1536, 1536)
    assert shapes["crop"] == (896, 1536)
    assert shapes["trunk"] == (896, 3072)
    assert model.output["human"].shape == (None, 896, 5313)
    assert model.output["mouse"].shape == (None, 896, 1643)
    assert geometry.bin_width(model, "human") == 128


def test_settings_are_the_published_not_the_defaults_of_keras():
    model = enformer(**SMALL)
    of = {x.name: x for x in model.layers}
    for layer in model.layers:
        if isinstance(layer, BatchNorm):
            assert (layer.momentum, layer.epsilon, layer.synchronized) == (0.9, 1e-5, True)
        if isinstance(layer, keras.layers.LayerNormalization):
            assert layer.epsilon == 1e-5
        if isinstance(layer, SoftmaxPool1D):
            width = layer.input.shape[-1]
            np.testing.assert_array_equal(layer.kernel, 2 * np.eye(width))
        if isinstance(layer, MultiheadAttention):
            assert (layer.attention_dropout, layer.position_dropout) == (0.05, 0.01)
            assert layer.position_features == 48 // 8
            assert not np.any(layer.output_kernel)
            assert not np.any(layer.output_bias)
    assert of["tower1_gelu"].variant == of["trunk"].variant == "sigmoid"
    rates = {x.name: x.rate for x in model.layers if isinstance(x, keras.layers.Dropout)}
    want = {
        f"transformer{n}{part}_dropout": 0.4
        for n in (0, 1)
        for part in ("_attention", "_hidden", "")
    }
    assert rates == want | {"final_dropout": 0.05}


@pytest.mark.parametrize(
    ("name", "deviation"),
    [
        # Truncated at two standard deviations, which leaves 0.8796 of one.
        ("tower1_conv", 0.8796 / np.sqrt(5 * 192)),
        ("transformer0_hidden", 0.8796 / np.sqrt(384)),
        ("head_dense", 0.8796 / np.sqrt(768)),
    ],
)
def test_first_weights_are_sonnets(name, deviation):
    model = enformer(
        input_length=1024, channels=384, transformer_layers=1, target_length=8, output_heads=40
    )
    kernel = np.asarray(model.get_layer(name).kernel)
    assert np.std(kernel) == pytest.approx(deviation, rel=0.02)
    assert np.abs(kernel).max() <= 2 * deviation / 0.8796 * 1.001
    assert not np.any(model.get_layer(name).bias)
    query = np.asarray(model.get_layer("transformer0_attention").query[0])
    assert np.std(query) == pytest.approx(np.sqrt(2 / 384), rel=0.02)


def test_widths_are_rounded_to_multiples():
    assert tower_widths(1536, 128) == [768, 896, 1024, 1152, 1280, 1536]
    assert tower_widths(96, 8) == [48, 56, 64, 72, 80, 96]
    assert tower_widths(768, 128) == [384, 384, 512, 640, 640, 768]  # 2.5 and 4.5 to even


@pytest.mark.parametrize(
    ("change", "want"),
    [
        ({"input_length": 2000}, "input_length 2000 is no multiple of 128.*use 1920 or 2048"),
        ({"channels": 40}, "channels 40 is no multiple of 48"),
        (
            {"channels": 96, "width_rounding": 64},
            "channels is 96, no multiple of width_rounding 64",
        ),
        ({"width_rounding": 128}, "width_rounding 128 leaves the first block of 24 channels none"),
        ({"target_length": 18}, "target_length 18 of the 16 bins"),
        ({"target_length": 9}, "as many left out at either end"),
        ({"output_heads": {"a b": 1}}, "'a b', which cannot name a head"),
    ],
)
def test_sizes_that_cannot_be(change, want):
    with pytest.raises(ConfigError, match=want):
        enformer(**(SMALL | change))


def test_one_head_is_one_output():
    model = enformer(**(SMALL | {"output_heads": 7}))
    assert model.output.shape == (None, 10, 7)
    assert model.layers[-1].name == "head"


# A plain forward pass, in float64, from the released code's description.


def plain(model, x):
    w = {v.path: np.asarray(v, np.float64) for v in model.weights if v.dtype == "float32"}

    def gelu(v):
        return v / (1 + np.exp(-1.702 * v))

    def conv(v, name):
        kernel, size = w[f"{name}/kernel"], len(w[f"{name}/kernel"])
        padded = np.pad(v, ((size // 2, size // 2), (0, 0)))
        taps = [padded[k : k + len(v)] @ kernel[k] for k in range(size)]
        return sum(taps) + w[f"{name}/bias"]

    def norm(v, name):
        scale = w[f"{name}/gamma"] / np.sqrt(w[f"{name}/moving_variance"] + 1e-5)
        return gelu((v - w[f"{name}/moving_mean"]) * scale + w[f"{name}/beta"])

    def layer_norm(v, name):
        v = (v - v.mean(-1, keepdims=True)) / np.sqrt(v.var(-1, keepdims=True) + 1e-5)
        return v * w[f"{name}/gamma"] + w[f"{name}/beta"]

    def pool(v, name):
        pairs = v.reshape(len(v) // 2, 2, -1)
        weight = np.exp(pairs @ w[f"{name}/kernel"])
        return (pairs * weight).sum(1) / weight.sum(1)

    def residual_and_pool(v, name):
        v = v + conv(norm(v, f"{name}_pointwise_norm"), f"{name}_pointwise_conv")
        return pool(v, f"{name}_pool")

    def attention(v, layer):
        name, heads, size = layer.name, layer.heads, layer.key_size
        q, k, u = (v @ w[f"{name}/{p}_kernel"] for p in ("query", "key", "value"))
        r = enformer_features(len(v), layer.position_features) @ w[f"{name}/position_kernel"]
        out = []
        for h in range(heads):
            keys = slice(h * size, (h + 1) * size)
            values = slice(h * layer.value_size, (h + 1) * layer.value_size)
            scaled = q[:, keys] / np.sqrt(size)
            content = (scaled + w[f"{name}/content_bias"][0, h, 0]) @ k[:, keys].T
            relative = (scaled + w[f"{name}/position_bias"][0, h, 0]) @ r[:, keys].T
            i = np.arange(len(v))
            content += relative[i[:, None], i[None] - i[:, None] + len(v) - 1]
            weight = np.exp(content - content.max(-1, keepdims=True))
            out.append(weight / weight.sum(-1, keepdims=True) @ u[:, values])
        return np.hstack(out) @ w[f"{name}/output_kernel"] + w[f"{name}/output_bias"]

    def dense(v, name):
        return v @ w[f"{name}/kernel"] + w[f"{name}/bias"]

    v = residual_and_pool(conv(x.astype(np.float64), "stem_conv"), "stem")
    for n in range(1, 7):
        v = residual_and_pool(conv(norm(v, f"tower{n}_norm"), f"tower{n}_conv"), f"tower{n}")
    n = 0
    while f"transformer{n}_norm/gamma" in w:
        name = f"transformer{n}"
        layer = model.get_layer(f"{name}_attention")
        v = v + attention(layer_norm(v, f"{name}_attention_norm"), layer)
        hidden = np.maximum(dense(layer_norm(v, f"{name}_norm"), f"{name}_hidden"), 0)
        v = v + dense(hidden, f"{name}_output")
        n += 1
    crop = (len(v) - model.get_layer("crop").output.shape[1]) // 2
    v = gelu(conv(norm(v[crop : len(v) - crop], "final_norm"), "final_conv"))
    heads = model.output if isinstance(model.output, dict) else {"": None}
    return {h: np.logaddexp(0, dense(v, f"head_{h}_dense")) for h in heads}


def test_it_computes_its_formula():
    model, x = randomised(enformer(**SMALL)), sequences()
    got = model({"sequence": x}, training=False)
    for row in range(len(x)):
        for head, want in plain(model, x[row]).items():
            np.testing.assert_allclose(got[head][row], want, rtol=2e-4, atol=2e-5)


def test_it_is_saved_and_loaded(tmp_path):
    model, x = randomised(enformer(**SMALL)), sequences()
    model.save(tmp_path / "model.keras")
    again = keras.saving.load_model(tmp_path / "model.keras")
    for head, values in model({"sequence": x}).items():
        np.testing.assert_array_equal(again({"sequence": x})[head], values)


def test_mixed_precision_keeps_heads_in_float32():
    model = randomised(enformer(**SMALL, dtype="mixed_bfloat16"))
    assert model.get_layer("transformer0_hidden").compute_dtype == "bfloat16"
    assert model.get_layer("head_human").compute_dtype == "float32"
    assert model({"sequence": sequences()})["human"].dtype == "float32"


def test_attention_weights_are_given_layer_by_layer():
    model, x = randomised(enformer(**SMALL)), sequences()
    asked = attention_weights(model, ["transformer1_attention"])({"sequence": x})
    assert set(asked) == {"human", "mouse", "transformer1_attention"}
    weights = np.asarray(asked["transformer1_attention"])
    assert weights.shape == (2, 8, 16, 16)
    np.testing.assert_allclose(weights.sum(-1), 1, rtol=1e-5)
    assert weights.std() > 1e-3
    layer = model.get_layer("transformer1_attention")
    into = keras.Model(model.input, layer.input)({"sequence": x})
    np.testing.assert_allclose(layer(into, return_attention_scores=True)[1], weights, atol=1e-6)
    np.testing.assert_allclose(asked["human"], model({"sequence": x})["human"], atol=1e-6)
    with pytest.raises(ConfigError, match="attention layer 'transformer7_attention'"):
        attention_weights(model, ["transformer7_attention"])


def test_the_published_first_weights_see_only_what_convolutions_see():
    # Attention outputs start at zero: no bin sees another.
    model = enformer(**SMALL)
    x = sequences(1)
    base = np.asarray(model({"sequence": x})["human"])
    x[:, 64 + 128 * 8] = np.roll(x[:, 64 + 128 * 8], 1, axis=-1)
    changed = np.abs(np.asarray(model({"sequence": x})["human"]) - base).max(axis=(0, 2)) > 0
    assert changed.any()
    assert changed.sum() <= 6


def params(**model):
    value = {"model": {"name": "enformer", "channels": 48, "width_rounding": 8, **model}}
    return parse_params(value).model


def test_params_json_builds_it_in_the_sizes_of_the_data():
    found = sized(params(), {"input_length": 1024, "target_length": 4, "bin_width": 128})
    model = make_model(found, 6)
    assert model.output.shape == (None, 4, 6)
    assert bin_width(found, model) == 128
    several = make_model(
        sized(params(heads=["a", "b"]), {"input_length": 1024, "target_length": 8}),
        {"a": 2, "b": 3},
    )
    assert several.output["b"].shape == (None, 8, 3)
    assert read_params("enformer").model.heads == ("human", "mouse")


def test_heads_are_named_by_heads():
    with pytest.raises(ConfigError, match=r"leave it out.*\"heads\": \['human', 'mouse'\]"):
        make_model(params(output_heads={"human": 5, "mouse": 3}), {"human": 5, "mouse": 3})


def test_an_error_of_its_sizes_says_where():
    with pytest.raises(ConfigError, match="model: enformer: input_length 1000"):
        make_model(params(input_length=1000), 6)


# The reference's own outputs.

needs_reference = pytest.mark.skipif(not DATA, reason="TFEPI_TEST_DATA names no reference outputs")
STAGES = {"stem": "stem_pool", "crop": "crop", "final_pointwise": "trunk"}
STAGES |= {f"conv_tower_{n}": f"tower{n + 1}_pool" for n in range(6)}
STAGES |= {f"transformer_{n}_mha": f"transformer{n}_attention_add" for n in range(2)}
STAGES |= {f"transformer_{n}": f"transformer{n}_add" for n in range(2)}
STAGES |= {f"head_{h}": f"head_{h}" for h in ("human", "mouse")}


@needs_reference
@pytest.mark.parametrize(("length", "features", "gamma"), [(256, 12, 1e-5), (1536, 192, 3e-3)])
def test_the_basis_is_the_references(length, features, gamma):
    file = np.load(Path(DATA) / "fixtures/enformer/positional_basis.npz")
    got, each = enformer_features(length, features), features // 6
    np.testing.assert_allclose(got, file[f"numpy_f64_T{length}_F{features}"], atol=1e-12)
    want = file[f"sonnet_f32_T{length}_F{features}"]
    for half in (0, features // 2):
        others = slice(half, half + 2 * each)
        np.testing.assert_allclose(got[:, others], want[:, others], atol=1e-6)
        gammas = slice(half + 2 * each, half + 3 * each)
        np.testing.assert_allclose(got[:, gammas], want[:, gammas], atol=gamma)
