"""Adapted layers against numpy, and against the layers they stand in for."""

import keras
import numpy as np
import pytest

from tfepi.layers.adapters import (
    PROJECTIONS,
    IA3Attention,
    IA3Dense,
    LoraAttention,
    LoraConv1D,
)
from tfrecords_tools.errors import ConfigError

X = np.random.default_rng(0).normal(size=(2, 12, 6)).astype(np.float32)
ATTENTION = {"heads": 2, "key_size": 3, "value_size": 4, "position_features": 0}
CASES = {
    "conv": (LoraConv1D, {"filters": 5, "kernel_size": 3, "padding": "same"}),
    "dense": (IA3Dense, {"units": 5}),
    "lora": (LoraAttention, ATTENTION | {"projections": PROJECTIONS}),
    "ia3": (IA3Attention, ATTENTION),
    "positions": (LoraAttention, ATTENTION | {"position_features": 4}),
    "separable": (LoraAttention, ATTENTION | {"qkv_width": 3}),
}
LOW_RANK = {"latent": 2, "alpha": 3}


def made(case, own=True):
    """Return an adapted layer with random weights, new ones at their start unless `own`."""
    kind, arguments = CASES[case]
    rank = {} if issubclass(kind, (IA3Dense, IA3Attention)) else LOW_RANK
    layer = kind(**arguments, **rank, name="layer")
    layer(X)
    rng = np.random.default_rng(1)
    for weight in layer.weights if own else layer.pretrained:
        weight.assign(rng.normal(0, 0.5, weight.shape))
    return layer


def values(layer):
    return {w.name: keras.ops.convert_to_numpy(w) for w in layer.weights}


def conv(x, kernel):
    """Convolve [batch, length, channels] with [width, channels, filters], same length."""
    half = len(kernel) // 2
    padded = np.pad(x, ((0, 0), (half, half), (0, 0)))
    out = np.zeros((*x.shape[:2], kernel.shape[2]))
    for i in range(x.shape[1]):
        for j in range(len(kernel)):
            out[:, i] += padded[:, i + j] @ kernel[j]
    return out


def attention(q, k, v, w):
    """Attend with projections [batch, length, heads·size] and the other weights by name."""
    heads = []
    for h in range(2):
        qh, kh, vh = q[..., 3 * h :][..., :3], k[..., 3 * h :][..., :3], v[..., 4 * h :][..., :4]
        logits = (qh / np.sqrt(3) + w["content_bias"][0, h, 0]) @ kh.transpose(0, 2, 1)
        weights = np.exp(logits) / np.exp(logits).sum(-1, keepdims=True)
        heads.append(weights @ vh)
    return np.concatenate(heads, -1)


def test_lora_conv_is_a_second_path_of_two_convolutions():
    layer = made("conv")
    w = values(layer)
    down = conv(X, w["kernel_down"])
    want = conv(X, w["kernel"]) + w["bias"] + 3 / 2 * (down @ w["kernel_up"])
    np.testing.assert_allclose(layer(X), want, rtol=1e-4, atol=1e-4)


def test_ia3_dense_rescales_its_inputs():
    layer = made("dense")
    w = values(layer)
    want = (X * w["kernel_scale"]) @ w["kernel"] + w["bias"]
    np.testing.assert_allclose(layer(X), want, rtol=1e-4, atol=1e-5)


def test_lora_attention_adds_a_low_rank_path_to_each_projection():
    layer = made("lora")
    w = values(layer)

    def project(x, name):
        path = x @ w[f"{name}_kernel_down"] @ w[f"{name}_kernel_up"]
        return x @ w[f"{name}_kernel"] + 3 / 2 * path

    mixed = attention(*(project(X, name) for name in ("query", "key", "value")), w)
    want = project(mixed, "output") + w["output_bias"]
    np.testing.assert_allclose(layer(X), want, rtol=1e-3, atol=1e-3)


def test_ia3_attention_rescales_keys_and_values():
    layer = made("ia3")
    w = values(layer)
    q, k, v = (X @ w[f"{name}_kernel"] for name in ("query", "key", "value"))
    mixed = attention(q, k * w["key_kernel_scale"], v * w["value_kernel_scale"], w)
    want = mixed @ w["output_kernel"] + w["output_bias"]
    np.testing.assert_allclose(layer(X), want, rtol=1e-3, atol=1e-3)


@pytest.mark.parametrize("case", CASES)
def test_at_first_it_is_the_layer_it_stands_in_for(case):
    layer = made(case, own=False)
    plain = layer.plain()
    plain(X)
    assert type(plain) is layer.base
    assert [w.name for w in plain.weights] == [w.name for w in layer.pretrained]
    plain.set_weights([keras.ops.convert_to_numpy(w) for w in layer.pretrained])
    np.testing.assert_array_equal(layer(X), plain(X))


@pytest.mark.parametrize("case", CASES)
def test_merged_kernels_do_the_same(case):
    layer = made(case)
    plain = layer.plain()
    plain(X)
    plain.set_weights([keras.ops.convert_to_numpy(w) for w in layer.pretrained])
    assert np.abs(plain(X) - layer(X)).max() > 1e-2
    plain.set_weights([keras.ops.convert_to_numpy(layer.as_used(w)) for w in layer.pretrained])
    np.testing.assert_allclose(layer(X), plain(X), rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize(
    ("case", "count"),
    [
        ("conv", 2 * (3 * 6 + 5)),  # latent·(width·channels + filters)
        ("dense", 6),
        ("lora", 2 * (6 + 6) + 2 * (6 + 6) + 2 * (6 + 8) + 2 * (8 + 8)),
        ("ia3", 6 + 8),
        ("positions", 2 * (6 + 6) + 2 * (6 + 8)),
        ("separable", 2 * (6 + 6) + 2 * (6 + 8)),
    ],
)
def test_only_new_weights_train(case, count):
    layer = made(case)
    assert sum(int(np.prod(w.shape)) for w in layer.trainable_weights) == count
    layer.trainable = False
    assert layer.trainable_weights == []
    layer.trainable = True
    assert {w.name for w in layer.non_trainable_weights} == {w.name for w in layer.pretrained}


@pytest.mark.parametrize("case", CASES)
def test_saved_and_loaded(case, tmp_path):
    layer = made(case)
    inputs = keras.Input(X.shape[1:])
    model = keras.Model(inputs, layer(inputs))
    model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras", safe_mode=True)
    np.testing.assert_array_equal(loaded(X), model(X))
    for ours, theirs in zip(loaded.weights, model.weights, strict=True):
        assert (ours.name, ours.trainable) == (theirs.name, theirs.trainable)
        np.testing.assert_array_equal(ours, theirs)


def test_a_rank_above_the_outputs_is_refused():
    layer = LoraConv1D(filters=5, kernel_size=3, latent=6, alpha=1, name="conv7")
    message = "layer conv7: a low-rank update of rank 6 is no saving for 5 outputs"
    with pytest.raises(ConfigError, match=message):
        layer(X)
