"""Borzoi as a configuration of trunk and heads: published sizes, and values by plain NumPy."""

import copy
import itertools
import math

import keras
import numpy as np
import pytest

from tfepi.models import bin_width, make_model
from tfepi.params import parse_params, read_params

# Positions and channels after each stage (Linder et al. 2025, methods; calico/borzoi's params).
STAGES = {
    "trunk_1_conv_dna_pool": (262144, 512),
    "trunk_2_res_tower_conv": (262144, 608),
    "trunk_2_res_tower_conv2": (131072, 736),
    "trunk_2_res_tower_conv3": (65536, 896),
    "trunk_2_res_tower_conv4": (32768, 1056),
    "trunk_2_res_tower_conv5": (16384, 1280),
    "trunk_2_res_tower_conv6": (8192, 1536),
    "trunk_3_transformer_tower_layer_norm": (4096, 1536),
    "trunk_3_transformer_tower_dense": (4096, 3072),
    "trunk_3_transformer_tower_add16": (4096, 1536),
    "trunk_4_unet_conv_separable_conv": (8192, 1536),
    "trunk_5_unet_conv_separable_conv": (16384, 1536),
    "trunk_6_Cropping1D_crop": (6144, 1536),
    "trunk_activation": (6144, 1920),
    "head_human_1_final_dense": (6144, 7611),
    "head_mouse_1_final_dense": (6144, 2608),
}


@pytest.fixture(scope="module")
def published():
    """The preset's model, without memory for its weights."""
    with keras.StatelessScope(initialize_variables=False):
        model = make_model(read_params("borzoi").model, None)
    yield model
    keras.utils.clear_session()


def test_stages_have_the_published_shapes(published):
    assert {name: published.get_layer(name).output.shape[1:] for name in STAGES} == STAGES
    assert bin_width(read_params("borzoi").model, published) == 32


def test_number_of_weights_is_the_sum_over_the_published_sizes(published):
    def conv(width, channels, filters):
        return width * channels * filters + filters

    tower = [512, 608, 736, 896, 1056, 1280, 1536]
    steps = itertools.pairwise(tower)
    count = conv(15, 4, 512) + sum(4 * a + conv(5, a, b) for a, b in steps)
    attention = 2 * 512 + 1536 * (512 + 512 + 1536) + conv(1, 1536, 1536) + 32 * 512
    dense = conv(1, 1536, 3072) + conv(1, 3072, 1536)
    count += 8 * (attention + dense + 2 * 2 * 1536)
    for earlier in (1536, 1280):
        count += 4 * (1536 + earlier) + conv(1, 1536, 1536) + conv(1, earlier, 1536)
        count += 3 * 1536 + conv(1, 1536, 1536)
    count += 4 * 1536 + conv(1, 1536, 1920)
    # borzoi-pytorch has as many: 190,902,667 that train, and 25,024 moving averages.
    count += conv(1, 1920, 7611) + conv(1, 1920, 2608)
    assert published.count_params() == count == 190_927_691


def test_layers_have_the_published_settings(published):
    found = {}
    for layer in published.layers:
        settings = layer.get_config()
        names = {"epsilon", "momentum", "synchronized", "variant", "rate"} & set(settings)
        found.setdefault(type(layer).__name__, set()).add(
            tuple((n, settings[n]) for n in sorted(names))
        )
    assert found["BatchNormalization"] == {
        (("epsilon", 1e-3), ("momentum", 0.9), ("synchronized", True))
    }
    assert found["LayerNormalization"] == {(("epsilon", 1e-3),)}
    assert found["Gelu"] == {(("variant", "tanh"),)}
    assert found["Dropout"] == {(("rate", 0.2),), (("rate", 0.1),)}
    attention = published.get_layer("trunk_3_transformer_tower_attention").get_config()
    wanted = {
        "heads": 8,
        "key_size": 64,
        "value_size": 192,
        "position_features": 32,
        "attention_dropout": 0.05,
        "position_dropout": 0.01,
        "l2_scale": 1e-8,
    }
    assert {key: attention[key] for key in wanted} == wanted
    separable = published.get_layer("trunk_4_unet_conv_separable_conv")
    assert separable.kernel_size == (3,)


def test_training_is_the_published():
    train = read_params("borzoi").train
    assert (train.optimizer, train.learning_rate, train.warmup_steps) == ("adam", 6e-5, 20000)
    assert (train.loss, train.total_weight) == ("poisson_mn", 0.2)
    assert (train.global_clipnorm, train.batch_size) == (0.15, 2)


def test_the_small_one_is_of_the_same_blocks():
    large, small = (read_params(name).model for name in ("borzoi", "borzoi_small"))

    def names(params):
        return [block["name"] for block in params.keywords["trunk"]]

    assert names(small) == names(large)
    model = make_model(small, 74)
    assert model.output_shape == (None, 2048, 74)
    assert model.count_params() < 200_000


# A plain Borzoi, position by position where that is what the formula says.


def gelu(x):
    return 0.5 * x * (1 + np.tanh(math.sqrt(2 / math.pi) * (x + 0.044715 * x**3)))


def batch_norm(x, weights):
    gamma, beta, mean, variance = weights
    return (x - mean) / np.sqrt(variance + 1e-3) * gamma + beta


def layer_norm(x, weights):
    gamma, beta = weights
    mean, variance = x.mean(-1, keepdims=True), x.var(-1, keepdims=True)
    return (x - mean) / np.sqrt(variance + 1e-3) * gamma + beta


def conv(x, weights):
    kernel, bias = weights
    padded = np.pad(x, ((len(kernel) // 2,) * 2, (0, 0)))
    return sum(padded[i : i + len(x)] @ tap for i, tap in enumerate(kernel)) + bias


def separable_conv(x, weights):
    depthwise, pointwise, bias = weights
    padded = np.pad(x, ((len(depthwise) // 2,) * 2, (0, 0)))
    taps = [padded[i : i + len(x)] * tap[:, 0] for i, tap in enumerate(depthwise)]
    return sum(taps) @ pointwise[0] + bias


def dense(x, weights):
    kernel, bias = weights
    return x @ kernel + bias


def max_pool(x):
    return np.maximum(x[0::2], x[1::2])


def position_features(distance, length, number):
    """Whether the distance is within each width, and the same with its sign (Avsec et al. 2021)."""
    half = number // 2
    widths = [(length + 1) ** (i / half) - 1 for i in range(1, half + 1)]
    within = np.array([float(abs(distance) < width) for width in widths])
    return np.concatenate([within, np.sign(distance) * within])


def attention(x, weights, heads):
    u, w, to_query, to_key, to_value, out, bias, to_position = weights
    query, key, value = (
        np.stack(np.split(x @ kernel, heads, -1)) for kernel in (to_query, to_key, to_value)
    )
    query = query / math.sqrt(query.shape[-1])
    results = np.zeros_like(value)
    for head in range(heads):
        for i in range(len(x)):
            logits = np.empty(len(x))
            for j in range(len(x)):
                position = position_features(j - i, len(x), len(to_position)) @ to_position
                position = np.split(position, heads)[head]
                logits[j] = (query[head, i] + u[0, head, 0]) @ key[head, j]
                logits[j] += (query[head, i] + w[0, head, 0]) @ position
            share = np.exp(logits - logits.max())
            results[head, i] = share / share.sum() @ value[head]
    return np.concatenate(list(results), -1) @ out + bias


def borzoi(x, of, heads, steps, blocks, crop, outputs):
    """Return each head's prediction for one sequence.

    Args:
        x: [length, 4].
        of: weights of a layer, by its name.
        heads: of attention.
        steps: of the tower.
        blocks: of the transformer.
        crop: bins left out at each end.
        outputs: names of heads.
    """

    def nth(place):
        return str(place) if place > 1 else ""

    x = max_pool(conv(x, of("trunk_1_conv_dna_conv")))
    before_pooling = []
    for step in range(1, steps + 1):
        x = gelu(batch_norm(x, of(f"trunk_2_res_tower_batch_norm{nth(step)}")))
        x = conv(x, of(f"trunk_2_res_tower_conv{nth(step)}"))
        before_pooling.append(x)
        x = max_pool(x)
    part = "trunk_3_transformer_tower"
    for block in range(1, blocks + 1):
        y = layer_norm(x, of(f"{part}_layer_norm{nth(2 * block - 1)}"))
        x = x + attention(y, of(f"{part}_attention{nth(block)}"), heads)
        y = layer_norm(x, of(f"{part}_layer_norm{nth(2 * block)}"))
        y = np.maximum(dense(y, of(f"{part}_dense{nth(2 * block - 1)}")), 0)
        x = x + dense(y, of(f"{part}_dense{nth(2 * block)}"))
    for part in ("trunk_4_unet_conv", "trunk_5_unet_conv"):
        y = gelu(batch_norm(before_pooling.pop(), of(f"{part}_batch_norm2")))
        x = dense(gelu(batch_norm(x, of(f"{part}_batch_norm"))), of(f"{part}_dense"))
        x = np.repeat(x, 2, axis=0) + dense(y, of(f"{part}_dense2"))
        x = separable_conv(x, of(f"{part}_separable_conv"))
    x = x[crop:-crop]
    x = gelu(batch_norm(x, of("trunk_7_conv_nac_batch_norm")))
    x = gelu(conv(x, of("trunk_7_conv_nac_conv")))
    return {h: np.log1p(np.exp(dense(x, of(f"head_{h}_1_final_dense")))) for h in outputs}


def tiny():
    """Parameters of a Borzoi of four steps, 512 bp and a few channels."""
    source = copy.deepcopy(read_params("borzoi").source)
    model = source["model"] | {"seq_length": 512, "target_length": 64 - 2 * 6}
    stem, tower, transformer, _, _, cropping, last = model["trunk"]
    stem["filters"], last["filters"], cropping["cropping"] = 6, 14, 6
    tower.update(repeat=4, filters_init=7, filters_end=12, divisible_by=1)
    transformer.update(repeat=2, heads=3, key_size=5, num_position_features=6)
    model["head_human"]["units"], model["head_mouse"]["units"] = 5, 3
    return parse_params(source | {"model": model})


def test_values_are_those_of_plain_numpy():
    model = make_model(tiny().model, None)
    rng = np.random.default_rng(4)
    weights = {}
    for layer in model.layers:
        for weight in layer.weights:
            fan = math.prod(weight.shape[:-1])
            spread = 0.3 if "bias" in weight.name or "moving" in weight.name else fan**-0.5
            value = rng.normal(0, spread, weight.shape)
            if weight.name in ("gamma", "moving_variance"):
                value = rng.uniform(0.5, 1.5, weight.shape)
            weight.assign(value)
        weights[layer.name] = [keras.ops.convert_to_numpy(w).astype(float) for w in layer.weights]
    x = np.eye(4)[rng.integers(4, size=(2, 512))]
    found = model.predict({"sequence": x.astype(np.float32)}, verbose=0)
    assert found["human"].shape == (2, 52, 5)
    for row in range(2):
        wanted = borzoi(x[row], weights.get, 3, 4, 2, 6, ("human", "mouse"))
        for head, values in wanted.items():
            assert values.std() > 0.1
            np.testing.assert_allclose(found[head][row], values, rtol=1e-5, atol=1e-5)
